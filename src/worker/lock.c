#include "lock.h"

#include "fault.h"
#include "session.h"

#include <string.h>
#include <time.h>

enum { LOCK_MOST = 4096 }; /* bytes that are compared */
enum { LOCK_TRIES = 50 };  /* to remove a file that others have open, to see who has the lock: 20 ms lie between two */

/* Whether the file has that content and no more; false, with a fault, where it cannot be read, too. */
static bool lock_has(const char *path, const char *content, struct smb_fault *fault)
{
	size_t length = strlen(content), most = length + 1 < LOCK_MOST ? length + 1 : LOCK_MOST;
	char found[LOCK_MOST];
	struct session_file *file = session_open(path, 0, NULL, fault);
	long n;

	if (file == NULL)
		return false;
	n = session_read(file, 0, found, most, fault);
	session_close(file, &(struct smb_fault){0});
	return n >= 0 && (size_t)n == length && memcmp(found, content, length) == 0;
}

bool lock_make(const char *path, const char *content, bool again, struct smb_fault *fault)
{
	const uint32_t new_file = SMB_FLAG_WRITABLE | SMB_FLAG_CREATE | SMB_FLAG_EXCLUSIVE;
	struct session_file *file = session_open(path, new_file, NULL, fault);
	struct smb_fault later = {0};
	bool ok;

	if (file == NULL)
		return again && fault->code == SMB_EXISTS && lock_has(path, content, &later);
	ok = session_write(file, 0, content, strlen(content), fault);
	ok = session_close(file, ok ? fault : &later) && ok;
	if (!ok)
		session_unlink(path, &later); /* nobody can tell whose an empty one is */
	return ok;
}

static bool lock_remove_once(const char *path, const char *content, struct smb_fault *fault)
{
	memset(fault, 0, sizeof *fault);
	if (lock_has(path, content, fault))
		return session_unlink(path, fault);
	return fault->code == SMB_OK || fault->code == SMB_NOT_FOUND || fault->code == SMB_FOLDER_MISSING;
}

bool lock_remove(const char *path, const char *content, struct smb_fault *fault)
{
	const struct timespec moment = {0, 20000000};

	for (int i = 1; !lock_remove_once(path, content, fault); i++) {
		if (fault->code != SMB_BUSY || i == LOCK_TRIES)
			return false;
		nanosleep(&moment, NULL);
	}
	return true;
}
