#include "support.h"

#include "shared/ticks.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CODE_WORD(name, word) word,
static const char *const code_words[SMB_CODE_COUNT] = {SMB_CODES(CODE_WORD)};

void support_new_type(lua_State *L, const char *name, const luaL_Reg *methods)
{
	luaL_newmetatable(L, name);
	luaL_setfuncs(L, methods, 0);
}

/* ---- failures ---- */

int support_push_fault(lua_State *L, const struct smb_fault *fault)
{
	lua_pushnil(L);
	lua_pushstring(L, code_words[fault->code < SMB_CODE_COUNT ? fault->code : (uint32_t)SMB_FAILED]);
	lua_pushstring(L, fault->text);
	return 3;
}

int support_push_errno(lua_State *L, const char *what, int error)
{
	lua_pushnil(L);
	lua_pushliteral(L, "local_io");
	lua_pushfstring(L, "%s (%s)", what, strerror(error));
	return 3;
}

const char *support_check_path(lua_State *L, int index)
{
	size_t length;
	const char *path = luaL_checklstring(L, index, &length);

	return strlen(path) == length ? path : NULL;
}

/* ---- waiting ---- */

int support_wait_slice(lua_Number seconds)
{
	const int most = 100; /* milliseconds: how late a Ctrl-C may be seen */

	if (!(seconds > 0))
		return 0;
	return seconds * 1000 < most ? (int)ceil(seconds * 1000) : most;
}

/*
 * lua.c answers Ctrl-C with a hook in the main thread; a coroutine would not notice before it ends. Such a hook is
 * moved to the thread that waits, where it raises at the next instruction.
 */
void support_move_interrupt_here(lua_State *L)
{
	const int any = LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT;
	lua_State *main;
	lua_Hook hook;

	lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
	main = lua_tothread(L, -1);
	lua_pop(L, 1);
	hook = lua_gethook(main);
	if (main == L || hook == NULL || hook == lua_gethook(L) || lua_gethookmask(main) != any ||
	    lua_gethookcount(main) != 1)
		return;
	lua_sethook(L, hook, any, 1);
	lua_sethook(main, NULL, 0, 0);
}

/* ---- values and fields ---- */

void support_push_hex(lua_State *L, const uint8_t *bytes, size_t count)
{
	char text[2 * 64 + 1] = "";

	for (size_t i = 0; i < count && 2 * i + 2 < sizeof text; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	lua_pushstring(L, text);
}

void support_set_flag(lua_State *L, const char *field, bool value)
{
	lua_pushboolean(L, value);
	lua_setfield(L, -2, field);
}

void support_set_integer(lua_State *L, const char *field, uint64_t value)
{
	lua_pushinteger(L, (lua_Integer)value);
	lua_setfield(L, -2, field);
}

void support_set_text(lua_State *L, const char *field, const char *text)
{
	if (text == NULL || text[0] == '\0')
		return;
	lua_pushstring(L, text);
	lua_setfield(L, -2, field);
}

void support_set_ticks(lua_State *L, const char *field, int64_t ticks)
{
	lua_pushinteger(L, ticks);
	lua_setfield(L, -2, field);
}

void support_set_seconds(lua_State *L, const char *field, int64_t ticks)
{
	if (ticks == TICKS_UNKNOWN)
		return;
	lua_pushnumber(L, ticks_seconds(ticks));
	lua_setfield(L, -2, field);
}
