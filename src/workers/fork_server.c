#include "fork_server.h"

#include "shared/descriptor.h"
#include "environment.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int fork_server_least(unsigned count)
{
	return SMB_WORKER_SOCKET + (int)count + 1;
}

/*
 * Spawns the program with a socket for each worker and one for the fork server, /dev/null as 0 to 2, default signals
 * and a session of its own. Its arguments are the number of workers, and the module's process id: ps shows it.
 */
static int fork_server_spawn(const char *program, const int *sockets, unsigned count, int theirs, pid_t *pid)
{
	char number[sizeof "4294967295"], host[sizeof "4294967295"];
	char *argv[] = {(char *)(uintptr_t) "smb-fork-server", number, host, NULL},
	     **environment = environment_of_worker();
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t signals;
	int error;

	if (environment == NULL)
		return ENOMEM;
	snprintf(number, sizeof number, "%u", count);
	snprintf(host, sizeof host, "%u", (unsigned)getpid());
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	for (unsigned i = 0; i < count; i++)
		posix_spawn_file_actions_adddup2(&actions, sockets[i], SMB_WORKER_SOCKET + (int)i);
	posix_spawn_file_actions_adddup2(&actions, theirs, SMB_WORKER_SOCKET + (int)count);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addclosefrom_np(&actions, fork_server_least(count));
	sigfillset(&signals);
	posix_spawnattr_setsigdefault(&attributes, &signals);
	sigemptyset(&signals);
	posix_spawnattr_setsigmask(&attributes, &signals);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
	error = posix_spawn(pid, program, &actions, &attributes, argv, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	free(environment);
	return error;
}

/*
 * Sends the host's pidfd, by which the fork server sees that its host has gone; hangs up on one that does not get it.
 */
static void fork_server_introduce_host(struct fork_server *s)
{
	int self = (int)syscall(SYS_pidfd_open, s->host, 0);
	if (!process_send(&s->self, "", 1, &self, self >= 0))
		process_hang_up(&s->self);
	if (self >= 0)
		close(self);
}

static bool fork_server_load(struct fork_server *s, const char *program, const int *sockets, unsigned count)
{
	pid_t pid;
	int theirs, error;

	fork_server_end(s, 0);
	if (!process_join(&s->self, fork_server_least(count), &theirs)) {
		process_forget(&s->self);
		return false;
	}
	error = fork_server_spawn(program, sockets, count, theirs, &pid);
	close(theirs);
	if (error != 0) {
		process_forget(&s->self);
		errno = error;
		return false;
	}
	s->number++;
	s->program = pid;
	/* By its number it could be mistaken for another child, in a host that reaps all children. */
	s->program_fd = descriptor_clear((int)syscall(SYS_pidfd_open, pid, 0));
	s->host = getpid();
	s->uid = getuid();
	s->euid = geteuid();
	s->gid = getgid();
	s->egid = getegid();
	fork_server_introduce_host(s);
	return true;
}

static bool fork_server_is_same_user(const struct fork_server *s)
{
	return s->uid == getuid() && s->euid == geteuid() && s->gid == getgid() && s->egid == getegid();
}

bool fork_server_start(struct fork_server *s, const char *program, const int *sockets, unsigned count)
{
	unsigned done = 0;
	if (!fork_server_is_same_user(s))
		process_hang_up(&s->self);
	while (done < count && s->self.socket >= 0 && process_send(&s->self, "", 1, &sockets[done], 1))
		done++;
	return done == count || fork_server_load(s, program, sockets + done, count - done);
}

/* Waits by the pidfd where there is one: in a host that reaps all children the number may be another child's by now. */
static int fork_server_wait_for_program(const struct fork_server *s)
{
	siginfo_t info;
	if (s->program_fd >= 0)
		return waitid((idtype_t)DESCRIPTOR_PIDFD, (id_t)s->program_fd, &info, WEXITED);
	return waitpid(s->program, NULL, 0) < 0 ? -1 : 0;
}

void fork_server_reap(struct fork_server *s)
{
	if (s->program > 0)
		while (fork_server_wait_for_program(s) < 0 && errno == EINTR)
			;
	s->program = 0;
	if (s->program_fd >= 0)
		close(s->program_fd);
	s->program_fd = -1;
}

void fork_server_dismiss(struct fork_server *s)
{
	if (s->host != getpid())
		return;
	if (s->program_fd >= 0)
		syscall(SYS_pidfd_send_signal, s->program_fd, SIGKILL, NULL, 0);
	process_await_greeting(&s->self);
	process_kill(&s->self);
	process_hang_up(&s->self);
}

void fork_server_end(struct fork_server *s, int wait_ms)
{
	unsigned number = s->number;

	if (s->host == getpid()) {
		fork_server_dismiss(s);
		fork_server_reap(s);
		process_reap(&s->self, wait_ms);
	} else if (s->program_fd >= 0) {
		close(s->program_fd);
	}
	process_forget(&s->self);
	*s = NO_FORK_SERVER;
	s->number = number;
}
