#include "remote_folder.h"

#include "shared/previous.h"
#include "fault.h"
#include "session.h"
#include "lifeline.h"

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

static bool remove_all(const char *path, char **stuck, struct smb_fault *fault);

static bool remove_entry(const char *path, const struct smb_entry *entry, char **stuck, struct smb_fault *fault)
{
	const uint32_t directory = 0x10;
	if (previous_is_meant(path)) /* the library would look into the folder above it instead */
		return fault_set(fault, SMB_INVALID_NAME, "a name in it means a previous version, which can only be read");
	if (entry->type == SMB_ENTRY_DIRECTORY)
		return remove_all(path, stuck, fault);
	/* Servers follow some of them, and libsmbclient others: an empty folder would be removed somewhere else. */
	if (entry->type == SMB_ENTRY_LINK && (entry->attributes & directory))
		return fault_set(fault, SMB_UNSUPPORTED, "there is a link to a folder in it, which is left alone");
	return session_unlink(path, fault);
}

/* A link, and not what the server refuses. */
static bool is_left_alone(const struct smb_fault *fault)
{
	return fault->code == SMB_UNSUPPORTED && fault->status == 0;
}

static bool remove_child(const char *path, const struct smb_entry *entry, const char *name, char **stuck, struct smb_fault *fault)
{
	char *child = join(path, name);
	bool ok = !lifeline_stops(fault) && (child != NULL || fault_set(fault, SMB_FAILED, "the worker is out of memory")) &&
		  remove_entry(child, entry, stuck, fault);
	if (ok || *stuck != NULL)
		free(child);
	else
		*stuck = child;
	return ok;
}

/* What stands beside a link that is left alone goes all the same. */
static bool empty_folder(const char *path, char **stuck, struct smb_fault *fault)
{
	struct session_list *list = session_list(path, fault);
	struct smb_fault left = {0};
	struct smb_entry entry;
	const char *name;
	bool ok = list != NULL;

	while (ok && session_list_next(list, &entry, &name)) {
		char *this_one = NULL;
		ok = remove_child(path, &entry, name, &this_one, fault);
		if (!ok && is_left_alone(fault)) {
			left = *fault;
			memset(fault, 0, sizeof *fault);
			ok = true;
		}
		if (this_one != NULL) {
			free(*stuck);
			*stuck = this_one;
		}
	}
	if (list != NULL)
		session_list_close(list);
	if (ok && left.code != SMB_OK)
		*fault = left;
	return ok && left.code == SMB_OK;
}

static bool remove_all(const char *path, char **stuck, struct smb_fault *fault)
{
	bool ok = empty_folder(path, stuck, fault) && session_rmdir(path, fault);
	if (!ok && *stuck == NULL)
		*stuck = strdup(path);
	return ok;
}

/* Which share the folder is on that holds this one: 0 for the one that was connected to. */
static uint32_t replace_of_parent(const char *path)
{
	const char *end = strrchr(path, '/');
	char *parent = strndup(path, end != NULL ? (size_t)(end - path) : 0);
	struct smb_entry entry;
	uint32_t place = 0;

	if (parent != NULL && session_stat(parent, &entry, &(struct smb_fault){0}))
		place = session_place();
	free(parent);
	return place;
}

static bool remove_here(const char *path, bool recursive, uint32_t place, char **stuck, struct smb_fault *fault)
{
	bool ok;

	session_stay(true, place);
	ok = recursive ? remove_all(path, stuck, fault) : session_rmdir(path, fault);
	session_stay(false, 0);
	return ok;
}

bool remote_folder_remove(const char *path, bool recursive, char **stuck, struct smb_fault *fault)
{
	bool known = session_has_links();
	uint32_t place = known ? replace_of_parent(path) : 0;

	if (remove_here(path, recursive, place, stuck, fault))
		return true;
	/* Behind encryption only a link that is met tells that the share has any: all of this may lie below one. */
	if (known || !session_has_links())
		return false;
	place = replace_of_parent(path);
	if (place == 0)
		return false;
	memset(fault, 0, sizeof *fault);
	free(*stuck);
	*stuck = NULL;
	return remove_here(path, recursive, place, stuck, fault);
}
