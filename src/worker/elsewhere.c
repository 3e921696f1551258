#include "elsewhere.h"

static struct {
	bool is_bound, is_staying; /* to the share's own connection; to that one and those to `stay` */
	uint32_t stay;
} elsewhere;

void elsewhere_reset(void)
{
	elsewhere.is_bound = elsewhere.is_staying = false;
}

void elsewhere_bind(bool on)
{
	elsewhere.is_bound = on;
}

bool elsewhere_is_bound(void)
{
	return elsewhere.is_bound;
}

void elsewhere_stay(bool on, uint32_t place)
{
	elsewhere.is_staying = on;
	elsewhere.stay = place;
}

bool elsewhere_leads(const struct connection *c, int own)
{
	if (own < 0 || c->fd == own)
		return false;
	return elsewhere.is_bound || (elsewhere.is_staying && c->is_settled && c->place != elsewhere.stay);
}
