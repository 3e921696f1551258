#include "process.h"

#include "shared/descriptor.h"
#include "protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ms for a process that was killed, or has nothing to do, to end; and for a program to be loaded. A busy machine takes long. */
enum { END_WAIT = 1000, GREETING_WAIT = 10000 };

/* Leaves errno alone. */
static void close_fd(int *fd)
{
	int error = errno;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = error;
}

bool process_join(struct process *p, int least, int *theirs)
{
	int pair[2], error;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return false;
	*theirs = fcntl(pair[1], F_DUPFD_CLOEXEC, least);
	error = errno;
	close(pair[1]);
	p->socket = descriptor_clear(pair[0]);
	if (*theirs >= 0 && p->socket >= 0)
		return true;
	if (*theirs >= 0)
		close(*theirs);
	else
		errno = error;
	return false;
}

bool process_send(const struct process *p, const void *message, size_t size, const int *fds, size_t count)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * SMB_FILES_AT_ONCE)];
	} control;
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
		n = sendmsg(p->socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)size;
}

/* A descriptor is taken only from the greeting. */
ssize_t process_receive(struct process *p, void *message, size_t size)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = {message, size};
	struct msghdr header = {
	    .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
	struct cmsghdr *c;
	int fd = -1;
	ssize_t n;

	errno = 0;
	n = recvmsg(p->socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && errno == ECONNRESET && p->pidfd < 0) /* it is gone, but what it said before is still there */
		n = recvmsg(p->socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -1 : 0;
	c = CMSG_FIRSTHDR(&header);
	if (n > 0 && c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof fd))
		memcpy(&fd, CMSG_DATA(c), sizeof fd);
	if (p->pidfd < 0)
		p->pidfd = descriptor_clear(fd);
	else
		close_fd(&fd);
	return header.msg_flags & MSG_TRUNC ? 0 : n;
}

void process_hang_up(struct process *p)
{
	if (p->socket >= 0)
		shutdown(p->socket, SHUT_RDWR);
	close_fd(&p->socket);
}

void process_kill(const struct process *p)
{
	if (p->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
}

/* Orphans come to a process that is PID 1 or a subreaper. */
static bool inherits_orphans(void)
{
	int subreaper = 0;
	prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
	return subreaper || getpid() == 1;
}

void process_reap(const struct process *p, int wait_ms)
{
	struct pollfd ended = {.fd = p->pidfd, .events = POLLIN};
	siginfo_t info;
	if (p->pidfd < 0)
		return;
	if (inherits_orphans() && wait_ms < END_WAIT)
		wait_ms = END_WAIT;
	poll(&ended, 1, wait_ms);
	waitid((idtype_t)P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG);
}

void process_await_greeting(struct process *p)
{
	struct pollfd greeting = {.fd = p->socket, .events = POLLIN};
	char any[sizeof(struct smb_hello)];
	if (p->socket >= 0 && p->pidfd < 0 && poll(&greeting, 1, inherits_orphans() ? GREETING_WAIT : 0) > 0)
		process_receive(p, any, sizeof any);
}

void process_forget(struct process *p)
{
	close_fd(&p->socket);
	close_fd(&p->pidfd);
}
