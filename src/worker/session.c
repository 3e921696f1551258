#include "session.h"

#include "configuration.h"
#include "connection.h"
#include "counters.h"
#include "entry.h"
#include "failure.h"
#include "fault.h"
#include "follow.h"
#include "identity.h"
#include "kdc.h"
#include "links.h"
#include "logon.h"
#include "referral_watch.h"
#include "rename_guard.h"
#include "session_calls.h"
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
	/* one that sets whole seconds only, and no folder's time, since setting a time has failed there; */
	SMBCSRV *coarse;
	bool renew;       /* the next call is to have another */
	/*
	 * the server ended the logon or closed the share, which the library would use for ever; until there is a new
	 * one
	 */
	bool ended;
	struct identity identity;
	struct smb_fault stopped; /* why no logon was tried */
	bool poisoned;    /* the password was refused: not tried again, or the account may be locked */
	struct smb_fault refusal;
} session;

bool session_has_ended(void)
{
	return session.ended;
}

/* Without a share one thing can be had: which shares there are. */
static bool session_lists_shares(void)
{
	return session.target->share[0] == '\0';
}

/* ---- failures ---- */

/*
 * The library reports EINVAL for each status that it has no other word for, and encryption hides the status. Then one
 * request more asks whether the session has ended: EINVAL is no answer to opening a file.
 */
