/*
 * Starts workers. The program is loaded once, which takes ten times as long as a fork of it: a process that has it, the fork server, does
 * nothing but become workers, for as long as the destination is open. It has no connection and knows no secret.
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
	uid_t uid, euid;     /* nor for one that has become somebody else */
	gid_t gid, egid;
	unsigned number;     /* of the one that there is or was last, from 1 on */
};

#define NO_FORK_SERVER ((struct fork_server){.self = {-1, -1}, .program_fd = -1})

/* Of the descriptors that a worker is given none has a number below, when `count` are started. */
int fork_server_least(unsigned count);

/*
 * One worker for each socket; `program` is smb-worker's absolute path. Where there is no fork server yet, or no longer, the program is
 * loaded. False and errno when it cannot be.
 */
bool fork_server_start(struct fork_server *s, const char *program, const int *sockets, unsigned count);

/*
 * To be called when a worker of its has greeted and has something to do: the program exits about then, what there may be to wait for is
 * its memory being taken down, a millisecond or two.
 */
void fork_server_reap(struct fork_server *s);

/* Has it end, and a program that does not do as expected; but in a forked child, whose it is not. */
void fork_server_dismiss(struct fork_server *s);

/* Waits for that, too, `wait_ms` at most; in a forked child only closes descriptors. Then there is none. */
void fork_server_end(struct fork_server *s, int wait_ms);

#endif
