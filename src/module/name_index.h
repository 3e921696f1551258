/* Files by name, whatever its case and normal form: see name_index.c. */
#ifndef LUA_SMB_NAME_INDEX_H
#define LUA_SMB_NAME_INDEX_H

#include <lua.h>

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct name_index;

struct name_index *name_index_check(lua_State *L, int index);

/* Takes a name in, the userdata being at `index`; false, and nothing taken, where one that some server may take
 * for the same is there. */
bool name_index_take(lua_State *L, int index, const char *name, size_t length);

/* Whether there is a file of exactly this name with the size and time of a local one; from then on it counts as seen. */
bool name_index_has_same(lua_State *L, int index, const char *name, size_t length, const struct stat *st);

#endif
