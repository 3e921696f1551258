#include "dispatch.h"

#include "download.h"
#include "fault.h"
#include "handles.h"
#include "lifeline.h"
#include "lock.h"
#include "local_io.h"
#include "mtime.h"
#include "prefetch.h"
#include "remote_folder.h"
#include "session.h"
#include "upload.h"

#include <stdlib.h>
#include <string.h>

/* ---- listings ---- */

/* A prefetched listing serves only the caller who says so; a further attempt looks itself. */
static struct session_list *dispatch_prefetched(const struct request *r)
{
	if ((r->head.flags & (SMB_FLAG_AHEAD | SMB_FLAG_AGAIN)) == SMB_FLAG_AHEAD)
		return prefetch_take(r->names[SMB_NAME]);
	prefetch_forget();
	return NULL;
}

static bool do_list_open(const struct request *r, struct smb_reply *reply, size_t *used)
{
	struct handle *h = handles_new(HANDLE_LIST, &reply->handle, &reply->fault);
	if (h == NULL)
		return false;
	h->list = dispatch_prefetched(r);
	if (h->list == NULL)
		h->list = session_list(r->names[SMB_NAME], &reply->fault);
	if (h->list == NULL) {
		if (reply->fault.code == SMB_NOT_FOUND)
			fault_is(&reply->fault, SMB_FOLDER_MISSING, "the folder does not exist");
		handles_free(h, &(struct smb_fault){0});
		return false;
	}
	reply->elsewhere = session_list_place(h->list);
	handles_add_batch(h, reply, used);
	return true;
}

static bool do_list_next(const struct request *r, struct smb_reply *reply, size_t *used)
{
	struct handle *h = handles_find(r->head.handle, &reply->fault);
	if (h == NULL || h->list == NULL)
		return false;
	reply->handle = r->head.handle;
	handles_add_batch(h, reply, used);
	return true;
}

static bool do_close(const struct request *r, struct smb_fault *fault)
{
	struct handle *h = handles_find(r->head.handle, fault);
	if (h != NULL && h->kind == HANDLE_UPLOAD && (r->head.flags & SMB_FLAG_KEEP))
		upload_leave(&h->upload);
	return h != NULL && handles_free(h, fault);
}

/* As long as the handle is open the lock's file is removed if the module goes. */
static bool do_lock(const struct request *r, struct smb_reply *reply)
{
	const char *path = r->names[SMB_NAME], *content = r->names[SMB_TO];
	struct handle *h = handles_new(HANDLE_LOCK, &reply->handle, &reply->fault);

	if (h == NULL)
		return false;
	if (handles_keep_lock(h, path, content, &reply->fault)) {
		h->owed = lifeline_owe();
		if (h->owed && lock_make(path, content, r->head.flags & SMB_FLAG_AGAIN, &reply->fault))
			return true;
		if (h->owed)
			lifeline_settle();
		else
			fault_set(&reply->fault, SMB_CANCELLED, "cancelled");
		h->owed = false;
	}
	handles_free(h, &(struct smb_fault){0});
	return false;
}

/* ---- files ---- */

static struct replacement dispatch_target(const struct request *r)
{
	return (struct replacement){
	    .path = r->names[SMB_TO],
	    .temporary = r->names[SMB_TEMP],
	    .aside = r->names[SMB_ASIDE],
	    .flags = r->head.flags,
	    .mtime = r->head.mtime,
	    .io_size = r->head.io_size,
	};
}

static bool do_delete(const struct request *r, struct smb_fault *fault)
{
	struct smb_entry entry;
	if (!session_stat(r->names[SMB_NAME], &entry, fault)) {
		bool missing = fault->code == SMB_NOT_FOUND || fault->code == SMB_FOLDER_MISSING;
		return missing && (r->head.flags & (SMB_FLAG_MISSING_OK | SMB_FLAG_AGAIN));
	}
	if (entry.type == SMB_ENTRY_DIRECTORY)
		return fault_set(fault, SMB_IS_DIRECTORY, "it is a folder");
	if (lifeline_cancelled()) /* a file of that name may be another one by now */
		return fault_set(fault, SMB_CANCELLED, "cancelled");
	return session_unlink(r->names[SMB_NAME], fault);
}

/* With EXCLUSIVE a folder that is there already is a failure, unless an earlier attempt may have made it. */
static bool do_mkdir(const struct request *r, struct smb_fault *fault)
{
	const char *name = r->names[SMB_NAME];
	struct smb_entry entry;

	if ((r->head.flags & (SMB_FLAG_EXCLUSIVE | SMB_FLAG_AGAIN)) != SMB_FLAG_EXCLUSIVE)
		return remote_folder_make(name, fault);
	if (session_mkdir(name, fault))
		return true;
	if (fault->code == SMB_ACCESS_DENIED && session_stat(name, &entry, &(struct smb_fault){0}))
		fault_set(fault, SMB_EXISTS, "it exists already");
	return false;
}

