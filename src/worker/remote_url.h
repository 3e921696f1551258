/* The library's names for what is on the share: URLs. */
#ifndef LUA_SMB_REMOTE_URL_H
#define LUA_SMB_REMOTE_URL_H

#include "protocol.h"

#include <stdbool.h>

/* Makes the URL of the share; call it first. False: out of memory. */
bool remote_url_begin(const struct smb_connect *target);

/* The URL of a path below the share, to be freed; NULL: out of memory. */
char *remote_url(const char *path);

#endif
