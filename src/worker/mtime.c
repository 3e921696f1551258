#include "mtime.h"

#include "shared/ticks.h"

#include "fault.h"
#include "session.h"
#include "transfer.h"

#include <string.h>

static bool mtime_refused;
static int64_t mtime_instead = TICKS_UNKNOWN;

void mtime_refuse(void)
{
	mtime_refused = true;
}

bool mtime_was_refused(int64_t *instead)
{
	bool refused = mtime_refused;

	if (refused)
		*instead = mtime_instead;
	mtime_refused = false;
	mtime_instead = TICKS_UNKNOWN;
	return refused;
}

/* Whether the server takes the file but not its time, as of a file of another owner, or on a disk that keeps no times. */
static bool mtime_is_refusal(const struct smb_fault *fault)
{
	/* Samba says "not found" of another user's file that it has just opened. */
	return fault->code == SMB_ACCESS_DENIED || fault->code == SMB_UNSUPPORTED || fault->code == SMB_FAILED ||
	       fault->code == SMB_NOT_FOUND || fault->code == SMB_INVALID_NAME || fault->code == SMB_NO_SPACE;
}

/* Keeps a file that has arrived whole, though its time was refused. */
static bool mtime_do_without(const struct replacement *t, const uint64_t *size, struct smb_fault *fault)
{
	struct smb_entry entry;

	if ((t->flags & SMB_FLAG_INSIST) || !mtime_is_refusal(fault))
		return false;
	memset(fault, 0, sizeof *fault);
	if (size != NULL && (!session_stat(t->temporary, &entry, fault) || !transfer_check_size(entry.size, *size, fault)))
		return false;
	mtime_refuse();
	return true;
}

/*
 * A disk with a smaller range of times (ext4: 1901 to 2446) sets the nearest one, and the server reports success: look at such a time.
 * A user who may not look learns nothing.
 */
static bool mtime_check(const struct replacement *t, struct smb_fault *fault)
{
	struct smb_fault look = {0};
	struct smb_entry entry;

	if (ticks_held_everywhere(t->mtime))
		return true;
	if (!session_stat(t->temporary, &entry, &look)) {
		if (fault_broke(&look))
			*fault = look;
		return !fault_broke(&look);
	}
	if (ticks_within(t->mtime, entry.mtime, 2 * TICKS_SECOND))
		return true;
	if (t->flags & SMB_FLAG_INSIST)
		return fault_set(fault, SMB_UNSUPPORTED, "the server's disk cannot keep that time");
	mtime_refused = true;
	mtime_instead = entry.mtime;
	return true;
}

bool mtime_change(const char *path, int64_t mtime, struct smb_fault *fault)
{
	struct replacement t = {.temporary = path, .mtime = mtime, .flags = SMB_FLAG_INSIST};
	struct session_opened opened;

	return session_utime(path, mtime, &opened, fault) && mtime_check(&t, fault);
}

bool mtime_set(const struct replacement *t, const uint64_t *size, struct smb_fault *fault)
{
	/* A file that is written in place keeps its attributes; others get theirs when they are renamed. */
	bool keeps_attributes = t->occupied && (t->flags & SMB_FLAG_IN_PLACE);
	struct session_opened opened = {0};

	if (!(t->flags & SMB_FLAG_MTIME))
		return true;
	if (!(keeps_attributes ? session_utime : session_set_new_time)(t->temporary, t->mtime, &opened, fault))
		return mtime_do_without(t, size, fault);
	return (size == NULL || transfer_check_size(opened.is_known ? opened.size : 0, *size, fault)) && mtime_check(t, fault);
}