struct dispatch_paths {
	struct smb_reply *reply;
	size_t *used;
};

static void dispatch_add_path(void *context, const char *path)
{
	struct dispatch_paths *to = context;
	handles_add_entry(to->reply, to->used, &(struct smb_entry){0}, path);
}

/* Entries of the reply tell what in the folder stood in the way, or was spared: their names are paths. */
static bool do_rmdir(const struct request *r, struct smb_reply *reply, size_t *used)
{
	const char *name = r->names[SMB_NAME];
	struct smb_fault *fault = &reply->fault;
	struct dispatch_paths to = {.reply = reply, .used = used};
	struct removal how = {.recursive = r->head.flags & SMB_FLAG_RECURSIVE, .context = &to,
			      .spare = r->head.flags & SMB_FLAG_SPARE_BINS ? dispatch_add_path : NULL};
	size_t before = *used;
	bool ok = remote_folder_remove(name, &how, fault);
	bool missing = !ok && (fault->code == SMB_NOT_FOUND || fault->code == SMB_FOLDER_MISSING);

	if (!ok) {
		*used = before;
		reply->count = 0;
	}
	if (!ok && how.stuck != NULL && strcmp(how.stuck, name) != 0)
		dispatch_add_path(&to, how.stuck);
	free(how.stuck);
	reply->bytes = ok ? how.spared : 0;
	return ok || (missing && (r->head.flags & SMB_FLAG_AGAIN));
}

/* Finds out which of the two names a failure is about, where something is missing. */
static bool dispatch_blame(const struct request *r, bool ok, struct smb_fault *fault)
{
	struct smb_fault source = {0};
	struct smb_entry entry;

	if (ok || (fault->code != SMB_NOT_FOUND && fault->code != SMB_FOLDER_MISSING))
		return ok;
	if (session_stat(r->names[SMB_NAME], &entry, &source) && fault_vetoed(fault))
		return false;
	if (source.code == SMB_OK)
		fault_is(fault, SMB_FOLDER_MISSING, "the target's folder does not exist");
	else if (source.code == SMB_FOLDER_MISSING)
		fault_is(fault, SMB_FOLDER_MISSING, "the source's folder does not exist");
	else if (source.code == SMB_NOT_FOUND)
		fault_is(fault, SMB_NOT_FOUND, "the source does not exist");
	return false;
}

static bool do_put(const struct request *r, struct smb_reply *reply)
{
	struct replacement target = dispatch_target(r);
	struct upload_source from = {.fd = r->fd, .size = r->head.size, .stamp = r->head.stamp};
	struct transfer_result result = {0};
	bool ok = upload_put(&from, r->head.offset, &target, &result, &reply->fault);

	reply->bytes = r->head.size;
	reply->resumed = result.resumed;
	memcpy(reply->digest, result.digest, sizeof reply->digest);
	return ok;
}

/* Bytes from which on a file is only opened; 0 for never. */
static uint64_t dispatch_offer_from(uint32_t flags)
{
	if (!(flags & SMB_FLAG_OFFER))
		return 0;
	return flags & SMB_FLAG_NEAR ? SMB_STRIPE_FROM : SMB_STRIPE_WIDE;
}

/* Leaves a file open that is worth several connections. */
static bool dispatch_offer(struct session_file *file, struct smb_reply *reply)
{
	struct handle *h = handles_new(HANDLE_FILE, &reply->handle, &reply->fault);
	if (h != NULL)
		h->upload.file = file;
	else
		session_close(file, &(struct smb_fault){0});
	return h != NULL;
}

static bool do_get(const struct request *r, struct smb_reply *reply)
{
	struct download_source source = {
	    .path = r->names[SMB_NAME],
	    .good = r->head.offset,
	    .flags = r->head.flags,
	    .io_size = r->head.io_size,
	    .offer = dispatch_offer_from(r->head.flags),
	};
	struct transfer_result result = {0};
	bool ok;

	reply->entry.size = r->head.size;
	reply->entry.mtime = r->head.mtime;
	ok = download_get(&source, r->fd, &reply->entry, &result, &reply->fault);
	reply->bytes = reply->entry.size;
	reply->resumed = result.resumed;
	memcpy(reply->digest, result.digest, sizeof reply->digest);
	return ok && (source.file == NULL || dispatch_offer(source.file, reply));
}

/*
 * Fetches small files, each into a descriptor of its own, up to the first that fails: the module asks for that one
 * again, alone.
 */
