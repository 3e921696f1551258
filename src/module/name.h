/* Names: see name.c. */
#ifndef LUA_SMB_NAME_H
#define LUA_SMB_NAME_H

#include <lua.h>

#include <locale.h>
#include <stdbool.h>
#include <stddef.h>

enum { NAME_PART_UNITS = 255 }; /* UTF-16 units in a part of a name (MS-FSCC 2.1.5.2) */

/* Whether a name is short, plain ASCII and right, as most are. False: it has to be looked at closely. */
bool name_is_plain(const char *text, size_t size);

/* Whether a part has the shape of those that a transfer gives to what is not complete, or waits aside. */
bool name_is_temporary(const char *part, size_t size);

/* The system's Unicode, whatever the host's locale; lives as long as the Lua state. */
locale_t name_unicode(lua_State *L);

/* What names have in common that differ in case only; `to` has room for twice as many bytes. Gives how many there are. */
size_t name_fold(locale_t unicode, const char *text, size_t size, char *to);

/* Bytes of a key for each byte of its name, at most. */
enum { NAME_KEY_GROWTH = 5 };

/*
 * What names have in common that some server may take for one: case and normal form do not count. `to` has room for NAME_KEY_GROWTH
 * times as many bytes. Gives how many there are.
 */
size_t name_key(locale_t unicode, const char *text, size_t size, char *to);

/* Whether two names differ in nothing but Unicode's normal form; false for plain ASCII and what is not UTF-8. */
bool name_is_same_form(const char *a, size_t a_size, const char *b, size_t b_size);

#endif
