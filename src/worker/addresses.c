#include "addresses.h"

#include "connection.h"

#include <stddef.h>
#include <strings.h>

enum { PATIENCE = 3000 /* milliseconds with a silent address, at most, before the next one */ };

static struct {
	_Atomic uint32_t *first;
	const char *server;
	uint32_t limit;
	uint32_t used;         /* the number by which the server's name was resolved last */
	uint32_t count, tried; /* its addresses, and how many have not answered since one did */
} addresses;

void addresses_share(_Atomic uint32_t *first, const char *server, uint32_t limit)
{
	addresses.first = first;
	addresses.server = server;
	addresses.limit = limit;
}

void addresses_turn(const char *name, struct addrinfo **list)
{
	struct addrinfo **middle = list, **end = list;
	struct addrinfo *head = *list;
	uint32_t count = 0;

	addresses.count = 0;
	if (addresses.first == NULL || name == NULL || strcasecmp(name, addresses.server) != 0)
		return;
	addresses.used = atomic_load(addresses.first);
	for (; *end != NULL; end = &(*end)->ai_next)
		count++;
	addresses.count = count;
	if (count == 0 || addresses.used % count == 0)
		return;
	for (uint32_t i = addresses.used % count; i > 0; i--)
		middle = &(*middle)->ai_next;
	*list = *middle;
	*middle = NULL;
	*end = head;
}

/* Until one round is over. */
void addresses_sent(void)
{
	uint32_t part = addresses.limit / (addresses.count + 1);

	if (addresses.count > 1 && addresses.tried < addresses.count)
		connection_limit(part < PATIENCE ? part : PATIENCE);
	addresses.tried++;
}

/* Workers that have waited for the same address at the same time turn the list once. */
void addresses_silent(void)
{
	uint32_t used = addresses.used;

	if (addresses.first != NULL && addresses.count > 1)
		atomic_compare_exchange_strong(addresses.first, &used, used + 1);
}

void addresses_answered(void)
{
	if (addresses.count > 1)
		connection_unlimit();
	addresses.tried = 0;
}

bool addresses_go_on(void)
{
	return addresses.count > 1 && addresses.tried <= addresses.count;
}
