/* What a worker gives up before it talks to a server, which may own it afterwards. */
#ifndef LUA_SMB_CONFINE_H
#define LUA_SMB_CONFINE_H

#include "protocol.h"

#include <stdbool.h>

/*
 * Binds this process for good, before it has a second thread, unless the target says no. Returns what holds, of enum
 * smb_confined: what the kernel does not have is left out.
 */
uint32_t confine(const struct smb_connect *target);

/* Whether this process runs with a sanitizer, which needs more than the program. */
bool confine_has_sanitizer(void);

#endif
