/* userdata "smb.folder": a local folder that trees read; and questions about single names in local folders. */
#include "beneath.h"
#include "local.h"
#include "shared/descriptor.h"
#include "name_index.h"
#include "name.h"
#include "register.h"
#include "shared/ticks.h"
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define FOLDER_TYPE "smb.folder"

/* Check the clock every TURN entries; yield to Lua after LONG nanoseconds. */
enum { TURN = 16, LONG = 2000000 };

struct folder {
	DIR *stream; /* NULL: closed */
	int flags;   /* of fstatat */
	lua_Integer passed, bytes; /* files that were passed over */
};

static int folder_close(lua_State *L)
{
	struct folder *f = luaL_checkudata(L, 1, FOLDER_TYPE);
	if (f->stream != NULL)
		closedir(f->stream);
	f->stream = NULL;
	return 0;
}

/* Pushes type, size, mtime in ticks and, of a folder, its identity. */
static int folder_push_what(lua_State *L, const struct stat *st)
{
	lua_pushstring(L, S_ISREG(st->st_mode)	 ? "file"
			  : S_ISDIR(st->st_mode) ? "directory"
			  : S_ISLNK(st->st_mode) ? "link"
						 : "other");
	lua_pushinteger(L, (lua_Integer)st->st_size);
	lua_pushinteger(L, ticks_of_timespec(st->st_mtim));
	if (!S_ISDIR(st->st_mode))
		return 3;
	lua_pushfstring(L, "%I:%I", (LUAI_UACINT)st->st_dev, (LUAI_UACINT)st->st_ino);
	return 4;
}

/* lstat(path, follow [, root]) -> type, size, mtime in ticks, identity of a folder | nil, code, text */
static int folder_lstat(lua_State *L)
{
	const char *path = support_check_path(L, 1);
	int flags = lua_toboolean(L, 2) ? 0 : AT_SYMLINK_NOFOLLOW;
	struct spot at;
	struct stat st;
	bool ok;

	if (path == NULL)
		return support_push_errno(L, "the local file's name holds a NUL", EINVAL);
	ok = spot_find(&at, local_root(L, 3), path) && fstatat(at.folder, at.name, &st, flags) == 0;
	spot_leave(&at);
	return ok ? folder_push_what(L, &st) : local_push_astray(L, 3, "the local file cannot be looked at", errno);
}

/* make_folder(path [, root]) -> true | nil, code, text */
static int folder_make(lua_State *L)
{
	const char *path = support_check_path(L, 1);
	struct spot at;
	bool ok;

	if (path == NULL)
		return support_push_errno(L, "the folder's name holds a NUL", EINVAL);
	ok = spot_find(&at, local_root(L, 2), path) && mkdirat(at.folder, at.name, 0777) == 0;
	spot_leave(&at);
	if (!ok)
		return local_push_astray(L, 2, "the folder cannot be made", errno);
	lua_pushboolean(L, 1);
	return 1;
}

/* remove(path, is_folder [, root]) -> true | nil, code, text; removes a link itself, not its target */
static int folder_remove(lua_State *L)
{
	const char *path = support_check_path(L, 1);
	int flags = lua_toboolean(L, 2) ? AT_REMOVEDIR : 0;
	struct spot at;
	bool ok;

	if (path == NULL)
		return support_push_errno(L, "the local file's name holds a NUL", EINVAL);
	ok = spot_find(&at, local_root(L, 3), path) && unlinkat(at.folder, at.name, flags) == 0;
	spot_leave(&at);
	if (!ok)
		return local_push_astray(L, 3, "it cannot be removed", errno);
	lua_pushboolean(L, 1);
	return 1;
}

/* renameat2 never replaces; where a disk knows no such thing a second name, then no first one, comes to the same. */
static bool folder_rename(const struct spot *from, const struct spot *to)
{
	if (renameat2(from->folder, from->name, to->folder, to->name, RENAME_NOREPLACE) == 0)
		return true;
	if (errno != EINVAL && errno != ENOSYS)
		return false;
	return linkat(from->folder, from->name, to->folder, to->name, 0) == 0 &&
	       unlinkat(from->folder, from->name, 0) == 0;
}

