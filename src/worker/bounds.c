#include "bounds.h"

#include "lifeline.h"

enum {
	BOUNDS_LISTING = 256 * 1024 * 1024, /* bytes of one listing: a million entries and more */
	BOUNDS_SHORT = 4 * 1024 * 1024,     /* a listing up to that size ends soon by itself */
	BOUNDS_AGAIN = 16,                  /* times the data are sent: what a server does not take, it gets again */
	BOUNDS_FREE = 1024 * 1024,          /* bytes sent besides */
};

static struct {
	bool is_listing;
	uint64_t received, sent;
	uint64_t most; /* bytes sent; 0: any */
} bounds;

void bounds_begin(enum smb_patience patience)
{
	bounds.is_listing = patience != SMB_PATIENCE_DATA; /* some short calls list as well */
	bounds.received = bounds.sent = bounds.most = 0;
}

void bounds_expect(size_t size)
{
	bounds.most = (uint64_t)size * BOUNDS_AGAIN + BOUNDS_FREE;
}

void bounds_received(size_t size)
{
	bounds.received += size;
}

void bounds_sent(size_t size)
{
	bounds.sent += size;
}

bool bounds_was_answered(void)
{
	return bounds.received > 0;
}

/*
 * The library would read a listing to its end before it returns. Refusing a frame costs the connection, so a cancelled
 * listing is left when it is long.
 */
static enum refusal bounds_of_listing(void)
{
	if (!bounds.is_listing || bounds.received < BOUNDS_SHORT)
		return REFUSED_NOT;
	if (lifeline_cancelled())
		return REFUSED_CANCELLED;
	return bounds.received < BOUNDS_LISTING ? REFUSED_NOT : REFUSED_ENDLESS;
}

enum refusal bounds_check(void)
{
	if (bounds.most != 0 && bounds.sent > bounds.most)
		return REFUSED_UNTAKEN;
	return bounds_of_listing();
}
