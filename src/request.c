/*
 * userdata "smb.request": one request under way on one of a destination's links. Lua begins it, waits for it in slices and
 * takes its result; closing or collecting it before its end abandons it. C never waits longer than a slice, so that the
 * host's Ctrl-C and its coroutines have their turn.
 */
#include "core.h"
#include "ticks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct request {
	struct destination *destination; /* kept alive by the first user value */
	int slot;                        /* in the pool; -1: no request is under way */
	uint32_t number;                 /* of the link */
	enum smb_verb verb;
	bool inner;                      /* entries tell what is no part of the public face */
	bool batch;                      /* entries stay as they came */
};

#define VERB_WORD(name, word) word,
static const char *const verb_words[] = {SMB_VERBS(VERB_WORD) NULL};

/* ---- arguments ---- */

static lua_Integer get_integer(lua_State *L, const char *field, lua_Integer most)
{
	lua_Integer value;
	lua_getfield(L, 3, field);
	value = luaL_optinteger(L, -1, 0);
	if (value < 0 || value > most)
		luaL_error(L, "%s is out of range", field);
	lua_pop(L, 1);
	return value;
}

static uint32_t get_flag(lua_State *L, const char *field, enum smb_flags flag)
{
	bool set;
	lua_getfield(L, 3, field);
	set = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return set ? (uint32_t)flag : 0;
}

/* `mtime`, in ticks. */
static int64_t get_mtime(lua_State *L, uint32_t *flags)
{
	int64_t mtime;

	lua_getfield(L, 3, "mtime");
	mtime = luaL_optinteger(L, -1, 0);
	if (!lua_isnil(L, -1))
		*flags |= SMB_FLAG_MTIME;
	lua_pop(L, 1);
	return mtime;
}

static uint64_t get_stamp(lua_State *L)
{
	uint64_t stamp;

	lua_getfield(L, 3, "file");
	stamp = local_stamp(L, -1);
	lua_pop(L, 1);
	return stamp;
}

static unsigned hexadecimal(char c)
{
	return c >= '0' && c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10) & 15;
}

static void get_digest(lua_State *L, uint8_t digest[SMB_DIGEST_SIZE])
{
	size_t length;
	const char *text;

	lua_getfield(L, 3, "digest");
	text = luaL_optlstring(L, -1, "", &length);
	for (size_t i = 0; i < SMB_DIGEST_SIZE && length == SMB_DIGEST_SIZE * 2; i++)
		digest[i] = (uint8_t)(hexadecimal(text[2 * i]) << 4 | hexadecimal(text[2 * i + 1]));
	lua_pop(L, 1);
}

/* The strings stay on the stack (through their table) while they are copied. */
static size_t add_path(lua_State *L, char *message, size_t at, struct smb_request *head, int which, const char *field)
{
	size_t length;
	const char *text;

	lua_getfield(L, 3, field);
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		return at;
	}
	text = luaL_checklstring(L, -1, &length);
	if (head->lengths[which] != 0)
		luaL_error(L, "a path besides several");
	if (length + 1 > SMB_PATH_LIMIT || strlen(text) != length)
		luaL_error(L, "a path is too long or holds a NUL");
	memcpy(message + at, text, length + 1);
	head->lengths[which] = (uint32_t)length + 1;
	lua_pop(L, 1);
	return at + length + 1;
}

/* `names`, one after the other in the place of a name. */
static size_t add_paths(lua_State *L, char *message, size_t at, struct smb_request *head)
{
	int top = lua_gettop(L);
	size_t length;

	lua_getfield(L, 3, "names");
	for (lua_Integer i = 1; lua_istable(L, -1) && lua_rawgeti(L, -1, i) != LUA_TNIL; i++) {
		const char *text = luaL_checklstring(L, -1, &length);
		if (head->lengths[SMB_NAME] + length + 1 > SMB_PATH_LIMIT || strlen(text) != length)
			luaL_error(L, "the paths are too long or hold a NUL");
		memcpy(message + at, text, length + 1);
		head->lengths[SMB_NAME] += (uint32_t)length + 1;
		at += length + 1;
		lua_pop(L, 1);
	}
	lua_settop(L, top);
	return at;
}

