/*
 * A disk that keeps times in steps of DISKTIMES_STEP nanoseconds (FAT every other second, exFAT hundredths), none
 * before DISKTIMES_FIRST and after DISKTIMES_LAST (seconds: the nearest is set, and all is said to be well, as ext4
 * does), and refuses to set any of files whose path holds DISKTIMES_REFUSE: for a process that is started with this
 * before libc (LD_PRELOAD).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NEXT(name)                                                                                                     \
	static __typeof__(&name) next;                                                                                 \
	if (next == NULL) {                                                                                            \
		void *found = dlsym(RTLD_NEXT, #name);                                                                 \
		memcpy(&next, &found, sizeof next);                                                                    \
	}

static struct timespec nearest(struct timespec t)
{
	const char *first = getenv("DISKTIMES_FIRST"), *last = getenv("DISKTIMES_LAST");

	if (first != NULL && t.tv_sec < strtoll(first, NULL, 10))
		return (struct timespec){strtoll(first, NULL, 10), 0};
	if (last != NULL && t.tv_sec > strtoll(last, NULL, 10))
		return (struct timespec){strtoll(last, NULL, 10), 0};
	return t;
}

static struct timespec cut(struct timespec t)
{
	const char *text = getenv("DISKTIMES_STEP");
	int64_t step = text != NULL ? strtoll(text, NULL, 10) : 1, whole, rest;

	if (t.tv_nsec == UTIME_OMIT || t.tv_nsec == UTIME_NOW)
		return t;
	t = nearest(t);
	if (step <= 1)
		return t;
	if (step < 1000000000)
		return (struct timespec){t.tv_sec, t.tv_nsec - t.tv_nsec % step};
	whole = step / 1000000000;
	rest = ((t.tv_sec % whole) + whole) % whole;
	return (struct timespec){t.tv_sec - rest, 0};
}

static int refuses(const char *path)
{
	const char *refused = getenv("DISKTIMES_REFUSE");
	char real[PATH_MAX];

	if (refused == NULL || path == NULL || realpath(path, real) == NULL || strstr(real, refused) == NULL)
		return 0;
	errno = EPERM;
	return 1;
}

int utimensat(int folder, const char *path, const struct timespec times[2], int flags)
{
	NEXT(utimensat)
	struct timespec kept[2];

	if (refuses(path))
		return -1;
	for (int i = 0; times != NULL && i < 2; i++)
		kept[i] = cut(times[i]);
	return next(folder, path, times != NULL ? kept : NULL, flags);
}

int futimens(int fd, const struct timespec times[2])
{
	NEXT(futimens)
	struct timespec kept[2];
	char path[40];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (refuses(path))
		return -1;
	for (int i = 0; times != NULL && i < 2; i++)
		kept[i] = cut(times[i]);
	return next(fd, times != NULL ? kept : NULL);
}
