#include "rate_limit.h"

#include "lifeline.h"

#include <time.h>

enum { SECOND = 1000000000, SLICE = 50000000 /* nanoseconds */ };

static struct smb_pace *pace;
static struct smb_shared *counters;

void rate_limit_share(struct smb_pace *shared, struct smb_shared *counted)
{
	pace = shared;
	counters = counted;
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

void rate_limit_alive(void)
{
	atomic_fetch_add(&counters->steps, 1);
}

uint32_t rate_limit_begin_local(void)
{
	return atomic_exchange(&counters->step, SMB_STEP_LOCAL);
}

/* The server's time begins anew. */
void rate_limit_end_local(uint32_t step)
{
	rate_limit_alive();
	atomic_store(&counters->step, step);
}

bool rate_limit_wait(size_t size)
{
	uint64_t rate = atomic_load(&pace->rate);
	uint64_t until = rate != 0 ? reserve(size, rate) : 0, t;

	while (until != 0 && (t = now()) < until && atomic_load(&pace->rate) != 0) {
		uint64_t left = until - t < SLICE ? until - t : SLICE;
		if (lifeline_cancelled())
			return false;
		rate_limit_alive();
		nanosleep(&(struct timespec){.tv_nsec = (long)left}, NULL);
	}
	return true;
}
