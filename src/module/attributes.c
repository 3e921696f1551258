/*
 * What a local file has besides its contents: mode, owners, exact times, where a link leads. For backups and what they
 * bring back.
 */
#include "beneath.h"
#include "local.h"
#include "register.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ATTRIBUTES_SECOND INT64_C(1000000000) /* nanoseconds */

/* Nanoseconds since 1970; what 64 bits cannot hold becomes the nearest that they can. */
static lua_Integer attributes_nanoseconds(struct timespec t)
{
	const int64_t most = INT64_MAX / ATTRIBUTES_SECOND - 1;
	if (t.tv_sec > most)
		return INT64_MAX;
	if (t.tv_sec < -most)
		return INT64_MIN + 1;
	return (lua_Integer)((int64_t)t.tv_sec * ATTRIBUTES_SECOND + t.tv_nsec);
}

static struct timespec attributes_timespec(lua_Integer nanoseconds)
{
	int64_t rest = nanoseconds % ATTRIBUTES_SECOND;
	if (rest < 0)
		rest += ATTRIBUTES_SECOND;
	return (struct timespec){.tv_sec = (time_t)((nanoseconds - rest) / ATTRIBUTES_SECOND), .tv_nsec = (long)rest};
}

static void attributes_set(lua_State *L, const char *field, lua_Integer value)
{
	lua_pushinteger(L, value);
	lua_setfield(L, -2, field);
}

static const char *attributes_type(mode_t mode)
{
	return S_ISREG(mode) ? "file" : S_ISDIR(mode) ? "directory" : S_ISLNK(mode) ? "link" : "other";
}

static int attributes_push(lua_State *L, const struct stat *st)
{
	lua_createtable(L, 0, 12);
	lua_pushstring(L, attributes_type(st->st_mode));
	lua_setfield(L, -2, "type");
	attributes_set(L, "size", (lua_Integer)st->st_size);
	attributes_set(L, "mode", (lua_Integer)(st->st_mode & 07777));
	attributes_set(L, "uid", (lua_Integer)st->st_uid);
	attributes_set(L, "gid", (lua_Integer)st->st_gid);
	attributes_set(L, "dev", (lua_Integer)st->st_dev);
	attributes_set(L, "ino", (lua_Integer)st->st_ino);
	attributes_set(L, "mtime", attributes_nanoseconds(st->st_mtim));
	attributes_set(L, "ctime", attributes_nanoseconds(st->st_ctim));
	return 1;
}

/* Adds `target` to the table on the top, which tells of a link. */
static void attributes_push_target(lua_State *L, const struct spot *at)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(at->folder, at->name, target, sizeof target);

	if (n < 0)
		return;
	lua_pushlstring(L, target, (size_t)n);
	lua_setfield(L, -2, "target");
}

