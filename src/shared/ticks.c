#include "ticks.h"

#include <math.h>

enum { MICROSECOND = 10 /* ticks */, NANOSECONDS = 100 /* in a tick */ };

static int64_t cut(int64_t t, int64_t step)
{
	int64_t rest = t % step;
	return t - (rest < 0 ? rest + step : rest);
}

int64_t ticks_of_timespec(struct timespec t)
{
	const int64_t most = INT64_MAX / TICKS_SECOND - 1; /* seconds */
	if (t.tv_sec > most)
		return INT64_MAX;
	if (t.tv_sec < -most)
		return -INT64_MAX;
	return (int64_t)t.tv_sec * TICKS_SECOND + t.tv_nsec / NANOSECONDS;
}

struct timespec ticks_timespec(int64_t t)
{
	int64_t rest = t % TICKS_SECOND;
	if (rest < 0)
		rest += TICKS_SECOND;
	return (struct timespec){.tv_sec = t / TICKS_SECOND - (t % TICKS_SECOND < 0), .tv_nsec = rest * NANOSECONDS};
}

int64_t ticks_of_filetime(uint64_t t)
{
	const uint64_t no_time = UINT64_MAX - 1; /* and above: what a request may say instead of a time */
	if (t > INT64_MAX)
		return t >= no_time ? TICKS_FIRST : TICKS_LAST;
	return (int64_t)t + TICKS_FIRST;
}

bool ticks_of_seconds(double seconds, int64_t *t)
{
	const double most = (double)(INT64_MAX / TICKS_SECOND - 1), coarse = 4294967296.0;
	double whole = floor(seconds), rest = seconds - whole;

	if (!(seconds >= -most && seconds <= most))
		return false;
	/*
	 * From 2^32 on a double tells microseconds apart, but no ticks: rounded to ticks and then to microseconds it
	 * would be another one.
	 */
	if (fabs(seconds) >= coarse)
		rest = floor(rest * 1e6 + 0.5) / 1e6;
	*t = (int64_t)whole * TICKS_SECOND + (int64_t)floor(rest * (double)TICKS_SECOND + 0.5);
	return true;
}

/* In two parts: all of it at once would be rounded twice. */
double ticks_seconds(int64_t t)
{
	return (double)(t / TICKS_SECOND) + (double)(t % TICKS_SECOND) / (double)TICKS_SECOND;
}

bool ticks_held_everywhere(int64_t t)
{
	const int64_t first = INT64_C(315619200), end = INT64_C(2147483648); /* seconds: the second day of 1980, 2^31 */
	return t >= first * TICKS_SECOND && t < end * TICKS_SECOND;
}

static int64_t holdable(int64_t t)
{
	if (t < TICKS_FIRST)
		return TICKS_FIRST;
	return t > TICKS_LAST ? TICKS_LAST : t;
}

/* FILETIME's 0 means to leave the time alone: for the first second of 1601 the library sends 1. */
int64_t ticks_settable(int64_t t)
{
	const int64_t last = cut(TICKS_LAST, MICROSECOND);

	if (t < TICKS_FIRST + TICKS_SECOND)
		return TICKS_FIRST + 1;
	return t >= last ? last : cut(t + MICROSECOND / 2, MICROSECOND);
}

struct timeval ticks_timeval(int64_t settable)
{
	struct timespec t = ticks_timespec(settable);
	return (struct timeval){.tv_sec = t.tv_sec, .tv_usec = t.tv_nsec / 1000};
}

bool ticks_kept(int64_t ours, int64_t theirs)
{
	int64_t exact = holdable(ours);
	return theirs == ticks_settable(ours) || theirs == exact || theirs == cut(exact, MICROSECOND);
}

static const int64_t steps[] = {TICKS_SECOND / 1000, TICKS_SECOND / 100, TICKS_SECOND, 2 * TICKS_SECOND};

enum { STEPS = sizeof steps / sizeof steps[0], EVERY_OTHER_SECOND = 1u << (STEPS - 1) };

static unsigned multiple_of(int64_t t)
{
	unsigned found = 0;
	for (unsigned i = 0; i < STEPS; i++)
		found |= t % steps[i] == 0 ? 1u << i : 0;
	return found;
}

void ticks_note(struct ticks_grain *g, int64_t theirs)
{
	g->steps &= multiple_of(theirs);
	g->files++;
}

unsigned ticks_cut_to(int64_t ours, int64_t theirs)
{
	int64_t set = ticks_settable(ours), exact = holdable(ours);
	unsigned found = 0;

	for (unsigned i = 0; i < STEPS; i++)
		found |= cut(set, steps[i]) == theirs || cut(exact, steps[i]) == theirs ? 1u << i : 0;
	return found;
}

/*
 * Where all times are multiples of a step it is the disk's, or the files' own: archives and some programs know seconds
 * only. So one of ours that is a multiple of a smaller step says nothing, but where many files are all of even seconds.
 */
bool ticks_same(const struct ticks_grain *g, int64_t ours, int64_t theirs)
{
	const size_t many = 4;
	unsigned cut_to = ticks_cut_to(ours, theirs) & g->steps;

	if (ticks_kept(ours, theirs) || (cut_to & g->measured))
		return true;
	if (cut_to == 0)
		return false;
	return multiple_of(ticks_settable(ours)) == 0 || ((cut_to & EVERY_OTHER_SECOND) && g->files >= many);
}

bool ticks_may_be_cut(const struct ticks_grain *g, int64_t ours, int64_t theirs)
{
	return (ticks_cut_to(ours, theirs) & g->steps) != 0;
}

bool ticks_within(int64_t ours, int64_t theirs, int64_t window)
{
	int64_t set = ticks_settable(ours);
	return theirs >= set - window && theirs <= set + window;
}
