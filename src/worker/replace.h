/*
 * How a file comes to its name: what stands there is looked at first, moved aside for the moment of the rename, put back when that
 * fails, and deleted when it has been replaced.
 */
#ifndef LUA_SMB_REPLACE_H
#define LUA_SMB_REPLACE_H

#include "protocol.h"

#include <stdbool.h>

/* MS-FSCC 2.6: hidden and system, which a file keeps when it is replaced or copied. */
enum { PLACE_ATTRIBUTES = 2 | 4 };

/* Where a new file goes. The paths belong to the caller. */
struct replacement {
	const char *path;
	const char *temporary;
	const char *aside;
	uint32_t flags;    /* OVERWRITE, PARENTS, MTIME, INSIST, NEW, KEEP, AGAIN, RESUME, DIGEST, VERIFY, IN_PLACE, OURS, LASTING */
	int64_t mtime;     /* ticks, with MTIME */
	uint32_t io_size;  /* bytes per SMB write, 0: as negotiated */
	bool occupied;     /* a file with that name is there; found out by the transfer, */
	uint32_t attributes; /* and what the new one is to have of that one's */
};

/*
 * Finds out what stands under the name, before anything is sent; what an earlier run has moved aside gets its name back. False
 * when nothing may be put there.
 */
bool replace_look(struct replacement *p, struct smb_fault *fault);

/* Gives the file at `from` the name. */
bool replace_put(const char *from, struct replacement *p, struct smb_fault *fault);

/* Renames within the share. */
bool replace_rename(const char *from, struct replacement *po, struct smb_fault *fault);

/* After an earlier attempt: what it has moved aside gets its name back; whether it has come to its end all the same. */
void replace_settle_aside(const struct replacement *p);
bool replace_is_done(const struct replacement *p, uint64_t size);

/* False where the temporary file is not known to be gone. `shared`: other connections of ours may still have it open. */
bool replace_remove_temporary(const struct replacement *p, bool shared, struct smb_fault *fault);

/*
 * After a failure, and after lifeline_owe: the temporary file is removed, unless another attempt or run can go on with it. Whether it is
 * gone.
 */
bool replace_leave_temporary(const struct replacement *p, const struct smb_fault *fault);

/* Since it was last asked: a file was replaced, but the old one could not be removed and still stands aside. */
bool replace_left(void);

/*
 * After a transfer that could not tidy up: an old file that stands aside gets its name back, or is removed where the name is taken,
 * and the temporary file, unless its name is "", goes.
 */
bool replace_settle(const struct replacement *p, struct smb_fault *fault);

#endif
