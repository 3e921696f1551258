/*
 * The worker's rules for what may leave (src/worker/demand.c), for Lua: demands.check(demand, agreed, frame) returns
 * why the frame must not leave, or nil, and of a logon a table; demands.is_kept(demand, agreed). No server, no
 * connection.
 */
#include "worker/demand.h"

#include <lauxlib.h>
#include <lua.h>

static const char *const words[] = {
    [REFUSED_CLEAR] = "clear", [REFUSED_UNSIGNED] = "unsigned", [REFUSED_GUEST] = "guest",
    [REFUSED_NTLM] = "ntlm",   [REFUSED_NOBODY] = "nobody",
};

static bool flag(lua_State *L, int index, const char *name)
{
	bool value;

	lua_getfield(L, index, name);
	value = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return value;
}

static struct demand demand_at(lua_State *L, int index)
{
	luaL_checktype(L, index, LUA_TTABLE);
	return (struct demand){
	    .encryption = flag(L, index, "encryption"),
	    .signing = flag(L, index, "signing"),
	    .named = flag(L, index, "named"),
	    .kerberos = flag(L, index, "kerberos"),
	};
}

static struct smb_info agreed_at(lua_State *L, int index)
{
	struct smb_info agreed = {
	    .guest = flag(L, index, "guest"),
	    .anonymous = flag(L, index, "anonymous"),
	    .encryption = flag(L, index, "encryption"),
	    .signing = flag(L, index, "signing"),
	    .mechanism = flag(L, index, "kerberos") ? SMB_MECHANISM_KERBEROS : SMB_MECHANISM_NTLM,
	};

	lua_getfield(L, index, "dialect");
	agreed.dialect = (uint32_t)luaL_optinteger(L, -1, 0x0311);
	lua_pop(L, 1);
	return agreed;
}

static void push_refusal(lua_State *L, enum refusal why)
{
	if (why == REFUSED_NOT)
		lua_pushnil(L);
	else
		lua_pushstring(L, words[why]);
}

static int check(lua_State *L)
{
	struct demand demand = demand_at(L, 1);
	struct smb_info agreed = agreed_at(L, 2);
	struct demand_logon logon;
	struct frame f;
	enum refusal why;

	f.bytes = (const uint8_t *)luaL_checklstring(L, 3, &f.size);
	why = demand_check(&demand, &agreed, &f);
	if (why != REFUSED_NOT || !demand_is_logon(&f)) {
		push_refusal(L, why);
		return 1;
	}
	push_refusal(L, demand_check_logon(&demand, &f, &logon));
	lua_createtable(L, 0, 3);
	lua_pushboolean(L, logon.is_ntlm);
	lua_setfield(L, -2, "is_ntlm");
	lua_pushboolean(L, logon.proves_password);
	lua_setfield(L, -2, "proves_password");
	lua_pushstring(L, logon.token.user);
	lua_setfield(L, -2, "user");
	return 2;
}

static int is_kept(lua_State *L)
{
	struct demand demand = demand_at(L, 1);
	struct smb_info agreed = agreed_at(L, 2);

	lua_pushboolean(L, demand_is_kept(&demand, &agreed));
	return 1;
}

__attribute__((visibility("default"))) int luaopen_demands(lua_State *L)
{
	static const luaL_Reg functions[] = {{"check", check}, {"is_kept", is_kept}, {NULL, NULL}};

	luaL_newlib(L, functions);
	return 1;
}
