/* What the userdata types have in common: metatables, failures, fields of a table, slices of a wait. */
#ifndef LUA_SMB_SUPPORT_H
#define LUA_SMB_SUPPORT_H

#include "protocol.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Registers a metatable with `methods` (metamethods) and leaves it on the stack. */
void support_new_type(lua_State *L, const char *name, const luaL_Reg *methods);

/* Pushes nil, the code's word and the text; returns 3. */
int support_push_fault(lua_State *L, const struct smb_fault *fault);

/* Pushes nil, "local_io" and what happened, with errno's sentence; returns 3. */
int support_push_errno(lua_State *L, const char *what, int error);

/* The path at `index`; NULL if it holds a NUL: the system would not see what stands behind it. */
const char *support_check_path(lua_State *L, int index);

/* Seconds as milliseconds to wait: a slice at most, so that Ctrl-C and deadlines are seen. */
int support_wait_slice(lua_Number seconds);

/* After a wait: raises a Ctrl-C that came meanwhile in the thread that waited, even if that is a coroutine. */
void support_move_interrupt_here(lua_State *L);

/* Pushes bytes as hexadecimal digits; at most 64 bytes. */
void support_push_hex(lua_State *L, const uint8_t *bytes, size_t count);

/* Each sets a field of the table on the top. A text that is NULL or empty, and an unknown time, stay absent. */
void support_set_flag(lua_State *L, const char *field, bool value);
void support_set_integer(lua_State *L, const char *field, uint64_t value);
void support_set_text(lua_State *L, const char *field, const char *text);
void support_set_ticks(lua_State *L, const char *field, int64_t ticks);
void support_set_seconds(lua_State *L, const char *field, int64_t ticks);

#endif
