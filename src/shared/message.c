#include "message.h"

#include "protocol.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for as many descriptors as any message brings. The kernel closes what does not fit. */
union message_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * SMB_FILES_AT_ONCE)];
};

bool message_send(int socket, const void *message, size_t size, const int *fds, size_t count, int flags)
{
	union message_control control;
	struct iovec part = {(void *)(uintptr_t)message, size};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t n;

	memset(&control, 0, sizeof control);
	if (count > 0) {
		struct cmsghdr *c = &control.align;
		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
	}
	do
		n = sendmsg(socket, &header, flags | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)size;
}

/*
 * Keeps the first `most` of the descriptors that came, and closes the others: whoever sends more must not fill this
 * process's table.
 */
static void message_take_descriptors(struct msghdr *header, int *fds, size_t most)
{
	size_t kept = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (kept < most)
				fds[kept++] = fd;
			else
				close(fd);
		}
	}
}

ssize_t message_receive(int socket, void *message, size_t size, int *fds, size_t most, int flags)
{
	union message_control control;
	struct iovec part = {message, size};
	struct msghdr header = {
	    .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
	ssize_t n;

	for (size_t i = 0; i < most; i++)
		fds[i] = -1;
	n = recvmsg(socket, &header, flags | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return -1;
	message_take_descriptors(&header, fds, most);
	if (!(header.msg_flags & MSG_TRUNC))
		return n;
	errno = EMSGSIZE;
	return -1;
}
