#include "dispatch.h"

#include "download.h"
#include "fault.h"
#include "remote_folder.h"
#include "session.h"
#include "lifeline.h"
#include "local_io.h"
#include "mtime.h"
#include "upload.h"
#include "shared/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HANDLES = 1024 }; /* listings and files open at a time: a walk has a listing for each level */

enum handle_kind { HANDLE_FREE, HANDLE_LIST, HANDLE_FILE, HANDLE_UPLOAD };

struct handle {
	enum handle_kind kind;
	struct session_list *list;
	struct smb_entry ahead; /* an entry that did not fit into the last batch */
	const char *ahead_name; /* the listing's */
	struct upload upload; /* of a file only its `file` is used */
	char *paths[3];       /* of the upload */
	bool owed;            /* its last writes and its close */
	uint8_t *buffer; /* shared with the module */
	size_t buffer_size;
};

static struct handle handles[HANDLES];
static uint32_t numbers[HANDLES]; /* each time another: what was closed must not be taken for what is open in its place */
static unsigned in_use; /* of these */

/* A folder that was listed before it was asked for. It is good for the next request only: nothing may have changed meanwhile. */
static struct {
	char *path;
	struct session_list *list;
} ahead;

/* ---- listings and uploads that stay open between requests ---- */

static uint32_t next_number(uint32_t i)
{
	bool is_first = numbers[i] == 0 || numbers[i] > UINT32_MAX - HANDLES;
	numbers[i] = is_first ? i + 1 : numbers[i] + HANDLES;
	return numbers[i];
}

static struct handle *new_handle(enum handle_kind kind, uint32_t *number, struct smb_fault *fault)
{
	for (uint32_t i = 0; i < HANDLES; i++) {
		if (handles[i].kind == HANDLE_FREE) {
			memset(&handles[i], 0, sizeof handles[i]);
			handles[i].kind = kind;
			in_use++;
			*number = next_number(i);
			return &handles[i];
		}
	}
	fault_set(fault, SMB_FAILED, "too many listings and files are open at once");
	return NULL;
}

static struct handle *handle_of(const struct request *r, struct smb_fault *fault)
{
	uint32_t number = r->head.handle, i = (number - 1) % HANDLES;
	if (number != 0 && numbers[i] == number && handles[i].kind != HANDLE_FREE)
		return &handles[i];
	fault_set(fault, SMB_FAILED, "it was closed while the call was under way");
	return NULL;
}

static struct handle *file_of(const struct request *r, struct smb_fault *fault)
{
	struct handle *h = handle_of(r, fault);
	if (h == NULL || h->upload.file != NULL)
		return h;
	fault_set(fault, SMB_FAILED, "this handle is no open file");
	return NULL;
}

static bool is_upload(const struct handle *h)
{
	return h->kind == HANDLE_UPLOAD && (h->upload.file != NULL || h->upload.released);
}

/* What was open is closed; an upload is abandoned. */
static bool free_handle(struct handle *h, struct smb_fault *fault)
{
	bool ok = true;
	if (h->list != NULL)
		session_list_close(h->list);
	if (is_upload(h))
		ok = upload_abandon(&h->upload, fault);
	else if (h->upload.file != NULL)
		ok = session_close(h->upload.file, fault);
	if (h->owed)
		lifeline_settle();
	if (h->buffer != NULL)
		munmap(h->buffer, h->buffer_size);
	for (size_t i = 0; i < sizeof h->paths / sizeof h->paths[0]; i++)
		free(h->paths[i]);
	memset(h, 0, sizeof *h);
	in_use--;
	return ok;
}

/* ---- listings ---- */

