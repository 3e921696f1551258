/*
 * Reading and writing in an open file's buffer as Lua's own io does. Whatever needs a worker (filling the window,
 * making room, flushing) is a function of lua/smb/file.lua: it is called with no C frame between, so that it may yield
 * or raise.
 */
#include "file.h"

#include "numeral.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

/* ---- reading ---- */

/* ITEM_READ: the item is on the stack. ITEM_WANTS_MORE: more bytes are needed first. ITEM_NONE: nil is on the stack. */
enum item { ITEM_READ, ITEM_WANTS_MORE, ITEM_NONE };

static size_t io_unread(const struct file *f)
{
	return f->end - f->begin;
}

static const char *io_window(const struct file *f)
{
	return (const char *)f->map + f->active * f->slot_size + f->begin;
}

static void io_consume(struct file *f, size_t n)
{
	f->begin += n;
	f->position += n;
}

/*
 * Moves bytes from the window, or a copy of them, to the stack, and passes over `skip` more. Lua copies the bytes
 * before it runs a collector. A finalizer may then close this very file, or move within it: where that happened the
 * bytes are not consumed.
 */
static void io_push_bytes_at(lua_State *L, struct file *f, const char *bytes, size_t n, size_t skip)
{
	uint64_t position = f->position;
	size_t begin = f->begin, end = f->end;

	luaL_checkstack(L, 4, "too many pieces");
	lua_pushlstring(L, bytes, n);
	file_check(L);
	if (f->position != position || f->begin != begin || f->end != end)
		luaL_error(L, "the file was used by a finalizer while it was read");
	io_consume(f, n + skip);
}

static void io_push_bytes(lua_State *L, struct file *f, size_t n, size_t skip)
{
	io_push_bytes_at(L, f, io_window(f), n, skip);
}

/* Makes one string of the pieces above `base`. */
static void io_join(lua_State *L, int base)
{
	int pieces = lua_gettop(L) - base;
	lua_concat(L, pieces);
}

static enum item io_push_nothing(lua_State *L, int base)
{
	lua_settop(L, base);
	lua_pushnil(L);
	return ITEM_NONE;
}

static enum item io_read_line(lua_State *L, struct file *f, int base, bool keep_newline)
{
	const char *newline;

	if (io_unread(f) == 0 && !f->at_end)
		return ITEM_WANTS_MORE;
	newline = io_unread(f) > 0 ? memchr(io_window(f), '\n', io_unread(f)) : NULL;
	if (newline != NULL) {
		size_t n = (size_t)(newline - io_window(f));
		io_push_bytes(L, f, n + keep_newline, !keep_newline);
		io_join(L, base);
		return ITEM_READ;
	}
	if (io_unread(f) > 0) {
		io_push_bytes(L, f, io_unread(f), 0);
		if (!f->at_end)
			return ITEM_WANTS_MORE;
	}
	if (lua_gettop(L) == base)
		return io_push_nothing(L, base);
	io_join(L, base);
	return ITEM_READ;
}

static enum item io_read_all(lua_State *L, struct file *f, int base)
{
	if (io_unread(f) > 0)
		io_push_bytes(L, f, io_unread(f), 0);
	if (!f->at_end)
		return ITEM_WANTS_MORE;
	io_join(L, base);
	return ITEM_READ;
}

static size_t io_pieces_size(lua_State *L, int base)
{
	size_t size = 0;
	for (int i = base + 1; i <= lua_gettop(L); i++)
		size += lua_rawlen(L, i);
	return size;
}

static enum item io_read_count(lua_State *L, struct file *f, int base, size_t count)
{
	size_t left = count - io_pieces_size(L, base);

	if (count == 0) { /* asks whether the end is reached */
		if (io_unread(f) == 0)
			return f->at_end ? io_push_nothing(L, base) : ITEM_WANTS_MORE;
		lua_pushliteral(L, "");
		return ITEM_READ;
	}
	if (io_unread(f) > 0) {
		size_t n = io_unread(f) < left ? io_unread(f) : left;
		io_push_bytes(L, f, n, 0);
		left -= n;
	}
	if (left > 0 && !f->at_end)
		return ITEM_WANTS_MORE;
	if (lua_gettop(L) == base)
		return io_push_nothing(L, base);
	io_join(L, base);
	return ITEM_READ;
}

