/* Descriptors that stay clear of 0, 1 and 2: a host that has closed those may speak into them all the same. */
#ifndef LUA_SMB_DESCRIPTOR_H
#define LUA_SMB_DESCRIPTOR_H

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Gives the descriptor, or a copy above 2 in its stead; -1 and errno where there is none. */
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