/* Writes the request into `message`; gives its size. */
static size_t pack(lua_State *L, enum smb_verb verb, char *message)
{
	static const char *const names[SMB_NAME_COUNT] = {"name", "to", "temp", "aside"};
	struct smb_request head;
	size_t at = sizeof head;

	memset(&head, 0, sizeof head);
	head.verb = (uint32_t)verb;
	head.flags = get_flag(L, "overwrite", SMB_FLAG_OVERWRITE) | get_flag(L, "parents", SMB_FLAG_PARENTS) |
		     get_flag(L, "recursive", SMB_FLAG_RECURSIVE) | get_flag(L, "missing_ok", SMB_FLAG_MISSING_OK) |
		     get_flag(L, "new", SMB_FLAG_NEW) | get_flag(L, "writable", SMB_FLAG_WRITABLE) |
		     get_flag(L, "create", SMB_FLAG_CREATE) | get_flag(L, "truncate", SMB_FLAG_TRUNCATE) |
		     get_flag(L, "exclusive", SMB_FLAG_EXCLUSIVE) | get_flag(L, "again", SMB_FLAG_AGAIN) |
		     get_flag(L, "keep", SMB_FLAG_KEEP) | get_flag(L, "resume", SMB_FLAG_RESUME) |
		     get_flag(L, "sha256", SMB_FLAG_DIGEST) | get_flag(L, "read_back", SMB_FLAG_VERIFY) |
		     get_flag(L, "offer", SMB_FLAG_OFFER) | get_flag(L, "ahead", SMB_FLAG_AHEAD);
	head.handle = (uint32_t)get_integer(L, "handle", UINT32_MAX);
	head.io_size = (uint32_t)get_integer(L, "io_size", UINT32_MAX);
	head.offset = (uint64_t)get_integer(L, "offset", LUA_MAXINTEGER);
	head.from = (uint64_t)get_integer(L, "from", LUA_MAXINTEGER);
	head.size = (uint64_t)get_integer(L, "size", LUA_MAXINTEGER);
	head.mtime = get_mtime(L, &head.flags);
	head.stamp = get_stamp(L);
	get_digest(L, head.digest);
	at = add_paths(L, message, at, &head);
	for (int i = 0; i < SMB_NAME_COUNT; i++)
		at = add_path(L, message, at, &head, i, names[i]);
	memcpy(message, &head, sizeof head);
	return at;
}

/* The descriptor of a local file, those of several, or that of a buffer; gives how many there are. */
static size_t get_fds(lua_State *L, int fds[SMB_FILES_AT_ONCE])
{
	int top = lua_gettop(L);
	size_t count = 0;

	lua_getfield(L, 3, "file");
	if (!lua_isnil(L, -1))
		fds[count++] = local_check_fd(L, -1);
	lua_getfield(L, 3, "buffer");
	if (!lua_isnil(L, -1))
		fds[count++] = file_check_fd(L, -1);
	lua_getfield(L, 3, "files");
	for (lua_Integer i = 1; lua_istable(L, -1) && lua_rawgeti(L, -1, i) != LUA_TNIL; i++) {
		if (count == SMB_FILES_AT_ONCE)
			luaL_error(L, "too many files at once");
		fds[count++] = local_check_fd(L, -1);
		lua_pop(L, 1);
	}
	lua_settop(L, top);
	return count;
}

/* ---- life ---- */

static struct pool *pool_of(const struct request *r)
{
	struct pool *pool = r->slot >= 0 ? r->destination->pool : NULL;
	return pool != NULL && pool->slots[r->slot].number == r->number ? pool : NULL;
}

/* Takes a link for the request: any one, one of its own, or the one that holds the handle. Gives what the pool gives. */
static int take_link(lua_State *L, struct request *r, struct smb_fault *fault)
{
	struct pool *pool = r->destination->pool;
	uint32_t number = (uint32_t)get_integer(L, "link", UINT32_MAX);
	uint32_t wished = (uint32_t)get_integer(L, "wished", UINT32_MAX);
	bool own = get_flag(L, "own", 1), gently = get_flag(L, "gently", 1);
	int slot = number != 0 ? pool_take_numbered(pool, number, fault) : pool_take(pool, wished, own, gently, fault);

	if (slot < 0)
		return slot;
	r->slot = slot;
	r->number = pool->slots[slot].number;
	return slot;
}

