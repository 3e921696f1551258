/* The questions about names that are asked often enough to be in C. lua/smb/name.lua knows the rules in full. */
#include "name.h"

#include "register.h"
#include "shared/bins.h"
#include "shared/previous.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>
#include <wctype.h>

static bool name_is_one_of(unsigned char byte, const char *all)
{
	return byte != '\0' && strchr(all, byte) != NULL;
}

/* Whether a part may be a device's name: con, prn, aux, nul, com1, lpt1. */
static bool name_begins_as_device(const unsigned char *part)
{
	return name_is_one_of(part[0], "CcPpAaNnLl") && name_is_one_of(part[1], "OoRrUuPp") &&
	       name_is_one_of(part[2], "NnXxLlMmTt");
}

static bool name_is_plain_byte(unsigned char byte)
{
	switch (byte) {
	case '\\': case ':': case '*': case '?': case '"': case '<': case '>': case '|': return false;
	default: return byte >= ' ' && byte < 127;
	}
}

static bool name_is_plain_part(const unsigned char *part, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!name_is_plain_byte(part[i]))
			return false;
	return size > 0 && part[size - 1] != '.' && part[size - 1] != ' ' && (size < 3 || !name_begins_as_device(part));
}

bool name_is_plain(const char *text, size_t size)
{
	const char *end = text + size;
	bool plain = size <= NAME_PART_UNITS;

	while (plain) {
		const char *slash = memchr(text, '/', (size_t)(end - text));
		plain = name_is_plain_part((const unsigned char *)text, (size_t)((slash != NULL ? slash : end) - text));
		if (slash == NULL)
			break;
		text = slash + 1;
	}
	return plain;
}

/* is_plain(text) -> see name_is_plain */
static int name_push_is_plain(lua_State *L)
{
	size_t size;
	const char *text = luaL_checklstring(L, 1, &size);
	lua_pushboolean(L, name_is_plain(text, size));
	return 1;
}

static bool name_ends_in(const char *text, size_t size, const char *end)
{
	size_t length = strlen(end);
	return size >= length && memcmp(text + size - length, end, length) == 0;
}

bool name_is_temporary(const char *part, size_t size)
{
	const size_t digits = 8;
	size_t stem = size - (name_ends_in(part, size, ".part")    ? strlen(".part")
			      : name_ends_in(part, size, ".aside") ? strlen(".aside")
								   : size);

	if (stem < digits + 2 || !name_is_one_of((unsigned char)part[stem - digits - 1], ".~") ||
	    part[stem - digits - 2] == '/')
		return false;
	for (size_t i = 1; i <= digits; i++)
		if (!isxdigit((unsigned char)part[stem - i]))
			return false;
	return true;
}

/* is_temporary(text) -> see name_is_temporary; checks the last part of a name */
static int name_push_is_temporary(lua_State *L)
{
	size_t size;
	const char *text = luaL_checklstring(L, 1, &size);
	lua_pushboolean(L, name_is_temporary(text, size));
	return 1;
}

/* is_previous(text) -> whether one of its parts names a previous version; see previous.h */
static int name_is_previous(lua_State *L)
{
	lua_pushboolean(L, previous_is_meant(luaL_checkstring(L, 1)));
	return 1;
}

/* is_bin(text) -> whether it is the name of a folder that a server keeps for itself; see bins.h */
static int name_is_bin(lua_State *L)
{
	lua_pushboolean(L, bins_is_one(luaL_checkstring(L, 1)));
	return 1;
}

/* ---- case ---- */

static int name_free_unicode(lua_State *L)
{
	locale_t *held = lua_touserdata(L, 1);
	if (*held != (locale_t)0)
		freelocale(*held);
	*held = (locale_t)0;
	return 0;
}

static const char unicode_key = 0; /* its address is the registry's key */

/* A second load of this module must not free it: userdata of the first load may use it. */
static void name_make_unicode(lua_State *L)
{
	bool is_there = lua_rawgetp(L, LUA_REGISTRYINDEX, &unicode_key) == LUA_TUSERDATA;
	locale_t *held;

	lua_pop(L, 1);
	if (is_there)
		return;
	held = lua_newuserdatauv(L, sizeof *held, 0);
	*held = (locale_t)0;
	lua_createtable(L, 0, 1);
	lua_pushcfunction(L, name_free_unicode);
	lua_setfield(L, -2, "__gc");
	lua_setmetatable(L, -2);
	*held = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &unicode_key);
}

