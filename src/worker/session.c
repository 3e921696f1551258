#include "session.h"

#include "configuration.h"
#include "connection.h"
#include "counters.h"
#include "entry.h"
#include "failure.h"
#include "fault.h"
#include "identity.h"
#include "kdc.h"
#include "lifeline.h"
#include "logon.h"
#include "remote_url.h"
#include "rename_guard.h"
#include "shared/previous.h"
#include "shared/ticks.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libsmbclient.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* The library gives up one hour after a request; the module, which sees whether bytes move, is always earlier. */
enum { LIBRARY_TIMEOUT = 3600 * 1000 };

static struct {
	SMBCCTX *context;
	const struct smb_connect *target;
	SMBCFILE *shares; /* the server's, listed when it was connected to and not asked for yet */
	smbc_add_cached_srv_fn keep_server;
	smbc_check_server_fn check_server;
	SMBCSRV *server;  /* the library's name for the connection that the last call used */
	SMBCSRV *coarse;  /* one that sets whole seconds only, and no folder's time, since setting a time has failed there; */
	bool renew;       /* the next call is to have another */
	bool ended;       /* the server ended the logon or closed the share, which the library would use for ever; until there is a new one */
	struct identity identity;
	struct smb_fault stopped; /* why no logon was tried */
	bool poisoned;    /* the password was refused: not tried again, or the account may be locked */
	struct smb_fault refusal;
} session;

/* Without a share one thing can be had: which shares there are. */
static bool session_lists_shares(void)
{
	return session.target->share[0] == '\0';
}

/* ---- failures ---- */

/*
 * The library reports EINVAL for each status that it has no other word for, and encryption hides the status. Then one request more asks
 * whether the session has ended: EINVAL is no answer to opening a file.
 */
static bool session_has_ended_unseen(int error)
{
	SMBCFILE *file;
	char *url;

	if (error != EINVAL || session.ended || wire_step() != SMB_STEP_FILE || !wire_hides_status())
		return false;
	url = remote_url(SESSION_ABSENT_FILE);
	if (url == NULL)
		return false;
	wire_begin(SMB_PATIENCE_SHORT);
	errno = 0;
	file = smbc_getFunctionOpen(session.context)(session.context, url, O_RDONLY, 0);
	session.ended = file == NULL && errno == EINVAL;
	if (file != NULL)
		smbc_getFunctionClose(session.context)(session.context, file);
	free(url);
	return session.ended;
}

static bool session_failed_with(struct smb_fault *fault, int error)
{
	session.ended = session.ended || failure_ends_session();
	kdc_end();
	failure_explain(session.target, &session.identity, &session.stopped, error, fault);
	if (wire_refusal() == REFUSED_ELSEWHERE && session.target->dfs)
		session.ended = true; /* a connection there was begun, and is of no use any more */
	if (fault->code == SMB_AUTH_FAILED && logon_refused(&session.refusal)) {
		session.poisoned = true;
		session.refusal = *fault;
	}
	if (session_has_ended_unseen(error))
		fault_set(fault, SMB_DISCONNECTED, "the server ended the session or closed the share");
	return false;
}

/* Begins every call; false when the library must not be asked. */
static bool session_begin(enum smb_patience patience, struct smb_fault *fault)
{
	/* Or the library would use a connection that the server has closed meanwhile. */
	if (session.context != NULL && (session.ended || connection_any_hung_up()))
		smbc_getFunctionPurgeCachedServers(session.context)(session.context);
	wire_begin(patience);
	errno = 0;
	if (session.poisoned)
		*fault = session.refusal;
	return !session.poisoned;
}

static bool session_begin_at(enum smb_patience patience, const char *path, char **url, struct smb_fault *fault)
{
	if (!session_begin(patience, fault))
		return false;
	*url = remote_url(path);
	return *url != NULL || session_failed_with(fault, ENOMEM);
}

/* Begins a call that makes, changes or removes something. Of a previous version the library would do that to the living file. */
static bool session_begin_change_at(const char *path, char **url, struct smb_fault *fault)
{
	if (previous_is_meant(path))
		return fault_set(fault, SMB_INVALID_NAME, "a part '@GMT-...' means a previous version, which can only be read");
	return session_begin_at(SMB_PATIENCE_SHORT, path, url, fault);
}

