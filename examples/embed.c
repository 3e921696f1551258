/*
 * Puts a local file on a share, from a C program that embeds Lua:
 *
 *     cc -Wall -Wextra -o embed examples/embed.c $(pkg-config --cflags --libs lua5.4)
 *     ./embed 'smb://nas/backup/host1?credentials-file=/root/.smbcredentials' etc.tar.zst
 *
 * lua-smb has to be where Lua looks for modules (`make install`, or LUA_PATH and LUA_CPATH). The program itself links
 * nothing of Samba's: that lives in a process of its own. Exit status: 0, 1 when the file is not on the share, 2 for a
 * wrong call.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>

/* Gives the number of bytes, or nil and why there are none. <close> hangs up, whatever happens. */
static const char script[] =
    "local url, path = ...\n"
    "local smb = require 'smb'\n"
    "local dest <close>, message = smb.open(url)\n"
    "if not dest then return nil, message end\n"
    "local result, problem = dest:put(path)\n"
    "return result and result.bytes, problem\n";

/*
 * What can happen at run time is returned; mistakes, and a missing module, are raised. Both end as a message on the
 * stack.
 */
static int put(lua_State *L, const char *url, const char *path)
{
	if (luaL_loadstring(L, script) != LUA_OK)
		return 0;
	lua_pushstring(L, url);
	lua_pushstring(L, path);
	return lua_pcall(L, 2, 2, 0) == LUA_OK && !lua_isnil(L, -2);
}

int main(int argc, char **argv)
{
	lua_State *L;
	int ok;

	if (argc != 3) {
		fprintf(stderr, "usage: %s URL FILE\n", argv[0]);
		return 2;
	}
	L = luaL_newstate();
	if (L == NULL) {
		fprintf(stderr, "%s: not enough memory\n", argv[0]);
		return 1;
	}
	luaL_openlibs(L);
	ok = put(L, argv[1], argv[2]);
	if (ok)
		printf("%s: %lld bytes sent\n", argv[2], (long long)lua_tointeger(L, -2));
	else
		fprintf(stderr, "%s: %s\n", argv[0], luaL_tolstring(L, -1, NULL));
	lua_close(L);
	return !ok;
}