static size_t padded(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

/* Appends an entry to the reply and counts it; false when the message is full. */
static bool add_entry(struct smb_reply *reply, size_t *used, struct smb_entry *entry, const char *name)
{
	size_t length = strlen(name);
	size_t size = sizeof *entry + padded(length + 1);
	char *to = (char *)reply + *used;
	if (length > UINT16_MAX || size > SMB_MESSAGE_MAX - *used)
		return false;
	entry->name_length = (uint16_t)length;
	memset(to, 0, size);
	memcpy(to, entry, sizeof *entry);
	memcpy(to + sizeof *entry, name, length);
	*used += size;
	reply->count++;
	return true;
}

/* Fills the message; true when the listing has ended. */
static bool fill_batch(struct handle *h, struct smb_reply *reply, size_t *used)
{
	struct smb_entry entry;
	const char *name;

	if (h->ahead_name != NULL)
		add_entry(reply, used, &h->ahead, h->ahead_name);
	h->ahead_name = NULL;
	while (session_list_next(h->list, &entry, &name)) {
		if (!add_entry(reply, used, &entry, name)) {
			h->ahead = entry;
			h->ahead_name = name;
			return false;
		}
	}
	return true;
}

static void next_batch(struct handle *h, struct smb_reply *reply, size_t *used)
{
	if (fill_batch(h, reply, used)) {
		reply->handle = 0;
		free_handle(h, &reply->fault);
	}
}

void dispatch_forget(void)
{
	if (ahead.list != NULL)
		session_list_close(ahead.list);
	free(ahead.path);
	memset(&ahead, 0, sizeof ahead);
}

/* A further attempt is to look itself. */
static struct session_list *take_ahead(const struct request *r)
{
	struct session_list *list = NULL;
	uint32_t how = r->head.flags & (SMB_FLAG_AHEAD | SMB_FLAG_AGAIN);
	if (ahead.list != NULL && how == SMB_FLAG_AHEAD && strcmp(ahead.path, r->names[SMB_NAME]) == 0) {
		list = ahead.list;
		ahead.list = NULL;
	}
	dispatch_forget();
	return list;
}

/* Whoever has something open here must not be kept waiting. */
bool dispatch_may_go_ahead(const struct request *r, const struct smb_reply *reply)
{
	return r->head.verb == SMB_VERB_LIST_OPEN && r->head.lengths[SMB_TO] > 0 && reply->fault.code == SMB_OK && in_use == 0 &&
	       !lifeline_cancelled();
}

/* What fails is asked for again, and fails then. */
bool dispatch_ahead(const struct request *r)
{
	ahead.path = strdup(r->names[SMB_TO]);
	if (ahead.path != NULL)
		ahead.list = session_list(ahead.path, &(struct smb_fault){0});
	return ahead.list != NULL;
}

static bool do_list_open(const struct request *r, struct smb_reply *reply, size_t *used)
{
	struct handle *h = new_handle(HANDLE_LIST, &reply->handle, &reply->fault);
	if (h == NULL)
		return false;
	h->list = take_ahead(r);
	if (h->list == NULL)
		h->list = session_list(r->names[SMB_NAME], &reply->fault);
	if (h->list == NULL) {
		if (reply->fault.code == SMB_NOT_FOUND)
			fault_is(&reply->fault, SMB_FOLDER_MISSING, "the folder does not exist");
		free_handle(h, &(struct smb_fault){0});
		return false;
	}
	reply->elsewhere = session_list_place(h->list);
	next_batch(h, reply, used);
	return true;
}

static bool do_list_next(const struct request *r, struct smb_reply *reply, size_t *used)
{
	struct handle *h = handle_of(r, &reply->fault);
	if (h == NULL || h->list == NULL)
		return false;
	reply->handle = r->head.handle;
	next_batch(h, reply, used);
	return true;
}

static bool do_close(const struct request *r, struct smb_fault *fault)
{
	struct handle *h = handle_of(r, fault);
	if (h != NULL && h->kind == HANDLE_UPLOAD && (r->head.flags & SMB_FLAG_KEEP))
		upload_leave(&h->upload);
	return h != NULL && free_handle(h, fault);
}

/* ---- files ---- */

static struct replacement target_of(const struct request *r)
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
	if (lifeline_cancelled()) /* by now somebody may have made another file of that name */
		return fault_set(fault, SMB_CANCELLED, "cancelled");
	return session_unlink(r->names[SMB_NAME], fault);
}

/* Exclusive: what has the name is not to be taken for it, unless an attempt of ours may have made it. */
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

struct listed {
	struct smb_reply *reply;
	size_t *used;
};

static void list_path(void *context, const char *path)
{
	struct listed *to = context;
	add_entry(to->reply, to->used, &(struct smb_entry){0}, path);
}

