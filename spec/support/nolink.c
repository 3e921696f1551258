/*
 * A file system that lacks calls (vfat has no hard links; FUSE and others do not know renameat2), for a process that is
 * started with this before libc (LD_PRELOAD): those that NOLINK_CALLS names fail.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NEXT(name)                                                                                                     \
	static __typeof__(&name) next;                                                                                 \
	if (next == NULL) {                                                                                            \
		void *found = dlsym(RTLD_NEXT, #name);                                                                 \
		memcpy(&next, &found, sizeof next);                                                                    \
	}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned int flags);

static bool lacks(const char *name, int error)
{
	const char *calls = getenv("NOLINK_CALLS");
	errno = error;
	return calls != NULL && strstr(calls, name) != NULL;
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags)
{
	NEXT(linkat)
	return lacks("linkat", EPERM) ? -1 : next(from_folder, from, to_folder, to, flags);
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned int flags)
{
	NEXT(renameat2)
	return lacks("renameat2", EINVAL) ? -1 : next(from_folder, from, to_folder, to, flags);
}
