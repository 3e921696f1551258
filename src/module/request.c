/*
 * userdata "smb.request": one request under way on one of a destination's links. Lua starts it, waits for it in slices
 * and takes its result; closing or collecting it before its end abandons it. C never waits longer than a slice, so that
 * the host's Ctrl-C and its coroutines have their turn.
 */
#include "destination.h"
#include "entry.h"
#include "pack.h"
#include "register.h"
#include "reply.h"
#include "support.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_TYPE "smb.request"

/*
 * The outcome of a request, in C's own memory: making Lua values of it may run a collector, which may close the
 * destination.
 */
struct outcome {
	bool dead, unread, replied;
	struct smb_fault fault; /* if its link died */
	struct smb_reply reply;
	struct link_progress come;
};

/*
 * The outcome of a request whose link another request needed before Lua asked for it; and the whole message, if that
 * has entries.
 */
struct stash {
	struct outcome outcome;
	size_t size;
	_Alignas(8) char message[];
};

struct request {
	struct destination *destination; /* kept alive by the first user value */
	uint32_t lease;                  /* the link, while it is under way; else 0 */
	struct stash *stash;             /* it has ended, and another request needed its link */
	struct reply_shape shape; /* its verb; the number of the link that it was started on; the form of its entries */
};

#define VERB_WORD(name, word) word,
static const char *const verb_words[] = {SMB_VERBS(VERB_WORD) NULL};

/* ---- life ---- */

/* The link on which the request is under way; NULL where it is not. */
static struct link *request_link(const struct request *r)
{
	return r->lease != 0 && r->destination->pool != NULL ? pool_link(r->destination->pool, r->lease) : NULL;
}

/* Moves the outcome off the link, which is free then. `batch` has room for the whole message; NULL: without entries. */
static void request_take_outcome(struct request *r, struct outcome *o, void *batch)
{
	struct pool *pool = r->destination->pool;
	const struct link *link = request_link(r);
	size_t size = 0;
	const struct smb_reply *reply = link_reply(link, &size);

	memset(o, 0, sizeof *o);
	o->dead = link_is_dead(link);
	o->unread = link_was_unread(link) || pool_has_another(pool, r->lease);
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

/* Returns the bytes of the message of a request that has ended, if it has entries; else 0. */
static size_t request_entries_size(const struct request *r)
{
	size_t size = 0;
	return link_reply(request_link(r), &size) != NULL && reply_has_entries(r->shape.verb) ? size : 0;
}

/*
 * Frees the link of a request that has ended before Lua took its outcome. Whoever is to take it may be further up the
 * stack, waiting for this very link (a finalizer, or a progress function, has started something), or may be gone.
 */
static bool request_stash_ended(void *holder)
{
	struct request *r = holder;
	size_t size = request_entries_size(r);

	r->stash = malloc(sizeof *r->stash + size);
	if (r->stash == NULL)
		return false;
	r->stash->size = size;
	request_take_outcome(r, &r->stash->outcome, size > 0 ? r->stash->message : NULL);
	return true;
}

static struct pool_wish request_wish(lua_State *L, int table, int gently)
{
	return (struct pool_wish){
	    .link = (uint32_t)pack_integer(L, table, "link", UINT32_MAX),
	    .rather = (uint32_t)pack_integer(L, table, "wished", UINT32_MAX),
	    .own = pack_is_set(L, table, "own"),
	    .gently = lua_toboolean(L, gently),
	};
}

static enum pool_answer request_take_link(struct request *r, const struct pool_wish *wish, struct smb_fault *fault)
{
	struct pool *pool = r->destination->pool;
	enum pool_answer answer;

	do
		answer = pool_lease(pool, wish, r, &r->lease, fault);
	while (answer == POOL_FULL && pool_evict(pool, wish->link, request_stash_ended));
	r->shape.link = r->lease;
	return answer;
}

static int request_push_no_link(lua_State *L, enum pool_answer what, const struct smb_fault *fault)
{
	if (what == POOL_FAILED)
		return support_push_fault(L, fault);
	lua_pushnil(L);
	lua_pushstring(L, what == POOL_SOON ? "soon" : "full");
	lua_pushliteral(L, "all connections are at work");
	return 3;
}

static bool request_hand_over(struct request *r, const struct pack *p)
{
	struct smb_request *message = NULL;
	size_t size = 0;
	bool begun = (r->shape.verb == SMB_VERB_CONNECT || (message = pack_message(p, &size)) != NULL) &&
		     link_begin(request_link(r), message, size, p->fds, p->fd_count);
	int error = errno;

	free(message);
	if (!begun) {
		pool_finish(r->destination->pool, r->lease);
		r->lease = 0;
	}
	errno = error;
	return begun;
}

static int request_push_not_sent(lua_State *L)
{
	int error = errno;
	lua_pushnil(L);
	lua_pushliteral(L, "local_io");
	lua_pushfstring(L, "the request cannot be handed over (%s)", strerror(error));
	return 3;
}

/* Without a share only the server's shares are listed. */
static enum entry_form request_entry_form(const struct destination *d, enum smb_verb verb, bool inner)
{
	if (d->target->share[0] == '\0')
		return ENTRY_SHARES;
	return inner || verb == SMB_VERB_GET_SOME ? ENTRY_INNER : ENTRY_PUBLIC;
}

/*
 * start(destination, verb, fields [, attempt [, gently]]) -> request | nil, code, text. The code "full": try again when
 * a request has ended; "soon": in a few milliseconds, since `gently` was set. `attempt`: fields that differ from one
 * try to the next.
 */
static int request_start(lua_State *L)
{
	struct destination *d = destination_check(L, 1);
	enum smb_verb verb = (enum smb_verb)luaL_checkoption(L, 2, NULL, verb_words);
	struct smb_fault fault;
	struct request *r;
	struct pool_wish wish;
	struct pack pack;
	enum pool_answer answer;
	bool inner;

	luaL_checktype(L, 3, LUA_TTABLE);
	lua_settop(L, 5);
	r = lua_newuserdatauv(L, sizeof *r, 1);
	memset(r, 0, sizeof *r);
	r->destination = d;
	r->shape.verb = verb;
	luaL_setmetatable(L, REQUEST_TYPE);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, 6, 1);
	inner = pack_is_set(L, 3, "inner");
	r->shape.batch = pack_is_set(L, 3, "batch");
	wish = request_wish(L, 3, 5);
	pack_read(L, 3, verb, &pack);
	pack_attempt(L, 4, &pack);
	r->shape.asked = pack.head.size;
	destination_check(L, 1); /* again: a collector may have closed it. None runs from here on */
	r->shape.form = request_entry_form(d, verb, inner);
	answer = request_take_link(r, &wish, &fault);
	if (answer != POOL_LEASED)
		return request_push_no_link(L, answer, &fault);
	if (!request_hand_over(r, &pack))
		return request_push_not_sent(L);
	lua_settop(L, 6);
	return 1;
}

