#include "transfer.h"

#include "fault.h"
#include "pace.h"
#include "relay.h"
#include "watch.h"
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	PIPELINED_READS = 4,          /* SMB reads in one call of the library, which sends them all before it waits */
	LONG_ROUND_TRIP = 2000,       /* microseconds from which on that pays: on loopback it only spoils the caches */
	READ_LIMIT = 32 * 1024 * 1024, /* bytes in such a call */
	SAFE_SIZE = 64 * 1024,        /* every dialect carries that much */
	STEP_BACK = 16 * 1024 * 1024, /* of what an earlier run left on one connection so much may have been under way */
	TAIL = 64 * 1024,             /* bytes before that, which are compared */
	PLACE_ATTEMPTS = 20,          /* to put a file in the place that others want too */
	TIDY_TIME = 2000,             /* milliseconds for another try at tidying up: others may hold a file for a moment, */
	TIDY_INTERVAL = 50,           /* the server may be about to come back */
};

enum { ATTRIBUTE_READONLY = 1 };

static struct smb_shared *counters;
static bool aside_left; /* the request under way is done, but for the old file, which is still there */

void transfer_count_in(struct smb_shared *shared)
{
	counters = shared;
}

static void set_done(uint64_t done)
{
	atomic_store(&counters->done, done);
}

static bool cancelled(struct smb_fault *fault)
{
	if (!watch_cancelled())
		return false;
	fault_set(fault, SMB_CANCELLED, "cancelled");
	return true;
}

static bool may_move(size_t size, struct smb_fault *fault)
{
	return !cancelled(fault) && (pace_wait(size) || fault_set(fault, SMB_CANCELLED, "cancelled"));
}

/* ---- the buffer between a local descriptor and the library ---- */

static struct {
	uint8_t *bytes;
	size_t size;
} buffer;

static uint8_t *buffer_of(size_t size, struct smb_fault *fault)
{
	if (buffer.size < size) {
		free(buffer.bytes);
		buffer.bytes = malloc(size);
		buffer.size = buffer.bytes != NULL ? size : 0;
	}
	if (buffer.bytes == NULL)
		fault_set(fault, SMB_FAILED, "the worker is out of memory");
	return buffer.bytes;
}

/* Bytes per SMB request: what was asked for, but not more than what was negotiated. */
static size_t request_size(uint32_t asked, uint32_t negotiated)
{
	uint32_t most = negotiated != 0 ? negotiated : SAFE_SIZE;
	return asked != 0 && asked < most ? asked : most;
}

static size_t write_size(uint32_t asked)
{
	struct smb_info info;
	session_info(&info);
	return pace_limit(request_size(asked, info.max_write_size));
}

/* The library has several reads under way only within one call, and then of the negotiated size. */
static size_t read_size(uint32_t asked)
{
	struct smb_info info;
	size_t one;
	session_info(&info);
	one = request_size(asked, info.max_read_size);
	if (pace_limit(one) < request_size(0, info.max_read_size) || info.round_trip < LONG_ROUND_TRIP)
		return pace_limit(one);
	return one * PIPELINED_READS < READ_LIMIT ? one * PIPELINED_READS : READ_LIMIT;
}

/* ---- folders ---- */

/* The request may have been carried out all the same. */
static bool broke(const struct smb_fault *fault)
{
	return fault->code == SMB_DISCONNECTED || fault->code == SMB_TIMEOUT || fault->code == SMB_UNREACHABLE;
}

/* After a failure to make it: whether it is there. */
static bool is_folder(const char *path, struct smb_fault *fault)
{
	struct smb_fault later = {0};
	struct smb_entry entry;

	if (session_stat(path, &entry, &later))
		return entry.type != SMB_ENTRY_FILE;
	if (broke(&later))
		*fault = later;
	return false;
}

/* Makes the folder that holds `path`. */
static bool make_parent(const char *path, struct smb_fault *fault)
{
	const char *end = strrchr(path, '/');
	char *parent;
	bool ok;

	if (end == NULL)
		return true;
	parent = strndup(path, (size_t)(end - path));
	if (parent == NULL)
		return fault_set(fault, SMB_FAILED, "the worker is out of memory");
	ok = transfer_mkdir(parent, fault);
	free(parent);
	return ok;
}

