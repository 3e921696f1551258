/*
 * The local file of a transfer. All functions but the last three publish that the library's thread works on it
 * (counters.h): a slow disk is no silence of the server's. False fills `fault`.
 */
#ifndef LUA_SMB_LOCAL_IO_H
#define LUA_SMB_LOCAL_IO_H

#include "protocol.h"

#include <nettle/sha2.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* Reads exactly `size` bytes; a file that ends before has changed. `hash`, unless NULL, takes them in. */
bool local_io_read(int fd, uint8_t *to, size_t size, uint64_t offset, struct sha256_ctx *hash, struct smb_fault *fault);
bool local_io_write(int fd, const uint8_t *from, size_t size, uint64_t offset, struct smb_fault *fault);

bool local_io_stat(int fd, struct stat *st, struct smb_fault *fault);

/* Whether the file ends at `offset`, whatever its size is said to be. */
bool local_io_ends_at(int fd, uint64_t offset);

/* Writes the file to disk. */
bool local_io_sync(int fd, struct smb_fault *fault);

/* The SHA-256 of the file's first `size` bytes. */
bool local_io_digest(int fd, uint64_t size, uint8_t digest[SMB_DIGEST_SIZE], struct smb_fault *fault);

/* ---- for threads that never enter libsmbclient: nothing is published ---- */

bool local_io_pread(int fd, uint8_t *to, size_t size, uint64_t offset, struct smb_fault *fault);
bool local_io_pwrite(int fd, const uint8_t *from, size_t size, uint64_t offset, struct smb_fault *fault);

/* `hash` takes in the file's first `size` bytes. Ends early, with CANCELLED, once `stop`, unless NULL, is true. */
bool local_io_hash(int fd, uint64_t size, struct sha256_ctx *hash, const _Atomic bool *stop, struct smb_fault *fault);

#endif
