#include "replace.h"

#include "shared/ticks.h"

#include "entry.h"
#include "fault.h"
#include "session.h"
#include "lifeline.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
	REPLACE_ATTEMPTS = 20, /* to take a name that others take too */
	/* milliseconds to tidy up: others may hold a file for a moment, the server may be about to come back */
	TIDY_TIME = 400,
	TIDY_INTERVAL = 50,  /* milliseconds between two tries */
	/* milliseconds for other connections to close a file, on a slow line and a busy machine */
	CLOSING_TIME = 10000,
};

enum { ATTRIBUTE_READONLY = 1 };

static bool replace_aside_left; /* the request under way has replaced a file, but not removed the old one */

/*
 * Puts back a file that was moved aside by somebody who never came to rename the new one. True when it has its name
 * again.
 */
static bool replace_put_back(const struct replacement *t)
{
	struct smb_fault ignored = {0};
	struct smb_entry entry;

	return session_stat(t->aside, &entry, &ignored) && entry.type == SMB_ENTRY_FILE &&
	       session_rename(t->aside, t->path, &ignored);
}

/* Finds out what stands under the target's name, before anything is sent. */
bool replace_look(struct replacement *t, struct smb_fault *fault)
{
	struct smb_entry entry;
	bool there;

	t->occupied = false;
	if (t->flags & SMB_FLAG_NEW)
		return true;
	there = session_stat(t->path, &entry, fault);
	if (!there && fault->code == SMB_NOT_FOUND && replace_put_back(t))
		there = session_stat(t->path, &entry, fault);
	if (!there) {
		/* A user who may make files in a folder but not list it: making the file shows all that matters. */
		bool free_name = fault->code == SMB_NOT_FOUND || fault->code == SMB_ACCESS_DENIED ||
				 (fault->code == SMB_FOLDER_MISSING && (t->flags & SMB_FLAG_PARENTS));
		if (free_name)
			memset(fault, 0, sizeof *fault);
		return free_name;
	}
	if (entry.type == SMB_ENTRY_DIRECTORY || (entry.attributes & ENTRY_DIRECTORY))
		return fault_set(fault, SMB_IS_DIRECTORY, "a folder has this name");
	if (!(t->flags & SMB_FLAG_OVERWRITE))
		return fault_set(fault, SMB_EXISTS, "it exists already");
	if (entry.attributes & ATTRIBUTE_READONLY)
		return fault_set(fault, SMB_ACCESS_DENIED, "the file there is marked read-only");
	t->occupied = true;
	t->attributes = entry.attributes & PLACE_ATTRIBUTES;
	return true;
}

/* Whether another attempt, or the next run, can go on with what has arrived. */
static bool replace_goes_on(const struct replacement *t, const struct smb_fault *fault)
{
	bool passing = fault_broke(fault) || fault->code == SMB_BUSY;
	return (passing && (t->flags & (SMB_FLAG_KEEP | SMB_FLAG_RESUME))) ||
	       (fault->code == SMB_CANCELLED && (t->flags & SMB_FLAG_RESUME));
}

static int64_t replace_now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void replace_pause(void)
{
	nanosleep(&(struct timespec){.tv_nsec = TIDY_INTERVAL * 1000000L}, NULL);
}

/* After a failure to tidy up: waits a moment. False when another try is of no use. */
static bool replace_tidy_again(int64_t began, const struct smb_fault *fault)
{
	if ((fault->code != SMB_BUSY && !fault_broke(fault)) || replace_now_ms() - began >= TIDY_TIME)
		return false;
	replace_pause();
	return true;
}

/*
 * Deletes the old file until it is not found. Samba forgets a deletion, without a word, when another client renames the
 * same file at that moment; and a file that somebody has open goes only when it is closed: a deleted one that is not
 * gone in time counts as gone.
 */
static bool replace_remove_aside(const struct replacement *t, struct smb_fault *fault)
{
	int64_t began = replace_now_ms();
	bool deleted = false;

	for (;;) {
		bool ok = session_unlink(t->aside, fault);
		deleted = deleted || ok;
		if (!ok && fault->code == SMB_NOT_FOUND)
			return true;
		/* behind encryption "about to be deleted" reads so */
		if (!ok && deleted && fault->code == SMB_ACCESS_DENIED)
			fault->code = SMB_BUSY;
		if (ok ? replace_now_ms() - began >= TIDY_TIME : !replace_tidy_again(began, fault))
			return deleted;
	}
}

