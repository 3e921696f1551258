/*
 * The share, through libsmbclient: one connection, one call at a time. session.c is the only file that calls the
 * library.
 *
 * Paths lie below the share, `/`-separated, "" is its root. Functions that return a bool fill `fault` when it is false.
 */
#ifndef LUA_SMB_SESSION_H
#define LUA_SMB_SESSION_H

#include "protocol.h"

#include <stdbool.h>
#include <stddef.h>

struct session_file;
struct session_list;

/* What the answer to opening a file said of it. Encryption hides that answer: then nothing is known. */
struct session_opened {
	bool is_known;
	struct smb_entry entry; /* all but its type */
};

/* No share should have it: a request for this file shows how the share answers. */
#define SESSION_ABSENT_FILE "lua-smb opens the share"

/* Prepares the library to connect, which its first request does (connect.h). False leaves nothing that can be used. */
bool session_prepare(const struct smb_connect *target, struct smb_fault *fault);

/* Where no share was named: connects, and lists the server's shares by its IPC$, for session_list. */
bool session_open_server(struct smb_fault *fault);

/* The logon went well: from now on nobody else's ticket will do. */
void session_keep_identity(void);

bool session_stat(const char *path, struct smb_entry *entry, struct smb_fault *fault);
bool session_mkdir(const char *path, struct smb_fault *fault);
bool session_rmdir(const char *path, struct smb_fault *fault);

/* Deletes a file, and an empty folder too: ask for the type before. */
bool session_unlink(const char *path, struct smb_fault *fault);

/* Renames where the new name is free; `exists` when it is not, and nothing has changed then. */
bool session_rename(const char *from, const char *to, struct smb_fault *fault);

/*
 * Sets write and access time, in ticks, rounded to microseconds. The library clears the attributes (mtime.c puts them
 * back). `opened`: as for session_open.
 */
bool session_set_time(const char *path, int64_t mtime, struct session_opened *opened, struct smb_fault *fault);

/* The same for a file that was just made: it spares a new connection where that is not needed. */
bool session_set_new_time(const char *path, int64_t mtime, struct session_opened *opened, struct smb_fault *fault);

/* MS-FSCC 2.6: read-only, hidden, system and archive. */
bool session_set_attributes(const char *path, uint32_t attributes, struct smb_fault *fault);
bool session_quota(const char *path, uint64_t *total, uint64_t *available, struct smb_fault *fault);

/*
 * The whole folder is fetched by session_list, or the server's shares where none was named. Entries, without "." and
 * "..", come from memory, and their names are valid until the next one. NULL is a failure.
 */
struct session_list *session_list(const char *path, struct smb_fault *fault);
bool session_list_next(struct session_list *list, struct smb_entry *entry, const char **name);
void session_list_close(struct session_list *list);

/* Which share answered with the listing: see follow_answered. */
uint32_t session_list_place(const struct session_list *list);

/*
 * `flags`: WRITABLE, CREATE, TRUNCATE, EXCLUSIVE. Each read and write names its own position. Fills `opened` unless it
 * is NULL. NULL is a failure.
 */
struct session_file *session_open(const char *path, uint32_t flags, struct session_opened *opened,
				  struct smb_fault *fault);
bool session_look(struct session_file *file, struct smb_entry *entry, struct smb_fault *fault);

/* Bytes read, 0 at the end of the file, -1 on failure. */
long session_read(struct session_file *file, uint64_t offset, void *to, size_t size, struct smb_fault *fault);
bool session_write(struct session_file *file, uint64_t offset, const void *from, size_t size, struct smb_fault *fault);

bool session_truncate(struct session_file *file, uint64_t size, struct smb_fault *fault);

/* Copies `size` bytes on the server, not more than the source has. */
bool session_copy(struct session_file *from, struct session_file *to, uint64_t size, struct smb_fault *fault);

/* The handle is gone after it, whatever it returns. */
bool session_close(struct session_file *file, struct smb_fault *fault);

/* The version of libsmbclient. */
const char *session_library(void);

void session_info(struct smb_info *info);

#endif
