/*
 * What stays open in the worker between two requests: listings, files and uploads, each known to the module by a
 * number.
 */
#ifndef LUA_SMB_HANDLES_H
#define LUA_SMB_HANDLES_H

#include "protocol.h"
#include "session.h"
#include "upload.h"

enum handle_kind { HANDLE_FREE, HANDLE_LIST, HANDLE_FILE, HANDLE_UPLOAD, HANDLE_LOCK };

struct handle {
	enum handle_kind kind;
	struct session_list *list;
	struct smb_entry next;   /* of a listing: the entry that did not fit into the last batch, */
	const char *next_name;   /* and its name, which the listing holds; NULL: there is none */
	struct upload upload;    /* of a file only `upload.file` is used */
	char *paths[3];          /* of the upload; of a lock its file's path and content */
	bool owed;               /* the file's last writes and its close, or the lock's removal: see lifeline_owe */
	uint8_t *buffer;         /* shared with the module */
	size_t buffer_size;
};

/* Returns a new handle and its number; NULL fills `fault`. */
struct handle *handles_new(enum handle_kind kind, uint32_t *number, struct smb_fault *fault);

/* Return the handle that has that number, or the one of an open file; NULL fills `fault`. */
struct handle *handles_find(uint32_t number, struct smb_fault *fault);
struct handle *handles_find_file(uint32_t number, struct smb_fault *fault);

/* Whether the handle is an upload that was neither committed nor abandoned. */
bool handles_is_upload(const struct handle *h);

/* Copies an upload's target, whose names belong to the request. */
bool handles_keep_target(struct handle *h, const struct replacement *target, struct smb_fault *fault);

/* Copies a lock's path and content. */
bool handles_keep_lock(struct handle *h, const char *path, const char *content, struct smb_fault *fault);

/* Maps the memory that the handle shares with the module. */
bool handles_map_buffer(struct handle *h, int fd, struct smb_fault *fault);

/* Returns that part of the memory; NULL fills `fault` where it lies outside. */
uint8_t *handles_buffer(const struct handle *h, uint64_t from, uint64_t size, struct smb_fault *fault);

/* Closes what the handle holds; an upload that was not committed is abandoned. */
bool handles_free(struct handle *h, struct smb_fault *fault);

/* How many are in use. */
unsigned handles_count(void);

/* Closes all, since the module has gone; keeps uploads that its next run may go on with. */
void handles_end_all(void);

/* ---- entries of a reply ---- */

/*
 * Appends an entry to a reply of SMB_MESSAGE_MAX bytes, of which `used` are taken, and counts it. False when the
 * message is full.
 */
bool handles_add_entry(struct smb_reply *reply, size_t *used, struct smb_entry *entry, const char *name);

/* Fills the reply with the next entries of a listing. At its end frees the handle, and the reply's handle becomes 0. */
void handles_add_batch(struct handle *h, struct smb_reply *reply, size_t *used);

#endif