static int no_link(lua_State *L, int what, const struct smb_fault *fault)
{
	if (what == POOL_FAILED)
		return core_push_fault(L, fault);
	lua_pushnil(L);
	lua_pushstring(L, what == POOL_SOON ? "soon" : "full");
	lua_pushliteral(L, "all connections are at work");
	return 3;
}

static int no_hand_over(lua_State *L, struct request *r)
{
	int error = errno;
	pool_give_back(r->destination->pool, r->slot);
	r->slot = -1;
	lua_pushnil(L);
	lua_pushliteral(L, "local_io");
	lua_pushfstring(L, "the request cannot be handed over (%s)", strerror(error));
	return 3;
}

/*
 * start(destination, verb, arguments) -> request | nil, code, text; the code "full": not now, but when a request has ended; "soon":
 * in a few milliseconds, since `gently` was asked for
 */
static int start(lua_State *L)
{
	struct destination *d = destination_check(L, 1);
	enum smb_verb verb = (enum smb_verb)luaL_checkoption(L, 2, NULL, verb_words);
	struct smb_fault fault;
	struct request *r;
	char *message;
	size_t size;
	int fds[SMB_FILES_AT_ONCE], slot;
	size_t count;

	luaL_checktype(L, 3, LUA_TTABLE);
	lua_settop(L, 3);
	r = lua_newuserdatauv(L, sizeof *r, 1);
	r->destination = d;
	r->slot = -1;
	r->verb = verb;
	r->inner = get_flag(L, "inner", 1) || verb == SMB_VERB_GET_SOME;
	r->batch = get_flag(L, "batch", 1);
	luaL_setmetatable(L, REQUEST_TYPE);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, 4, 1);
	message = lua_newuserdatauv(L, sizeof(struct smb_request) + SMB_NAME_COUNT * SMB_PATH_LIMIT, 0);
	size = pack(L, verb, message);
	count = get_fds(L, fds);
	slot = take_link(L, r, &fault);
	if (slot < 0)
		return no_link(L, slot, &fault);
	if (!link_begin(d->pool->slots[r->slot].link, verb == SMB_VERB_CONNECT ? NULL : (void *)message, size, fds, count))
		return no_hand_over(L, r);
	lua_settop(L, 4);
	return 1;
}

static int release(lua_State *L)
{
	struct request *r = luaL_checkudata(L, 1, REQUEST_TYPE);
	struct pool *pool = pool_of(r);
	int slot = r->slot;

	r->slot = -1;
	if (pool != NULL) {
		link_abandon(pool->slots[slot].link);
		pool_give_back(pool, slot);
	}
	return 0;
}

/* ---- waiting ---- */

static struct request *check(lua_State *L)
{
	struct request *r = luaL_checkudata(L, 1, REQUEST_TYPE);
	if (pool_of(r) == NULL)
		luaL_error(L, "the destination was closed while the call was under way");
	destination_check(L, (lua_getiuservalue(L, 1, 1), -1));
	lua_pop(L, 1);
	return r;
}

/* ended(request) -> whether it has */
static int ended(lua_State *L)
{
	struct request *r = check(L);
	lua_pushboolean(L, link_idle(r->destination->pool->slots[r->slot].link));
	return 1;
}

/* over(request) -> whether nothing is to be waited for: it has ended, or was given up. Never raises. */
static int over(lua_State *L)
{
	struct request *r = luaL_checkudata(L, 1, REQUEST_TYPE);
	struct pool *pool = pool_of(r);
	lua_pushboolean(L, pool == NULL || link_idle(pool->slots[r->slot].link));
	return 1;
}

/* transfer(request) -> bytes known good, the file's size and mtime in ticks (of a get): as far as it has come; 0 when it was given up */
static int transfer(lua_State *L)
{
	struct request *r = luaL_checkudata(L, 1, REQUEST_TYPE);
	struct link_progress come = {0};

	if (pool_of(r) != NULL)
		come = link_progress(r->destination->pool->slots[r->slot].link);
	lua_pushinteger(L, (lua_Integer)come.done);
	lua_pushinteger(L, (lua_Integer)come.size);
	lua_pushinteger(L, (lua_Integer)come.mtime);
	lua_pushinteger(L, (lua_Integer)come.removals);
	return 4;
}

/* ---- results ---- */

