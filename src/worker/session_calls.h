/* How session.c and session_files.c call libsmbclient; nobody else does. */
#ifndef LUA_SMB_SESSION_CALLS_H
#define LUA_SMB_SESSION_CALLS_H

#include "follow.h"
#include "protocol.h"

#include <libsmbclient.h>
#include <stdbool.h>
#include <sys/stat.h>

SMBCCTX *session_context(void);

/* A call of the library with the URL of a path; below 0, and errno, where it fails. */
typedef int session_action(const char *url, void *context);

/* Make such a call where the path lies: the second makes, changes or removes something. */
bool session_read_at(const char *path, session_action *act, void *context, struct smb_fault *fault);
bool session_change_at(enum follow_use use, const char *path, session_action *act, void *context,
		       struct smb_fault *fault);

/* Begins a call with what is open; false when the library must not be asked. */
bool session_begin(enum smb_patience patience, struct smb_fault *fault);

/* An entry of what the library says, and of what the wire has shown. */
void session_fill_entry(struct smb_entry *entry, const struct stat *st);

/* Explains the failure of a call by errno and by what was seen. Returns false. */
bool session_failed_with(struct smb_fault *fault, int error);

/* Whether the server has ended the session or closed the share; and the same after a failure that does not say so. */
bool session_has_ended(void);
bool session_has_ended_unseen(int error);

#endif