bool session_has_ended_unseen(int error)
{
	SMBCFILE *file;
	char *url;

	if (error != EINVAL || session.ended || wire_step() != SMB_STEP_FILE || !wire_hides_status())
		return false;
	url = links_url(follow_place(), SESSION_ABSENT_FILE);
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

bool session_failed_with(struct smb_fault *fault, int error)
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
bool session_begin(enum smb_patience patience, struct smb_fault *fault)
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

/* ---- connecting ---- */

/*
 * The library calls this for each connection that it makes. Since the last one the ticket may have gone, or have become
 * another's: then nothing must leave, since the library would log on without it.
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
 * The library calls this before each call by path. Its own check sends an ECHO the first time, which connection.c
 * spares. A connection whose session has ended is not used again, though an open file holds it.
 */
static int session_is_server_gone(SMBCCTX *context, SMBCSRV *server)
{
	bool renewed = session.renew && server == session.coarse;
	bool gone =
	    session.ended || renewed || (!connection_is_only_one() && session.check_server(context, server) != 0);

	session.server = server;
	if (gone)
		wire_share_lost();
	else
		wire_use(server);
	return gone;
}

/* The library keeps a connection for later once its share is open: encryption hides every other sign of that. */
static int session_share_opened(SMBCCTX *context, SMBCSRV *server, const char *name, const char *share,
				const char *workgroup, const char *username)
{
	if (strcasecmp(share, "IPC$") != 0 || session_lists_shares()) {
		wire_share_opened(server);
		session.ended = session.renew = false;
		session.coarse = NULL;
		session.server = server;
	}
	return session.keep_server(context, server, name, share, workgroup, username);
}

static smbc_smb_encrypt_level session_encryption_level(enum smb_demand demand)
{
	switch (demand) {
	case SMB_DEMAND_OFF: return SMBC_ENCRYPTLEVEL_NONE;
	case SMB_DEMAND_DESIRED: return SMBC_ENCRYPTLEVEL_REQUEST;
	default: return SMBC_ENCRYPTLEVEL_REQUIRE;
	}
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
	/* Else as the configuration has it. Samba before 4.14 has no name for that. */
	if (t->encryption != SMB_DEMAND_DEFAULT)
		smbc_setOptionSmbEncryptionLevel(context, session_encryption_level(t->encryption));
}

/* The library reads its configuration here, and never again. */
static SMBCCTX *session_new_context(const struct smb_connect *target)
{
	SMBCCTX *context = configuration_begin(target, &session.identity) ? smbc_new_context() : NULL;

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
	if (!follow_start(target))
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

/* `context`: where the handle goes. */
static int session_do_opendir(const char *url, void *context)
{
	SMBCFILE **folder = context;
	*folder = smbc_getFunctionOpendir(session.context)(session.context, url);
	return *folder != NULL ? 0 : -1;
}

bool session_open_server(struct smb_fault *fault)
{
	return session_read_at("", session_do_opendir, &session.shares, fault);
}

void session_keep_identity(void)
{
	identity_keep(&session.identity);
}

const char *session_library(void)
{
	return smbc_version();
}

void session_info(struct smb_info *info)
{
	memset(info, 0, sizeof *info);
	wire_info(info);
	identity_show(session.target, &session.identity, info);
	snprintf(info->library, sizeof info->library, "%s", session_library());
}

/* ---- entries ---- */

/* Where answers are encrypted only stat tells, and the creation time stays unknown. */
void session_fill_entry(struct smb_entry *entry, const struct stat *st)
{
	struct smb_entry opened;
	entry_of_stat(entry, st, wire_created(&opened) ? &opened : NULL);
}

int session_do_stat(const char *url, void *context)
{
	return smbc_getFunctionStat(session.context)(session.context, url, context);
}

/* The folder that a link leads to is shown as the link, as listings have it. */
static void session_show_link(struct smb_entry *entry)
{
	entry->attributes |= ENTRY_REPARSE | ENTRY_DIRECTORY;
	entry->type = SMB_ENTRY_LINK;
	entry->size = 0;
}

bool session_stat(const char *path, struct smb_entry *entry, struct smb_fault *fault)
{
	struct stat st;

	if (!session_read_at(path, session_do_stat, &st, fault))
		return false;
	session_fill_entry(entry, &st);
	if (links_is_link(follow_place(), path))
		session_show_link(entry);
	return true;
}

/* ---- changes ---- */

static int session_do_mkdir(const char *url, void *unused)
{
	(void)unused;
	return smbc_getFunctionMkdir(session.context)(session.context, url, 0755);
}

bool session_mkdir(const char *path, struct smb_fault *fault)
{
	return session_change_at(FOLLOW_MAKES, path, session_do_mkdir, NULL, fault);
}

static int session_do_rmdir(const char *url, void *unused)
{
	(void)unused;
	counters_add_removal();
	return smbc_getFunctionRmdir(session.context)(session.context, url);
}

bool session_rmdir(const char *path, struct smb_fault *fault)
{
	return session_change_at(FOLLOW_REMOVES, path, session_do_rmdir, NULL, fault);
}

static int session_do_unlink(const char *url, void *unused)
{
	(void)unused;
	counters_add_removal();
	return smbc_getFunctionUnlink(session.context)(session.context, url);
}

bool session_unlink(const char *path, struct smb_fault *fault)
{
	return session_change_at(FOLLOW_REMOVES, path, session_do_unlink, NULL, fault);
}

/* `context`: the new path. What lies in two places has no name in common. */
static int session_do_rename(const char *url, void *context)
{
	const char *to = context;
	char *to_url;
	int result;

	if (links_place(to) != follow_place() || links_is_link(follow_place(), to)) {
		errno = EXDEV;
		return -1;
	}
	to_url = links_url(follow_place(), to);
	if (to_url == NULL)
		return -1;
	counters_add_removal();
	rename_guard_set(true);
	result = smbc_getFunctionRename(session.context)(session.context, url, session.context, to_url);
	rename_guard_set(false);
	free(to_url);
	return result;
}

bool session_rename(const char *from, const char *to, struct smb_fault *fault)
{
	return session_change_at(FOLLOW_REMOVES, previous_is_meant(to) ? to : from, session_do_rename,
				 (void *)(uintptr_t)to, fault);
}

/* A time, and what the answer to the opening that setting one costs has said. */
struct session_time {
	int64_t mtime;
	struct session_opened *opened;
};

static int session_do_utimes(const char *url, void *context)
{
	struct session_time *t = context;
	struct timeval times[2] = {ticks_timeval(ticks_settable(t->mtime)), ticks_timeval(ticks_settable(t->mtime))};
	int result = smbc_getFunctionUtimes(session.context)(session.context, url, times);

	t->opened->is_known = wire_created(&t->opened->entry);
	if (result < 0) {
		session.coarse = session.server;
		wire_blame_first();
	}
	return result;
}

/*
 * When the library fails it tries once more as old servers want it, in whole seconds and for files only, and from then
 * on it does so for each file of this connection.
 */
static bool session_set_times(const char *path, int64_t mtime, struct session_opened *opened, struct smb_fault *fault)
{
	struct session_time t = {mtime, opened};

	if (session_change_at(FOLLOW_CHANGES, path, session_do_utimes, &t, fault))
		return true;
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

static int session_do_chmod(const char *url, void *context)
{
	const uint32_t *attributes = context;
	return smbc_getFunctionChmod(session.context)(session.context, url, entry_mode(*attributes));
}

bool session_set_attributes(const char *path, uint32_t attributes, struct smb_fault *fault)
{
	return session_change_at(FOLLOW_CHANGES, path, session_do_chmod, &attributes, fault);
}

static int session_do_statvfs(const char *url, void *context)
{
	return smbc_getFunctionStatVFS(session.context)(session.context, (char *)(uintptr_t)url, context);
}

bool session_quota(const char *path, uint64_t *total, uint64_t *available, struct smb_fault *fault)
{
	struct statvfs st = {0};
	uint64_t block;

	/* the library lists the folder */
	if (!session_call(FOLLOW_READS, SMB_PATIENCE_LIST, path, session_do_statvfs, &st, fault))
		return false;
	/* counts blocks of f_bsize bytes; SMB1: 0 */
	block = (uint64_t)st.f_bsize * (st.f_frsize != 0 ? st.f_frsize : 1);
	*total = entry_size(block * st.f_blocks);
	*available = entry_size(block * st.f_bavail);
	return *total != 0 || fault_set(fault, SMB_UNSUPPORTED, "the server does not say how large the share is");
}

/* ---- open files: the library's SMBCFILE, under a name of ours ---- */

static SMBCFILE *session_handle_of(struct session_file *file)
{
	return (SMBCFILE *)(void *)file;
}

struct session_file *session_do_open(const char *url, int flags)
{
	return (struct session_file *)(void *)smbc_getFunctionOpen(session.context)(session.context, url, flags, 0666);
}

int session_do_fstat(struct session_file *file, struct stat *st)
{
	return smbc_getFunctionFstat(session.context)(session.context, session_handle_of(file), st);
}

int session_do_truncate(struct session_file *file, off_t size)
{
	return smbc_getFunctionFtruncate(session.context)(session.context, session_handle_of(file), size);
}

off_t session_do_seek(struct session_file *file, off_t offset)
{
	return smbc_getFunctionLseek(session.context)(session.context, session_handle_of(file), offset, SEEK_SET);
}

ssize_t session_do_read(struct session_file *file, void *to, size_t size)
{
	return smbc_getFunctionRead(session.context)(session.context, session_handle_of(file), to, size);
}

ssize_t session_do_write(struct session_file *file, const void *from, size_t size)
{
	return smbc_getFunctionWrite(session.context)(session.context, session_handle_of(file), from, size);
}

off_t session_do_splice(struct session_file *from, struct session_file *to, off_t size, int (*goes_on)(off_t, void *))
{
	return smbc_getFunctionSplice(session.context)(session.context, session_handle_of(from), session_handle_of(to),
						       size, goes_on, NULL);
}

int session_do_close(struct session_file *file)
{
	return smbc_getFunctionClose(session.context)(session.context, session_handle_of(file));
}

/* ---- listings ---- */

struct session_list {
	SMBCFILE *folder;
	uint32_t place;
	char share[2048]; /* "NAME/COMMENT" of the last share: more than servers take */
};

uint32_t session_list_place(const struct session_list *list)
{
	return list->place;
}

struct session_list *session_list(const char *path, struct smb_fault *fault)
{
	struct session_list *list = calloc(1, sizeof *list);

	if (list == NULL) {
		session_failed_with(fault, ENOMEM);
		return NULL;
	}
	list->folder = session.shares;
	session.shares = NULL;
	if (list->folder == NULL &&
	    !session_call(FOLLOW_READS, SMB_PATIENCE_LIST, path, session_do_opendir, &list->folder, fault)) {
		free(list);
		return NULL;
	}
	list->place = follow_answered();
	return list;
}

static uint32_t session_share_type(const struct smbc_dirent *share)
{
	switch (share->smbc_type) {
	case SMBC_FILE_SHARE: return SMB_SHARE_DISK;
	case SMBC_IPC_SHARE: return SMB_SHARE_IPC;
	default: return SMB_SHARE_PRINTER;
	}
}

static bool session_next_share(struct session_list *list, struct smb_entry *entry, const char **name)
{
	const struct smbc_dirent *share;

	do {
		share = smbc_getFunctionReaddir(session.context)(session.context, list->folder);
		if (share == NULL)
			return false;
	} while (entry_is_none(share->name));
	*entry = (struct smb_entry){.type = SMB_ENTRY_SHARE, .attributes = session_share_type(share)};
	snprintf(list->share, sizeof list->share, "%s/%s", share->name, share->comment != NULL ? share->comment : "");
	*name = list->share;
	return true;
}

bool session_list_next(struct session_list *list, struct smb_entry *entry, const char **name)
{
	const struct libsmb_file_info *info;

	if (session_lists_shares())
		return session_next_share(list, entry, name);

	/*
	 * Not readdirplus2, which makes up an inode: it takes the whole path apart for each entry, ten times as long.
	 */
	do {
		info = smbc_getFunctionReaddirPlus(session.context)(session.context, list->folder);
		if (info == NULL)
			return false;
	} while (entry_is_none(info->name));
	entry_fill(entry, info->attrs, info->size, &info->mtime_ts, &info->atime_ts, &info->btime_ts, &info->ctime_ts);
	*name = info->name;
	return true;
}

void session_list_close(struct session_list *list)
{
	smbc_getFunctionClosedir(session.context)(session.context, list->folder);
	free(list);
}
