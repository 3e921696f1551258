/*
 * What session.c, which alone calls libsmbclient, has for session_paths.c (a call by path, and the DFS links on its
 * way) and session_files.c (open files).
 */
#ifndef LUA_SMB_SESSION_CALLS_H
#define LUA_SMB_SESSION_CALLS_H

#include "follow.h"
#include "session.h"

#include <sys/stat.h>
#include <sys/types.h>

/* A call of the library with the URL of a path; below 0, and errno, where it fails. */
typedef int session_action(const char *url, void *context);

/*
 * Make such a call where the path lies; a link on the way is followed. The last is for what makes, changes or removes.
 */
bool session_call(enum follow_use use, enum smb_patience patience, const char *path, session_action *act,
		  void *context, struct smb_fault *fault);
bool session_read_at(const char *path, session_action *act, void *context, struct smb_fault *fault);
bool session_change_at(enum follow_use use, const char *path, session_action *act, void *context,
		       struct smb_fault *fault);

/* Begins a call with what is open; false when the library must not be asked. */
bool session_begin(enum smb_patience patience, struct smb_fault *fault);

/* An entry of what the library says, and of what the wire has shown. */
void session_fill_entry(struct smb_entry *entry, const struct stat *st);

/* Explains the failure of a call by errno and by what was seen. Returns false. */
bool session_failed_with(struct smb_fault *fault, int error);

/* Whether the server has ended the session or closed the share; and the same after a failure that does not say so. */
bool session_has_ended(void);
bool session_has_ended_unseen(int error);

/* The library's own calls: what they return, and errno. `context` of the first: a struct stat. */
int session_do_stat(const char *url, void *context);
struct session_file *session_do_open(const char *url, int flags);
int session_do_fstat(struct session_file *file, struct stat *st);
int session_do_truncate(struct session_file *file, off_t size);
off_t session_do_seek(struct session_file *file, off_t offset);
ssize_t session_do_read(struct session_file *file, void *to, size_t size);
ssize_t session_do_write(struct session_file *file, const void *from, size_t size);
off_t session_do_splice(struct session_file *from, struct session_file *to, off_t size, int (*goes_on)(off_t, void *));
int session_do_close(struct session_file *file);

#endif
