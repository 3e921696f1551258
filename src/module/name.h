/* Names: see name.c. */
#ifndef LUA_SMB_NAME_H
#define LUA_SMB_NAME_H

#include <lua.h>

#include <locale.h>
#include <stdbool.h>
#include <stddef.h>

enum { NAME_PART_UNITS = 255 }; /* UTF-16 units in a part of a name (MS-FSCC 2.1.5.2) */

/* Whether a name is short, plain ASCII and valid, as most are. False: it has to be checked in full. */
bool name_is_plain(const char *text, size_t size);

/* Whether a part looks like the name of a transfer's temporary file, or of a file moved aside. */
bool name_is_temporary(const char *part, size_t size);

/* A locale for Unicode letters, whatever the host's locale is; lives as long as the Lua state. */
locale_t name_unicode(lua_State *L);

/*
 * Folds case: names that differ in case only become the same text. `to` has room for twice as many bytes. Returns the
 * bytes written.
 */
size_t name_fold(locale_t unicode, const char *text, size_t size, char *to);

/* Most bytes of a key for each byte of its name. */
enum { NAME_KEY_GROWTH = 5 };

/*
 * Makes the key of a name: names that some server may take for one have the same, whatever their case and normal form.
 * `to` has room for NAME_KEY_GROWTH times as many bytes. Returns the bytes written.
 */
size_t name_key(locale_t unicode, const char *text, size_t size, char *to);

/* Whether two names differ in Unicode's normal form only; false for plain ASCII and invalid UTF-8. */
bool name_is_same_form(const char *a, size_t a_size, const char *b, size_t b_size);

#endif
