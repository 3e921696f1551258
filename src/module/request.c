/*
 * userdata "smb.request": one request under way on one of a destination's links. Lua begins it, waits for it in slices and
 * takes its result; closing or collecting it before its end abandons it. C never waits longer than a slice, so that the
 * host's Ctrl-C and its coroutines have their turn.
 */
#include "core.h"
#include "shared/ticks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a request came to, in C's own memory: what Lua makes of it may run collectors, and those may close the destination. */
struct outcome {
	bool dead, unread, replied;
	struct smb_fault fault; /* of one whose link died */
	struct smb_reply reply;
	struct link_progress come;
};

/* The outcome of a request that has not been asked for it yet, and the whole message, if that holds entries. */
struct stash {
	struct outcome outcome;
	size_t size;
	_Alignas(8) char message[];
};

struct request {
	struct destination *destination; /* kept alive by the first user value */
	uint32_t lease;                  /* its link, as long as it is under way; 0: it is not */
	uint32_t link;                   /* the number of the link that it was begun on */
	struct stash *stash;             /* it has ended, and another one needed its link */
	enum smb_verb verb;
	bool inner;                      /* entries tell what is no part of the public face */
	bool batch;                      /* entries stay as they came */
};

#define VERB_WORD(name, word) word,
static const char *const verb_words[] = {SMB_VERBS(VERB_WORD) NULL};

/*
 * What a request is made of until it is handed over. Its texts are strings that stay on Lua's stack; no memory of Lua's is asked for
 * when they are put together, nor after the last look at the destination.
 */
enum { TEXTS = SMB_FILES_AT_ONCE + SMB_NAME_COUNT };

struct parts {
	struct smb_request head;
	const char *texts[TEXTS];
	uint32_t sizes[TEXTS]; /* their NULs included */
	size_t count;
	int fds[SMB_FILES_AT_ONCE];
	size_t fd_count;
	struct pool_wish wish;
};

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

/* Adds the string on the top of the stack, which stays there. */
static void add_text(lua_State *L, struct parts *p, int which)
{
	size_t length;
	const char *text = luaL_checklstring(L, -1, &length);

	if (p->head.lengths[which] + length + 1 > SMB_PATH_LIMIT || strlen(text) != length)
		luaL_error(L, "a path is too long or holds a NUL");
	if (p->count == TEXTS)
		luaL_error(L, "too many paths");
	p->texts[p->count] = text;
	p->sizes[p->count++] = (uint32_t)length + 1;
	p->head.lengths[which] += (uint32_t)length + 1;
}

static void get_path(lua_State *L, struct parts *p, int which, const char *field)
{
	if (lua_getfield(L, 3, field) == LUA_TNIL) {
		lua_pop(L, 1);
		return;
	}
	if (p->head.lengths[which] != 0)
		luaL_error(L, "a path besides several");
	add_text(L, p, which);
}

/* `names`, one after the other in the place of a name. */
static void get_paths(lua_State *L, struct parts *p)
{
	int names = lua_gettop(L) + 1;

	lua_getfield(L, 3, "names");
	for (lua_Integer i = 1; lua_istable(L, names) && lua_rawgeti(L, names, i) != LUA_TNIL; i++)
		add_text(L, p, SMB_NAME);
}