/* Posts a close to the worker: nobody waits for it. */
static void request_post(struct pool *pool, uint32_t number, uint32_t handle, uint32_t flags)
{
	struct smb_request request = {.verb = SMB_VERB_CLOSE, .handle = handle, .flags = flags};
	struct link *link = pool_link(pool, number);

	if (link != NULL)
		link_post(link, &request, sizeof request);
}

/* Drops the outcome, and closes a handle that it brought. */
static void request_drop_stash(struct request *r)
{
	struct stash *stash = r->stash;
	const struct destination *d = r->destination;

	r->stash = NULL;
	if (stash == NULL)
		return;
	if (reply_opens(r->shape.verb) && stash->outcome.reply.handle != 0 && d->pool != NULL && destination_is_ours(d))
		request_post(d->pool, r->shape.link, stash->outcome.reply.handle, 0);
	free(stash);
}

static int request_abandon(lua_State *L)
{
	struct request *r = luaL_checkudata(L, 1, REQUEST_TYPE);
	struct pool *pool = r->destination->pool;
	uint32_t lease = r->lease;

	request_drop_stash(r);
	r->lease = 0;
	if (lease != 0 && pool != NULL)
		pool_abandon(pool, lease);
	return 0;
}

/* ---- waiting ---- */

static struct request *request_check(lua_State *L)
{
	struct request *r = luaL_checkudata(L, 1, REQUEST_TYPE);
	if (r->stash == NULL && request_link(r) == NULL)
		luaL_error(L, "the destination was closed while the call was under way");
	destination_check(L, (lua_getiuservalue(L, 1, 1), -1));
	lua_pop(L, 1);
	return r;
}

/* ended(request) -> whether it has */
static int request_has_ended(lua_State *L)
{
	struct request *r = request_check(L);
	lua_pushboolean(L, r->stash != NULL || link_is_idle(request_link(r)));
	return 1;
}

