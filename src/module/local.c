/*
 * userdata "smb.local": the local side of a transfer, a descriptor that a worker gets. It is a file to read; or a new
 * file with a temporary name, which gets its own when it is complete; or memory for strings.
 */
#include "local.h"

#include "beneath.h"
#include "register.h"
#include "shared/descriptor.h"
#include "shared/ticks.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCAL_TYPE "smb.local"

struct local {
	int fd;         /* -1: closed */
	pid_t host;     /* a forked child must not remove its parent's new file */
	struct spot at; /* of a new file: its folder, or AT_FDCWD */
	char *path;     /* of a new file: its final name, there, */
	char *temp;     /* and the one it has until it is complete; NULL once it has its own */
	bool linked;    /* a link led to `path` */
	bool kept;      /* what is incomplete stays for another run */
	off_t size;     /* of a file to read, when it was opened, */
	uint64_t stamp; /* and smb_stamp() of its time */
};

/* ---- life ---- */

static struct local *local_new(lua_State *L)
{
	struct local *f = lua_newuserdatauv(L, sizeof *f, 0);
	memset(f, 0, sizeof *f);
	f->fd = -1;
	f->at.folder = AT_FDCWD;
	f->host = getpid();
	luaL_setmetatable(L, LOCAL_TYPE);
	return f;
}

/* Removes the temporary file, unless it is to be kept. */
static void local_release(struct local *f)
{
	int fd = f->fd;
	char *temp = f->temp;

	f->fd = -1;
	f->temp = NULL;
	if (fd >= 0)
		close(fd);
	if (temp != NULL && f->host == getpid() && !f->kept)
		unlinkat(f->at.folder, temp, 0);
	spot_leave(&f->at);
	free(temp);
	free(f->path);
	f->path = NULL;
}

static int local_discard(lua_State *L)
{
	local_release(luaL_checkudata(L, 1, LOCAL_TYPE));
	return 0;
}

static struct local *local_check(lua_State *L, int index)
{
	struct local *f = luaL_checkudata(L, index, LOCAL_TYPE);
	luaL_argcheck(L, f->fd >= 0, index, "closed");
	return f;
}

int local_check_fd(lua_State *L, int index)
{
	return local_check(L, index)->fd;
}

int local_root(lua_State *L, int index)
{
	return lua_toboolean(L, index) ? local_check(L, index)->fd : BENEATH_NOTHING;
}

int local_push_astray(lua_State *L, int root, const char *what, int error)
{
	if (error != ELOOP || !lua_toboolean(L, root))
		return support_push_errno(L, what, error);
	lua_pushnil(L);
	lua_pushliteral(L, "local_io");
	lua_pushliteral(L, "a link stands in a folder's place (symlinks = \"follow\" follows it)");
	return 3;
}

static int local_push_no_path(lua_State *L)
{
	return support_push_errno(L, "the local file's name holds a NUL", EINVAL);
}

/* ---- a file to read ---- */

/* The size of files in /proc and /sys means nothing. Of ordinary files this reads nothing from the disk. */
static bool local_has_no_size(int fd, const struct stat *st)
{
	char byte;

	if (!S_ISREG(st->st_mode))
		return true;
	if (st->st_size == 0)
		return pread(fd, &byte, 1, 0) != 0;
	return st->st_blocks == 0 && pread(fd, &byte, 1, st->st_size - 1) == 0;
}

static bool local_is_readable_kind(mode_t mode)
{
	return S_ISREG(mode) || S_ISFIFO(mode) || S_ISCHR(mode) || S_ISBLK(mode);
}

/*
 * open_local(path) -> local, size, mtime in ticks, whether the size means nothing (local_some reads to the end) | nil,
 * code, text
 */