/* attributes(path [, root]) -> table | nil, code, text; of a link itself. What is missing has the code "not_found". */
static int attributes_of_path(lua_State *L)
{
	const char *path = support_check_path(L, 1);
	struct spot at;
	struct stat st;
	bool ok;

	if (path == NULL)
		return support_push_errno(L, "the local file's name holds a NUL", EINVAL);
	ok = spot_find(&at, local_root(L, 2), path) && fstatat(at.folder, at.name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (!ok) {
		int error = errno;
		spot_leave(&at);
		local_push_astray(L, 2, "the local file cannot be looked at", error);
		if (error == ENOENT || error == ENOTDIR) {
			lua_pushliteral(L, "not_found");
			lua_replace(L, -3);
		}
		return 3;
	}
	attributes_push(L, &st); /* only for want of memory a descriptor would be lost here */
	if (S_ISLNK(st.st_mode))
		attributes_push_target(L, &at);
	spot_leave(&at);
	return 1;
}

/* local_attributes(local) -> table | nil, code, text; of the file that is open */
static int attributes_of_local(lua_State *L)
{
	struct stat st;

	if (fstat(local_check_fd(L, 1), &st) < 0)
		return support_push_errno(L, "the local file cannot be looked at", errno);
	return attributes_push(L, &st);
}

/* What is to be set; fields that are missing are left alone. */
struct attributes_wanted {
	bool has_mode, has_owner, has_mtime;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	struct timespec times[2];
};

static bool attributes_get(lua_State *L, int index, const char *field, lua_Integer *value)
{
	bool found;

	lua_getfield(L, index, field);
	found = lua_isinteger(L, -1);
	*value = found ? lua_tointeger(L, -1) : 0;
	lua_pop(L, 1);
	return found;
}

static struct attributes_wanted attributes_check_wanted(lua_State *L, int index)
{
	struct attributes_wanted w = {.times = {{.tv_nsec = UTIME_OMIT}}};
	lua_Integer value, gid;

	luaL_checktype(L, index, LUA_TTABLE);
	w.has_mode = attributes_get(L, index, "mode", &value);
	w.mode = (mode_t)(value & 07777);
	w.has_owner = attributes_get(L, index, "uid", &value) && attributes_get(L, index, "gid", &gid);
	w.uid = (uid_t)value;
	w.gid = w.has_owner ? (gid_t)gid : 0;
	w.has_mtime = attributes_get(L, index, "mtime", &value);
	w.times[1] = attributes_timespec(value);
	return w;
}

/*
 * set_attributes(path, wanted [, root]) -> true | nil, code, text. A link itself has owners and a time; it is not
 * followed.
 */
static int attributes_set_path(lua_State *L)
{
	const char *path = support_check_path(L, 1);
	struct attributes_wanted w = attributes_check_wanted(L, 2);
	const int no_link = AT_SYMLINK_NOFOLLOW;
	struct spot at;
	bool ok;

	if (path == NULL)
		return support_push_errno(L, "the local file's name holds a NUL", EINVAL);
	ok = spot_find(&at, local_root(L, 3), path) &&
	     (!w.has_owner || fchownat(at.folder, at.name, w.uid, w.gid, no_link) == 0) &&
	     (!w.has_mode || fchmodat(at.folder, at.name, w.mode, no_link) == 0) &&
	     (!w.has_mtime || utimensat(at.folder, at.name, w.times, no_link) == 0);
	spot_leave(&at);
	if (!ok)
		return local_push_astray(L, 3, "the local file's attributes cannot be set", errno);
	lua_pushboolean(L, 1);
	return 1;
}

/* set_local_attributes(local, wanted) -> true | nil, code, text */
static int attributes_set_local(lua_State *L)
{
	int fd = local_check_fd(L, 1);
	struct attributes_wanted w = attributes_check_wanted(L, 2);

	if ((w.has_owner && fchown(fd, w.uid, w.gid) < 0) || (w.has_mode && fchmod(fd, w.mode) < 0) ||
	    (w.has_mtime && futimens(fd, w.times) < 0))
		return support_push_errno(L, "the local file's attributes cannot be set", errno);
	lua_pushboolean(L, 1);
	return 1;
}

/* make_link(target, path [, root]) -> true | nil, code, text; "exists" where something has the name */
static int attributes_make_link(lua_State *L)
{
	const char *target = support_check_path(L, 1), *path = support_check_path(L, 2);
	struct spot at;
	bool ok;

	if (path == NULL || target == NULL)
		return support_push_errno(L, "the link's name or target holds a NUL", EINVAL);
	ok = spot_find(&at, local_root(L, 3), path) && symlinkat(target, at.folder, at.name) == 0;
	spot_leave(&at);
	if (!ok)
		return local_push_astray(L, 3, "the link cannot be made", errno);
	lua_pushboolean(L, 1);
	return 1;
}

/* owner_names(uid, gid) -> the user's name, the group's; nil for who has none */
static int attributes_owner_names(lua_State *L)
{
	const struct passwd *user = getpwuid((uid_t)luaL_checkinteger(L, 1));
	const struct group *group = getgrgid((gid_t)luaL_checkinteger(L, 2));

	lua_pushstring(L, user != NULL ? user->pw_name : NULL);
	lua_pushstring(L, group != NULL ? group->gr_name : NULL);
	return 2;
}

/* owner_ids(user, group) -> the numbers that they have here; nil for who is unknown */
static int attributes_owner_ids(lua_State *L)
{
	const char *user = luaL_optstring(L, 1, NULL), *group = luaL_optstring(L, 2, NULL);
	const struct passwd *known_user = user != NULL ? getpwnam(user) : NULL;
	const struct group *known_group = group != NULL ? getgrnam(group) : NULL;

	if (known_user != NULL)
		lua_pushinteger(L, (lua_Integer)known_user->pw_uid);
	else
		lua_pushnil(L);
	if (known_group != NULL)
		lua_pushinteger(L, (lua_Integer)known_group->gr_gid);
	else
		lua_pushnil(L);
	return 2;
}

/* user() -> this process's effective user and its own number */
static int attributes_user(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)geteuid());
	lua_pushinteger(L, (lua_Integer)getpid());
	return 2;
}

/*
 * path_before(a, b) -> whether `a` comes before `b` when a tree is walked folder by folder, names in the order of their
 * bytes, whatever the locale: as if a slash were the smallest of all.
 */
static int attributes_path_before(lua_State *L)
{
	size_t m, n;
	const unsigned char *a = (const unsigned char *)luaL_checklstring(L, 1, &m);
	const unsigned char *b = (const unsigned char *)luaL_checklstring(L, 2, &n);
	size_t i = 0;

	while (i < m && i < n && a[i] == b[i])
		i++;
	if (i == m || i == n)
		lua_pushboolean(L, m < n);
	else
		lua_pushboolean(L, b[i] != '/' && (a[i] == '/' || a[i] < b[i]));
	return 1;
}

void attributes_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"attributes", attributes_of_path},
		{"local_attributes", attributes_of_local},
		{"set_attributes", attributes_set_path},
		{"set_local_attributes", attributes_set_local},
		{"make_link", attributes_make_link},
		{"owner_names", attributes_owner_names},
		{"owner_ids", attributes_owner_ids},
		{"user", attributes_user},
		{"path_before", attributes_path_before},
		{NULL, NULL},
	};
	luaL_setfuncs(L, functions, 0);
}
