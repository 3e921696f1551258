/*
 * What comes in place of SMB: a NetBIOS session that is refused (RFC 1002 4.3), or something that no file server says.
 */
#ifndef LUA_SMB_NETBIOS_H
#define LUA_SMB_NETBIOS_H

#include "fault.h"
#include "protocol.h"

#include <stdbool.h>
#include <stdint.h>

/* A call begins, and nothing has been heard. */
void netbios_begin_call(void);

/* Whether frames of that type are none: what sends them is no file server, and how long they are nobody knows. */
bool netbios_is_none(uint8_t type);

/* A frame that is not SMB, and the first byte in it. */
void netbios_heard(uint8_t type, uint8_t reason);

/* Says why there is no connection; true when that was heard. */
bool netbios_explain(struct smb_fault *fault);

#endif
