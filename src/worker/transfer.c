#include "transfer.h"

#include "counters.h"
#include "fault.h"
#include "lifeline.h"
#include "local_io.h"
#include "pipeline.h"
#include "rate_limit.h"

#include <stdlib.h>
#include <string.h>

enum {
	PIPELINED_READS = 4,          /* SMB reads in one call of the library, which sends them all before it waits */
	LONG_ROUND_TRIP = 2000,       /* microseconds from which on that pays: on loopback it only spoils the caches */
	READ_LIMIT = 32 * 1024 * 1024, /* bytes in such a call */
	SAFE_SIZE = 64 * 1024,        /* bytes that every dialect carries */
	TAIL = 64 * 1024,             /* bytes before those that are compared */
};

static uint64_t transfer_moved_before; /* by the request under way: bytes of other files */

void transfer_count_from(uint64_t bytes)
{
	transfer_moved_before = bytes;
}

void transfer_set_done(uint64_t done)
{
	counters_set_done(transfer_moved_before + done);
}

static bool transfer_may_move(size_t size, struct smb_fault *fault)
{
	return !lifeline_stops(fault) && (rate_limit_wait(size) || fault_set(fault, SMB_CANCELLED, "cancelled"));
}

/* ---- sizes and the buffer ---- */

/* Returns the bytes of one SMB request: as many as were asked for, at most as many as were negotiated. */
static size_t transfer_request_size(uint32_t asked, uint32_t negotiated)
{
	uint32_t most = negotiated != 0 ? negotiated : SAFE_SIZE;
	return asked != 0 && asked < most ? asked : most;
}

static size_t transfer_write_size(uint32_t asked)
{
	struct smb_info info;
	session_info(&info);
	return rate_limit_limit(transfer_request_size(asked, info.max_write_size));
}

/* The library sends several reads at once only within one call, and then of the negotiated size. */
static size_t transfer_read_size(uint32_t asked)
{
	struct smb_info info;
	size_t one;
	session_info(&info);
	one = transfer_request_size(asked, info.max_read_size);
	if (rate_limit_limit(one) < transfer_request_size(0, info.max_read_size) || info.round_trip < LONG_ROUND_TRIP)
		return rate_limit_limit(one);
	return one * PIPELINED_READS < READ_LIMIT ? one * PIPELINED_READS : READ_LIMIT;
}

/* Returns a buffer that is kept from one transfer to the next. */
static uint8_t *transfer_buffer(size_t size, struct smb_fault *fault)
{
	static uint8_t *bytes;
	static size_t room;

	if (room < size) {
		free(bytes);
		bytes = malloc(size);
		room = bytes != NULL ? size : 0;
	}
	if (bytes == NULL)
		fault_set(fault, SMB_FAILED, "the worker is out of memory");
	return bytes;
}

/* Ends a pipeline. The first failure counts: what follows it is its consequence. */
static bool transfer_end_pipeline(struct pipeline *pipeline, bool ok, struct smb_fault *fault)
{
	struct smb_fault later = {0};
	if (!ok)
		pipeline_stop(pipeline);
	return pipeline_end(pipeline, ok ? fault : &later) && ok;
}

/* ---- to the share ---- */

static bool transfer_send_chunk(struct session_file *file, uint64_t *offset, const uint8_t *bytes, size_t size,
				struct smb_fault *fault)
{
	if (!transfer_may_move(size, fault) || !session_write(file, *offset, bytes, size, fault))
		return false;
	*offset += size;
	transfer_set_done(*offset);
	return true;
}

/* Reads the next chunk while one is on its way. */
static bool transfer_send_pipelined(struct session_file *file, struct pipeline *pipeline, uint64_t offset,
				    struct smb_fault *fault)
{
	const uint8_t *bytes;
	size_t size;
	bool ok = true;

	while (ok && (bytes = pipeline_next(pipeline, &size)) != NULL)
		ok = transfer_send_chunk(file, &offset, bytes, size, fault);
	return transfer_end_pipeline(pipeline, ok, fault);
}

bool transfer_send(struct session_file *file, int fd, uint64_t offset, uint64_t end, uint32_t io_size,
		   struct sha256_ctx *hash, struct smb_fault *fault)
{
	size_t most = transfer_write_size(io_size);
	uint64_t left = end - offset;
	struct pipeline *pipeline;
	uint8_t *bytes;

	if (left > most || (hash != NULL && offset > 0)) {
		pipeline = pipeline_read(fd, offset, left, most, hash, fault);
		return pipeline != NULL && transfer_send_pipelined(file, pipeline, offset, fault);
	}
	if (left == 0)
		return true;
	bytes = transfer_buffer((size_t)left, fault);
	return bytes != NULL && local_io_read(fd, bytes, (size_t)left, offset, hash, fault) &&
	       transfer_send_chunk(file, &offset, bytes, (size_t)left, fault);
}

bool transfer_write(struct session_file *file, uint64_t offset, const uint8_t *bytes, uint64_t size, uint32_t io_size,
		    struct smb_fault *fault)
{
	size_t most = transfer_write_size(io_size);

	while (size > 0) {
		size_t n = size < most ? (size_t)size : most;
		/* a file that was collected while it was open still gets all that was written to it */
		rate_limit_wait(n);
		if (!session_write(file, offset, bytes, n, fault))
			return false;
		bytes += n;
		offset += n;
		size -= n;
	}
	return true;
}

/* ---- from the share ---- */

