/* What Debian 11 lacks: its C library is glibc 2.31, its headers are those of Linux 5.10. */
#ifndef LUA_SMB_OLDER_H
#define LUA_SMB_OLDER_H

#include <linux/prctl.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

#if __has_include(<linux/landlock.h>)
#include <linux/landlock.h>
#else
/* Linux 5.13's, so that a program that was built with older headers is confined where the kernel is newer. */
enum {
	LANDLOCK_CREATE_RULESET_VERSION = 1 << 0,
	LANDLOCK_RULE_PATH_BENEATH = 1,
	LANDLOCK_ACCESS_FS_EXECUTE = 1 << 0,
	LANDLOCK_ACCESS_FS_WRITE_FILE = 1 << 1,
	LANDLOCK_ACCESS_FS_READ_FILE = 1 << 2,
	LANDLOCK_ACCESS_FS_READ_DIR = 1 << 3,
	LANDLOCK_ACCESS_FS_MAKE_SYM = 1 << 12
};
struct landlock_path_beneath_attr {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));
#endif
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

#if __GLIBC_PREREQ(2, 34)

static inline void older_close_from(int least)
{
	closefrom(least);
}

static inline int older_spawn_closes_from(posix_spawn_file_actions_t *actions, int least)
{
	return posix_spawn_file_actions_addclosefrom_np(actions, least);
}

#else

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

/* Kernels before 5.9 have no call for all descriptors at once. */
static inline void older_close_from(int least)
{
	if (syscall(SYS_close_range, (unsigned)least, UINT_MAX, 0) == 0)
		return;
	for (long fd = least, end = sysconf(_SC_OPEN_MAX); fd < end; fd++)
		close((int)fd);
}

/* Names each descriptor that is open now. What another thread opens meanwhile closes itself, if it is ours. */
static inline int older_spawn_closes_from(posix_spawn_file_actions_t *actions, int least)
{
	DIR *open_ones = opendir("/proc/self/fd");
	int error = 0;

	if (open_ones == NULL)
		return errno;
	for (struct dirent *each; error == 0 && (each = readdir(open_ones)) != NULL;) {
		long fd = strtol(each->d_name, NULL, 10);
		if (fd >= least && fd != dirfd(open_ones))
			error = posix_spawn_file_actions_addclose(actions, (int)fd);
	}
	closedir(open_ones);
	return error;
}

#endif

#endif
