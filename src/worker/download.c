#include "download.h"

#include "counters.h"
#include "fault.h"
#include "lifeline.h"
#include "local_io.h"

#include <string.h>

/* Where nothing is encrypted the answer to the opening has told it already. */
bool download_describe(struct session_file *file, const struct session_opened *opened, struct smb_entry *entry,
		       struct smb_fault *fault)
{
	struct smb_entry found = opened->entry;

	if (!opened->is_known && !session_look(file, &found, fault))
		return false;
	entry->size = found.size;
	entry->mtime = found.mtime;
	if (opened->is_known)
		entry->btime = found.btime;
	return true;
}

/* Fills in `entry`. If there are `good` bytes already, size and time must be what they were. */
static bool download_check_source(struct session_file *file, const struct session_opened *opened, uint64_t good,
				  struct smb_entry *entry, struct smb_fault *fault)
{
	struct smb_entry before = *entry;

	if (!download_describe(file, opened, entry, fault))
		return false;
	if (good > 0 && (entry->size != before.size || entry->mtime != before.mtime))
		return fault_set(fault, SMB_SOURCE_CHANGED, "the file changed while it was read");
	counters_set_source(entry->size, entry->mtime);
	return true;
}

/* Compares what was written with what arrived, and that with the file on the server, which is read once more. */
static bool download_verify(struct session_file *file, int fd, uint64_t size, const uint8_t digest[SMB_DIGEST_SIZE],
			    struct smb_fault *fault)
{
	uint8_t written[SMB_DIGEST_SIZE];

	if (!local_io_digest(fd, size, written, fault))
		return false;
	if (memcmp(written, digest, sizeof written) != 0)
		return fault_set(fault, SMB_MISMATCH, "the local file is not what arrived (SHA-256)");
	return transfer_verify(file, size, digest, fault) ||
	       (fault->code == SMB_MISMATCH &&
		fault_set(fault, SMB_MISMATCH, "what was fetched is not what the server has (SHA-256)"));
}

static bool download_receive(struct session_file *file, const struct download_source *from, int fd,
			     const struct smb_entry *entry, struct transfer_result *result, struct smb_fault *fault)
{
	bool wanted = from->flags & (SMB_FLAG_DIGEST | SMB_FLAG_VERIFY);
	struct sha256_ctx hash;

	transfer_set_done(result->resumed);
	sha256_init(&hash);
	if (!transfer_receive(file, fd, result->resumed, entry->size, from->io_size, wanted ? &hash : NULL, fault) ||
	    (!from->others_sync && !local_io_sync(fd, fault)))
		return false;
	sha256_digest(&hash, sizeof result->digest, result->digest);
	return !(from->flags & SMB_FLAG_VERIFY) || download_verify(file, fd, entry->size, result->digest, fault);
}

bool download_get(struct download_source *from, int fd, struct smb_entry *entry, struct transfer_result *result,
		  struct smb_fault *fault)
{
	bool compares = (from->flags & (SMB_FLAG_RESUME | SMB_FLAG_AGAIN)) == SMB_FLAG_RESUME;
	struct session_opened opened = {0};
	struct session_file *file;
	bool ok;

	if (lifeline_stops(fault))
		return false;
	file = session_open(from->path, 0, &opened, fault);
	if (file == NULL)
		return false;
	ok = download_check_source(file, &opened, from->good, entry, fault);
	if (ok)
		result->resumed = compares ? transfer_good_part(file, fd, from->good, entry->size) : from->good;
	if (ok && from->offer > 0 && entry->size >= from->offer) {
		from->file = file;
		return true;
	}
	ok = ok && download_receive(file, from, fd, entry, result, fault);
	session_close(file, &(struct smb_fault){0});
	return ok;
}
