/* Makes the message for a worker of a request's arguments in Lua. */
#ifndef LUA_SMB_PACK_H
#define LUA_SMB_PACK_H

#include "protocol.h"

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

enum { PACK_TEXTS = SMB_FILES_AT_ONCE + SMB_NAME_COUNT };

/* The parts of a request. Its texts are strings that stay on Lua's stack: pack_message needs no memory of Lua's. */
struct pack {
	struct smb_request head;
	const char *texts[PACK_TEXTS];
	uint32_t sizes[PACK_TEXTS]; /* their NULs included */
	size_t count;
	int fds[SMB_FILES_AT_ONCE];
	size_t fd_count;
};

/* Reads the request that the table at `table` says; raises for bad values. Leaves the texts on the stack. */
void pack_read(lua_State *L, int table, enum smb_verb verb, struct pack *p);

/*
 * Reads what an attempt, the table or nil at `table`, says beside the request: again, keep, ours, offset, size, mtime.
 */
void pack_attempt(lua_State *L, int table, struct pack *p);

/* A number from 0 to `most` in a field of the table, 0 if absent; and whether a field is true. */
lua_Integer pack_integer(lua_State *L, int table, const char *field, lua_Integer most);
bool pack_is_set(lua_State *L, int table, const char *field);

/* The request as one message, to be freed; NULL and errno where there is no memory. */
struct smb_request *pack_message(const struct pack *p, size_t *size);

#endif