/* Ends a call by path: `result` below 0 is a failure. */
static bool session_finish(char *url, int result, struct smb_fault *fault)
{
	int error = errno;
	free(url);
	return result >= 0 || session_failed_with(fault, error);
}

/* ---- connecting ---- */

/*
 * The library calls this for each connection that it makes. Since the last one the ticket may have gone, or have become another's: then
 * nothing must leave, since the library would log on without it.
 */
static void session_give_credentials(SMBCCTX *context, const char *server, const char *share, char *workgroup,
			     int workgroup_size, char *username, int username_size, char *password, int password_size)
{
	const struct smb_connect *t = session.target;
	(void)context;
	(void)server;
	(void)share;
	kdc_begin();
	if (!identity_choose(t, &session.identity, &session.stopped))
		wire_stop();
	if (t->domain[0] != '\0')
		snprintf(workgroup, (size_t)workgroup_size, "%s", t->domain);
	snprintf(username, (size_t)username_size, "%s", session.identity.username);
	snprintf(password, (size_t)password_size, "%s", session.identity.password);
}

/*
 * The library calls this before each call by path. Its own check sends an ECHO the first time, which connection.c spares. A connection
 * whose session has ended is not used again, though an open file holds it.
 */
static int session_is_server_gone(SMBCCTX *context, SMBCSRV *server)
{
	bool renewed = session.renew && server == session.coarse;
	bool gone = session.ended || renewed || (!connection_is_only_one() && session.check_server(context, server) != 0);

	session.server = server;
	if (gone)
		wire_share_lost();
	return gone;
}

/* The library keeps a connection for later once its share is open: encryption hides every other sign of that. */
static int session_share_opened(SMBCCTX *context, SMBCSRV *server, const char *name, const char *share, const char *workgroup,
			const char *username)
{
	if (strcasecmp(share, "IPC$") != 0 || session_lists_shares()) {
		wire_share_opened();
		session.ended = session.renew = false;
		session.coarse = NULL;
		session.server = server;
	}
	return session.keep_server(context, server, name, share, workgroup, username);
}

static void session_set_options(SMBCCTX *context, const struct smb_connect *t)
{
	smbc_setDebug(context, 0);
	smbc_setOptionDebugToStderr(context, 1);
	smbc_setFunctionAuthDataWithContext(context, session_give_credentials);
	smbc_setTimeout(context, LIBRARY_TIMEOUT);
	smbc_setOptionNoAutoAnonymousLogin(context, 1);
	smbc_setOptionUseCCache(context, 0);
	smbc_setOptionUseKerberos(context, identity_wants_kerberos(t));
	smbc_setOptionFallbackAfterKerberos(context, identity_wants_kerberos(t) && identity_may_use_ntlm(t));
	smbc_setOptionSmbEncryptionLevel(context, configuration_encryption(t->encryption));
}

/* The library reads its configuration here, and never again. */
static SMBCCTX *session_new_context(const struct smb_connect *target)
{
	SMBCCTX *context = configuration_begin(target) ? smbc_new_context() : NULL;

	if (configuration_end() || context == NULL)
		return context;
	smbc_free_context(context, 1);
	return NULL;
}

bool session_prepare(const struct smb_connect *target, struct smb_fault *fault)
{
	SMBCCTX *context;

	session.target = target;
	if (!session_begin(SMB_PATIENCE_SHORT, fault) || !identity_choose(target, &session.identity, fault))
		return false;
	if (!remote_url_begin(target))
		return session_failed_with(fault, ENOMEM);
	context = session_new_context(target);
	if (context == NULL)
		return fault_set(fault, SMB_FAILED, "libsmbclient did not take the configuration that it was given");
	session_set_options(context, target);
	if (smbc_init_context(context) == NULL)
		return fault_set(fault, SMB_FAILED, "libsmbclient could not be set up");
	session.keep_server = smbc_getFunctionAddCachedServer(context);
	smbc_setFunctionAddCachedServer(context, session_share_opened);
	session.check_server = smbc_getFunctionCheckServer(context);
	smbc_setFunctionCheckServer(context, session_is_server_gone);
	session.context = context;
	return true;
}

bool session_open_server(struct smb_fault *fault)
{
	char *url;

	if (!session_begin_at(SMB_PATIENCE_SHORT, "", &url, fault))
		return false;
	session.shares = smbc_getFunctionOpendir(session.context)(session.context, url);
	return session_finish(url, session.shares != NULL ? 0 : -1, fault);
}