bool transfer_mkdir(const char *path, struct smb_fault *fault)
{
	if (path[0] == '\0' || session_mkdir(path, fault))
		return true;
	if (fault->code == SMB_FOLDER_MISSING || fault->code == SMB_NOT_FOUND) {
		if (!make_parent(path, fault))
			return false;
		if (session_mkdir(path, fault))
			return true;
	}
	/* Where nothing may be made, what is there already answers "access denied" too. */
	return (fault->code == SMB_EXISTS || fault->code == SMB_ACCESS_DENIED) && is_folder(path, fault);
}

static char *join(const char *folder, const char *name)
{
	size_t left = strlen(folder), right = strlen(name);
	char *path = malloc(left + 1 + right + 1);
	if (path == NULL)
		return NULL;
	memcpy(path, folder, left);
	path[left] = '/';
	memcpy(path + left + (left > 0), name, right + 1);
	return path;
}

static bool remove_entry(const char *path, const struct smb_entry *entry, struct smb_fault *fault)
{
	const uint32_t directory = 0x10;
	if (entry->type == SMB_ENTRY_DIRECTORY)
		return transfer_rmdir(path, fault);
	if (entry->type == SMB_ENTRY_LINK && (entry->attributes & directory))
		return session_rmdir(path, fault);
	return session_unlink(path, fault);
}

static bool empty_folder(const char *path, struct smb_fault *fault)
{
	struct session_list *list = session_list(path, fault);
	struct smb_entry entry;
	const char *name;
	bool ok = list != NULL;

	while (ok && session_list_next(list, &entry, &name)) {
		char *child = join(path, name);
		ok = !cancelled(fault) && (child != NULL || fault_set(fault, SMB_FAILED, "the worker is out of memory")) &&
		     remove_entry(child, &entry, fault);
		free(child);
	}
	if (list != NULL)
		session_list_close(list);
	return ok;
}

bool transfer_rmdir(const char *path, struct smb_fault *fault)
{
	return empty_folder(path, fault) && session_rmdir(path, fault);
}

/* ---- the target ---- */

/* A file that was moved aside by somebody who never came to give the new one its name. True when it has its name again. */
static bool put_back(const struct transfer_target *t)
{
	struct smb_fault ignored = {0};
	struct smb_entry entry;

	return session_stat(t->aside, &entry, &ignored) && entry.type == SMB_ENTRY_FILE &&
	       session_rename(t->aside, t->path, &ignored);
}

/* Finds out what stands under the target's name, before anything is sent. */
static bool look_at(struct transfer_target *t, struct smb_fault *fault)
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
		bool free_name = fault->code == SMB_NOT_FOUND ||
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
	return true;
}

/* The failure is one after which what has arrived will be of use: to another attempt, or to the next run. */
static bool goes_on(const struct transfer_target *t, const struct smb_fault *fault)
{
	bool passing = broke(fault) || fault->code == SMB_BUSY;
	return (passing && (t->flags & (SMB_FLAG_KEEP | SMB_FLAG_RESUME))) ||
	       (fault->code == SMB_CANCELLED && (t->flags & SMB_FLAG_RESUME));
}

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* After a failure to tidy up: waits a moment. False when it is of no use to try again. */
static bool tidy_again(int64_t began, const struct smb_fault *fault)
{
	if ((fault->code != SMB_BUSY && !broke(fault)) || now_ms() - began >= TIDY_TIME)
		return false;
	nanosleep(&(struct timespec){.tv_nsec = TIDY_INTERVAL * 1000000L}, NULL);
	return true;
}

static bool remove_aside(const struct transfer_target *t, struct smb_fault *fault)
{
	int64_t began = now_ms();
	while (!session_unlink(t->aside, fault))
		if (!tidy_again(began, fault))
			return fault->code == SMB_NOT_FOUND;
	return true;
}

/*
 * The old file gets its name back; unless another has it by now, which is whole, too. False where it is not known to have it: the
 * module sees to that later.
 */
static bool move_back(const struct transfer_target *t, struct smb_fault *fault)
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
static bool move_aside(struct transfer_target *t, struct smb_fault *fault)
{
	struct smb_fault ignored = {0};

	if (!t->occupied || session_rename(t->path, t->aside, fault))
		return true;
	if (fault->code == SMB_EXISTS && session_unlink(t->aside, &ignored) && session_rename(t->path, t->aside, fault))
		return true;
	if (broke(fault))
		move_back(t, &ignored);
	if (fault->code != SMB_NOT_FOUND)
		return false;
	t->occupied = false; /* somebody else removed it */
	return true;
}

