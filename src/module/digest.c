/* userdata "smb.digest": SHA-256 of what a script sends in pieces; and short names made of longer texts. */
#include "core.h"

#include <nettle/sha2.h>
#include <stdint.h>
#include <stdio.h>

#define DIGEST_TYPE "smb.digest"

static void push_hexadecimal(lua_State *L, const uint8_t *bytes, size_t count)
{
	char text[2 * SHA256_DIGEST_SIZE + 1];
	for (size_t i = 0; i < count; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	lua_pushlstring(L, text, 2 * count);
}

/* sha256() -> digest of nothing yet */
static int new_digest(lua_State *L)
{
	sha256_init(lua_newuserdatauv(L, sizeof(struct sha256_ctx), 0));
	luaL_setmetatable(L, DIGEST_TYPE);
	return 1;
}

/* sha256_add(digest, text) */
static int add(lua_State *L)
{
	struct sha256_ctx *hash = luaL_checkudata(L, 1, DIGEST_TYPE);
	size_t size;
	const char *text = luaL_checklstring(L, 2, &size);
	sha256_update(hash, size, (const uint8_t *)text);
	return 0;
}

/* sha256_hex(digest) -> of what was added until now, as 64 hexadecimal digits */
static int hexadecimal(lua_State *L)
{
	struct sha256_ctx hash = *(struct sha256_ctx *)luaL_checkudata(L, 1, DIGEST_TYPE);
	uint8_t bytes[SHA256_DIGEST_SIZE];
	sha256_digest(&hash, sizeof bytes, bytes);
	push_hexadecimal(L, bytes, sizeof bytes);
	return 1;
}

/* short_digest(text) -> eight hexadecimal digits, always the same for a text */
static int short_digest(lua_State *L)
{
	const size_t bytes_shown = 4;
	uint8_t bytes[SHA256_DIGEST_SIZE];
	struct sha256_ctx hash;
	size_t size;
	const char *text = luaL_checklstring(L, 1, &size);

	sha256_init(&hash);
	sha256_update(&hash, size, (const uint8_t *)text);
	sha256_digest(&hash, sizeof bytes, bytes);
	push_hexadecimal(L, bytes, bytes_shown);
	return 1;
}

static const luaL_Reg metamethods[] = {{NULL, NULL}};

static const luaL_Reg functions[] = {
    {"sha256", new_digest}, {"sha256_add", add}, {"sha256_hex", hexadecimal}, {"short_digest", short_digest}, {NULL, NULL},
};

void digest_register(lua_State *L)
{
	luaL_setfuncs(L, functions, 0);
	core_new_type(L, DIGEST_TYPE, metamethods);
	lua_pop(L, 1);
}
