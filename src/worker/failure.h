/* Why a call of the library failed: what the wire saw, who logs on, and errno, as a fault. */
#ifndef LUA_SMB_FAILURE_H
#define LUA_SMB_FAILURE_H

#include "identity.h"
#include "protocol.h"

#include <stdbool.h>

/*
 * Fills `fault` for the call that has just failed with that errno. `stopped` is why the session let nothing leave, if
 * it did. Returns false, so that callers can return it.
 */
bool failure_explain(const struct smb_connect *target, const struct identity *identity, const struct smb_fault *stopped,
		     int error, struct smb_fault *fault);

/* The server ended the logon or closed the share in this call: the TCP connection stands, and is of no use any more. */
bool failure_ends_session(void);

#endif
