/* userdata "smb.folder": a local folder that is read, for trees; and what is asked about what stands in one. */
#include "core.h"
#include "descriptor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define FOLDER_TYPE "smb.folder"

struct folder {
	DIR *stream; /* NULL: closed */
	int flags;   /* of fstatat */
};

static int close_folder(lua_State *L)
{
	struct folder *f = luaL_checkudata(L, 1, FOLDER_TYPE);
	if (f->stream != NULL)
		closedir(f->stream);
	f->stream = NULL;
	return 0;
}

/* type, size, mtime; of a folder, what tells it from all others */
static int push_what(lua_State *L, const struct stat *st)
{
	lua_pushstring(L, S_ISREG(st->st_mode)	 ? "file"
			  : S_ISDIR(st->st_mode) ? "directory"
			  : S_ISLNK(st->st_mode) ? "link"
						 : "other");
	lua_pushinteger(L, (lua_Integer)st->st_size);
	lua_pushnumber(L, local_seconds(st->st_mtim));
	if (!S_ISDIR(st->st_mode))
		return 3;
	lua_pushfstring(L, "%I:%I", (LUAI_UACINT)st->st_dev, (LUAI_UACINT)st->st_ino);
	return 4;
}

/* lstat(path, follow) -> type, size, mtime, what tells a folder from all others | nil, code, text */
static int folder_lstat(lua_State *L)
{
	const char *path = local_check_path(L, 1);
	int flags = lua_toboolean(L, 2) ? 0 : AT_SYMLINK_NOFOLLOW;
	struct stat st;

	if (path == NULL)
		return local_push_failure(L, "the local file's name holds a NUL", EINVAL);
	if (fstatat(AT_FDCWD, path, &st, flags) < 0)
		return local_push_failure(L, "the local file cannot be looked at", errno);
	return push_what(L, &st);
}

/* next(folder) -> name, and what lstat gives; nil at the end | nil, code, text */
static int next_entry(lua_State *L)
{
	struct folder *f = luaL_checkudata(L, 1, FOLDER_TYPE);
	struct dirent *entry;
	struct stat st;

	do {
		errno = 0;
		entry = f->stream != NULL ? readdir(f->stream) : NULL;
	} while (entry != NULL && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
	if (entry == NULL && errno != 0)
		return local_push_failure(L, "the folder cannot be read", errno);
	if (entry == NULL) {
		lua_pushnil(L);
		return 1;
	}
	lua_pushstring(L, entry->d_name);
	if (fstatat(dirfd(f->stream), entry->d_name, &st, f->flags) < 0)
		return 1 + local_push_failure(L, "the local file cannot be looked at", errno);
	return 1 + push_what(L, &st);
}

/* entries(path, follow) -> next, folder, nil, folder, as the generic for takes them | nil, code, text */
static int entries(lua_State *L)
{
	const char *path = local_check_path(L, 1);
	bool follow = lua_toboolean(L, 2);
	struct folder *f;
	int fd;

	if (path == NULL)
		return local_push_failure(L, "the folder's name holds a NUL", EINVAL);
	lua_pushcfunction(L, next_entry);
	f = lua_newuserdatauv(L, sizeof *f, 0);
	*f = (struct folder){.flags = follow ? 0 : AT_SYMLINK_NOFOLLOW};
	luaL_setmetatable(L, FOLDER_TYPE);
	fd = descriptor_clear(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	f->stream = fd >= 0 ? fdopendir(fd) : NULL;
	if (f->stream == NULL) {
		int error = errno;
		if (fd >= 0)
			close(fd);
		return local_push_failure(L, "the folder cannot be read", error);
	}
	lua_pushnil(L);
	lua_pushvalue(L, -2);
	return 4;
}

void folder_register(lua_State *L)
{
	static const luaL_Reg metamethods[] = {{"__gc", close_folder}, {"__close", close_folder}, {NULL, NULL}};
	static const luaL_Reg functions[] = {{"lstat", folder_lstat}, {"entries", entries}, {NULL, NULL}};

	luaL_setfuncs(L, functions, 0);
	core_new_type(L, FOLDER_TYPE, metamethods);
	lua_pop(L, 1);
}
