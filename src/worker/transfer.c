#include "transfer.h"

#include "shared/ticks.h"

#include "counters.h"
#include "fault.h"
#include "opening.h"
#include "rate_limit.h"
#include "pipeline.h"
#include "lifeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
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
};

static uint64_t done_before; /* bytes of this request's files before the one under way */

void transfer_count_on(uint64_t bytes)
{
	done_before = bytes;
}

static void set_done(uint64_t done)
{
	counters_set_done(done_before + done);
}

static bool may_move(size_t size, struct smb_fault *fault)
{
	return !lifeline_stops(fault) && (rate_limit_wait(size) || fault_set(fault, SMB_CANCELLED, "cancelled"));
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
	return rate_limit_limit(request_size(asked, info.max_write_size));
}

/* The library has several reads under way only within one call, and then of the negotiated size. */
static size_t read_size(uint32_t asked)
{
	struct smb_info info;
	size_t one;
	session_info(&info);
	one = request_size(asked, info.max_read_size);
	if (rate_limit_limit(one) < request_size(0, info.max_read_size) || info.round_trip < LONG_ROUND_TRIP)
		return rate_limit_limit(one);
	return one * PIPELINED_READS < READ_LIMIT ? one * PIPELINED_READS : READ_LIMIT;
}

/* ---- the local file, at which the library's thread is at work ---- */

/* `hash`, unless NULL, takes in what is read. */
static bool read_here(int fd, uint8_t *to, size_t size, uint64_t offset, struct sha256_ctx *hash, struct smb_fault *fault)
{
	uint32_t step = counters_begin_local();
	bool ok = local_read(fd, to, size, offset, fault);

	if (ok && hash != NULL)
		sha256_update(hash, size, to);
	counters_end_local(step);
	return ok;
}

static bool write_here(int fd, const uint8_t *from, size_t size, uint64_t offset, struct smb_fault *fault)
{
	uint32_t step = counters_begin_local();
	bool ok = local_write(fd, from, size, offset, fault);

	counters_end_local(step);
	return ok;
}

static bool stat_here(int fd, struct stat *st, struct smb_fault *fault)
{
	uint32_t step = counters_begin_local();
	bool ok = fstat(fd, st) == 0 || fault_local(fault, "the local file cannot be asked for its size", errno);

	counters_end_local(step);
	return ok;
}

bool transfer_sync(int fd, struct smb_fault *fault)
{
	uint32_t step = counters_begin_local();
	bool ok = fsync(fd) == 0 || errno == EINVAL || errno == EROFS ||
		  fault_local(fault, "the local file cannot be written to disk", errno);

	counters_end_local(step);
	return ok;
}

bool transfer_hash(int fd, uint64_t size, uint8_t digest[SMB_DIGEST_SIZE], struct smb_fault *fault)
{
	uint32_t step = counters_begin_local();
	struct sha256_ctx hash;
	bool ok;

	sha256_init(&hash);
	ok = local_hash(fd, size, &hash, NULL, fault);
	if (ok)
		sha256_digest(&hash, SMB_DIGEST_SIZE, digest);
	counters_end_local(step);
	return ok;
}

/* ---- uploads ---- */

/* After a failure to open it: it may have been made, but where it has its own name already, it may be another's as well. */
static void leave_unopened(const struct upload *up, const struct smb_fault *fault)
{
	if (fault_broke(fault) && !(up->target.flags & SMB_FLAG_IN_PLACE))
		replace_leave_temporary(&up->target, fault);
	else
		lifeline_settle();
}

static bool set_time(struct upload *up, uint64_t size, struct smb_fault *fault);

/* Before anything is sent; gives what stands for "all is done" in `done`. */
static bool may_begin(struct upload *up, uint64_t size, uint64_t good, bool *done, struct smb_fault *fault)
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

/* In place, all had arrived before the connection broke, and what may not be opened any more needs no more. */
static bool was_whole(struct upload *up, uint64_t size, uint64_t good, const struct smb_fault *fault)
{
	uint32_t needed = SMB_FLAG_IN_PLACE | SMB_FLAG_AGAIN | SMB_FLAG_OURS;

	return (up->target.flags & needed) == needed && good >= size && fault->code == SMB_ACCESS_DENIED &&
	       opening_is_whole(up, size) && (set_time(up, size, &(struct smb_fault){0}), true);
}

