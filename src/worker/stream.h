/*
 * Finds the frames in the bytes of one direction of a connection (RFC 1002 4.3: before each frame stands its length).
 */
#ifndef LUA_SMB_STREAM_H
#define LUA_SMB_STREAM_H

#include "frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
	STREAM_LENGTH = 4,  /* bytes of the length before a frame */
	STREAM_HEAD = 1024, /* bytes kept of a frame, its length included: enough for the contexts of NEGOTIATE */
	STREAM_MOST = 16384, /* the same, where it may name the targets of a DFS link */
};

/* Where in a stream of frames a connection stands; zeroed at its beginning. */
struct stream {
	uint8_t head[STREAM_MOST]; /* the current frame's first bytes, length included */
	size_t have;               /* bytes in head */
	uint64_t left;             /* bytes of the frame that have not been seen, once its length is known */
	bool is_shown;
};

typedef void stream_shown(void *context, const struct frame *f);

/* Passes the next bytes through; shows the beginning of each SMB message that they complete. */
void stream_feed(struct stream *s, const uint8_t *bytes, size_t size, stream_shown *show, void *context);

/* The next byte begins a frame. */
bool stream_is_between(const struct stream *s);

/* Bytes in the frame that follows these four. */
uint64_t stream_frame_length(const uint8_t bytes[STREAM_LENGTH]);

/* Bytes up to the end of the frame that the next bytes belong to, as far as they tell its length. */
uint64_t stream_rest(const struct stream *s, const uint8_t *next, size_t size);

/* Whether a frame that begins with this byte is an SMB message, and none of NetBIOS's session service. */
bool stream_is_smb(uint8_t first);

/* Copies the beginning of what lies in several parts, `size` bytes at most; returns how many. */
size_t stream_gather(const struct iovec *parts, int count, uint8_t *to, size_t size);

#endif
