#include "mtime.h"

#include "shared/ticks.h"

#include "entry.h"
#include "fault.h"
#include "follow.h"
#include "session.h"
#include "transfer.h"
#include "wire.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

/*
 * Whether the server takes the file but not its time, as of a file of another owner, or on a disk that keeps no times.
 */
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
	if (size != NULL &&
	    (!session_stat(t->temporary, &entry, fault) || !transfer_check_size(entry.size, *size, fault)))
		return false;
	mtime_refuse();
	return true;
}

/*
 * A disk with a smaller range of times (ext4: 1901 to 2446) sets the nearest one, and the server reports success: look
 * at such a time. A user who may not look learns nothing.
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

/* ---- attributes, which the library clears when it sets a time ---- */

/* Where no answer can be read, only a listing tells a folder's. */
static uint32_t mtime_listed_attributes(const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path, *name;
	char *parent = strndup(path, slash != NULL ? (size_t)(slash - path) : 0);
	struct session_list *list =
	    parent != NULL && base[0] != '\0' ? session_list(parent, &(struct smb_fault){0}) : NULL;
	uint32_t attributes = 0;
	struct smb_entry entry;
	bool exact = false;

	while (list != NULL && !exact && session_list_next(list, &entry, &name)) {
		exact = strcmp(name, base) == 0;
		if (exact || strcasecmp(name, base) == 0)
			attributes = entry.attributes;
	}
	if (list != NULL)
		session_list_close(list);
	free(parent);
	return attributes;
}

static bool mtime_find_attributes(const char *path, uint32_t *attributes, struct smb_fault *fault)
{
	struct smb_entry entry;

	if (!session_stat(path, &entry, fault))
		return false;
	*attributes = entry.type == SMB_ENTRY_DIRECTORY && !wire_is_overt() ? mtime_listed_attributes(path)
									    : entry.attributes;
	return true;
}

/* Where answers can be read, the one to the opening, which setting a time costs, tells the attributes. */
static bool mtime_set_nothing_else(const char *path, int64_t mtime, struct session_opened *opened,
				   struct smb_fault *fault)
{
	uint32_t attributes = 0;

	if (!wire_is_overt() && !mtime_find_attributes(path, &attributes, fault))
		return false;
	if (!session_set_time(path, mtime, opened, fault))
		return false;
	if (opened->is_known)
		attributes = opened->entry.attributes;
	attributes &= ENTRY_SETTABLE;
	if (attributes == 0 || session_set_attributes(path, attributes, fault))
		return true;
	return fault_broke(fault) && session_set_attributes(path, attributes, fault);
}

/* ---- times ---- */

/* The library sets times only where it finds the path: a link that it would have to follow has to be known before. */
static bool mtime_is_found(const char *path, struct smb_fault *fault)
{
	struct smb_entry entry;
	return !follow_has_links() || session_stat(path, &entry, fault);
}

bool mtime_change(const char *path, int64_t mtime, struct smb_fault *fault)
{
	struct replacement t = {.temporary = path, .mtime = mtime, .flags = SMB_FLAG_INSIST};
	struct session_opened opened = {0};

	return mtime_is_found(path, fault) && mtime_set_nothing_else(path, mtime, &opened, fault) &&
	       mtime_check(&t, fault);
}

bool mtime_set(const struct replacement *t, const uint64_t *size, struct smb_fault *fault)
{
	/* A file that is written in place keeps its attributes; others get theirs when they are renamed. */
	bool keeps_attributes = t->occupied && (t->flags & SMB_FLAG_IN_PLACE);
	struct session_opened opened = {0};

	if (!(t->flags & SMB_FLAG_MTIME))
		return true;
	if (!(keeps_attributes ? mtime_set_nothing_else : session_set_new_time)(t->temporary, t->mtime, &opened, fault))
		return mtime_do_without(t, size, fault);
	return (size == NULL || transfer_check_size(opened.is_known ? opened.entry.size : 0, *size, fault)) &&
	       mtime_check(t, fault);
}