static int local_open(lua_State *L)
{
	const char *path = support_check_path(L, 1);
	struct local *f = local_new(L);
	struct stat st;

	if (path == NULL)
		return local_push_no_path(L);
	/* Do not wait for the writer of a named pipe either. */
	f->fd = descriptor_clear(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
	if (f->fd < 0 || fstat(f->fd, &st) < 0)
		return support_push_errno(L, "the local file cannot be opened", errno);
	if (!local_is_readable_kind(st.st_mode))
		return support_push_errno(L, "the local file is none that can be read",
					  S_ISDIR(st.st_mode) ? EISDIR : EINVAL);
	f->size = st.st_size;
	f->stamp = smb_stamp(st.st_mtim);
	lua_pushinteger(L, (lua_Integer)st.st_size);
	lua_pushinteger(L, ticks_of_timespec(st.st_mtim));
	lua_pushboolean(L, local_has_no_size(f->fd, &st));
	return 4;
}

uint64_t local_stamp(lua_State *L, int index)
{
	const struct local *f = luaL_testudata(L, index, LOCAL_TYPE);
	return f != NULL ? f->stamp : 0;
}

/* local_is_unchanged(local) -> whether a file to read still has the size and time of its opening */
static int local_is_unchanged(lua_State *L)
{
	const struct local *f = local_check(L, 1);
	struct stat st;
	char byte;

	lua_pushboolean(L, fstat(f->fd, &st) == 0 && st.st_size == f->size && smb_stamp(st.st_mtim) == f->stamp &&
				   pread(f->fd, &byte, 1, f->size) == 0);
	return 1;
}

/*
 * local_some(local, seconds) -> the next bytes of a pipe or device, nil at the end; false if none come within that
 * time, a slice at most, and "unwritten" if nobody has opened the pipe for writing | nil, code, text
 */
static int local_some(lua_State *L)
{
	struct local *f = local_check(L, 1);
	struct pollfd p = {.fd = f->fd, .events = POLLIN};
	char bytes[65536];
	int ready = poll(&p, 1, support_wait_slice(luaL_checknumber(L, 2)));
	ssize_t n = read(f->fd, bytes, sizeof bytes);
	int error = errno;

	support_move_interrupt_here(L);
	if (n > 0) {
		lua_pushlstring(L, bytes, (size_t)n);
		return 1;
	}
	if (n < 0 && error != EAGAIN && error != EINTR)
		return support_push_errno(L, "the local file cannot be read", error);
	if (n == 0 && ready > 0) {
		lua_pushnil(L);
		return 1;
	}
	lua_pushboolean(L, 0);
	lua_pushstring(L, n == 0 ? "unwritten" : "empty");
	return 2;
}

/* open_root(path) -> a folder to work below, even if another folder takes its name | nil, code, text */
static int local_open_root(lua_State *L)
{
	const char *path = support_check_path(L, 1);
	struct local *f = local_new(L);

	if (path == NULL)
		return local_push_no_path(L);
	f->fd = descriptor_clear(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
	if (f->fd < 0)
		return support_push_errno(L, "the local folder cannot be opened", errno);
	return 1;
}

/* ---- a new file ---- */

/*
 * Returns the mode of the file at the path, 0 if there is none. A link in the path that the caller gave is followed:
 * its target is replaced. Below a folder that is held open others may have put the link there: the link itself is
 * replaced.
 */
static mode_t local_mode_of(const struct spot *at, bool *is_link)
{
	struct stat st;

	*is_link = false;
	if (fstatat(at->folder, at->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (!S_ISLNK(st.st_mode) || at->folder != AT_FDCWD)
		return st.st_mode;
	*is_link = stat(at->name, &st) == 0;
	return *is_link ? st.st_mode : 0;
}

/*
 * Makes "FOLDER/NAME.xxxxxxxx.part". A long name is cut, between two characters, so that the result is no longer than
 * the name: the file system can hold it whatever its limit. Any file system can hold a short one.
 */
static char *local_temporary_path(const char *path, const char *random)
{
	const size_t added = strlen(".xxxxxxxx.part"), shortest = 64;
	const char *slash = strrchr(path, '/');
	size_t folder = slash != NULL ? (size_t)(slash + 1 - path) : 0;
	size_t name = strlen(path + folder), kept = name;
	char *temp;

	if (name + added > shortest)
		kept = (name > shortest ? name : shortest) - added;
	while (kept < name && kept > 0 && (path[folder + kept] & 0xc0) == 0x80)
		kept--;
	if (asprintf(&temp, "%.*s%c%s.part", (int)(folder + kept), path, kept < name ? '~' : '.', random) < 0)
		return NULL;
	return temp;
}

static int local_push_exists(lua_State *L)
{
	lua_pushnil(L);
	lua_pushliteral(L, "exists");
	lua_pushliteral(L, "the local file exists already");
	return 3;
}

static int local_make_new(int folder, const char *name)
{
	return openat(folder, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
}

/* Others can guess the temporary name: do not trust a file that is not this user's, or that has a second name. */
static bool local_is_ours(int fd)
{
	struct stat st;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && st.st_nlink == 1)
		return true;
	errno = EPERM;
	return false;
}

/* Opens an earlier run's temporary file, or a new one; -1 if another run uses it now, or if it cannot be trusted. */
static int local_reopen(int folder, const char *name)
{
	int fd = local_make_new(folder, name);
	bool is_new = fd >= 0;

	if (fd < 0 && errno == EEXIST)
		fd = openat(folder, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd >= 0 && ((!is_new && !local_is_ours(fd)) || flock(fd, LOCK_EX | LOCK_NB) < 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

/*
 * create_local(path, digits, overwrite, again [, root]) -> local, size | nil, code, text. The file gets its own name in
 * `complete`. `again`: goes on with an earlier run's file of these digits, of which `size` bytes are there. `root`: the
 * path lies below it.
 */
static int local_create(lua_State *L)
{
	const char *path = support_check_path(L, 1), *digits = luaL_checkstring(L, 2);
	bool overwrite = lua_toboolean(L, 3), again = lua_toboolean(L, 4);
	struct local *f;
	struct stat st = {0};
	mode_t mode;

	lua_settop(L, 5);
	f = local_new(L);
	if (path == NULL)
		return local_push_no_path(L);
	if (!spot_find(&f->at, local_root(L, 5), path))
		return local_push_astray(L, 5, "the local file cannot be made", errno);
	mode = local_mode_of(&f->at, &f->linked);
	if (S_ISDIR(mode))
		return support_push_errno(L, "the local file cannot be made", EISDIR);
	if (mode != 0 && !S_ISREG(mode) && !S_ISLNK(mode))
		return support_push_errno(L, "the local file is no regular file", EINVAL);
	if (mode != 0 && !overwrite)
		return local_push_exists(L);
	f->path = f->linked ? realpath(path, NULL) : strdup(f->at.name);
	if (f->path == NULL)
		return support_push_errno(L, "the local file cannot be made", errno);
	f->temp = local_temporary_path(f->path, digits);
	if (f->temp == NULL)
		return luaL_error(L, "not enough memory");
	f->fd = descriptor_clear(again ? local_reopen(f->at.folder, f->temp) : local_make_new(f->at.folder, f->temp));
	if (f->fd < 0) {
		int error = errno;
		free(f->temp);
		f->temp = NULL;
		return support_push_errno(L, "the local file cannot be made", error);
	}
	if (S_ISREG(mode))
		(void)!fchmod(f->fd, mode & 0777);
	lua_pushinteger(L, again && fstat(f->fd, &st) == 0 ? (lua_Integer)st.st_size : 0);
	return 2;
}

/* keep(local [, whether]): if it is never completed, its temporary file stays for another run */
static int local_keep(lua_State *L)
{
	local_check(L, 1)->kept = lua_isnone(L, 2) || lua_toboolean(L, 2);
	return 0;
}

static bool local_set_mtime(int fd, int64_t mtime)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, ticks_timespec(mtime)};
	return futimens(fd, times) == 0;
}

/* Opens the new file's folder. A rename lasts once its folder is synced. */
static int local_open_folder(const struct local *f)
{
	char *folder, *slash;
	int fd;

	if (f->at.folder != AT_FDCWD)
		return descriptor_clear(openat(f->at.folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	folder = strdup(f->path);
	slash = folder != NULL ? strrchr(folder, '/') : NULL;
	if (slash != NULL)
		slash[slash == folder] = '\0';
	fd = folder == NULL ? -1 : open(slash != NULL ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(folder);
	return descriptor_clear(fd);
}

/* For file systems and kernels without renameat2's flags: a link never replaces a file. */
static bool local_link(const struct local *f)
{
	int folder = f->at.folder;

	return linkat(folder, f->temp, folder, f->path, 0) == 0 && unlinkat(folder, f->temp, 0) == 0;
}

/* For those without hard links, too: takes the name with an empty file, and then replaces that. */
static bool local_reserve(const struct local *f)
{
	int folder = f->at.folder, error, fd = local_make_new(folder, f->path);

	if (fd < 0)
		return false;
	close(fd);
	if (renameat(folder, f->temp, folder, f->path) == 0)
		return true;
	error = errno;
	unlinkat(folder, f->path, 0);
	errno = error;
	return false;
}

/* Without `overwrite`, keeps a file that has appeared meanwhile. */
static bool local_rename(const struct local *f, bool overwrite)
{
	int folder = f->at.folder;

	if (overwrite)
		return renameat(folder, f->temp, folder, f->path) == 0;
	if (renameat2(folder, f->temp, folder, f->path, RENAME_NOREPLACE) == 0)
		return true;
	return errno != EEXIST && (local_link(f) || (errno != EEXIST && local_reserve(f)));
}

/* Whether the disk has kept the time that was set, perhaps cut to its step. */
static bool local_has_kept(int fd, int64_t mtime)
{
	const int64_t coarsest = 2 * TICKS_SECOND;
	struct stat st;
	int64_t kept = fstat(fd, &st) == 0 ? ticks_of_timespec(st.st_mtim) : TICKS_UNKNOWN;
	errno = ERANGE;
	return kept > mtime - coarsest && kept < mtime + coarsest;
}

/*
 * complete(local, mtime | nil, overwrite, insist [, others_sync]) -> its folder, to be synced, or false if that cannot
 * be done or others sync the folder that the path names; whether the disk did not keep the time | nil, code, text. With
 * `insist` a time that is not kept is a failure.
 */
static int local_complete(lua_State *L)
{
	struct local *f = local_check(L, 1), *folder = NULL;
	bool overwrite = lua_toboolean(L, 3), insist = lua_toboolean(L, 4), refused = false;

	if (f->linked || !lua_toboolean(L, 5))
		folder = local_new(L);
	luaL_argcheck(L, local_check(L, 1)->temp != NULL, 1, "not a new file"); /* a collector may have run */
	if (!lua_isnoneornil(L, 2))
		refused =
		    !local_set_mtime(f->fd, luaL_checkinteger(L, 2)) || !local_has_kept(f->fd, lua_tointeger(L, 2));
	if (refused && insist)
		return support_push_errno(L, "the local file's time cannot be set", errno);
	if (!local_rename(f, overwrite)) {
		if (errno == EEXIST)
			return local_push_exists(L);
		return support_push_errno(L, "the local file cannot be renamed", errno);
	}
	free(f->temp);
	f->temp = NULL;
	if (folder != NULL)
		folder->fd = local_open_folder(f);
	local_release(f);
	if (folder == NULL || folder->fd < 0)
		lua_pushboolean(L, 0);
	lua_pushboolean(L, refused);
	return 2;
}

/* sync(local): writes the file or folder to disk. Some file systems cannot: that is no failure. */
static int local_sync(lua_State *L)
{
	(void)!fsync(local_check(L, 1)->fd);
	return 0;
}

/* local_stat(local) -> size, mtime in ticks | nil, code, text */
static int local_stat(lua_State *L)
{
	struct stat st;
	if (fstat(local_check(L, 1)->fd, &st) < 0)
		return support_push_errno(L, "the local file cannot be asked for its size", errno);
	lua_pushinteger(L, (lua_Integer)st.st_size);
	lua_pushinteger(L, ticks_of_timespec(st.st_mtim));
	return 2;
}

/* local_cut(local, size): cuts off what a transfer wrote beyond; true | nil, code, text */
static int local_cut(lua_State *L)
{
	if (ftruncate(local_check(L, 1)->fd, (off_t)luaL_checkinteger(L, 2)) < 0)
		return support_push_errno(L, "the local file cannot be cut", errno);
	lua_pushboolean(L, 1);
	return 1;
}

/* ---- memory ---- */

/* memory() -> a local file in memory */
static int local_memory(lua_State *L)
{
	struct local *f = local_new(L);
	f->fd = descriptor_clear(memfd_create("smb-data", MFD_CLOEXEC));
	if (f->fd < 0)
		return support_push_errno(L, "no memory for the data", errno);
	return 1;
}

/* take(local, size) -> the first bytes as a string | nil, code, text */
static int local_take(lua_State *L)
{
	lua_Integer size = luaL_checkinteger(L, 2);
	lua_Integer have = 0;
	struct local *f;
	luaL_Buffer b;
	char *to;

	luaL_argcheck(L, size >= 0, 2, "negative");
	to = luaL_buffinitsize(L, &b, (size_t)size);
	f = local_check(L, 1); /* not before: a collector may have run */
	while (have < size) {
		ssize_t n = pread(f->fd, to + have, (size_t)(size - have), (off_t)have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have += n;
	}
	luaL_pushresultsize(&b, (size_t)have);
	return 1;
}

static const luaL_Reg metamethods[] = {{"__gc", local_discard}, {"__close", local_discard}, {NULL, NULL}};

static const luaL_Reg functions[] = {
	{"open_root", local_open_root},
	{"open_local", local_open},
	{"create_local", local_create},
	{"complete", local_complete},
	{"discard", local_discard},
	{"memory", local_memory},
	{"take", local_take},
	{"local_stat", local_stat},
	{"local_is_unchanged", local_is_unchanged},
	{"local_some", local_some},
	{"sync", local_sync},
	{"local_cut", local_cut},
	{"keep", local_keep},
	{NULL, NULL},
};

void local_register(lua_State *L)
{
	luaL_setfuncs(L, functions, 0);
	support_new_type(L, LOCAL_TYPE, metamethods);
	lua_pop(L, 1);
}