/* Fetches files as far as they can be, and returns how many these are. They are not on disk yet. */
static size_t dispatch_fetch_some(const struct request *r, struct smb_entry entries[], struct smb_fault *fault)
{
	const char *path = r->names[SMB_NAME], *end = path + r->head.lengths[SMB_NAME];
	uint64_t bytes = 0;
	size_t count = 0;

	while (count < SMB_FILES_AT_ONCE && r->fds[count] >= 0 && path < end) {
		struct download_source source = {.path = path, .io_size = r->head.io_size, .others_sync = true};
		struct transfer_result result = {0};
		if (!download_get(&source, r->fds[count], &entries[count], &result, fault))
			break;
		path += strlen(path) + 1;
		bytes += entries[count++].size;
		transfer_count_from(bytes);
	}
	transfer_count_from(0);
	return count;
}

/* All are synced at the end: what the first one has the disk do helps the others. Those that are on disk count. */
static bool do_get_some(const struct request *r, struct smb_reply *reply, size_t *used)
{
	struct smb_entry entries[SMB_FILES_AT_ONCE] = {0};
	size_t count = dispatch_fetch_some(r, entries, &reply->fault);

	for (size_t i = 0; i < count; i++)
		if (!local_io_sync(r->fds[i], &reply->fault) || !handles_add_entry(reply, used, &entries[i], ""))
			break;
	return true;
}

/* ---- open files ---- */

static bool do_open(const struct request *r, struct smb_reply *reply)
{
	struct handle *h = handles_new(HANDLE_FILE, &reply->handle, &reply->fault);
	struct session_opened opened = {0};

	if (h == NULL)
		return false;
	if (r->fd < 0 || handles_map_buffer(h, r->fd, &reply->fault))
		h->upload.file = session_open(r->names[SMB_NAME], r->head.flags, &opened, &reply->fault);
	if (h->upload.file == NULL) {
		handles_free(h, &(struct smb_fault){0});
		return false;
	}
	h->owed = (r->head.flags & SMB_FLAG_WRITABLE) != 0 && lifeline_owe();
	if (((r->head.flags & SMB_FLAG_WRITABLE) && r->fd < 0) ||
	    download_describe(h->upload.file, &opened, &reply->entry, &reply->fault))
		return true;
	handles_free(h, &(struct smb_fault){0});
	return false;
}

static bool do_upload(const struct request *r, struct smb_reply *reply)
{
	struct handle *h = handles_new(HANDLE_UPLOAD, &reply->handle, &reply->fault);
	struct replacement target = dispatch_target(r);
	bool begun;

	if (h == NULL)
		return false;
	begun = handles_keep_target(h, &target, &reply->fault) &&
		(r->fd < 0 || (r->head.flags & SMB_FLAG_RESUME) || handles_map_buffer(h, r->fd, &reply->fault)) &&
		upload_begin(&h->upload, r->head.size, r->head.offset, &reply->fault);
	reply->bytes = h->upload.kept;
	if (begun && h->upload.file != NULL && (r->head.flags & SMB_FLAG_RESUME))
		reply->resumed = upload_good_part(&h->upload, r->fd, r->head.size);
	if (begun && h->upload.file != NULL)
		return true;
	reply->handle = 0;
	handles_free(h, &(struct smb_fault){0});
	return begun;
}

static bool do_write(const struct request *r, struct smb_reply *reply)
{
	struct handle *h = handles_find_file(r->head.handle, &reply->fault);
	uint8_t *bytes = h != NULL ? handles_buffer(h, r->head.from, r->head.size, &reply->fault) : NULL;
	if (bytes == NULL)
		return false;
	reply->bytes = r->head.size;
	if (h->kind == HANDLE_UPLOAD && lifeline_cancelled())
		return fault_set(&reply->fault, SMB_CANCELLED, "cancelled");
	return transfer_write(h->upload.file, r->head.offset, bytes, r->head.size, r->head.io_size, &reply->fault);
}

static bool do_read(const struct request *r, struct smb_reply *reply)
{
	struct handle *h = handles_find_file(r->head.handle, &reply->fault);
	uint8_t *bytes = h != NULL ? handles_buffer(h, r->head.from, r->head.size, &reply->fault) : NULL;
	return bytes != NULL && transfer_read(h->upload.file, r->head.offset, bytes, r->head.size, r->head.io_size,
					      &reply->bytes, &reply->fault);
}

static bool do_send(const struct request *r, struct smb_reply *reply)
{
	struct handle *h = handles_find_file(r->head.handle, &reply->fault);
	reply->bytes = r->head.size;
	return h != NULL && transfer_send(h->upload.file, r->fd, r->head.offset, r->head.offset + r->head.size,
					  r->head.io_size, NULL, &reply->fault);
}