static void get_head(lua_State *L, struct parts *p)
{
	p->head.flags = get_flag(L, "overwrite", SMB_FLAG_OVERWRITE) | get_flag(L, "parents", SMB_FLAG_PARENTS) |
		     get_flag(L, "recursive", SMB_FLAG_RECURSIVE) | get_flag(L, "missing_ok", SMB_FLAG_MISSING_OK) |
		     get_flag(L, "new", SMB_FLAG_NEW) | get_flag(L, "writable", SMB_FLAG_WRITABLE) |
		     get_flag(L, "create", SMB_FLAG_CREATE) | get_flag(L, "truncate", SMB_FLAG_TRUNCATE) |
		     get_flag(L, "exclusive", SMB_FLAG_EXCLUSIVE) | get_flag(L, "again", SMB_FLAG_AGAIN) |
		     get_flag(L, "keep", SMB_FLAG_KEEP) | get_flag(L, "resume", SMB_FLAG_RESUME) |
		     get_flag(L, "sha256", SMB_FLAG_DIGEST) | get_flag(L, "read_back", SMB_FLAG_VERIFY) |
		     get_flag(L, "offer", SMB_FLAG_OFFER) | get_flag(L, "ahead", SMB_FLAG_AHEAD) |
		     get_flag(L, "in_place", SMB_FLAG_IN_PLACE) | get_flag(L, "ours", SMB_FLAG_OURS) |
		     get_flag(L, "lasting", SMB_FLAG_LASTING) | get_flag(L, "insist", SMB_FLAG_INSIST) |
		     get_flag(L, "spare_bins", SMB_FLAG_SPARE_BINS);
	p->head.handle = (uint32_t)get_integer(L, "handle", UINT32_MAX);
	p->head.io_size = (uint32_t)get_integer(L, "io_size", UINT32_MAX);
	p->head.offset = (uint64_t)get_integer(L, "offset", LUA_MAXINTEGER);
	p->head.from = (uint64_t)get_integer(L, "from", LUA_MAXINTEGER);
	p->head.size = (uint64_t)get_integer(L, "size", LUA_MAXINTEGER);
	p->head.mtime = get_mtime(L, &p->head.flags);
	p->head.stamp = get_stamp(L);
	get_digest(L, p->head.digest);
}

/* The descriptor of a local file, those of several, or that of a buffer. */
static void get_fds(lua_State *L, struct parts *p)
{
	int top = lua_gettop(L);

	lua_getfield(L, 3, "file");
	if (!lua_isnil(L, -1))
		p->fds[p->fd_count++] = local_check_fd(L, -1);
	lua_getfield(L, 3, "buffer");
	if (!lua_isnil(L, -1))
		p->fds[p->fd_count++] = file_check_fd(L, -1);
	lua_getfield(L, 3, "files");
	for (lua_Integer i = 1; lua_istable(L, -1) && lua_rawgeti(L, -1, i) != LUA_TNIL; i++) {
		if (p->fd_count == SMB_FILES_AT_ONCE)
			luaL_error(L, "too many files at once");
		p->fds[p->fd_count++] = local_check_fd(L, -1);
		lua_pop(L, 1);
	}
	lua_settop(L, top);
}

/* All that the arguments say. Leaves the texts on the stack. */
static void get_parts(lua_State *L, enum smb_verb verb, struct parts *p)
{
	static const char *const names[SMB_NAME_COUNT] = {"name", "to", "temp", "aside"};

	memset(p, 0, sizeof *p);
	p->head.verb = (uint32_t)verb;
	luaL_checkstack(L, TEXTS + LUA_MINSTACK, "too many paths");
	p->wish.link = (uint32_t)get_integer(L, "link", UINT32_MAX);
	p->wish.rather = (uint32_t)get_integer(L, "wished", UINT32_MAX);
	p->wish.own = get_flag(L, "own", 1);
	p->wish.gently = get_flag(L, "gently", 1);
	get_head(L, p);
	get_paths(L, p);
	for (int i = 0; i < SMB_NAME_COUNT; i++)
		get_path(L, p, i, names[i]);
	get_fds(L, p);
}

/* The request as one message, to be freed; NULL and errno where there is no memory. */
static struct smb_request *pack(const struct parts *p, size_t *size)
{
	struct smb_request *message;
	char *to;

	*size = sizeof p->head;
	for (size_t i = 0; i < p->count; i++)
		*size += p->sizes[i];
	message = malloc(*size);
	if (message == NULL)
		return NULL;
	*message = p->head;
	to = (char *)(message + 1);
	for (size_t i = 0; i < p->count; i++) {
		memcpy(to, p->texts[i], p->sizes[i]);
		to += p->sizes[i];
	}
	return message;
}

/* ---- life ---- */

/* The link on which the request is under way; NULL where it is not. */
static struct link *link_of(const struct request *r)
{
	return r->lease != 0 && r->destination->pool != NULL ? pool_link(r->destination->pool, r->lease) : NULL;
}

