/* The entries of a folder by name: see name_index.c. */
#ifndef LUA_SMB_NAME_INDEX_H
#define LUA_SMB_NAME_INDEX_H

#include <lua.h>

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct name_index;

struct name_index *name_index_check(lua_State *L, int index);

/*
 * Adds a name to the index at `index`. False, and nothing is added, if it has one that some server may take for the
 * same.
 */
bool name_index_take(lua_State *L, int index, const char *name, size_t length);

/* Whether the index has a file of exactly this name that is unchanged; marks it for name_index_unseen. */
bool name_index_has_same(lua_State *L, int index, const char *name, size_t length, const struct stat *st);

#endif
