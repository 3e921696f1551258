/*
 * A destination's links: which is free, when to start another, when to give up on one. Knows no Lua.
 *
 * A refused password poisons the pool: no worker tries it again, or the account might be locked. Workers still connect
 * side by side: they agree among themselves that a password which may be wrong is sent once (worker/logon.h).
 *
 * A server that takes no further connection is no failure as long as there are others: they do the work.
 */
#ifndef LUA_SMB_POOL_H
#define LUA_SMB_POOL_H

#include "link.h"

enum { POOL_LINKS = LINKS_AT_ONCE };

struct pool;

/* `program` and `target` have to outlive the pool. NULL without memory. */
struct pool *pool_open(const char *program, const struct smb_connect *target);

/* Hangs up on all links and frees the pool; `wait_ms` for each, see link_end. */
void pool_close(struct pool *pool, int wait_ms);

/*
 * From now on: how long to wait for workers, links at a time (1 to POOL_LINKS), bytes per second of all together (0: no
 * limit).
 */
void pool_limit(struct pool *pool, const struct link_limits *limits, unsigned most, uint64_t rate);

/* ---- leases ---- */

/* POOL_SOON: retry in a few milliseconds; POOL_FULL: wait until a link is free; POOL_FAILED: `fault` says why. */
enum pool_answer { POOL_LEASED, POOL_SOON, POOL_FULL, POOL_FAILED };

/* Which link a request wants. */
struct pool_wish {
	uint32_t link;   /* this one and no other; 0: any */
	uint32_t rather; /* this one if it is free; 0: any */
	bool own;        /* one on which nothing is open */
	bool gently;     /* an event loop waits, and starting a worker takes milliseconds: start one at a time */
};

/*
 * Leases a free link, or a new one, for one request. The lease is the link's number, which no other link ever has.
 * `holder` is what pool_evict passes on. pool_finish or pool_abandon ends the lease.
 */
enum pool_answer pool_lease(struct pool *pool, const struct pool_wish *wish, void *holder, uint32_t *lease,
			    struct smb_fault *fault);

/* The link that has the number, leased or not; NULL when it has gone. */
struct link *pool_link(const struct pool *pool, uint32_t number);

/* Ends a lease: the caller has taken what the request came to, or has not begun it. */
void pool_finish(struct pool *pool, uint32_t lease);

/* Ends a lease whose request nobody waits for any longer. */
void pool_abandon(struct pool *pool, uint32_t lease);

/*
 * Calls `take` with the holder of each lease whose request has ended; `take` returns whether it ended the lease.
 * `number` picks one lease, 0 all. Returns whether any lease was ended.
 */
bool pool_evict(struct pool *pool, uint32_t number, bool (*take)(void *holder));

/* Whether the link died before it was logged on, while others live that can do the request. */
bool pool_has_another(struct pool *pool, uint32_t lease);

/* Starts links that will be needed soon, until there are `count`, as far as that is allowed now. Waits for none. */
void pool_warm(struct pool *pool, unsigned count);

/* ---- waiting ---- */

/* Moves on what is under way on all links; waits until there is something to do, for `wait_ms` at most. */
void pool_poll(struct pool *pool, int wait_ms);

/* A descriptor that is readable when pool_poll has something to do; -1 and errno. The pool owns it. */
int pool_descriptor(struct pool *pool);

/*
 * Milliseconds after which pool_poll has to be called even if the descriptor stays silent, for a deadline; -1 for
 * never.
 */
int64_t pool_patience(struct pool *pool);

/* Whether all posted and abandoned requests have ended; waits for some of them, for `wait_ms` at most. */
bool pool_settle(struct pool *pool, int wait_ms);

/* ---- what a pool is like ---- */

/*
 * A call of the user's begins: answers to logons that were lost before do not count against it. A refused password
 * stays refused.
 */
void pool_begin_call(struct pool *pool);

/* Whether no worker sends the password any more during this call, since answers to it were lost. */
bool pool_logon_is_lost(const struct pool *pool);

/* What was negotiated on the connection that was used last; the highest throughput of any. */
const struct smb_info *pool_info(const struct pool *pool);

/*
 * How many links there are, and how many there may be: no more than there are when server or machine had no room for
 * another.
 */
unsigned pool_count(const struct pool *pool);
unsigned pool_most(const struct pool *pool);

#endif
