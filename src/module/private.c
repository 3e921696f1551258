/* Files whose content is a secret. */
#include "register.h"

#include "shared/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Rights, as in the lowest bits of a mode. */
enum { PRIVATE_WRITE = 2, PRIVATE_READ = 4 };

/* acl(5) as Linux returns it: a version, then entries of eight bytes, all little-endian. */
enum { ACL_HEADER = 4, ACL_ENTRY = 8, ACL_MOST = 4096 };
enum { ACL_TAG_USER = 2, ACL_TAG_GROUP_OBJ = 4, ACL_TAG_GROUP = 8, ACL_TAG_MASK = 16 };

static uint32_t private_number(const uint8_t *bytes, int count)
{
	uint32_t number = 0;
	while (count-- > 0)
		number = number << 8 | bytes[count];
	return number;
}

/* Whether an entry of an access list belongs to a stranger: not to root, the owner or this user. */
static bool private_is_stranger(const uint8_t *entry, const struct stat *st)
{
	uint32_t tag = private_number(entry, 2), id = private_number(entry + 4, 4);

	if (tag == ACL_TAG_USER)
		return id != 0 && id != st->st_uid && id != geteuid();
	return tag == ACL_TAG_GROUP_OBJ || tag == ACL_TAG_GROUP;
}

/*
 * Returns the rights of all but the owner. With an access list the mode's group bits are only its mask, the most that
 * anybody named there has: systemd gives a service its credentials in files of root's, mode 0440, which that service's
 * user alone can read.
 */
static unsigned private_rights(int fd, const struct stat *st)
{
	uint8_t list[ACL_MOST];
	unsigned others = st->st_mode & 7, mask = st->st_mode >> 3 & 7, strangers = 0;
	ssize_t size = fgetxattr(fd, "system.posix_acl_access", list, sizeof list);

	if (size < ACL_HEADER)
		return others | mask; /* no access list; of one that is too long the mask counts */
	for (ssize_t at = ACL_HEADER; at + ACL_ENTRY <= size; at += ACL_ENTRY)
		if (private_is_stranger(list + at, st))
			strangers |= private_number(list + at + 2, 2);
	return others | (strangers & mask);
}

/* Says why an open file is not private; NULL if it is. */
static const char *private_fault(int fd, bool may_be_read)
{
	struct stat st;
	unsigned rights;

	if (fstat(fd, &st) < 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "it is no regular file";
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return "it belongs to another user";
	rights = private_rights(fd, &st);
	if ((rights & PRIVATE_READ) && !may_be_read)
		return "it can be read by others than its owner (chmod 600 helps)";
	if (rights & PRIVATE_WRITE)
		return "it can be written by others than its owner (chmod 600 helps)";
	return NULL;
}

/* Bytes read, or -1. */
static ssize_t private_read_all(int fd, char *to, size_t size)
{
	size_t have = 0;
	while (have < size) {
		ssize_t n = read(fd, to + have, size - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

static int private_push_fault(lua_State *L, const char *why)
{
	lua_pushnil(L);
	lua_pushstring(L, why);
	return 2;
}

/*
 * read_private(path, most, may_be_read) -> text | nil, reason. Nobody else may write the file, nor read it unless that
 * is allowed. A longer text is cut off one byte after `most`. The open file is checked, not its name: nobody can
 * exchange it between check and reading. Does not wait for a pipe's writer.
 */
static int private_read(lua_State *L)
{
	size_t length;
	const char *path = luaL_checklstring(L, 1, &length), *fault;
	size_t most = (size_t)luaL_checkinteger(L, 2);
	bool may_be_read = lua_toboolean(L, 3);
	char *text = lua_newuserdatauv(L, most + 1, 0); /* first: an error must not leave the file open */
	int fd =
	    strlen(path) == length ? descriptor_clear(open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)) : -1;
	ssize_t n = -1;

	if (strlen(path) != length)
		return private_push_fault(L, "its name holds a NUL");
	if (fd < 0)
		return private_push_fault(L, errno == ENOENT ? "it is not there" : strerror(errno));
	fault = private_fault(fd, may_be_read);
	if (fault == NULL) {
		n = private_read_all(fd, text, most + 1);
		fault = n < 0 ? strerror(errno) : NULL;
	}
	close(fd);
	if (fault != NULL)
		return private_push_fault(L, fault);
	lua_pushlstring(L, text, (size_t)n);
	explicit_bzero(text, most + 1);
	return 1;
}

/* Writes all to a file that nobody else may read, and closes it; an errno, 0 for none. */
static int private_fill(int fd, const char *text, size_t size)
{
	int error = 0;

	while (size > 0 && error == 0) {
		ssize_t n = write(fd, text, size);
		if (n < 0 && errno != EINTR)
			error = errno;
		text += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	if (error == 0 && fsync(fd) < 0)
		error = errno;
	close(fd);
	return error;
}

/*
 * write_private(path, text, temporary) -> true | nil, reason. A file of mode 0600, whole or not at all; by way of
 * `temporary`.
 */
static int private_write(lua_State *L)
{
	size_t size;
	const char *path = luaL_checkstring(L, 1), *text = luaL_checklstring(L, 2, &size),
		   *temporary = luaL_checkstring(L, 3);
	int fd = descriptor_clear(open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
	int error = fd < 0 ? errno : private_fill(fd, text, size);

	if (error == 0 && rename(temporary, path) < 0)
		error = errno;
	if (error != 0) {
		if (fd >= 0)
			unlink(temporary);
		return private_push_fault(L, strerror(error));
	}
	lua_pushboolean(L, true);
	return 1;
}

void private_register(lua_State *L)
{
	lua_pushcfunction(L, private_write);
	lua_setfield(L, -2, "write_private");
	lua_pushcfunction(L, private_read);
	lua_setfield(L, -2, "read_private");
}
