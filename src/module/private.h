/* Files whose content is a secret. */
#ifndef LUA_SMB_PRIVATE_H
#define LUA_SMB_PRIVATE_H

#include <lua.h>

/* Adds read_private to the table on top. */
void private_register(lua_State *L);

#endif
