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
	const double most = (double)(INT64_MAX / TICKS_SECOND - 1);
	double whole = floor(seconds);

	if (!(seconds >= -most && seconds <= most))
		return false;
	*t = (int64_t)whole * TICKS_SECOND + (int64_t)floor((seconds - whole) * (double)TICKS_SECOND + 0.5);
	return true;
}

/* In two parts: all of it at once would be rounded twice. */
double ticks_seconds(int64_t t)
{
	return (double)(t / TICKS_SECOND) + (double)(t % TICKS_SECOND) / (double)TICKS_SECOND;
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