/*
 * Puts the old file back, or deletes it where another whole file has the name by now. False when neither is known to
 * have happened: the module tries again later.
 */
static bool replace_move_back(const struct replacement *t, struct smb_fault *fault)
{
	int64_t began = replace_now_ms();
	while (!session_rename(t->aside, t->path, fault)) {
		if (fault->code == SMB_EXISTS)
			return replace_remove_aside(t, fault);
		if (!replace_tidy_again(began, fault))
			return fault->code == SMB_NOT_FOUND;
	}
	return true;
}

/* Moves the file aside. As long as it has its name, what stands aside already is a leftover, and is deleted. */
static bool replace_move_aside(struct replacement *t, struct smb_fault *fault)
{
	struct smb_fault ignored = {0};

	if (!t->occupied || session_rename(t->path, t->aside, fault))
		return true;
	if (fault->code == SMB_EXISTS && session_unlink(t->aside, &ignored) && session_rename(t->path, t->aside, fault))
		return true;
	if (fault_broke(fault))
		replace_move_back(t, &ignored);
	if (fault->code != SMB_NOT_FOUND)
		return false;
	t->occupied = false; /* somebody else removed it */
	return true;
}

/* Whether the old name is gone and the new one there. Asks again where the connection breaks. */
static bool replace_is_renamed(const char *from, const struct replacement *to)
{
	struct smb_fault fault = {0};
	struct smb_entry entry;
	int64_t began = replace_now_ms();

	do {
		if (session_stat(from, &entry, &fault))
			return false;
		if (fault.code == SMB_NOT_FOUND)
			return session_stat(to->path, &entry, &fault);
	} while (replace_tidy_again(began, &fault));
	return false;
}

/*
 * Gives `from` the target's name. One whole copy, old or new, is on the share at every moment, so nothing here stops
 * when the request is cancelled.
 */
static bool replace_put_once(const char *from, struct replacement *t, struct smb_fault *fault)
{
	struct smb_fault later = {0};

	if (!replace_move_aside(t, fault))
		return false;
	if (!session_rename(from, t->path, fault) && !(fault_broke(fault) && replace_is_renamed(from, t))) {
		if (t->occupied)
			replace_move_back(t, &later);
		return false;
	}
	if (!t->occupied || replace_remove_aside(t, &later))
		return true;
	if (!replace_goes_on(t, &later)) {
		replace_aside_left = true;
		return true;
	}
	*fault = later; /* the next attempt finds the new file in place, and removes the old one */
	return false;
}

/* A file of that name that somebody else makes meanwhile counts as the old one. */
bool replace_put(const char *from, struct replacement *t, struct smb_fault *fault)
{
	for (int i = 1; !replace_put_once(from, t, fault); i++) {
		if (fault->code != SMB_EXISTS || !(t->flags & SMB_FLAG_OVERWRITE) || i == REPLACE_ATTEMPTS)
			return false;
		t->flags &= ~(uint32_t)SMB_FLAG_NEW;
		if (!replace_look(t, fault))
			return false;
	}
	return true;
}

/* An earlier attempt may have ended between its two renames: puts the old file back, unless it has been replaced. */
void replace_settle_aside(const struct replacement *t)
{
	struct smb_fault ignored = {0};
	struct smb_entry entry;
	if (session_stat(t->aside, &entry, &ignored))
		replace_move_back(t, &ignored);
}

/*
 * Whether the file has its name: the temporary one is gone, and the target has the size and time that it was to have.
 */
bool replace_is_done(const struct replacement *t, uint64_t size)
{
	struct smb_fault fault = {0};
	struct smb_entry entry;

	return !session_stat(t->temporary, &entry, &fault) && fault.code == SMB_NOT_FOUND &&
	       session_stat(t->path, &entry, &fault) && entry.type == SMB_ENTRY_FILE && entry.size == size &&
	       (!(t->flags & SMB_FLAG_MTIME) || ticks_kept(t->mtime, entry.mtime));
}

/*
 * Returns until when others are waited for: half of the time for cleaning up at most, as more may have to be tidied up.
 */
static int64_t replace_closing_deadline(bool shared)
{
	int64_t most = lifeline_clean_up_ms() / 2;
	return shared ? replace_now_ms() + (most < CLOSING_TIME ? most : CLOSING_TIME) : 0;
}

