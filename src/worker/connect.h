/* Connects to the server, logs on and opens the share. */
#ifndef LUA_SMB_CONNECT_H
#define LUA_SMB_CONNECT_H

#include "protocol.h"

#include <stdbool.h>

/* False leaves nothing that can be used. */
bool connect_share(const struct smb_connect *target, struct smb_fault *fault);

#endif
