#include "stage.h"

#include "shared/descriptor.h"
#include "shared/older.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Milliseconds for a killed process to end; bytes that a pipe should hold: its reader may be busy elsewhere. */
enum { END_WAIT = 1000, PIPE_SIZE = 1024 * 1024 };

static void stage_close(int *fd)
{
	int error = errno;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = error;
}

/* A pipe whose ends stay clear of 0, 1 and 2. */
static bool stage_pipe(int ends[2])
{
	ends[0] = ends[1] = -1;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	ends[0] = descriptor_clear(ends[0]);
	ends[1] = descriptor_clear(ends[1]);
	if (ends[0] >= 0 && ends[1] >= 0)
		return true;
	stage_close(&ends[0]);
	stage_close(&ends[1]);
	return false;
}

/* The environment without AUTH_PASSWORD, which may hold the password for lua-smb. NULL without memory. */
static char **stage_environment(void)
{
	static const char secret[] = "AUTH_PASSWORD=";
	size_t count = 0, kept = 0;
	char **copy;

	while (environ != NULL && environ[count] != NULL)
		count++;
	copy = malloc((count + 1) * sizeof *copy);
	if (copy == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (strncmp(environ[i], secret, strlen(secret)) != 0)
			copy[kept++] = environ[i];
	copy[kept] = NULL;
	return copy;
}

static int stage_spawn(pid_t *pid, char *const argv[], int input, int output, int errors)
{
	char **environment = stage_environment();
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t signals;
	int error;

	if (environment == NULL)
		return ENOMEM;
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	if (input >= 0)
		posix_spawn_file_actions_adddup2(&actions, input, 0);
	else
		posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, output, 1);
	posix_spawn_file_actions_adddup2(&actions, errors, 2);
	older_spawn_closes_from(&actions, 3);
	sigfillset(&signals);
	posix_spawnattr_setsigdefault(&attributes, &signals);
	sigemptyset(&signals);
	posix_spawnattr_setsigmask(&attributes, &signals);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
	error = posix_spawnp(pid, argv[0], &actions, &attributes, argv, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	free(environment);
	return error;
}

/*
 * Opens the child's pidfd. False, and the child is killed, if the kernel has no descriptor left. A child that has ended
 * already is noticed later.
 */
static bool stage_watch(struct stage *s)
{
	int error;

	s->pidfd = descriptor_clear((int)syscall(SYS_pidfd_open, s->pid, 0));
	if (s->pidfd >= 0)
		return true;
	error = errno;
	/* SIGCHLD is ignored, and it has ended: the number may be another's soon */
	if (error == ESRCH || error == EINVAL) {
		s->pid = 0;
		s->end = STAGE_LOST;
		return true;
	}
	kill(-s->pid, SIGKILL);
	while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
		;
	s->pid = 0;
	errno = error;
	return false;
}

bool stage_start(struct stage *s, char *const argv[], int input, int *output)
{
	int out[2], err[2], error;

	*s = NO_STAGE;
	if (!stage_pipe(out))
		return false;
	if (!stage_pipe(err)) {
		stage_close(&out[0]);
		stage_close(&out[1]);
		return false;
	}
	fcntl(err[0], F_SETFL, O_NONBLOCK);
	(void)!fcntl(out[0], F_SETPIPE_SZ, PIPE_SIZE);
	error = stage_spawn(&s->pid, argv, input, out[1], err[1]);
	stage_close(&out[1]);
	stage_close(&err[1]);
	if (error != 0)
		s->pid = 0;
	errno = error;
	if (error != 0 || !stage_watch(s)) {
		stage_close(&out[0]);
		stage_close(&err[0]);
		return false;
	}
	s->errors = err[0];
	*output = out[0];
	return true;
}

/* Appends to the tail, which keeps the last bytes. */
static void stage_keep(struct stage *s, const char *text, size_t size)
{
	size_t left = s->said;

	if (left + size > STAGE_TAIL)
		left = STAGE_TAIL - size;
	memmove(s->tail, s->tail + s->said - left, left);
	memcpy(s->tail + left, text, size);
	s->said = left + size;
}

void stage_listen(struct stage *s)
{
	char text[STAGE_TAIL];

	for (int turns = 0; s->errors >= 0 && turns < 64; turns++) { /* a stage may write without end */
		ssize_t n = read(s->errors, text, sizeof text);
		if (n > 0)
			stage_keep(s, text, (size_t)n);
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			stage_close(&s->errors);
		else if (errno == EAGAIN)
			return;
	}
}

bool stage_reap(struct stage *s)
{
	siginfo_t info = {0};

	if (s->pid == 0)
		return true;
	if (waitid((idtype_t)DESCRIPTOR_PIDFD, (id_t)s->pidfd, &info, WEXITED | WNOHANG) < 0) {
		struct pollfd gone = {.fd = s->pidfd, .events = POLLIN};
		if (errno == EINTR || (errno == ECHILD && poll(&gone, 1, 0) == 0))
			return false; /* SIGCHLD is ignored, and it runs */
		s->end = STAGE_LOST;
	} else if (info.si_pid == 0) {
		return false;
	} else {
		s->end = info.si_code == CLD_EXITED ? STAGE_EXITED : STAGE_SIGNALLED;
		s->status = info.si_status;
	}
	s->pid = 0;
	stage_listen(s);
	return true;
}

void stage_signal(const struct stage *s, int signal)
{
	siginfo_t info = {0};

	if (s->pid == 0)
		return;
	/*
	 * As long as its status has not been taken, its number is nobody else's: signal the first process group of its
	 * session.
	 */
	if (waitid((idtype_t)DESCRIPTOR_PIDFD, (id_t)s->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
		kill(-s->pid, signal);
	else
		syscall(SYS_pidfd_send_signal, s->pidfd, signal, NULL, 0);
}

void stage_await(struct stage *s)
{
	struct pollfd ended = {.fd = s->pidfd, .events = POLLIN};

	if (s->pid != 0 && !stage_reap(s)) {
		poll(&ended, 1, END_WAIT);
		stage_reap(s);
	}
}

void stage_forget(struct stage *s)
{
	stage_close(&s->errors);
	stage_close(&s->pidfd);
	s->pid = 0;
}
