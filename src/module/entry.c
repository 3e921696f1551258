#include "entry.h"

#include "support.h"

#include <string.h>

#define BATCH_TYPE "smb.batch"

void entry_register_batch(lua_State *L)
{
	luaL_newmetatable(L, BATCH_TYPE);
	lua_pop(L, 1);
}

void entry_make_batch(lua_State *L)
{
	luaL_setmetatable(L, BATCH_TYPE);
}

struct batch entry_check_batch(lua_State *L, int index)
{
	return entry_batch(luaL_checkudata(L, index, BATCH_TYPE), lua_rawlen(L, index));
}

struct batch entry_batch(const char *message, size_t size)
{
	struct smb_reply reply;

	memcpy(&reply, message, sizeof reply);
	return (struct batch){.message = message, .size = size, .at = sizeof reply, .left = reply.count};
}

bool entry_next(struct batch *b, struct smb_entry *entry, const char **name)
{
	const char *at = b->message + b->at;
	size_t left = b->size - b->at, length;

	if (b->left == 0 || left < sizeof *entry)
		return false;
	memcpy(entry, at, sizeof *entry);
	if (entry->size > INT64_MAX)
		entry->size = INT64_MAX;
	length = ((size_t)entry->name_length + 1 + 7) & ~(size_t)7;
	if (length > left - sizeof *entry)
		return false;
	*name = at + sizeof *entry;
	b->at += sizeof *entry + length;
	b->left--;
	return true;
}

void entry_push(lua_State *L, const struct smb_entry *e, enum entry_form form)
{
	static const char *const types[] = {"file", "directory", "link"};
	static const char *const shares[] = {"disk", "printer", "ipc"};

	lua_createtable(L, 0, 10);
	if (form == ENTRY_SHARES) {
		support_set_text(L, "type", shares[e->attributes <= SMB_SHARE_IPC ? e->attributes : SMB_SHARE_PRINTER]);
		return;
	}
	support_set_text(L, "type", types[e->type <= SMB_ENTRY_LINK ? e->type : SMB_ENTRY_FILE]);
	support_set_integer(L, "size", e->size);
	support_set_seconds(L, "mtime", e->mtime);
	support_set_seconds(L, "atime", e->atime);
	support_set_seconds(L, "btime", e->btime);
	if (form == ENTRY_INNER) {
		support_set_seconds(L, "ctime", e->ctime);
		support_set_ticks(L, "ticks", e->mtime);
	}
	/* MS-FSCC 2.6 */
	support_set_flag(L, "readonly", e->attributes & 0x01);
	support_set_flag(L, "hidden", e->attributes & 0x02);
	support_set_flag(L, "system", e->attributes & 0x04);
	support_set_flag(L, "archive", e->attributes & 0x20);
	if (e->type == SMB_ENTRY_LINK)
		support_set_flag(L, "directory", e->attributes & 0x10);
}

void entry_push_all(lua_State *L, struct batch b, enum entry_form form)
{
	struct smb_entry entry;
	const char *name;

	for (lua_Integer i = 1; entry_next(&b, &entry, &name); i++) {
		entry_push(L, &entry, form);
		lua_pushlstring(L, name, entry.name_length);
		lua_setfield(L, -2, "name");
		lua_rawseti(L, -2, i);
	}
}
