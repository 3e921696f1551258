#include "places.h"

#include "protocol.h"
#include "shared/older.h"

#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of kernels that are newer than the headers may be. */
enum { PLACES_TRUNCATE = 1 << 14, PLACES_NET_PORT = 2, PLACES_CONNECT_TCP = 2 };
struct places_ruleset { uint64_t files, ports; };
struct places_port { uint64_t allowed, port; };

enum {
	PLACES_READ = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
	PLACES_WRITE = LANDLOCK_ACCESS_FS_WRITE_FILE
};

/*
 * The system's, and none of the user's. All of /etc, and not single files of it: who changes resolv.conf puts another
 * file there, and it is read again. Sockets are no files: services are asked wherever theirs lie.
 */
static const char *const places_readable[] = {"/etc",
					      "/usr",
					      "/lib",
					      "/lib32",
					      "/lib64",
					      "/libx32",
					      "/opt",
					      "/nix",
					      "/gnu",
					      "/proc",
					      "/sys",
					      "/run/systemd",
					      "/run/resolvconf",
					      "/run/NetworkManager",
					      "/run/connman",
					      "/run/nscd",
					      "/var/lib/sss",
					      "/var/lib/extrausers",
					      "/var/lib/misc",
					      "/var/db",
					      "/var/yp",
					      "/dev/zero",
					      "/dev/random",
					      "/dev/urandom"};

/* These may be links to anywhere. */
static const char *const places_linked[] = {"/etc/resolv.conf", "/etc/hosts",     "/etc/nsswitch.conf",
					    "/etc/host.conf",   "/etc/gai.conf",  "/etc/services",
					    "/etc/krb5.conf",   "/etc/localtime", "/etc/samba/lmhosts"};

/* Files, and lists of folders, that the user names. */
static const char *const places_of_environment[] = {"KRB5_CONFIG", "HOSTALIASES", "LOCPATH", "LD_LIBRARY_PATH",
						    "GCONV_PATH"};

/* A place that is not there needs no rule. */
static void places_allow(int rules, const char *path, uint64_t what)
{
	struct landlock_path_beneath_attr beneath = {.allowed_access = what,
						     .parent_fd = open(path, O_PATH | O_CLOEXEC)};
	struct stat st;

	if (beneath.parent_fd < 0)
		return;
	if (fstat(beneath.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
		beneath.allowed_access &= ~(uint64_t)LANDLOCK_ACCESS_FS_READ_DIR;
	syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
	close(beneath.parent_fd);
}

static void places_allow_folder_of(int rules, const char *path)
{
	char folder[PATH_MAX];
	char *slash;

	snprintf(folder, sizeof folder, "%s", path);
	slash = strrchr(folder, '/');
	if (slash == NULL || slash == folder)
		return;
	*slash = '\0';
	places_allow(rules, folder, PLACES_READ);
}

static void places_allow_listed(int rules, const char *list)
{
	char *copy = list != NULL ? strdup(list) : NULL, *state;

	for (char *path = copy != NULL ? strtok_r(copy, ":", &state) : NULL; path != NULL;
	     path = strtok_r(NULL, ":", &state))
		if (path[0] == '/')
			places_allow(rules, path, PLACES_READ);
	free(copy);
}

/* Where one library is, those are that it loads later. */
static int places_note_library(struct dl_phdr_info *info, size_t size, void *rules)
{
	(void)size;
	if (info->dlpi_name[0] == '/' && strncmp(info->dlpi_name, "/usr/", 5) != 0 &&
	    strncmp(info->dlpi_name, "/lib", 4) != 0)
		places_allow_folder_of(*(int *)rules, info->dlpi_name);
	return 0;
}

static void places_add_files(int rules)
{
	char target[PATH_MAX];

	for (size_t i = 0; i < sizeof places_readable / sizeof places_readable[0]; i++)
		places_allow(rules, places_readable[i], PLACES_READ);
	places_allow(rules, "/dev/null", PLACES_READ | PLACES_WRITE);
	for (size_t i = 0; i < sizeof places_linked / sizeof places_linked[0]; i++)
		if (realpath(places_linked[i], target) != NULL && strncmp(target, "/etc/", 5) != 0)
			places_allow_folder_of(rules, target);
	for (size_t i = 0; i < sizeof places_of_environment / sizeof places_of_environment[0]; i++)
		places_allow_listed(rules, getenv(places_of_environment[i]));
	dl_iterate_phdr(places_note_library, &rules);
}

/* SMB on the given port and, for what DFS links lead to, its usual ones; DNS. */
static bool places_add_ports(int rules, uint16_t port)
{
	const uint64_t ports[] = {port, 445, 139, 53};

	for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
		const struct places_port to = {PLACES_CONNECT_TCP, ports[i]};
		if (syscall(SYS_landlock_add_rule, rules, PLACES_NET_PORT, &to, 0) < 0)
			return false;
	}
	return true;
}

uint32_t places_confine(uint16_t port)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	const uint64_t first = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1; /* of version 1, all but running programs */
	const struct places_ruleset what = {(first & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE) |
						(version >= 3 ? PLACES_TRUNCATE : 0),
					    version >= 4 ? PLACES_CONNECT_TCP : 0};
	uint32_t holds = SMB_CONFINED_FILES | (version >= 4 ? SMB_CONFINED_PORTS : 0);
	int rules = version >= 1 ? (int)syscall(SYS_landlock_create_ruleset, &what,
						version >= 4 ? sizeof what : sizeof what.files, 0)
				 : -1;

	if (rules < 0)
		return 0;
	places_add_files(rules);
	if ((version >= 4 && !places_add_ports(rules, port)) || syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		holds = 0;
	close(rules);
	return holds;
}
