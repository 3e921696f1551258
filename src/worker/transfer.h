/*
 * From a local descriptor to a remote file and back: what is sent goes to a temporary name, is checked, and then takes its place
 * (replace.h).
 */
#ifndef LUA_SMB_TRANSFER_H
#define LUA_SMB_TRANSFER_H

#include "protocol.h"
#include "replace.h"
#include "session.h"

/* A file that is written under its temporary name. */
struct upload {
	struct replacement target;
	struct session_file *file; /* NULL after upload_begin: an earlier attempt has done it all */
	bool released;             /* it was closed, and is still to be committed; */
	bool sound;                /* the server had no objection to that */
	uint64_t kept;             /* bytes that an earlier attempt left in it */
	bool overt;                /* answers to openings can be read: they tell its size */
	bool blind;                /* it may be written, but not be asked or read */
};

/* Copies on the server; with MTIME, to the source's time. */
bool transfer_copy(const char *from, struct replacement *to, uint64_t *bytes, struct smb_fault *fault);

/* What a transfer tells beside its success. */
struct transfer_result {
	uint64_t resumed;                /* bytes that an earlier attempt had moved */
	uint8_t digest[SMB_DIGEST_SIZE]; /* with DIGEST or VERIFY */
};

/* A local file to send, as the module has seen it. */
struct transfer_local {
	int fd;
	uint64_t size, stamp; /* smb_stamp() of its time */
};

/*
 * Sends all of a local file; `good` bytes of it, at most, had arrived by an earlier attempt. On failure nothing has changed, and
 * unless it may be gone on with the temporary file is gone.
 */
bool transfer_put(const struct transfer_local *from, uint64_t good, struct replacement *to, struct transfer_result *result,
		  struct smb_fault *fault);

/* A file to fetch, and what of it is there already. */
struct transfer_source {
	const char *path;
	uint64_t good;    /* bytes that are there */
	uint32_t flags;   /* RESUME: by an earlier run, and to be compared; DIGEST, VERIFY */
	uint32_t io_size; /* bytes per SMB read, 0: as negotiated */
	uint64_t offer;   /* bytes from which on a file is only opened; 0: never */
	struct session_file *file;
};

/*
 * Fetches a file into `fd`, synced to disk, from byte `good` on, if it still has the size and time that `entry` names. They are
 * filled in. A file of `offer` bytes and more, unless that is 0, is not fetched, but left open in `file`.
 */
bool transfer_get(struct transfer_source *from, int fd, struct smb_entry *entry, struct transfer_result *result,
		  struct smb_fault *fault);

/*
 * An upload in pieces: begun, written to at upload.file, committed (which ends it, well or not), abandoned, or left for another
 * attempt.
 *
 * `size` is the whole file's, as far as known. Where `good` bytes, all of them, had arrived by an earlier attempt, the file may have
 * its name already: it is recognized by its size and time.
 */
bool upload_begin(struct upload *up, uint64_t size, uint64_t good, struct smb_fault *fault);
/* All was written: closes the file, unless it has to be asked or read before. What is left is upload_commit's, or upload_abandon's. */
bool upload_release(struct upload *up, struct smb_fault *fault);
/* With VERIFY it is read back, and has to have the digest. */
bool upload_commit(struct upload *up, uint64_t size, const uint8_t digest[SMB_DIGEST_SIZE], struct smb_fault *fault);
/* False when its temporary file could not be removed. */
bool upload_abandon(struct upload *up, struct smb_fault *fault);
void upload_leave(struct upload *up);

/* Bytes between memory and an open file, in requests of `io_size`; a read gives less only at the end of the file. */
bool transfer_write(struct session_file *file, uint64_t offset, const uint8_t *bytes, uint64_t size, uint32_t io_size,
		    struct smb_fault *fault);
bool transfer_read(struct session_file *file, uint64_t offset, uint8_t *bytes, uint64_t size, uint32_t io_size,
		   uint64_t *got, struct smb_fault *fault);

/* Bytes between a local file and the same place of a remote one. */
bool transfer_send(struct session_file *file, int fd, uint64_t offset, uint64_t size, uint32_t io_size, struct smb_fault *fault);
bool transfer_receive(struct session_file *file, int fd, uint64_t offset, uint64_t size, uint32_t io_size,
		      struct smb_fault *fault);

/* The SHA-256 of the first bytes of a local file, or of a remote one. */
bool transfer_hash(int fd, uint64_t size, uint8_t digest[SMB_DIGEST_SIZE], struct smb_fault *fault);
bool transfer_hash_remote(struct session_file *file, uint64_t size, uint8_t digest[SMB_DIGEST_SIZE], struct smb_fault *fault);

/* Writes a local file to disk. */
bool transfer_sync(int fd, struct smb_fault *fault);

/* What tells a file that was just opened from another that has its name later: size, time, and where it can be seen, birth. */
bool transfer_describe(struct session_file *file, const struct session_opened *opened, struct smb_entry *entry,
		       struct smb_fault *fault);

/* Bytes that an earlier run left in an upload and that count: all but the last ones, if what comes before is the local file's. */
uint64_t upload_good_part(const struct upload *up, int fd, uint64_t size);

/* Since it was last asked: a file has come to its name without the time that it was to have. `instead`: what it has, if that was seen. */
bool transfer_time_refused(int64_t *instead);

/* Sets a file's or folder's time; SMB_UNSUPPORTED where the server has set another one instead. */
bool transfer_utime(const char *path, int64_t mtime, struct smb_fault *fault);

/* So many were moved by the same request before. */
void transfer_count_on(uint64_t bytes);

#endif
