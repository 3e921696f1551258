#include "rate_limit.h"

#include "counters.h"
#include "lifeline.h"

#include <time.h>

enum { SECOND = 1000000000, SLICE = 50000000 /* nanoseconds */ };

static struct smb_pace *pace;

void rate_limit_share(struct smb_pace *shared)
{
	pace = shared;
}

size_t rate_limit_limit(size_t most)
{
	const uint64_t least = 4096, part = 8; /* of a second's bytes */
	uint64_t rate = atomic_load(&pace->rate), limit = rate / part > least ? rate / part : least;
	return rate != 0 && limit < most ? (size_t)limit : most;
}

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

/* Takes the next free place in the flow; gives when it is. */
static uint64_t reserve(size_t size, uint64_t rate)
{
	uint64_t free_at = atomic_load(&pace->free_at), from;
	do {
		uint64_t t = now();
		from = free_at > t ? free_at : t;
	} while (!atomic_compare_exchange_weak(&pace->free_at, &free_at,
					       from + (uint64_t)((double)size / (double)rate * SECOND)));
	return from;
}

bool rate_limit_wait(size_t size)
{
	uint64_t rate = atomic_load(&pace->rate);
	uint64_t until = rate != 0 ? reserve(size, rate) : 0, t;

	while (until != 0 && (t = now()) < until && atomic_load(&pace->rate) != 0) {
		uint64_t left = until - t < SLICE ? until - t : SLICE;
		if (lifeline_cancelled())
			return false;
		counters_alive();
		nanosleep(&(struct timespec){.tv_nsec = (long)left}, NULL);
	}
	return true;
}
