#include "entry.h"

#include "shared/ticks.h"

#include <string.h>

/* The library makes of FILETIME's 0 nanoseconds that say "leave it alone". */
static int64_t entry_time_if_known(struct timespec t)
{
	return t.tv_nsec >= 0 && t.tv_nsec < 1000000000 ? ticks_of_timespec(t) : TICKS_UNKNOWN;
}

/* A file's own time is never unknown: 0 is the first moment of 1601. */
static int64_t entry_time(struct timespec t)
{
	int64_t time = entry_time_if_known(t);
	return time != TICKS_UNKNOWN ? time : TICKS_FIRST;
}

static uint16_t entry_type(uint32_t attributes)
{
	if (attributes & ENTRY_REPARSE)
		return SMB_ENTRY_LINK;
	return attributes & ENTRY_DIRECTORY ? SMB_ENTRY_DIRECTORY : SMB_ENTRY_FILE;
}

mode_t entry_mode(uint32_t attributes)
{
	mode_t mode = attributes & ENTRY_READONLY ? 0 : S_IWUSR;

	mode |= attributes & ENTRY_ARCHIVE ? S_IXUSR : 0;
	mode |= attributes & ENTRY_SYSTEM ? S_IXGRP : 0;
	return mode | (attributes & ENTRY_HIDDEN ? S_IXOTH : 0);
}

/* The execute bits of a folder are always set: they tell nothing. */
static uint32_t entry_attributes(mode_t mode)
{
	uint32_t attributes = mode & S_IWUSR ? 0 : ENTRY_READONLY;

	if (S_ISDIR(mode))
		return attributes | ENTRY_DIRECTORY;
	return attributes | (mode & S_IXUSR ? ENTRY_ARCHIVE : 0) | (mode & S_IXGRP ? ENTRY_SYSTEM : 0) |
	       (mode & S_IXOTH ? ENTRY_HIDDEN : 0);
}

void entry_of_stat(struct smb_entry *entry, const struct stat *st, const struct smb_entry *opened)
{
	memset(entry, 0, sizeof *entry);
	entry->mtime = entry_time(st->st_mtim);
	entry->atime = entry_time(st->st_atim);
	entry->btime = opened != NULL ? opened->btime : TICKS_UNKNOWN;
	entry->ctime = opened != NULL ? opened->ctime : entry_time_if_known(st->st_ctim);
	entry->attributes = opened != NULL ? opened->attributes : entry_attributes(st->st_mode);
	entry->type = entry_type(entry->attributes);
	entry->size = entry->type == SMB_ENTRY_FILE ? entry_size((uint64_t)st->st_size) : 0;
}

void entry_fill(struct smb_entry *entry, uint32_t attributes, uint64_t size, const struct timespec *mtime,
		const struct timespec *atime, const struct timespec *btime, const struct timespec *ctime)
{
	*entry = (struct smb_entry){
	    .mtime = entry_time(*mtime),
	    .atime = entry_time(*atime),
	    .btime = entry_time_if_known(*btime),
	    .ctime = entry_time_if_known(*ctime),
	    .attributes = attributes,
	    .type = entry_type(attributes),
	};
	if (entry->type == SMB_ENTRY_FILE)
		entry->size = entry_size(size);
}

bool entry_is_none(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || name[0] == '\0' || strpbrk(name, "/\\") != NULL;
}
