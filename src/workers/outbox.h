/* Requests that a link cannot send yet, in their order: it is still connecting, or its socket is full. */
#ifndef LUA_SMB_OUTBOX_H
#define LUA_SMB_OUTBOX_H

#include "protocol.h"

#include <stdbool.h>
#include <stddef.h>

struct outbox_item {
	struct outbox_item *next;
	int fds[SMB_FILES_AT_ONCE];
	size_t count; /* of the descriptors */
	bool awaited; /* somebody waits for the reply */
	size_t size;
	_Alignas(8) char message[];
};

/* Empty when zeroed. */
struct outbox {
	struct outbox_item *first;
};

/* Adds a copy of a request, with duplicates of its descriptors. False and errno without memory or descriptors. */
bool outbox_add(struct outbox *o, const struct smb_request *request, size_t size, const int *fds, size_t count,
		bool awaited);

void outbox_drop_first(struct outbox *o);

/* Whether a request is left whose reply somebody waits for; there is one at most. */
bool outbox_has_awaited(const struct outbox *o);

/* Drops that request. False where there is none. */
bool outbox_drop_awaited(struct outbox *o);

void outbox_clear(struct outbox *o);

#endif
