#include "opening.h"

#include "counters.h"
#include "fault.h"
#include "remote_folder.h"

#include <string.h>

static bool opening_is_missing(const struct smb_fault *fault)
{
	return fault->code == SMB_NOT_FOUND || fault->code == SMB_FOLDER_MISSING;
}

static bool opening_try(struct upload *up, uint32_t flags, struct smb_fault *fault)
{
	struct session_opened found = {0};

	memset(fault, 0, sizeof *fault);
	up->file = session_open(up->target.temporary, flags, &found, fault);
	up->overt = found.is_known;
	up->blind = (flags & SMB_FLAG_BLIND) != 0;
	if (up->file != NULL && found.is_known && (found.entry.attributes & PLACE_ATTRIBUTES))
		up->target.occupied = true; /* by a file whose attributes are to be kept */
	return up->file != NULL;
}

/* As opening_try; makes missing folders if they are wanted. */
static bool opening_try_in_folder(struct upload *up, uint32_t flags, struct smb_fault *fault)
{
	const struct replacement *t = &up->target;

	return opening_try(up, flags, fault) || (fault->code == SMB_FOLDER_MISSING && (t->flags & SMB_FLAG_PARENTS) &&
					    remote_folder_make_parent(t->path, fault) && opening_try(up, flags, fault));
}

/* ---- under a temporary name ---- */

/* Opens what an earlier attempt left, if it can still be written. True with no file when there is nothing. */
static bool opening_again(struct upload *up, struct smb_fault *fault)
{
	struct smb_entry entry;

	if (!opening_try(up, SMB_FLAG_WRITABLE, fault))
		return opening_is_missing(fault);
	if (session_look(up->file, &entry, fault)) {
		up->kept = entry.size;
		return true;
	}
	session_close(up->file, &(struct smb_fault){0});
	up->file = NULL;
	return false;
}

static bool opening_is_taken(struct smb_fault *fault)
{
	counters_set_unfinished(SMB_NAME_TAKEN);
	return fault_set(fault, SMB_EXISTS, "its temporary name is in use");
}

/*
 * The temporary name is one that each run of this host comes upon, and there is such a file. One that may not be
 * removed will never get its place, and is used again: else each try would leave one more. One that is at work right
 * now, another run's, is left alone.
 */
static bool opening_stuck(struct upload *up, struct smb_fault *fault)
{
	const uint32_t new_file = SMB_FLAG_WRITABLE | SMB_FLAG_CREATE | SMB_FLAG_EXCLUSIVE;

	memset(fault, 0, sizeof *fault);
	if (session_unlink(up->target.temporary, fault) || opening_is_missing(fault))
		return opening_try(up, new_file, fault) || (fault->code == SMB_EXISTS && opening_is_taken(fault));
	if (fault->code != SMB_ACCESS_DENIED)
		return opening_is_taken(fault);
	counters_set_unfinished(SMB_UNFINISHED);
	return opening_try(up, SMB_FLAG_WRITABLE | SMB_FLAG_TRUNCATE, fault);
}

/* A file that another client has locked answers "access denied" before "exists". */
static bool opening_is_there(const struct upload *up, const struct smb_fault *fault)
{
	struct smb_entry entry;

	return fault->code == SMB_EXISTS ||
	       (fault->code == SMB_ACCESS_DENIED && session_stat(up->target.temporary, &entry, &(struct smb_fault){0}));
}

static bool opening_aside(struct upload *up, struct smb_fault *fault)
{
	const uint32_t new_file = SMB_FLAG_WRITABLE | SMB_FLAG_CREATE | SMB_FLAG_EXCLUSIVE;
	uint32_t flags = up->target.flags;

	if ((flags & (SMB_FLAG_AGAIN | SMB_FLAG_RESUME)) && (!opening_again(up, fault) || up->file != NULL))
		return up->file != NULL;
	if (opening_try_in_folder(up, new_file, fault))
		return true;
	return (flags & SMB_FLAG_LASTING) && opening_is_there(up, fault) && opening_stuck(up, fault);
}

/* ---- under its own name ---- */

/* A user who may write but not read opens the file so; then nobody tells how much of it has arrived. */
static bool opening_try_blind(struct upload *up, uint32_t flags, struct smb_fault *fault)
{
	struct smb_fault first;

	if (opening_try_in_folder(up, SMB_FLAG_WRITABLE | flags, fault))
		return true;
	first = *fault;
	if (fault->code == SMB_ACCESS_DENIED && opening_try(up, SMB_FLAG_BLIND | flags, fault))
		return true;
	if (!fault_broke(fault))
		*fault = first;
	return false;
}

/* Servers do not empty hidden files and system files at opening: truncate them. */
static bool opening_try_and_cut(struct upload *up, struct smb_fault *fault)
{
	struct smb_fault first = *fault;

	if (fault->code == SMB_ACCESS_DENIED && opening_try(up, SMB_FLAG_WRITABLE, fault)) {
		if (session_truncate(up->file, 0, fault))
			return true;
		session_close(up->file, &(struct smb_fault){0});
		up->file = NULL;
	}
	if (!fault_broke(fault))
		*fault = first;
	return false;
}

/*
 * The answer to the first attempt's opening may have been lost. An empty file is that attempt's, or holds nothing to
 * lose.
 */
static bool opening_is_empty(struct upload *up, struct smb_fault *fault)
{
	if (!(up->target.flags & SMB_FLAG_AGAIN) || fault->code != SMB_EXISTS)
		return false;
	if (opening_again(up, fault) && up->file != NULL && up->kept == 0)
		return true;
	if (up->file != NULL)
		session_close(up->file, &(struct smb_fault){0});
	up->file = NULL;
	return fault_set(fault, SMB_EXISTS, "it exists already");
}

static bool opening_here(struct upload *up, struct smb_fault *fault)
{
	uint32_t flags = up->target.flags;

	if ((flags & SMB_FLAG_AGAIN) && (flags & SMB_FLAG_OURS)) {
		if (opening_again(up, fault) && up->file != NULL)
			return true;
		if (fault->code == SMB_ACCESS_DENIED && opening_try(up, SMB_FLAG_BLIND, fault))
			return true; /* from the first byte */
		if (!opening_is_missing(fault)) {
			counters_set_unfinished(SMB_UNFINISHED);
			return false;
		}
	}
	if (flags & SMB_FLAG_OVERWRITE)
		return opening_try_blind(up, SMB_FLAG_CREATE | SMB_FLAG_TRUNCATE, fault) ||
		       opening_try_and_cut(up, fault);
	return opening_try_blind(up, SMB_FLAG_CREATE | SMB_FLAG_EXCLUSIVE, fault) || opening_is_empty(up, fault);
}

/* ---- both ---- */

bool opening_make(struct upload *up, struct smb_fault *fault)
{
	bool ok = up->target.flags & SMB_FLAG_IN_PLACE ? opening_here(up, fault) : opening_aside(up, fault);

	if (ok)
		counters_set_unfinished(SMB_UNFINISHED);
	return ok;
}

bool opening_is_whole(const struct upload *up, uint64_t size)
{
	struct smb_entry entry;

	return session_stat(up->target.path, &entry, &(struct smb_fault){0}) && entry.type == SMB_ENTRY_FILE &&
	       entry.size == size;
}
