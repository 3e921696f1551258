/* What of names is asked so often that it is C: see lua/smb/name.lua, which knows the rules in full. */
#include "core.h"

#include <lauxlib.h>
#include <lua.h>

#include <locale.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <wctype.h>

enum { PART_UNITS = 255 }; /* UTF-16 units in a part of a name (MS-FSCC 2.1.5.2) */

static bool is_one_of(unsigned char byte, const char *all)
{
	return byte != '\0' && strchr(all, byte) != NULL;
}

/* A part may begin as devices do: con, prn, aux, nul, com1, lpt1. */
static bool begins_as_device(const unsigned char *part)
{
	return is_one_of(part[0], "CcPpAaNnLl") && is_one_of(part[1], "OoRrUuPp") && is_one_of(part[2], "NnXxLlMmTt");
}

static bool is_plain_part(const unsigned char *part, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (part[i] < ' ' || part[i] >= 127 || is_one_of(part[i], "\\:*?\"<>|"))
			return false;
	return size > 0 && part[size - 1] != '.' && part[size - 1] != ' ' && (size < 3 || !begins_as_device(part));
}

/* is_plain(text) -> true when a name is short, plain ASCII and right, as most are; false: it has to be looked at closely */
static int is_plain(lua_State *L)
{
	size_t size;
	const char *text = luaL_checklstring(L, 1, &size), *end = text + size;
	bool plain = size <= PART_UNITS;

	while (plain) {
		const char *slash = memchr(text, '/', (size_t)(end - text));
		plain = is_plain_part((const unsigned char *)text, (size_t)((slash != NULL ? slash : end) - text));
		if (slash == NULL)
			break;
		text = slash + 1;
	}
	lua_pushboolean(L, plain);
	return 1;
}

/* ---- case ---- */

static int free_unicode(lua_State *L)
{
	locale_t *held = lua_touserdata(L, 1);
	if (*held != (locale_t)0)
		freelocale(*held);
	*held = (locale_t)0;
	return 0;
}

/* The system's Unicode, whatever the host's locale; lives as long as the Lua state. */
static locale_t *make_unicode(lua_State *L)
{
	locale_t *held = lua_newuserdatauv(L, sizeof *held, 0);
	*held = (locale_t)0;
	lua_createtable(L, 0, 1);
	lua_pushcfunction(L, free_unicode);
	lua_setfield(L, -2, "__gc");
	lua_setmetatable(L, -2);
	*held = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	return held;
}

/* Bytes of a character by its first; 1 where it is none of several. */
static size_t length_of(unsigned char first)
{
	return first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 1;
}

/* Takes a character of `size` bytes, 2 to 4, apart; 0 when it is none. */
static uint32_t decode(const unsigned char *at, size_t size)
{
	uint32_t code = at[0] & (0xffu >> (size + 1));
	for (size_t i = 1; i < size; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	return code;
}

static size_t encode(uint32_t code, char *to)
{
	size_t size = code >= 0x10000 ? 4 : code >= 0x800 ? 3 : 2;
	for (size_t i = size; i-- > 1; code >>= 6)
		to[i] = (char)(0x80 | (code & 0x3f));
	to[0] = (char)((0xf00u >> size & 0xff) | code);
	return size;
}

/* Its capital, where that is not ASCII; else itself, byte by byte. Gives the bytes written, at most 4. */
static size_t fold_character(locale_t unicode, const unsigned char *at, size_t size, char *to)
{
	uint32_t code = decode(at, size);
	wint_t capital = unicode != (locale_t)0 && code >= 0x80 ? towupper_l((wint_t)code, unicode) : (wint_t)code;

	if (code >= 0x80 && capital != (wint_t)code && capital >= 0x80)
		return encode((uint32_t)capital, to);
	memcpy(to, at, size);
	return size;
}

/* fold(text) -> what names have in common that differ in case only. Upvalue 1: the system's Unicode. */
static int fold(lua_State *L)
{
	const locale_t *unicode = lua_touserdata(L, lua_upvalueindex(1));
	size_t size, used = 0;
	const unsigned char *text = (const unsigned char *)luaL_checklstring(L, 1, &size);
	luaL_Buffer b;
	char *to = luaL_buffinitsize(L, &b, 2 * size); /* no capital has more than one byte more than its small letter */

	for (size_t i = 0, n; i < size; i += n) {
		n = length_of(text[i]);
		if (n == 1 || n > size - i) {
			n = 1;
			to[used++] = (char)(text[i] >= 'a' && text[i] <= 'z' ? text[i] - 'a' + 'A' : text[i]);
		} else {
			used += fold_character(*unicode, text + i, n, to + used);
		}
	}
	luaL_pushresultsize(&b, used);
	return 1;
}

void name_register(lua_State *L)
{
	lua_pushcfunction(L, is_plain);
	lua_setfield(L, -2, "is_plain");
	make_unicode(L);
	lua_pushcclosure(L, fold, 1);
	lua_setfield(L, -2, "fold");
}