/* The old name is gone and the new one there. Where the connection breaks under the question, it is asked again. */
static bool is_renamed(const char *from, const struct transfer_target *to)
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
static bool put_in_place(const char *from, struct transfer_target *t, struct smb_fault *fault)
{
	struct smb_fault later = {0};

	if (!move_aside(t, fault))
		return false;
	if (!session_rename(from, t->path, fault) && !(broke(fault) && is_renamed(from, t))) {
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
static bool place(const char *from, struct transfer_target *t, struct smb_fault *fault)
{
	for (int i = 1; !put_in_place(from, t, fault); i++) {
		if (fault->code != SMB_EXISTS || !(t->flags & SMB_FLAG_OVERWRITE) || i == PLACE_ATTEMPTS)
			return false;
		t->flags &= ~(uint32_t)SMB_FLAG_NEW;
		if (!look_at(t, fault))
			return false;
	}
	return true;
}

/* ---- uploads ---- */

/* An earlier attempt may have broken off between its renames: the old file gets its name back, or has been replaced. */
static void settle_aside(const struct transfer_target *t)
{
	struct smb_fault ignored = {0};
	struct smb_entry entry;
	if (session_stat(t->aside, &entry, &ignored))
		move_back(t, &ignored);
}

static bool same_time(int64_t a, int64_t b)
{
	const int64_t kept = 1000; /* nanoseconds: utimes keeps microseconds, and Lua's numbers little more */
	return a - b < kept && b - a < kept;
}

/* All bytes had arrived, the temporary file is gone, and the target is what it would have become: it has its name. */
static bool is_placed(const struct transfer_target *t, uint64_t size)
{
	struct smb_fault fault = {0};
	struct smb_entry entry;

	return !session_stat(t->temporary, &entry, &fault) && fault.code == SMB_NOT_FOUND &&
	       session_stat(t->path, &entry, &fault) && entry.type == SMB_ENTRY_FILE && entry.size == size &&
	       (!(t->flags & SMB_FLAG_MTIME) || same_time(entry.mtime, t->mtime));
}

/* What an earlier attempt left under the temporary name, if it can still be written. */
static bool reopen(struct upload *up, struct smb_fault *fault)
{
	int64_t mtime;

	up->file = session_open(up->target.temporary, SMB_FLAG_WRITABLE, fault);
	if (up->file == NULL)
		return fault->code == SMB_NOT_FOUND || fault->code == SMB_FOLDER_MISSING;
	if (session_size(up->file, &up->kept, &mtime, fault))
		return true;
	session_close(up->file, &(struct smb_fault){0});
	up->file = NULL;
	return false;
}

static bool create(struct upload *up, struct smb_fault *fault)
{
	const uint32_t new_file = SMB_FLAG_WRITABLE | SMB_FLAG_CREATE | SMB_FLAG_EXCLUSIVE;
	const struct transfer_target *t = &up->target;

	up->file = session_open(t->temporary, new_file, fault);
	if (up->file == NULL && fault->code == SMB_FOLDER_MISSING && (t->flags & SMB_FLAG_PARENTS) &&
	    make_parent(t->path, fault))
		up->file = session_open(t->temporary, new_file, fault);
	return up->file != NULL;
}

/* Other connections that wrote to it may be about to close it. Where the server is out of reach the module sees to it later. */
static bool remove_temporary(const struct transfer_target *t, struct smb_fault *fault)
{
	int64_t began = now_ms();
	bool broken = false;

	while (!session_unlink(t->temporary, fault)) {
		if ((broken && broke(fault)) || !tidy_again(began, fault))
			return fault->code == SMB_NOT_FOUND || fault->code == SMB_FOLDER_MISSING;
		broken = broke(fault);
	}
	return true;
}

/* After a failure: another attempt can go on from what has arrived, else nothing is left of it. */
static void leave_temporary(const struct transfer_target *t, const struct smb_fault *fault)
{
	if (!goes_on(t, fault))
		remove_temporary(t, &(struct smb_fault){0});
	watch_settle();
}

bool transfer_left(void)
{
	bool left = aside_left;
	aside_left = false;
	return left;
}

bool transfer_settle(const struct transfer_target *t, struct smb_fault *fault)
{
	struct smb_entry entry;
	int64_t began = now_ms();
	bool there;

	while (!(there = session_stat(t->aside, &entry, fault)) && tidy_again(began, fault))
		;
	if (there ? !move_back(t, fault) : fault->code != SMB_NOT_FOUND && fault->code != SMB_FOLDER_MISSING)
		return false;
	return t->temporary[0] == '\0' || remove_temporary(t, fault);
}

bool upload_begin(struct upload *up, uint64_t size, uint64_t good, struct smb_fault *fault)
{
	struct transfer_target *t = &up->target;
	bool again = (t->flags & SMB_FLAG_AGAIN) != 0;

	up->file = NULL;
	up->kept = 0;
	if (cancelled(fault))
		return false;
	if (again) {
		settle_aside(t);
		if (good >= size && is_placed(t, size))
			return true;
	}
	if (!look_at(t, fault))
		return false;
	if (!watch_owe())
		return fault_set(fault, SMB_CANCELLED, "cancelled");
	if ((!(t->flags & (SMB_FLAG_AGAIN | SMB_FLAG_RESUME)) || reopen(up, fault)) && (up->file != NULL || create(up, fault)))
		return true;
	if (broke(fault))
		leave_temporary(t, fault); /* it may have been made */
	else
		watch_settle();
	return false;
}

static void give_up(struct upload *up, const struct smb_fault *fault)
{
	struct smb_fault ignored = {0};
	session_close(up->file, &ignored);
	up->file = NULL;
	leave_temporary(&up->target, fault);
}

void upload_leave(struct upload *up)
{
	session_close(up->file, &(struct smb_fault){0});
	up->file = NULL;
	watch_settle();
}

bool upload_abandon(struct upload *up, struct smb_fault *fault)
{
	bool ok;

	session_close(up->file, &(struct smb_fault){0});
	up->file = NULL;
	ok = remove_temporary(&up->target, fault);
	watch_settle();
	return ok;
}

static bool send(struct upload *up, uint64_t *offset, const uint8_t *bytes, size_t size, struct smb_fault *fault)
{
	if (!may_move(size, fault) || !session_write(up->file, *offset, bytes, size, fault))
		return false;
	*offset += size;
	set_done(*offset);
	return true;
}

/* The first failure counts: what comes after it is its consequence. */
static bool end_relay(struct relay *relay, bool ok, struct smb_fault *fault)
{
	struct smb_fault later = {0};
	if (!ok)
		relay_stop(relay);
	return relay_end(relay, ok ? fault : &later) && ok;
}

/* More than one SMB write: while one is on its way, the next is read. */
static bool send_relayed(struct upload *up, struct relay *relay, uint64_t offset, struct smb_fault *fault)
{
	const uint8_t *bytes;
	size_t size;
	bool ok = true;

	while (ok && (bytes = relay_next(relay, &size)) != NULL)
		ok = send(up, &offset, bytes, size, fault);
	return end_relay(relay, ok, fault);
}

/* `hash`, unless NULL, takes in all bytes up to the end of what is sent. */
static bool send_file(struct upload *up, int fd, uint64_t offset, uint64_t size, struct sha256_ctx *hash,
		      struct smb_fault *fault)
{
	size_t most = write_size(up->target.io_size);
	uint64_t left = size - offset;
	struct relay *relay;
	uint8_t *bytes;

	if (left > most || (hash != NULL && offset > 0)) {
		relay = relay_read(fd, offset, left, most, hash, fault);
		return relay != NULL && send_relayed(up, relay, offset, fault);
	}
	if (left == 0)
		return true;
	bytes = buffer_of((size_t)left, fault);
	if (bytes == NULL || !local_read(fd, bytes, (size_t)left, offset, fault))
		return false;
	if (hash != NULL)
		sha256_update(hash, (size_t)left, bytes);
	return send(up, &offset, bytes, (size_t)left, fault);
}

bool transfer_send(struct session_file *file, int fd, uint64_t offset, uint64_t size, uint32_t io_size, struct smb_fault *fault)
{
	struct upload up = {.file = file, .target = {.io_size = io_size}};
	return send_file(&up, fd, offset, offset + size, NULL, fault);
}

/* ---- reading back ---- */

/* The SHA-256 of a remote file's first bytes. */
static bool hash_remote(struct session_file *file, uint64_t size, struct sha256_ctx *hash, struct smb_fault *fault)
{
	size_t most = read_size(0);
	struct relay *relay = relay_write(-1, 0, most, hash, fault);
	uint64_t offset = 0;
	uint8_t *room;
	bool ok = relay != NULL;

	while (ok && offset < size && (room = relay_room(relay)) != NULL) {
		size_t ask = size - offset < most ? (size_t)(size - offset) : most;
		long n = may_move(ask, fault) ? session_read(file, offset, room, ask, fault) : -1;
		ok = n > 0 || (n == 0 && fault_set(fault, SMB_MISMATCH, "the file on the server is shorter than what was sent"));
		if (ok)
			relay_give(relay, (size_t)n);
		offset += ok ? (uint64_t)n : 0;
	}
	return relay != NULL && end_relay(relay, ok, fault);
}

bool transfer_hash_remote(struct session_file *file, uint64_t size, uint8_t digest[SMB_DIGEST_SIZE], struct smb_fault *fault)
{
	struct sha256_ctx hash;

	sha256_init(&hash);
	if (!hash_remote(file, size, &hash, fault))
		return false;
	sha256_digest(&hash, SMB_DIGEST_SIZE, digest);
	return true;
}

static bool read_back(struct session_file *file, uint64_t size, const uint8_t digest[SMB_DIGEST_SIZE], struct smb_fault *fault)
{
	uint8_t found[SMB_DIGEST_SIZE];

	if (!transfer_hash_remote(file, size, found, fault))
		return false;
	return memcmp(found, digest, sizeof found) == 0 ||
	       fault_set(fault, SMB_MISMATCH, "what the server has is not what was sent (SHA-256)");
}

static bool check_size(struct session_file *file, uint64_t size, struct smb_fault *fault)
{
	uint64_t found;
	int64_t mtime;
	if (!session_size(file, &found, &mtime, fault))
		return false;
	return found == size || fault_set(fault, SMB_MISMATCH, "the file on the server has another size than what was sent");
}

/* Takes the file from its temporary name to its own. */
static bool finish_file(struct transfer_target *t, struct smb_fault *fault)
{
	bool ok = (!(t->flags & SMB_FLAG_MTIME) || session_utime(t->temporary, t->mtime, t->mtime, fault)) &&
		  !cancelled(fault) && place(t->temporary, t, fault);
	if (ok)
		watch_settle();
	else
		leave_temporary(t, fault);
	return ok;
}

bool upload_commit(struct upload *up, uint64_t size, const uint8_t digest[SMB_DIGEST_SIZE], struct smb_fault *fault)
{
	bool closed;

	if (!check_size(up->file, size, fault) ||
	    (digest != NULL && (up->target.flags & SMB_FLAG_VERIFY) && !read_back(up->file, size, digest, fault))) {
		give_up(up, fault);
		return false;
	}
	closed = session_close(up->file, fault);
	up->file = NULL;
	if (!closed) {
		leave_temporary(&up->target, fault);
		return false;
	}
	return finish_file(&up->target, fault);
}

static bool unchanged(int fd, const struct stat *before, struct smb_fault *fault)
{
	struct stat after;
	if (fstat(fd, &after) < 0)
		return fault_local(fault, "the local file cannot be asked for its size", errno);
	return (after.st_size == before->st_size && after.st_mtim.tv_sec == before->st_mtim.tv_sec &&
		after.st_mtim.tv_nsec == before->st_mtim.tv_nsec) ||
	       fault_set(fault, SMB_SOURCE_CHANGED, "the local file changed while it was read");
}

/* The same bytes before `end` in both files: what an earlier run left is the beginning of this one. */
static bool same_tail(struct session_file *file, int fd, uint64_t end, struct smb_fault *fault)
{
	static uint8_t ours[TAIL], theirs[TAIL];
	size_t size = end < TAIL ? (size_t)end : TAIL;
	long n = session_read(file, end - size, theirs, size, fault);

	return n == (long)size && local_read(fd, ours, size, end - size, fault) && memcmp(ours, theirs, size) == 0;
}

/* What an earlier run left counts but for its last part, which may have been under way. */
static uint64_t step_back(uint64_t left, uint64_t size)
{
	uint64_t back = size >= SMB_STRIPE_FROM ? SMB_STRIPE_WINDOW : STEP_BACK;
	return left <= size && left > back ? left - back : 0;
}

uint64_t upload_good_part(const struct upload *up, int fd, uint64_t size)
{
	struct smb_fault ignored = {0};
	uint64_t good = step_back(up->kept, size);
	return good > 0 && same_tail(up->file, fd, good, &ignored) ? good : 0;
}

/* Bytes in the temporary file that need not be sent again. */
static uint64_t good_part(const struct upload *up, int fd, uint64_t size, uint64_t good)
{
	if (up->target.flags & SMB_FLAG_AGAIN)
		return up->kept < good ? up->kept : good;
	return upload_good_part(up, fd, size);
}

/* What is left of an earlier run's file must not reach beyond this one. */
static bool cut(struct upload *up, uint64_t size, struct smb_fault *fault)
{
	return up->kept <= size || session_truncate(up->file, size, fault);
}

static bool put_open(struct upload *up, int fd, uint64_t size, const struct stat *before, struct transfer_result *result,
		     struct smb_fault *fault)
{
	bool wanted = up->target.flags & (SMB_FLAG_DIGEST | SMB_FLAG_VERIFY);
	struct sha256_ctx hash;

	sha256_init(&hash);
	set_done(result->resumed);
	if (!cut(up, size, fault) || !send_file(up, fd, result->resumed, size, wanted ? &hash : NULL, fault) ||
	    !unchanged(fd, before, fault))
		return false;
	sha256_digest(&hash, sizeof result->digest, result->digest);
	return true;
}

bool transfer_put(int fd, uint64_t size, uint64_t good, struct transfer_target *to, struct transfer_result *result,
		  struct smb_fault *fault)
{
	struct upload up = {.target = *to};
	struct stat before;

	if (fstat(fd, &before) < 0)
		return fault_local(fault, "the local file cannot be asked for its size", errno);
	if (!upload_begin(&up, size, good, fault))
		return false;
	if (up.file == NULL) {
		result->resumed = size;
		return !(to->flags & SMB_FLAG_DIGEST) || transfer_hash(fd, size, result->digest, fault);
	}
	result->resumed = good_part(&up, fd, size, good);
	if (!put_open(&up, fd, size, &before, result, fault)) {
		give_up(&up, fault);
		return false;
	}
	return upload_commit(&up, size, result->digest, fault);
}

bool transfer_hash(int fd, uint64_t size, uint8_t digest[SMB_DIGEST_SIZE], struct smb_fault *fault)
{
	struct sha256_ctx hash;

	sha256_init(&hash);
	if (!local_hash(fd, size, &hash, NULL, fault))
		return false;
	sha256_digest(&hash, SMB_DIGEST_SIZE, digest);
	return true;
}

/* ---- downloads ---- */

/* Just the bytes that are there: a request for more costs a round trip to learn that it is the end. */
static size_t fetch_some(struct session_file *file, uint64_t offset, uint64_t size, uint8_t *to, size_t most,
			 struct smb_fault *fault)
{
	size_t ask = size - offset < most ? (size_t)(size - offset) : most;
	long n;
	if (!may_move(ask, fault))
		return 0;
	n = session_read(file, offset, to, ask, fault);
	if (n == 0)
		fault_set(fault, SMB_SOURCE_CHANGED, "the file became shorter while it was read");
	if (n <= 0)
		return 0;
	set_done(offset + (uint64_t)n);
	return (size_t)n;
}

static bool fetch_small(struct session_file *file, int fd, uint64_t offset, uint64_t size, struct smb_fault *fault)
{
	size_t most = (size_t)(size - offset);
	uint8_t *bytes = buffer_of(most, fault);

	while (bytes != NULL && offset < size) {
		size_t n = fetch_some(file, offset, size, bytes, most, fault);
		if (n == 0 || !local_write(fd, bytes, n, offset, fault))
			return false;
		offset += n;
	}
	return most == 0 || bytes != NULL;
}

/* More than one call: while it is under way, what came before is written. */
static bool fetch_relayed(struct session_file *file, struct relay *relay, uint64_t offset, uint64_t size, size_t most,
			  struct smb_fault *fault)
{
	uint8_t *room;
	bool ok = true;

	while (ok && offset < size && (room = relay_room(relay)) != NULL) {
		size_t n = fetch_some(file, offset, size, room, most, fault);
		ok = n > 0;
		if (ok)
			relay_give(relay, n);
		offset += n;
	}
	return end_relay(relay, ok, fault);
}

/* `hash` as in send_file. */
static bool fetch(struct session_file *file, uint32_t io_size, int fd, uint64_t offset, uint64_t size,
		  struct sha256_ctx *hash, struct smb_fault *fault)
{
	size_t most = read_size(io_size);
	struct relay *relay;

	if (size - offset <= most && hash == NULL)
		return fetch_small(file, fd, offset, size, fault);
	relay = relay_write(fd, offset, most, hash, fault);
	return relay != NULL && fetch_relayed(file, relay, offset, size, most, fault);
}

bool transfer_receive(struct session_file *file, int fd, uint64_t offset, uint64_t size, uint32_t io_size,
		      struct smb_fault *fault)
{
	return fetch(file, io_size, fd, offset, offset + size, NULL, fault);
}

bool transfer_sync(int fd, struct smb_fault *fault)
{
	return fsync(fd) == 0 || errno == EINVAL || errno == EROFS ||
	       fault_local(fault, "the local file cannot be written to disk", errno);
}

/* What was written is compared with what arrived, and that with what the server says when it is asked once more. */
static bool verify_fetched(struct session_file *file, int fd, uint64_t size, const uint8_t digest[SMB_DIGEST_SIZE],
			   struct smb_fault *fault)
{
	uint8_t written[SMB_DIGEST_SIZE];

	if (!transfer_hash(fd, size, written, fault))
		return false;
	if (memcmp(written, digest, sizeof written) != 0)
		return fault_set(fault, SMB_MISMATCH, "the local file is not what arrived (SHA-256)");
	return read_back(file, size, digest, fault) ||
	       (fault->code == SMB_MISMATCH &&
		fault_set(fault, SMB_MISMATCH, "what was fetched is not what the server has (SHA-256)"));
}

/* Where nothing is encrypted the answer to the opening has told it already. */
bool transfer_describe(struct session_file *file, struct smb_entry *entry, struct smb_fault *fault)
{
	const struct wire_created *created = wire_created();

	if (!created->seen)
		return session_size(file, &entry->size, &entry->mtime, fault);
	entry->size = created->size;
	entry->mtime = created->mtime;
	entry->btime = created->btime;
	return true;
}

/* With `good`, size and time have to be what they were. */
static bool look_at_source(struct session_file *file, uint64_t good, struct smb_entry *entry, struct smb_fault *fault)
{
	struct smb_entry before = *entry;

	if (!transfer_describe(file, entry, fault))
		return false;
	if (good > 0 && (entry->size != before.size || !same_time(entry->mtime, before.mtime)))
		return fault_set(fault, SMB_SOURCE_CHANGED, "the file changed while it was read");
	atomic_store(&counters->size, entry->size);
	atomic_store(&counters->mtime, entry->mtime);
	return true;
}

/* Bytes in the local file that need not be fetched again. */
static uint64_t fetched_part(struct session_file *file, const struct transfer_source *from, int fd, uint64_t size)
{
	struct smb_fault ignored = {0};
	uint64_t good = from->good;

	if (!(from->flags & SMB_FLAG_RESUME) || (from->flags & SMB_FLAG_AGAIN))
		return good;
	good = step_back(good, size);
	return good > 0 && same_tail(file, fd, good, &ignored) ? good : 0;
}

static bool get_open(struct session_file *file, const struct transfer_source *from, int fd, struct smb_entry *entry,
		     struct transfer_result *result, struct smb_fault *fault)
{
	bool wanted = from->flags & (SMB_FLAG_DIGEST | SMB_FLAG_VERIFY);
	struct sha256_ctx hash;

	set_done(result->resumed);
	sha256_init(&hash);
	if (!fetch(file, from->io_size, fd, result->resumed, entry->size, wanted ? &hash : NULL, fault) ||
	    !transfer_sync(fd, fault))
		return false;
	sha256_digest(&hash, sizeof result->digest, result->digest);
	return !(from->flags & SMB_FLAG_VERIFY) || verify_fetched(file, fd, entry->size, result->digest, fault);
}

bool transfer_get(struct transfer_source *from, int fd, struct smb_entry *entry, struct transfer_result *result,
		  struct smb_fault *fault)
{
	struct session_file *file;
	bool ok;

	if (cancelled(fault))
		return false;
	file = session_open(from->path, 0, fault);
	if (file == NULL)
		return false;
	ok = look_at_source(file, from->good, entry, fault);
	if (ok)
		result->resumed = fetched_part(file, from, fd, entry->size);
	if (ok && from->offer > 0 && entry->size >= from->offer) {
		from->file = file;
		return true;
	}
	ok = ok && get_open(file, from, fd, entry, result, fault);
	session_close(file, &(struct smb_fault){0});
	return ok;
}

/* ---- open files ---- */

bool transfer_write(struct session_file *file, uint64_t offset, const uint8_t *bytes, uint64_t size, uint32_t io_size,
		    struct smb_fault *fault)
{
	size_t most = write_size(io_size);

	while (size > 0) {
		size_t n = size < most ? (size_t)size : most;
		pace_wait(n);
		if (!session_write(file, offset, bytes, n, fault))
			return false;
		bytes += n;
		offset += n;
		size -= n;
	}
	return true;
}

bool transfer_read(struct session_file *file, uint64_t offset, uint8_t *bytes, uint64_t size, uint32_t io_size,
		   uint64_t *got, struct smb_fault *fault)
{
	size_t most = read_size(io_size);

	*got = 0;
	while (*got < size) {
		size_t ask = size - *got < most ? (size_t)(size - *got) : most;
		long n;
		pace_wait(ask);
		n = session_read(file, offset + *got, bytes + *got, ask, fault);
		if (n < 0)
			return false;
		*got += (uint64_t)n;
		if ((size_t)n < ask)
			break;
	}
	return true;
}

/* ---- within the share ---- */

/* Only a copy that the server makes whole gets the name. */
static bool copy_open(struct session_file *source, struct upload *up, uint64_t *bytes, struct smb_fault *fault)
{
	uint64_t size;

	if (!session_size(source, &size, &up->target.mtime, fault))
		return false;
	up->target.flags |= SMB_FLAG_MTIME;
	*bytes = size;
	/* What an earlier attempt has copied is not known: it is copied once more. */
	if (!upload_begin(up, UINT64_MAX, 0, fault))
		return false;
	if (!session_copy(source, up->file, size, fault)) {
		give_up(up, fault);
		return false;
	}
	return upload_commit(up, size, NULL, fault);
}

bool transfer_copy(const char *from, struct transfer_target *to, uint64_t *bytes, struct smb_fault *fault)
{
	struct upload up = {.target = *to};
	struct smb_fault ignored = {0};
	struct session_file *source = session_open(from, 0, fault);
	bool ok;

	if (source == NULL)
		return false;
	ok = copy_open(source, &up, bytes, fault);
	session_close(source, &ignored);
	return ok;
}

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

static bool rename_over(const char *from, struct transfer_target *to, struct smb_fault *fault)
{
	struct smb_entry entry;
	bool ok;

	if (!look_at(to, fault) || (to->occupied && !session_stat(from, &entry, fault)))
		return false;
	if (to->occupied && entry.type == SMB_ENTRY_DIRECTORY)
		return fault_set(fault, SMB_EXISTS, "a file has this name");
	if (!watch_owe())
		return fault_set(fault, SMB_CANCELLED, "cancelled");
	ok = place(from, to, fault) || (to->occupied && fault->code == SMB_NOT_FOUND && is_one_file(from, to->path));
	watch_settle();
	/* Where encryption hides which of the two is missing: the source is there, so the target's folder is not. */
	if (!ok && fault->code == SMB_NOT_FOUND && fault->status == 0 && session_stat(from, &entry, &(struct smb_fault){0}))
		fault_is(fault, SMB_FOLDER_MISSING, "the folder does not exist");
	return ok;
}

bool transfer_rename(const char *from, struct transfer_target *to, struct smb_fault *fault)
{
	struct smb_entry entry;

	if (strcmp(from, to->path) == 0)
		return session_stat(from, &entry, fault);
	if (to->flags & SMB_FLAG_AGAIN) {
		settle_aside(to);
		if (is_renamed(from, to))
			return true;
	}
	/* Names that differ in case only are one file to most servers: there the target "exists", and is the source. */
	if (strcasecmp(from, to->path) == 0)
		return session_rename(from, to->path, fault);
	return rename_over(from, to, fault);
}
