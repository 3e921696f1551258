/*
 * userdata "smb.file": an open file's buffer, and reading and writing in it as Lua's own io does. The buffer has several slots in
 * memory that workers share: while the script works in one, others are on their way. What needs a worker is Lua's
 * (lua/smb/file.lua), called without a C frame between, so that it may yield or raise.
 *
 * `position` is where the script stands. Reading, [begin, end) of the active slot are the bytes from there on. Writing, the
 * active slot's first `filled` bytes are those before it.
 */
#include "core.h"
#include "shared/memory.h"
#include "numeral.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILE_TYPE "smb.file"

enum buffering { BUFFER_FULL, BUFFER_LINE, BUFFER_NONE };
enum { FIRST_RESERVE = 65536, FILE_SLOTS = 33 };

struct file {
	struct destination *destination; /* kept alive by the first user value; the second is Lua's state */
	bool open, readable, writable, writing;
	uint32_t link, handle;
	int fd;          /* the buffer's memfd */
	uint8_t *map;    /* all slots */
	size_t slots, slot_size;
	size_t reserved[FILE_SLOTS]; /* bytes of each slot that memory is set aside for */
	size_t most;     /* bytes in one write */
	size_t active;
	size_t begin, end, filled;
	uint64_t position;
	bool at_end;     /* nothing follows the window, as far as this call knows */
	enum buffering buffering;
};

/* ---- life ---- */

static struct file *any_file(lua_State *L)
{
	return luaL_checkudata(L, 1, FILE_TYPE);
}

/* What the destination's end has not closed. */
static bool is_open(const struct file *f)
{
	return f->open && f->destination->pool != NULL;
}

static struct file *check(lua_State *L)
{
	struct file *f = any_file(L);
	if (!is_open(f))
		luaL_error(L, "attempt to use a closed file");
	if (!destination_is_ours(f->destination))
		luaL_error(L, "attempt to use a file that was opened before a fork");
	return f;
}

static void unmap(struct file *f)
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
static bool reserve(struct file *f, size_t slot, size_t size)
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

static int push_no_buffer(lua_State *L)
{
	return local_push_failure(L, "no memory for a file's buffer", errno);
}

/* file(destination, state, slot_size, slots) -> file, not open yet | nil, code, text */
static int new_file(lua_State *L)
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
		return push_no_buffer(L);
	return 1;
}

/* file_limit() -> bytes that a file's whole buffer may have, since the host has a limit on file sizes; nil for none */
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
	struct file *f = any_file(L);
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
	unmap(any_file(L));
	return 0;
}

static struct link *link_of(const struct file *f)
{
	struct pool *pool = f->destination->pool;
	return pool != NULL && f->destination->host == getpid() ? pool_link(pool, f->link) : NULL;
}

/* The worker gets what was not sent yet and the close, and nobody waits for it: a collector must not. */
static int collect(lua_State *L)
{
	struct file *f = any_file(L);
	struct link *link = f->open ? link_of(f) : NULL;
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
	unmap(f);
	return 0;
}

/* ---- what Lua's side asks and says ---- */

static int file_state(lua_State *L)
{
	any_file(L);
	lua_getiuservalue(L, 1, 2);
	return 1;
}

static int file_is_open(lua_State *L)
{
	lua_pushboolean(L, is_open(any_file(L)));
	return 1;
}

/* file_where(file) -> position, active slot's offset in the buffer, filled, writing, unread */
static int file_where(lua_State *L)
{
	struct file *f = any_file(L);
	lua_pushinteger(L, (lua_Integer)f->position);
	lua_pushinteger(L, (lua_Integer)(f->active * f->slot_size));
	lua_pushinteger(L, (lua_Integer)f->filled);
	lua_pushboolean(L, f->writing);
	lua_pushinteger(L, (lua_Integer)(f->end - f->begin));
	return 5;
}

static size_t check_slot(lua_State *L, const struct file *f, int argument)
{
	size_t from = (size_t)luaL_checkinteger(L, argument);
	luaL_argcheck(L, from % f->slot_size == 0 && from / f->slot_size < f->slots, argument, "no slot");
	return from / f->slot_size;
}

/* file_reserve(file, offset in the buffer, size) -> whether there is memory for that */
static int file_reserve(lua_State *L)
{
	struct file *f = any_file(L);
	lua_pushboolean(L, reserve(f, check_slot(L, f, 2), (size_t)luaL_checkinteger(L, 3)));
	return 1;
}

/* file_window(file, offset in the buffer, size, at_end): bytes have come, and are the next ones */
static int file_window(lua_State *L)
{
	struct file *f = any_file(L);
	size_t slot = check_slot(L, f, 2), size = (size_t)luaL_checkinteger(L, 3);
	luaL_argcheck(L, size <= f->reserved[slot], 3, "too large");
	f->active = slot;
	f->begin = 0;
	f->end = size;
	f->at_end = lua_toboolean(L, 4);
	return 0;
}