static void set_time(lua_State *L, const char *field, int64_t ticks)
{
	if (ticks == TICKS_UNKNOWN)
		return;
	lua_pushnumber(L, ticks_seconds(ticks));
	lua_setfield(L, -2, field);
}

static void set_ticks(lua_State *L, const char *field, int64_t ticks)
{
	lua_pushinteger(L, ticks);
	lua_setfield(L, -2, field);
}

static void set_flag(lua_State *L, const char *field, bool value)
{
	lua_pushboolean(L, value);
	lua_setfield(L, -2, field);
}

static void set_integer(lua_State *L, const char *field, uint64_t value)
{
	lua_pushinteger(L, (lua_Integer)value);
	lua_setfield(L, -2, field);
}

void request_push_entry(lua_State *L, const struct smb_entry *e, bool inner)
{
	static const char *const types[] = {"file", "directory", "link"};

	lua_createtable(L, 0, 10);
	lua_pushstring(L, types[e->type <= SMB_ENTRY_LINK ? e->type : SMB_ENTRY_FILE]);
	lua_setfield(L, -2, "type");
	set_integer(L, "size", e->size);
	set_time(L, "mtime", e->mtime);
	set_time(L, "atime", e->atime);
	set_time(L, "btime", e->btime);
	if (inner) {
		set_time(L, "ctime", e->ctime);
		set_ticks(L, "ticks", e->mtime);
	}
	/* MS-FSCC 2.6 */
	set_flag(L, "readonly", e->attributes & 0x01);
	set_flag(L, "hidden", e->attributes & 0x02);
	set_flag(L, "system", e->attributes & 0x04);
	set_flag(L, "archive", e->attributes & 0x20);
}

bool request_next_entry(struct batch *b, struct smb_entry *entry, const char **name)
{
	const char *at = b->message + b->at;
	size_t left = b->size - b->at, length;

	if (b->left == 0 || left < sizeof *entry)
		return false;
	memcpy(entry, at, sizeof *entry);
	length = ((size_t)entry->name_length + 1 + 7) & ~(size_t)7;
	if (length > left - sizeof *entry)
		return false;
	*name = at + sizeof *entry;
	b->at += sizeof *entry + length;
	b->left--;
	return true;
}

/* What does not fit its message is not looked at. */
static struct batch entries_of(const char *message, size_t size)
{
	struct smb_reply reply;
	memcpy(&reply, message, sizeof reply);
	return (struct batch){.message = message, .size = size, .at = sizeof reply, .left = reply.count};
}

struct batch request_check_batch(lua_State *L, int index)
{
	return entries_of(luaL_checkudata(L, index, BATCH_TYPE), lua_rawlen(L, index));
}

/* Adds the entries of a batch to the table on the top, as an array. */
static void push_entries(lua_State *L, const struct request *r, struct batch b)
{
	struct smb_entry entry;
	const char *name;

	for (lua_Integer i = 1; request_next_entry(&b, &entry, &name); i++) {
		request_push_entry(L, &entry, r->inner);
		lua_pushlstring(L, name, entry.name_length);
		lua_setfield(L, -2, "name");
		lua_rawseti(L, -2, i);
	}
}

