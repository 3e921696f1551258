/*
 * How long a worker may stay silent, by what it counts on the page that it shares with the module: see struct
 * smb_shared.
 */
#ifndef LUA_SMB_DEADLINE_H
#define LUA_SMB_DEADLINE_H

#include "protocol.h"

#include <stdbool.h>

/* Milliseconds, one for each enum smb_patience. Read anew with each wait. */
struct link_limits {
	uint32_t allowed[SMB_PATIENCE_COUNT];
};

struct deadline {
	int64_t asked;       /* milliseconds: when the request was begun or given up */
	int64_t quiet_since; /* milliseconds: when the worker last showed that it goes on */
	struct deadline_counts {
		uint32_t steps, turns;
		uint64_t moved;
	} seen; /* what its counters said at the last look */
};

/* What a link waits for. */
enum deadline_for {
	DEADLINE_CONNECTION, /* one step, however many the worker makes of it: no more time for each */
	DEADLINE_REPLY,
	DEADLINE_CANCEL, /* a request that nobody waits for ends: its limit is never extended */
	DEADLINE_AHEAD,  /* a worker that does what nobody asked for does what it was asked for */
};

/* A request begins, or is given up. */
void deadline_start(struct deadline *d);

/* The worker has said something. */
void deadline_restart(struct deadline *d);

/* Milliseconds left until the worker counts as hanging: 0 or less then. */
int64_t deadline_left(struct deadline *d, const struct smb_shared *page, const struct link_limits *limits,
		      enum deadline_for what);

#endif
