/*
 * userdata "smb.job": a call that goes on while the script does something else. lua/smb/job.lua keeps its state and
 * puts the methods into the metatable.
 */
#include "register.h"
#include "support.h"

#define JOB_TYPE "smb.job"

/* job(state) -> job */
static int job_new(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_newuserdatauv(L, 0, 1);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	luaL_setmetatable(L, JOB_TYPE);
	return 1;
}

/* job_state(value) -> its state; nil for what is no job */
static int job_state(lua_State *L)
{
	luaL_checkany(L, 1);
	if (luaL_testudata(L, 1, JOB_TYPE) == NULL)
		return 0;
	lua_getiuservalue(L, 1, 1);
	return 1;
}

void job_register(lua_State *L)
{
	static const luaL_Reg metamethods[] = {{NULL, NULL}};
	static const luaL_Reg functions[] = {{"job", job_new}, {"job_state", job_state}, {NULL, NULL}};

	luaL_setfuncs(L, functions, 0);
	support_new_type(L, JOB_TYPE, metamethods);
	lua_setfield(L, -2, "job_metatable");
}
