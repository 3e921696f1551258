/* Makes Lua's values of a worker's reply. */
#ifndef LUA_SMB_REPLY_H
#define LUA_SMB_REPLY_H

#include "entry.h"
#include "protocol.h"

#include <lua.h>
#include <stdbool.h>

/* Whether a verb's replies bring entries. */
bool reply_has_entries(enum smb_verb verb);

/* Whether a verb's replies may bring the handle of a file or a listing that was opened. */
bool reply_opens(enum smb_verb verb);

struct reply_shape {
	enum smb_verb verb;
	uint32_t link; /* the number of the link that it came from */
	enum entry_form form;
	uint64_t asked; /* bytes, of a READ */
	bool batch;    /* entries stay in a batch, unread */
};

/*
 * Pushes the reply's table, or nil, code, text, and then false and a path if an entry stood in the way of a recursive
 * delete. Returns how many values. Where there are entries the whole message is the userdata at the index `message`; 0:
 * there are none.
 */
int reply_push(lua_State *L, const struct smb_reply *reply, struct reply_shape shape, int message);

#endif
