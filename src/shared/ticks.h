/*
 * Times, as everything here holds them: ticks of 100 ns since 1970. That is FILETIME's unit; it reaches from before
 * 1601 to after 30828, all that SMB can say, where nanoseconds of 64 bits end in 2262. What converts, rounds and
 * compares times is here.
 */
#ifndef LUA_SMB_TICKS_H
#define LUA_SMB_TICKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>
#include <time.h>

#define TICKS_SECOND INT64_C(10000000)
/* the beginning of 1601, FILETIME's 0: the first moment that SMB holds, */
#define TICKS_FIRST INT64_C(-116444736000000000)
#define TICKS_LAST (INT64_MAX + TICKS_FIRST)     /* and the last, in 30828 */
#define TICKS_UNKNOWN INT64_MIN

/* Cut to whole ticks; what 64 bits cannot hold becomes the nearest that they can. */
int64_t ticks_of_timespec(struct timespec t);
struct timespec ticks_timespec(int64_t t);

int64_t ticks_of_filetime(uint64_t t);

/*
 * Rounded to the nearest tick, or microsecond where a double cannot tell ticks apart. False for what is no time, or
 * beyond 64 bits.
 */
bool ticks_of_seconds(double seconds, int64_t *t);
double ticks_seconds(int64_t t);

/*
 * Whether any disk holds that time: FAT begins in 1980 (of whatever time zone), disks of 32 bits end in January 2038.
 */
bool ticks_held_everywhere(int64_t t);

/* What the library makes of a time that it is to set: microseconds, to which it is rounded, within what SMB holds. */
int64_t ticks_settable(int64_t t);
struct timeval ticks_timeval(int64_t settable);

/*
 * How exactly a disk keeps times: of the steps 1 ms, 10 ms, 1 s and 2 s (a bit each, the finest first) those of which
 * all times seen there are multiples, and of how many files that was.
 */
struct ticks_grain {
	unsigned steps, measured; /* measured: a time that was set there has been seen again cut to that step */
	size_t files;
};

#define TICKS_ALL_STEPS 15u

void ticks_note(struct ticks_grain *g, int64_t theirs);

/* The steps to which `ours` was cut to become `theirs`. */
unsigned ticks_cut_to(int64_t ours, int64_t theirs);

/* Whether `theirs` is what such a disk makes of `ours`; one that is only near is not the same. */
bool ticks_same(const struct ticks_grain *g, int64_t ours, int64_t theirs);

/*
 * Whether such a disk may have made `theirs` of `ours`, as far as the times seen there tell; a step that is measured
 * would prove it.
 */
bool ticks_may_be_cut(const struct ticks_grain *g, int64_t ours, int64_t theirs);

/* Whether two times are no further apart than that. */
bool ticks_within(int64_t ours, int64_t theirs, int64_t window);

/*
 * Whether a time on the share is what became of one of ours: sent by this program, or by one that cuts instead of
 * rounding.
 */
bool ticks_kept(int64_t ours, int64_t theirs);

#endif
