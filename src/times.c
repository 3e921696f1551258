/* Times for Lua: integers of ticks (ticks.h) within, seconds since 1970 where scripts see them. */
#include "core.h"
#include "ticks.h"

/* ticks(seconds) -> ticks; nil for what is no time */
static int times_ticks(lua_State *L)
{
	int64_t t;
	if (ticks_of_seconds(luaL_checknumber(L, 1), &t))
		lua_pushinteger(L, t);
	else
		lua_pushnil(L);
	return 1;
}

/* seconds(ticks) -> seconds */
static int times_seconds(lua_State *L)
{
	lua_pushnumber(L, ticks_seconds(luaL_checkinteger(L, 1)));
	return 1;
}

/* is_holdable(ticks) -> whether SMB can say that time */
static int times_is_holdable(lua_State *L)
{
	lua_Integer t = luaL_checkinteger(L, 1);
	lua_pushboolean(L, t >= TICKS_FIRST && t <= TICKS_LAST);
	return 1;
}

/* is_same_time(ours, theirs) -> whether a time on the share, in ticks, is what became of one of ours */
static int times_is_same(lua_State *L)
{
	lua_pushboolean(L, ticks_kept(luaL_checkinteger(L, 1), luaL_checkinteger(L, 2)));
	return 1;
}

void times_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
	    {"ticks", times_ticks}, {"seconds", times_seconds}, {"is_holdable", times_is_holdable}, {"is_same_time", times_is_same}, {NULL, NULL}};
	luaL_setfuncs(L, functions, 0);
}