static bool opens(enum smb_verb verb)
{
	return verb == SMB_VERB_OPEN || verb == SMB_VERB_UPLOAD || verb == SMB_VERB_LIST_OPEN || verb == SMB_VERB_GET;
}

static bool has_entries(enum smb_verb verb)
{
	return verb == SMB_VERB_LIST_OPEN || verb == SMB_VERB_LIST_NEXT || verb == SMB_VERB_GET_SOME || verb == SMB_VERB_RMDIR;
}

/* Takes the outcome off the link, which is free then. Entries go into `batch`, which is large enough. */
static void take_outcome(struct request *r, struct outcome *o, void *batch)
{
	struct pool *pool = r->destination->pool;
	const struct link *link = link_of(r);
	size_t size = 0;
	const struct smb_reply *reply = link_reply(link, &size);

	memset(o, 0, sizeof *o);
	o->dead = link_dead(link);
	o->unread = link_unread(link) || pool_is_full(pool, r->lease);
	o->fault = *link_fault(link);
	o->come = link_progress(link);
	if (reply != NULL) {
		o->replied = true;
		o->reply = *reply;
		if (batch != NULL)
			memcpy(batch, reply, size);
	}
	pool_finish(pool, r->lease);
	r->lease = 0;
}

/* Bytes of the entries that a request which has ended came to. */
static size_t entries_size(const struct request *r)
{
	size_t size = 0;
	return link_reply(link_of(r), &size) != NULL && has_entries(r->verb) ? size : 0;
}

/*
 * Frees the link of a request that has ended, though nobody has taken in what it came to: whoever is to may be waiting for the very link,
 * further up the stack (a finalizer, or a progress function, has begun something), or may be gone.
 */
static bool stash_ended(void *holder)
{
	struct request *r = holder;
	size_t size = entries_size(r);

	r->stash = malloc(sizeof *r->stash + size);
	if (r->stash == NULL)
		return false;
	r->stash->size = size;
	take_outcome(r, &r->stash->outcome, size > 0 ? r->stash->message : NULL);
	return true;
}

static enum pool_answer take_link(struct request *r, const struct parts *p, struct smb_fault *fault)
{
	struct pool *pool = r->destination->pool;
	enum pool_answer answer;

	do
		answer = pool_lease(pool, &p->wish, r, &r->lease, fault);
	while (answer == POOL_FULL && pool_evict(pool, p->wish.link, stash_ended));
	r->link = r->lease;
	return answer;
}

static int no_link(lua_State *L, enum pool_answer what, const struct smb_fault *fault)
{
	if (what == POOL_FAILED)
		return core_push_fault(L, fault);
	lua_pushnil(L);
	lua_pushstring(L, what == POOL_SOON ? "soon" : "full");
	lua_pushliteral(L, "all connections are at work");
	return 3;
}

static bool hand_over(struct request *r, const struct parts *p)
{
	struct smb_request *message = NULL;
	size_t size = 0;
	bool begun = (r->verb == SMB_VERB_CONNECT || (message = pack(p, &size)) != NULL) &&
		     link_begin(link_of(r), message, size, p->fds, p->fd_count);
	int error = errno;

	free(message);
	if (!begun) {
		pool_finish(r->destination->pool, r->lease);
		r->lease = 0;
	}
	errno = error;
	return begun;
}

static int no_hand_over(lua_State *L)
{
	int error = errno;
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
	struct parts parts;
	enum pool_answer answer;

	luaL_checktype(L, 3, LUA_TTABLE);
	lua_settop(L, 3);
	r = lua_newuserdatauv(L, sizeof *r, 1);
	memset(r, 0, sizeof *r);
	r->destination = d;
	r->verb = verb;
	luaL_setmetatable(L, REQUEST_TYPE);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, 4, 1);
	r->inner = get_flag(L, "inner", 1) || verb == SMB_VERB_GET_SOME;
	r->batch = get_flag(L, "batch", 1);
	get_parts(L, verb, &parts);
	destination_check(L, 1); /* once more: a collector may have closed it until now, and none runs from here on */
	answer = take_link(r, &parts, &fault);
	if (answer != POOL_LEASED)
		return no_link(L, answer, &fault);
	if (!hand_over(r, &parts))
		return no_hand_over(L);
	lua_settop(L, 4);
	return 1;
}

