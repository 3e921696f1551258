#include "fork_server.h"

#include "shared/descriptor.h"
#include "shared/older.h"
#include "environment.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The descriptors that the program gets, besides the workers' sockets. */
enum { SOCKET, NOTHING, ERRORS, DESCRIPTORS };

int fork_server_least(unsigned count)
{
	return SMB_WORKER_SOCKET + (int)count + 1;
}

/* Returns a copy that has a number from `least` on, and closes the original; -1 and errno without descriptors. */
static int fork_server_lift(int fd, int least)
{
	int copy = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, least) : -1, error = errno;

	if (fd >= 0)
		close(fd);
	errno = error;
	return copy;
}

/* A descriptor to read nothing from, and to write nothing to: where /dev/null is missing, memory that takes nothing. */
static int fork_server_null(int least)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		fd = memfd_create("smb-null", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		if (fd >= 0)
			fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SEAL);
	}
	return fork_server_lift(fd, least);
}

/* Makes the pipe that standard error goes to. Nobody waits at either end: what is too much for it is lost. */
static int fork_server_make_errors(struct fork_server *s, int least)
{
	int ends[2];

	s->words[0] = '\0';
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	s->errors = descriptor_clear(ends[0]);
	return fork_server_lift(ends[1], least);
}

/*
 * Spawns the program with a socket for each worker and one for the fork server, nothing as 0 and 1, default signals and
 * a session of its own. Its arguments are the number of workers, and the module's process id: ps shows it.
 */
static int fork_server_spawn(const char *program, const int *sockets, unsigned count, const int *theirs, pid_t *pid)
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
	posix_spawn_file_actions_adddup2(&actions, theirs[SOCKET], SMB_WORKER_SOCKET + (int)count);
	posix_spawn_file_actions_adddup2(&actions, theirs[NOTHING], 0);
	posix_spawn_file_actions_adddup2(&actions, theirs[NOTHING], 1);
	posix_spawn_file_actions_adddup2(&actions, theirs[theirs[ERRORS] >= 0 ? ERRORS : NOTHING], 2);
	older_spawn_closes_from(&actions, fork_server_least(count));
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

static void fork_server_forget(struct fork_server *s)
{
	process_forget(&s->self);
	if (s->errors >= 0)
		close(s->errors);
	s->errors = -1;
}

/* Spawns the program with its descriptors. False and errno where it cannot be. */
static bool fork_server_spawn_program(struct fork_server *s, const char *program, const int *sockets, unsigned count)
{
	const int least = fork_server_least(count);
	int theirs[DESCRIPTORS] = {-1, -1, -1}, error;

	if (!process_join(&s->self, least, &theirs[SOCKET]) || (theirs[NOTHING] = fork_server_null(least)) < 0) {
		error = errno;
	} else {
		theirs[ERRORS] = fork_server_make_errors(s, least);
		error = fork_server_spawn(program, sockets, count, theirs, &s->program);
	}
	for (int i = 0; i < DESCRIPTORS; i++)
		if (theirs[i] >= 0)
			close(theirs[i]);
	errno = error;
	return error == 0;
}

static bool fork_server_load(struct fork_server *s, const char *program, const int *sockets, unsigned count)
{
	fork_server_end(s, 0);
	if (!fork_server_spawn_program(s, program, sockets, count)) {
		int error = errno;
		s->program = 0;
		fork_server_forget(s);
		errno = error;
		return false;
	}
	s->number++;
	/* By its number it could be mistaken for another child, in a host that reaps all children. */
	s->program_fd = descriptor_clear((int)syscall(SYS_pidfd_open, s->program, 0));
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

/* Keeps the last line of a text, without the name of the program before it, and with `?` for what steers terminals. */
static void fork_server_keep_line(struct fork_server *s, char *text, size_t size)
{
	static const char *const programs[] = {"smb-worker: ", "smb-fork-server: "};
	char *line;

	while (size > 0 && (unsigned char)text[size - 1] <= ' ')
		size--;
	text[size] = '\0';
	line = strrchr(text, '\n');
	line = line != NULL ? line + 1 : text;
	for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
		char *name = strstr(line, programs[i]);
		if (name != NULL)
			line = name + strlen(programs[i]);
	}
	if (*line != '\0')
		snprintf(s->words, sizeof s->words, "%.*s", (int)sizeof s->words - 1, line);
	for (char *c = s->words; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
}

const char *fork_server_last_words(struct fork_server *s)
{
	char text[4096];
	ssize_t n;

	while (s->errors >= 0 && (n = read(s->errors, text, sizeof text - 1)) > 0)
		fork_server_keep_line(s, text, (size_t)n);
	return s->words;
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
	struct fork_server none = NO_FORK_SERVER;

	fork_server_last_words(s);
	if (s->host == getpid()) {
		fork_server_dismiss(s);
		fork_server_reap(s);
		process_reap(&s->self, wait_ms);
	} else if (s->program_fd >= 0) {
		close(s->program_fd);
	}
	fork_server_forget(s);
	none.number = s->number;
	memcpy(none.words, s->words, sizeof none.words);
	*s = none;
}
