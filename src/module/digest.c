/* userdata "smb.digest": SHA-256 of text that a script sends in pieces; and short names made of longer texts. */
#include "register.h"
#include "support.h"

#include <nettle/sha2.h>
#include <stdint.h>

#define DIGEST_TYPE "smb.digest"

/* sha256() -> a digest that nothing was added to yet */
static int digest_new(lua_State *L)
{
	sha256_init(lua_newuserdatauv(L, sizeof(struct sha256_ctx), 0));
	luaL_setmetatable(L, DIGEST_TYPE);
	return 1;
}

/* sha256_add(digest, text) */
static int digest_add(lua_State *L)
{
	struct sha256_ctx *hash = luaL_checkudata(L, 1, DIGEST_TYPE);
	size_t size;
	const char *text = luaL_checklstring(L, 2, &size);
	sha256_update(hash, size, (const uint8_t *)text);
	return 0;
}

/* sha256_hex(digest) -> the SHA-256 of all text added until now, as 64 hexadecimal digits */
static int digest_hex(lua_State *L)
{
	struct sha256_ctx hash = *(struct sha256_ctx *)luaL_checkudata(L, 1, DIGEST_TYPE);
	uint8_t bytes[SHA256_DIGEST_SIZE];
	sha256_digest(&hash, sizeof bytes, bytes);
	support_push_hex(L, bytes, sizeof bytes);
	return 1;
}

/* short_digest(text) -> eight hexadecimal digits, always the same for a text */
static int digest_short(lua_State *L)
{
	const size_t bytes_shown = 4;
	uint8_t bytes[SHA256_DIGEST_SIZE];
	struct sha256_ctx hash;
	size_t size;
	const char *text = luaL_checklstring(L, 1, &size);

	sha256_init(&hash);
	sha256_update(&hash, size, (const uint8_t *)text);
	sha256_digest(&hash, sizeof bytes, bytes);
	support_push_hex(L, bytes, bytes_shown);
	return 1;
}

static const luaL_Reg metamethods[] = {{NULL, NULL}};

static const luaL_Reg functions[] = {
	{"sha256", digest_new},
	{"sha256_add", digest_add},
	{"sha256_hex", digest_hex},
	{"short_digest", digest_short},
	{NULL, NULL},
};

void digest_register(lua_State *L)
{
	luaL_setfuncs(L, functions, 0);
	support_new_type(L, DIGEST_TYPE, metamethods);
	lua_pop(L, 1);
}
