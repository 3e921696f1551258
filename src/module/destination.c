/*
 * userdata "smb.destination": a share, where it is and as whom, and the connections to it. lua/smb/destination.lua puts
 * the methods and fields into the metatable.
 */
#include "destination.h"

#include "register.h"
#include "shared/ticks.h"
#include "support.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DESTINATION_TYPE "smb.destination"

/* ---- fields ---- */

static void destination_copy_text(lua_State *L, const char *field, char *to, size_t size)
{
	size_t length;
	const char *text;

	lua_getfield(L, 1, field);
	text = luaL_optlstring(L, -1, "", &length);
	if (length >= size || strlen(text) != length)
		luaL_error(L, "%s is too long or holds a NUL", field);
	memcpy(to, text, length + 1);
	lua_pop(L, 1);
}

static uint32_t destination_get_integer(lua_State *L, const char *field, lua_Integer least, lua_Integer most)
{
	lua_Integer value;
	lua_getfield(L, 1, field);
	value = luaL_checkinteger(L, -1);
	if (value < least || value > most)
		luaL_error(L, "%s is out of range", field);
	lua_pop(L, 1);
	return (uint32_t)value;
}

static uint32_t destination_get_choice(lua_State *L, const char *field, const char *const words[])
{
	int choice;
	lua_getfield(L, 1, field);
	choice = luaL_checkoption(L, -1, words[0], words);
	lua_pop(L, 1);
	return (uint32_t)choice;
}

static void destination_read_target(lua_State *L, struct smb_connect *t)
{
	static const char *const transports[] = {"directtcp", "netbios", NULL};
	static const char *const demands[] = {"default", "off", "desired", "required", NULL};
	static const char *const switch_words[] = {"off", "on", NULL};

	t->transport = destination_get_choice(L, "transport", transports);
	t->port = destination_get_integer(L, "port", 1, 65535);
	t->signing = destination_get_choice(L, "signing", demands);
	t->encryption = destination_get_choice(L, "encryption", demands);
	t->kerberos = destination_get_choice(L, "kerberos", demands);
	t->dfs = destination_get_choice(L, "dfs", switch_words);
	t->confinement = destination_get_choice(L, "confinement", switch_words);
	lua_getfield(L, 1, "anonymous");
	t->anonymous = (uint32_t)lua_toboolean(L, -1);
	lua_pop(L, 1);
	t->broadcast = lua_getfield(L, 1, "broadcast") == LUA_TNIL ? t->transport == SMB_TRANSPORT_NETBIOS
								    : (uint32_t)lua_toboolean(L, -1);
	lua_pop(L, 1);
	destination_copy_text(L, "min_protocol", t->min_protocol, sizeof t->min_protocol);
	destination_copy_text(L, "max_protocol", t->max_protocol, sizeof t->max_protocol);
	destination_copy_text(L, "server", t->server, sizeof t->server);
	destination_copy_text(L, "share", t->share, sizeof t->share);
	destination_copy_text(L, "username", t->username, sizeof t->username);
	destination_copy_text(L, "password", t->password, sizeof t->password);
	destination_copy_text(L, "domain", t->domain, sizeof t->domain);
	destination_copy_text(L, "ccache", t->ccache, sizeof t->ccache);
}

/* ---- life ---- */

static const size_t MARK_SIZE = 4096; /* the kernel's pages may be larger: it rounds up */

