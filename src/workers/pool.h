/*
 * A destination's links: which is free, when to start another, when to give up on one. Knows no Lua.
 *
 * A refused password poisons the pool: no worker tries it again, or the account might be locked. Workers connect side by side all the
 * same: they see to it among themselves that a password which may be wrong is sent once (worker/logon.h).
 *
 * That a server takes no further connection is no failure while there are others: they do the work.
 */
#ifndef LUA_SMB_POOL_H
#define LUA_SMB_POOL_H

#include "link.h"

enum { POOL_LINKS = LINKS_AT_ONCE };

struct pool;

/* POOL_SOON: retry in a few milliseconds; POOL_FULL: wait until a link is free; POOL_FAILED: `fault` says why. */
enum pool_answer { POOL_LEASED, POOL_SOON, POOL_FULL, POOL_FAILED };

/* Which link a request wants. */
struct pool_wish {
	uint32_t link;   /* this one and no other; 0: any */
	uint32_t rather; /* this one where it is free; 0: any */
	bool own;        /* one on which nothing is open */
	bool gently;     /* an event loop waits, and starting a worker takes milliseconds: one at a time */
};

/* `program` and `target` have to outlive the pool. NULL where there is no memory. */
struct pool *pool_open(const char *program, const struct smb_connect *target);

/* Hangs up on all and frees the pool; `wait_ms` for each, see link_end. */
void pool_close(struct pool *pool, int wait_ms);

/* From now on: how long to wait for workers, links at a time (1 to POOL_LINKS), bytes per second of all together (0: no limit). */
void pool_limit(struct pool *pool, const struct link_limits *limits, unsigned most, uint64_t rate);

/*
 * Leases a free link, or a new one, for one request. The lease is the number of the link: no other link ever has it. `holder` is told to
 * pool_evict. pool_finish or pool_abandon ends the lease.
 */
enum pool_answer pool_lease(struct pool *pool, const struct pool_wish *wish, void *holder, uint32_t *lease, struct smb_fault *fault);

/* The link that has the number, leased or not; NULL when it has gone. */
struct link *pool_link(const struct pool *pool, uint32_t number);

/* The request has ended, and all was taken that it came to; or it was not begun. */
void pool_finish(struct pool *pool, uint32_t lease);

/* Nobody waits for the request any longer. */
void pool_abandon(struct pool *pool, uint32_t lease);

/*
 * Calls `take` with the holder of each lease whose request has ended; it returns whether it has ended the lease. `number`: the lease of that
 * link only, 0: all. True where a lease has ended.
 */
bool pool_evict(struct pool *pool, uint32_t number, bool (*take)(void *holder));

/* Starts links that will be needed soon, at once, as far as that is allowed now, until there are so many; waits for none. */
void pool_warm(struct pool *pool, unsigned count);

/* Moves on what is under way on all links; waits until there is something to do, `wait_ms` at most. */
void pool_poll(struct pool *pool, int wait_ms);

/* A descriptor that is readable when pool_poll has something to do; -1 with errno. It is the pool's. */
int pool_descriptor(struct pool *pool);

/* Milliseconds after which pool_poll has to be called whatever the descriptor says: a deadline; -1 when there is none. */
int64_t pool_patience(struct pool *pool);

/* All that was posted or abandoned has ended; else waits for a part of it, `wait_ms` at most. */
bool pool_settle(struct pool *pool, int wait_ms);

/* Whether the link died because the server takes no more connections, while there are others: those can do the request. */
bool pool_is_full(struct pool *pool, uint32_t lease);

/* What was negotiated with the connection whose request ended last; the highest throughput of any. */
const struct smb_info *pool_info(const struct pool *pool);

/* How many links there are; and how many there may be, as far as is known: no more than there are where server or machine had no room. */
unsigned pool_count(const struct pool *pool);
unsigned pool_most(const struct pool *pool);

#endif
