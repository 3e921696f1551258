/* luaopen_smb_core: registers the types. lua/smb makes the public interface of them. */
#include "register.h"

#include "protocol.h"

#include <lauxlib.h>

static void core_set_limit(lua_State *L, const char *field, lua_Integer value)
{
	lua_pushinteger(L, value);
	lua_setfield(L, -2, field);
}

__attribute__((visibility("default"))) int luaopen_smb_core(lua_State *L);

int luaopen_smb_core(lua_State *L)
{
	luaL_checkversion(L);
	lua_newtable(L);
	core_set_limit(L, "stripe_from", SMB_STRIPE_FROM);
	core_set_limit(L, "files_at_once", SMB_FILES_AT_ONCE);
	core_set_limit(L, "path_limit", SMB_PATH_LIMIT);
	core_set_limit(L, "depth_limit", SMB_DEPTH_LIMIT);
	system_register(L);
	destination_register(L);
	request_register(L);
	local_register(L);
	file_register(L);
	job_register(L);
	command_register(L);
	digest_register(L);
	folder_register(L);
	name_index_register(L);
	name_register(L);
	times_register(L);
	attributes_register(L);
	private_register(L);
	probe_register(L);
	return 1;
}
