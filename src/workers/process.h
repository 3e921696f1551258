/*
 * A process of the program smb-worker, at the other end of a socket: a worker, or the fork server that they come of. It is nobody's child:
 * a pidfd, which it sends with its first message, is what it is known by.
 */
#ifndef LUA_SMB_PROCESS_H
#define LUA_SMB_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct process {
	int socket; /* -1: hung up */
	int pidfd;  /* -1 when unknown */
};

#define NO_PROCESS ((struct process){-1, -1})

/* Makes the sockets: the process's own, to be handed to it, gets a number from `least` on. False and errno where it cannot be had. */
bool process_join(struct process *p, int least, int *theirs);

/* Never waits. False, with errno, when it was not sent. */
bool process_send(const struct process *p, const void *message, size_t size, const int *fds, size_t count);

/* Bytes of a message, 0 when the process is gone, -1 when there is none yet. */
ssize_t process_receive(struct process *p, void *message, size_t size);

/* A forked child may hold a copy of the socket: it is shut down, not only closed. */
void process_hang_up(struct process *p);

void process_kill(const struct process *p);

/*
 * Whoever inherits orphans, PID 1 or a subreaper, has to wait for a process that has ended, or is about to: a second at most. Others
 * wait `wait_ms`, to see to it that it ends.
 */
void process_reap(const struct process *p, int wait_ms);

/*
 * Takes the pidfd from a greeting that has not been read. To whoever inherits orphans it matters that there is one: then a process that
 * has not greeted yet is waited for. It greets as soon as its program is loaded, which takes a busy machine its time, or is gone; the
 * network has no part in it.
 */
void process_await_greeting(struct process *p);

/* Closes the descriptors: all that a forked child may do. */
void process_forget(struct process *p);

#endif
