#include "detach.h"

#include "build.h"
#include "shared/message.h"
#include "shared/older.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

ssize_t detach_receive(void *message, size_t size, int fds[SMB_FILES_AT_ONCE])
{
	ssize_t n;
	do
		n = message_receive(SMB_WORKER_SOCKET, message, size, fds, SMB_FILES_AT_ONCE, 0);
	/* the module has gone, but what it sent is still here */
	while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	return n;
}

bool detach_greet(void)
{
	struct smb_hello hello = {SMB_PROTOCOL_MAGIC, BUILD_MESSAGES};
	int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	bool ok = message_send(SMB_WORKER_SOCKET, &hello, sizeof hello, &self, self >= 0, 0);
	if (self >= 0)
		close(self);
	return ok;
}

/* Keeps one of the given sockets and closes the others. */
static bool detach_keep_socket(int mine)
{
	if (mine != SMB_WORKER_SOCKET && dup2(mine, SMB_WORKER_SOCKET) < 0)
		return false;
	older_close_from(SMB_WORKER_SOCKET + 1);
	return true;
}

/* Names the process for ps and top. `title` is no shorter than `name`. */
static void detach_set_name(const char *name, char *title)
{
	prctl(PR_SET_NAME, name);
	memset(title, 0, strlen(title));
	memcpy(title, name, strlen(name));
}

/* Returns true in the worker. When no fork is possible the module sees the socket close. */
static bool detach_fork(int socket, char *title)
{
	pid_t pid = fork();

	if (pid < 0)
		perror("smb-worker: no process can be forked"); /* the module reads that */
	if (pid != 0)
		return false;
	signal(SIGCHLD, SIG_DFL);
	detach_set_name("smb-worker", title);
	if (!detach_keep_socket(socket))
		_exit(1);
	return true;
}

/* Returns the socket of the next worker that is wanted; -1 when the module has hung up or ended. */
static int detach_next_socket(int host)
{
	struct pollfd polled[2] = {{.fd = SMB_WORKER_SOCKET, .events = POLLIN}, {.fd = host, .events = POLLIN}};
	int fds[SMB_FILES_AT_ONCE];
	char any = 0;

	while (poll(polled, 2, -1) < 0 && errno == EINTR)
		;
	if (polled[1].revents != 0 || detach_receive(&any, sizeof any, fds) <= 0)
		return -1;
	return fds[0];
}

/* Is the fork server, and returns in its workers. The first message brings a pidfd of the module's process. */
static void detach_serve(char *title)
{
	int host, socket;

	prctl(PR_SET_NAME, "smb-fork-server");
	signal(SIGCHLD, SIG_IGN); /* workers that end leave no zombies */
	if (!detach_greet())
		_exit(1);
	host = detach_next_socket(-1);
	while ((socket = detach_next_socket(host)) >= 0) {
		if (detach_fork(socket, title))
			return;
		close(socket);
	}
	_exit(0);
}

void detach_workers(int workers, char *title)
{
	for (int i = 0; i < workers; i++)
		if (detach_fork(SMB_WORKER_SOCKET + i, title))
			return;
	if (fork() != 0)
		_exit(0);
	if (!detach_keep_socket(SMB_WORKER_SOCKET + workers))
		_exit(1);
	detach_serve(title);
}
