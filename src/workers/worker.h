/*
 * A worker as the module sees it: its process, the page that it counts on, the fork server that it comes of. link.h
 * says how it is given something to do.
 */
#ifndef LUA_SMB_WORKER_H
#define LUA_SMB_WORKER_H

#include "deadline.h"
#include "fork_server.h"
#include "process.h"
#include "protocol.h"

#include <stdbool.h>
#include <stddef.h>

/* What all workers of a destination have in common; has to outlive them. */
struct worker_common {
	const char *program; /* smb-worker's absolute path */
	const struct smb_connect *target;
	struct link_limits limits; /* may be changed at any time */
	int pace_fd;               /* the memory of a struct smb_pace, */
	struct smb_pace *pace;     /* mapped; NULL before the first worker */
	struct fork_server fork_server;
};

struct worker {
	struct process process;
	struct worker_common *common;
	unsigned origin; /* number of the fork server that it was to come of */
	pid_t host;      /* whose worker this is: not that of a forked child */
	bool has_greeted;
	struct smb_shared *page;
	int page_fd; /* -1 once the worker has it */
	int epoll;   /* that it is watched by, -1 for none */
};

/*
 * Prepares one of `count` workers that are to be started together: its page and its socket, whose other end becomes
 * `theirs`. False and errno where there is no memory or no descriptor; worker_forget has to be called all the same.
 */
bool worker_prepare(struct worker *w, struct worker_common *common, unsigned count, int *theirs);

/* Takes a greeting, and tells the worker whom to connect to. False fills `fault`. */
bool worker_greet(struct worker *w, const void *greeting, size_t size, struct smb_fault *fault);

/* Sets a fault: the process ended before it was connected, and this is what it said, or the loader of its program. */
void worker_explain_end(const struct worker *w, struct smb_fault *fault);

/* A forked child may close descriptors, and nothing else. */
bool worker_is_ours(const struct worker *w);

/* From now on the epoll descriptor tells when there is something to read; or no longer. */
void worker_watch(struct worker *w, int epoll);
void worker_unwatch(const struct worker *w);

/* Hangs up: a worker that owes nothing ends at once. */
void worker_hang_up(struct worker *w);

/* Kills the process and hangs up. */
void worker_kill(struct worker *w);

/* Closes descriptors and unmaps the page. */
void worker_forget(struct worker *w);

#endif
