/* What other types ask of a destination: see destination.c. */
#ifndef LUA_SMB_DESTINATION_H
#define LUA_SMB_DESTINATION_H

#include "workers/pool.h"

#include <lua.h>
#include <stdbool.h>
#include <sys/types.h>

struct destination {
	struct pool *pool; /* NULL: closed */
	pid_t host;        /* the process that opened it; a forked child must leave the connections alone */
	/* 1; the kernel wipes it in a forked child: asked more cheaply than getpid. NULL: no such page */
	unsigned *mark;
	struct smb_connect *target;
	char *program;
};

/* The destination at `index`; raises if it is closed or belongs to another process. */
struct destination *destination_check(lua_State *L, int index);

/* Whether this process opened the destination. */
bool destination_is_ours(const struct destination *d);

#endif
