/* The environment of smb-worker: variables of the host that its libraries need, and no secret. */
#ifndef LUA_SMB_ENVIRONMENT_H
#define LUA_SMB_ENVIRONMENT_H

/* Returns a list that ends with NULL; free the list, not its strings, which are the host's. NULL without memory. */
char **environment_of_worker(void);

#endif