/* file_turn(file, writing, position): nothing is buffered any more */
static int file_turn(lua_State *L)
{
	struct file *f = any_file(L);
	f->writing = lua_toboolean(L, 2);
	f->position = (uint64_t)luaL_checkinteger(L, 3);
	f->begin = f->end = f->filled = 0;
	f->at_end = false;
	return 0;
}

/* file_sent(file, offset in the buffer): the active slot is on its way; writing goes on in the one that lies there */
static int file_sent(lua_State *L)
{
	struct file *f = any_file(L);
	f->filled = 0;
	f->active = check_slot(L, f, 2);
	return 0;
}

/* file_skip(file, position) -> true when the position lies within the window: nothing has to be fetched anew */
static int file_skip(lua_State *L)
{
	struct file *f = any_file(L);
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
	any_file(L)->buffering = (enum buffering)luaL_checkinteger(L, 2);
	return 0;
}

/* ---- reading ---- */

/* How an item came out: it stands on the stack, more bytes are needed first, or there is none (nil stands there). */
enum item { ITEM_READ, ITEM_WANTS_MORE, ITEM_NONE };

static size_t unread(const struct file *f)
{
	return f->end - f->begin;
}

static const char *window(const struct file *f)
{
	return (const char *)f->map + f->active * f->slot_size + f->begin;
}

static void consume(struct file *f, size_t n)
{
	f->begin += n;
	f->position += n;
}

/*
 * Moves bytes from the window to the stack, and passes over `skip` more. Lua copies them before it collects anything; what it has
 * finalized then may have closed this very file, or moved it elsewhere. Where that was refused nothing has moved.
 */
static void push_bytes(lua_State *L, struct file *f, size_t n, size_t skip)
{
	uint64_t position = f->position;
	size_t begin = f->begin, end = f->end;

	luaL_checkstack(L, 4, "too many pieces");
	lua_pushlstring(L, window(f), n);
	check(L);
	if (f->position != position || f->begin != begin || f->end != end)
		luaL_error(L, "the file was used by a finalizer while it was read");
	consume(f, n + skip);
}

/* Makes one string of the pieces above `base`. */
static void join(lua_State *L, int base)
{
	int pieces = lua_gettop(L) - base;
	lua_concat(L, pieces);
}

static enum item nothing(lua_State *L, int base)
{
	lua_settop(L, base);
	lua_pushnil(L);
	return ITEM_NONE;
}

static enum item read_line(lua_State *L, struct file *f, int base, bool keep_newline)
{
	const char *newline;

	if (unread(f) == 0 && !f->at_end)
		return ITEM_WANTS_MORE;
	newline = unread(f) > 0 ? memchr(window(f), '\n', unread(f)) : NULL;
	if (newline != NULL) {
		size_t n = (size_t)(newline - window(f));
		push_bytes(L, f, n + keep_newline, !keep_newline);
		join(L, base);
		return ITEM_READ;
	}
	if (unread(f) > 0) {
		push_bytes(L, f, unread(f), 0);
		if (!f->at_end)
			return ITEM_WANTS_MORE;
	}
	if (lua_gettop(L) == base)
		return nothing(L, base);
	join(L, base);
	return ITEM_READ;
}

static enum item read_all(lua_State *L, struct file *f, int base)
{
	if (unread(f) > 0)
		push_bytes(L, f, unread(f), 0);
	if (!f->at_end)
		return ITEM_WANTS_MORE;
	join(L, base);
	return ITEM_READ;
}

static size_t pieces_size(lua_State *L, int base)
{
	size_t size = 0;
	for (int i = base + 1; i <= lua_gettop(L); i++)
		size += lua_rawlen(L, i);
	return size;
}

static enum item read_count(lua_State *L, struct file *f, int base, size_t count)
{
	size_t left = count - pieces_size(L, base);

	if (count == 0) { /* asks whether anything is left */
		if (unread(f) == 0)
			return f->at_end ? nothing(L, base) : ITEM_WANTS_MORE;
		lua_pushliteral(L, "");
		return ITEM_READ;
	}
	if (unread(f) > 0) {
		size_t n = unread(f) < left ? unread(f) : left;
		push_bytes(L, f, n, 0);
		left -= n;
	}
	if (left > 0 && !f->at_end)
		return ITEM_WANTS_MORE;
	if (lua_gettop(L) == base)
		return nothing(L, base);
	join(L, base);
	return ITEM_READ;
}

/* ---- numbers ---- */

static void skip_space(struct file *f)
{
	while (unread(f) > 0 && strchr(" \f\n\r\t\v", *window(f)) != NULL && *window(f) != '\0')
		consume(f, 1);
}

