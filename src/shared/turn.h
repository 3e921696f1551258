/*
 * Whose turn it is to send the password: at most one worker of a destination does so before it is known to be right,
 * lest a wrong one lock the account. The page that all workers map has the state; the module passes the turn on for a
 * worker that died with it.
 */
#ifndef LUA_SMB_TURN_H
#define LUA_SMB_TURN_H

#include "protocol.h"

#include <limits.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline void turn_changed(struct smb_turn *turn)
{
	atomic_fetch_add(&turn->changes, 1);
	syscall(SYS_futex, &turn->changes, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* Ends the worker's turn, if it has it. */
static inline void turn_pass(struct smb_turn *turn, uint32_t process)
{
	if (process != 0 && atomic_compare_exchange_strong(&turn->holder, &process, 0))
		turn_changed(turn);
}

/*
 * Whether the password may be sent after so many answers that never came: each may have been a refusal. One that was
 * right before may be sent once more; one that never was may not.
 */
static inline bool turn_bears(const struct smb_turn *turn, uint32_t lost)
{
	return lost <= (atomic_load(&turn->accepted) > 0 ? 1u : 0u);
}

/* Whether no worker sends the password any more, until the user's next call. */
static inline bool turn_is_lost(const struct smb_turn *turn)
{
	uint32_t unanswered = atomic_load(&turn->holder) == 0 ? atomic_load(&turn->sent) : 0;
	return !turn_bears(turn, atomic_load(&turn->lost) + unanswered);
}

#endif