static void destination_make_mark(struct destination *d)
{
	void *page = mmap(NULL, MARK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return;
	if (madvise(page, MARK_SIZE, MADV_WIPEONFORK) < 0) {
		munmap(page, MARK_SIZE);
		return;
	}
	d->mark = page;
	*d->mark = 1;
}

bool destination_is_ours(const struct destination *d)
{
	return d->mark != NULL ? *d->mark != 0 : d->host == getpid();
}

static void destination_release(struct destination *d, int wait_ms)
{
	struct pool *pool = d->pool;
	unsigned *mark = d->mark;

	d->mark = NULL;
	if (mark != NULL)
		munmap(mark, MARK_SIZE);

	d->pool = NULL;
	if (pool != NULL)
		pool_close(pool, wait_ms);
	if (d->target != NULL)
		explicit_bzero(d->target, sizeof *d->target);
	free(d->target);
	d->target = NULL;
	free(d->program);
	d->program = NULL;
}

/* destination{fields of options.lua, program=} -> destination; does not connect yet */
static int destination_new(lua_State *L)
{
	struct destination *d;
	const char *program;

	luaL_checktype(L, 1, LUA_TTABLE);
	d = lua_newuserdatauv(L, sizeof *d, 1);
	memset(d, 0, sizeof *d);
	luaL_setmetatable(L, DESTINATION_TYPE);
	d->host = getpid();
	destination_make_mark(d);
	lua_getfield(L, 1, "program");
	program = luaL_checkstring(L, -1);
	d->program = strdup(program);
	d->target = calloc(1, sizeof *d->target);
	if (d->program == NULL || d->target == NULL)
		return luaL_error(L, "not enough memory");
	destination_read_target(L, d->target);
	d->pool = pool_open(d->program, d->target);
	if (d->pool == NULL)
		return luaL_error(L, "not enough memory");
	lua_pop(L, 1);
	return 1;
}

struct destination *destination_check(lua_State *L, int index)
{
	struct destination *d = luaL_checkudata(L, index, DESTINATION_TYPE);
	if (d->pool == NULL)
		luaL_error(L, "attempt to use a closed destination");
	if (!destination_is_ours(d))
		luaL_error(
		    L, "attempt to use a destination that was opened before a fork; open one of this process's own");
	return d;
}

static int destination_close(lua_State *L)
{
	const int end_wait = 500; /* ms: an idle worker takes one or two */
	destination_release(luaL_checkudata(L, 1, DESTINATION_TYPE), end_wait);
	return 0;
}

/* A finalizer does not wait. */
static int destination_collect(lua_State *L)
{
	destination_release(luaL_checkudata(L, 1, DESTINATION_TYPE), 0);
	return 0;
}

/* check(destination): raises if it is closed or belongs to another process */
static int destination_must_be_open(lua_State *L)
{
	destination_check(L, 1);
	return 0;
}

static int destination_is_open(lua_State *L)
{
	struct destination *d = luaL_checkudata(L, 1, DESTINATION_TYPE);
	lua_pushboolean(L, d->pool != NULL);
	return 1;
}

/* is_ours(destination) -> whether this process opened it */
static int destination_push_is_ours(lua_State *L)
{
	lua_pushboolean(L, destination_is_ours(luaL_checkudata(L, 1, DESTINATION_TYPE)));
	return 1;
}

/* state(destination) -> the state that Lua keeps with it; state(destination, x) sets it */
static int destination_state(lua_State *L)
{
	luaL_checkudata(L, 1, DESTINATION_TYPE);
	if (lua_gettop(L) > 1) {
		lua_settop(L, 2);
		lua_setiuservalue(L, 1, 1);
		return 0;
	}
	lua_getiuservalue(L, 1, 1);
	return 1;
}

static uint32_t destination_milliseconds(lua_State *L, int index)
{
	const lua_Number most = 30 * 86400; /* seconds */
	lua_Number seconds = luaL_checknumber(L, index);
	if (!(seconds > 0))
		luaL_argerror(L, index, "a time must be above 0");
	return (uint32_t)(ceil((seconds < most ? seconds : most) * 1000));
}

/*
 * limits(destination, short, list, data, connections, rate): from now on; seconds, workers at a time, bytes per second
 * or nil
 */
static int destination_limits(lua_State *L)
{
	struct destination *d = destination_check(L, 1);
	struct link_limits waits;

	for (int i = 0; i < SMB_PATIENCE_COUNT; i++)
		waits.allowed[i] = destination_milliseconds(L, i + 2);
	pool_limit(d->pool, &waits, (unsigned)luaL_checkinteger(L, 5), (uint64_t)luaL_optinteger(L, 6, 0));
	d->target->short_timeout = waits.allowed[SMB_PATIENCE_SHORT];
	return 0;
}

/* settled(destination, seconds) -> true when all workers have done what was posted or abandoned */
static int destination_settled(lua_State *L)
{
	struct destination *d = luaL_checkudata(L, 1, DESTINATION_TYPE);
	int ms = (int)(luaL_checknumber(L, 2) * 1000);
	lua_pushboolean(L, d->pool == NULL || d->host != getpid() || pool_settle(d->pool, ms));
	return 1;
}

/* begin_call(destination): see pool_begin_call; nothing where it is closed */
static int destination_begin_call(lua_State *L)
{
	struct destination *d = luaL_checkudata(L, 1, DESTINATION_TYPE);
	if (d->pool != NULL && d->host == getpid())
		pool_begin_call(d->pool);
	return 0;
}

/* logon_is_lost(destination) -> see pool_logon_is_lost */
static int destination_logon_is_lost(lua_State *L)
{
	struct destination *d = luaL_checkudata(L, 1, DESTINATION_TYPE);
	lua_pushboolean(L, d->pool != NULL && d->host == getpid() && pool_logon_is_lost(d->pool));
	return 1;
}

/* ---- waiting ---- */

/* poll(destination, seconds): moves all connections on; waits until there is something to do, a slice at most */
static int destination_poll(lua_State *L)
{
	struct destination *d = destination_check(L, 1);
	lua_Number seconds = luaL_checknumber(L, 2);
	pool_poll(d->pool, support_wait_slice(seconds));
	support_move_interrupt_here(L);
	return 0;
}

/* pollfd(destination) -> a descriptor that is readable when poll has something to do */
static int destination_pollfd(lua_State *L)
{
	int fd = pool_descriptor(destination_check(L, 1)->pool);
	if (fd < 0)
		return luaL_error(L, "no descriptor to wait at (%s)", strerror(errno));
	lua_pushinteger(L, fd);
	return 1;
}

/* patience(destination) -> seconds after which poll is to be called in any case; nil for none */
static int destination_patience(lua_State *L)
{
	int64_t ms = pool_patience(destination_check(L, 1)->pool);
	if (ms < 0)
		lua_pushnil(L);
	else
		lua_pushnumber(L, (lua_Number)ms / 1000);
	return 1;
}

/* connections(destination) -> how many connections there are */
static int destination_connections(lua_State *L)
{
	lua_pushinteger(L, pool_count(destination_check(L, 1)->pool));
	return 1;
}

/*
 * connections_at_most(destination) -> how many connections there may be, as far as is known: no more than there are if
 * the server or this machine has no room for others
 */
static int destination_connections_at_most(lua_State *L)
{
	lua_pushinteger(L, pool_most(destination_check(L, 1)->pool));
	return 1;
}

/* warm(destination, count): starts so many connections: they will be needed soon */
static int destination_warm(lua_State *L)
{
	struct destination *d = destination_check(L, 1);
	pool_warm(d->pool, (unsigned)luaL_checkinteger(L, 2));
	return 0;
}

/* ---- what was negotiated ---- */

static const char *destination_dialect_name(uint32_t dialect)
{
	switch (dialect) {
	case 0x0001: return "NT1";
	case 0x0202: return "SMB2_02";
	case 0x0210: return "SMB2_10";
	case 0x0300: return "SMB3_00";
	case 0x0302: return "SMB3_02";
	case 0x0311: return "SMB3_11";
	default: return NULL;
	}
}

static const char *destination_cipher_name(uint32_t cipher)
{
	static const char *const names[] = {NULL, "AES-128-CCM", "AES-128-GCM", "AES-256-CCM", "AES-256-GCM"};
	return cipher < sizeof names / sizeof names[0] ? names[cipher] : NULL;
}

static const char *destination_mechanism_name(unsigned mechanism)
{
	switch (mechanism) {
	case SMB_MECHANISM_ANONYMOUS: return "anonymous";
	case SMB_MECHANISM_NTLM: return "ntlm";
	case SMB_MECHANISM_KERBEROS: return "kerberos";
	default: return NULL;
	}
}

/* The words of what holds, in one text; false where nothing does. */
static void destination_set_confined(lua_State *L, uint32_t confined)
{
	static const char *const words[] = {"no_new_privs", "capabilities", "seccomp", "landlock_files",
					    "landlock_tcp"};
	luaL_Buffer b;

	if (confined == 0) {
		lua_pushboolean(L, false);
		lua_setfield(L, -2, "confined");
		return;
	}
	luaL_buffinit(L, &b);
	for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
		if ((confined & 1u << i) == 0)
			continue;
		if ((confined & ((1u << i) - 1)) != 0)
			luaL_addstring(&b, ", ");
		luaL_addstring(&b, words[i]);
	}
	luaL_pushresult(&b);
	lua_setfield(L, -2, "confined");
}

