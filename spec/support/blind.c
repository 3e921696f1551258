/*
 * An auditor (LD_AUDIT, rtld-audit(7)): what Samba's libraries send and receive passes by the functions that smb-worker
 * puts before libc's, as with a libsmbclient that sends in another way.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* The auditor has a libc of its own, with an errno of its own. */
static int *(*programs_errno)(void);

static long pass_on(long result)
{
	*programs_errno() = errno;
	return result;
}

static ssize_t blind_writev(int fd, const struct iovec *parts, int count)
{
	return pass_on(syscall(SYS_writev, fd, parts, count));
}

static ssize_t blind_recv(int fd, void *buffer, size_t size, int flags)
{
	return pass_on(syscall(SYS_recvfrom, fd, buffer, size, flags, NULL, NULL));
}

static int blind_connect(int fd, const struct sockaddr *address, socklen_t length)
{
	return (int)pass_on(syscall(SYS_connect, fd, address, length));
}

unsigned int la_version(unsigned int version)
{
	return version;
}

unsigned int la_objopen(struct link_map *map, Lmid_t space, uintptr_t *cookie)
{
	(void)map;
	(void)space;
	(void)cookie;
	return LA_FLG_BINDTO | LA_FLG_BINDFROM;
}

uintptr_t la_symbind64(Elf64_Sym *symbol, unsigned int index, uintptr_t *from, uintptr_t *to, unsigned int *flags,
		       const char *name)
{
	(void)index;
	(void)from;
	(void)to;
	(void)flags;
	if (strcmp(name, "__errno_location") == 0)
		memcpy(&programs_errno, &symbol->st_value, sizeof programs_errno);
	if (strcmp(name, "writev") == 0)
		return (uintptr_t)blind_writev;
	if (strcmp(name, "recv") == 0)
		return (uintptr_t)blind_recv;
	if (strcmp(name, "connect") == 0)
		return (uintptr_t)blind_connect;
	return symbol->st_value;
}