/* ---- numbers ---- */

static void io_skip_space(struct file *f)
{
	while (io_unread(f) > 0 && strchr(" \f\n\r\t\v", *io_window(f)) != NULL && *io_window(f) != '\0')
		io_consume(f, 1);
}

/*
 * A numeral that reaches the window's end waits on the stack, as one piece, for the bytes behind it: as it was scanned,
 * for a worker may change the window at any time.
 */
static enum item io_read_number(lua_State *L, struct file *f, int base)
{
	char text[2 * NUMERAL_SIZE + 2];
	struct numeral n = {.text = text};
	size_t before = 0;

	if (lua_gettop(L) > base) {
		const char *piece = lua_tolstring(L, -1, &before);
		memcpy(text, piece, before);
	}
	if (before == 0)
		io_skip_space(f);
	n.size = io_unread(f) < NUMERAL_SIZE + 1 ? io_unread(f) : NUMERAL_SIZE + 1;
	if (n.size > 0)
		memcpy(text + before, io_window(f), n.size);
	n.size += before;
	numeral_scan(&n);
	if (n.at == n.size && !f->at_end && !n.too_long) {
		io_push_bytes_at(L, f, text + before, n.size - before, 0);
		io_join(L, base);
		return ITEM_WANTS_MORE;
	}
	io_consume(f, n.at - before);
	n.kept[n.length] = '\0';
	lua_settop(L, base);
	if (!n.too_long && lua_stringtonumber(L, n.kept) != 0)
		return ITEM_READ;
	lua_pushnil(L);
	return ITEM_NONE;
}

static enum item io_read_item(lua_State *L, struct file *f, int format, int base)
{
	const char *p;

	if (lua_type(L, format) == LUA_TNUMBER) {
		lua_Integer count = luaL_checkinteger(L, format);
		luaL_argcheck(L, count >= 0, format, "a count must not be negative");
		return io_read_count(L, f, base, (size_t)count);
	}
	p = luaL_checkstring(L, format);
	if (*p == '*')
		p++;
	switch (*p) {
	case 'n': return io_read_number(L, f, base);
	case 'l': return io_read_line(L, f, base, false);
	case 'L': return io_read_line(L, f, base, true);
	case 'a': return io_read_all(L, f, base);
	default: luaL_argerror(L, format, "invalid format"); return ITEM_NONE;
	}
}

/*
 * The stack: file, formats (2 to `last`), index of the format that is being read, results, pieces of the current item.
 * `context` is `last`: there may be as many formats as Lua's stack holds.
 */
