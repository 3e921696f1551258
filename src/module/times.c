/* Times for Lua: integers of ticks (ticks.h) within, seconds since 1970 where scripts see them. */
#include "register.h"
#include "shared/descriptor.h"
#include "shared/ticks.h"

#include <fcntl.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ticks(seconds) -> ticks; nil if they are out of range */
static int times_ticks(lua_State *L)
{
	int64_t t;
	if (ticks_of_seconds(luaL_checknumber(L, 1), &t))
		lua_pushinteger(L, t);
	else
		lua_pushnil(L);
	return 1;
}

/* seconds(ticks) -> seconds */
static int times_seconds(lua_State *L)
{
	lua_pushnumber(L, ticks_seconds(luaL_checkinteger(L, 1)));
	return 1;
}

/* is_holdable(ticks) -> whether SMB can express that time */
static int times_is_holdable(lua_State *L)
{
	lua_Integer t = luaL_checkinteger(L, 1);
	lua_pushboolean(L, t >= TICKS_FIRST && t <= TICKS_LAST);
	return 1;
}

/* is_held_everywhere(ticks) -> whether every kind of disk can keep that time */
static int times_is_held_everywhere(lua_State *L)
{
	lua_pushboolean(L, ticks_held_everywhere(luaL_checkinteger(L, 1)));
	return 1;
}

/*
 * is_same_time(ours, theirs [, window]) -> whether the share's time, in ticks, is ours as the server keeps it, or
 * within the window
 */
static int times_is_same(lua_State *L)
{
	int64_t ours = luaL_checkinteger(L, 1), theirs = luaL_checkinteger(L, 2), window = luaL_optinteger(L, 3, 0);
	lua_pushboolean(L, ticks_kept(ours, theirs) || (window > 0 && ticks_within(ours, theirs, window)));
	return 1;
}

/* Opens a file without a name in a local folder; -1 if that is impossible. */
static int times_open_nameless(const char *folder)
{
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	char *path;

	if (fd >= 0 || asprintf(&path, "%s/.lua-smb.XXXXXX", folder) < 0)
		return fd;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	free(path);
	return fd;
}

/* kept_here(folder, ticks) -> the time that a local disk makes of it; nil if that cannot be tried */
static int times_kept_here(lua_State *L)
{
	const char *folder = luaL_checkstring(L, 1);
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, ticks_timespec(luaL_checkinteger(L, 2))};
	int fd = descriptor_clear(times_open_nameless(folder));
	struct stat st;

	if (fd >= 0 && futimens(fd, times) == 0 && fstat(fd, &st) == 0)
		lua_pushinteger(L, ticks_of_timespec(st.st_mtim));
	else
		lua_pushnil(L);
	if (fd >= 0)
		close(fd);
	return 1;
}

void times_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"ticks", times_ticks},
		{"seconds", times_seconds},
		{"is_holdable", times_is_holdable},
		{"is_held_everywhere", times_is_held_everywhere},
		{"is_same_time", times_is_same},
		{"kept_here", times_kept_here},
		{NULL, NULL},
	};
	luaL_setfuncs(L, functions, 0);
}
