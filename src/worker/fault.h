/* Turns what is known of a failure (the NT status, else the step that failed and errno) into one of the error codes. */
#ifndef LUA_SMB_FAULT_H
#define LUA_SMB_FAULT_H

#include "shared/fault.h"

/* Fills `fault` from a failed library call; gives false, so that callers can return it. */
bool fault_remote(struct smb_fault *fault, enum smb_step step, uint32_t status, int error, bool broken);

/* A failure that fault_remote filled in means something else here; its NT status stays. */
void fault_is(struct smb_fault *fault, enum smb_code code, const char *text);

/* The connection broke: the request may have been carried out all the same. */
bool fault_broke(const struct smb_fault *fault);

/* The local file failed: `what` says which part. Gives false. */
bool fault_local(struct smb_fault *fault, const char *what, int error);

/* A named user was let in as a guest, or as nobody. */
void fault_guest(struct smb_fault *fault);

/*
 * The status says that the password is wrong, or of no use any more, or that the account may not log on: to send it
 * again is of no use, and may lock the account. A logon fails for other reasons, too: no logon server, clocks, tickets,
 * a server that is busy.
 */
bool fault_refuses_password(uint32_t status);

/*
 * The library itself found that the server's answers do not fit together: an answer to the negotiation was changed on
 * its way.
 */
bool fault_meddled(struct smb_fault *fault);

/*
 * After a request to make something of that name, or to give it that name, where all else is there: a server says
 * OBJECT_NAME_NOT_FOUND of names that it lets nobody have (Samba's 'veto files'), and OBJECT_PATH_NOT_FOUND of a
 * missing folder. True when that is so; then the fault says it.
 */
bool fault_vetoed(struct smb_fault *fault);

/* The clocks differ by more than Kerberos allows: seconds that the other one is ahead of ours. Gives true. */
bool fault_clock(struct smb_fault *fault, int64_t ahead);

#endif
