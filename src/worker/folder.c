#include "folder.h"

#include "../previous.h"
#include "fault.h"
#include "session.h"
#include "watch.h"

#include <stdlib.h>
#include <string.h>

/* After a failure to make it: whether it is there. */
static bool is_folder(const char *path, struct smb_fault *fault)
{
	struct smb_fault later = {0};
	struct smb_entry entry;

	if (session_stat(path, &entry, &later))
		return entry.type != SMB_ENTRY_FILE;
	if (fault_broke(&later))
		*fault = later;
	return false;
}

bool folder_make_parent(const char *path, struct smb_fault *fault)
{
	const char *end = strrchr(path, '/');
	char *parent;
	bool ok;

	if (end == NULL)
		return true;
	parent = strndup(path, (size_t)(end - path));
	if (parent == NULL)
		return fault_set(fault, SMB_FAILED, "the worker is out of memory");
	ok = folder_make(parent, fault);
	free(parent);
	return ok;
}

bool folder_make(const char *path, struct smb_fault *fault)
{
	if (path[0] == '\0' || session_mkdir(path, fault))
		return true;
	if (fault->code == SMB_FOLDER_MISSING || fault->code == SMB_NOT_FOUND) {
		if (!folder_make_parent(path, fault))
			return false;
		if (session_mkdir(path, fault))
			return true;
	}
	/* Where nothing may be made, what is there already answers "access denied" too. */
	return (fault->code == SMB_EXISTS || fault->code == SMB_ACCESS_DENIED) && is_folder(path, fault);
}

static char *join(const char *folder, const char *name)
{
	size_t left = strlen(folder), right = strlen(name);
	char *path = malloc(left + 1 + right + 1);
	if (path == NULL)
		return NULL;
	memcpy(path, folder, left);
	path[left] = '/';
	memcpy(path + left + (left > 0), name, right + 1);
	return path;
}

static bool remove_entry(const char *path, const struct smb_entry *entry, char **stuck, struct smb_fault *fault)
{
	const uint32_t directory = 0x10;
	if (previous_is_meant(path)) /* the library would look into the folder above it instead */
		return fault_set(fault, SMB_INVALID_NAME, "a name in it means a previous version, which can only be read");
	if (entry->type == SMB_ENTRY_DIRECTORY)
		return folder_remove(path, stuck, fault);
	if (entry->type == SMB_ENTRY_LINK && (entry->attributes & directory))
		return session_rmdir(path, fault);
	return session_unlink(path, fault);
}

static bool empty_folder(const char *path, char **stuck, struct smb_fault *fault)
{
	struct session_list *list = session_list(path, fault);
	struct smb_entry entry;
	const char *name;
	bool ok = list != NULL;

	while (ok && session_list_next(list, &entry, &name)) {
		char *child = join(path, name);
		ok = !watch_stops(fault) && (child != NULL || fault_set(fault, SMB_FAILED, "the worker is out of memory")) &&
		     remove_entry(child, &entry, stuck, fault);
		if (ok || *stuck != NULL)
			free(child);
		else
			*stuck = child;
	}
	if (list != NULL)
		session_list_close(list);
	return ok;
}

bool folder_remove(const char *path, char **stuck, struct smb_fault *fault)
{
	bool ok = empty_folder(path, stuck, fault) && session_rmdir(path, fault);
	if (!ok && *stuck == NULL)
		*stuck = strdup(path);
	return ok;
}
