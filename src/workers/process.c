#include "process.h"

#include "shared/descriptor.h"
#include "shared/message.h"
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

/* ms for a killed or idle process to end, and for a program to be loaded. A busy machine takes long. */
enum { END_WAIT = 1000, GREETING_WAIT = 10000 };

/* Leaves errno alone. */
static void process_close_fd(int *fd)
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
	return message_send(p->socket, message, size, fds, count, MSG_DONTWAIT);
}

/* Takes the pidfd from the greeting; no other message brings a descriptor. */
ssize_t process_receive(struct process *p, void *message, size_t size)
{
	size_t wanted = p->pidfd < 0;
	int fd = -1;
	ssize_t n = message_receive(p->socket, message, size, &fd, wanted, MSG_DONTWAIT);

	if (n < 0 && errno == ECONNRESET && wanted) /* it has gone, but what it sent before is still there */
		n = message_receive(p->socket, message, size, &fd, wanted, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -1;
	if (wanted)
		p->pidfd = descriptor_clear(fd);
	return n < 0 ? 0 : n;
}

void process_hang_up(struct process *p)
{
	if (p->socket >= 0)
		shutdown(p->socket, SHUT_RDWR);
	process_close_fd(&p->socket);
}

void process_kill(const struct process *p)
{
	if (p->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
}

/* Whether orphans become this process's children: it is PID 1 or a subreaper. */
static bool process_inherits_orphans(void)
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
	if (process_inherits_orphans() && wait_ms < END_WAIT)
		wait_ms = END_WAIT;
	poll(&ended, 1, wait_ms);
	waitid((idtype_t)DESCRIPTOR_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG);
}

void process_await_greeting(struct process *p)
{
	struct pollfd greeting = {.fd = p->socket, .events = POLLIN};
	char any[sizeof(struct smb_hello)];
	if (p->socket >= 0 && p->pidfd < 0 && poll(&greeting, 1, process_inherits_orphans() ? GREETING_WAIT : 0) > 0)
		process_receive(p, any, sizeof any);
}

void process_forget(struct process *p)
{
	process_close_fd(&p->socket);
	process_close_fd(&p->pidfd);
}
