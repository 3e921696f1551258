/* Folders, with those above them or all that is in them. */
#ifndef LUA_SMB_FOLDER_H
#define LUA_SMB_FOLDER_H

#include "protocol.h"

#include <stdbool.h>

/* Makes a folder with all its parents. One that is there already is fine. */
bool remote_folder_make(const char *path, struct smb_fault *fault);

/* Makes the folder that holds `path`. */
bool remote_folder_make_parent(const char *path, struct smb_fault *fault);

/* What is removed with a folder, and what becomes of that. */
struct removal {
	bool recursive; /* all that is in it */
	void (*spare)(void *context, const char *path); /* if given, bins (bins.h) in it stay, with the way to them; called for each */
	void *context;
	uint64_t spared; /* bins; the folder itself is then still there */
	char *stuck;     /* on failure, the path of what could not be deleted or looked into, to be freed; NULL when memory is short */
};

/*
 * Removes a folder, perhaps with all that is in it. Nothing is removed over another connection than the one that the folder's parent
 * is on, where a DFS link would lead. A link to a folder that is found in it is a failure: it is not followed, nor what it leads to
 * removed.
 */
bool remote_folder_remove(const char *path, struct removal *how, struct smb_fault *fault);

#endif