/* Gives up where the server is out of reach: the module tries again later. */
bool replace_remove_temporary(const struct replacement *t, bool shared, struct smb_fault *fault)
{
	int64_t began = replace_now_ms(), till = replace_closing_deadline(shared);
	bool broken = false;

	while (!session_unlink(t->temporary, fault)) {
		if (fault->code == SMB_BUSY && replace_now_ms() < till) {
			replace_pause();
			began = replace_now_ms();
		} else if ((broken && fault_broke(fault)) || !replace_tidy_again(began, fault)) {
			return fault->code == SMB_NOT_FOUND || fault->code == SMB_FOLDER_MISSING;
		}
		broken = fault_broke(fault);
	}
	return true;
}

void replace_leave_folder(const struct replacement *t)
{
	const char small[] = "lua-smb~"; /* smb.name's small_folder */
	const char *end = strrchr(t->temporary, '/');
	char *folder, *base;

	if (end == NULL || !lifeline_is_orphaned())
		return;
	folder = strndup(t->temporary, (size_t)(end - t->temporary));
	if (folder == NULL)
		return;
	base = strrchr(folder, '/');
	base = base == NULL ? folder : base + 1;
	if (strncmp(base, small, sizeof small - 1) == 0)
		session_rmdir(folder, &(struct smb_fault){0});
	free(folder);
}

bool replace_leave_temporary(const struct replacement *t, const struct smb_fault *fault)
{
	bool gone = !replace_goes_on(t, fault) && replace_remove_temporary(t, false, &(struct smb_fault){0});

	replace_leave_folder(t);
	lifeline_settle();
	return gone;
}

bool replace_left(void)
{
	bool left = replace_aside_left;
	replace_aside_left = false;
	return left;
}

bool replace_settle(const struct replacement *t, struct smb_fault *fault)
{
	struct smb_entry entry;
	int64_t began = replace_now_ms();
	bool there;

	while (!(there = session_stat(t->aside, &entry, fault)) && replace_tidy_again(began, fault))
		;
	if (there ? !replace_move_back(t, fault) : fault->code != SMB_NOT_FOUND && fault->code != SMB_FOLDER_MISSING)
		return false;
	return t->temporary[0] == '\0' || replace_remove_temporary(t, false, fault);
}

/* ---- renaming ---- */

/*
 * Whether the server takes two names for one, in a way that ASCII does not tell: then moving the "old" file aside moved
 * the source, and moving it back gave it the new name.
 */
static bool replace_is_one_file(const char *from, const char *to)
{
	struct smb_fault fault = {0};
	struct smb_entry entry;
	return session_stat(from, &entry, &fault) && session_stat(to, &entry, &fault);
}

static bool replace_rename_over(const char *from, struct replacement *to, struct smb_fault *fault)
{
	struct smb_entry entry;
	bool ok;

	if (!replace_look(to, fault) || (to->occupied && !session_stat(from, &entry, fault)))
		return false;
	if (to->occupied && entry.type == SMB_ENTRY_DIRECTORY)
		return fault_set(fault, SMB_EXISTS, "a file has this name");
	if (!lifeline_owe())
		return fault_set(fault, SMB_CANCELLED, "cancelled");
	ok = replace_put(from, to, fault) ||
	     (to->occupied && fault->code == SMB_NOT_FOUND && replace_is_one_file(from, to->path));
	lifeline_settle();
	/* Encryption hides which of the two is missing: where the source is there, the target's folder is not. */
	if (!ok && fault->code == SMB_NOT_FOUND && fault->status == 0 &&
	    session_stat(from, &entry, &(struct smb_fault){0}))
		fault_is(fault, SMB_FOLDER_MISSING, "the folder does not exist");
	return ok;
}

bool replace_rename(const char *from, struct replacement *to, struct smb_fault *fault)
{
	struct smb_entry entry;

	if (strcmp(from, to->path) == 0)
		return session_stat(from, &entry, fault);
	if (to->flags & SMB_FLAG_AGAIN) {
		replace_settle_aside(to);
		if (replace_is_renamed(from, to))
			return true;
	}
	/*
	 * Names that differ in case only mean one file to most servers: then the target "exists", and is the source. To
	 * other servers they mean two.
	 */
	if (strcasecmp(from, to->path) == 0) {
		if (session_rename(from, to->path, fault))
			return true;
		if (fault->code != SMB_EXISTS)
			return false;
	}
	return replace_rename_over(from, to, fault);
}
