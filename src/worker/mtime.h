/* The modification time of a file on the share: set, and checked where a server's disk may have replaced it. */
#ifndef LUA_SMB_MTIME_H
#define LUA_SMB_MTIME_H

#include "protocol.h"
#include "replace.h"

/*
 * With MTIME, gives the temporary file of an upload its time. A time that the server refuses is no failure, unless
 * INSIST says so: see mtime_was_refused. `size`, unless NULL, is what the file must have, by the answer to the opening
 * that setting a time costs.
 */
bool mtime_set(const struct replacement *t, const uint64_t *size, struct smb_fault *fault);

/* Sets the time of any file or folder; UNSUPPORTED where the server has set another one instead. */
bool mtime_change(const char *path, int64_t mtime, struct smb_fault *fault);

/* The file of the request under way is to be kept without the time that it should have. */
void mtime_refuse(void);

/* Whether that happened since the last question. `instead` becomes the time that the file has, if that was seen. */
bool mtime_was_refused(int64_t *instead);

#endif
