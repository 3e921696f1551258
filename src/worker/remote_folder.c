#include "remote_folder.h"

#include "shared/bins.h"
#include "shared/previous.h"
#include "fault.h"
#include "follow.h"
#include "lifeline.h"
#include "session.h"

#include <stdlib.h>
#include <string.h>

/* The folder could not be made: whether there is one. */
static bool remote_folder_is_there(const char *path, struct smb_fault *fault)
{
	struct smb_fault later = {0};
	struct smb_entry entry;

	if (session_stat(path, &entry, &later))
		return entry.type != SMB_ENTRY_FILE;
	if (fault_broke(&later) || follow_place() != LINKS_HERE) /* of a link that is one only its target tells more */
		*fault = later;
	return false;
}

bool remote_folder_make_parent(const char *path, struct smb_fault *fault)
{
	const char *end = strrchr(path, '/');
	char *parent;
	bool ok;

	if (end == NULL)
		return true;
	parent = strndup(path, (size_t)(end - path));
	if (parent == NULL)
		return fault_set(fault, SMB_FAILED, "the worker is out of memory");
	ok = remote_folder_make(parent, fault);
	if (!ok && fault->code == SMB_EXISTS)
		fault_is(fault, SMB_NOT_DIRECTORY, "a file has the name of a folder above it");
	free(parent);
	return ok;
}

bool remote_folder_make(const char *path, struct smb_fault *fault)
{
	if (path[0] == '\0' || session_mkdir(path, fault))
		return true;
	if (fault->code == SMB_FOLDER_MISSING || fault->code == SMB_NOT_FOUND) {
		if (!remote_folder_make_parent(path, fault))
			return false;
		if (session_mkdir(path, fault))
			return true;
	}
	if (fault_vetoed(fault))
		return false;
	/* Where the user may make nothing, the server says "access denied" of an existing folder too. */
	return (fault->code == SMB_EXISTS || fault->code == SMB_ACCESS_DENIED) && remote_folder_is_there(path, fault);
}

static char *remote_folder_join(const char *folder, const char *name)
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

static bool remote_folder_remove_all(const char *path, struct removal *how, struct smb_fault *fault);

static bool remote_folder_remove_entry(const char *path, const char *name, const struct smb_entry *entry,
				       struct removal *how, struct smb_fault *fault)
{
	const uint32_t directory = 0x10;
	if (previous_is_meant(path)) /* the library would look into the folder above instead */
		return fault_set(fault, SMB_INVALID_NAME,
				 "a name in it means a previous version, which can only be read");
	if (entry->type == SMB_ENTRY_DIRECTORY && how->spare != NULL && bins_is_one(name)) {
		how->spared++;
		how->spare(how->context, path);
		return true;
	}
	/* a hostile server's folder may contain itself */
	if (entry->type == SMB_ENTRY_DIRECTORY && how->depth == SMB_DEPTH_LIMIT)
		return fault_set(fault, SMB_FAILED, "its folders lie more than 1,000 levels deep");
	if (entry->type == SMB_ENTRY_DIRECTORY) {
		bool ok;
		how->depth++;
		ok = remote_folder_remove_all(path, how, fault);
		how->depth--;
		return ok;
	}
	/* Servers follow some links, libsmbclient others: removing one could remove an empty folder elsewhere. */
	if (entry->type == SMB_ENTRY_LINK && (entry->attributes & directory))
		return fault_set(fault, SMB_UNSUPPORTED, "there is a link to a folder in it, which is left alone");
	return session_unlink(path, fault);
}

/* Whether the failure is a link that is left alone, and nothing that the server refused. */
static bool remote_folder_is_left_alone(const struct smb_fault *fault)
{
	return fault->code == SMB_UNSUPPORTED && fault->status == 0;
}

/* On failure `how->stuck` becomes the path of what stood in the way. */
static bool remote_folder_remove_child(const char *path, const struct smb_entry *entry, const char *name,
				       struct removal *how, struct smb_fault *fault)
{
	char *child = remote_folder_join(path, name);
	bool ok = !lifeline_stops(fault) &&
		  (child != NULL || fault_set(fault, SMB_FAILED, "the worker is out of memory")) &&
		  remote_folder_remove_entry(child, name, entry, how, fault);
	if (ok || how->stuck != NULL)
		free(child);
	else
		how->stuck = child;
	return ok;
}

/* Removes all that is in a folder. A link is left alone; what stands beside it is removed all the same. */
static bool remote_folder_empty(const char *path, struct removal *how, struct smb_fault *fault)
{
	struct session_list *list = session_list(path, fault);
	struct smb_fault left = {0};
	struct smb_entry entry;
	const char *name;
	char *stuck = NULL;
	bool ok = list != NULL;

	while (ok && session_list_next(list, &entry, &name)) {
		ok = remote_folder_remove_child(path, &entry, name, how, fault);
		if (!ok && remote_folder_is_left_alone(fault)) {
			left = *fault;
			memset(fault, 0, sizeof *fault);
			ok = true;
		}
		if (how->stuck != NULL) {
			free(stuck);
			stuck = how->stuck;
			how->stuck = NULL;
		}
	}
	how->stuck = stuck;
	if (list != NULL)
		session_list_close(list);
	if (ok && left.code != SMB_OK)
		*fault = left;
	return ok && left.code == SMB_OK;
}

/* A folder stays when something below it was spared. */
static bool remote_folder_remove_all(const char *path, struct removal *how, struct smb_fault *fault)
{
	uint64_t before = how->spared;
	bool ok = remote_folder_empty(path, how, fault) && (how->spared > before || session_rmdir(path, fault));
	if (!ok && how->stuck == NULL)
		how->stuck = strdup(path);
	return ok;
}

/*
 * Finds the place (follow_answered) of the folder that holds this one. False where a link leads to it whose target
 * fails.
 */
static bool remote_folder_place_of_parent(const char *path, uint32_t *place, struct smb_fault *fault)
{
	const char *end = strrchr(path, '/');
	char *parent = strndup(path, end != NULL ? (size_t)(end - path) : 0);
	struct smb_fault later = {0};
	struct smb_entry entry;
	bool found = parent != NULL && session_stat(parent, &entry, &later);

	free(parent);
	*place = found ? follow_answered() : 0;
	if (found || later.code == SMB_OK || follow_place() == LINKS_HERE)
		return true;
	*fault = later;
	return false;
}

static bool remote_folder_remove_at(const char *path, uint32_t place, struct removal *how, struct smb_fault *fault)
{
	bool ok;

	follow_stay(true, place);
	ok = how->recursive ? remote_folder_remove_all(path, how, fault) : session_rmdir(path, fault);
	follow_stay(false, 0);
	return ok;
}

bool remote_folder_remove(const char *path, struct removal *how, struct smb_fault *fault)
{
	bool known = follow_has_links();
	uint32_t place = 0;

	if (known && !remote_folder_place_of_parent(path, &place, fault))
		return false;
	if (remote_folder_remove_at(path, place, how, fault))
		return true;
	/*
	 * Behind encryption only a link that is met shows that the share has links, and all of this may lie below one.
	 */
	if (known || !follow_has_links())
		return false;
	if (!remote_folder_place_of_parent(path, &place, fault) || place == 0)
		return false;
	memset(fault, 0, sizeof *fault);
	free(how->stuck);
	how->stuck = NULL;
	return remote_folder_remove_at(path, place, how, fault);
}
