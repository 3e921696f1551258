/* Entries of a listing: in a batch, as a worker sends them, and as tables of Lua's. */
#ifndef LUA_SMB_ENTRY_H
#define LUA_SMB_ENTRY_H

#include "protocol.h"

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

/* The entries of a reply that are still to be read. */
struct batch {
	const char *message;
	size_t size, at;
	uint32_t left;
};

/* Registers the type of batches that Lua holds. */
void entry_register_batch(lua_State *L);

/* Makes the userdata on the top, which holds a whole reply, a batch. */
void entry_make_batch(lua_State *L);

/* The batch at `index`, which has to stay on the stack as long as its entries are read. */
struct batch entry_check_batch(lua_State *L, int index);

/* The entries that follow a reply. Only what fits into the message is read. */
struct batch entry_batch(const char *message, size_t size);

/* Reads the next entry; false at the end. `name` is as long as the entry says. */
bool entry_next(struct batch *b, struct smb_entry *entry, const char **name);

/* What is pushed of an entry. */
enum entry_form {
	ENTRY_PUBLIC,
	ENTRY_INNER, /* fields that are not public, too: `ticks`, its mtime, and ctime */
	ENTRY_SHARES /* it is one of a server's shares, whatever a worker says */
};

/* Pushes an entry as a table without its name. */
void entry_push(lua_State *L, const struct smb_entry *e, enum entry_form form);

/* Adds the entries of a batch, with their names, to the array on the top. */
void entry_push_all(lua_State *L, struct batch b, enum entry_form form);

#endif
