/* Asks a server that hangs up what it speaks: once, by a connection of its own, without the library. */
#ifndef LUA_SMB_PROBE_H
#define LUA_SMB_PROBE_H

#include "protocol.h"

#include <stdbool.h>

/* Whether the server answers an offer of SMB1 and SMB2 by SMB1. False, too, where it does not answer. */
bool probe_speaks_smb1_only(const struct smb_connect *target);

#endif
