#include "addresses.h"

#include <stddef.h>
#include <strings.h>

static struct {
	_Atomic uint32_t *first;
	const char *server;
	uint32_t used; /* the number by which the server's name was resolved last */
} addresses;

void addresses_share(_Atomic uint32_t *first, const char *server)
{
	addresses.first = first;
	addresses.server = server;
}

void addresses_turn(const char *name, struct addrinfo **list)
{
	struct addrinfo **middle = list, **end = list;
	struct addrinfo *head = *list;
	uint32_t count = 0;

	if (addresses.first == NULL || name == NULL || strcasecmp(name, addresses.server) != 0)
		return;
	addresses.used = atomic_load(addresses.first);
	for (; *end != NULL; end = &(*end)->ai_next)
		count++;
	if (count == 0 || addresses.used % count == 0)
		return;
	for (uint32_t i = addresses.used % count; i > 0; i--)
		middle = &(*middle)->ai_next;
	*list = *middle;
	*middle = NULL;
	*end = head;
}

/* Stays so if this worker is ended before there is an answer. */
void addresses_sent(void)
{
	if (addresses.first != NULL)
		atomic_store(addresses.first, addresses.used + 1);
}

void addresses_answered(void)
{
	if (addresses.first != NULL)
		atomic_store(addresses.first, addresses.used);
}
