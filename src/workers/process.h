/*
 * A process of the program smb-worker, at the other end of a socket: a worker, or the fork server. It is not a child of
 * this process, and is known by the pidfd that it sends with its first message.
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

/*
 * Makes the pair of sockets; `theirs`, which the process gets, has a number from `least` on. False and errno without
 * descriptors.
 */
bool process_join(struct process *p, int least, int *theirs);

/* Sends a message, without waiting. False and errno where it was not sent. */
bool process_send(const struct process *p, const void *message, size_t size, const int *fds, size_t count);

/* Returns the bytes of a message, 0 when the process is gone, -1 when there is no message yet. */
ssize_t process_receive(struct process *p, void *message, size_t size);

/* Shuts the socket down before it closes it: a forked child may hold a copy. */
void process_hang_up(struct process *p);

void process_kill(const struct process *p);

/*
 * Waits `wait_ms` for a process that was told to end. A host that inherits orphans, PID 1 or a subreaper, has to reap
 * the process, and waits a second for it if need be.
 */
void process_reap(const struct process *p, int wait_ms);

/*
 * Takes the pidfd from a greeting that was not read yet. A host that must reap orphans needs the pidfd, and waits for
 * the greeting. That depends on no network: the process greets as soon as its program is loaded, however long a busy
 * machine takes, or is gone.
 */
void process_await_greeting(struct process *p);

/* Closes the descriptors, which is all that a forked child may do. */
void process_forget(struct process *p);

#endif