/* connection_of(request) -> the number of the connection that it goes over */
static int request_connection(lua_State *L)
{
	lua_pushinteger(L, ((struct request *)luaL_checkudata(L, 1, REQUEST_TYPE))->shape.link);
	return 1;
}

/* over(request) -> whether there is nothing to wait for: it has ended, or was abandoned. Never raises. */
static int request_is_over(lua_State *L)
{
	struct request *r = luaL_checkudata(L, 1, REQUEST_TYPE);
	const struct link *link = request_link(r);
	lua_pushboolean(L, link == NULL || link_is_idle(link));
	return 1;
}

/*
 * transfer(request) -> bytes known good, size and mtime (in ticks) of the file of a get, removals, unfinished: see
 * link_progress. 0 for an abandoned request.
 */
static int request_transfer(lua_State *L)
{
	struct request *r = luaL_checkudata(L, 1, REQUEST_TYPE);
	struct link_progress come = {0};

	if (r->stash != NULL)
		come = r->stash->outcome.come;
	else if (request_link(r) != NULL)
		come = link_progress(request_link(r));
	lua_pushinteger(L, (lua_Integer)come.done);
	lua_pushinteger(L, (lua_Integer)come.size);
	lua_pushinteger(L, (lua_Integer)come.mtime);
	lua_pushinteger(L, (lua_Integer)come.removals);
	lua_pushinteger(L, (lua_Integer)come.unfinished);
	return 5;
}

/* ---- results ---- */

/*
 * Returns the bytes of the message with entries; raises if the request has not ended, or a collector has closed the
 * destination.
 */
static size_t request_check_ended(lua_State *L)
{
	struct request *r = request_check(L);

	if (r->stash != NULL)
		return r->stash->size;
	luaL_argcheck(L, link_is_idle(request_link(r)), 1, "the request has not ended");
	return request_entries_size(r);
}

static void request_take_stash(struct request *r, struct outcome *o, void *batch)
{
	*o = r->stash->outcome;
	if (batch != NULL)
		memcpy(batch, r->stash->message, r->stash->size);
	free(r->stash);
	r->stash = NULL;
}

/*
 * result(request) -> table | nil, code, text, retry (true: no worker saw it; false: see the path), path of the entry
 * that stood in the way. Once, after it has ended.
 */
static int request_result(lua_State *L)
{
	struct request *r = luaL_checkudata(L, 1, REQUEST_TYPE);
	size_t size = request_check_ended(L);
	struct outcome o;
	void *batch = NULL;

	lua_settop(L, 1);
	if (size > 0) {
		batch = lua_newuserdatauv(L, size, 0);
		size = request_check_ended(L); /* again: a collector may have run */
	}
	if (r->stash != NULL)
		request_take_stash(r, &o, size > 0 ? batch : NULL);
	else
		request_take_outcome(r, &o, size > 0 ? batch : NULL);
	if (o.dead) {
		support_push_fault(L, &o.fault);
		lua_pushboolean(L, o.unread);
		return 4;
	}
	if (!o.replied) { /* a connect, and the connection stood already */
		lua_newtable(L);
		return 1;
	}
	return reply_push(L, &o.reply, r->shape, size > 0 ? 2 : 0);
}

/* post_close(destination, link, handle, keep): the worker closes the file or listing later; nobody waits for it */
static int request_post_close(lua_State *L)
{
	struct pool *pool = destination_check(L, 1)->pool;
	request_post(pool, (uint32_t)luaL_checkinteger(L, 2), (uint32_t)luaL_checkinteger(L, 3),
		     lua_toboolean(L, 4) ? SMB_FLAG_KEEP : 0);
	return 0;
}

static const luaL_Reg metamethods[] = {{"__gc", request_abandon}, {"__close", request_abandon}, {NULL, NULL}};

static const luaL_Reg functions[] = {
	{"start", request_start},
	{"ended", request_has_ended},
	{"over", request_is_over},
	{"connection_of", request_connection},
	{"transfer", request_transfer},
	{"result", request_result},
	{"abandon", request_abandon},
	{"post_close", request_post_close},
	{NULL, NULL},
};

void request_register(lua_State *L)
{
	luaL_setfuncs(L, functions, 0);
	support_new_type(L, REQUEST_TYPE, metamethods);
	lua_pop(L, 1);
	entry_register_batch(L);
}
