#include "remote_folder.h"

#include "shared/bins.h"
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

static bool remove_all(const char *path, struct removal *how, struct smb_fault *fault);

static bool remove_entry(const char *path, const char *name, const struct smb_entry *entry, struct removal *how, struct smb_fault *fault)
{
	const uint32_t directory = 0x10;
	if (previous_is_meant(path)) /* the library would look into the folder above it instead */
		return fault_set(fault, SMB_INVALID_NAME, "a name in it means a previous version, which can only be read");
	if (entry->type == SMB_ENTRY_DIRECTORY && how->spare != NULL && bins_is_one(name)) {
		how->spared++;
		how->spare(how->context, path);
		return true;
	}
	if (entry->type == SMB_ENTRY_DIRECTORY)
		return remove_all(path, how, fault);
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

/* On failure `stuck` is the path of what stood in the way, to be freed. */
static bool remove_child(const char *path, const struct smb_entry *entry, const char *name, struct removal *how, struct smb_fault *fault)
{
	char *child = join(path, name);
	bool ok = !lifeline_stops(fault) && (child != NULL || fault_set(fault, SMB_FAILED, "the worker is out of memory")) &&
		  remove_entry(child, name, entry, how, fault);
	if (ok || how->stuck != NULL)
		free(child);
	else
		how->stuck = child;
	return ok;
}

/* What stands beside a link that is left alone goes all the same. */
static bool empty_folder(const char *path, struct removal *how, struct smb_fault *fault)
{
	struct session_list *list = session_list(path, fault);
	struct smb_fault left = {0};
	struct smb_entry entry;
	const char *name;
	char *stuck = NULL;
	bool ok = list != NULL;

	while (ok && session_list_next(list, &entry, &name)) {
		ok = remove_child(path, &entry, name, how, fault);
		if (!ok && is_left_alone(fault)) {
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

/* A folder that holds the way to one that is spared stays, too. */
static bool remove_all(const char *path, struct removal *how, struct smb_fault *fault)
{
	uint64_t before = how->spared;
	bool ok = empty_folder(path, how, fault) && (how->spared > before || session_rmdir(path, fault));
	if (!ok && how->stuck == NULL)
		how->stuck = strdup(path);
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

static bool remove_here(const char *path, uint32_t place, struct removal *how, struct smb_fault *fault)
{
	bool ok;

	session_stay(true, place);
	ok = how->recursive ? remove_all(path, how, fault) : session_rmdir(path, fault);
	session_stay(false, 0);
	return ok;
}

bool remote_folder_remove(const char *path, struct removal *how, struct smb_fault *fault)
{
	bool known = session_has_links();
	uint32_t place = known ? replace_of_parent(path) : 0;

	if (remove_here(path, place, how, fault))
		return true;
	/* Behind encryption only a link that is met tells that the share has any: all of this may lie below one. */
	if (known || !session_has_links())
		return false;
	place = replace_of_parent(path);
	if (place == 0)
		return false;
	memset(fault, 0, sizeof *fault);
	free(how->stuck);
	how->stuck = NULL;
	return remove_here(path, place, how, fault);
}
