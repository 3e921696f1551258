/* Folders, with those above them or all that is in them. */
#ifndef LUA_SMB_REMOTE_FOLDER_H
#define LUA_SMB_REMOTE_FOLDER_H

#include "protocol.h"

#include <stdbool.h>

/* Makes a folder with all its parents. An existing folder is fine. */
bool remote_folder_make(const char *path, struct smb_fault *fault);

/* Makes the folder that holds `path`. */
bool remote_folder_make_parent(const char *path, struct smb_fault *fault);

/* How a folder is removed, and what came of it. */
struct removal {
	bool recursive; /* with all that is in it */
	/* unless NULL, recycle bins (bins.h) in it stay, and this is called for each */
	void (*spare)(void *context, const char *path);
	void *context;
	unsigned depth;  /* of the folder that is being emptied, below the first */
	uint64_t spared; /* bins that stay; then the folder stays too */
	/* on failure the path of what could not be deleted or listed, to be freed; NULL when memory is short */
	char *stuck;
};

/*
 * Removes a folder. Nothing is removed over another connection than that of the folder's parent: a DFS link would lead
 * there. A link to a folder that is found in the folder is a failure; it is neither followed nor removed.
 */
bool remote_folder_remove(const char *path, struct removal *how, struct smb_fault *fault);

#endif
