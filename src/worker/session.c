#include "session.h"

#include "shared/previous.h"
#include "configuration.h"
#include "connection.h"
#include "shared/ticks.h"
#include "counters.h"
#include "fault.h"
#include "identity.h"
#include "kdc.h"
#include "logon.h"
#include "rename_guard.h"
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

/* A request for this file shows how the share answers. */
static const char absent_file[] = "lua-smb opens the share";

/* MS-FSCC 2.6 */
enum { ATTRIBUTE_READONLY = 1, ATTRIBUTE_HIDDEN = 2, ATTRIBUTE_SYSTEM = 4, ATTRIBUTE_DIRECTORY = 0x10,
       ATTRIBUTE_ARCHIVE = 0x20, ATTRIBUTE_REPARSE = 0x400 };

static struct {
	SMBCCTX *context;
	const struct smb_connect *target;
	char *root;       /* smb://server:port/share, or without a share for a server whose shares are listed */
	SMBCFILE *shares; /* these, listed when it was connected to and not asked for yet */
	smbc_add_cached_srv_fn keep_server;
	smbc_check_server_fn check_server;
	SMBCSRV *server;  /* the library's name for the connection that the last call used */
	SMBCSRV *coarse;  /* one that sets whole seconds only, and no folder's time, since setting a time has failed there; */
	bool renew;       /* the next call is to have another */
	bool ended;       /* the server ended the logon or closed the share, which the library would use for ever; until there is a new one */
	struct identity identity;
	struct smb_fault stopped; /* why no logon was tried */
	bool poisoned;    /* the password was refused: not tried again, or the account may be locked */
	bool led_elsewhere; /* a link was met that leads to another share */
	struct smb_fault refusal;
} session;

/* ---- paths ---- */

/* Percent-encodes a path; '/' stays when it separates. `out` has room for three times the path and a NUL. */
static char *encode(char *out, const char *path)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-/";
	for (; *path != '\0'; path++) {
		if (strchr(plain, *path) != NULL)
			*out++ = *path;
		else
			out += sprintf(out, "%%%02X", (unsigned char)*path);
	}
	*out = '\0';
	return out;
}

/* The library's name for a path below the share; to be freed. */
static char *url_of(const char *path)
{
	size_t root = strlen(session.root);
	char *url = malloc(root + 1 + 3 * strlen(path) + 1);
	if (url == NULL)
		return NULL;
	memcpy(url, session.root, root);
	url[root] = '/';
	encode(url + root + 1, path);
	return url;
}

static bool make_root(const struct smb_connect *target)
{
	char server[3 * SMB_TEXT_SIZE + 1], share[3 * SMB_TEXT_SIZE + 1];
	encode(server, target->server);
	encode(share, target->share);
	return asprintf(&session.root, "smb://%s:%u%s%s", server, target->port, share[0] != '\0' ? "/" : "", share) > 0;
}

/* Without a share there is one thing to be had: which shares there are. */
static bool lists_shares(void)
{
	return session.target->share[0] == '\0';
}

/* ---- failures ---- */

/* MS-ERREF 2.3.1: the TCP connection stands, and nothing can be had by it any more. */
static bool is_ended(uint32_t status)
{
	const uint32_t network_name_deleted = 0xc00000c9, user_session_deleted = 0xc0000203, session_expired = 0xc000035c;
	return status == network_name_deleted || status == user_session_deleted || status == session_expired;
}

/*
 * The library says EINVAL of each status that it has no other word for, and encryption hides the status. Whether the session has ended
 * is then asked by one request more: EINVAL is no answer for a file.
 */