locale_t name_unicode(lua_State *L)
{
	locale_t *held;
	lua_rawgetp(L, LUA_REGISTRYINDEX, &unicode_key);
	held = lua_touserdata(L, -1);
	lua_pop(L, 1);
	return held != NULL ? *held : (locale_t)0;
}

/* Bytes of a UTF-8 character, by its first byte; 1 for ASCII and for bytes that begin none. */
static size_t name_length_of(unsigned char first)
{
	return first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 1;
}

/* Decodes a character of `size` bytes, 2 to 4; 0 if it is invalid. */
static uint32_t name_decode(const unsigned char *at, size_t size)
{
	uint32_t code = at[0] & (0xffu >> (size + 1));
	for (size_t i = 1; i < size; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	return code;
}

static size_t name_encode(uint32_t code, char *to)
{
	size_t size = code >= 0x10000 ? 4 : code >= 0x800 ? 3 : 2;
	for (size_t i = size; i-- > 1; code >>= 6)
		to[i] = (char)(0x80 | (code & 0x3f));
	to[0] = (char)((0xf00u >> size & 0xff) | code);
	return size;
}

/*
 * Returns its capital, or itself. A capital that is ASCII while the letter is not (dotless i, long s) is another letter
 * to servers.
 */
static uint32_t name_capital_of(locale_t unicode, uint32_t code)
{
	wint_t capital;

	if (code < 0x80)
		return code >= 'a' && code <= 'z' ? code - 'a' + 'A' : code;
	capital = unicode != (locale_t)0 ? towupper_l((wint_t)code, unicode) : (wint_t)code;
	return capital >= 0x80 ? (uint32_t)capital : code;
}

/* Writes its capital or, where that is ASCII, itself byte by byte. Returns the bytes written, at most 4. */
static size_t name_fold_character(locale_t unicode, const unsigned char *at, size_t size, char *to)
{
	uint32_t code = name_decode(at, size);
	uint32_t capital = code >= 0x80 ? name_capital_of(unicode, code) : code;

	if (capital != code)
		return name_encode(capital, to);
	memcpy(to, at, size);
	return size;
}

size_t name_fold(locale_t unicode, const char *text, size_t size, char *to)
{
	const unsigned char *from = (const unsigned char *)text;
	size_t used = 0;

	for (size_t i = 0, n; i < size; i += n) {
		n = name_length_of(from[i]);
		if (n == 1 || n > size - i) {
			n = 1;
			to[used++] = (char)(from[i] < 0x80 ? name_capital_of(unicode, from[i]) : from[i]);
		} else {
			used += name_fold_character(unicode, from + i, n, to + used);
		}
	}
	return used;
}

static bool name_is_ascii(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)text[i] >= 0x80)
			return false;
	return true;
}

/*
 * The characters of a name in Unicode's normal form D (letters and accents apart); to be freed. NULL for plain ASCII,
 * invalid UTF-8 or lack of memory: then its bytes are compared.
 */
static utf8proc_int32_t *name_take_apart(const char *text, size_t size, size_t *count)
{
	const size_t most = 4 * size; /* a character becomes at most four */
	utf8proc_int32_t *codes = name_is_ascii(text, size) ? NULL : malloc(most * sizeof *codes);
	utf8proc_ssize_t n;

	if (codes == NULL)
		return NULL;
	n = utf8proc_decompose((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)size, codes, (utf8proc_ssize_t)most,
			       UTF8PROC_DECOMPOSE);
	if (n < 0 || (size_t)n > most) {
		free(codes);
		return NULL;
	}
	*count = (size_t)n;
	return codes;
}

size_t name_key(locale_t unicode, const char *text, size_t size, char *to)
{
	size_t count = 0, used = 0;
	utf8proc_int32_t *codes = name_take_apart(text, size, &count);

	if (codes == NULL)
		return name_fold(unicode, text, size, to);
	for (size_t i = 0; i < count; i++) {
		uint32_t capital = name_capital_of(unicode, (uint32_t)codes[i]);
		used += (size_t)utf8proc_encode_char((utf8proc_int32_t)capital, (utf8proc_uint8_t *)to + used);
	}
	free(codes);
	return used;
}

