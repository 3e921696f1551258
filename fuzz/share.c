/*
 * A share that nobody has: session.h without a library and without a server. What becomes of each call is taken from an
 * input; well, where that is at its end.
 */
#include "share.h"

#include "input.h"
#include "shared/fault.h"
#include "worker/session.h"

struct session_file {
	uint32_t mark;
	uint64_t size;
};

struct session_list {
	unsigned left;
	char name[300];
};

enum { MARK = 0x656c6966, MOST = 4 << 20 /* bytes that all calls move together, then a file is at its end */ };

static struct input fate;
static unsigned is_open;
static uint64_t moved;

void share_begin(const uint8_t *bytes, size_t size)
{
	fate = (struct input){bytes, size};
	moved = 0;
}

unsigned share_open(void)
{
	return is_open;
}

static bool share_does(const char *path, struct smb_fault *fault)
{
	static const enum smb_code codes[] = {SMB_NOT_FOUND, SMB_FOLDER_MISSING, SMB_EXISTS, SMB_ACCESS_DENIED,
					      SMB_DISCONNECTED, SMB_NOT_EMPTY, SMB_IS_DIRECTORY, SMB_FAILED};
	uint8_t what = input_byte(&fate);

	PROMISE(strlen(path) < SMB_PATH_LIMIT);
	return what % 4 == 0 || fault_set(fault, codes[what / 4 % 8], "made up");
}

/* No server does that to a share's root. */
static bool share_changes(const char *path, struct smb_fault *fault)
{
	return path[0] != '\0' ? share_does(path, fault) : fault_set(fault, SMB_ACCESS_DENIED, "made up");
}

static void share_entry(struct smb_entry *entry)
{
	uint8_t what = input_byte(&fate);

	*entry = (struct smb_entry){.type = what % 3, .attributes = what, .mtime = what, .size = what / 3};
	if (what == 255)
		entry->size = INT64_MAX;
}

/* ---- the session ---- */

bool session_prepare(const struct smb_connect *target, struct smb_fault *fault)
{
	(void)target;
	(void)fault;
	return true;
}

bool session_open_server(struct smb_fault *fault)
{
	(void)fault;
	return true;
}

void session_keep_identity(void)
{
}

const char *session_library(void)
{
	return "none";
}

void session_info(struct smb_info *info)
{
	*info = (struct smb_info){.max_read_size = 65536, .max_write_size = 65536, .round_trip = 10};
}

/* ---- by path ---- */

bool session_stat(const char *path, struct smb_entry *entry, struct smb_fault *fault)
{
	share_entry(entry);
	return share_does(path, fault);
}

bool session_mkdir(const char *path, struct smb_fault *fault)
{
	return share_does(path, fault);
}

bool session_rmdir(const char *path, struct smb_fault *fault)
{
	return share_changes(path, fault);
}

bool session_unlink(const char *path, struct smb_fault *fault)
{
	return share_changes(path, fault);
}

bool session_rename(const char *from, const char *to, struct smb_fault *fault)
{
	return share_changes(from, fault) && share_changes(to, fault);
}

static void share_opened(struct session_opened *opened)
{
	if (opened == NULL)
		return;
	share_entry(&opened->entry);
	opened->is_known = input_byte(&fate) & 1;
}

bool session_set_time(const char *path, int64_t mtime, struct session_opened *opened, struct smb_fault *fault)
{
	(void)mtime;
	share_opened(opened);
	return share_does(path, fault);
}

bool session_set_new_time(const char *path, int64_t mtime, struct session_opened *opened, struct smb_fault *fault)
{
	return session_set_time(path, mtime, opened, fault);
}

bool session_set_attributes(const char *path, uint32_t attributes, struct smb_fault *fault)
{
	(void)attributes;
	return share_does(path, fault);
}

bool session_quota(const char *path, uint64_t *total, uint64_t *available, struct smb_fault *fault)
{
	*total = *available = UINT64_MAX;
	return share_does(path, fault);
}

/* ---- listings ---- */

struct session_list *session_list(const char *path, struct smb_fault *fault)
{
	struct session_list *list;

	if (!share_does(path, fault))
		return NULL;
	list = calloc(1, sizeof *list);
	PROMISE(list != NULL);
	list->left = input_byte(&fate) * (input_byte(&fate) & 7u);
	is_open++;
	return list;
}

bool session_list_next(struct session_list *list, struct smb_entry *entry, const char **name)
{
	if (list->left == 0)
		return false;
	list->left--;
	share_entry(entry);
	memset(list->name, 'n', sizeof list->name - 1);
	list->name[1 + input_byte(&fate)] = '\0';
	*name = list->name;
	return true;
}

void session_list_close(struct session_list *list)
{
	is_open--;
	free(list);
}

uint32_t session_list_place(const struct session_list *list)
{
	return list->left & 1;
}

/* ---- open files ---- */

struct session_file *session_open(const char *path, uint32_t flags, struct session_opened *opened,
				  struct smb_fault *fault)
{
	struct session_file *file;

	if (!(flags & SMB_FLAG_WRITABLE ? share_changes(path, fault) : share_does(path, fault)))
		return NULL;
	file = malloc(sizeof *file);
	PROMISE(file != NULL);
	*file = (struct session_file){.mark = MARK, .size = input_byte(&fate) * 1000u};
	share_opened(opened);
	is_open++;
	return file;
}

bool session_look(struct session_file *file, struct smb_entry *entry, struct smb_fault *fault)
{
	PROMISE(file->mark == MARK);
	share_entry(entry);
	if (entry->size != INT64_MAX)
		entry->size = file->size;
	return share_does("", fault);
}

long session_read(struct session_file *file, uint64_t offset, void *to, size_t size, struct smb_fault *fault)
{
	size_t n = size < 65536 ? size : 65536;

	PROMISE(file->mark == MARK);
	if (!share_does("", fault))
		return -1;
	if (offset >= file->size || moved >= MOST)
		return 0;
	n = file->size - offset < n ? (size_t)(file->size - offset) : n;
	memset(to, 'x', n);
	moved += n;
	return (long)n;
}

bool session_write(struct session_file *file, uint64_t offset, const void *from, size_t size, struct smb_fault *fault)
{
	const volatile uint8_t *bytes = from;
	uint8_t sum = 0;

	PROMISE(file->mark == MARK);
	for (size_t i = 0; i < size; i += i + 4096 < size ? 4096 : 1) /* whether all of it is there */
		sum = (uint8_t)(sum + bytes[i]);
	(void)sum;
	moved += size;
	if (offset <= INT64_MAX - size && offset + size > file->size)
		file->size = offset + size;
	return moved < MOST ? share_does("", fault) : fault_set(fault, SMB_NO_SPACE, "made up");
}

bool session_truncate(struct session_file *file, uint64_t size, struct smb_fault *fault)
{
	PROMISE(file->mark == MARK);
	file->size = size;
	return share_does("", fault);
}

bool session_copy(struct session_file *from, struct session_file *to, uint64_t size, struct smb_fault *fault)
{
	PROMISE(from->mark == MARK && to->mark == MARK);
	to->size = size;
	return share_does("", fault);
}

bool session_close(struct session_file *file, struct smb_fault *fault)
{
	PROMISE(file->mark == MARK);
	file->mark = 0;
	free(file);
	is_open--;
	return share_does("", fault);
}
