/*
 * smb-worker: the program that calls libsmbclient, a process for each connection. The module starts it, never a user.
 * It greets, is told whom to connect to, and replies to one request after another until the module hangs up.
 */
#include "addresses.h"
#include "confine.h"
#include "connect.h"
#include "counters.h"
#include "detach.h"
#include "dispatch.h"
#include "fault.h"
#include "handles.h"
#include "identity.h"
#include "lifeline.h"
#include "logon.h"
#include "mtime.h"
#include "prefetch.h"
#include "rate_limit.h"
#include "replace.h"
#include "session.h"
#include "wire.h"
#include "shared/memory.h"
#include "shared/message.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static _Alignas(8) char inbox[SMB_MESSAGE_MAX];
static _Alignas(8) char outbox[SMB_MESSAGE_MAX];

static uint32_t main_confined; /* enum smb_confined */

/*
 * Servers count sessions: a worker that nobody has needed for so long ends its own. It does so by itself, because the
 * module may be asleep. The module gives a request that crosses its end to another worker.
 */
enum { IDLE_MS = 10000 };

static struct smb_reply *main_new_reply(void)
{
	struct smb_reply *reply = (struct smb_reply *)(void *)outbox;
	memset(reply, 0, sizeof *reply);
	return reply;
}

static void main_fill_info(struct smb_info *info)
{
	session_info(info);
	info->confined = main_confined;
}

/* ---- requests ---- */

/* Whether these bytes are one text with its NUL or, if `several`, texts with a NUL each. */
static bool main_is_text(const char *bytes, size_t length, bool several)
{
	return bytes[length - 1] == '\0' && (several || memchr(bytes, '\0', length) == bytes + length - 1);
}

/* Reads a request. A path that is absent becomes "", the share's root, which no verb changes or removes. */
static bool main_unpack(struct request *r, size_t size)
{
	size_t at = sizeof r->head;

	if (size < at)
		return false;
	memcpy(&r->head, inbox, at);
	for (size_t i = 0; i < SMB_NAME_COUNT; i++) {
		size_t length = r->head.lengths[i];
		r->names[i] = "";
		if (length == 0)
			continue;
		if (length > SMB_PATH_LIMIT || length > size - at ||
		    !main_is_text(inbox + at, length, r->head.verb == SMB_VERB_GET_SOME))
			return false;
		r->names[i] = inbox + at;
		at += length;
	}
	return at == size;
}

/*
 * Lists the folder that the module is likely to ask for next, while it compares the last one. Not where something is
 * open: whoever has opened it would have to wait.
 */
static void main_prefetch_next(const struct request *r, const struct smb_reply *reply)
{
	const int good_for = 1000; /* ms */
	struct pollfd next = {.fd = SMB_WORKER_SOCKET, .events = POLLIN};

	if (r->head.verb != SMB_VERB_LIST_OPEN || r->head.lengths[SMB_TO] == 0 || reply->fault.code != SMB_OK ||
	    handles_count() > 0 || lifeline_cancelled())
		return;
	counters_set_ahead(true);
	prefetch_list(r->names[SMB_TO]);
	counters_set_ahead(false);
	if (prefetch_holds() && poll(&next, 1, good_for) == 0)
		prefetch_forget();
}

/* Waits for a message; false when the worker has been idle for too long. */
static bool main_is_needed(void)
{
	struct pollfd next = {.fd = SMB_WORKER_SOCKET, .events = POLLIN};

	while (poll(&next, 1, IDLE_MS) == 0) {
		if (handles_count() == 0 && !counters_is_wanted())
			return false;
	}
	return true;
}

/* Does one request; false when the module has gone. */
static bool main_serve(void)
{
	struct request r = {.fd = -1};
	struct smb_reply *reply;
	size_t used = sizeof *reply;
	ssize_t n = detach_receive(inbox, sizeof inbox, r.fds);

	if (n <= 0)
		return false;
	counters_add_taken();
	r.fd = r.fds[0];
	reply = main_new_reply();
	if (main_unpack(&r, (size_t)n)) {
		if (dispatch(&r, reply, &used))
			memset(&reply->fault, 0, sizeof reply->fault);
		else if (reply->fault.code == SMB_OK)
			fault_set(&reply->fault, SMB_FAILED, "the worker cannot do that");
		if (reply->fault.code != SMB_OK) {
			if (r.head.verb != SMB_VERB_RMDIR) /* its entry tells what stood in the way */
				used = sizeof *reply;
			reply->handle = 0;
		}
	} else {
		fault_set(&reply->fault, SMB_FAILED, "the worker could not read the request");
	}
	for (size_t i = 0; i < SMB_FILES_AT_ONCE; i++)
		if (r.fds[i] >= 0)
			close(r.fds[i]);
	main_fill_info(&reply->info);
	reply->open = handles_count();
	reply->left = replace_left();
	reply->time_refused = mtime_was_refused(&reply->entry.mtime);
	/* Ignore a failure: the requests that the module sent before it hung up must be done all the same. */
	message_send(SMB_WORKER_SOCKET, outbox, used, NULL, 0, 0);
	main_prefetch_next(&r, reply);
	return true;
}