/* What of a folder's contents stood in the way, or was spared, is told by entries of the reply, their paths as their names. */
static bool do_rmdir(const struct request *r, struct smb_reply *reply, size_t *used)
{
	const char *name = r->names[SMB_NAME];
	struct smb_fault *fault = &reply->fault;
	struct listed to = {.reply = reply, .used = used};
	struct removal how = {.recursive = r->head.flags & SMB_FLAG_RECURSIVE, .context = &to,
			      .spare = r->head.flags & SMB_FLAG_SPARE_BINS ? list_path : NULL};
	size_t before = *used;
	bool ok = remote_folder_remove(name, &how, fault);
	bool missing = !ok && (fault->code == SMB_NOT_FOUND || fault->code == SMB_FOLDER_MISSING);

	if (!ok) {
		*used = before;
		reply->count = 0;
	}
	if (!ok && how.stuck != NULL && strcmp(how.stuck, name) != 0)
		list_path(&to, how.stuck);
	free(how.stuck);
	reply->bytes = ok ? how.spared : 0;
	return ok || (missing && (r->head.flags & SMB_FLAG_AGAIN));
}

/* Of a failure for want of something: which of the two names lacks it. */
static bool blame(const struct request *r, bool ok, struct smb_fault *fault)
{
	struct smb_fault source = {0};
	struct smb_entry entry;

	if (ok || (fault->code != SMB_NOT_FOUND && fault->code != SMB_FOLDER_MISSING))
		return ok;
	if (session_stat(r->names[SMB_NAME], &entry, &source))
		fault_is(fault, SMB_FOLDER_MISSING, "the target's folder does not exist");
	else if (source.code == SMB_FOLDER_MISSING)
		fault_is(fault, SMB_FOLDER_MISSING, "the source's folder does not exist");
	else if (source.code == SMB_NOT_FOUND)
		fault_is(fault, SMB_NOT_FOUND, "the source does not exist");
	return false;
}

static bool do_put(const struct request *r, struct smb_reply *reply)
{
	struct replacement target = target_of(r);
	struct upload_source from = {.fd = r->fd, .size = r->head.size, .stamp = r->head.stamp};
	struct transfer_result result = {0};
	bool ok = upload_put(&from, r->head.offset, &target, &result, &reply->fault);

	reply->bytes = r->head.size;
	reply->resumed = result.resumed;
	memcpy(reply->digest, result.digest, sizeof reply->digest);
	return ok;
}

/* A file that is only opened, since it is worth several connections. */
static bool offer(struct session_file *file, struct smb_reply *reply)
{
	struct handle *h = new_handle(HANDLE_FILE, &reply->handle, &reply->fault);
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
	    .offer = r->head.flags & SMB_FLAG_OFFER ? SMB_STRIPE_FROM : 0,
	};
	struct transfer_result result = {0};
	bool ok;

	reply->entry.size = r->head.size;
	reply->entry.mtime = r->head.mtime;
	ok = download_get(&source, r->fd, &reply->entry, &result, &reply->fault);
	reply->bytes = reply->entry.size;
	reply->resumed = result.resumed;
	memcpy(reply->digest, result.digest, sizeof reply->digest);
	return ok && (source.file == NULL || offer(source.file, reply));
}

/* Small files, a descriptor for each. One that fails ends it: it is asked for again alone. */
static bool do_get_some(const struct request *r, struct smb_reply *reply, size_t *used)
{
	const char *path = r->names[SMB_NAME], *end = path + r->head.lengths[SMB_NAME];
	uint64_t bytes = 0;

	for (size_t i = 0; i < SMB_FILES_AT_ONCE && r->fds[i] >= 0 && path < end; i++) {
		struct download_source source = {.path = path, .io_size = r->head.io_size};
		struct transfer_result result = {0};
		struct smb_entry entry = {0};
		if (!download_get(&source, r->fds[i], &entry, &result, &reply->fault) || !add_entry(reply, used, &entry, ""))
			break;
		path += strlen(path) + 1;
		bytes += entry.size;
		transfer_count_from(bytes);
	}
	transfer_count_from(0);
	return true;
}

/* ---- open files ---- */

