#include "session.h"

#include "bounds.h"
#include "connection.h"
#include "fault.h"
#include "frame.h"
#include "lifeline.h"
#include "session_calls.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* Of a handle that is still good the library reports no EINVAL. */
static bool files_is_alive(struct session_file *file)
{
	struct stat st;

	wire_begin(SMB_PATIENCE_SHORT);
	errno = 0;
	return session_do_fstat(file, &st) == 0 || errno != EINVAL;
}

/*
 * The library reports EINVAL for a handle whose connection has gone, and for some refusals of the server. Behind
 * encryption the answer cannot be read then, but it has come. `file`: NULL when it cannot be asked any more.
 */
static bool files_is_gone(struct session_file *file, int error)
{
	if (error != EINVAL || wire_status() != 0)
		return false;
	return file == NULL || !wire_was_answered_unseen() || wire_is_broken() || session_has_ended() ||
	       connection_any_hung_up() || !files_is_alive(file);
}

static bool files_failed(struct session_file *file, struct smb_fault *fault)
{
	int error = errno;
	bool gone = files_is_gone(file, error);

	session_failed_with(fault, gone ? ECONNABORTED : error);
	if (gone)
		session_has_ended_unseen(error);
	return false;
}

/* A handle that may only write tells neither its size nor its times: open it to read, too, where that is allowed. */
static int files_open_flags(uint32_t flags)
{
	return (flags & SMB_FLAG_BLIND      ? O_WRONLY
		: flags & SMB_FLAG_WRITABLE ? O_RDWR
					    : O_RDONLY) |
	       (flags & SMB_FLAG_CREATE ? O_CREAT : 0) | (flags & SMB_FLAG_TRUNCATE ? O_TRUNC : 0) |
	       (flags & SMB_FLAG_EXCLUSIVE ? O_EXCL : 0);
}

struct files_opening {
	int flags;
	struct session_opened *opened;
	struct session_file *file;
};

static int files_do_open(const char *url, void *context)
{
	struct files_opening *o = context;

	o->file = session_do_open(url, o->flags);
	if (o->opened != NULL)
		o->opened->is_known = wire_created(&o->opened->entry);
	return o->file != NULL ? 0 : -1;
}

/* What a server keeps there instead of a file is no file's contents. */
static struct session_file *files_refuse_link(struct session_file *link, struct smb_fault *fault)
{
	struct smb_fault ignored = {0};

	session_close(link, &ignored);
	fault_remote(fault, wire_step(), STATUS_IO_REPARSE_TAG_NOT_HANDLED, 0, false);
	return NULL;
}

struct session_file *session_open(const char *path, uint32_t flags, struct session_opened *opened,
				  struct smb_fault *fault)
{
	struct files_opening o = {files_open_flags(flags), opened, NULL};

	if (opened != NULL)
		opened->is_known = false;
	if (flags & SMB_FLAG_WRITABLE ? session_change_at(FOLLOW_CHANGES, path, files_do_open, &o, fault)
				      : session_read_at(path, files_do_open, &o, fault))
		return wire_met_link() ? files_refuse_link(o.file, fault) : o.file;
	/* Encryption hides which of the two is missing; a file that is to be made can lack only its folder. */
	if ((flags & SMB_FLAG_CREATE) && fault->code == SMB_NOT_FOUND)
		fault_is(fault, SMB_FOLDER_MISSING, "the folder does not exist");
	return NULL;
}

bool session_truncate(struct session_file *file, uint64_t size, struct smb_fault *fault)
{
	if (!session_begin(SMB_PATIENCE_SHORT, fault))
		return false;
	return session_do_truncate(file, (off_t)size) == 0 || files_failed(file, fault);
}

bool session_look(struct session_file *file, struct smb_entry *entry, struct smb_fault *fault)
{
	struct stat st;
	if (!session_begin(SMB_PATIENCE_SHORT, fault))
		return false;
	if (session_do_fstat(file, &st) < 0)
		return files_failed(file, fault);
	session_fill_entry(entry, &st);
	return true;
}

static bool files_seek(struct session_file *file, uint64_t offset)
{
	return session_do_seek(file, (off_t)offset) >= 0;
}

long session_read(struct session_file *file, uint64_t offset, void *to, size_t size, struct smb_fault *fault)
{
	ssize_t n;
	if (!session_begin(SMB_PATIENCE_DATA, fault))
		return -1;
	n = files_seek(file, offset) ? session_do_read(file, to, size) : -1;
	if (n < 0)
		files_failed(file, fault);
	return (long)n;
}

bool session_write(struct session_file *file, uint64_t offset, const void *from, size_t size, struct smb_fault *fault)
{
	ssize_t n;
	if (!session_begin(SMB_PATIENCE_DATA, fault))
		return false;
	bounds_expect(size);
	n = files_seek(file, offset) ? session_do_write(file, from, size) : -1;
	if (n < 0)
		return files_failed(file, fault);
	return (size_t)n == size || fault_set(fault, SMB_FAILED, "the server took only a part of the data");
}

/* Between two pieces of a copy on the server: 0 ends it. */
static int files_goes_on(off_t done, void *unused)
{
	(void)done;
	(void)unused;
	return !lifeline_cancelled();
}

bool session_copy(struct session_file *from, struct session_file *to, uint64_t size, struct smb_fault *fault)
{
	off_t n;
	if (!session_begin(SMB_PATIENCE_DATA, fault))
		return false;
	if (size == 0)
		return true;
	n = session_do_splice(from, to, (off_t)size, files_goes_on);
	if ((n < 0 || (uint64_t)n != size) && lifeline_stops(fault))
		return false;
	if (n < 0)
		return files_failed(NULL, fault);
	return (uint64_t)n == size || fault_set(fault, SMB_FAILED, "the server copied only a part of the file");
}

bool session_close(struct session_file *file, struct smb_fault *fault)
{
	if (!session_begin(SMB_PATIENCE_SHORT, fault))
		return false;
	return session_do_close(file) == 0 || files_failed(NULL, fault);
}
