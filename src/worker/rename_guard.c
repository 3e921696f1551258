#include "rename_guard.h"

#include <stdint.h>

/* Bytes of messages before they are encrypted (MS-SMB2 2.2). */
enum {
	ERROR_SIZE = FRAME_SMB2_HEADER + 8,    /* of an error's answer (2.2.2); most servers send one byte more */
	CREATED_SIZE = FRAME_SMB2_HEADER + 88, /* of the answer to a CREATE (2.2.14) */
	CLOSE_SIZE = FRAME_SMB2_HEADER + 24,   /* of a CLOSE; a QUERY_INFO has up to 41 */
	RENAME_SIZE = FRAME_SMB2_HEADER + 54,  /* of the shortest SET_INFO that renames */
};

static struct {
	bool is_on, collided;
	bool is_open;          /* behind encryption: a file was opened, and not closed yet */
	uint32_t request_size; /* of the last encrypted request */
} guard;

void rename_guard_set(bool on)
{
	guard.is_on = on;
	guard.collided = guard.is_open = false;
}

bool rename_guard_refuses(const struct frame *f)
{
	if (!guard.is_on || !guard.collided)
		return false;
	if (frame_kind(f) == FRAME_ENCRYPTED)
		return frame_hidden_size(f) != CLOSE_SIZE;
	return frame_is(f, FRAME_SMB2, SMB2_CREATE);
}

void rename_guard_sent(const struct frame *f)
{
	if (frame_kind(f) != FRAME_ENCRYPTED)
		return;
	guard.request_size = frame_hidden_size(f);
	if (guard.request_size == CLOSE_SIZE)
		guard.is_open = false;
}

/*
 * An error while a file is open, in answer to a request as long as one that renames. An answer that is put off looks
 * like one.
 */
static void rename_guard_answered_unseen(uint32_t size)
{
	if (guard.is_open && guard.request_size >= RENAME_SIZE)
		guard.collided = size == ERROR_SIZE || size == ERROR_SIZE + 1;
	else if (size == CREATED_SIZE)
		guard.is_open = true;
}

void rename_guard_answered(const struct frame *f)
{
	if (frame_kind(f) == FRAME_ENCRYPTED)
		rename_guard_answered_unseen(frame_hidden_size(f));
	else if (frame_is(f, FRAME_SMB2, SMB2_SET_INFO) && frame_status(f) == STATUS_OBJECT_NAME_COLLISION)
		guard.collided = true;
}