static bool map_buffer(struct handle *h, int fd, struct smb_fault *fault)
{
	h->buffer = memory_map(fd, 1, &h->buffer_size);
	return h->buffer != NULL || fault_set(fault, SMB_FAILED, "the worker cannot map the file's buffer");
}

static bool do_open(const struct request *r, struct smb_reply *reply)
{
	struct handle *h = new_handle(HANDLE_FILE, &reply->handle, &reply->fault);
	struct session_opened opened;

	if (h == NULL)
		return false;
	if (r->fd < 0 || map_buffer(h, r->fd, &reply->fault))
		h->upload.file = session_open(r->names[SMB_NAME], r->head.flags, &opened, &reply->fault);
	if (h->upload.file == NULL) {
		free_handle(h, &(struct smb_fault){0});
		return false;
	}
	h->owed = (r->head.flags & SMB_FLAG_WRITABLE) != 0 && lifeline_owe();
	if (((r->head.flags & SMB_FLAG_WRITABLE) && r->fd < 0) ||
	    download_describe(h->upload.file, &opened, &reply->entry, &reply->fault))
		return true;
	free_handle(h, &(struct smb_fault){0});
	return false;
}

static bool keep_target(struct handle *h, const struct request *r, struct smb_fault *fault)
{
	h->upload.target = target_of(r);
	h->upload.target.path = h->paths[0] = strdup(r->names[SMB_TO]);
	h->upload.target.temporary = h->paths[1] = strdup(r->names[SMB_TEMP]);
	h->upload.target.aside = h->paths[2] = strdup(r->names[SMB_ASIDE]);
	return (h->paths[0] != NULL && h->paths[1] != NULL && h->paths[2] != NULL) ||
	       fault_set(fault, SMB_FAILED, "the worker is out of memory");
}

static bool do_upload(const struct request *r, struct smb_reply *reply)
{
	struct handle *h = new_handle(HANDLE_UPLOAD, &reply->handle, &reply->fault);
	bool begun;
	if (h == NULL)
		return false;
	begun = keep_target(h, r, &reply->fault) &&
		(r->fd < 0 || (r->head.flags & SMB_FLAG_RESUME) || map_buffer(h, r->fd, &reply->fault)) &&
		upload_begin(&h->upload, r->head.size, r->head.offset, &reply->fault);
	reply->bytes = h->upload.kept;
	if (begun && h->upload.file != NULL && (r->head.flags & SMB_FLAG_RESUME))
		reply->resumed = upload_good_part(&h->upload, r->fd, r->head.size);
	if (begun && h->upload.file != NULL)
		return true;
	reply->handle = 0;
	free_handle(h, &(struct smb_fault){0});
	return begun;
}

/* The part of the buffer that the request names, NULL if it lies outside. */
static uint8_t *part_of(const struct handle *h, const struct request *r, struct smb_fault *fault)
{
	if (r->head.from <= h->buffer_size && r->head.size <= h->buffer_size - r->head.from)
		return h->buffer + r->head.from;
	fault_set(fault, SMB_FAILED, "a request reaches beyond its buffer");
	return NULL;
}

static bool do_write(const struct request *r, struct smb_reply *reply)
{
	struct handle *h = file_of(r, &reply->fault);
	uint8_t *bytes = h != NULL ? part_of(h, r, &reply->fault) : NULL;
	if (bytes == NULL)
		return false;
	reply->bytes = r->head.size;
	if (h->kind == HANDLE_UPLOAD && lifeline_cancelled())
		return fault_set(&reply->fault, SMB_CANCELLED, "cancelled");
	return transfer_write(h->upload.file, r->head.offset, bytes, r->head.size, r->head.io_size, &reply->fault);
}

static bool do_read(const struct request *r, struct smb_reply *reply)
{
	struct handle *h = file_of(r, &reply->fault);
	uint8_t *bytes = h != NULL ? part_of(h, r, &reply->fault) : NULL;
	return bytes != NULL && transfer_read(h->upload.file, r->head.offset, bytes, r->head.size, r->head.io_size,
					      &reply->bytes, &reply->fault);
}

