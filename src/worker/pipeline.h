/*
 * Two buffers between the library's thread and a helper that only reads or writes the local file, so that the disk and the
 * network are busy at the same time. The helper never enters libsmbclient.
 */
#ifndef LUA_SMB_PIPELINE_H
#define LUA_SMB_PIPELINE_H

#include "protocol.h"

#include <nettle/sha2.h>
#include <stdbool.h>
#include <stddef.h>

struct pipeline;

/*
 * Reads `size` bytes of `fd` from `offset` on, ahead of who takes them. `hash`, unless NULL, takes in what passes, and before that
 * the file's bytes up to `offset`. NULL fills `fault`.
 */
struct pipeline *pipeline_read(int fd, uint64_t offset, uint64_t size, size_t chunk, struct sha256_ctx *hash,
			 struct smb_fault *fault);

/* The next chunk, in order, valid until the next call; NULL at the end or on failure: pipeline_end tells which. */
const uint8_t *pipeline_next(struct pipeline *r, size_t *size);

/* Writes to `fd` from `offset` on, behind who gives; -1: nowhere, but into `hash`, which is as above. NULL fills `fault`. */
struct pipeline *pipeline_write(int fd, uint64_t offset, size_t chunk, struct sha256_ctx *hash, struct smb_fault *fault);

/* Room for the next chunk; NULL when the writing has failed. */
uint8_t *pipeline_room(struct pipeline *r);
void pipeline_give(struct pipeline *r, size_t size);

/* The transfer has failed: the helper need not come to the end of what it does. */
void pipeline_stop(struct pipeline *r);

/* Waits for the helper: after a write, until all is written. Frees the pipeline. False, with `fault`, when the local file failed. */
bool pipeline_end(struct pipeline *r, struct smb_fault *fault);

/* Takes the first `size` bytes of a local file in; ends early when `stop`, unless NULL, becomes true. */
bool local_hash(int fd, uint64_t size, struct sha256_ctx *hash, const _Atomic bool *stop, struct smb_fault *fault);

/*
 * Exactly `size` bytes from or to a local file; one that ends before has changed. False fills `fault`. The library's thread calls
 * these two and local_hash between counters_begin_local and counters_end_local.
 */
bool local_read(int fd, uint8_t *to, size_t size, uint64_t offset, struct smb_fault *fault);
bool local_write(int fd, const uint8_t *from, size_t size, uint64_t offset, struct smb_fault *fault);

#endif
