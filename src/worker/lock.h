/*
 * Lock files: made exclusively, and removed by the worker when the module has gone without having done so. What stands
 * in one tells it from all others: a lock that somebody else has taken over meanwhile is left alone.
 */
#ifndef LUA_SMB_LOCK_H
#define LUA_SMB_LOCK_H

#include "protocol.h"

#include <stdbool.h>

/*
 * Makes a lock file; `exists` when there is one. `again`: one with the same content is an earlier attempt's, and will
 * do.
 */
bool lock_make(const char *path, const char *content, bool again, struct smb_fault *fault);

/* Removes the lock file if it has that content; one that is missing, or another's, is no failure. */
bool lock_remove(const char *path, const char *content, struct smb_fault *fault);

#endif