/* ---- the beginning ---- */

static bool main_is_terminated(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static bool main_is_sane(const struct smb_connect *t)
{
	return t->port >= 1 && t->port <= 65535 && main_is_terminated(t->min_protocol, sizeof t->min_protocol) &&
	       main_is_terminated(t->max_protocol, sizeof t->max_protocol) &&
	       main_is_terminated(t->server, sizeof t->server) && main_is_terminated(t->share, sizeof t->share) &&
	       main_is_terminated(t->username, sizeof t->username) &&
	       main_is_terminated(t->password, sizeof t->password) && main_is_terminated(t->domain, sizeof t->domain) &&
	       main_is_terminated(t->ccache, sizeof t->ccache);
}

/*
 * Keeps the password out of core files and away from other processes of the same user. The limit alone does not bind a
 * program that the kernel pipes cores to.
 */
static void main_keep_secrets(void)
{
	const struct rlimit none = {0, 0};
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}

/*
 * Bounds what a server can make the library take. Its memory is private; what is shared, the buffers of open files,
 * counts as addresses only, and there may be many of them. Sanitizers set all addresses aside.
 */
static void main_limit_memory(void)
{
	const rlim_t gib = 1024 * 1024 * 1024, most[] = {2 * gib, 32 * gib};
	const int what[] = {RLIMIT_DATA, RLIMIT_AS};

	for (size_t i = 0; i < sizeof what / sizeof what[0] && !confine_has_sanitizer(); i++) {
		struct rlimit limit;
		if (getrlimit((__rlimit_resource_t)what[i], &limit) < 0 || limit.rlim_cur <= most[i])
			continue;
		limit.rlim_cur = most[i];
		limit.rlim_max = limit.rlim_max < most[i] ? limit.rlim_max : most[i];
		setrlimit((__rlimit_resource_t)what[i], &limit);
	}
}

/*
 * The library takes and frees a buffer for each answer, 8 MiB as a rule. By default malloc gives such memory back to
 * the system each time, and every page of the next one is a fault: measured on loopback, a get took 1.3 times as long.
 */
static void main_keep_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);
	mallopt(M_TRIM_THRESHOLD, 512 * 1024 * 1024);
}

static bool main_start(void)
{
	static struct smb_connect target;
	struct smb_shared *page;
	struct smb_pace *pace;
	struct smb_reply *reply;
	int fds[SMB_FILES_AT_ONCE];
	size_t size;
	ssize_t n = detach_receive(&target, sizeof target, fds);

	if (n != sizeof target || !main_is_sane(&target))
		return false;
	page = memory_map(fds[0], sizeof *page, &size);
	pace = memory_map(fds[1], sizeof *pace, &size);
	if (page == NULL || pace == NULL) {
		perror("smb-worker: no memory can be mapped");
		return false;
	}
	main_confined = confine(&target);
	counters_use(page);
	if (!lifeline_start(SMB_WORKER_SOCKET, fds[2], target.short_timeout)) {
		perror("smb-worker: no thread can be started");
		return false;
	}
	close(fds[0]);
	close(fds[1]);
	rate_limit_share(pace);
	logon_share(&pace->turn);
	identity_share(&pace->owner);
	addresses_share(&pace->address, target.server, target.short_timeout);
	main_keep_memory();
	wire_watch((uint16_t)target.port);
	reply = main_new_reply();
	if (connect_share(&target, &reply->fault))
		memset(&reply->fault, 0, sizeof reply->fault);
	main_fill_info(&reply->info);
	dup2(STDIN_FILENO, STDERR_FILENO); /* to nowhere: from here on failures go into replies */
	return message_send(SMB_WORKER_SOCKET, outbox, sizeof *reply, NULL, 0, 0) && reply->fault.code == SMB_OK;
}

int main(int argc, char **argv)
{
	struct stat st;
	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		return puts(session_library()) < 0;
	if (argc != 3 || fstat(SMB_WORKER_SOCKET, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		fputs("smb-worker is a part of the Lua module smb, which starts it by itself\n", stderr);
		return 2;
	}
	if (chdir("/") < 0)
		return 1;
	main_keep_secrets();
	signal(SIGPIPE, SIG_IGN); /* when the module has gone, so has the other end of standard error */
	signal(SIGXFSZ, SIG_IGN); /* a local file that would become larger than the host may make it is an error */
	main_limit_memory();
	detach_workers(atoi(argv[1]), argv[0]);
	if (!detach_greet() || !main_start())
		return 1;
	while (main_is_needed() && main_serve())
		;
	handles_end_all();
	_exit(0);
}
