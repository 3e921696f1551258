/*
 * Starts workers. Loading the program takes ten times as long as forking it. So it is loaded once for a destination:
 * one process, the fork server, does nothing but fork into workers. It has no connection and knows no secret.
 */
#ifndef LUA_SMB_FORK_SERVER_H
#define LUA_SMB_FORK_SERVER_H

#include "process.h"
#include "protocol.h"

struct fork_server {
	struct process self; /* no socket: there is none */
	pid_t program;       /* the process that was spawned, which forks and exits; 0 once it was reaped */
	int program_fd;      /* its pidfd, -1 when unknown */
	pid_t host;          /* whose fork server it is: not that of a forked child, */
	uid_t uid, euid;     /* nor of a host that has become another user */
	gid_t gid, egid;
	unsigned number; /* of the current fork server, or else the last; from 1 on */
	int errors;      /* standard error of its workers; -1 without it */
	char words[160]; /* the last line that came from there */
};

#define NO_FORK_SERVER ((struct fork_server){.self = {-1, -1}, .program_fd = -1, .errors = -1})

/* The lowest number that a descriptor for a worker may have when `count` workers are started. */
int fork_server_least(unsigned count);

/*
 * Starts a worker on each socket. `program` is the absolute path of smb-worker, which is loaded if there is no fork
 * server, or none any longer. False and errno where it cannot be loaded.
 */
bool fork_server_start(struct fork_server *s, const char *program, const int *sockets, unsigned count);

/*
 * Reaps the program. Call it when a worker has greeted and has something to do: the program exits about then, and all
 * that is waited for is that its memory is taken down, a millisecond or two.
 */
void fork_server_reap(struct fork_server *s);

/*
 * What its workers, or the loader of their program, said last on standard error: why one of them ended. Empty where
 * nothing was said. Still known when the fork server has ended, until there is another.
 */
const char *fork_server_last_words(struct fork_server *s);

/* Ends the fork server, and kills a program that hangs. In a forked child this does nothing. */
void fork_server_dismiss(struct fork_server *s);

/*
 * Dismisses the fork server and waits for it, `wait_ms` at most; there is none then. In a forked child this only closes
 * descriptors.
 */
void fork_server_end(struct fork_server *s, int wait_ms);

#endif
