#include "stream.h"

#include <string.h>

bool stream_is_smb(uint8_t first)
{
	return first == 0;
}

bool stream_is_between(const struct stream *s)
{
	return s->have == 0;
}

uint64_t stream_frame_length(const uint8_t bytes[STREAM_LENGTH])
{
	return ((uint64_t)bytes[1] << 16) | ((uint64_t)bytes[2] << 8) | bytes[3];
}

uint64_t stream_rest(const struct stream *s, const uint8_t *next, size_t size)
{
	uint8_t length[STREAM_LENGTH];
	size_t missing = s->have < STREAM_LENGTH ? STREAM_LENGTH - s->have : 0;

	if (missing == 0)
		return s->left;
	if (size < missing)
		return missing;
	memcpy(length, s->head, s->have);
	memcpy(length + s->have, next, missing);
	return missing + stream_frame_length(length);
}

static void stream_show(struct stream *s, stream_shown *show, void *context)
{
	struct frame f = {s->head + STREAM_LENGTH, s->have - STREAM_LENGTH};

	s->is_shown = true;
	if (stream_is_smb(s->head[0]))
		show(context, &f);
}

/* Returns how much of the current frame is kept: more of those that name the targets of DFS links. */
static size_t stream_limit(const struct stream *s)
{
	struct frame f = {s->head + STREAM_LENGTH, s->have > STREAM_LENGTH ? s->have - STREAM_LENGTH : 0};
	bool names = frame_is(&f, FRAME_SMB2, SMB2_IOCTL) || frame_is(&f, FRAME_SMB1, SMB1_TRANSACTION2);

	return names ? STREAM_MOST : STREAM_HEAD;
}

/*
 * Takes what fits of the next bytes into the head; returns how many belong to the current frame. What says how much is
 * kept comes first, by itself.
 */
static size_t stream_take(struct stream *s, const uint8_t *bytes, size_t size)
{
	const size_t telling = STREAM_LENGTH + FRAME_HEAD;
	size_t room, n;

	if (s->have < STREAM_LENGTH) {
		n = STREAM_LENGTH - s->have < size ? STREAM_LENGTH - s->have : size;
		memcpy(s->head + s->have, bytes, n);
		s->have += n;
		if (s->have == STREAM_LENGTH)
			s->left = stream_frame_length(s->head);
		return n;
	}
	if (s->have < telling && size > telling - s->have)
		size = telling - s->have;
	n = s->left < size ? (size_t)s->left : size;
	room = stream_limit(s) - s->have < n ? stream_limit(s) - s->have : n;
	memcpy(s->head + s->have, bytes, room);
	s->have += room;
	s->left -= n;
	return n;
}

void stream_feed(struct stream *s, const uint8_t *bytes, size_t size, stream_shown *show, void *context)
{
	while (size > 0) {
		size_t n = stream_take(s, bytes, size);

		bytes += n;
		size -= n;
		if (s->have < STREAM_LENGTH)
			continue;
		if (!s->is_shown && (s->left == 0 || s->have == stream_limit(s)))
			stream_show(s, show, context);
		if (s->left == 0) {
			s->have = 0;
			s->is_shown = false;
		}
	}
}

size_t stream_gather(const struct iovec *parts, int count, uint8_t *to, size_t size)
{
	size_t have = 0;

	for (int i = 0; i < count && have < size; i++) {
		size_t n = parts[i].iov_len < size - have ? parts[i].iov_len : size - have;
		if (n > 0)
			memcpy(to + have, parts[i].iov_base, n);
		have += n;
	}
	return have;
}
