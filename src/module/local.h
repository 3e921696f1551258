/* What other types ask of a local file or folder: see local.c. */
#ifndef LUA_SMB_LOCAL_H
#define LUA_SMB_LOCAL_H

#include <lua.h>
#include <stdint.h>

/* The descriptor of the local file at `index`. */
int local_check_fd(lua_State *L, int index);

/* smb_stamp() of the local file at `index` when it was opened; 0 for any other value. */
uint64_t local_stamp(lua_State *L, int index);

/* The folder at `index` that paths lie below; BENEATH_NOTHING (beneath.h) without one. */
int local_root(lua_State *L, int index);

/*
 * As support_push_errno, for a call that fails with ELOOP where a link stands in a folder's place, below the folder at
 * `root`.
 */
int local_push_astray(lua_State *L, int root, const char *what, int error);

#endif
