#include "upload.h"

#include "counters.h"
#include "fault.h"
#include "lifeline.h"
#include "local_io.h"
#include "mtime.h"
#include "opening.h"
#include "shared/ticks.h"

#include <string.h>

/* Setting the time opens the file once more: that answer tells the size, and spares a request. */
static bool upload_tells_size(const struct upload *up)
{
	return up->overt && (up->target.flags & SMB_FLAG_MTIME);
}

static bool upload_set_mtime(const struct upload *up, uint64_t size, struct smb_fault *fault)
{
	return mtime_set(&up->target, upload_tells_size(up) ? &size : NULL, fault);
}

/* ---- beginning ---- */

/* The file could not be opened, but may have been made. In place it may be another's too. */
static void upload_leave_unopened(const struct upload *up, const struct smb_fault *fault)
{
	if (fault_broke(fault) && !(up->target.flags & SMB_FLAG_IN_PLACE))
		replace_leave_temporary(&up->target, fault);
	else
		lifeline_settle();
}

/* Looks before anything is sent. `done` becomes true when an earlier attempt has finished the file. */
static bool upload_may_begin(struct upload *up, uint64_t size, uint64_t good, bool *done, struct smb_fault *fault)
{
	struct replacement *t = &up->target;

	if (t->flags & SMB_FLAG_IN_PLACE)
		return true;
	if (t->flags & SMB_FLAG_AGAIN) {
		replace_settle_aside(t);
		*done = good >= size && replace_is_done(t, size);
	}
	return *done || replace_look(t, fault);
}

/*
 * In place: all had arrived before the connection broke, and a file that may not be opened any more needs nothing but
 * its time.
 */
static bool upload_was_whole(struct upload *up, uint64_t size, uint64_t good, const struct smb_fault *fault)
{
	uint32_t needed = SMB_FLAG_IN_PLACE | SMB_FLAG_AGAIN | SMB_FLAG_OURS;

	return (up->target.flags & needed) == needed && good >= size && fault->code == SMB_ACCESS_DENIED &&
	       opening_is_whole(up, size) && (upload_set_mtime(up, size, &(struct smb_fault){0}), true);
}

bool upload_begin(struct upload *up, uint64_t size, uint64_t good, struct smb_fault *fault)
{
	bool done = false;

	up->file = NULL;
	up->released = false;
	up->kept = 0;
	up->overt = false;
	if (lifeline_stops(fault) || !upload_may_begin(up, size, good, &done, fault))
		return false;
	if (done)
		return true;
	if (!lifeline_owe())
		return fault_set(fault, SMB_CANCELLED, "cancelled");
	if (opening_make(up, fault))
		return true;
	upload_leave_unopened(up, fault);
	return upload_was_whole(up, size, good, fault);
}

/* ---- giving up ---- */

static void upload_close(struct upload *up)
{
	if (up->file != NULL)
		session_close(up->file, &(struct smb_fault){0});
	up->file = NULL;
	up->released = false;
}

/* Settles what upload_begin owes: removes the temporary file, unless another attempt or run can go on with it. */
static void upload_leave_temporary(struct upload *up, const struct smb_fault *fault)
{
	counters_set_unfinished(replace_leave_temporary(&up->target, fault) ? SMB_FINISHED : SMB_UNFINISHED);
}

static void upload_give_up(struct upload *up, const struct smb_fault *fault)
{
	upload_close(up);
	upload_leave_temporary(up, fault);
}

void upload_leave(struct upload *up)
{
	upload_close(up);
	lifeline_settle();
}

bool upload_abandon(struct upload *up, struct smb_fault *fault)
{
	bool ok;

	upload_close(up);
	ok = replace_remove_temporary(&up->target, true, fault);
	counters_set_unfinished(ok ? SMB_FINISHED : SMB_UNFINISHED);
	lifeline_settle();
	return ok;
}

/* ---- committing ---- */

static bool upload_check_size(struct session_file *file, uint64_t size, struct smb_fault *fault)
{
	struct smb_entry entry;
	return session_look(file, &entry, fault) && transfer_check_size(entry.size, size, fault);
}

