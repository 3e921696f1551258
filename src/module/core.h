/* What the userdata types know of each other. */
#ifndef LUA_SMB_CORE_H
#define LUA_SMB_CORE_H

#include "workers/pool.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#define DESTINATION_TYPE "smb.destination"
#define REQUEST_TYPE "smb.request"
#define BATCH_TYPE "smb.batch" /* a reply with a listing's entries, as it came */
#define LOCAL_TYPE "smb.local"

struct destination {
	struct pool *pool; /* NULL: closed */
	pid_t host;        /* the process that opened it; a forked child must leave the connections alone */
	unsigned *mark;    /* 1; 0 in a forked child, where the kernel wipes it: asked more cheaply than getpid. NULL: no such page */
	struct smb_connect *target;
	char *program;
};

/* Registers a metatable with `methods` (metamethods) and leaves it on the stack. */
void core_new_type(lua_State *L, const char *name, const luaL_Reg *methods);

/* Pushes nil, the code's word and the text; gives 3. */
int core_push_fault(lua_State *L, const struct smb_fault *fault);

/* After a wait: a Ctrl-C that came meanwhile is raised in the thread that waited, be it a coroutine. */
void core_move_interrupt_here(lua_State *L);

/* Seconds as milliseconds to wait, a slice at most. */
int core_slice(lua_Number seconds);

/* The destination at `index`; raises when it is closed or belongs to another process. */
struct destination *destination_check(lua_State *L, int index);

/* Whether this process opened the destination. */
bool destination_is_ours(const struct destination *d);

/* The local file at `index`, its descriptor; the open file's, its buffer. */
int local_check_fd(lua_State *L, int index);

/* smb_stamp() of the local file at `index` when it was opened; 0 for what is none. */
uint64_t local_stamp(lua_State *L, int index);
int file_check_fd(lua_State *L, int index);

/* The folder at `index` that paths lie below; BENEATH_NOTHING (beneath.h) without one. */
int local_root(lua_State *L, int index);

/* As local_push_failure, for what may have failed because a link stands in a folder's place, below the folder at `root`. */
int local_push_astray(lua_State *L, int root, const char *what, int error);

/* Pushes nil, "local_io" and what happened; gives 3. */
int local_push_failure(lua_State *L, const char *what, int error);

/* The path at `index`; NULL for what is none: nothing behind a NUL would be seen. */
const char *local_check_path(lua_State *L, int index);

/* The entries of a reply that are still to be read. */
struct batch {
	const char *message;
	size_t size, at;
	uint32_t left;
};

/* Those of the batch at `index`, which has to stay where Lua sees it. */
struct batch request_check_batch(lua_State *L, int index);

/* False at the end. `name` is as long as the entry says. */
bool request_next_entry(struct batch *b, struct smb_entry *entry, const char **name);

/* Pushes an entry as a table that lacks its name only; `inner` adds what is no part of the public face: `ticks`, its mtime, and ctime. */
void request_push_entry(lua_State *L, const struct smb_entry *e, bool inner);

/* Each adds its functions to the table on the top of the stack. */
void destination_register(lua_State *L);
void request_register(lua_State *L);
void local_register(lua_State *L);
void file_register(lua_State *L);
void job_register(lua_State *L);
void command_register(lua_State *L);
void digest_register(lua_State *L);
void folder_register(lua_State *L);
void name_index_register(lua_State *L);
void name_register(lua_State *L);
void times_register(lua_State *L);

#endif