/* Asks for the bytes that are there and no more: a request beyond the end costs a round trip. Returns 0 on failure. */
static size_t transfer_receive_chunk(struct session_file *file, uint64_t offset, uint64_t end, uint8_t *to, size_t most,
				     struct smb_fault *fault)
{
	size_t ask = end - offset < most ? (size_t)(end - offset) : most;
	long n;
	if (!transfer_may_move(ask, fault))
		return 0;
	n = session_read(file, offset, to, ask, fault);
	if (n == 0)
		fault_set(fault, SMB_SOURCE_CHANGED, "the file became shorter while it was read");
	if (n <= 0)
		return 0;
	transfer_set_done(offset + (uint64_t)n);
	return (size_t)n;
}

static bool transfer_receive_small(struct session_file *file, int fd, uint64_t offset, uint64_t end,
				   struct smb_fault *fault)
{
	size_t most = (size_t)(end - offset);
	uint8_t *bytes = transfer_buffer(most, fault);

	while (bytes != NULL && offset < end) {
		size_t n = transfer_receive_chunk(file, offset, end, bytes, most, fault);
		if (n == 0 || !local_io_write(fd, bytes, n, offset, fault))
			return false;
		offset += n;
	}
	return most == 0 || bytes != NULL;
}

/* Writes the last chunk while the next is on its way. */
static bool transfer_receive_pipelined(struct session_file *file, struct pipeline *pipeline, uint64_t offset,
				       uint64_t end, size_t most, struct smb_fault *fault)
{
	uint8_t *room;
	bool ok = true;

	while (ok && offset < end && (room = pipeline_room(pipeline)) != NULL) {
		size_t n = transfer_receive_chunk(file, offset, end, room, most, fault);
		ok = n > 0;
		if (ok)
			pipeline_give(pipeline, n);
		offset += n;
	}
	return transfer_end_pipeline(pipeline, ok, fault);
}

bool transfer_receive(struct session_file *file, int fd, uint64_t offset, uint64_t end, uint32_t io_size,
		      struct sha256_ctx *hash, struct smb_fault *fault)
{
	size_t most = transfer_read_size(io_size);
	struct pipeline *pipeline;

	if (end - offset <= most && hash == NULL)
		return transfer_receive_small(file, fd, offset, end, fault);
	pipeline = pipeline_write(fd, offset, most, hash, fault);
	return pipeline != NULL && transfer_receive_pipelined(file, pipeline, offset, end, most, fault);
}

bool transfer_read(struct session_file *file, uint64_t offset, uint8_t *bytes, uint64_t size, uint32_t io_size,
		   uint64_t *got, struct smb_fault *fault)
{
	size_t most = transfer_read_size(io_size);

	*got = 0;
	while (*got < size) {
		size_t ask = size - *got < most ? (size_t)(size - *got) : most;
		long n =
		    transfer_may_move(ask, fault) ? session_read(file, offset + *got, bytes + *got, ask, fault) : -1;
		if (n < 0)
			return false;
		*got += (uint64_t)n;
		if ((size_t)n < ask)
			break;
	}
	return true;
}

/* ---- comparing ---- */

bool transfer_check_size(uint64_t found, uint64_t sent, struct smb_fault *fault)
{
	return found == sent ||
	       fault_set(fault, SMB_MISMATCH, "the file on the server has another size than what was sent");
}

static bool transfer_hash(struct session_file *file, uint64_t size, struct sha256_ctx *hash, struct smb_fault *fault)
{
	size_t most = transfer_read_size(0);
	struct pipeline *pipeline = pipeline_write(-1, 0, most, hash, fault);
	uint64_t offset = 0;
	uint8_t *room;
	bool ok = pipeline != NULL;

	while (ok && offset < size && (room = pipeline_room(pipeline)) != NULL) {
		size_t ask = size - offset < most ? (size_t)(size - offset) : most;
		long n = transfer_may_move(ask, fault) ? session_read(file, offset, room, ask, fault) : -1;
		ok = n > 0 ||
		     (n == 0 && fault_set(fault, SMB_MISMATCH, "the file on the server is shorter than what was sent"));
		if (ok)
			pipeline_give(pipeline, (size_t)n);
		offset += ok ? (uint64_t)n : 0;
	}
	return pipeline != NULL && transfer_end_pipeline(pipeline, ok, fault);
}

bool transfer_digest(struct session_file *file, uint64_t size, uint8_t digest[SMB_DIGEST_SIZE], struct smb_fault *fault)
{
	struct sha256_ctx hash;

	sha256_init(&hash);
	if (!transfer_hash(file, size, &hash, fault))
		return false;
	sha256_digest(&hash, SMB_DIGEST_SIZE, digest);
	return true;
}

bool transfer_verify(struct session_file *file, uint64_t size, const uint8_t digest[SMB_DIGEST_SIZE],
		     struct smb_fault *fault)
{
	uint8_t found[SMB_DIGEST_SIZE];

	if (!transfer_digest(file, size, found, fault))
		return false;
	return memcmp(found, digest, sizeof found) == 0 ||
	       fault_set(fault, SMB_MISMATCH, "what the server has is not what was sent (SHA-256)");
}

/* Whether both files have the same bytes before `end`: then what an earlier run left is the beginning of this file. */
static bool transfer_has_same_tail(struct session_file *file, int fd, uint64_t end)
{
	static uint8_t ours[TAIL], theirs[TAIL];
	size_t size = end < TAIL ? (size_t)end : TAIL;
	struct smb_fault ignored = {0};
	long n = session_read(file, end - size, theirs, size, &ignored);

	return n == (long)size && local_io_read(fd, ours, size, end - size, NULL, &ignored) &&
	       memcmp(ours, theirs, size) == 0;
}

uint64_t transfer_good_part(struct session_file *file, int fd, uint64_t left, uint64_t size)
{
	uint64_t back = smb_stripe_window(size);
	uint64_t good = left <= size && left > back ? left - back : 0;

	return good > 0 && transfer_has_same_tail(file, fd, good) ? good : 0;
}