static bool has_ended_unseen(int error)
{
	SMBCFILE *file;
	char *url;

	if (error != EINVAL || session.ended || wire_step() != SMB_STEP_FILE || !wire_hides_status())
		return false;
	url = url_of(absent_file);
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

/* A name such as NetBIOS has may be known there and nowhere else. */
static void advise_broadcast(struct smb_fault *fault)
{
	const char *server = session.target->server;
	const size_t longest = 15;

	if (session.target->broadcast || strpbrk(server, ".:") != NULL || strlen(server) > longest)
		return;
	fault_set(fault, SMB_HOST_NOT_FOUND,
		  "the server's name does not resolve (broadcast = true asks the local network, where anybody may answer and get "
		  "the logon)");
}

/* What is known of a failed request; of a logon more than the server says. */
static void explain(struct smb_fault *fault, int error)
{
	bool logs_on = wire_step() == SMB_STEP_TICKET || wire_step() == SMB_STEP_LOGON;
	struct smb_info info;

	fault_remote(fault, wire_step(), wire_status(), error, wire_is_broken());
	if (fault->code == SMB_HOST_NOT_FOUND)
		advise_broadcast(fault);
	if (!logs_on || wire_is_broken())
		return;
	wire_info(&info);
	if (identity_wants_kerberos(session.target) && wire_mechanism() != SMB_MECHANISM_NTLM)
		identity_explain(session.target, &session.identity, &info, wire_status(), fault);
	else if (session.target->domain[0] == '\0')
		identity_hint(session.target, wire_domain(), fault);
}

static bool failed_with(struct smb_fault *fault, int error)
{
	session.ended = session.ended || is_ended(wire_status());
	kdc_end();
	if (wire_refusal() == REFUSED_CLEAR)
		return fault_set(fault, SMB_PROTOCOL,
				 lists_shares() ? "encryption is required, and libsmbclient lists shares in clear, unless the server "
						  "encrypts all that it says"
						: "encryption is required, but the library would send clear text (the server does not offer "
				 "encryption, its dialect is below SMB3, or it has 'host msdfs = no')");
	if (wire_refusal() == REFUSED_ELSEWHERE) {
		session.led_elsewhere = true;
		session.ended = session.ended || session.target->dfs; /* a connection there, which was begun, is of no use any more */
		return fault_set(fault, SMB_UNSUPPORTED,
				 session.target->dfs ? "a link leads to another share or server (DFS): what is there is left alone"
						     : "a link leads to another share or server (DFS), and dfs is off");
	}
	if (wire_refusal() == REFUSED_UNSIGNED)
		return fault_set(fault, SMB_PROTOCOL, "signing is required, but the server does not sign");
	if (wire_refusal() == REFUSED_NOBODY)
		return fault_set(fault, SMB_AUTH_FAILED, "the logon would have been one without a name");
	if (wire_refusal() == REFUSED_LOST)
		return fault_set(fault, SMB_DISCONNECTED, "the answer to the logon was lost");
	if (wire_refusal() == REFUSED_CANCELLED)
		return fault_set(fault, SMB_CANCELLED, "cancelled");
	if (wire_refusal() == REFUSED_STOPPED)
		*fault = session.stopped;
	else if (wire_refusal() == REFUSED_PASSWORD)
		logon_refused(fault);
	else if (wire_is_guest())
		fault_guest(fault);
	else
		explain(fault, error);
	if (fault->code == SMB_AUTH_FAILED && logon_refused(&session.refusal)) {
		session.poisoned = true;
		session.refusal = *fault;
	}
	if (has_ended_unseen(error))
		fault_set(fault, SMB_DISCONNECTED, "the server ended the session or closed the share");
	return false;
}

/* Every call begins here: false when the library must not be asked. */
static bool begin(enum smb_patience patience, struct smb_fault *fault)
{
	/* The library would send a request into a connection that the server has closed meanwhile. */
	if (session.context != NULL && (session.ended || connection_any_hung_up()))
		smbc_getFunctionPurgeCachedServers(session.context)(session.context);
	wire_begin(patience);
	errno = 0;
	if (session.poisoned)
		*fault = session.refusal;
	return !session.poisoned;
}

static bool begin_at(enum smb_patience patience, const char *path, char **url, struct smb_fault *fault)
{
	if (!begin(patience, fault))
		return false;
	*url = url_of(path);
	return *url != NULL || failed_with(fault, ENOMEM);
}

/* The same for a call that makes, changes or removes something: the library would do that to the living file. */
static bool begin_change_at(const char *path, char **url, struct smb_fault *fault)
{
	if (previous_is_meant(path))
		return fault_set(fault, SMB_INVALID_NAME, "a part '@GMT-...' means a previous version, which can only be read");
	return begin_at(SMB_PATIENCE_SHORT, path, url, fault);
}

/* Ends a call by path: `result` below 0 is a failure. */
static bool finish(char *url, int result, struct smb_fault *fault)
{
	int error = errno;
	free(url);
	return result >= 0 || failed_with(fault, error);
}

/* ---- connecting ---- */

/*
 * The library asks for each connection that it makes. A ticket may have gone since the last one, or be another's: then nothing is to
 * leave, and least of all what the library would do without.
 */
static void give_credentials(SMBCCTX *context, const char *server, const char *share, char *workgroup,
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
 * The library asks before each call by path, and sends the server an ECHO the first time: wire.c knows without. A connection of which
 * nothing can be had any more is not used again, though an open file holds it.
 */
static int is_server_gone(SMBCCTX *context, SMBCSRV *server)
{
	bool renewed = session.renew && server == session.coarse;
	bool gone = session.ended || renewed || (!connection_is_only_one() && session.check_server(context, server) != 0);

	session.server = server;
	if (gone)
		wire_share_lost();
	return gone;
}

/* The library keeps a connection for later when its share is open: the one sign of that which encryption does not hide. */
static int share_opened(SMBCCTX *context, SMBCSRV *server, const char *name, const char *share, const char *workgroup,
			const char *username)
{
	if (strcasecmp(share, "IPC$") != 0 || lists_shares()) {
		wire_share_opened();
		session.ended = session.renew = false;
		session.coarse = NULL;
		session.server = server;
	}
	return session.keep_server(context, server, name, share, workgroup, username);
}

static smbc_smb_encrypt_level encryption_level(enum smb_demand demand)
{
	switch (demand) {
	case SMB_DEMAND_OFF: return SMBC_ENCRYPTLEVEL_NONE;
	case SMB_DEMAND_DESIRED: return SMBC_ENCRYPTLEVEL_REQUEST;
	case SMB_DEMAND_REQUIRED: return SMBC_ENCRYPTLEVEL_REQUIRE;
	default: return SMBC_ENCRYPTLEVEL_DEFAULT;
	}
}

static void set_options(SMBCCTX *context, const struct smb_connect *t)
{
	smbc_setDebug(context, 0);
	smbc_setOptionDebugToStderr(context, 1);
	smbc_setFunctionAuthDataWithContext(context, give_credentials);
	smbc_setTimeout(context, LIBRARY_TIMEOUT);
	smbc_setOptionNoAutoAnonymousLogin(context, 1);
	smbc_setOptionUseCCache(context, 0);
	smbc_setOptionUseKerberos(context, identity_wants_kerberos(t));
	smbc_setOptionFallbackAfterKerberos(context, identity_wants_kerberos(t) && identity_may_use_ntlm(t));
	smbc_setOptionSmbEncryptionLevel(context, encryption_level(t->encryption));
}

/* The library looks for its configuration once, here. */
static SMBCCTX *new_context(const struct smb_connect *target)
{
	SMBCCTX *context = configuration_begin(target) ? smbc_new_context() : NULL;

	if (configuration_end() || context == NULL)
		return context;
	smbc_free_context(context, 1);
	return NULL;
}

static bool keep_connection(struct smb_fault *fault)
{
	identity_keep(&session.identity);
	return wire_keeps_demand() ||
	       fault_set(fault, SMB_PROTOCOL,
			 "what is required of the connection cannot be checked: this libsmbclient sends in a way that smb-worker does not see");
}

/* The library lists a server's shares by a connection to its IPC$. */
static bool open_server(struct smb_fault *fault)
{
	char *url;

	if (!begin_at(SMB_PATIENCE_SHORT, "", &url, fault))
		return false;
	session.shares = smbc_getFunctionOpendir(session.context)(session.context, url);
	return finish(url, session.shares != NULL ? 0 : -1, fault) && keep_connection(fault);
}

/*
 * Connects, logs on and opens the share. A name that is not UTF-8 cannot be put into a request: the library does all that comes before
 * one, and sends none. Where something is demanded of all that is sent, a request shows that at once.
 */
static bool open_share(const struct smb_connect *target, struct smb_fault *fault)
{
	bool demanding = target->encryption == SMB_DEMAND_REQUIRED || target->signing == SMB_DEMAND_REQUIRED;
	struct session_file *file;
	bool lost;

	if (lists_shares())
		return open_server(fault);
	file = session_open(demanding ? absent_file : "\xff", 0, NULL, fault);
	if (file != NULL && !session_close(file, fault))
		return false;
	lost = fault->code == SMB_DISCONNECTED || fault->code == SMB_TIMEOUT || fault->code == SMB_PROTOCOL ||
	       fault->code == SMB_AUTH_FAILED || fault->code == SMB_CANCELLED;
	if (wire_step() != SMB_STEP_FILE || lost)
		return false;
	memset(fault, 0, sizeof *fault);
	return keep_connection(fault);
}

bool session_start(const struct smb_connect *target, struct smb_fault *fault)
{
	const struct demand demand = {
	    .encryption = target->encryption == SMB_DEMAND_REQUIRED,
	    .signing = target->signing == SMB_DEMAND_REQUIRED,
	    .named = !target->anonymous,
	    .kerberos = !identity_may_use_ntlm(target),
	};
	SMBCCTX *context;

	session.target = target;
	wire_demand(&demand);
	wire_follow(target->dfs != 0);
	if (target->ccache[0] != '\0')
		setenv("KRB5CCNAME", target->ccache, 1);
	if (!begin(SMB_PATIENCE_SHORT, fault) || !identity_choose(target, &session.identity, fault))
		return false;
	if (!make_root(target))
		return failed_with(fault, ENOMEM);
	context = new_context(target);
	if (context == NULL)
		return fault_set(fault, SMB_FAILED, "libsmbclient did not take the configuration that it was given");
	set_options(context, target);
	if (smbc_init_context(context) == NULL)
		return fault_set(fault, SMB_FAILED, "libsmbclient could not be set up");
	session.keep_server = smbc_getFunctionAddCachedServer(context);
	smbc_setFunctionAddCachedServer(context, share_opened);
	session.check_server = smbc_getFunctionCheckServer(context);
	smbc_setFunctionCheckServer(context, is_server_gone);
	session.context = context;
	if (open_share(target, fault))
		return true;
	/* A server that knows no dialect of ours hangs up. One that was just stopped does so only once. */
	if (wire_step() != SMB_STEP_NEGOTIATE || fault->code != SMB_DISCONNECTED)
		return false;
	if (open_share(target, fault))
		return true;
	if (wire_step() == SMB_STEP_NEGOTIATE && fault->code == SMB_DISCONNECTED)
		fault_set(fault, SMB_PROTOCOL, "the server hangs up: it speaks no dialect that is allowed (SMB1 only?)");
	return false;
}

/* A ticket hides whose it is. A domain that nobody has named is the library's own addition. */
static void tell_user(struct smb_info *info)
{
	const char *name = strchr(info->user, '\\');

	if (info->mechanism == SMB_MECHANISM_KERBEROS)
		snprintf(info->user, sizeof info->user, "%.255s", session.identity.owner);
	else if (name != NULL && session.target->domain[0] == '\0' && strchr(session.target->username, '\\') == NULL)
		memmove(info->user, name + 1, strlen(name + 1) + 1);
}

void session_info(struct smb_info *info)
{
	memset(info, 0, sizeof *info);
	wire_info(info);
	tell_user(info);
	snprintf(info->library, sizeof info->library, "%s", smbc_version());
}

/* ---- entries ---- */

/* For FILETIME's 0 the library gives a "leave it alone" that is no time. */
static int64_t name_index_time(struct timespec t)
{
	return t.tv_nsec >= 0 && t.tv_nsec < 1000000000 ? ticks_of_timespec(t) : TICKS_UNKNOWN;
}

/* A file's own time is never unknown: 0 is the first moment of 1601. */
static int64_t time_of(struct timespec t)
{
	int64_t known = name_index_time(t);
	return known != TICKS_UNKNOWN ? known : TICKS_FIRST;
}

static uint16_t type_of(uint32_t attributes)
{
	if (attributes & ATTRIBUTE_REPARSE)
		return SMB_ENTRY_LINK;
	return attributes & ATTRIBUTE_DIRECTORY ? SMB_ENTRY_DIRECTORY : SMB_ENTRY_FILE;
}

/* The library puts attributes into the mode's bits; of a folder, whose execute bits are always set, only one can be told. */
static uint32_t attributes_of(mode_t mode)
{
	uint32_t attributes = mode & S_IWUSR ? 0 : ATTRIBUTE_READONLY;
	if (S_ISDIR(mode))
		return attributes | ATTRIBUTE_DIRECTORY;
	return attributes | (mode & S_IXUSR ? ATTRIBUTE_ARCHIVE : 0) | (mode & S_IXGRP ? ATTRIBUTE_SYSTEM : 0) |
	       (mode & S_IXOTH ? ATTRIBUTE_HIDDEN : 0);
}

static struct session_opened what_was_opened(void)
{
	struct smb_entry entry;

	if (!wire_created(&entry))
		return (struct session_opened){0};
	return (struct session_opened){true, entry.size, entry.mtime, entry.atime, entry.btime, entry.ctime, entry.attributes};
}

/* The answer on the wire tells more than stat, unless it is encrypted: then the creation time stays unknown. */
static void fill_entry(struct smb_entry *entry, const struct stat *st)
{
	struct session_opened opened = what_was_opened();

	memset(entry, 0, sizeof *entry);
	entry->mtime = time_of(st->st_mtim);
	entry->atime = time_of(st->st_atim);
	entry->btime = opened.is_known ? opened.btime : TICKS_UNKNOWN;
	entry->ctime = opened.is_known ? opened.ctime : name_index_time(st->st_ctim);
	entry->attributes = opened.is_known ? opened.attributes : attributes_of(st->st_mode);
	entry->type = type_of(entry->attributes);
	entry->size = entry->type == SMB_ENTRY_FILE ? (uint64_t)st->st_size : 0;
}

bool session_stat(const char *path, struct smb_entry *entry, struct smb_fault *fault)
{
	struct stat st;
	char *url;
	int result;

	if (!begin_at(SMB_PATIENCE_SHORT, path, &url, fault))
		return false;
	result = smbc_getFunctionStat(session.context)(session.context, url, &st);
	if (result == 0)
		fill_entry(entry, &st);
	return finish(url, result, fault);
}

/* ---- calls by path ---- */

bool session_mkdir(const char *path, struct smb_fault *fault)
{
	char *url;
	return begin_change_at(path, &url, fault) &&
	       finish(url, smbc_getFunctionMkdir(session.context)(session.context, url, 0755), fault);
}

bool session_rmdir(const char *path, struct smb_fault *fault)
{
	char *url;
	if (!begin_change_at(path, &url, fault))
		return false;
	counters_add_removal();
	return finish(url, smbc_getFunctionRmdir(session.context)(session.context, url), fault);
}

bool session_unlink(const char *path, struct smb_fault *fault)
{
	char *url;
	if (!begin_change_at(path, &url, fault))
		return false;
	counters_add_removal();
	return finish(url, smbc_getFunctionUnlink(session.context)(session.context, url), fault);
}

bool session_rename(const char *from, const char *to, struct smb_fault *fault)
{
	char *from_url, *to_url;
	int result;

	if (previous_is_meant(to) ? !begin_change_at(to, &to_url, fault) : !begin_change_at(from, &from_url, fault))
		return false;
	to_url = url_of(to);
	if (to_url == NULL)
		return finish(from_url, -1, fault);
	counters_add_removal();
	rename_guard_set(true);
	result = smbc_getFunctionRename(session.context)(session.context, from_url, session.context, to_url);
	rename_guard_set(false);
	free(to_url);
	if (result < 0 && wire_refusal() == REFUSED_REPLACE) {
		free(from_url);
		return fault_set(fault, SMB_EXISTS, "it exists already");
	}
	return finish(from_url, result, fault);
}

/*
 * What fails the library tries once more, by means of old servers: in whole seconds, for files only; and from then on, on this
 * connection, always so.
 */
static bool set_times(const char *path, int64_t mtime, struct session_opened *opened, struct smb_fault *fault)
{
	struct timeval times[2] = {ticks_timeval(ticks_settable(mtime)), ticks_timeval(ticks_settable(mtime))};
	char *url;
	int result;

	if (!begin_change_at(path, &url, fault))
		return false;
	result = smbc_getFunctionUtimes(session.context)(session.context, url, times);
	*opened = what_was_opened();
	if (result == 0)
		return finish(url, result, fault);
	session.coarse = session.server;
	wire_blame_first();
	finish(url, result, fault);
	if (fault->code == SMB_IS_DIRECTORY)
		fault_set(fault, SMB_ACCESS_DENIED, "the server does not let the folder's time be set");
	return false;
}

bool session_set_new_time(const char *path, int64_t mtime, struct session_opened *opened, struct smb_fault *fault)
{
	if (!set_times(path, mtime, opened, fault))
		return false;
	if (session.coarse == NULL)
		return true;
	session.renew = true;
	return set_times(path, mtime, opened, fault);
}

/* What of a file's attributes can be set. */
enum { ATTRIBUTES_SET = ATTRIBUTE_READONLY | ATTRIBUTE_HIDDEN | ATTRIBUTE_SYSTEM | ATTRIBUTE_ARCHIVE };

bool session_set_attributes(const char *path, uint32_t attributes, struct smb_fault *fault)
{
	mode_t mode = attributes & ATTRIBUTE_READONLY ? 0 : S_IWUSR;
	char *url;

	mode |= attributes & ATTRIBUTE_ARCHIVE ? S_IXUSR : 0;
	mode |= attributes & ATTRIBUTE_SYSTEM ? S_IXGRP : 0;
	mode |= attributes & ATTRIBUTE_HIDDEN ? S_IXOTH : 0;
	return begin_change_at(path, &url, fault) &&
	       finish(url, smbc_getFunctionChmod(session.context)(session.context, url, mode), fault);
}

/* Where no answer can be read only a listing tells a folder's. */
static uint32_t listed_attributes(const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path, *name;
	char *parent = strndup(path, slash != NULL ? (size_t)(slash - path) : 0);
	struct session_list *list = parent != NULL && base[0] != '\0' ? session_list(parent, &(struct smb_fault){0}) : NULL;
	uint32_t attributes = 0;
	struct smb_entry entry;
	bool exact = false;

	while (list != NULL && !exact && session_list_next(list, &entry, &name)) {
		exact = strcmp(name, base) == 0;
		if (exact || strcasecmp(name, base) == 0)
			attributes = entry.attributes;
	}
	if (list != NULL)
		session_list_close(list);
	free(parent);
	return attributes;
}

static bool find_attributes(const char *path, uint32_t *attributes, struct smb_fault *fault)
{
	struct smb_entry entry;

	if (!session_stat(path, &entry, fault))
		return false;
	*attributes = entry.attributes;
	if (entry.type == SMB_ENTRY_DIRECTORY && !what_was_opened().is_known)
		*attributes = listed_attributes(path);
	return true;
}

/* To set a time the library clears the attributes. Where the answers can be read, that to opening the file has told them. */
bool session_utime(const char *path, int64_t mtime, struct session_opened *opened, struct smb_fault *fault)
{
	uint32_t attributes = 0;

	session.renew = session.coarse != NULL;
	if (!wire_is_overt() && !find_attributes(path, &attributes, fault))
		return false;
	if (!set_times(path, mtime, opened, fault))
		return false;
	if (opened->is_known)
		attributes = opened->attributes;
	attributes &= ATTRIBUTES_SET;
	if (attributes == 0 || session_set_attributes(path, attributes, fault))
		return true;
	return fault_broke(fault) && session_set_attributes(path, attributes, fault);
}

bool session_quota(const char *path, uint64_t *total, uint64_t *available, struct smb_fault *fault)
{
	struct statvfs st;
	char *url;

	if (!begin_at(SMB_PATIENCE_SHORT, path, &url, fault))
		return false;
	memset(&st, 0, sizeof st);
	if (!finish(url, smbc_getFunctionStatVFS(session.context)(session.context, url, &st), fault))
		return false;
	/* f_frsize counts blocks of f_bsize bytes. */
	*total = (uint64_t)st.f_bsize * st.f_frsize * st.f_blocks;
	*available = (uint64_t)st.f_bsize * st.f_frsize * st.f_bavail;
	return *total != 0 || fault_set(fault, SMB_UNSUPPORTED, "the server does not say how large the share is");
}

/* ---- listings ---- */

enum { SHARE_SIZE = 2048 }; /* bytes of a share's name and comment: more than servers take */

struct session_list {
	SMBCFILE *folder;
	uint32_t place;
	char share[SHARE_SIZE]; /* the last one that was given */
};

uint32_t session_list_place(const struct session_list *list)
{
	return list->place;
}

uint32_t session_place(void)
{
	return wire_place();
}

void session_stay(bool on, uint32_t place)
{
	wire_stay(on, place);
}

bool session_has_links(void)
{
	struct smb_info info = {0};
	wire_info(&info);
	return info.dfs || session.led_elsewhere;
}

struct session_list *session_list(const char *path, struct smb_fault *fault)
{
	struct session_list *list = calloc(1, sizeof *list);
	char *url;

	if (list == NULL)
		failed_with(fault, ENOMEM);
	else if (begin_at(SMB_PATIENCE_LIST, path, &url, fault)) {
		list->folder = session.shares != NULL ? session.shares : smbc_getFunctionOpendir(session.context)(session.context, url);
		session.shares = NULL;
		list->place = wire_place();
		if (finish(url, list->folder != NULL ? 0 : -1, fault))
			return list;
	}
	free(list);
	return NULL;
}

/* The folder itself, its parent, and what no server may send: such a name would lead a careless script astray. */
static bool is_no_entry(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || name[0] == '\0' || strpbrk(name, "/\\") != NULL;
}

/* A share: "name/comment". */
static bool next_share(struct session_list *list, struct smb_entry *entry, const char **name)
{
	const struct smbc_dirent *share;

	do {
		share = smbc_getFunctionReaddir(session.context)(session.context, list->folder);
		if (share == NULL)
			return false;
	} while (is_no_entry(share->name));
	*entry = (struct smb_entry){
	    .type = SMB_ENTRY_SHARE,
	    .attributes = share->smbc_type == SMBC_FILE_SHARE  ? SMB_SHARE_DISK
			  : share->smbc_type == SMBC_IPC_SHARE ? SMB_SHARE_IPC
							       : SMB_SHARE_PRINTER,
	};
	snprintf(list->share, sizeof list->share, "%s/%s", share->name, share->comment != NULL ? share->comment : "");
	*name = list->share;
	return true;
}

bool session_list_next(struct session_list *list, struct smb_entry *entry, const char **name)
{
	const struct libsmb_file_info *info;

	if (lists_shares())
		return next_share(list, entry, name);

	/* Not readdirplus2, which makes up an inode: it takes the whole path apart for each entry, ten times as long. */
	do {
		info = smbc_getFunctionReaddirPlus(session.context)(session.context, list->folder);
		if (info == NULL)
			return false;
	} while (is_no_entry(info->name));
	*entry = (struct smb_entry){
	    .size = info->size,
	    .mtime = time_of(info->mtime_ts),
	    .atime = time_of(info->atime_ts),
	    .btime = name_index_time(info->btime_ts),
	    .ctime = name_index_time(info->ctime_ts),
	    .attributes = info->attrs,
	    .type = type_of(info->attrs),
	};
	if (entry->type != SMB_ENTRY_FILE)
		entry->size = 0;
	*name = info->name;
	return true;
}

void session_list_close(struct session_list *list)
{
	smbc_getFunctionClosedir(session.context)(session.context, list->folder);
	free(list);
}

/* ---- files ---- */

/* The library's SMBCFILE, which is also a list's node, under a name of ours. */
struct session_file;

static SMBCFILE *handle(struct session_file *file)
{
	return (SMBCFILE *)(void *)file;
}

/* Of a handle that lives something else is said than EINVAL. */
static bool is_alive(struct session_file *file)
{
	struct stat st;

	wire_begin(SMB_PATIENCE_SHORT);
	errno = 0;
	return smbc_getFunctionFstat(session.context)(session.context, handle(file), &st) == 0 || errno != EINVAL;
}

/*
 * The library says EINVAL of a handle whose connection has gone, and of what a server has refused: the latter's answer cannot be read
 * behind encryption, but it has come. `file`: NULL when nothing can be asked of it any more.
 */
static bool is_handle_gone(struct session_file *file, int error)
{
	if (error != EINVAL || wire_status() != 0)
		return false;
	return file == NULL || !wire_was_answered_unseen() || wire_is_broken() || session.ended || connection_any_hung_up() || !is_alive(file);
}

static bool handle_failed(struct session_file *file, struct smb_fault *fault)
{
	int error = errno;
	bool gone = is_handle_gone(file, error);

	failed_with(fault, gone ? ECONNABORTED : error);
	if (gone)
		has_ended_unseen(error);
	return false;
}

/* A handle that may only write can be asked neither its size nor its times, so writing is reading, too, where that is allowed. */
static int open_flags(uint32_t flags)
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
	if (flags & SMB_FLAG_WRITABLE ? !begin_change_at(path, &url, fault) : !begin_at(SMB_PATIENCE_SHORT, path, &url, fault))
		return NULL;
	file = smbc_getFunctionOpen(session.context)(session.context, url, open_flags(flags), 0666);
	if (opened != NULL)
		*opened = what_was_opened();
	if (finish(url, file != NULL ? 0 : -1, fault))
		return (struct session_file *)(void *)file;
	/* Where encryption hides which of the two is missing: a file that is to be made can lack its folder only. */
	if ((flags & SMB_FLAG_CREATE) && fault->code == SMB_NOT_FOUND)
		fault_is(fault, SMB_FOLDER_MISSING, "the folder does not exist");
	return NULL;
}

bool session_truncate(struct session_file *file, uint64_t size, struct smb_fault *fault)
{
	if (!begin(SMB_PATIENCE_SHORT, fault))
		return false;
	return smbc_getFunctionFtruncate(session.context)(session.context, handle(file), (off_t)size) == 0 || handle_failed(file, fault);
}

bool session_look(struct session_file *file, struct smb_entry *entry, struct smb_fault *fault)
{
	struct stat st;
	if (!begin(SMB_PATIENCE_SHORT, fault))
		return false;
	if (smbc_getFunctionFstat(session.context)(session.context, handle(file), &st) < 0)
		return handle_failed(file, fault);
	fill_entry(entry, &st);
	return true;
}

bool session_size(struct session_file *file, uint64_t *size, int64_t *mtime, struct smb_fault *fault)
{
	struct smb_entry entry;
	if (!session_look(file, &entry, fault))
		return false;
	*size = entry.size;
	*mtime = entry.mtime;
	return true;
}

static bool seek(struct session_file *file, uint64_t offset)
{
	return smbc_getFunctionLseek(session.context)(session.context, handle(file), (off_t)offset, SEEK_SET) >= 0;
}

long session_read(struct session_file *file, uint64_t offset, void *to, size_t size, struct smb_fault *fault)
{
	ssize_t n;
	if (!begin(SMB_PATIENCE_DATA, fault))
		return -1;
	n = seek(file, offset) ? smbc_getFunctionRead(session.context)(session.context, handle(file), to, size) : -1;
	if (n < 0)
		handle_failed(file, fault);
	return (long)n;
}

bool session_write(struct session_file *file, uint64_t offset, const void *from, size_t size, struct smb_fault *fault)
{
	ssize_t n;
	if (!begin(SMB_PATIENCE_DATA, fault))
		return false;
	n = seek(file, offset) ? smbc_getFunctionWrite(session.context)(session.context, handle(file), from, size) : -1;
	if (n < 0)
		return handle_failed(file, fault);
	return (size_t)n == size || fault_set(fault, SMB_FAILED, "the server took only a part of the data");
}

static int go_on(off_t done, void *counter)
{
	(void)done;
	(void)counter;
	return 1;
}

bool session_copy(struct session_file *from, struct session_file *to, uint64_t size, struct smb_fault *fault)
{
	off_t n;
	if (!begin(SMB_PATIENCE_DATA, fault))
		return false;
	if (size == 0)
		return true;
	n = smbc_getFunctionSplice(session.context)(session.context, handle(from), handle(to), (off_t)size, go_on, NULL);
	if (n < 0)
		return handle_failed(NULL, fault);
	return (uint64_t)n == size || fault_set(fault, SMB_FAILED, "the server copied only a part of the file");
}

bool session_close(struct session_file *file, struct smb_fault *fault)
{
	if (!begin(SMB_PATIENCE_SHORT, fault))
		return false;
	return smbc_getFunctionClose(session.context)(session.context, handle(file)) == 0 || handle_failed(NULL, fault);
}
