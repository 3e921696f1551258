/* The library's names for what is on a share: URLs. */
#ifndef LUA_SMB_REMOTE_URL_H
#define LUA_SMB_REMOTE_URL_H

#include <stdint.h>

/*
 * Returns the URL of a folder on a share, "" for the share's root; without a share ("") that of the server. To be
 * freed; NULL: out of memory.
 */
char *remote_url_root(const char *server, uint32_t port, const char *share, const char *folder);

/* Returns the URL of a path below such a root, to be freed; NULL: out of memory. */
char *remote_url(const char *root, const char *path);

#endif
