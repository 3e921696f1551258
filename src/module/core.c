/* luaopen_smb_core: registers the types. The public face is made of them in lua/smb. */
#include "core.h"

#include "private.h"

#include <dlfcn.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define CODE_WORD(name, word) word,
static const char *const code_words[SMB_CODE_COUNT] = {SMB_CODES(CODE_WORD)};

void core_new_type(lua_State *L, const char *name, const luaL_Reg *methods)
{
	luaL_newmetatable(L, name);
	luaL_setfuncs(L, methods, 0);
}

int core_push_fault(lua_State *L, const struct smb_fault *fault)
{
	lua_pushnil(L);
	lua_pushstring(L, code_words[fault->code < SMB_CODE_COUNT ? fault->code : (uint32_t)SMB_FAILED]);
	lua_pushstring(L, fault->text);
	return 3;
}

/*
 * lua.c answers Ctrl-C with a hook in the main thread; a coroutine would not notice before it ends. When such a hook stands
 * there, it moves to the thread that waits, where it raises at the next instruction.
 */
void core_move_interrupt_here(lua_State *L)
{
	const int any = LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT;
	lua_State *main;
	lua_Hook hook;

	lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
	main = lua_tothread(L, -1);
	lua_pop(L, 1);
	hook = lua_gethook(main);
	if (main == L || hook == NULL || hook == lua_gethook(L) || lua_gethookmask(main) != any || lua_gethookcount(main) != 1)
		return;
	lua_sethook(L, hook, any, 1);
	lua_sethook(main, NULL, 0, 0);
}

/* Eight hexadecimal digits that no other host or run comes upon. */
static int core_random(lua_State *L)
{
	unsigned char bytes[4];
	char text[9];
	if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
		return luaL_error(L, "no random numbers are to be had");
	snprintf(text, sizeof text, "%02x%02x%02x%02x", bytes[0], bytes[1], bytes[2], bytes[3]);
	lua_pushstring(L, text);
	return 1;
}

/* Seconds of a clock that nobody sets. */
static int core_clock(lua_State *L)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	lua_pushnumber(L, (lua_Number)t.tv_sec + (lua_Number)t.tv_nsec / 1e9);
	return 1;
}

/* smb-worker lies beside this module; its path is absolute, so that a later chdir does no harm. */
static void push_program(lua_State *L)
{
	static const char anchor = 0;
	char path[PATH_MAX];
	Dl_info info;
	char *slash;

	if (dladdr(&anchor, &info) == 0 || info.dli_fname == NULL || realpath(info.dli_fname, path) == NULL)
		luaL_error(L, "the module smb.core cannot find its own file");
	slash = strrchr(path, '/');
	*slash = '\0';
	lua_pushfstring(L, "%s/smb-worker", path);
}

int core_slice(lua_Number seconds)
{
	const int most = 100; /* how late a Ctrl-C may be seen */
	if (!(seconds > 0))
		return 0;
	return seconds * 1000 < most ? (int)ceil(seconds * 1000) : most;
}

/* realpath(path) -> the path without links and dots; itself where there is none */
static int core_realpath(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	char found[PATH_MAX];
	lua_pushstring(L, realpath(path, found) != NULL ? found : path);
	return 1;
}

/* sleep(seconds): a slice of a longer wait; a signal ends it early. */
static int core_sleep(lua_State *L)
{
	poll(NULL, 0, core_slice(luaL_checknumber(L, 1)));
	core_move_interrupt_here(L);
	return 0;
}

static const luaL_Reg functions[] = {{"sleep", core_sleep}, {"random", core_random}, {"clock", core_clock},
				      {"realpath", core_realpath}, {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_smb_core(lua_State *L);

int luaopen_smb_core(lua_State *L)
{
	luaL_checkversion(L);
	luaL_newlib(L, functions);
	lua_pushinteger(L, SMB_STRIPE_FROM);
	lua_setfield(L, -2, "stripe_from");
	lua_pushinteger(L, SMB_STRIPE_WINDOW);
	lua_setfield(L, -2, "stripe_window");
	lua_pushinteger(L, SMB_FILES_AT_ONCE);
	lua_setfield(L, -2, "files_at_once");
	lua_pushinteger(L, SMB_PATH_LIMIT);
	lua_setfield(L, -2, "path_limit");
	push_program(L);
	lua_setfield(L, -2, "program");
	destination_register(L);
	request_register(L);
	local_register(L);
	file_register(L);
	job_register(L);
	command_register(L);
	digest_register(L);
	folder_register(L);
	name_index_register(L);
	name_register(L);
	times_register(L);
	private_register(L);
	return 1;
}
