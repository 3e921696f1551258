/* Descriptors above 2 (a host that has closed 0, 1 and 2 may still write to those numbers), and of processes. */
#ifndef LUA_SMB_DESCRIPTOR_H
#define LUA_SMB_DESCRIPTOR_H

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* waitid's P_PIDFD, which glibc names since 2.36 only. */
enum { DESCRIPTOR_PIDFD = 3 };

/*
 * Returns the descriptor if it is above 2, else a copy that is, and closes the original. -1 and errno where there is
 * none.
 */
static inline int descriptor_clear(int fd)
{
	int copy, error;
	if (fd < 0 || fd > 2)
		return fd;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	error = errno;
	close(fd);
	errno = error;
	return copy;
}

#endif
