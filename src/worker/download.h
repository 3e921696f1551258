/* Files that come from the share. */
#ifndef LUA_SMB_DOWNLOAD_H
#define LUA_SMB_DOWNLOAD_H

#include "protocol.h"
#include "session.h"
#include "transfer.h"

/* A file to fetch, and what of it is there already. */
struct download_source {
	const char *path;
	uint64_t good;    /* bytes that are there */
	uint32_t flags;   /* RESUME: an earlier run has left those, compare them; AGAIN; DIGEST, VERIFY */
	uint32_t io_size; /* bytes per SMB read, 0: as negotiated */
	uint64_t offer;   /* bytes from which on a file is only opened; 0: never */
	bool others_sync; /* the caller sees to it that the file is on disk */
	struct session_file *file;
};

/*
 * Fetches a file into `fd`, synced to disk unless `others_sync`, from byte `good` on, if it still has the size and time
 * that `entry` names. They are filled in. A file of `offer` bytes and more, unless that is 0, is not fetched but left
 * open in `file`.
 */
bool download_get(struct download_source *from, int fd, struct smb_entry *entry, struct transfer_result *result,
		  struct smb_fault *fault);

/*
 * Returns what tells a file that was just opened from another one that has its name later: size, time and, where it can
 * be seen, birth. `opened` is what session_open said.
 */
bool download_describe(struct session_file *file, const struct session_opened *opened, struct smb_entry *entry,
		       struct smb_fault *fault);

#endif
