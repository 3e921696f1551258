/*
 * Files and folders as the library describes them, as entries; and attributes (MS-FSCC 2.6) as it puts them into a
 * mode's bits.
 */
#ifndef LUA_SMB_ENTRY_H
#define LUA_SMB_ENTRY_H

#include "protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

enum {
	ENTRY_READONLY = 1,
	ENTRY_HIDDEN = 2,
	ENTRY_SYSTEM = 4,
	ENTRY_DIRECTORY = 0x10,
	ENTRY_ARCHIVE = 0x20,
	ENTRY_REPARSE = 0x400
};

/* The attributes that can be set. */
enum { ENTRY_SETTABLE = ENTRY_READONLY | ENTRY_HIDDEN | ENTRY_SYSTEM | ENTRY_ARCHIVE };

/* A file can have 2^63 - 1 bytes at most, whatever a server says. */
static inline uint64_t entry_size(uint64_t size)
{
	return size <= INT64_MAX ? size : INT64_MAX;
}

mode_t entry_mode(uint32_t attributes);

/*
 * `opened`: what the answer to an opening said of the same file, which is more than stat does; NULL: it was not seen.
 */
void entry_of_stat(struct smb_entry *entry, const struct stat *st, const struct smb_entry *opened);

/* An entry of a listing. */
void entry_fill(struct smb_entry *entry, uint32_t attributes, uint64_t size, const struct timespec *mtime,
		const struct timespec *atime, const struct timespec *btime, const struct timespec *ctime);

/* The folder itself, its parent, and names that no server may send: they would lead a careless script astray. */
bool entry_is_none(const char *name);

#endif