/*
 * move(path, to [, root [, root of to]]) -> true | nil, code, text; "exists" if something is there. A link itself is
 * moved.
 */
static int folder_move(lua_State *L)
{
	const char *path = support_check_path(L, 1), *to = support_check_path(L, 2);
	struct spot from, target;
	bool found, ok = false;
	int error, astray = 3;

	if (path == NULL || to == NULL)
		return support_push_errno(L, "the local file's name holds a NUL", EINVAL);
	found = spot_find(&from, local_root(L, 3), path);
	error = errno;
	if (found) {
		bool target_found = spot_find(&target, local_root(L, 4), to);
		ok = target_found && folder_rename(&from, &target);
		error = errno;
		astray = target_found ? 3 : 4;
		spot_leave(&target);
	}
	spot_leave(&from);
	if (ok) {
		lua_pushboolean(L, 1);
		return 1;
	}
	local_push_astray(L, astray, "it cannot be moved", error);
	if (error == EEXIST) {
		lua_pushliteral(L, "exists");
		lua_replace(L, -3);
	}
	return 3;
}

/* The next entry; NULL at the end and, with errno, on failure. */
static const struct dirent *folder_read(struct folder *f)
{
	const struct dirent *entry;
	do {
		errno = 0;
		entry = f->stream != NULL ? readdir(f->stream) : NULL;
	} while (entry != NULL && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
	return entry;
}

static int folder_push_end(lua_State *L)
{
	if (errno != 0)
		return support_push_errno(L, "the folder cannot be read", errno);
	lua_pushnil(L);
	return 1;
}

static int folder_push_found(lua_State *L, const struct folder *f, const char *name)
{
	struct stat st;
	int error = f->stream == NULL ? EBADF : fstatat(dirfd(f->stream), name, &st, f->flags) < 0 ? errno : 0;

	lua_pushstring(L, name); /* from here on a collector may have closed the folder */
	if (error != 0)
		return 1 + support_push_errno(L, "the local file cannot be looked at", error);
	return 1 + folder_push_what(L, &st);
}

/* next(folder) -> name and the results of lstat; nil at the end | nil, code, text */
static int folder_next(lua_State *L)
{
	struct folder *f = luaL_checkudata(L, 1, FOLDER_TYPE);
	const struct dirent *entry = folder_read(f);
	return entry != NULL ? folder_push_found(L, f, entry->d_name) : folder_push_end(L);
}

/* Whether an entry is a file with a name that needs no close look. */
static bool folder_is_plain_file(const char *name, size_t length, const struct stat *st)
{
	return S_ISREG(st->st_mode) && name_is_plain(name, length) && !name_is_temporary(name, length);
}

static int64_t folder_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* A copy of an entry: the stream's own is freed when a collector closes the folder. */
struct entry {
	char name[PATH_MAX];
	size_t length;
	unsigned char type;
};

static void folder_keep_entry(struct entry *to, const struct dirent *from)
{
	to->length = strnlen(from->d_name, sizeof to->name - 1);
	memcpy(to->name, from->d_name, to->length);
	to->name[to->length] = '\0';
	to->type = from->d_type;
}

/*
 * Whether to pass over the entry: Lua does not see it then. Fills in `st` as far as it was needed. The name index is at
 * index 2.
 */
typedef bool passes(lua_State *L, const struct folder *f, const struct entry *entry, struct stat *st);

static int folder_next_to_see(lua_State *L, passes *pass)
{
	struct folder *f = luaL_checkudata(L, 1, FOLDER_TYPE);
	int64_t began = folder_now();

	do {
		for (int i = 0; i < TURN; i++) {
			const struct dirent *found = folder_read(f);
			struct stat st = {.st_mode = S_IFREG};
			struct entry entry;
			if (found == NULL)
				return folder_push_end(L);
			folder_keep_entry(&entry, found);
			if (!pass(L, f, &entry, &st))
				return folder_push_found(L, f, entry.name);
			f->passed++;
			f->bytes += st.st_size;
		}
	} while (folder_now() - began < LONG);
	lua_pushboolean(L, 0);
	return 1;
}

static bool folder_stat_entry(const struct folder *f, const struct entry *entry, struct stat *st)
{
	return fstatat(dirfd(f->stream), entry->name, st, f->flags) == 0;
}

static bool folder_is_new_name(lua_State *L, const struct folder *f, const struct entry *entry, struct stat *st)
{
	/* the first one tells whether the folder may be searched at all */
	bool sizes = lua_toboolean(L, 3) || f->passed == 0;

	return ((!sizes && entry->type == DT_REG) || folder_stat_entry(f, entry, st)) &&
	       folder_is_plain_file(entry->name, entry->length, st) &&
	       name_index_take(L, 2, entry->name, entry->length);
}

/*
 * next_special(folder, known [, sizes]) -> as next; false after a while. Passes over files with plain names that the
 * name index `known` does not know yet, and adds them to it. With `sizes` their bytes are counted.
 */
static int folder_next_special(lua_State *L)
{
	return folder_next_to_see(L, folder_is_new_name);
}

static bool folder_is_unchanged(lua_State *L, const struct folder *f, const struct entry *entry, struct stat *st)
{
	return folder_stat_entry(f, entry, st) && folder_is_plain_file(entry->name, entry->length, st) &&
	       name_index_has_same(L, 2, entry->name, entry->length, st);
}

/*
 * next_changed(folder, known) -> as next; false after a while. Passes over files that are unchanged: the name index
 * `known` has the same name, size and time.
 */
static int folder_next_changed(lua_State *L)
{
	return folder_next_to_see(L, folder_is_unchanged);
}

/* passed(folder) -> number and bytes of the files that were passed over since the last call */
static int folder_passed(lua_State *L)
{
	struct folder *f = luaL_checkudata(L, 1, FOLDER_TYPE);
	lua_pushinteger(L, f->passed);
	lua_pushinteger(L, f->bytes);
	f->passed = f->bytes = 0;
	return 2;
}

/*
 * entries(path, follow [, itself [, root]]) -> next, folder, nil, folder, as the generic for takes them | nil, code,
 * text. With `itself` a link to a folder is not read.
 */
static int folder_entries(lua_State *L)
{
	const char *path = support_check_path(L, 1);
	bool follow = lua_toboolean(L, 2);
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (lua_toboolean(L, 3) ? O_NOFOLLOW : 0);
	struct folder *f;
	struct spot at;
	int fd = -1;

	lua_settop(L, 4);
	if (path == NULL)
		return support_push_errno(L, "the folder's name holds a NUL", EINVAL);
	lua_pushcfunction(L, folder_next);
	f = lua_newuserdatauv(L, sizeof *f, 0);
	*f = (struct folder){.flags = follow ? 0 : AT_SYMLINK_NOFOLLOW};
	luaL_setmetatable(L, FOLDER_TYPE);
	if (spot_find(&at, local_root(L, 4), path))
		fd = descriptor_clear(openat(at.folder, at.name, flags));
	spot_leave(&at);
	f->stream = fd >= 0 ? fdopendir(fd) : NULL;
	if (f->stream == NULL) {
		int error = errno;
		if (fd >= 0)
			close(fd);
		return local_push_astray(L, 4, "the folder cannot be read", error);
	}
	lua_pushnil(L);
	lua_pushvalue(L, -2);
	return 4;
}

void folder_register(lua_State *L)
{
	static const luaL_Reg metamethods[] = {{"__gc", folder_close}, {"__close", folder_close}, {NULL, NULL}};
	static const luaL_Reg functions[] = {
		{"lstat", folder_lstat},
		{"make_folder", folder_make},
		{"remove", folder_remove},
		{"move", folder_move},
		{"entries", folder_entries},
		{"next_special", folder_next_special},
		{"next_changed", folder_next_changed},
		{"passed", folder_passed},
		{NULL, NULL},
	};

	luaL_setfuncs(L, functions, 0);
	support_new_type(L, FOLDER_TYPE, metamethods);
	lua_pop(L, 1);
}