/* A numeral that reaches the window's end waits on the stack, as one piece, for what follows. */
static enum item read_number(lua_State *L, struct file *f, int base)
{
	char text[2 * NUMERAL_SIZE + 2];
	struct numeral n = {.text = text};
	size_t before = 0;

	if (lua_gettop(L) > base) {
		const char *piece = lua_tolstring(L, -1, &before);
		memcpy(text, piece, before);
	}
	if (before == 0)
		skip_space(f);
	n.size = unread(f) < NUMERAL_SIZE + 1 ? unread(f) : NUMERAL_SIZE + 1;
	if (n.size > 0)
		memcpy(text + before, window(f), n.size);
	n.size += before;
	numeral_scan(&n);
	if (n.at == n.size && !f->at_end && !n.too_long) {
		push_bytes(L, f, n.size - before, 0);
		join(L, base);
		return ITEM_WANTS_MORE;
	}
	consume(f, n.at - before);
	n.kept[n.length] = '\0';
	lua_settop(L, base);
	if (!n.too_long && lua_stringtonumber(L, n.kept) != 0)
		return ITEM_READ;
	lua_pushnil(L);
	return ITEM_NONE;
}

static enum item read_item(lua_State *L, struct file *f, int format, int base)
{
	const char *p;

	if (lua_type(L, format) == LUA_TNUMBER) {
		lua_Integer count = luaL_checkinteger(L, format);
		luaL_argcheck(L, count >= 0, format, "a count must not be negative");
		return read_count(L, f, base, (size_t)count);
	}
	p = luaL_checkstring(L, format);
	if (*p == '*')
		p++;
	switch (*p) {
	case 'n': return read_number(L, f, base);
	case 'l': return read_line(L, f, base, false);
	case 'L': return read_line(L, f, base, true);
	case 'a': return read_all(L, f, base);
	default: luaL_argerror(L, format, "invalid format"); return ITEM_NONE;
	}
}

/*
 * The stack: file, formats (2 to `last`), the index of the one that is being read, results, then the pieces of the item. `context` is
 * `last`: there may be as many as Lua's stack holds.
 */
static int read_on(lua_State *L, int status, lua_KContext context)
{
	struct file *f = any_file(L);
	int last = (int)context, base = last + 1, format = (int)lua_tointeger(L, base);
	bool asked = status != LUA_OK; /* Lua's side has filled the window, or failed */
	bool first = status == LUA_OK;

	for (;;) {
		if (asked && !lua_toboolean(L, -3))
			return 3;
		if (asked) {
			lua_pop(L, 3);
			check(L);
		}
		for (asked = false; format <= last && !asked; format += !asked) {
			enum item item = read_item(L, f, format, base + (format - 2));
			if (item == ITEM_NONE)
				return lua_gettop(L) - base;
			asked = item == ITEM_WANTS_MORE;
		}
		if (!asked)
			return lua_gettop(L) - base;
		luaL_checkstack(L, 8, NULL);
		lua_pushinteger(L, format);
		lua_replace(L, base);
		lua_pushvalue(L, lua_upvalueindex(1));
		lua_pushvalue(L, 1);
		lua_pushboolean(L, first);
		first = false;
		lua_callk(L, 2, 3, context, read_on);
	}
}

/* Each call looks for the end of the file anew: another may have appended. */
static int begin_read(lua_State *L, struct file *f)
{
	int last = lua_gettop(L);

	f->at_end = false;
	if (last == 1) {
		lua_pushliteral(L, "l");
		last = 2;
	}
	luaL_checkstack(L, last + LUA_MINSTACK, "too many arguments");
	lua_pushinteger(L, 2);
	return read_on(L, LUA_OK, last);
}

static int push_no_access(lua_State *L, const char *what)
{
	lua_pushnil(L);
	lua_pushfstring(L, "the file is not open for %s", what);
	lua_pushliteral(L, "access_denied");
	return 3;
}

static bool asks_for_line(lua_State *L)
{
	const char *format;
	if (lua_gettop(L) == 1)
		return true;
	format = lua_gettop(L) == 2 && lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
	return format[0] == 'l';
}

/* What most calls ask for, without what the others need: a line that lies in the window. */
static bool push_whole_line(lua_State *L, struct file *f)
{
	const char *line = window(f), *newline = unread(f) > 0 ? memchr(line, '\n', unread(f)) : NULL;
	if (newline == NULL)
		return false;
	push_bytes(L, f, (size_t)(newline - line), 1);
	return true;
}

/* file:read(...) as io's. Upvalue: fill(file, first) -> true | nil, message, code, which gives the window bytes or the end. */
static int file_read(lua_State *L)
{
	struct file *f = check(L);
	if (!f->readable)
		return push_no_access(L, "reading");
	if (asks_for_line(L) && push_whole_line(L, f))
		return 1;
	return begin_read(L, f);
}

