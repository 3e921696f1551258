#include "replace.h"

#include "shared/ticks.h"

#include "fault.h"
#include "session.h"
#include "lifeline.h"

#include <string.h>
#include <strings.h>
#include <time.h>

enum {
	REPLACE_ATTEMPTS = 20, /* to put a file in the place that others want too */
	TIDY_TIME = 400,     /* milliseconds for another try at tidying up: others may hold a file for a moment, */
	TIDY_INTERVAL = 50,  /* the server may be about to come back */
	CLOSING_TIME = 10000, /* milliseconds for other connections to close a file: on a slow line, on a busy machine */
};

enum { ATTRIBUTE_READONLY = 1 };

static bool aside_left; /* the request under way is done, but for the old file, which is still there */

/* A file that was moved aside by somebody who never came to give the new one its name. True when it has its name again. */
static bool put_back(const struct replacement *t)
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
	if (!there && fault->code == SMB_NOT_FOUND && put_back(t))
		there = session_stat(t->path, &entry, fault);
	if (!there) {
		/* Who may make files in a folder need not be allowed to look at it: then making one shows all that matters. */
		bool free_name = fault->code == SMB_NOT_FOUND || fault->code == SMB_ACCESS_DENIED ||
				 (fault->code == SMB_FOLDER_MISSING && (t->flags & SMB_FLAG_PARENTS));
		if (free_name)
			memset(fault, 0, sizeof *fault);
		return free_name;
	}
	if (entry.type == SMB_ENTRY_DIRECTORY)
		return fault_set(fault, SMB_IS_DIRECTORY, "a folder has this name");
	if (!(t->flags & SMB_FLAG_OVERWRITE))
		return fault_set(fault, SMB_EXISTS, "it exists already");
	if (entry.attributes & ATTRIBUTE_READONLY)
		return fault_set(fault, SMB_ACCESS_DENIED, "the file there is marked read-only");
	t->occupied = true;
	t->attributes = entry.attributes & PLACE_ATTRIBUTES;
	return true;
}

/* The failure is one after which what has arrived will be of use: to another attempt, or to the next run. */
static bool goes_on(const struct replacement *t, const struct smb_fault *fault)
{
	bool passing = fault_broke(fault) || fault->code == SMB_BUSY;
	return (passing && (t->flags & (SMB_FLAG_KEEP | SMB_FLAG_RESUME))) ||
	       (fault->code == SMB_CANCELLED && (t->flags & SMB_FLAG_RESUME));
}

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void wait_a_moment(void)
{
	nanosleep(&(struct timespec){.tv_nsec = TIDY_INTERVAL * 1000000L}, NULL);
}

/* After a failure to tidy up: waits a moment. False when it is of no use to try again. */
static bool tidy_again(int64_t began, const struct smb_fault *fault)
{
	if ((fault->code != SMB_BUSY && !fault_broke(fault)) || now_ms() - began >= TIDY_TIME)
		return false;
	wait_a_moment();
	return true;
}

/*
 * Samba forgets a deletion, without a word, when another client renames the same file at that moment; and a file that somebody
 * still has open goes a moment later. So it is gone when it is not found. Where it has been deleted, but is not gone in time, it is
 * somebody's who has it open.
 */
static bool remove_aside(const struct replacement *t, struct smb_fault *fault)
{
	int64_t began = now_ms();
	bool deleted = false;

	for (;;) {
		bool ok = session_unlink(t->aside, fault);
		deleted = deleted || ok;
		if (!ok && fault->code == SMB_NOT_FOUND)
			return true;
		if (!ok && deleted && fault->code == SMB_ACCESS_DENIED) /* what encryption leaves of "about to be deleted" */
			fault->code = SMB_BUSY;
		if (ok ? now_ms() - began >= TIDY_TIME : !tidy_again(began, fault))
			return deleted;
	}
}

/*
 * The old file gets its name back; unless another has it by now, which is whole, too. False where it is not known to have it: the
 * module sees to that later.
 */
static bool move_back(const struct replacement *t, struct smb_fault *fault)
{
	int64_t began = now_ms();
	while (!session_rename(t->aside, t->path, fault)) {
		if (fault->code == SMB_EXISTS)
			return remove_aside(t, fault);
		if (!tidy_again(began, fault))
			return fault->code == SMB_NOT_FOUND;
	}
	return true;
}

/* While the file has its name, what stands aside is of no use: whoever moved it there was not able to delete it. */
static bool move_aside(struct replacement *t, struct smb_fault *fault)
{
	struct smb_fault ignored = {0};

	if (!t->occupied || session_rename(t->path, t->aside, fault))
		return true;
	if (fault->code == SMB_EXISTS && session_unlink(t->aside, &ignored) && session_rename(t->path, t->aside, fault))
		return true;
	if (fault_broke(fault))
		move_back(t, &ignored);
	if (fault->code != SMB_NOT_FOUND)
		return false;
	t->occupied = false; /* somebody else removed it */
	return true;
}

/* The old name is gone and the new one there. Where the connection breaks under the question, it is asked again. */
static bool is_renamed(const char *from, const struct replacement *to)
{
	struct smb_fault fault = {0};
	struct smb_entry entry;
	int64_t began = now_ms();

	do {
		if (session_stat(from, &entry, &fault))
			return false;
		if (fault.code == SMB_NOT_FOUND)
			return session_stat(to->path, &entry, &fault);
	} while (tidy_again(began, &fault));
	return false;
}

/*
 * Gives `from` the target's name. One whole copy, old or new, is on the share at every moment, which is why this is not to be
 * cancelled.
 */