bool name_is_same_form(const char *a, size_t a_size, const char *b, size_t b_size)
{
	size_t a_count = 0, b_count = 0;
	utf8proc_int32_t *left = name_take_apart(a, a_size, &a_count), *right = name_take_apart(b, b_size, &b_count);
	bool same =
	    left != NULL && right != NULL && a_count == b_count && memcmp(left, right, a_count * sizeof *left) == 0;

	free(left);
	free(right);
	return same;
}

/*
 * Letters whose case all servers know alike: Latin, Greek, Cyrillic and Armenian as Unicode has always had them.
 * Capital and small letter have to be of one block: the micro sign's capital is a Greek letter.
 */
static bool name_is_certain(uint32_t code, uint32_t capital)
{
	static const uint32_t blocks[][2] = {{0, 0x17f}, {0x386, 0x3ce}, {0x400, 0x45f}, {0x531, 0x586}};

	for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
		if (code >= blocks[i][0] && code <= blocks[i][1])
			return capital >= blocks[i][0] && capital <= blocks[i][1];
	return false;
}

/* fold_certain(text) -> as fold, but leaves letters whose case servers disagree about */
static int name_fold_certain(lua_State *L)
{
	locale_t unicode = name_unicode(L);
	size_t size;
	const unsigned char *from = (const unsigned char *)luaL_checklstring(L, 1, &size);
	luaL_Buffer b;
	char *to = luaL_buffinitsize(L, &b, 2 * size);
	size_t used = 0;

	for (size_t i = 0, n; i < size; i += n) {
		uint32_t code, capital;
		n = name_length_of(from[i]) <= size - i ? name_length_of(from[i]) : 1;
		code = n == 1 ? from[i] : name_decode(from + i, n);
		capital = n > 1 && code < 0x80 ? code : name_capital_of(unicode, code);
		if (n == 1)
			to[used++] = (char)(code < 0x80 ? capital : code);
		else if (capital != code && name_is_certain(code, capital))
			used += name_encode(capital, to + used);
		else {
			memcpy(to + used, from + i, n);
			used += n;
		}
	}
	luaL_pushresultsize(&b, used);
	return 1;
}

/* composed(text) -> the text in Unicode's normal form C; invalid UTF-8 stays as it is */
static int name_composed(lua_State *L)
{
	size_t size;
	const char *text = luaL_checklstring(L, 1, &size);
	const size_t most = 4 * size; /* of one character come four at most */
	utf8proc_int32_t *codes;
	utf8proc_ssize_t n;

	lua_settop(L, 1);
	if (name_is_ascii(text, size))
		return 1;
	codes = lua_newuserdatauv(L, (most + 1) * sizeof *codes, 0);
	n = utf8proc_decompose((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)size, codes, (utf8proc_ssize_t)most,
			       UTF8PROC_COMPOSE);
	if (n >= 0 && (size_t)n <= most)
		n = utf8proc_reencode(codes, n, UTF8PROC_COMPOSE);
	else
		n = -1;
	if (n >= 0)
		lua_pushlstring(L, (const char *)codes, (size_t)n);
	else
		lua_settop(L, 1);
	return 1;
}

/* fold(text) -> see name_fold */
static int name_push_fold(lua_State *L)
{
	size_t size;
	const char *text = luaL_checklstring(L, 1, &size);
	luaL_Buffer b;
	char *to = luaL_buffinitsize(L, &b, 2 * size); /* a capital has at most one byte more than its small letter */

	luaL_pushresultsize(&b, name_fold(name_unicode(L), text, size, to));
	return 1;
}

/* precedes(a, b) -> whether a comes before b, byte by byte: Lua compares texts as the host's locale does */
static int name_precedes(lua_State *L)
{
	size_t left, right;
	const char *a = luaL_checklstring(L, 1, &left), *b = luaL_checklstring(L, 2, &right);
	int order = memcmp(a, b, left < right ? left : right);

	lua_pushboolean(L, order < 0 || (order == 0 && left < right));
	return 1;
}

void name_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"is_plain", name_push_is_plain},
		{"precedes", name_precedes},
		{"is_temporary", name_push_is_temporary},
		{"is_previous", name_is_previous},
		{"is_bin", name_is_bin},
		{"composed", name_composed},
		{"fold", name_push_fold},
		{"fold_certain", name_fold_certain},
		{NULL, NULL},
	};

	luaL_setfuncs(L, functions, 0);
	name_make_unicode(L);
}