bool upload_begin(struct upload *up, uint64_t size, uint64_t good, struct smb_fault *fault)
{
	bool done = false;

	up->file = NULL;
	up->released = false;
	up->kept = 0;
	up->overt = false;
	if (lifeline_stops(fault) || !may_begin(up, size, good, &done, fault))
		return false;
	if (done)
		return true;
	if (!lifeline_owe())
		return fault_set(fault, SMB_CANCELLED, "cancelled");
	if (opening_make(up, fault))
		return true;
	leave_unopened(up, fault);
	return was_whole(up, size, good, fault);
}

static void close_upload(struct upload *up)
{
	if (up->file != NULL)
		session_close(up->file, &(struct smb_fault){0});
	up->file = NULL;
	up->released = false;
}

/* The debt is settled. */
static void leave(struct upload *up, const struct smb_fault *fault)
{
	counters_set_unfinished(replace_leave_temporary(&up->target, fault) ? SMB_FINISHED : SMB_UNFINISHED);
}

static void give_up(struct upload *up, const struct smb_fault *fault)
{
	close_upload(up);
	leave(up, fault);
}

void upload_leave(struct upload *up)
{
	close_upload(up);
	lifeline_settle();
}

bool upload_abandon(struct upload *up, struct smb_fault *fault)
{
	bool ok;

	close_upload(up);
	ok = replace_remove_temporary(&up->target, true, fault);
	counters_set_unfinished(ok ? SMB_FINISHED : SMB_UNFINISHED);
	lifeline_settle();
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
static bool end_relay(struct pipeline *pipeline, bool ok, struct smb_fault *fault)
{
	struct smb_fault later = {0};
	if (!ok)
		pipeline_stop(pipeline);
	return pipeline_end(pipeline, ok ? fault : &later) && ok;
}

/* More than one SMB write: while one is on its way, the next is read. */
static bool send_pipelined(struct upload *up, struct pipeline *pipeline, uint64_t offset, struct smb_fault *fault)
{
	const uint8_t *bytes;
	size_t size;
	bool ok = true;

	while (ok && (bytes = pipeline_next(pipeline, &size)) != NULL)
		ok = send(up, &offset, bytes, size, fault);
	return end_relay(pipeline, ok, fault);
}

/* `hash`, unless NULL, takes in all bytes up to the end of what is sent. */
static bool send_file(struct upload *up, int fd, uint64_t offset, uint64_t size, struct sha256_ctx *hash,
		      struct smb_fault *fault)
{
	size_t most = write_size(up->target.io_size);
	uint64_t left = size - offset;
	struct pipeline *pipeline;
	uint8_t *bytes;

	if (left > most || (hash != NULL && offset > 0)) {
		pipeline = pipeline_read(fd, offset, left, most, hash, fault);
		return pipeline != NULL && send_pipelined(up, pipeline, offset, fault);
	}
	if (left == 0)
		return true;
	bytes = buffer_of((size_t)left, fault);
	return bytes != NULL && read_here(fd, bytes, (size_t)left, offset, hash, fault) &&
	       send(up, &offset, bytes, (size_t)left, fault);
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
	struct pipeline *pipeline = pipeline_write(-1, 0, most, hash, fault);
	uint64_t offset = 0;
	uint8_t *room;
	bool ok = pipeline != NULL;

	while (ok && offset < size && (room = pipeline_room(pipeline)) != NULL) {
		size_t ask = size - offset < most ? (size_t)(size - offset) : most;
		long n = may_move(ask, fault) ? session_read(file, offset, room, ask, fault) : -1;
		ok = n > 0 || (n == 0 && fault_set(fault, SMB_MISMATCH, "the file on the server is shorter than what was sent"));
		if (ok)
			pipeline_give(pipeline, (size_t)n);
		offset += ok ? (uint64_t)n : 0;
	}
	return pipeline != NULL && end_relay(pipeline, ok, fault);
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

static bool is_size(uint64_t found, uint64_t size, struct smb_fault *fault)
{
	return found == size || fault_set(fault, SMB_MISMATCH, "the file on the server has another size than what was sent");
}

static bool check_size(struct session_file *file, uint64_t size, struct smb_fault *fault)
{
	uint64_t found;
	int64_t mtime;
	return session_size(file, &found, &mtime, fault) && is_size(found, size, fault);
}

/* Setting the time opens the file once more: that answer tells the size, and spares a question. */
static bool tells_size(const struct upload *up)
{
	return up->overt && (up->target.flags & SMB_FLAG_MTIME);
}

static bool time_refused; /* the request under way is done, but for the time */
static int64_t time_instead = TICKS_UNKNOWN; /* what the file has instead */

bool transfer_time_refused(int64_t *instead)
{
	bool refused = time_refused;

	if (refused)
		*instead = time_instead;
	time_refused = false;
	time_instead = TICKS_UNKNOWN;
	return refused;
}

/* The server takes the file, and not its time: that of a file that belongs to another, or on a disk that keeps none. */
static bool is_refusal(const struct smb_fault *fault)
{
	/* Samba says "not found" of a file that it has just opened, where that is another user's. */
	return fault->code == SMB_ACCESS_DENIED || fault->code == SMB_UNSUPPORTED || fault->code == SMB_FAILED ||
	       fault->code == SMB_NOT_FOUND || fault->code == SMB_INVALID_NAME || fault->code == SMB_NO_SPACE;
}

/* What has arrived whole is worth more than its time. */
static bool do_without_time(struct upload *up, uint64_t size, struct smb_fault *fault)
{
	struct smb_entry entry;

	if ((up->target.flags & SMB_FLAG_INSIST) || !is_refusal(fault))
		return false;
	memset(fault, 0, sizeof *fault);
	if (tells_size(up) && (!session_stat(up->target.temporary, &entry, fault) || !is_size(entry.size, size, fault)))
		return false;
	time_refused = true;
	return true;
}

/*
 * A disk that does not reach as far (ext4: 1901 to 2446) sets what is nearest, and the server says that all is well: such a time is
 * looked at. Who may not look learns nothing.
 */
static bool look_at_time(const struct replacement *t, struct smb_fault *fault)
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
	time_refused = true;
	time_instead = entry.mtime;
	return true;
}

bool transfer_utime(const char *path, int64_t mtime, struct smb_fault *fault)
{
	struct replacement t = {.temporary = path, .mtime = mtime, .flags = SMB_FLAG_INSIST};
	struct session_opened opened;

	return session_utime(path, mtime, &opened, fault) && look_at_time(&t, fault);
}

static bool set_time(struct upload *up, uint64_t size, struct smb_fault *fault)
{
	const struct replacement *t = &up->target;
	bool keeps_attributes = t->occupied && (t->flags & SMB_FLAG_IN_PLACE); /* and is not renamed, as others are */
	struct session_opened opened;

	if (!(t->flags & SMB_FLAG_MTIME))
		return true;
	if (!(keeps_attributes ? session_utime : session_set_new_time)(t->temporary, t->mtime, &opened, fault))
		return do_without_time(up, size, fault);
	return (!tells_size(up) || is_size(opened.is_known ? opened.size : 0, size, fault)) && look_at_time(t, fault);
}

/* A hidden file stays hidden when it is replaced; where that cannot be, its contents count. */
static void keep_attributes(const struct replacement *t)
{
	const uint32_t archive = 0x20;
	if (t->attributes != 0)
		session_set_attributes(t->temporary, t->attributes | archive, &(struct smb_fault){0});
}

/* After a failure to give it its name: a file that somebody else has removed is sent once more. */
static void tell_vanished(const struct replacement *t, struct smb_fault *fault)
{
	struct smb_fault look = {0};
	struct smb_entry entry;

	if (fault->code == SMB_NOT_FOUND && !session_stat(t->temporary, &entry, &look) && look.code == SMB_NOT_FOUND)
		fault_set(fault, SMB_BUSY, "its temporary file was removed by somebody else");
}

/* In place nothing but the time is left to be done. Without its time the file is whole all the same. */
static bool finish_in_place(struct upload *up, uint64_t size, struct smb_fault *fault)
{
	bool ok = set_time(up, size, fault);

	if (!ok && fault->code == SMB_MISMATCH) {
		leave(up, fault);
		return false;
	}
	lifeline_settle();
	if (ok || fault_broke(fault) || (up->target.flags & SMB_FLAG_INSIST))
		return ok;
	time_refused = true;
	return true;
}

/* Takes the file from its temporary name to its own. */
static bool finish_file(struct upload *up, uint64_t size, struct smb_fault *fault)
{
	struct replacement *t = &up->target;
	bool ok;

	if (t->flags & SMB_FLAG_IN_PLACE)
		return finish_in_place(up, size, fault);
	ok = set_time(up, size, fault) && !lifeline_stops(fault);
	if (ok) {
		keep_attributes(t);
		ok = replace_put(t->temporary, t, fault);
	}
	if (ok) {
		lifeline_settle();
	} else {
		tell_vanished(t, fault);
		leave(up, fault);
	}
	return ok;
}

static bool close_file(struct upload *up, struct smb_fault *fault)
{
	bool ok = session_close(up->file, fault);
	up->file = NULL;
	return ok;
}

bool upload_release(struct upload *up, struct smb_fault *fault)
{
	if (!tells_size(up) || (up->target.flags & SMB_FLAG_VERIFY))
		return true;
	up->sound = close_file(up, fault);
	up->released = true;
	return up->sound;
}

/* Asks and reads what has to be known before it is closed. */
static bool is_complete(struct upload *up, uint64_t size, const uint8_t digest[SMB_DIGEST_SIZE], struct smb_fault *fault)
{
	/* In order, over one connection: the server has said of each write how much of it there is. */
	bool is_told = up->blind || (up->target.flags & (SMB_FLAG_IN_PLACE | SMB_FLAG_MTIME)) == SMB_FLAG_IN_PLACE;
	bool verify = digest != NULL && (up->target.flags & SMB_FLAG_VERIFY);

	if (verify && up->blind)
		return fault_set(fault, SMB_ACCESS_DENIED, "it may be written but not read: verify = \"sha256\" is not possible there");
	return (tells_size(up) || is_told || check_size(up->file, size, fault)) &&
	       (!verify || read_back(up->file, size, digest, fault));
}

/* Nobody who was told how a release went commits one that must not be. */
static bool was_closed_well(const struct upload *up, struct smb_fault *fault)
{
	return (up->sound && !(up->target.flags & SMB_FLAG_VERIFY)) ||
	       fault_set(fault, SMB_FAILED, "the file was not closed well, or too early");
}

bool upload_commit(struct upload *up, uint64_t size, const uint8_t digest[SMB_DIGEST_SIZE], struct smb_fault *fault)
{
	bool ok = up->released ? was_closed_well(up, fault)
			       : is_complete(up, size, digest, fault) && close_file(up, fault);

	counters_set_unfinished(SMB_UNFINISHED);
	if (!ok) {
		give_up(up, fault);
		return false;
	}
	up->released = false;
	ok = finish_file(up, size, fault);
	if (ok)
		counters_set_unfinished(SMB_FINISHED);
	return ok;
}

static bool is_unchanged(const struct transfer_local *from, struct smb_fault *fault)
{
	struct stat now;

	if (!stat_here(from->fd, &now, fault))
		return false;
	return ((uint64_t)now.st_size == from->size && smb_stamp(now.st_mtim) == from->stamp) ||
	       fault_set(fault, SMB_SOURCE_CHANGED, "the local file changed while it was read");
}

/* All was read: nothing comes after it, whatever is said of its size. */
static bool is_read_out(const struct transfer_local *from, struct smb_fault *fault)
{
	uint32_t step = counters_begin_local();
	char byte;
	bool ended = pread(from->fd, &byte, 1, (off_t)from->size) == 0;

	counters_end_local(step);
	return (ended || fault_set(fault, SMB_SOURCE_CHANGED, "the local file became longer while it was read")) &&
	       is_unchanged(from, fault);
}

/* The same bytes before `end` in both files: what an earlier run left is the beginning of this one. */
static bool same_tail(struct session_file *file, int fd, uint64_t end, struct smb_fault *fault)
{
	static uint8_t ours[TAIL], theirs[TAIL];
	size_t size = end < TAIL ? (size_t)end : TAIL;
	long n = session_read(file, end - size, theirs, size, fault);

	return n == (long)size && read_here(fd, ours, size, end - size, NULL, fault) && memcmp(ours, theirs, size) == 0;
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

static bool put_open(struct upload *up, const struct transfer_local *from, struct transfer_result *result,
		     struct smb_fault *fault)
{
	bool wanted = up->target.flags & (SMB_FLAG_DIGEST | SMB_FLAG_VERIFY);
	struct sha256_ctx hash;

	sha256_init(&hash);
	set_done(result->resumed);
	if (!cut(up, from->size, fault) ||
	    !send_file(up, from->fd, result->resumed, from->size, wanted ? &hash : NULL, fault) || !is_read_out(from, fault))
		return false;
	sha256_digest(&hash, sizeof result->digest, result->digest);
	return true;
}

bool transfer_put(const struct transfer_local *from, uint64_t good, struct replacement *to, struct transfer_result *result,
		  struct smb_fault *fault)
{
	struct upload up = {.target = *to};

	if (!is_unchanged(from, fault) || !upload_begin(&up, from->size, good, fault))
		return false;
	if (up.file == NULL) {
		result->resumed = from->size;
		return !(to->flags & SMB_FLAG_DIGEST) || transfer_hash(from->fd, from->size, result->digest, fault);
	}
	result->resumed = good_part(&up, from->fd, from->size, good);
	if (!put_open(&up, from, result, fault)) {
		give_up(&up, fault);
		return false;
	}
	return upload_commit(&up, from->size, result->digest, fault);
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
		if (n == 0 || !write_here(fd, bytes, n, offset, fault))
			return false;
		offset += n;
	}
	return most == 0 || bytes != NULL;
}

/* More than one call: while it is under way, what came before is written. */
static bool fetch_relayed(struct session_file *file, struct pipeline *pipeline, uint64_t offset, uint64_t size, size_t most,
			  struct smb_fault *fault)
{
	uint8_t *room;
	bool ok = true;

	while (ok && offset < size && (room = pipeline_room(pipeline)) != NULL) {
		size_t n = fetch_some(file, offset, size, room, most, fault);
		ok = n > 0;
		if (ok)
			pipeline_give(pipeline, n);
		offset += n;
	}
	return end_relay(pipeline, ok, fault);
}

/* `hash` as in send_file. */
static bool fetch(struct session_file *file, uint32_t io_size, int fd, uint64_t offset, uint64_t size,
		  struct sha256_ctx *hash, struct smb_fault *fault)
{
	size_t most = read_size(io_size);
	struct pipeline *pipeline;

	if (size - offset <= most && hash == NULL)
		return fetch_small(file, fd, offset, size, fault);
	pipeline = pipeline_write(fd, offset, most, hash, fault);
	return pipeline != NULL && fetch_relayed(file, pipeline, offset, size, most, fault);
}

bool transfer_receive(struct session_file *file, int fd, uint64_t offset, uint64_t size, uint32_t io_size,
		      struct smb_fault *fault)
{
	return fetch(file, io_size, fd, offset, offset + size, NULL, fault);
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
bool transfer_describe(struct session_file *file, const struct session_opened *opened, struct smb_entry *entry,
		       struct smb_fault *fault)
{
	if (!opened->is_known)
		return session_size(file, &entry->size, &entry->mtime, fault);
	entry->size = opened->size;
	entry->mtime = opened->mtime;
	entry->btime = opened->btime;
	return true;
}

/* With `good`, size and time have to be what they were. */
static bool look_at_source(struct session_file *file, const struct session_opened *opened, uint64_t good, struct smb_entry *entry,
			   struct smb_fault *fault)
{
	struct smb_entry before = *entry;

	if (!transfer_describe(file, opened, entry, fault))
		return false;
	if (good > 0 && (entry->size != before.size || entry->mtime != before.mtime))
		return fault_set(fault, SMB_SOURCE_CHANGED, "the file changed while it was read");
	counters_set_source(entry->size, entry->mtime);
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
	struct session_opened opened;
	struct session_file *file;
	bool ok;

	if (lifeline_stops(fault))
		return false;
	file = session_open(from->path, 0, &opened, fault);
	if (file == NULL)
		return false;
	ok = look_at_source(file, &opened, from->good, entry, fault);
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
		rate_limit_wait(n); /* a file that was collected while it was open gets all that was written */
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
		long n = may_move(ask, fault) ? session_read(file, offset + *got, bytes + *got, ask, fault) : -1;
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
	struct smb_entry entry;
	uint64_t size;

	if (!session_look(source, &entry, fault))
		return false;
	up->target.mtime = entry.mtime;
	up->target.attributes = entry.attributes & PLACE_ATTRIBUTES;
	*bytes = size = entry.size;
	/* What an earlier attempt has copied is not known: it is copied once more. */
	if (!upload_begin(up, UINT64_MAX, 0, fault))
		return false;
	if (!session_copy(source, up->file, size, fault)) {
		give_up(up, fault);
		return false;
	}
	return upload_commit(up, size, NULL, fault);
}

bool transfer_copy(const char *from, struct replacement *to, uint64_t *bytes, struct smb_fault *fault)
{
	struct upload up = {.target = *to};
	struct smb_fault ignored = {0};
	struct session_file *source = session_open(from, 0, NULL, fault);
	bool ok;

	if (source == NULL)
		return false;
	ok = copy_open(source, &up, bytes, fault);
	session_close(source, &ignored);
	return ok;
}

