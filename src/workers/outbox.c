#include "outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void outbox_free(struct outbox_item *item)
{
	for (size_t i = 0; i < item->count; i++)
		close(item->fds[i]);
	free(item);
}

static bool outbox_duplicate(struct outbox_item *item, const int *fds, size_t count)
{
	for (; item->count < count; item->count++) {
		int fd = fcntl(fds[item->count], F_DUPFD_CLOEXEC, 3);
		if (fd < 0)
			return false;
		item->fds[item->count] = fd;
	}
	return true;
}

bool outbox_add(struct outbox *o, const struct smb_request *request, size_t size, const int *fds, size_t count,
		bool awaited)
{
	struct outbox_item *item = malloc(sizeof *item + size), **last = &o->first;

	if (item == NULL)
		return false;
	*item = (struct outbox_item){.awaited = awaited, .size = size};
	memcpy(item->message, request, size);
	if (!outbox_duplicate(item, fds, count)) {
		int error = errno;
		outbox_free(item);
		errno = error;
		return false;
	}
	while (*last != NULL)
		last = &(*last)->next;
	*last = item;
	return true;
}

static void outbox_drop(struct outbox_item **item)
{
	struct outbox_item *dropped = *item;
	*item = dropped->next;
	outbox_free(dropped);
}

void outbox_drop_first(struct outbox *o)
{
	outbox_drop(&o->first);
}

bool outbox_has_awaited(const struct outbox *o)
{
	for (const struct outbox_item *item = o->first; item != NULL; item = item->next)
		if (item->awaited)
			return true;
	return false;
}

bool outbox_drop_awaited(struct outbox *o)
{
	for (struct outbox_item **item = &o->first; *item != NULL; item = &(*item)->next) {
		if ((*item)->awaited) {
			outbox_drop(item);
			return true;
		}
	}
	return false;
}

void outbox_clear(struct outbox *o)
{
	while (o->first != NULL)
		outbox_drop_first(o);
}