void session_keep_identity(void)
{
	identity_keep(&session.identity);
}

void session_info(struct smb_info *info)
{
	memset(info, 0, sizeof *info);
	wire_info(info);
	identity_show(session.target, &session.identity, info);
	snprintf(info->library, sizeof info->library, "%s", smbc_version());
}

/* ---- entries ---- */

/* Where answers are encrypted only stat tells, and the creation time stays unknown. */
static void session_fill_entry(struct smb_entry *entry, const struct stat *st)
{
	struct smb_entry opened;
	entry_of_stat(entry, st, wire_created(&opened) ? &opened : NULL);
}

bool session_stat(const char *path, struct smb_entry *entry, struct smb_fault *fault)
{
	struct stat st;
	char *url;
	int result;

	if (!session_begin_at(SMB_PATIENCE_SHORT, path, &url, fault))
		return false;
	result = smbc_getFunctionStat(session.context)(session.context, url, &st);
	if (result == 0)
		session_fill_entry(entry, &st);
	return session_finish(url, result, fault);
}

/* ---- calls by path ---- */

bool session_mkdir(const char *path, struct smb_fault *fault)
{
	char *url;
	return session_begin_change_at(path, &url, fault) &&
	       session_finish(url, smbc_getFunctionMkdir(session.context)(session.context, url, 0755), fault);
}

static bool session_begin_removal_at(const char *path, char **url, struct smb_fault *fault)
{
	if (!session_begin_change_at(path, url, fault))
		return false;
	counters_add_removal();
	return true;
}

bool session_rmdir(const char *path, struct smb_fault *fault)
{
	char *url;
	return session_begin_removal_at(path, &url, fault) &&
	       session_finish(url, smbc_getFunctionRmdir(session.context)(session.context, url), fault);
}

bool session_unlink(const char *path, struct smb_fault *fault)
{
	char *url;
	return session_begin_removal_at(path, &url, fault) &&
	       session_finish(url, smbc_getFunctionUnlink(session.context)(session.context, url), fault);
}

bool session_rename(const char *from, const char *to, struct smb_fault *fault)
{
	char *from_url, *to_url;
	int result;

	if (previous_is_meant(to) ? !session_begin_change_at(to, &to_url, fault) : !session_begin_change_at(from, &from_url, fault))
		return false;
	to_url = remote_url(to);
	if (to_url == NULL)
		return session_finish(from_url, -1, fault);
	counters_add_removal();
	rename_guard_set(true);
	result = smbc_getFunctionRename(session.context)(session.context, from_url, session.context, to_url);
	rename_guard_set(false);
	free(to_url);
	return session_finish(from_url, result, fault);
}

/*
 * When the library fails it tries once more as old servers want it, in whole seconds and for files only, and from then on it does so
 * for each file of this connection.
 */
static bool session_set_times(const char *path, int64_t mtime, struct session_opened *opened, struct smb_fault *fault)
{
	struct timeval times[2] = {ticks_timeval(ticks_settable(mtime)), ticks_timeval(ticks_settable(mtime))};
	char *url;
	int result;

	if (!session_begin_change_at(path, &url, fault))
		return false;
	result = smbc_getFunctionUtimes(session.context)(session.context, url, times);
	opened->is_known = wire_created(&opened->entry);
	if (result == 0)
		return session_finish(url, result, fault);
	session.coarse = session.server;
	wire_blame_first();
	session_finish(url, result, fault);
	if (fault->code == SMB_IS_DIRECTORY)
		fault_set(fault, SMB_ACCESS_DENIED, "the server does not let the folder's time be set");
	return false;
}

bool session_set_time(const char *path, int64_t mtime, struct session_opened *opened, struct smb_fault *fault)
{
	session.renew = session.coarse != NULL;
	return session_set_times(path, mtime, opened, fault);
}

bool session_set_new_time(const char *path, int64_t mtime, struct session_opened *opened, struct smb_fault *fault)
{
	if (!session_set_times(path, mtime, opened, fault))
		return false;
	if (session.coarse == NULL)
		return true;
	session.renew = true;
	return session_set_times(path, mtime, opened, fault);
}

bool session_set_attributes(const char *path, uint32_t attributes, struct smb_fault *fault)
{
	char *url;
	return session_begin_change_at(path, &url, fault) &&
	       session_finish(url, smbc_getFunctionChmod(session.context)(session.context, url, entry_mode(attributes)), fault);
}

