/*
 * Folders that servers keep for themselves on a share: recycle bins, snapshots, what they know of files. Both sides ask
 * here.
 */
#ifndef LUA_SMB_BINS_H
#define LUA_SMB_BINS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether text begins with this one in small letters, whatever its own case; at its end, unless `open`. No locale
 * counts.
 */
static inline bool bins_matches(const char *text, const char *small, bool open)
{
	for (; *small != '\0'; text++, small++)
		if ((*text >= 'A' && *text <= 'Z' ? *text + ('a' - 'A') : *text) != *small)
			return false;
	return open || *text == '\0';
}

/* Whether a folder of that name is one. */
static inline bool bins_is_one(const char *name)
{
	static const char *const names[] = {".recycle",  "#recycle",  "@recycle",   "$recycle.bin", "@eadir",
					    "#snapshot", ".snapshot", "lost+found", "lua-smb.lock" /* see lock.lua */};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (bins_matches(name, names[i], false))
			return true;
	return bins_matches(name, ".trash-", true); /* with a user's number */
}

#endif