static bool put_in_place(const char *from, struct replacement *t, struct smb_fault *fault)
{
	struct smb_fault later = {0};

	if (!move_aside(t, fault))
		return false;
	if (!session_rename(from, t->path, fault) && !(fault_broke(fault) && is_renamed(from, t))) {
		if (t->occupied)
			move_back(t, &later);
		return false;
	}
	if (!t->occupied || remove_aside(t, &later))
		return true;
	if (!goes_on(t, &later)) {
		aside_left = true;
		return true;
	}
	*fault = later; /* the next attempt finds the new file in place, and removes the old one */
	return false;
}

/* When somebody else made a file of that name meanwhile, it counts as the old one. */
bool replace_put(const char *from, struct replacement *t, struct smb_fault *fault)
{
	for (int i = 1; !put_in_place(from, t, fault); i++) {
		if (fault->code != SMB_EXISTS || !(t->flags & SMB_FLAG_OVERWRITE) || i == REPLACE_ATTEMPTS)
			return false;
		t->flags &= ~(uint32_t)SMB_FLAG_NEW;
		if (!replace_look(t, fault))
			return false;
	}
	return true;
}

/* An earlier attempt may have broken off between its renames: the old file gets its name back, or has been replaced. */
void replace_settle_aside(const struct replacement *t)
{
	struct smb_fault ignored = {0};
	struct smb_entry entry;
	if (session_stat(t->aside, &entry, &ignored))
		move_back(t, &ignored);
}

/* All bytes had arrived, the temporary file is gone, and the target is what it would have become: it has its name. */
bool replace_is_done(const struct replacement *t, uint64_t size)
{
	struct smb_fault fault = {0};
	struct smb_entry entry;

	return !session_stat(t->temporary, &entry, &fault) && fault.code == SMB_NOT_FOUND &&
	       session_stat(t->path, &entry, &fault) && entry.type == SMB_ENTRY_FILE && entry.size == size &&
	       (!(t->flags & SMB_FLAG_MTIME) || ticks_kept(t->mtime, entry.mtime));
}

/* Until then others are waited for. Half of what there may be left: this may not be all that is to be tidied up. */
static int64_t closing_deadline(bool shared)
{
	int64_t most = lifeline_clean_up_ms() / 2;
	return shared ? now_ms() + (most < CLOSING_TIME ? most : CLOSING_TIME) : 0;
}

/* Where the server is out of reach the module sees to it later. */
bool replace_remove_temporary(const struct replacement *t, bool shared, struct smb_fault *fault)
{
	int64_t began = now_ms(), till = closing_deadline(shared);
	bool broken = false;

	while (!session_unlink(t->temporary, fault)) {
		if (fault->code == SMB_BUSY && now_ms() < till) {
			wait_a_moment();
			began = now_ms();
		} else if ((broken && fault_broke(fault)) || !tidy_again(began, fault)) {
			return fault->code == SMB_NOT_FOUND || fault->code == SMB_FOLDER_MISSING;
		}
		broken = fault_broke(fault);
	}
	return true;
}

/* After a failure: another attempt can go on from what has arrived, else nothing is left of it. */
bool replace_leave_temporary(const struct replacement *t, const struct smb_fault *fault)
{
	bool gone = !goes_on(t, fault) && replace_remove_temporary(t, false, &(struct smb_fault){0});

	lifeline_settle();
	return gone;
}

bool replace_left(void)
{
	bool left = aside_left;
	aside_left = false;
	return left;
}

bool replace_settle(const struct replacement *t, struct smb_fault *fault)
{
	struct smb_entry entry;
	int64_t began = now_ms();
	bool there;

	while (!(there = session_stat(t->aside, &entry, fault)) && tidy_again(began, fault))
		;
	if (there ? !move_back(t, fault) : fault->code != SMB_NOT_FOUND && fault->code != SMB_FOLDER_MISSING)
		return false;
	return t->temporary[0] == '\0' || replace_remove_temporary(t, false, fault);
}

/* ---- renaming ---- */

/*
 * The server takes two names for the same, in a way that ASCII does not tell: moving the "old" file aside took the source away,
 * and moving it back gave it the new name.
 */
static bool is_one_file(const char *from, const char *to)
{
	struct smb_fault fault = {0};
	struct smb_entry entry;
	return session_stat(from, &entry, &fault) && session_stat(to, &entry, &fault);
}

static bool rename_over(const char *from, struct replacement *to, struct smb_fault *fault)
{
	struct smb_entry entry;
	bool ok;

	if (!replace_look(to, fault) || (to->occupied && !session_stat(from, &entry, fault)))
		return false;
	if (to->occupied && entry.type == SMB_ENTRY_DIRECTORY)
		return fault_set(fault, SMB_EXISTS, "a file has this name");
	if (!lifeline_owe())
		return fault_set(fault, SMB_CANCELLED, "cancelled");
	ok = replace_put(from, to, fault) || (to->occupied && fault->code == SMB_NOT_FOUND && is_one_file(from, to->path));
	lifeline_settle();
	/* Where encryption hides which of the two is missing: the source is there, so the target's folder is not. */
	if (!ok && fault->code == SMB_NOT_FOUND && fault->status == 0 && session_stat(from, &entry, &(struct smb_fault){0}))
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
		if (is_renamed(from, to))
			return true;
	}
	/*
	 * Names that differ in case only are one file to most servers: there the target "exists", and is the source. To others they are
	 * two, and then the server says so.
	 */
	if (strcasecmp(from, to->path) == 0) {
		if (session_rename(from, to->path, fault))
			return true;
		if (fault->code != SMB_EXISTS)
			return false;
	}
	return rename_over(from, to, fault);
}