/* 0: the value is unknown. */
static void destination_set_known(lua_State *L, const char *field, uint64_t value)
{
	if (value != 0)
		support_set_integer(L, field, value);
}

/* info(destination) -> table; unknown values are absent */
static int destination_info(lua_State *L)
{
	struct smb_info i = *pool_info(destination_check(L, 1)->pool);

	lua_newtable(L);
	support_set_text(L, "dialect", destination_dialect_name(i.dialect));
	destination_set_known(L, "max_read_size", i.max_read_size);
	destination_set_known(L, "max_write_size", i.max_write_size);
	support_set_flag(L, "signing", i.signing);
	support_set_flag(L, "encryption", i.encryption);
	support_set_text(L, "cipher", destination_cipher_name(i.cipher));
	support_set_flag(L, "guest", i.guest);
	support_set_text(L, "user", i.user);
	support_set_text(L, "mechanism", destination_mechanism_name(i.mechanism));
	support_set_flag(L, "dfs", i.dfs);
	destination_set_confined(L, i.confined);
	support_set_text(L, "server_address", i.address);
	support_set_text(L, "library", i.library);
	support_set_integer(L, "round_trips", i.round_trips);
	support_set_seconds(L, "clock_ahead", i.clock_ahead);
	if (i.round_trip != 0) {
		lua_pushnumber(L, i.round_trip / 1e6);
		lua_setfield(L, -2, "round_trip");
	}
	destination_set_known(L, "throughput", i.throughput);
	return 1;
}

static const luaL_Reg metamethods[] = {{"__gc", destination_collect}, {NULL, NULL}};

static const luaL_Reg functions[] = {
	{"destination", destination_new},
	{"close", destination_close},
	{"is_open", destination_is_open},
	{"is_ours", destination_push_is_ours},
	{"state", destination_state},
	{"limits", destination_limits},
	{"info", destination_info},
	{"settled", destination_settled},
	{"check", destination_must_be_open},
	{"poll", destination_poll},
	{"pollfd", destination_pollfd},
	{"patience", destination_patience},
	{"connections", destination_connections},
	{"connections_at_most", destination_connections_at_most},
	{"warm", destination_warm},
	{"begin_call", destination_begin_call},
	{"logon_is_lost", destination_logon_is_lost},
	{NULL, NULL},
};

void destination_register(lua_State *L)
{
	luaL_setfuncs(L, functions, 0);
	support_new_type(L, DESTINATION_TYPE, metamethods);
	lua_setfield(L, -2, "destination_metatable");
}
