/*
 * A slow local disk, for a process that is started with this before libc (LD_PRELOAD) and for its workers: each
 * SLOWDISK_CALL, which is fsync, pread or pwrite, takes SLOWDISK_SECONDS.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NEXT(name)                                                                                                     \
	static __typeof__(&name) next;                                                                                 \
	if (next == NULL) {                                                                                            \
		void *found = dlsym(RTLD_NEXT, #name);                                                                 \
		memcpy(&next, &found, sizeof next);                                                                    \
	}

static void take_long(const char *name)
{
	const char *slow = getenv("SLOWDISK_CALL"), *text = getenv("SLOWDISK_SECONDS");
	double seconds = text != NULL ? strtod(text, NULL) : 0;
	struct timespec left = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};

	if (slow != NULL && strcmp(slow, name) == 0)
		while (nanosleep(&left, &left) < 0)
			;
}

int fsync(int fd)
{
	NEXT(fsync)
	take_long("fsync");
	return next(fd);
}

ssize_t pread64(int fd, void *to, size_t size, off64_t offset)
{
	NEXT(pread64)
	take_long("pread");
	return next(fd, to, size, offset);
}

ssize_t pread(int fd, void *to, size_t size, off_t offset)
{
	return pread64(fd, to, size, offset);
}

ssize_t pwrite64(int fd, const void *from, size_t size, off64_t offset)
{
	NEXT(pwrite64)
	take_long("pwrite");
	return next(fd, from, size, offset);
}

ssize_t pwrite(int fd, const void *from, size_t size, off_t offset)
{
	return pwrite64(fd, from, size, offset);
}
