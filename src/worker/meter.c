#include "meter.h"

#include "counters.h"

#include <time.h>

enum { LARGE = 1024 * 1024 /* bytes from which on a burst of requests and answers tells how fast the connection is */ };

uint64_t meter_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Once the next frame goes out, the previous burst is complete: measure it. */
static void meter_note_throughput(const struct meter *m, struct smb_info *info)
{
	uint64_t bytes = counters_moved() - m->moved_before, wait = info->round_trip, rate;

	if (bytes < LARGE || m->heard <= m->began + wait)
		return;
	rate = bytes * 1000000 / (m->heard - m->began - wait);
	if (rate > info->throughput)
		info->throughput = rate;
}

void meter_sent(struct meter *m, uint64_t since, bool is_answered, struct smb_info *info)
{
	if (m->unanswered == 0) {
		meter_note_throughput(m, info);
		m->began = since;
		m->moved_before = counters_moved();
	}
	info->round_trips++;
	if (is_answered)
		m->unanswered++;
	m->sent_at = since; /* not now: the worker may lose the processor as soon as it has sent */
}

void meter_heard(struct meter *m)
{
	m->heard = meter_now();
}

void meter_answered(struct meter *m, struct smb_info *info)
{
	uint64_t took = meter_now() - m->sent_at;

	if (m->unanswered == 1 && took < UINT32_MAX && (info->round_trip == 0 || took < info->round_trip))
		info->round_trip = took ? (uint32_t)took : 1;
	if (m->unanswered)
		m->unanswered--;
}

void meter_begin_call(struct meter *m)
{
	m->unanswered = 0;
}
