/*
 * userdata "smb.file": how Lua's side makes, fills and ends the buffer of an open file. file_io.c reads and writes in
 * it.
 */
#include "file.h"

#include "destination.h"
#include "register.h"
#include "shared/memory.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILE_TYPE "smb.file"

enum { FIRST_RESERVE = 65536 };

/* ---- life ---- */

struct file *file_check_any(lua_State *L)
{
	return luaL_checkudata(L, 1, FILE_TYPE);
}

/* Closing the destination has closed its files. */
static bool file_is_alive(const struct file *f)
{
	return f->open && f->destination->pool != NULL;
}

struct file *file_check(lua_State *L)
{
	struct file *f = file_check_any(L);
	if (!file_is_alive(f))
		luaL_error(L, "attempt to use a closed file");
	if (!destination_is_ours(f->destination))
		luaL_error(L, "attempt to use a file that was opened before a fork");
	return f;
}

static void file_unmap(struct file *f)
{
	uint8_t *map = f->map;
	int fd = f->fd;

	f->map = NULL;
	f->fd = -1;
	f->open = false;
	if (map != NULL)
		munmap(map, f->slots * f->slot_size);
	if (fd >= 0)
		close(fd);
}

/* Memory is set aside before it is touched: where there is none, that is an error and no signal. */
bool file_reserve(struct file *f, size_t slot, size_t size)
{
	size_t want = f->reserved[slot] > 0 ? f->reserved[slot] : FIRST_RESERVE;

	if (size <= f->reserved[slot])
		return true;
	while (want < size)
		want *= 2;
	if (want > f->slot_size)
		want = f->slot_size;
	while (fallocate(f->fd, 0, (off_t)(slot * f->slot_size), (off_t)want) < 0)
		if (errno != EINTR)
			return false;
	f->reserved[slot] = want;
	return true;
}

static int file_push_no_buffer(lua_State *L)
{
	return support_push_errno(L, "no memory for a file's buffer", errno);
}

/* file(destination, state, slot_size, slots) -> file, not open yet | nil, code, text */
static int file_new(lua_State *L)
{
	struct destination *d = destination_check(L, 1);
	lua_Integer slot_size = luaL_checkinteger(L, 3), slots = luaL_checkinteger(L, 4);
	struct file *f;

	luaL_argcheck(L, slot_size > 0 && slot_size <= 1 << 30, 3, "out of range");
	luaL_argcheck(L, slots >= 2 && slots <= FILE_SLOTS, 4, "out of range");
	f = lua_newuserdatauv(L, sizeof *f, 2);
	memset(f, 0, sizeof *f);
	f->fd = -1;
	f->destination = d;
	luaL_setmetatable(L, FILE_TYPE);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	lua_pushvalue(L, 2);
	lua_setiuservalue(L, -2, 2);
	f->slot_size = (size_t)slot_size;
	f->slots = (size_t)slots;
	f->map = memory_share("smb-file", f->slots * f->slot_size, &f->fd);
	if (f->map == NULL)
		return file_push_no_buffer(L);
	return 1;
}

/* file_limit() -> most bytes of a file's whole buffer, where the host limits the size of files; else nil */
static int file_limit(lua_State *L)
{
	uint64_t limit = memory_limit();

	if (limit > LUA_MAXINTEGER)
		lua_pushnil(L);
	else
		lua_pushinteger(L, (lua_Integer)limit);
	return 1;
}

int file_check_fd(lua_State *L, int index)
{
	return ((struct file *)luaL_checkudata(L, index, FILE_TYPE))->fd;
}

/* file_opened(file, link, handle, readable, writable, most) */
static int file_opened(lua_State *L)
{
	struct file *f = file_check_any(L);
	f->link = (uint32_t)luaL_checkinteger(L, 2);
	f->handle = (uint32_t)luaL_checkinteger(L, 3);
	f->readable = lua_toboolean(L, 4);
	f->writable = lua_toboolean(L, 5);
	f->most = (size_t)luaL_checkinteger(L, 6);
	if (f->most > f->slot_size)
		f->most = f->slot_size;
	f->open = true;
	return 0;
}

static int file_closed(lua_State *L)
{
	file_unmap(file_check_any(L));
	return 0;
}

static struct link *file_link(const struct file *f)
{
	struct pool *pool = f->destination->pool;
	return pool != NULL && f->destination->host == getpid() ? pool_link(pool, f->link) : NULL;
}

