/*
 * Bytes between an open file on the share and memory, or the same place of a local file. Requests have `io_size` bytes,
 * or with 0 as many as were negotiated. What has moved is counted for the module (counters.h). False fills `fault`.
 */
#ifndef LUA_SMB_TRANSFER_H
#define LUA_SMB_TRANSFER_H

#include "protocol.h"
#include "session.h"

#include <nettle/sha2.h>

/* What a whole transfer returns beside its success. */
struct transfer_result {
	uint64_t resumed;                /* bytes that an earlier attempt had moved */
	uint8_t digest[SMB_DIGEST_SIZE]; /* with DIGEST or VERIFY */
};

/* `bytes` is the size of the files that the request under way has moved before this one: progress counts them too. */
void transfer_count_from(uint64_t bytes);

/*
 * Counts the bytes of this file that need not be moved again if the request fails now. The functions below that move
 * bytes do so too.
 */
void transfer_set_done(uint64_t done);

/* A read returns less in `got` only at the end of the file. */
bool transfer_write(struct session_file *file, uint64_t offset, const uint8_t *bytes, uint64_t size, uint32_t io_size,
		    struct smb_fault *fault);
bool transfer_read(struct session_file *file, uint64_t offset, uint8_t *bytes, uint64_t size, uint32_t io_size,
		   uint64_t *got, struct smb_fault *fault);

/*
 * Move the bytes from `offset` to `end`. `hash`, unless NULL, takes in the local file's bytes up to `end`, those before
 * `offset` too.
 */
bool transfer_send(struct session_file *file, int fd, uint64_t offset, uint64_t end, uint32_t io_size,
		   struct sha256_ctx *hash, struct smb_fault *fault);
bool transfer_receive(struct session_file *file, int fd, uint64_t offset, uint64_t end, uint32_t io_size,
		      struct sha256_ctx *hash, struct smb_fault *fault);

/* MISMATCH where a file that was sent has another size. */
bool transfer_check_size(uint64_t found, uint64_t sent, struct smb_fault *fault);

/* Returns the SHA-256 of the remote file's first `size` bytes. */
bool transfer_digest(struct session_file *file, uint64_t size, uint8_t digest[SMB_DIGEST_SIZE],
		     struct smb_fault *fault);

/* Reads the remote file back and compares; MISMATCH when the digest is another. */
bool transfer_verify(struct session_file *file, uint64_t size, const uint8_t digest[SMB_DIGEST_SIZE],
		     struct smb_fault *fault);

/*
 * Returns how many of the `left` bytes that an earlier run left of a file of `size` bytes need not be moved again: all
 * but the last ones, which may have been under way, if both files hold the same before those; else 0.
 */
uint64_t transfer_good_part(struct session_file *file, int fd, uint64_t left, uint64_t size);

#endif