static int io_read_on(lua_State *L, int status, lua_KContext context)
{
	struct file *f = file_check_any(L);
	int last = (int)context, base = last + 1, format = (int)lua_tointeger(L, base);
	bool asked = status != LUA_OK; /* Lua's side has filled the window, or failed */
	bool first = status == LUA_OK;

	for (;;) {
		if (asked && !lua_toboolean(L, -3))
			return 3;
		if (asked) {
			lua_pop(L, 3);
			file_check(L);
		}
		for (asked = false; format <= last && !asked; format += !asked) {
			enum item item = io_read_item(L, f, format, base + (format - 2));
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
		lua_callk(L, 2, 3, context, io_read_on);
	}
}

/* Each call checks for the end of the file anew: another client may have appended. */
static int io_begin_read(lua_State *L, struct file *f)
{
	int last = lua_gettop(L);

	f->at_end = false;
	if (last == 1) {
		lua_pushliteral(L, "l");
		last = 2;
	}
	luaL_checkstack(L, last + LUA_MINSTACK, "too many arguments");
	lua_pushinteger(L, 2);
	return io_read_on(L, LUA_OK, last);
}

static int io_push_no_access(lua_State *L, const char *what)
{
	lua_pushnil(L);
	lua_pushfstring(L, "the file is not open for %s", what);
	lua_pushliteral(L, "access_denied");
	return 3;
}

static bool io_asks_for_line(lua_State *L)
{
	const char *format;
	if (lua_gettop(L) == 1)
		return true;
	format = lua_gettop(L) == 2 && lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
	return format[0] == 'l';
}

/* The short way for most calls: a line that lies within the window. */
static bool io_push_whole_line(lua_State *L, struct file *f)
{
	const char *line = io_window(f), *newline = io_unread(f) > 0 ? memchr(line, '\n', io_unread(f)) : NULL;
	if (newline == NULL)
		return false;
	io_push_bytes(L, f, (size_t)(newline - line), 1);
	return true;
}

/* file:read(...) as io's. Upvalue: fill(file, first) -> true | nil, message, code; fills the window or sets its end. */
static int io_read(lua_State *L)
{
	struct file *f = file_check(L);
	if (!f->readable)
		return io_push_no_access(L, "reading");
	if (io_asks_for_line(L) && io_push_whole_line(L, f))
		return 1;
	return io_begin_read(L, f);
}

/* ---- writing ---- */

static size_t io_room(struct file *f)
{
	return f->writing ? f->most - f->filled : 0;
}

static bool io_wants_flush(const struct file *f, const char *data, size_t size)
{
	return f->buffering == FILE_BUFFER_NONE ||
	       (f->buffering == FILE_BUFFER_LINE && memchr(data, '\n', size) != NULL);
}

/* Writes a float as io does, which is not how tostring does. */
static const char *io_check_data(lua_State *L, int argument, size_t *size)
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
 * Writes as much of an argument as there is room for; `written` of its bytes are written already. Returns the upvalue
 * that has to be called now (0: none), or NO_ACCESS. A number becomes a string first: that may run a collector, which
 * may close the file.
 */
static int io_write_some(lua_State *L, int *argument, size_t *written)
{
	size_t size, n;
	const char *data = io_check_data(L, *argument, &size);
	struct file *f = file_check(L);

	if (size > 0 && !f->writable)
		return NO_ACCESS;
	n = size - *written < io_room(f) ? size - *written : io_room(f);
	if (n > 0) {
		if (!file_reserve(f, f->active, f->filled + n))
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
	return io_wants_flush(f, data, size) ? 2 : 0;
}

/*
 * The stack: file, arguments (2 to `last`), index of the argument that is being written, how many bytes of it are.
 * `context` as for reading. Upvalues: drain(file, first) -> true | nil, message, code; makes room. flush(file, first),
 * likewise.
 */
static int io_write_on(lua_State *L, int status, lua_KContext context)
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
			file_check(L);
		}
		while (argument <= last && upvalue == 0)
			upvalue = io_write_some(L, &argument, &written);
		if (upvalue == NO_ACCESS)
			return io_push_no_access(L, "writing");
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
		lua_callk(L, 2, 3, context, io_write_on);
	}
	lua_pushvalue(L, 1);
	return 1;
}

static int io_write(lua_State *L)
{
	int last = lua_gettop(L);

	file_check(L);
	luaL_checkstack(L, LUA_MINSTACK, NULL);
	lua_pushinteger(L, 2);
	lua_pushinteger(L, 0);
	return io_write_on(L, LUA_OK, last);
}

/* ---- registration ---- */

/* file_methods(fill, drain, flush) -> read, write */
static int io_methods(lua_State *L)
{
	lua_settop(L, 3);
	lua_pushvalue(L, 1);
	lua_pushcclosure(L, io_read, 1);
	lua_pushvalue(L, 2);
	lua_pushvalue(L, 3);
	lua_pushcclosure(L, io_write, 2);
	return 2;
}

void file_io_register(lua_State *L)
{
	lua_pushcfunction(L, io_methods);
	lua_setfield(L, -2, "file_methods");
}
