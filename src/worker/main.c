/*
 * smb-worker: the program in which libsmbclient lives, one connection each. Started by the module, never by hand.
 * It greets, is told whom to connect to, and answers one request after another until the module hangs up.
 */
#include "../protocol.h"
#include "fault.h"
#include "folder.h"
#include "pace.h"
#include "session.h"
#include "transfer.h"
#include "watch.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

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

/* A request as it came, with its text checked. */
struct request {
	struct smb_request head;
	const char *names[SMB_NAME_COUNT];
	int fd; /* fds[0] */
	int fds[SMB_FILES_AT_ONCE];
};

static _Alignas(8) char inbox[SMB_MESSAGE_MAX];
static _Alignas(8) char outbox[SMB_MESSAGE_MAX];

/* ---- messages ---- */

/* Bytes of the next message, 0 when the module has hung up, -1 on failure; descriptors that came with it in `fds`. */
static ssize_t receive(void *message, size_t size, int fds[SMB_FILES_AT_ONCE])
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * SMB_FILES_AT_ONCE)];
	} control;
	struct iovec part = {message, size};
	struct msghdr header = {
	    .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
	struct cmsghdr *c;
	ssize_t n;

	for (size_t i = 0; i < SMB_FILES_AT_ONCE; i++)
		fds[i] = -1;
	do
		n = recvmsg(SMB_WORKER_SOCKET, &header, MSG_CMSG_CLOEXEC);
	while (n < 0 && (errno == EINTR || errno == ECONNRESET)); /* the module has gone, but what it sent is still here */
	if (n <= 0)
		return n;
	for (c = CMSG_FIRSTHDR(&header); c != NULL; c = CMSG_NXTHDR(&header, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	return header.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? -1 : n;
}

static bool send_message(const void *message, size_t size, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part = {(void *)(uintptr_t)message, size};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t n;

	if (fd >= 0) {
		struct cmsghdr *c = &control.align;
		header.msg_control = control.bytes;
		header.msg_controllen = sizeof control.bytes;
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}
	do
		n = sendmsg(SMB_WORKER_SOCKET, &header, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)size;
}

static struct smb_reply *new_reply(void)
{
	struct smb_reply *reply = (struct smb_reply *)(void *)outbox;
	memset(reply, 0, sizeof *reply);
	return reply;
}

/* ---- listings and uploads that stay open between requests ---- */

static struct handle *new_handle(enum handle_kind kind, uint32_t *number, struct smb_fault *fault)
{
	for (uint32_t i = 0; i < HANDLES; i++) {
		if (handles[i].kind == HANDLE_FREE) {
			memset(&handles[i], 0, sizeof handles[i]);
			handles[i].kind = kind;
			*number = i + 1;
			return &handles[i];
		}
	}
	fault_set(fault, SMB_FAILED, "too many listings and files are open at once");
	return NULL;
}

static struct handle *handle_of(const struct request *r, struct smb_fault *fault)
{
	uint32_t number = r->head.handle;
	if (number >= 1 && number <= HANDLES && handles[number - 1].kind != HANDLE_FREE)
		return &handles[number - 1];
	fault_set(fault, SMB_FAILED, "the worker does not know this handle");
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
		watch_settle();
	if (h->buffer != NULL)
		munmap(h->buffer, h->buffer_size);
	for (size_t i = 0; i < sizeof h->paths / sizeof h->paths[0]; i++)
		free(h->paths[i]);
	memset(h, 0, sizeof *h);
	return ok;
}

/* ---- listings ---- */

static size_t padded(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

/* Appends an entry; false when the message is full. */
static bool add_entry(size_t *used, struct smb_entry *entry, const char *name)
{
	size_t length = strlen(name);
	size_t size = sizeof *entry + padded(length + 1);
	if (length > UINT16_MAX || size > SMB_MESSAGE_MAX - *used)
		return false;
	entry->name_length = (uint16_t)length;
	memset(outbox + *used, 0, size);
	memcpy(outbox + *used, entry, sizeof *entry);
	memcpy(outbox + *used + sizeof *entry, name, length);
	*used += size;
	return true;
}

/* Fills the message; true when the listing has ended. */
static bool fill_batch(struct handle *h, struct smb_reply *reply, size_t *used)
{
	struct smb_entry entry;
	const char *name;

	if (h->ahead_name != NULL && add_entry(used, &h->ahead, h->ahead_name))
		reply->count++;
	h->ahead_name = NULL;
	while (session_list_next(h->list, &entry, &name)) {
		if (!add_entry(used, &entry, name)) {
			h->ahead = entry;
			h->ahead_name = name;
			return false;
		}
		reply->count++;
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

static bool do_list_open(const struct request *r, struct smb_reply *reply, size_t *used)
{
	struct handle *h = new_handle(HANDLE_LIST, &reply->handle, &reply->fault);
	if (h == NULL)
		return false;
	h->list = session_list(r->names[SMB_NAME], &reply->fault);
	if (h->list == NULL) {
		if (reply->fault.code == SMB_NOT_FOUND)
			fault_is(&reply->fault, SMB_FOLDER_MISSING, "the folder does not exist");
		free_handle(h, &(struct smb_fault){0});
		return false;
	}
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

static struct place target_of(const struct request *r)
{
	return (struct place){
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
	if (watch_cancelled()) /* by now somebody may have made another file of that name */
		return fault_set(fault, SMB_CANCELLED, "cancelled");
	return session_unlink(r->names[SMB_NAME], fault);
}

static bool do_rmdir(const struct request *r, struct smb_fault *fault)
{
	const char *name = r->names[SMB_NAME];
	bool ok = r->head.flags & SMB_FLAG_RECURSIVE ? folder_remove(name, fault) : session_rmdir(name, fault);
	bool missing = !ok && (fault->code == SMB_NOT_FOUND || fault->code == SMB_FOLDER_MISSING);
	return ok || (missing && (r->head.flags & SMB_FLAG_AGAIN));
}

static bool do_put(const struct request *r, struct smb_reply *reply)
{
	struct place target = target_of(r);
	struct transfer_result result = {0};
	bool ok = transfer_put(r->fd, r->head.size, r->head.offset, &target, &result, &reply->fault);

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
	struct transfer_source source = {
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
	ok = transfer_get(&source, r->fd, &reply->entry, &result, &reply->fault);
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
		struct transfer_source source = {.path = path, .io_size = r->head.io_size};
		struct transfer_result result = {0};
		struct smb_entry entry = {0};
		if (!transfer_get(&source, r->fds[i], &entry, &result, &reply->fault) || !add_entry(used, &entry, ""))
			break;
		reply->count++;
		path += strlen(path) + 1;
		bytes += entry.size;
		transfer_count_on(bytes);
	}
	transfer_count_on(0);
	return true;
}

/* ---- open files ---- */

/* Sealed, or the module could take the pages away under our feet. */
static bool map_buffer(struct handle *h, int fd, struct smb_fault *fault)
{
	struct stat st;
	void *map;
	int seals = fd >= 0 ? fcntl(fd, F_GET_SEALS) : -1;

	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &st) < 0 || st.st_size <= 0)
		return fault_set(fault, SMB_FAILED, "the worker was given no buffer");
	map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return fault_set(fault, SMB_FAILED, "the worker is out of memory");
	h->buffer = map;
	h->buffer_size = (size_t)st.st_size;
	return true;
}

static bool do_open(const struct request *r, struct smb_reply *reply)
{
	struct handle *h = new_handle(HANDLE_FILE, &reply->handle, &reply->fault);
	if (h == NULL)
		return false;
	if (r->fd < 0 || map_buffer(h, r->fd, &reply->fault))
		h->upload.file = session_open(r->names[SMB_NAME], r->head.flags, &reply->fault);
	if (h->upload.file == NULL) {
		free_handle(h, &(struct smb_fault){0});
		return false;
	}
	h->owed = (r->head.flags & SMB_FLAG_WRITABLE) != 0 && watch_owe();
	if (((r->head.flags & SMB_FLAG_WRITABLE) && r->fd < 0) ||
	    transfer_describe(h->upload.file, &reply->entry, &reply->fault))
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
	if (h->kind == HANDLE_UPLOAD && watch_cancelled())
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
	return h != NULL && transfer_send(h->upload.file, r->fd, r->head.offset, r->head.size, r->head.io_size, &reply->fault);
}

static bool do_receive(const struct request *r, struct smb_reply *reply)
{
	struct handle *h = file_of(r, &reply->fault);
	reply->bytes = r->head.size;
	return h != NULL && transfer_receive(h->upload.file, r->fd, r->head.offset, r->head.size, r->head.io_size, &reply->fault);
}

static bool do_hash(const struct request *r, struct smb_reply *reply)
{
	struct handle *h;
	if (r->fd >= 0)
		return transfer_hash(r->fd, r->head.size, reply->digest, &reply->fault);
	h = file_of(r, &reply->fault);
	return h != NULL && transfer_hash_remote(h->upload.file, r->head.size, reply->digest, &reply->fault);
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

/* ---- requests ---- */

static bool answer(const struct request *r, struct smb_reply *reply, size_t *used)
{
	struct smb_fault *fault = &reply->fault;
	const char *name = r->names[SMB_NAME];
	struct place target = target_of(r);

	switch ((enum smb_verb)r->head.verb) {
	case SMB_VERB_STAT: return session_stat(name, &reply->entry, fault);
	case SMB_VERB_LIST_OPEN: return do_list_open(r, reply, used);
	case SMB_VERB_LIST_NEXT: return do_list_next(r, reply, used);
	case SMB_VERB_LIST_CLOSE: return do_close(r, fault);
	case SMB_VERB_MKDIR: return folder_make(name, fault);
	case SMB_VERB_DELETE: return do_delete(r, fault);
	case SMB_VERB_RMDIR: return do_rmdir(r, fault);
	case SMB_VERB_RENAME: return place_rename(name, &target, fault);
	case SMB_VERB_COPY: return transfer_copy(name, &target, &reply->bytes, fault);
	case SMB_VERB_UTIME: return session_utime(name, r->head.mtime, r->head.mtime, fault);
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
	case SMB_VERB_SYNC: return transfer_sync(r->fd, fault);
	case SMB_VERB_SETTLE: return place_settle(&target, fault);
	default: return fault_set(fault, SMB_FAILED, "the worker does not know this request");
	}
}

/* Texts, or one, with a NUL each. */
static bool is_text(const char *bytes, size_t length, bool several)
{
	return bytes[length - 1] == '\0' && (several || memchr(bytes, '\0', length) == bytes + length - 1);
}

/* Absent paths read as "", the share's root, which no verb changes or removes. */
static bool unpack(struct request *r, size_t size)
{
	size_t at = sizeof r->head;

	if (size < at)
		return false;
	memcpy(&r->head, inbox, at);
	for (size_t i = 0; i < SMB_NAME_COUNT; i++) {
		size_t length = r->head.lengths[i];
		r->names[i] = "";
		if (length == 0)
			continue;
		if (length > SMB_PATH_LIMIT || length > size - at || !is_text(inbox + at, length, r->head.verb == SMB_VERB_GET_SOME))
			return false;
		r->names[i] = inbox + at;
		at += length;
	}
	return at == size;
}

/* False when the module has gone. */
static bool serve(void)
{
	struct request r = {.fd = -1};
	struct smb_reply *reply;
	size_t used = sizeof *reply;
	ssize_t n = receive(inbox, sizeof inbox, r.fds);

	if (n <= 0)
		return false;
	r.fd = r.fds[0];
	reply = new_reply();
	if (unpack(&r, (size_t)n)) {
		if (answer(&r, reply, &used))
			memset(&reply->fault, 0, sizeof reply->fault);
		else if (reply->fault.code == SMB_OK)
			fault_set(&reply->fault, SMB_FAILED, "the worker cannot do that");
		if (reply->fault.code != SMB_OK) {
			used = sizeof *reply;
			reply->handle = 0;
		}
	} else {
		fault_set(&reply->fault, SMB_FAILED, "the worker could not read the request");
	}
	for (size_t i = 0; i < SMB_FILES_AT_ONCE; i++)
		if (r.fds[i] >= 0)
			close(r.fds[i]);
	session_info(&reply->info);
	reply->left = place_left();
	send_message(outbox, used, -1); /* where nobody listens any longer, the requests that are left count all the same */
	return true;
}

/* ---- the beginning ---- */

static bool terminated(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static bool sane(const struct smb_connect *t)
{
	return t->port >= 1 && t->port <= 65535 && terminated(t->min_protocol, sizeof t->min_protocol) &&
	       terminated(t->max_protocol, sizeof t->max_protocol) && terminated(t->server, sizeof t->server) &&
	       terminated(t->share, sizeof t->share) && terminated(t->username, sizeof t->username) &&
	       terminated(t->password, sizeof t->password) && terminated(t->domain, sizeof t->domain) &&
	       terminated(t->ccache, sizeof t->ccache);
}

static void *map_shared(int fd, size_t size)
{
	struct stat st;
	void *page;
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size < (off_t)size)
		return NULL;
	page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return page != MAP_FAILED ? page : NULL;
}

/* Of the sockets that were given one is this worker's. */
static bool keep_socket(int mine)
{
	if (mine != SMB_WORKER_SOCKET && dup2(mine, SMB_WORKER_SOCKET) < 0)
		return false;
	closefrom(SMB_WORKER_SOCKET + 1);
	return true;
}

/*
 * Loading the program takes ten times as long as a fork of it: one process becomes all workers that are wanted at once. Itself it
 * exits, so that the module can reap it and never has a zombie.
 */
static void detach(int workers)
{
	for (int i = 0; i < workers; i++) {
		pid_t pid = fork();
		if (pid == 0 && keep_socket(SMB_WORKER_SOCKET + i))
			return;
		if (pid <= 0)
			_exit(1);
	}
	_exit(0);
}

static bool greet(void)
{
	struct smb_hello hello = {SMB_PROTOCOL_MAGIC, SMB_PROTOCOL_VERSION, smb_layout()};
	int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	bool ok = send_message(&hello, sizeof hello, self);
	if (self >= 0)
		close(self);
	return ok;
}

/* A password must not end in a core file. */
static void keep_secrets(void)
{
	struct rlimit none = {0, 0};
	setrlimit(RLIMIT_CORE, &none);
}

/*
 * The library takes and frees a buffer for each answer, 8 MiB as a rule. By default malloc gives such memory back to the system
 * each time, and every page of the next one is a fault: measured on loopback, a get took 1.3 times as long.
 */
static void keep_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);
	mallopt(M_TRIM_THRESHOLD, 512 * 1024 * 1024);
}

static bool start(void)
{
	static struct smb_connect target;
	struct smb_shared *shared;
	struct smb_pace *pace;
	struct smb_reply *reply;
	int fds[SMB_FILES_AT_ONCE];
	ssize_t n = receive(&target, sizeof target, fds);

	if (n != sizeof target || !sane(&target))
		return false;
	shared = map_shared(fds[0], sizeof *shared);
	pace = map_shared(fds[1], sizeof *pace);
	if (shared == NULL || pace == NULL || !watch_start(SMB_WORKER_SOCKET, fds[2], shared, target.short_timeout))
		return false;
	close(fds[0]);
	close(fds[1]);
	pace_share(pace, shared);
	keep_secrets();
	keep_memory();
	transfer_count_in(shared);
	wire_watch((uint16_t)target.port, shared);
	reply = new_reply();
	if (session_start(&target, &reply->fault))
		memset(&reply->fault, 0, sizeof reply->fault);
	session_info(&reply->info);
	return send_message(outbox, sizeof *reply, -1) && reply->fault.code == SMB_OK;
}

/* The module has gone: what its next run may go on with is left to it. */
static void end_handle(struct handle *h)
{
	if (is_upload(h) && (h->upload.target.flags & SMB_FLAG_RESUME))
		upload_leave(&h->upload);
	if (h->kind != HANDLE_FREE)
		free_handle(h, &(struct smb_fault){0});
}

int main(int argc, char **argv)
{
	struct stat st;
	if (argc != 2 || fstat(SMB_WORKER_SOCKET, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		fputs("smb-worker is a part of the Lua module smb, which starts it by itself\n", stderr);
		return 2;
	}
	detach(atoi(argv[1]));
	if (chdir("/") < 0 || !greet() || !start())
		return 1;
	while (serve())
		;
	for (size_t i = 0; i < HANDLES; i++)
		end_handle(&handles[i]);
	_exit(0);
}
