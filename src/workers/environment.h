/* The environment of smb-worker: of the host's what libraries there need, and no secret. */
#ifndef LUA_SMB_ENVIRONMENT_H
#define LUA_SMB_ENVIRONMENT_H

/* A list that ends with NULL, to be freed; its texts are the host's own. NULL where there is no memory. */
char **environment_of_worker(void);

#endif
