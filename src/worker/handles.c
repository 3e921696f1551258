#include "handles.h"

#include "fault.h"
#include "lifeline.h"
#include "lock.h"
#include "shared/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HANDLES = 1024 }; /* a walk has a listing open for each level */

static struct handle handles[HANDLES];
/* the last number of each: a closed handle must not be taken for the next one in its place */
static uint32_t handles_numbers[HANDLES];
static unsigned handles_in_use;

/* ---- the table ---- */

static uint32_t handles_next_number(uint32_t i)
{
	uint32_t last = handles_numbers[i];
	handles_numbers[i] = last == 0 || last > UINT32_MAX - HANDLES ? i + 1 : last + HANDLES;
	return handles_numbers[i];
}

struct handle *handles_new(enum handle_kind kind, uint32_t *number, struct smb_fault *fault)
{
	for (uint32_t i = 0; i < HANDLES; i++) {
		if (handles[i].kind == HANDLE_FREE) {
			memset(&handles[i], 0, sizeof handles[i]);
			handles[i].kind = kind;
			handles_in_use++;
			*number = handles_next_number(i);
			return &handles[i];
		}
	}
	fault_set(fault, SMB_FAILED, "too many listings and files are open at once");
	return NULL;
}

struct handle *handles_find(uint32_t number, struct smb_fault *fault)
{
	uint32_t i = (number - 1) % HANDLES;
	if (number != 0 && handles_numbers[i] == number && handles[i].kind != HANDLE_FREE)
		return &handles[i];
	fault_set(fault, SMB_FAILED, "it was closed while the call was under way");
	return NULL;
}

struct handle *handles_find_file(uint32_t number, struct smb_fault *fault)
{
	struct handle *h = handles_find(number, fault);
	if (h == NULL || h->upload.file != NULL)
		return h;
	fault_set(fault, SMB_FAILED, "this handle is no open file");
	return NULL;
}

bool handles_is_upload(const struct handle *h)
{
	return h->kind == HANDLE_UPLOAD && (h->upload.file != NULL || h->upload.released);
}

bool handles_keep_target(struct handle *h, const struct replacement *target, struct smb_fault *fault)
{
	h->upload.target = *target;
	h->upload.target.path = h->paths[0] = strdup(target->path);
	h->upload.target.temporary = h->paths[1] = strdup(target->temporary);
	h->upload.target.aside = h->paths[2] = strdup(target->aside);
	return (h->paths[0] != NULL && h->paths[1] != NULL && h->paths[2] != NULL) ||
	       fault_set(fault, SMB_FAILED, "the worker is out of memory");
}

bool handles_keep_lock(struct handle *h, const char *path, const char *content, struct smb_fault *fault)
{
	h->paths[0] = strdup(path);
	h->paths[1] = strdup(content);
	return (h->paths[0] != NULL && h->paths[1] != NULL) ||
	       fault_set(fault, SMB_FAILED, "the worker is out of memory");
}

bool handles_free(struct handle *h, struct smb_fault *fault)
{
	bool ok = true;
	if (h->list != NULL)
		session_list_close(h->list);
	if (handles_is_upload(h))
		ok = upload_abandon(&h->upload, fault);
	else if (h->kind == HANDLE_LOCK && h->owed)
		ok = lock_remove(h->paths[0], h->paths[1], fault);
	else if (h->upload.file != NULL)
		ok = session_close(h->upload.file, fault);
	if (h->owed)
		lifeline_settle();
	if (h->buffer != NULL)
		munmap(h->buffer, h->buffer_size);
	for (size_t i = 0; i < sizeof h->paths / sizeof h->paths[0]; i++)
		free(h->paths[i]);
	memset(h, 0, sizeof *h);
	handles_in_use--;
	return ok;
}

unsigned handles_count(void)
{
	return handles_in_use;
}

void handles_end_all(void)
{
	for (size_t i = 0; i < HANDLES; i++) {
		struct handle *h = &handles[i];
		if (handles_is_upload(h) && (h->upload.target.flags & SMB_FLAG_RESUME))
			upload_leave(&h->upload);
		if (h->kind != HANDLE_FREE)
			handles_free(h, &(struct smb_fault){0});
	}
}

/* ---- memory that the module shares ---- */

bool handles_map_buffer(struct handle *h, int fd, struct smb_fault *fault)
{
	h->buffer = memory_map(fd, 1, &h->buffer_size);
	return h->buffer != NULL ||
	       fault_errno(fault, SMB_FAILED, "the worker has no room for the file's buffer", errno);
}

uint8_t *handles_buffer(const struct handle *h, uint64_t from, uint64_t size, struct smb_fault *fault)
{
	if (h->buffer != NULL && from <= h->buffer_size && size <= h->buffer_size - from)
		return h->buffer + from;
	fault_set(fault, SMB_FAILED, "a request reaches beyond its buffer");
	return NULL;
}

/* ---- entries of a reply ---- */

static size_t handles_padded(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

bool handles_add_entry(struct smb_reply *reply, size_t *used, struct smb_entry *entry, const char *name)
{
	size_t length = strlen(name);
	size_t size = sizeof *entry + handles_padded(length + 1);
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
static bool handles_fill_batch(struct handle *h, struct smb_reply *reply, size_t *used)
{
	struct smb_entry entry;
	const char *name;

	if (h->next_name != NULL)
		handles_add_entry(reply, used, &h->next, h->next_name);
	h->next_name = NULL;
	while (session_list_next(h->list, &entry, &name)) {
		if (!handles_add_entry(reply, used, &entry, name)) {
			h->next = entry;
			h->next_name = name;
			return false;
		}
	}
	return true;
}

void handles_add_batch(struct handle *h, struct smb_reply *reply, size_t *used)
{
	if (handles_fill_batch(h, reply, used)) {
		reply->handle = 0;
		handles_free(h, &reply->fault);
	}
}