/* A hidden file stays hidden when it is replaced. A refusal is ignored: the contents count. */
static void upload_keep_attributes(const struct replacement *t)
{
	const uint32_t archive = 0x20;
	if (t->attributes != 0)
		session_set_attributes(t->temporary, t->attributes | archive, &(struct smb_fault){0});
}

/*
 * The file could not be renamed. One that somebody else has removed, or made anew, is BUSY: another attempt sends it
 * once more.
 */
static void upload_tell_vanished(const struct replacement *t, uint64_t size, struct smb_fault *fault)
{
	struct smb_fault look = {0};
	struct smb_entry entry;
	bool is_there;

	if (fault->code != SMB_NOT_FOUND)
		return;
	is_there = session_stat(t->temporary, &entry, &look);
	if (is_there && entry.size == size && (!(t->flags & SMB_FLAG_MTIME) || ticks_kept(t->mtime, entry.mtime)))
		fault_vetoed(fault);
	else if (is_there || look.code == SMB_NOT_FOUND)
		fault_set(fault, SMB_BUSY, "its temporary file was removed by somebody else");
}

/* In place only the time is left to be set, and the file is whole without it. */
static bool upload_finish_in_place(struct upload *up, uint64_t size, struct smb_fault *fault)
{
	bool ok = upload_set_mtime(up, size, fault);

	if (!ok && fault->code == SMB_MISMATCH) {
		upload_leave_temporary(up, fault);
		return false;
	}
	lifeline_settle();
	if (ok || fault_broke(fault) || (up->target.flags & SMB_FLAG_INSIST))
		return ok;
	mtime_refuse();
	return true;
}

/* Renames the closed file from its temporary name to its own. */
static bool upload_finish(struct upload *up, uint64_t size, struct smb_fault *fault)
{
	struct replacement *t = &up->target;
	bool ok;

	if (t->flags & SMB_FLAG_IN_PLACE)
		return upload_finish_in_place(up, size, fault);
	ok = upload_set_mtime(up, size, fault) && !lifeline_stops(fault);
	if (ok) {
		upload_keep_attributes(t);
		ok = replace_put(t->temporary, t, fault);
	}
	if (ok) {
		replace_leave_folder(t);
		lifeline_settle();
	} else {
		upload_tell_vanished(t, size, fault);
		upload_leave_temporary(up, fault);
	}
	return ok;
}

static bool upload_close_checked(struct upload *up, struct smb_fault *fault)
{
	bool ok = session_close(up->file, fault);
	up->file = NULL;
	return ok;
}

bool upload_release(struct upload *up, struct smb_fault *fault)
{
	if (!upload_tells_size(up) || (up->target.flags & SMB_FLAG_VERIFY))
		return true;
	up->sound = upload_close_checked(up, fault);
	up->released = true;
	return up->sound;
}

/* Checks what can be checked only while the file is open. */
static bool upload_is_complete(struct upload *up, uint64_t size, const uint8_t digest[SMB_DIGEST_SIZE],
			       struct smb_fault *fault)
{
	/* In order, over one connection: the answer to each write has told how much of it there is. */
	bool is_told = up->blind || (up->target.flags & (SMB_FLAG_IN_PLACE | SMB_FLAG_MTIME)) == SMB_FLAG_IN_PLACE;
	bool verify = digest != NULL && (up->target.flags & SMB_FLAG_VERIFY);

	if (verify && up->blind)
		return fault_set(fault, SMB_ACCESS_DENIED,
				 "it may be written but not read: verify = \"sha256\" is not possible there");
	return (upload_tells_size(up) || is_told || upload_check_size(up->file, size, fault)) &&
	       (!verify || transfer_verify(up->file, size, digest, fault));
}

/* Refuses to commit an upload whose release failed. */
static bool upload_was_closed_well(const struct upload *up, struct smb_fault *fault)
{
	return (up->sound && !(up->target.flags & SMB_FLAG_VERIFY)) ||
	       fault_set(fault, SMB_FAILED, "the file was not closed well, or too early");
}

bool upload_commit(struct upload *up, uint64_t size, const uint8_t digest[SMB_DIGEST_SIZE], struct smb_fault *fault)
{
	bool ok = up->released ? upload_was_closed_well(up, fault)
			       : upload_is_complete(up, size, digest, fault) && upload_close_checked(up, fault);

	counters_set_unfinished(SMB_UNFINISHED);
	if (!ok) {
		upload_give_up(up, fault);
		return false;
	}
	up->released = false;
	ok = upload_finish(up, size, fault);
	if (ok)
		counters_set_unfinished(SMB_FINISHED);
	return ok;
}

