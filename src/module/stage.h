/*
 * One process of a pipeline, started without a shell: default signals, a session of its own, no descriptors but 0, 1
 * and 2. It is this process's child; a pidfd tells how it ended. Knows no Lua.
 */
#ifndef LUA_SMB_STAGE_H
#define LUA_SMB_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { STAGE_TAIL = 4096 }; /* bytes kept of the end of a stage's standard error */

/* How a stage ended. Lost: somebody else has taken its status, or nobody keeps one (SIGCHLD is ignored). */
enum stage_end { STAGE_RUNS, STAGE_EXITED, STAGE_SIGNALLED, STAGE_LOST };

struct stage {
	pid_t pid;   /* 0: not started, or its status is known */
	int pidfd;   /* -1: none */
	int errors;  /* the reading end of its standard error, which is never waited for; -1: closed */
	enum stage_end end;
	int status;  /* exit status, or the signal's number */
	size_t said; /* bytes in tail */
	char tail[STAGE_TAIL];
};

#define NO_STAGE ((struct stage){.pidfd = -1, .errors = -1})

/*
 * Starts argv[0], looked for in PATH. Its standard input is `input` (-1: /dev/null); *output becomes the reading end of
 * its standard output. False and errno when it cannot be started.
 */
bool stage_start(struct stage *s, char *const argv[], int input, int *output);

/* Reads what the stage wrote to its standard error until now. */
void stage_listen(struct stage *s);

/* Whether the stage has ended; then its status is known. Never waits. */
bool stage_reap(struct stage *s);

/* Signals the stage and what it has started in its session, as long as its process id is certainly its own. */
void stage_signal(const struct stage *s, int signal);

/* Waits for the end of a killed stage, a second at most. */
void stage_await(struct stage *s);

/* Closes the descriptors; a forked child may do no more. */
void stage_forget(struct stage *s);

#endif
