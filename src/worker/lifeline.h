/*
 * A thread that never enters libsmbclient and sees to it that the worker does not outlive the module: when the module's
 * process is gone, or has hung up, a worker that owes nothing exits at once, one that owes a clean-up within the time
 * for it.
 */
#ifndef LUA_SMB_LIFELINE_H
#define LUA_SMB_LIFELINE_H

#include "protocol.h"

#include <stdbool.h>

/* `host` is a pidfd of the module's process, or -1. False and errno when no thread can be had. */
bool lifeline_start(int socket, int host, uint32_t clean_up_ms);

/* Milliseconds that a clean-up may take once the module has gone. */
uint32_t lifeline_clean_up_ms(void);

/* The module wants the request under way to end, or has gone. */
bool lifeline_cancelled(void);

/* The module has gone. */
bool lifeline_is_orphaned(void);

/* It is cancelled, as a failure. */
bool lifeline_stops(struct smb_fault *fault);

/*
 * From lifeline_owe to lifeline_settle something on the share would have to be removed, put back or written to its end
 * if the worker ended; they nest. False: the module has gone, do not begin.
 */
bool lifeline_owe(void);
void lifeline_settle(void);

#endif
