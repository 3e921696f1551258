/*
 * What Lua's side asks the system: the time, random digits, a path without links, a terminal's width; and where
 * smb-worker lies.
 */
#include "register.h"

#include "build.h"
#include "protocol.h"

#include <dlfcn.h>
#include <lauxlib.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

/* random() -> eight hexadecimal digits that no other host or run will hit upon */
static int system_random(lua_State *L)
{
	unsigned char bytes[4];
	char text[9];

	if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
		return luaL_error(L, "the system has no random numbers");
	snprintf(text, sizeof text, "%02x%02x%02x%02x", bytes[0], bytes[1], bytes[2], bytes[3]);
	lua_pushstring(L, text);
	return 1;
}

/* clock() -> seconds of a clock that nobody sets */
static int system_clock(lua_State *L)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	lua_pushnumber(L, (lua_Number)t.tv_sec + (lua_Number)t.tv_nsec / 1e9);
	return 1;
}

/* realpath(path) -> the path without links and dots; the path itself where nothing is there */
static int system_realpath(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	char found[PATH_MAX];

	lua_pushstring(L, realpath(path, found) != NULL ? found : path);
	return 1;
}

/* terminal(descriptor) -> its columns, 80 where it does not say; nil for what is no terminal */
static int system_terminal(lua_State *L)
{
	int fd = (int)luaL_checkinteger(L, 1);
	struct winsize size = {0};

	if (!isatty(fd))
		return 0;
	lua_pushinteger(L, ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80);
	return 1;
}

/* stripe_window(size): bytes of a file of that size that may be under way over several connections, see protocol.h */
static int system_stripe_window(lua_State *L)
{
	lua_pushinteger(L, smb_stripe_window((uint64_t)luaL_checkinteger(L, 1)));
	return 1;
}

/* The path of this module. It is made absolute now: the host may change its directory later. */
static void system_push_path(lua_State *L)
{
	static const char anchor = 0;
	char path[PATH_MAX];
	Dl_info info;

	if (dladdr(&anchor, &info) == 0 || info.dli_fname == NULL || realpath(info.dli_fname, path) == NULL)
		luaL_error(L, "the module smb.core cannot find its own file");
	lua_pushstring(L, path);
}

/* ---- interrupts ---- */

/* The state of the prompt that asked for it: a program has one keyboard. */
static lua_State *system_prompt;

static void system_raise_interrupt(lua_State *L, lua_Debug *ar)
{
	(void)ar;
	lua_sethook(L, NULL, 0, 0);
	luaL_error(L, "interrupted!");
}

/* As lua.c does it, but Ctrl-C stays caught: the second one does not end the program either. */
static void system_on_interrupt(int number)
{
	const int any = LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT;
	(void)number;
	lua_sethook(system_prompt, system_raise_interrupt, any, 1);
}

/* await_key(seconds) -> whether something was typed by then; false as well when a signal has come. */
static int system_await_key(lua_State *L)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	int wait = (int)(luaL_checknumber(L, 1) * 1000);

	lua_pushboolean(L, poll(&input, 1, wait) > 0);
	return 1;
}

/*
 * catch_interrupts(): Ctrl-C raises "interrupted!" from here on. For a prompt of this module's, which owns the program.
 */
static int system_catch_interrupts(lua_State *L)
{
	struct sigaction action = {.sa_handler = system_on_interrupt};

	lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
	system_prompt = lua_tothread(L, -1);
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	return 0;
}

/* smb-worker lies beside this module. */
static void system_push_program(lua_State *L, const char *path)
{
	lua_pushlstring(L, path, (size_t)(strrchr(path, '/') + 1 - path));
	lua_pushliteral(L, "smb-worker");
	lua_concat(L, 2);
}

void system_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
	    {"random", system_random}, {"clock", system_clock}, {"realpath", system_realpath},
	    {"terminal", system_terminal}, {"catch_interrupts", system_catch_interrupts},
	    {"await_key", system_await_key},
	    {"stripe_window", system_stripe_window}, {NULL, NULL}};

	luaL_setfuncs(L, functions, 0);
	lua_pushliteral(L, BUILD_VERSION);
	lua_setfield(L, -2, "version");
	lua_pushliteral(L, BUILD_COMMIT);
	lua_setfield(L, -2, "commit");
	system_push_path(L);
	system_push_program(L, lua_tostring(L, -1));
	lua_setfield(L, -3, "program");
	lua_setfield(L, -2, "path");
}
