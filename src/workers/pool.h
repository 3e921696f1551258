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

/*
 * Instead of a slot: another worker may be started, but not so soon after the last; there is none for now, one will come free; or none
 * at all, and `fault` says why.
 */
enum { POOL_SOON = -3, POOL_FULL = -2, POOL_FAILED = -1 };

struct pool {
	struct link_common common;       /* rate_limit_fd: -1 before the first worker */
	unsigned most;                   /* links at a time, 1 to POOL_LINKS; likewise */
	struct smb_fault refusal;        /* code is SMB_OK unless the pool is poisoned */
	struct smb_info info;            /* of the connection that answered last; the highest throughput of any */
	uint64_t rate;                   /* bytes per second of all together, 0: no limit */
	int epoll;                       /* ready when a link is; -1 until somebody asks */
	int64_t started;                 /* milliseconds: when the last worker was; */
	int64_t full_until;              /* until then the server is not asked for a further connection */
	struct pool_slot {
		struct link *link; /* NULL: the slot is empty */
		uint32_t number;   /* names the link, never used again */
		bool taken;        /* a request is under way on it, */
		void *holder;      /* and this is whose it is, as far as whoever took it has said so */
		unsigned handles;  /* files and listings that are open there */
	} slots[POOL_LINKS];
	uint32_t last_number;
	uint32_t lost;            /* the link that died last, */
	struct smb_fault why_lost; /* and of what */
};

/* `program` and `target` have to outlive the pool. NULL where there is no memory. */
struct pool *pool_open(const char *program, const struct smb_connect *target);

/* Hangs up on all and frees the pool; `wait_ms` for each, see link_end. */
void pool_close(struct pool *pool, int wait_ms);

/* From now on; 0: no limit. */
void pool_limit_rate(struct pool *pool, uint64_t rate);

/*
 * A link that is free, if need be a new one; `wished`: rather the one of that number, if any; `own`: one that nobody has files open on;
 * `gently`: an event loop is waiting, and starting a worker takes milliseconds: one at a time. Gives its slot, or one of the above.
 */
int pool_take(struct pool *pool, uint32_t wished, bool own, bool gently, struct smb_fault *fault);

/* Starts links that will be needed soon, at once, as far as that is allowed now, until there are so many; waits for none. */
void pool_warm(struct pool *pool, unsigned count);

/* The link that has the number, when it is free. */
int pool_take_numbered(struct pool *pool, uint32_t number, struct smb_fault *fault);

/* The slot of the link that has the number, free or not; -1 when it has gone. */
int pool_find(const struct pool *pool, uint32_t number);

/* Moves on what is under way on all links; waits until there is something to do, `wait_ms` at most. */
void pool_poll(struct pool *pool, int wait_ms);

/* A descriptor that is readable when pool_poll has something to do; -1 with errno. It is the pool's. */
int pool_descriptor(struct pool *pool);

/* Milliseconds after which pool_poll has to be called whatever the descriptor says: a deadline; -1 when there is none. */
int64_t pool_patience(struct pool *pool);

/* All that was posted or abandoned has ended; else waits for a part of it, `wait_ms` at most. */
bool pool_settle(struct pool *pool, int wait_ms);

/* The link of the slot died since the server takes no more, while there are others: the request is for them. */
bool pool_is_full(struct pool *pool, int slot);

/* What a connection has told, besides what others have: the line is the same. */
void pool_learn(struct pool *pool, const struct smb_info *info);

/* The request on the link has ended, or is abandoned. */
void pool_give_back(struct pool *pool, int slot);

/* How many links there are; and how many there may be, as far as is known: no more than there are where server or machine had no room. */
unsigned pool_count(const struct pool *pool);
unsigned pool_most(const struct pool *pool);

#endif