bool session_quota(const char *path, uint64_t *total, uint64_t *available, struct smb_fault *fault)
{
	struct statvfs st;
	char *url;

	if (!session_begin_at(SMB_PATIENCE_SHORT, path, &url, fault))
		return false;
	memset(&st, 0, sizeof st);
	if (!session_finish(url, smbc_getFunctionStatVFS(session.context)(session.context, url, &st), fault))
		return false;
	/* f_frsize counts blocks of f_bsize bytes. */
	*total = (uint64_t)st.f_bsize * st.f_frsize * st.f_blocks;
	*available = (uint64_t)st.f_bsize * st.f_frsize * st.f_bavail;
	return *total != 0 || fault_set(fault, SMB_UNSUPPORTED, "the server does not say how large the share is");
}

/* ---- listings ---- */

struct session_list {
	SMBCFILE *folder;
	uint32_t place;
	char share[2048]; /* the name and comment of the last share: more than servers take */
};

uint32_t session_list_place(const struct session_list *list)
{
	return list->place;
}

struct session_list *session_list(const char *path, struct smb_fault *fault)
{
	struct session_list *list = calloc(1, sizeof *list);
	char *url;

	if (list == NULL)
		session_failed_with(fault, ENOMEM);
	else if (session_begin_at(SMB_PATIENCE_LIST, path, &url, fault)) {
		list->folder = session.shares != NULL ? session.shares : smbc_getFunctionOpendir(session.context)(session.context, url);
		session.shares = NULL;
		list->place = wire_place();
		if (session_finish(url, list->folder != NULL ? 0 : -1, fault))
			return list;
	}
	free(list);
	return NULL;
}

static bool session_next_share(struct session_list *list, struct smb_entry *entry, const char **name)
{
	const struct smbc_dirent *share;

	do {
		share = smbc_getFunctionReaddir(session.context)(session.context, list->folder);
		if (share == NULL)
			return false;
	} while (entry_is_none(share->name));
	entry_of_share(entry, share, list->share, sizeof list->share);
	*name = list->share;
	return true;
}

bool session_list_next(struct session_list *list, struct smb_entry *entry, const char **name)
{
	const struct libsmb_file_info *info;

	if (session_lists_shares())
		return session_next_share(list, entry, name);

	/* Not readdirplus2, which makes up an inode: it takes the whole path apart for each entry, ten times as long. */
	do {
		info = smbc_getFunctionReaddirPlus(session.context)(session.context, list->folder);
		if (info == NULL)
			return false;
	} while (entry_is_none(info->name));
	entry_of_info(entry, info);
	*name = info->name;
	return true;
}

void session_list_close(struct session_list *list)
{
	smbc_getFunctionClosedir(session.context)(session.context, list->folder);
	free(list);
}

/* ---- files ---- */

/* The library's SMBCFILE, under a name of ours. */
struct session_file;

static SMBCFILE *session_handle_of(struct session_file *file)
{
	return (SMBCFILE *)(void *)file;
}

/* Of a handle that is still good the library reports no EINVAL. */
static bool session_is_alive(struct session_file *file)
{
	struct stat st;

	wire_begin(SMB_PATIENCE_SHORT);
	errno = 0;
	return smbc_getFunctionFstat(session.context)(session.context, session_handle_of(file), &st) == 0 || errno != EINVAL;
}

/*
 * The library reports EINVAL for a handle whose connection has gone, and for some refusals of the server. Behind encryption the answer
 * cannot be read then, but it has come. `file`: NULL when it cannot be asked any more.
 */
static bool session_is_handle_gone(struct session_file *file, int error)
{
	if (error != EINVAL || wire_status() != 0)
		return false;
	return file == NULL || !wire_was_answered_unseen() || wire_is_broken() || session.ended || connection_any_hung_up() || !session_is_alive(file);
}

static bool session_handle_failed(struct session_file *file, struct smb_fault *fault)
{
	int error = errno;
	bool gone = session_is_handle_gone(file, error);

	session_failed_with(fault, gone ? ECONNABORTED : error);
	if (gone)
		session_has_ended_unseen(error);
	return false;
}

/* A handle that may only write tells neither its size nor its times: open it to read, too, where that is allowed. */
static int session_open_flags(uint32_t flags)
{
	return (flags & SMB_FLAG_BLIND ? O_WRONLY : flags & SMB_FLAG_WRITABLE ? O_RDWR : O_RDONLY) | (flags & SMB_FLAG_CREATE ? O_CREAT : 0) |
	       (flags & SMB_FLAG_TRUNCATE ? O_TRUNC : 0) | (flags & SMB_FLAG_EXCLUSIVE ? O_EXCL : 0);
}

