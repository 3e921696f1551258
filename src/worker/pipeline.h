/*
 * Two buffers between the library's thread and a helper that only reads or writes the local file, so that the disk and
 * the network are busy at the same time. The helper never enters libsmbclient.
 */
#ifndef LUA_SMB_PIPELINE_H
#define LUA_SMB_PIPELINE_H

#include "protocol.h"

#include <nettle/sha2.h>
#include <stdbool.h>
#include <stddef.h>

struct pipeline;

/*
 * Reads `size` bytes of `fd` from `offset` on, ahead of pipeline_next. `hash`, unless NULL, takes in the file's bytes
 * up to `offset` first, then all that is read. NULL fills `fault`.
 */
struct pipeline *pipeline_read(int fd, uint64_t offset, uint64_t size, size_t chunk, struct sha256_ctx *hash,
			 struct smb_fault *fault);

/* Returns the next chunk, valid until the next call. NULL at the end or on failure: pipeline_end tells which. */
const uint8_t *pipeline_next(struct pipeline *p, size_t *size);

/*
 * Writes to `fd` from `offset` on, behind pipeline_give. With -1 for `fd` the bytes go into `hash` only. NULL fills
 * `fault`.
 */
struct pipeline *pipeline_write(int fd, uint64_t offset, size_t chunk, struct sha256_ctx *hash,
				struct smb_fault *fault);

/* Returns room for the next chunk; NULL when the writing has failed. */
uint8_t *pipeline_room(struct pipeline *p);
void pipeline_give(struct pipeline *p, size_t size);

/* The transfer has failed: the helper need not finish. */
void pipeline_stop(struct pipeline *p);

/*
 * Waits for the helper, after a write until all is written, and frees the pipeline. False, with `fault`, when the local
 * file failed.
 */
bool pipeline_end(struct pipeline *p, struct smb_fault *fault);

#endif
