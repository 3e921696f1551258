/*
 * Files that go to the share: written under a temporary name, checked, and then given their own (replace.h); or
 * straight under their name, with IN_PLACE.
 */
#ifndef LUA_SMB_UPLOAD_H
#define LUA_SMB_UPLOAD_H

#include "opening.h"
#include "protocol.h"
#include "replace.h"
#include "transfer.h"

/* A local file to send, as the module has seen it. */
struct upload_source {
	int fd;
	uint64_t size, stamp; /* smb_stamp() of its time */
};

/*
 * Sends a whole local file, of which an earlier attempt had moved `good` bytes at most. On failure nothing has changed,
 * and the temporary file is gone unless another attempt or run can go on with it.
 */
bool upload_put(const struct upload_source *from, uint64_t good, struct replacement *to, struct transfer_result *result,
		struct smb_fault *fault);

/* Copies a file on the server; with MTIME, the copy gets the source's time. */
bool upload_copy(const char *from, struct replacement *to, uint64_t *bytes, struct smb_fault *fault);

/*
 * Begins an upload in pieces, which are written to upload.file. Ends by upload_commit, upload_abandon or upload_leave.
 *
 * `size` is the whole file's, as far as it is known. If an earlier attempt had moved all of it, `good` bytes, the file
 * may have its name already: it is recognized by its size and time.
 */
bool upload_begin(struct upload *up, uint64_t size, uint64_t good, struct smb_fault *fault);

/*
 * Closes the file, all of which was written, if upload_commit can do without it. The first connection of a big file
 * does so while the further ones close theirs: without this, putting 64 MiB took 283 ms in place of 264 at a round trip
 * of 10 ms, and 1137 in place of 1074 at 50 ms.
 */
bool upload_release(struct upload *up, struct smb_fault *fault);

/* Gives the file its name, or leaves nothing. With VERIFY the file is read back first, and must have the digest. */
bool upload_commit(struct upload *up, uint64_t size, const uint8_t digest[SMB_DIGEST_SIZE], struct smb_fault *fault);

/* Removes the file. False when it could not be removed. */
bool upload_abandon(struct upload *up, struct smb_fault *fault);

/* Keeps the file for another attempt. */
void upload_leave(struct upload *up);

/* Returns how many bytes of an earlier run's file need not be sent again. */
uint64_t upload_good_part(const struct upload *up, int fd, uint64_t size);

#endif