/* The worker closes what is open in it when it comes to that; nobody waits. */
static void post(struct pool *pool, uint32_t number, uint32_t handle, uint32_t flags)
{
	struct smb_request request = {.verb = SMB_VERB_CLOSE, .handle = handle, .flags = flags};
	struct link *link = pool_link(pool, number);

	if (link != NULL)
		link_post(link, &request, sizeof request);
}

/* Nobody wants to know what the request came to. */
static void drop_stash(struct request *r)
{
	struct stash *stash = r->stash;
	const struct destination *d = r->destination;

	r->stash = NULL;
	if (stash == NULL)
		return;
	if (opens(r->verb) && stash->outcome.reply.handle != 0 && d->pool != NULL && destination_is_ours(d))
		post(d->pool, r->link, stash->outcome.reply.handle, 0);
	free(stash);
}

static int release(lua_State *L)
{
	struct request *r = luaL_checkudata(L, 1, REQUEST_TYPE);
	struct pool *pool = r->destination->pool;
	uint32_t lease = r->lease;

	drop_stash(r);
	r->lease = 0;
	if (lease != 0 && pool != NULL)
		pool_abandon(pool, lease);
	return 0;
}

/* ---- waiting ---- */

static struct request *check(lua_State *L)
{
	struct request *r = luaL_checkudata(L, 1, REQUEST_TYPE);
	if (r->stash == NULL && link_of(r) == NULL)
		luaL_error(L, "the destination was closed while the call was under way");
	destination_check(L, (lua_getiuservalue(L, 1, 1), -1));
	lua_pop(L, 1);
	return r;
}

/* ended(request) -> whether it has */
static int ended(lua_State *L)
{
	struct request *r = check(L);
	lua_pushboolean(L, r->stash != NULL || link_idle(link_of(r)));
	return 1;
}

/* over(request) -> whether nothing is to be waited for: it has ended, or was given up. Never raises. */
static int over(lua_State *L)
{
	struct request *r = luaL_checkudata(L, 1, REQUEST_TYPE);
	const struct link *link = link_of(r);
	lua_pushboolean(L, link == NULL || link_idle(link));
	return 1;
}

