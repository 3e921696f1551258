/* The types: each adds its functions to the table on the top of the stack. */
#ifndef LUA_SMB_REGISTER_H
#define LUA_SMB_REGISTER_H

#include <lua.h>

void attributes_register(lua_State *L);
void command_register(lua_State *L);
void destination_register(lua_State *L);
void digest_register(lua_State *L);
void file_register(lua_State *L);
void folder_register(lua_State *L);
void job_register(lua_State *L);
void local_register(lua_State *L);
void name_index_register(lua_State *L);
void name_register(lua_State *L);
void private_register(lua_State *L);
void probe_register(lua_State *L);
void request_register(lua_State *L);
void system_register(lua_State *L);
void times_register(lua_State *L);

#endif