static bool do_send(const struct request *r, struct smb_reply *reply)
{
	struct handle *h = file_of(r, &reply->fault);
	reply->bytes = r->head.size;
	return h != NULL && transfer_send(h->upload.file, r->fd, r->head.offset, r->head.offset + r->head.size, r->head.io_size, NULL, &reply->fault);
}

static bool do_receive(const struct request *r, struct smb_reply *reply)
{
	struct handle *h = file_of(r, &reply->fault);
	reply->bytes = r->head.size;
	return h != NULL && transfer_receive(h->upload.file, r->fd, r->head.offset, r->head.offset + r->head.size, r->head.io_size, NULL, &reply->fault);
}

static bool do_hash(const struct request *r, struct smb_reply *reply)
{
	struct handle *h;
	if (r->fd >= 0)
		return local_io_digest(r->fd, r->head.size, reply->digest, &reply->fault);
	h = file_of(r, &reply->fault);
	return h != NULL && transfer_digest(h->upload.file, r->head.size, reply->digest, &reply->fault);
}

static bool do_size(const struct request *r, struct smb_reply *reply)
{
	struct handle *h = file_of(r, &reply->fault);
	return h != NULL && session_size(h->upload.file, &reply->entry.size, &reply->entry.mtime, &reply->fault);
}

static bool do_truncate(const struct request *r, struct smb_fault *fault)
{
	struct handle *h = file_of(r, fault);
	return h != NULL && session_truncate(h->upload.file, r->head.size, fault);
}

static bool do_release(const struct request *r, struct smb_fault *fault)
{
	struct handle *h = file_of(r, fault);
	return h != NULL && is_upload(h) && upload_release(&h->upload, fault);
}

static bool do_commit(const struct request *r, struct smb_fault *fault)
{
	struct handle *h = handle_of(r, fault);
	bool ok;
	if (h == NULL || !is_upload(h))
		return false;
	h->upload.target.mtime = r->head.mtime;
	h->upload.target.flags |= r->head.flags & SMB_FLAG_VERIFY;
	ok = upload_commit(&h->upload, r->head.size, r->head.digest, fault);
	free_handle(h, &(struct smb_fault){0});
	return ok;
}

/* ---- all ---- */

static bool do_any(const struct request *r, struct smb_reply *reply, size_t *used)
{
	struct smb_fault *fault = &reply->fault;
	const char *name = r->names[SMB_NAME];
	struct replacement target = target_of(r);

	switch ((enum smb_verb)r->head.verb) {
	case SMB_VERB_STAT: return session_stat(name, &reply->entry, fault);
	case SMB_VERB_LIST_OPEN: return do_list_open(r, reply, used);
	case SMB_VERB_LIST_NEXT: return do_list_next(r, reply, used);
	case SMB_VERB_LIST_CLOSE: return do_close(r, fault);
	case SMB_VERB_MKDIR: return do_mkdir(r, fault);
	case SMB_VERB_DELETE: return do_delete(r, fault);
	case SMB_VERB_RMDIR: return do_rmdir(r, reply, used);
	case SMB_VERB_RENAME: return blame(r, replace_rename(name, &target, fault), fault);
	case SMB_VERB_COPY: return blame(r, upload_copy(name, &target, &reply->bytes, fault), fault);
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
	case SMB_VERB_SETTLE: return replace_settle(&target, fault);
	default: return fault_set(fault, SMB_FAILED, "the worker does not know this request");
	}
}

bool dispatch(const struct request *r, struct smb_reply *reply, size_t *used)
{
	if (r->head.verb != SMB_VERB_LIST_OPEN)
		dispatch_forget(); /* before: the library keeps a connection that has gone as long as a listing is open on it */
	return do_any(r, reply, used);
}

/* The module has gone: what its next run may go on with is left to it. */
static void end_handle(struct handle *h)
{
	if (is_upload(h) && (h->upload.target.flags & SMB_FLAG_RESUME))
		upload_leave(&h->upload);
	if (h->kind != HANDLE_FREE)
		free_handle(h, &(struct smb_fault){0});
}

unsigned dispatch_open_count(void)
{
	return in_use;
}

void dispatch_no_more(void)
{
	for (size_t i = 0; i < HANDLES; i++)
		end_handle(&handles[i]);
}
