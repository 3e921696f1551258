#include "local_io.h"

#include "counters.h"
#include "fault.h"
#include "lifeline.h"

#include <errno.h>
#include <unistd.h>

/* ---- for any thread ---- */

bool local_io_pread(int fd, uint8_t *to, size_t size, uint64_t offset, struct smb_fault *fault)
{
	while (size > 0) {
		ssize_t n = pread(fd, to, size, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_local(fault, "the local file cannot be read", errno);
		if (n == 0)
			return fault_set(fault, SMB_SOURCE_CHANGED, "the local file became shorter while it was read");
		to += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return true;
}

bool local_io_pwrite(int fd, const uint8_t *from, size_t size, uint64_t offset, struct smb_fault *fault)
{
	while (size > 0) {
		ssize_t n = pwrite(fd, from, size, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_local(fault, "the local file cannot be written", errno);
		from += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return true;
}

bool local_io_hash(int fd, uint64_t size, struct sha256_ctx *hash, const _Atomic bool *stop, struct smb_fault *fault)
{
	uint8_t bytes[65536];
	uint64_t offset = 0;

	while (offset < size) {
		size_t n = size - offset < sizeof bytes ? (size_t)(size - offset) : sizeof bytes;
		if (lifeline_cancelled() || (stop != NULL && atomic_load(stop)))
			return fault_set(fault, SMB_CANCELLED, "cancelled");
		if (!local_io_pread(fd, bytes, n, offset, fault))
			return false;
		sha256_update(hash, n, bytes);
		offset += n;
	}
	return true;
}

/* ---- for the library's thread ---- */

bool local_io_read(int fd, uint8_t *to, size_t size, uint64_t offset, struct sha256_ctx *hash, struct smb_fault *fault)
{
	uint32_t step = counters_begin_local();
	bool ok = local_io_pread(fd, to, size, offset, fault);

	if (ok && hash != NULL)
		sha256_update(hash, size, to);
	counters_end_local(step);
	return ok;
}

bool local_io_write(int fd, const uint8_t *from, size_t size, uint64_t offset, struct smb_fault *fault)
{
	uint32_t step = counters_begin_local();
	bool ok = local_io_pwrite(fd, from, size, offset, fault);

	counters_end_local(step);
	return ok;
}

bool local_io_stat(int fd, struct stat *st, struct smb_fault *fault)
{
	uint32_t step = counters_begin_local();
	bool ok = fstat(fd, st) == 0 || fault_local(fault, "the local file cannot be asked for its size", errno);

	counters_end_local(step);
	return ok;
}

bool local_io_ends_at(int fd, uint64_t offset)
{
	uint32_t step = counters_begin_local();
	char byte;
	bool ended = pread(fd, &byte, 1, (off_t)offset) == 0;

	counters_end_local(step);
	return ended;
}

bool local_io_sync(int fd, struct smb_fault *fault)
{
	uint32_t step = counters_begin_local();
	bool ok = fsync(fd) == 0 || errno == EINVAL || errno == EROFS ||
		  fault_local(fault, "the local file cannot be written to disk", errno);

	counters_end_local(step);
	return ok;
}

bool local_io_digest(int fd, uint64_t size, uint8_t digest[SMB_DIGEST_SIZE], struct smb_fault *fault)
{
	uint32_t step = counters_begin_local();
	struct sha256_ctx hash;
	bool ok;

	sha256_init(&hash);
	ok = local_io_hash(fd, size, &hash, NULL, fault);
	if (ok)
		sha256_digest(&hash, SMB_DIGEST_SIZE, digest);
	counters_end_local(step);
	return ok;
}
