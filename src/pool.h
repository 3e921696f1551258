/*
 * A destination's links: which is free, when to start another, when to give up on one. Knows no Lua.
 *
 * A refused logon poisons the pool: no worker tries the same password again, or the account might be locked.
 */
#ifndef LUA_SMB_POOL_H
#define LUA_SMB_POOL_H

#include "link.h"

enum { POOL_LINKS = 32 };

struct pool {
	const char *program;             /* smb-worker's absolute path */
	const struct smb_connect *target;
	struct link_limits limits;       /* milliseconds; may be changed at any time */
	struct smb_fault refusal;        /* code is SMB_OK unless the pool is poisoned */
	struct smb_info info;            /* of the connection that answered last */
	struct {
		struct link *link; /* NULL: the slot is empty */
		uint32_t number;   /* names the link, never used again */
		bool taken;        /* a request is under way on it */
	} slots[POOL_LINKS];
	uint32_t last_number;
	uint32_t lost;            /* the link that died last, */
	struct smb_fault why_lost; /* and of what */
};

/* A link that is free, if need be a new one. Gives its slot, or -1 and the reason. */
int pool_take(struct pool *pool, struct smb_fault *fault);

/* The link that has the number, when it is free. */
int pool_take_numbered(struct pool *pool, uint32_t number, struct smb_fault *fault);

/* The slot of the link that has the number, free or not; -1 when it has gone. */
int pool_find(const struct pool *pool, uint32_t number);

/* All that was posted or abandoned has ended; else waits for a part of it, `wait_ms` at most. */
bool pool_settle(struct pool *pool, int wait_ms);

/* The request on the link has ended, or is abandoned. */
void pool_give_back(struct pool *pool, int slot);

/* Hangs up on all; `wait_ms` for each, see link_end. */
void pool_close(struct pool *pool, int wait_ms);

#endif
