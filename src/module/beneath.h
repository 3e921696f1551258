/*
 * Finds a local name below a folder that is held open: follows no links, and does not mind what others put into that
 * folder's place meanwhile. Knows no Lua.
 */
#ifndef LUA_SMB_BENEATH_H
#define LUA_SMB_BENEATH_H

#include <stdbool.h>

/* No folder: the path is followed as it is. */
enum { BENEATH_NOTHING = -1 };

struct spot {
	int folder;       /* for the calls that end in "at"; closed by spot_leave */
	const char *name; /* in it; part of the path that was given */
};

/*
 * Finds the folder of `path`, which lies below `root`: a descriptor of a folder, or BENEATH_NOTHING. False and errno;
 * ELOOP where a link stands in a folder's place.
 */
bool spot_find(struct spot *s, int root, const char *path);

void spot_leave(struct spot *s);

#endif
