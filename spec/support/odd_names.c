/*
 * For smbd, by LD_PRELOAD: a file system with names of its own. ODD_NAMES says which:
 *   nfd        names are kept with letters and accents apart, as HFS+ does, whatever they are asked for by
 *   143        names have at most so many bytes, as on eCryptfs and the encrypted shares of some NAS
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <utf8proc.h>

static size_t longest(const char *path)
{
	size_t most = 0;
	for (; *path != '\0'; path += strcspn(path, "/"), path += *path == '/')
		most = strcspn(path, "/") > most ? strcspn(path, "/") : most;
	return most;
}

/* The path as it is kept, in `to`; NULL, with errno, for none. */
static const char *kept(const char *path, char *to)
{
	const char *how = getenv("ODD_NAMES");
	utf8proc_uint8_t *apart = NULL;

	if (how == NULL || path == NULL)
		return path;
	if (strcmp(how, "nfd") != 0) {
		errno = ENAMETOOLONG;
		return longest(path) > (size_t)atoi(how) ? NULL : path;
	}
	if (utf8proc_map((const utf8proc_uint8_t *)path, 0, &apart, UTF8PROC_NULLTERM | UTF8PROC_DECOMPOSE) < 0)
		return path;
	snprintf(to, PATH_MAX, "%s", (const char *)apart);
	free(apart);
	return to;
}

#define NEXT(name) __typeof__(name) *next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
#define KEPT(path)                                                                                                     \
	char path##_buffer[PATH_MAX];                                                                                  \
	const char *path##_kept = kept(path, path##_buffer);                                                           \
	if (path##_kept == NULL)                                                                                       \
	return -1

#define OPEN(name)                                                                                                     \
	int name(int at, const char *path, int flags, ...)                                                             \
	{                                                                                                              \
		NEXT(name);                                                                                            \
		KEPT(path);                                                                                            \
		va_list more;                                                                                          \
		va_start(more, flags);                                                                                 \
		mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0;                              \
		va_end(more);                                                                                          \
		return next(at, path_kept, flags, mode);                                                               \
	}
OPEN(openat)
OPEN(openat64)

#define OPEN_HERE(name)                                                                                                \
	int name(const char *path, int flags, ...)                                                                     \
	{                                                                                                              \
		va_list more;                                                                                          \
		va_start(more, flags);                                                                                 \
		mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0;                              \
		va_end(more);                                                                                          \
		return openat(AT_FDCWD, path, flags, mode);                                                            \
	}
OPEN_HERE(open)
OPEN_HERE(open64)

/* smbd calls openat2 so; without it, it goes another way. */
long syscall(long number, ...)
{
	NEXT(syscall);
	long a[6];
	va_list more;

	if (number == SYS_openat2) {
		errno = ENOSYS;
		return -1;
	}
	va_start(more, number);
	for (size_t i = 0; i < sizeof a / sizeof a[0]; i++)
		a[i] = va_arg(more, long);
	va_end(more);
	return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int chdir(const char *path)
{
	NEXT(chdir);
	KEPT(path);
	return next(path_kept);
}

ssize_t readlinkat(int at, const char *restrict path, char *restrict to, size_t size)
{
	NEXT(readlinkat);
	KEPT(path);
	return next(at, path_kept, to, size);
}

char *realpath(const char *restrict path, char *restrict to)
{
	char buffer[PATH_MAX];
	NEXT(realpath);
	path = kept(path, buffer);
	return path != NULL ? next(path, to) : NULL;
}

int fstatat(int at, const char *restrict path, struct stat *restrict st, int flags)
{
	NEXT(fstatat);
	KEPT(path);
	return next(at, path_kept, st, flags);
}

int fstatat64(int at, const char *restrict path, struct stat64 *restrict st, int flags)
{
	NEXT(fstatat64);
	KEPT(path);
	return next(at, path_kept, st, flags);
}

int stat(const char *restrict path, struct stat *restrict st)
{
	return fstatat(AT_FDCWD, path, st, 0);
}

int lstat(const char *restrict path, struct stat *restrict st)
{
	return fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
}

int stat64(const char *restrict path, struct stat64 *restrict st)
{
	return fstatat64(AT_FDCWD, path, st, 0);
}

int lstat64(const char *restrict path, struct stat64 *restrict st)
{
	return fstatat64(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
}

int mkdirat(int at, const char *path, mode_t mode)
{
	NEXT(mkdirat);
	KEPT(path);
	return next(at, path_kept, mode);
}

int unlinkat(int at, const char *path, int flags)
{
	NEXT(unlinkat);
	KEPT(path);
	return next(at, path_kept, flags);
}

int renameat(int at, const char *path, int to_at, const char *to)
{
	NEXT(renameat);
	KEPT(path);
	KEPT(to);
	return next(at, path_kept, to_at, to_kept);
}

int renameat2(int at, const char *path, int to_at, const char *to, unsigned flags)
{
	NEXT(renameat2);
	KEPT(path);
	KEPT(to);
	return next(at, path_kept, to_at, to_kept, flags);
}

int linkat(int at, const char *path, int to_at, const char *to, int flags)
{
	NEXT(linkat);
	KEPT(path);
	KEPT(to);
	return next(at, path_kept, to_at, to_kept, flags);
}
