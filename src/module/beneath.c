#include "beneath.h"

#include "shared/descriptor.h"
#include "shared/older.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLDER = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

static bool beneath_is_link(int folder, const char *name)
{
	struct stat st;
	return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

/* Goes down the path part by part, for kernels before 5.6 and sandboxes that do not know openat2. */
static int beneath_step(int root, char *path)
{
	int folder = root;

	for (char *rest = path, *part; (part = strsep(&rest, "/")) != NULL;) {
		int next, error;
		if (strcmp(part, "..") == 0) {
			next = -1;
			errno = EXDEV;
		} else {
			next = openat(folder, *part != '\0' ? part : ".", FOLDER);
		}
		error = next < 0 && errno == ENOTDIR && beneath_is_link(folder, part) ? ELOOP : errno;
		if (folder != root)
			close(folder);
		errno = error;
		if (next < 0)
			return -1;
		folder = next;
	}
	return folder;
}

static int beneath_open(int root, char *path)
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
	int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);

	if (fd >= 0 || (errno != ENOSYS && errno != EPERM && errno != EAGAIN))
		return fd;
	return beneath_step(root, path);
}

bool spot_find(struct spot *s, int root, const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];
	size_t length = slash != NULL ? (size_t)(slash - path) : 0;

	*s = (struct spot){AT_FDCWD, path};
	if (root == BENEATH_NOTHING)
		return true;
	s->name = slash != NULL ? slash + 1 : path;
	if (length >= sizeof folder || strcmp(s->name, "..") == 0) {
		errno = length >= sizeof folder ? ENAMETOOLONG : EXDEV;
		return false;
	}
	memcpy(folder, path, length);
	folder[length] = '\0';
	s->folder = descriptor_clear(length > 0 ? beneath_open(root, folder) : fcntl(root, F_DUPFD_CLOEXEC, 3));
	return s->folder >= 0;
}

void spot_leave(struct spot *s)
{
	int error = errno;
	if (s->folder >= 0)
		close(s->folder);
	s->folder = AT_FDCWD;
	errno = error;
}