static void set_digest(lua_State *L, const uint8_t digest[SMB_DIGEST_SIZE])
{
	char text[SMB_DIGEST_SIZE * 2 + 1];
	for (size_t i = 0; i < SMB_DIGEST_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	lua_pushstring(L, text);
	lua_setfield(L, -2, "sha256");
}

/* How many files and listings are open on the link, after an answer. */
static void count_handles(struct pool_slot *s, enum smb_verb verb, const struct smb_reply *reply)
{
	bool opened = (verb == SMB_VERB_OPEN || verb == SMB_VERB_UPLOAD || verb == SMB_VERB_LIST_OPEN || verb == SMB_VERB_GET) &&
		      reply->handle != 0;
	bool closed = verb == SMB_VERB_CLOSE || verb == SMB_VERB_COMMIT || verb == SMB_VERB_LIST_CLOSE ||
		      (verb == SMB_VERB_LIST_NEXT && reply->handle == 0);
	if (opened)
		s->handles++;
	else if (closed && s->handles > 0)
		s->handles--;
}

/* The message is the userdata on the top. */
static int push_reply(lua_State *L, const struct request *r, const char *message, size_t size)
{
	int copy = lua_gettop(L);
	struct smb_reply reply;

	memcpy(&reply, message, sizeof reply);
	if (reply.fault.code != SMB_OK)
		return core_push_fault(L, &reply.fault);
	switch (r->verb) {
	case SMB_VERB_STAT: request_push_entry(L, &reply.entry, r->inner); return 1;
	case SMB_VERB_LIST_OPEN:
	case SMB_VERB_LIST_NEXT:
	case SMB_VERB_GET_SOME:
		lua_createtable(L, r->batch ? 0 : (int)(reply.count < 4096 ? reply.count : 4096), 3);
		if (r->batch) {
			lua_pushvalue(L, copy);
			luaL_setmetatable(L, BATCH_TYPE);
			lua_setfield(L, -2, "batch");
		} else {
			push_entries(L, r, entries_of(message, size));
		}
		break;
	default:
		lua_newtable(L);
		set_integer(L, "bytes", reply.bytes);
		set_integer(L, "resumed", reply.resumed);
		set_flag(L, "left", reply.left != 0);
		set_integer(L, "total", reply.total);
		set_integer(L, "available", reply.available);
		set_integer(L, "size", reply.entry.size);
		set_ticks(L, "mtime", reply.entry.mtime);
		set_ticks(L, "btime", reply.entry.btime);
		if (r->verb == SMB_VERB_PUT || r->verb == SMB_VERB_GET || r->verb == SMB_VERB_HASH)
			set_digest(L, reply.digest);
		break;
	}
	set_integer(L, "handle", reply.handle);
	set_integer(L, "link", r->number);
	return 1;
}

/* result(request) -> table | nil, code, text, whether another worker is to have it, since none has seen it; when it has ended, and once */
static int result(lua_State *L)
{
	struct request *r = check(L);
	struct pool *pool = r->destination->pool;
	struct link *l = pool->slots[r->slot].link;
	const struct smb_reply *reply;
	struct smb_fault fault;
	bool dead, unread;
	char *copy;
	size_t size = 0;

	luaL_argcheck(L, link_idle(l), 1, "the request has not ended");
	reply = link_reply(l, &size);
	fault = *link_fault(l);
	/* A copy of Lua's own: what is made of it may run collectors, and those may close the destination. */
	copy = lua_newuserdatauv(L, size > 0 ? size : 1, 0);
	if (reply != NULL)
		memcpy(copy, reply, size);
	dead = link_dead(l);
	unread = link_unread(l) || pool_is_full(pool, r->slot);
	pool_learn(pool, link_info(l));
	if (reply != NULL)
		count_handles(&pool->slots[r->slot], r->verb, reply);
	link_done(l);
	pool_give_back(pool, r->slot);
	r->slot = -1;
	if (dead) {
		core_push_fault(L, &fault);
		lua_pushboolean(L, unread);
		return 4;
	}
	if (size == 0) { /* the connection stood already */
		lua_newtable(L);
		return 1;
	}
	return push_reply(L, r, copy, size);
}

/* post_close(destination, link, handle, keep): the worker closes the file when it comes to it; nobody waits for that. */
static int post_close(lua_State *L)
{
	struct pool *pool = destination_check(L, 1)->pool;
	int slot = pool_find(pool, (uint32_t)luaL_checkinteger(L, 2));
	struct smb_request request;

	memset(&request, 0, sizeof request);
	request.verb = SMB_VERB_CLOSE;
	request.handle = (uint32_t)luaL_checkinteger(L, 3);
	request.flags = lua_toboolean(L, 4) ? SMB_FLAG_KEEP : 0;
	if (slot < 0)
		return 0;
	link_post(pool->slots[slot].link, &request, sizeof request);
	pool->slots[slot].handles -= pool->slots[slot].handles > 0;
	return 0;
}

static const luaL_Reg metamethods[] = {{"__gc", release}, {"__close", release}, {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"start", start}, {"ended", ended}, {"over", over}, {"transfer", transfer}, {"result", result}, {"abandon", release}, {"post_close", post_close},
    {NULL, NULL},
};

void request_register(lua_State *L)
{
	luaL_setfuncs(L, functions, 0);
	core_new_type(L, REQUEST_TYPE, metamethods);
	luaL_newmetatable(L, BATCH_TYPE);
	lua_pop(L, 2);
}