static bool do_receive(const struct request *r, struct smb_reply *reply)
{
	struct handle *h = handles_find_file(r->head.handle, &reply->fault);
	reply->bytes = r->head.size;
	return h != NULL && transfer_receive(h->upload.file, r->fd, r->head.offset, r->head.offset + r->head.size,
					     r->head.io_size, NULL, &reply->fault);
}

static bool do_hash(const struct request *r, struct smb_reply *reply)
{
	struct handle *h;
	if (r->fd >= 0)
		return local_io_digest(r->fd, r->head.size, reply->digest, &reply->fault);
	h = handles_find_file(r->head.handle, &reply->fault);
	return h != NULL && transfer_digest(h->upload.file, r->head.size, reply->digest, &reply->fault);
}

static bool do_size(const struct request *r, struct smb_reply *reply)
{
	struct handle *h = handles_find_file(r->head.handle, &reply->fault);
	return h != NULL && session_look(h->upload.file, &reply->entry, &reply->fault);
}

static bool do_truncate(const struct request *r, struct smb_fault *fault)
{
	struct handle *h = handles_find_file(r->head.handle, fault);
	return h != NULL && session_truncate(h->upload.file, r->head.size, fault);
}

static bool do_release(const struct request *r, struct smb_fault *fault)
{
	struct handle *h = handles_find_file(r->head.handle, fault);
	return h != NULL && handles_is_upload(h) && upload_release(&h->upload, fault);
}

static bool do_commit(const struct request *r, struct smb_fault *fault)
{
	struct handle *h = handles_find(r->head.handle, fault);
	bool ok;
	if (h == NULL || !handles_is_upload(h))
		return false;
	h->upload.target.mtime = r->head.mtime;
	h->upload.target.flags |= r->head.flags & SMB_FLAG_VERIFY;
	ok = upload_commit(&h->upload, r->head.size, r->head.digest, fault);
	handles_free(h, &(struct smb_fault){0});
	return ok;
}

/* ---- all ---- */

static bool dispatch_verb(const struct request *r, struct smb_reply *reply, size_t *used)
{
	struct smb_fault *fault = &reply->fault;
	const char *name = r->names[SMB_NAME];
	struct replacement target = dispatch_target(r);

	switch ((enum smb_verb)r->head.verb) {
	case SMB_VERB_STAT: return session_stat(name, &reply->entry, fault);
	case SMB_VERB_LIST_OPEN: return do_list_open(r, reply, used);
	case SMB_VERB_LIST_NEXT: return do_list_next(r, reply, used);
	case SMB_VERB_LIST_CLOSE: return do_close(r, fault);
	case SMB_VERB_MKDIR: return do_mkdir(r, fault);
	case SMB_VERB_DELETE: return do_delete(r, fault);
	case SMB_VERB_RMDIR: return do_rmdir(r, reply, used);
	case SMB_VERB_RENAME: return dispatch_blame(r, replace_rename(name, &target, fault), fault);
	case SMB_VERB_COPY: return dispatch_blame(r, upload_copy(name, &target, &reply->bytes, fault), fault);
	case SMB_VERB_UTIME: return mtime_change(name, r->head.mtime, fault);
	case SMB_VERB_QUOTA: return session_quota(name, &reply->total, &reply->available, fault);
	case SMB_VERB_PUT: return do_put(r, reply);
	case SMB_VERB_GET: return do_get(r, reply);
	case SMB_VERB_GET_SOME: return do_get_some(r, reply, used);
	case SMB_VERB_OPEN: return do_open(r, reply);
	case SMB_VERB_UPLOAD: return do_upload(r, reply);
	case SMB_VERB_READ: return do_read(r, reply);
	case SMB_VERB_WRITE: return do_write(r, reply);
	case SMB_VERB_SIZE: return do_size(r, reply);
	case SMB_VERB_TRUNCATE: return do_truncate(r, fault);
	case SMB_VERB_RELEASE: return do_release(r, fault);
	case SMB_VERB_COMMIT: return do_commit(r, fault);
	case SMB_VERB_CLOSE: return do_close(r, fault);
	case SMB_VERB_SEND: return do_send(r, reply);
	case SMB_VERB_RECEIVE: return do_receive(r, reply);
	case SMB_VERB_HASH: return do_hash(r, reply);
	case SMB_VERB_SYNC: return local_io_sync(r->fd, fault);
	case SMB_VERB_LOCK: return do_lock(r, reply);
	case SMB_VERB_SETTLE: return replace_settle(&target, fault);
	default: return fault_set(fault, SMB_FAILED, "the worker does not know this request");
	}
}

bool dispatch(const struct request *r, struct smb_reply *reply, size_t *used)
{
	if (r->head.verb != SMB_VERB_LIST_OPEN)
		/* first: the library keeps a connection that has gone as long as a listing is open on it */
		prefetch_forget();
	return dispatch_verb(r, reply, used);
}

