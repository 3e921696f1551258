#include "reply.h"

#include "entry.h"
#include "support.h"

bool reply_has_entries(enum smb_verb verb)
{
	return verb == SMB_VERB_LIST_OPEN || verb == SMB_VERB_LIST_NEXT || verb == SMB_VERB_GET_SOME ||
	       verb == SMB_VERB_RMDIR;
}

bool reply_opens(enum smb_verb verb)
{
	return verb == SMB_VERB_OPEN || verb == SMB_VERB_UPLOAD || verb == SMB_VERB_LIST_OPEN || verb == SMB_VERB_GET ||
	       verb == SMB_VERB_LOCK;
}

static struct batch reply_entries(lua_State *L, int message)
{
	return entry_batch(lua_touserdata(L, message), lua_rawlen(L, message));
}

static void reply_push_entries(lua_State *L, struct reply_shape shape, uint32_t count, int message)
{
	const uint32_t most = 4096; /* more than a message holds */

	lua_createtable(L, shape.batch ? 0 : (int)(count < most ? count : most), 4);
	if (!shape.batch) {
		entry_push_all(L, reply_entries(L, message), shape.form);
		return;
	}
	lua_pushvalue(L, message);
	entry_make_batch(L);
	lua_setfield(L, -2, "batch");
}

static void reply_push_numbers(lua_State *L, const struct smb_reply *reply, enum smb_verb verb)
{
	lua_newtable(L);
	support_set_integer(L, "bytes", reply->bytes);
	support_set_integer(L, "resumed", reply->resumed);
	support_set_flag(L, "left", reply->left != 0);
	support_set_flag(L, "time_refused", reply->time_refused != 0);
	support_set_integer(L, "total", reply->total);
	support_set_integer(L, "available", reply->available);
	support_set_integer(L, "size", reply->entry.size);
	support_set_ticks(L, "mtime", reply->entry.mtime);
	support_set_ticks(L, "btime", reply->entry.btime);
	if (verb == SMB_VERB_PUT || verb == SMB_VERB_GET || verb == SMB_VERB_HASH) {
		support_push_hex(L, reply->digest, sizeof reply->digest);
		lua_setfield(L, -2, "sha256");
	}
}

/* The entry that stood in the way of a recursive delete: pushes false and its path. */
static int reply_push_stuck(lua_State *L, int message)
{
	struct smb_entry entry;
	const char *name;
	struct batch b;

	if (message == 0)
		return 0;
	b = reply_entries(L, message);
	if (!entry_next(&b, &entry, &name))
		return 0;
	lua_pushboolean(L, false);
	lua_pushlstring(L, name, entry.name_length);
	return 2;
}

/* Whether the numbers are some that the request can have come to: the worker is not trusted with them. */
static bool reply_is_plausible(const struct smb_reply *reply, struct reply_shape shape)
{
	const uint64_t most = INT64_MAX;

	return reply->bytes <= (shape.verb == SMB_VERB_READ ? shape.asked : most) && reply->resumed <= most &&
	       reply->total <= most && reply->available <= most && reply->entry.size <= most;
}

static int reply_push_implausible(lua_State *L)
{
	lua_pushnil(L);
	lua_pushliteral(L, "failed");
	lua_pushliteral(L, "the worker process sent an answer that cannot be right");
	return 3;
}

int reply_push(lua_State *L, const struct smb_reply *reply, struct reply_shape shape, int message)
{
	if (reply->fault.code != SMB_OK)
		return support_push_fault(L, &reply->fault) + reply_push_stuck(L, message);
	if (!reply_is_plausible(reply, shape))
		return reply_push_implausible(L);
	if (shape.verb == SMB_VERB_STAT) {
		entry_push(L, &reply->entry, shape.form);
		return 1;
	}
	if (reply_has_entries(shape.verb))
		reply_push_entries(L, shape, reply->count, message);
	else
		reply_push_numbers(L, reply, shape.verb);
	if (shape.verb == SMB_VERB_LIST_OPEN)
		support_set_integer(L, "elsewhere", reply->elsewhere);
	if (shape.verb == SMB_VERB_RMDIR)
		support_set_integer(L, "spared", reply->bytes);
	support_set_integer(L, "handle", reply->handle);
	support_set_integer(L, "link", shape.link);
	return 1;
}