/* ---- a whole local file ---- */

static bool upload_is_unchanged(const struct upload_source *from, struct smb_fault *fault)
{
	struct stat now;

	if (!local_io_stat(from->fd, &now, fault))
		return false;
	return ((uint64_t)now.st_size == from->size && smb_stamp(now.st_mtim) == from->stamp) ||
	       fault_set(fault, SMB_SOURCE_CHANGED, "the local file changed while it was read");
}

/* Whether all was read: a file may hold more than its size says. */
static bool upload_is_read_out(const struct upload_source *from, struct smb_fault *fault)
{
	return (local_io_ends_at(from->fd, from->size) ||
		fault_set(fault, SMB_SOURCE_CHANGED, "the local file became longer while it was read")) &&
	       upload_is_unchanged(from, fault);
}

uint64_t upload_good_part(const struct upload *up, int fd, uint64_t size)
{
	return transfer_good_part(up->file, fd, up->kept, size);
}

/* Cuts off what an earlier run's file has beyond the end of this one. */
static bool upload_cut(struct upload *up, uint64_t size, struct smb_fault *fault)
{
	return up->kept <= size || session_truncate(up->file, size, fault);
}

static bool upload_send(struct upload *up, const struct upload_source *from, struct transfer_result *result,
			struct smb_fault *fault)
{
	bool wanted = up->target.flags & (SMB_FLAG_DIGEST | SMB_FLAG_VERIFY);
	struct sha256_ctx hash;

	sha256_init(&hash);
	transfer_set_done(result->resumed);
	if (!upload_cut(up, from->size, fault) ||
	    !transfer_send(up->file, from->fd, result->resumed, from->size, up->target.io_size, wanted ? &hash : NULL,
			   fault) ||
	    !upload_is_read_out(from, fault))
		return false;
	sha256_digest(&hash, sizeof result->digest, result->digest);
	return true;
}

bool upload_put(const struct upload_source *from, uint64_t good, struct replacement *to, struct transfer_result *result,
		struct smb_fault *fault)
{
	struct upload up = {.target = *to};

	if (!upload_is_unchanged(from, fault) || !upload_begin(&up, from->size, good, fault))
		return false;
	if (up.file == NULL) {
		result->resumed = from->size;
		return !(to->flags & SMB_FLAG_DIGEST) || local_io_digest(from->fd, from->size, result->digest, fault);
	}
	if (to->flags & SMB_FLAG_AGAIN)
		result->resumed = up.kept < good ? up.kept : good;
	else
		result->resumed = upload_good_part(&up, from->fd, from->size);
	if (!upload_send(&up, from, result, fault)) {
		upload_give_up(&up, fault);
		return false;
	}
	return upload_commit(&up, from->size, result->digest, fault);
}

/* ---- a copy on the server ---- */

/* Only a copy that the server makes whole gets the name. */
static bool upload_copy_from(struct session_file *source, struct upload *up, uint64_t *bytes, struct smb_fault *fault)
{
	struct smb_entry entry;

	if (!session_look(source, &entry, fault))
		return false;
	up->target.mtime = entry.mtime;
	up->target.attributes = entry.attributes & PLACE_ATTRIBUTES;
	*bytes = entry.size;
	/* What an earlier attempt has copied is not known: UINT64_MAX has it copied once more. */
	if (!upload_begin(up, UINT64_MAX, 0, fault))
		return false;
	if (!session_copy(source, up->file, entry.size, fault)) {
		upload_give_up(up, fault);
		return false;
	}
	return upload_commit(up, entry.size, NULL, fault);
}

bool upload_copy(const char *from, struct replacement *to, uint64_t *bytes, struct smb_fault *fault)
{
	struct upload up = {.target = *to};
	struct session_file *source = session_open(from, 0, NULL, fault);
	bool ok;

	if (source == NULL)
		return false;
	ok = upload_copy_from(source, &up, bytes, fault);
	session_close(source, &(struct smb_fault){0});
	return ok;
}