/* transfer(request) -> bytes known good, the file's size and mtime in ticks (of a get): as far as it has come; 0 when it was given up */
static int transfer(lua_State *L)
{
	struct request *r = luaL_checkudata(L, 1, REQUEST_TYPE);
	struct link_progress come = {0};

	if (r->stash != NULL)
		come = r->stash->outcome.come;
	else if (link_of(r) != NULL)
		come = link_progress(link_of(r));
	lua_pushinteger(L, (lua_Integer)come.done);
	lua_pushinteger(L, (lua_Integer)come.size);
	lua_pushinteger(L, (lua_Integer)come.mtime);
	lua_pushinteger(L, (lua_Integer)come.removals);
	lua_pushinteger(L, (lua_Integer)come.unfinished);
	return 5;
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
	if (e->type == SMB_ENTRY_LINK)
		set_flag(L, "directory", e->attributes & 0x10);
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

/* A batch of entries, its message being the userdata at the index 2. */
static void push_batch(lua_State *L, const struct request *r, uint32_t count)
{
	const uint32_t most = 4096;

	lua_createtable(L, r->batch ? 0 : (int)(count < most ? count : most), 4);
	if (!r->batch) {
		push_entries(L, r, entries_of(lua_touserdata(L, 2), lua_rawlen(L, 2)));
		return;
	}
	lua_pushvalue(L, 2);
	luaL_setmetatable(L, BATCH_TYPE);
	lua_setfield(L, -2, "batch");
}

static void push_numbers(lua_State *L, const struct request *r, const struct smb_reply *reply)
{
	lua_newtable(L);
	set_integer(L, "bytes", reply->bytes);
	set_integer(L, "resumed", reply->resumed);
	set_flag(L, "left", reply->left != 0);
	set_flag(L, "time_refused", reply->time_refused != 0);
	set_integer(L, "total", reply->total);
	set_integer(L, "available", reply->available);
	set_integer(L, "size", reply->entry.size);
	set_ticks(L, "mtime", reply->entry.mtime);
	set_ticks(L, "btime", reply->entry.btime);
	if (r->verb == SMB_VERB_PUT || r->verb == SMB_VERB_GET || r->verb == SMB_VERB_HASH)
		set_digest(L, reply->digest);
}

/* What stood in the way: false and its path, where the message at the index 2 tells it. */
static int push_stuck(lua_State *L)
{
	struct smb_entry entry;
	const char *name;
	struct batch b;

	if (lua_type(L, 2) != LUA_TUSERDATA)
		return 0;
	b = entries_of(lua_touserdata(L, 2), lua_rawlen(L, 2));
	if (!request_next_entry(&b, &entry, &name))
		return 0;
	lua_pushboolean(L, false);
	lua_pushlstring(L, name, entry.name_length);
	return 2;
}

static int push_reply(lua_State *L, const struct request *r, const struct smb_reply *reply)
{
	if (reply->fault.code != SMB_OK)
		return core_push_fault(L, &reply->fault) + push_stuck(L);
	if (r->verb == SMB_VERB_STAT) {
		request_push_entry(L, &reply->entry, r->inner);
		return 1;
	}
	if (has_entries(r->verb))
		push_batch(L, r, reply->count);
	else
		push_numbers(L, r, reply);
	if (r->verb == SMB_VERB_LIST_OPEN)
		set_integer(L, "elsewhere", reply->elsewhere);
	if (r->verb == SMB_VERB_RMDIR)
		set_integer(L, "spared", reply->bytes);
	set_integer(L, "handle", reply->handle);
	set_integer(L, "link", r->link);
	return 1;
}

/* How many bytes of entries a request has come to; raises when it has not ended, or a collector has closed the destination meanwhile. */
static size_t check_ended(lua_State *L)
{
	struct request *r = check(L);

	if (r->stash != NULL)
		return r->stash->size;
	luaL_argcheck(L, link_idle(link_of(r)), 1, "the request has not ended");
	return entries_size(r);
}

static void take_stash(struct request *r, struct outcome *o, void *batch)
{
	*o = r->stash->outcome;
	if (batch != NULL)
		memcpy(batch, r->stash->message, r->stash->size);
	free(r->stash);
	r->stash = NULL;
}

/*
 * result(request) -> table | nil, code, text, whether another worker is to have it, since none has seen it, path of what stood in the
 * way; when it has ended, and once
 */
static int result(lua_State *L)
{
	struct request *r = luaL_checkudata(L, 1, REQUEST_TYPE);
	size_t size = check_ended(L);
	struct outcome o;
	void *batch = NULL;

	lua_settop(L, 1);
	if (size > 0) {
		batch = lua_newuserdatauv(L, size, 0);
		size = check_ended(L); /* once more: a collector may have run */
	}
	if (r->stash != NULL)
		take_stash(r, &o, size > 0 ? batch : NULL);
	else
		take_outcome(r, &o, size > 0 ? batch : NULL);
	if (o.dead) {
		core_push_fault(L, &o.fault);
		lua_pushboolean(L, o.unread);
		return 4;
	}
	if (!o.replied) { /* the connection stood already */
		lua_newtable(L);
		return 1;
	}
	return push_reply(L, r, &o.reply);
}

/* post_close(destination, link, handle, keep): the worker closes the file when it comes to it; nobody waits for that. */
static int post_close(lua_State *L)
{
	struct pool *pool = destination_check(L, 1)->pool;
	post(pool, (uint32_t)luaL_checkinteger(L, 2), (uint32_t)luaL_checkinteger(L, 3), lua_toboolean(L, 4) ? SMB_FLAG_KEEP : 0);
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
