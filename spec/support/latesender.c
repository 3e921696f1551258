/*
 * A busy machine, for a process that is started with this before libc (LD_PRELOAD) and for its workers: whoever has
 * sent something over TCP goes on 30 ms later.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

static void lose_processor(int fd)
{
	const struct timespec moment = {.tv_nsec = 30000000};
	struct sockaddr_storage here;
	socklen_t size = sizeof here;
	int error = errno;

	if (getsockname(fd, (struct sockaddr *)&here, &size) == 0 && here.ss_family != AF_UNIX)
		nanosleep(&moment, NULL);
	errno = error;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	static __typeof__(&writev) next;
	ssize_t n;

	if (next == NULL) {
		void *found = dlsym(RTLD_NEXT, "writev");
		memcpy(&next, &found, sizeof next);
	}
	n = next(fd, parts, count);
	lose_processor(fd);
	return n;
}