/* ---- writing ---- */

static size_t room(struct file *f)
{
	return f->writing ? f->most - f->filled : 0;
}

static bool wants_flush(const struct file *f, const char *data, size_t size)
{
	return f->buffering == BUFFER_NONE || (f->buffering == BUFFER_LINE && memchr(data, '\n', size) != NULL);
}

/* A float is written as io writes it, which is not how tostring does. */
static const char *check_data(lua_State *L, int argument, size_t *size)
{
	if (lua_type(L, argument) == LUA_TNUMBER && !lua_isinteger(L, argument)) {
		char text[64];
		snprintf(text, sizeof text, LUA_NUMBER_FMT, (LUAI_UACNUMBER)lua_tonumber(L, argument));
		lua_pushstring(L, text);
		lua_replace(L, argument);
	}
	return luaL_checklstring(L, argument, size);
}

enum { NO_ACCESS = -1 };

/*
 * Writes what there is room for of an argument, `written` bytes of which are there already; gives which upvalue has to be called now,
 * 0 for none, or NO_ACCESS. A number becomes a string first: that may run collectors, which may close the file.
 */
static int write_some(lua_State *L, int *argument, size_t *written)
{
	size_t size, n;
	const char *data = check_data(L, *argument, &size);
	struct file *f = check(L);

	if (size > 0 && !f->writable)
		return NO_ACCESS;
	n = size - *written < room(f) ? size - *written : room(f);
	if (n > 0) {
		if (!reserve(f, f->active, f->filled + n))
			luaL_error(L, "no memory for a file's buffer");
		memcpy(f->map + f->active * f->slot_size + f->filled, data + *written, n);
		f->filled += n;
		f->position += n;
	}
	*written += n;
	if (*written < size)
		return 1;
	*written = 0;
	++*argument;
	return wants_flush(f, data, size) ? 2 : 0;
}

/*
 * The stack: file, arguments (2 to `last`), the index of the one that is being written, how much of it is. `context` as for reading.
 * Upvalues: drain(file, first) -> true | nil, message, code, which makes room; flush(file, first), likewise.
 */
static int write_on(lua_State *L, int status, lua_KContext context)
{
	int last = (int)context, argument = (int)lua_tointeger(L, last + 1);
	size_t written = (size_t)lua_tointeger(L, last + 2);
	bool asked = status != LUA_OK, first = status == LUA_OK;

	for (;;) {
		int upvalue = 0;
		if (asked && !lua_toboolean(L, -3))
			return 3;
		if (asked) {
			lua_pop(L, 3);
			check(L);
		}
		while (argument <= last && upvalue == 0)
			upvalue = write_some(L, &argument, &written);
		if (upvalue == NO_ACCESS)
			return push_no_access(L, "writing");
		if (upvalue == 0)
			break;
		lua_pushinteger(L, argument);
		lua_replace(L, last + 1);
		lua_pushinteger(L, (lua_Integer)written);
		lua_replace(L, last + 2);
		lua_pushvalue(L, lua_upvalueindex(upvalue));
		lua_pushvalue(L, 1);
		lua_pushboolean(L, first);
		asked = true;
		first = false;
		lua_callk(L, 2, 3, context, write_on);
	}
	lua_pushvalue(L, 1);
	return 1;
}

static int file_write(lua_State *L)
{
	int last = lua_gettop(L);

	check(L);
	luaL_checkstack(L, LUA_MINSTACK, NULL);
	lua_pushinteger(L, 2);
	lua_pushinteger(L, 0);
	return write_on(L, LUA_OK, last);
}

/* ---- registration ---- */

/* file_methods(fill, drain, flush) -> read, write */
static int file_methods(lua_State *L)
{
	lua_settop(L, 3);
	lua_pushvalue(L, 1);
	lua_pushcclosure(L, file_read, 1);
	lua_pushvalue(L, 2);
	lua_pushvalue(L, 3);
	lua_pushcclosure(L, file_write, 2);
	return 2;
}

static const luaL_Reg metamethods[] = {{"__gc", collect}, {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"file", new_file},           {"file_opened", file_opened},   {"file_closed", file_closed},
    {"file_state", file_state},   {"file_is_open", file_is_open}, {"file_where", file_where},
    {"file_window", file_window}, {"file_turn", file_turn},       {"file_sent", file_sent},
    {"file_skip", file_skip},     {"file_reserve", file_reserve}, {"file_buffering", file_buffering},
    {"file_methods", file_methods}, {"file_limit", file_limit},   {NULL, NULL},
};

void file_register(lua_State *L)
{
	luaL_setfuncs(L, functions, 0);
	core_new_type(L, FILE_TYPE, metamethods);
	lua_setfield(L, -2, "file_metatable");
}