struct session_file *session_open(const char *path, uint32_t flags, struct session_opened *opened, struct smb_fault *fault)
{
	SMBCFILE *file;
	char *url;

	if (opened != NULL)
		opened->is_known = false;
	if (flags & SMB_FLAG_WRITABLE ? !session_begin_change_at(path, &url, fault) : !session_begin_at(SMB_PATIENCE_SHORT, path, &url, fault))
		return NULL;
	file = smbc_getFunctionOpen(session.context)(session.context, url, session_open_flags(flags), 0666);
	if (opened != NULL)
		opened->is_known = wire_created(&opened->entry);
	if (session_finish(url, file != NULL ? 0 : -1, fault))
		return (struct session_file *)(void *)file;
	/* Encryption hides which of the two is missing; a file that is to be made can lack only its folder. */
	if ((flags & SMB_FLAG_CREATE) && fault->code == SMB_NOT_FOUND)
		fault_is(fault, SMB_FOLDER_MISSING, "the folder does not exist");
	return NULL;
}

bool session_truncate(struct session_file *file, uint64_t size, struct smb_fault *fault)
{
	if (!session_begin(SMB_PATIENCE_SHORT, fault))
		return false;
	return smbc_getFunctionFtruncate(session.context)(session.context, session_handle_of(file), (off_t)size) == 0 || session_handle_failed(file, fault);
}

bool session_look(struct session_file *file, struct smb_entry *entry, struct smb_fault *fault)
{
	struct stat st;
	if (!session_begin(SMB_PATIENCE_SHORT, fault))
		return false;
	if (smbc_getFunctionFstat(session.context)(session.context, session_handle_of(file), &st) < 0)
		return session_handle_failed(file, fault);
	session_fill_entry(entry, &st);
	return true;
}

static bool session_seek(struct session_file *file, uint64_t offset)
{
	return smbc_getFunctionLseek(session.context)(session.context, session_handle_of(file), (off_t)offset, SEEK_SET) >= 0;
}

long session_read(struct session_file *file, uint64_t offset, void *to, size_t size, struct smb_fault *fault)
{
	ssize_t n;
	if (!session_begin(SMB_PATIENCE_DATA, fault))
		return -1;
	n = session_seek(file, offset) ? smbc_getFunctionRead(session.context)(session.context, session_handle_of(file), to, size) : -1;
	if (n < 0)
		session_handle_failed(file, fault);
	return (long)n;
}

bool session_write(struct session_file *file, uint64_t offset, const void *from, size_t size, struct smb_fault *fault)
{
	ssize_t n;
	if (!session_begin(SMB_PATIENCE_DATA, fault))
		return false;
	n = session_seek(file, offset) ? smbc_getFunctionWrite(session.context)(session.context, session_handle_of(file), from, size) : -1;
	if (n < 0)
		return session_handle_failed(file, fault);
	return (size_t)n == size || fault_set(fault, SMB_FAILED, "the server took only a part of the data");
}

/* Between two pieces of a copy on the server: 0 ends it. */
static int session_goes_on(off_t done, void *unused)
{
	(void)done;
	(void)unused;
	return !lifeline_cancelled();
}

bool session_copy(struct session_file *from, struct session_file *to, uint64_t size, struct smb_fault *fault)
{
	off_t n;
	if (!session_begin(SMB_PATIENCE_DATA, fault))
		return false;
	if (size == 0)
		return true;
	n = smbc_getFunctionSplice(session.context)(session.context, session_handle_of(from), session_handle_of(to), (off_t)size, session_goes_on, NULL);
	if ((n < 0 || (uint64_t)n != size) && lifeline_stops(fault))
		return false;
	if (n < 0)
		return session_handle_failed(NULL, fault);
	return (uint64_t)n == size || fault_set(fault, SMB_FAILED, "the server copied only a part of the file");
}

bool session_close(struct session_file *file, struct smb_fault *fault)
{
	if (!session_begin(SMB_PATIENCE_SHORT, fault))
		return false;
	return smbc_getFunctionClose(session.context)(session.context, session_handle_of(file)) == 0 || session_handle_failed(NULL, fault);
}
