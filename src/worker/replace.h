/*
 * Gives a file its name. A file that has the name is moved aside for the moment of the rename, put back when the rename
 * fails, and deleted when it has been replaced.
 */
#ifndef LUA_SMB_REPLACE_H
#define LUA_SMB_REPLACE_H

#include "protocol.h"

#include <stdbool.h>

/* MS-FSCC 2.6: hidden and system. A file keeps them when it is replaced or copied. */
enum { PLACE_ATTRIBUTES = 2 | 4 };

/* Where a new file goes. The paths belong to the caller. */
struct replacement {
	const char *path;
	const char *temporary;
	const char *aside;
	/* OVERWRITE, PARENTS, MTIME, INSIST, NEW, KEEP, AGAIN, RESUME, DIGEST, VERIFY, IN_PLACE, OURS, LASTING */
	uint32_t flags;
	int64_t mtime;     /* ticks, with MTIME */
	uint32_t io_size;  /* bytes per SMB write, 0: as negotiated */
	bool occupied;     /* a file has the name; replace_look finds that out, */
	uint32_t attributes; /* and the attributes of that file that the new one must have */
};

/*
 * Finds out what has the name, before anything is sent, and puts back what an earlier run has moved aside. False when
 * nothing may be put there.
 */
bool replace_look(struct replacement *t, struct smb_fault *fault);

/* Gives the file at `from` the name. */
bool replace_put(const char *from, struct replacement *t, struct smb_fault *fault);

/* Renames within the share. */
bool replace_rename(const char *from, struct replacement *to, struct smb_fault *fault);

/* Before a further attempt: puts back what the last one has moved aside; whether that one has finished after all. */
void replace_settle_aside(const struct replacement *t);
bool replace_is_done(const struct replacement *t, uint64_t size);

/*
 * Removes the temporary file, which other connections of ours may still have open if `shared`. False unless it is known
 * to be gone.
 */
bool replace_remove_temporary(const struct replacement *t, bool shared, struct smb_fault *fault);

/*
 * After a failure: removes the temporary file, unless another attempt or run can go on with it, and calls
 * lifeline_settle. Returns whether it is gone.
 */
bool replace_leave_temporary(const struct replacement *t, const struct smb_fault *fault);

/*
 * Once nothing of an upload is left to be done: where the module has gone, which would have done it, removes the small
 * folder that has the temporary name, if it is the last one in it.
 */
void replace_leave_folder(const struct replacement *t);

/* Whether, since the last question, a file was replaced that could not be removed and still stands aside. */
bool replace_left(void);

/*
 * After a transfer that could not tidy up: puts back an old file that stands aside, or removes it where the name is
 * taken; removes the temporary file, unless its name is "".
 */
bool replace_settle(const struct replacement *t, struct smb_fault *fault);

#endif