/* Posts the unsent bytes and the close to the worker: a collector must not wait for replies. */
static int file_collect(lua_State *L)
{
	struct file *f = file_check_any(L);
	struct link *link = f->open ? file_link(f) : NULL;
	struct smb_request request;

	if (link != NULL) {
		memset(&request, 0, sizeof request);
		request.handle = f->handle;
		if (f->writing && f->filled > 0) {
			request.verb = SMB_VERB_WRITE;
			request.offset = f->position - f->filled;
			request.size = f->filled;
			request.from = (uint64_t)f->active * f->slot_size;
			link_post(link, &request, sizeof request);
		}
		request.verb = SMB_VERB_CLOSE;
		link_post(link, &request, sizeof request);
	}
	file_unmap(f);
	return 0;
}

/* ---- for Lua's side ---- */

static int file_state(lua_State *L)
{
	file_check_any(L);
	lua_getiuservalue(L, 1, 2);
	return 1;
}

static int file_is_open(lua_State *L)
{
	lua_pushboolean(L, file_is_alive(file_check_any(L)));
	return 1;
}

/* file_where(file) -> position, active slot's offset in the buffer, filled, writing, unread */
static int file_where(lua_State *L)
{
	struct file *f = file_check_any(L);
	lua_pushinteger(L, (lua_Integer)f->position);
	lua_pushinteger(L, (lua_Integer)(f->active * f->slot_size));
	lua_pushinteger(L, (lua_Integer)f->filled);
	lua_pushboolean(L, f->writing);
	lua_pushinteger(L, (lua_Integer)(f->end - f->begin));
	return 5;
}

static size_t file_check_slot(lua_State *L, const struct file *f, int argument)
{
	size_t from = (size_t)luaL_checkinteger(L, argument);
	luaL_argcheck(L, from % f->slot_size == 0 && from / f->slot_size < f->slots, argument, "no slot");
	return from / f->slot_size;
}

/* file_reserve(file, offset in the buffer, size) -> whether there is memory for so many bytes */
static int file_reserve_slot(lua_State *L)
{
	struct file *f = file_check_any(L);
	lua_pushboolean(L, file_reserve(f, file_check_slot(L, f, 2), (size_t)luaL_checkinteger(L, 3)));
	return 1;
}

/* file_window(file, offset in the buffer, size, at_end): the slot has been filled with the next bytes */
static int file_window(lua_State *L)
{
	struct file *f = file_check_any(L);
	size_t slot = file_check_slot(L, f, 2), size = (size_t)luaL_checkinteger(L, 3);
	luaL_argcheck(L, size <= f->reserved[slot], 3, "too large");
	f->active = slot;
	f->begin = 0;
	f->end = size;
	f->at_end = lua_toboolean(L, 4);
	return 0;
}

/* file_turn(file, writing, position): turns to reading or writing, with an empty buffer */
static int file_turn(lua_State *L)
{
	struct file *f = file_check_any(L);
	f->writing = lua_toboolean(L, 2);
	f->position = (uint64_t)luaL_checkinteger(L, 3);
	f->begin = f->end = f->filled = 0;
	f->at_end = false;
	return 0;
}

/* file_sent(file, offset in the buffer): the active slot is being sent; writing goes on in the slot at that offset */
static int file_sent(lua_State *L)
{
	struct file *f = file_check_any(L);
	f->filled = 0;
	f->active = file_check_slot(L, f, 2);
	return 0;
}

/* file_skip(file, position) -> whether the position lies within the window, and nothing has to be fetched */
static int file_skip(lua_State *L)
{
	struct file *f = file_check_any(L);
	uint64_t to = (uint64_t)luaL_checkinteger(L, 2), first = f->position - f->begin;
	bool within = !f->writing && f->end > 0 && to >= first && to <= first + f->end;
	if (within) {
		f->begin = (size_t)(to - first);
		f->position = to;
	}
	lua_pushboolean(L, within);
	return 1;
}

static int file_buffering(lua_State *L)
{
	file_check_any(L)->buffering = (enum file_buffering)luaL_checkinteger(L, 2);
	return 0;
}

/* ---- registration ---- */

static const luaL_Reg metamethods[] = {{"__gc", file_collect}, {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"file", file_new},           {"file_opened", file_opened},   {"file_closed", file_closed},
    {"file_state", file_state},   {"file_is_open", file_is_open}, {"file_where", file_where},
    {"file_window", file_window}, {"file_turn", file_turn},       {"file_sent", file_sent},
    {"file_skip", file_skip},     {"file_reserve", file_reserve_slot}, {"file_buffering", file_buffering},
    {"file_limit", file_limit},   {NULL, NULL},
};

void file_register(lua_State *L)
{
	luaL_setfuncs(L, functions, 0);
	support_new_type(L, FILE_TYPE, metamethods);
	lua_setfield(L, -2, "file_metatable");
	file_io_register(L);
}
