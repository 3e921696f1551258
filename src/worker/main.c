/*
 * smb-worker: the program in which libsmbclient lives, one connection each. Started by the module, never by hand.
 * It greets, is told whom to connect to, and answers one request after another until the module hangs up.
 */
#include "counters.h"
#include "dispatch.h"
#include "fault.h"
#include "handles.h"
#include "identity.h"
#include "logon.h"
#include "rate_limit.h"
#include "replace.h"
#include "session.h"
#include "lifeline.h"
#include "mtime.h"
#include "prefetch.h"
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
#include <sys/syscall.h>
#include <unistd.h>

static _Alignas(8) char inbox[SMB_MESSAGE_MAX];
static _Alignas(8) char outbox[SMB_MESSAGE_MAX];

/*
 * Servers count sessions: one that nobody has needed for so long is given back. The module may be asleep: the worker leaves of itself.
 * A request that crosses its leaving is given to another.
 */
enum { IDLE_MS = 10000 };

/* ---- messages ---- */

/* Waits for the next message, see message_receive. */
static ssize_t receive(void *message, size_t size, int fds[SMB_FILES_AT_ONCE])
{
	ssize_t n;
	do
		n = message_receive(SMB_WORKER_SOCKET, message, size, fds, SMB_FILES_AT_ONCE, 0);
	while (n < 0 && (errno == EINTR || errno == ECONNRESET)); /* the module has gone, but what it sent is still here */
	return n;
}

static struct smb_reply *new_reply(void)
{
	struct smb_reply *reply = (struct smb_reply *)(void *)outbox;
	memset(reply, 0, sizeof *reply);
	return reply;
}

/* ---- requests ---- */

/* Texts, or one, with a NUL each. */
static bool is_text(const char *bytes, size_t length, bool several)
{
	return bytes[length - 1] == '\0' && (several || memchr(bytes, '\0', length) == bytes + length - 1);
}

/* Absent paths read as "", the share's root, which no verb changes or removes. */
static bool unpack(struct request *r, size_t size)
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
		if (length > SMB_PATH_LIMIT || length > size - at || !is_text(inbox + at, length, r->head.verb == SMB_VERB_GET_SOME))
			return false;
		r->names[i] = inbox + at;
		at += length;
	}
	return at == size;
}

/*
 * Lists the folder that the module is likely to ask for next, while it compares the last one. Not where something is open: whoever has
 * opened it would have to wait.
 */
static void prefetch_next(const struct request *r, const struct smb_reply *reply)
{
	const int good_for = 1000; /* ms */
	struct pollfd next = {.fd = SMB_WORKER_SOCKET, .events = POLLIN};

	if (r->head.verb != SMB_VERB_LIST_OPEN || r->head.lengths[SMB_TO] == 0 || reply->fault.code != SMB_OK || handles_count() > 0 ||
	    lifeline_cancelled())
		return;
	counters_set_ahead(true);
	prefetch_list(r->names[SMB_TO]);
	counters_set_ahead(false);
	if (prefetch_holds() && poll(&next, 1, good_for) == 0)
		prefetch_forget();
}

/* Waits for something to do; false when this connection is given back. */
static bool is_needed(void)
{
	struct pollfd next = {.fd = SMB_WORKER_SOCKET, .events = POLLIN};

	while (poll(&next, 1, IDLE_MS) == 0) {
		if (handles_count() == 0 && !counters_is_wanted())
			return false;
	}
	return true;
}

/* False when the module has gone. */
static bool serve(void)
{
	struct request r = {.fd = -1};
	struct smb_reply *reply;
	size_t used = sizeof *reply;
	ssize_t n = receive(inbox, sizeof inbox, r.fds);

	if (n <= 0)
		return false;
	counters_add_taken();
	r.fd = r.fds[0];
	reply = new_reply();
	if (unpack(&r, (size_t)n)) {
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
	session_info(&reply->info);
	reply->open = handles_count();
	reply->left = replace_left();
	reply->time_refused = mtime_was_refused(&reply->entry.mtime);
	/* Where nobody listens any longer, the requests that are left count all the same. */
	message_send(SMB_WORKER_SOCKET, outbox, used, NULL, 0, 0);
	prefetch_next(&r, reply);
	return true;
}

/* ---- the beginning ---- */

static bool terminated(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static bool sane(const struct smb_connect *t)
{
	return t->port >= 1 && t->port <= 65535 && terminated(t->min_protocol, sizeof t->min_protocol) &&
	       terminated(t->max_protocol, sizeof t->max_protocol) && terminated(t->server, sizeof t->server) &&
	       terminated(t->share, sizeof t->share) && terminated(t->username, sizeof t->username) &&
	       terminated(t->password, sizeof t->password) && terminated(t->domain, sizeof t->domain) &&
	       terminated(t->ccache, sizeof t->ccache);
}

static bool greet(void)
{
	struct smb_hello hello = {SMB_PROTOCOL_MAGIC, SMB_PROTOCOL_VERSION, smb_layout()};
	int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	bool ok = message_send(SMB_WORKER_SOCKET, &hello, sizeof hello, &self, self >= 0, 0);
	if (self >= 0)
		close(self);
	return ok;
}

/* Of the sockets that were given one is this process's. */
static bool keep_socket(int mine)
{
	if (mine != SMB_WORKER_SOCKET && dup2(mine, SMB_WORKER_SOCKET) < 0)
		return false;
	closefrom(SMB_WORKER_SOCKET + 1);
	return true;
}

/* As ps and top show it; `title` is the program's first argument, which is no shorter. */
static void call_itself(const char *name, char *title)
{
	prctl(PR_SET_NAME, name);
	memset(title, 0, strlen(title));
	memcpy(title, name, strlen(name));
}

/* True in the worker. That there is none the module sees by its socket, which is closed. */
static bool fork_worker(int socket, char *title)
{
	if (fork() != 0)
		return false;
	signal(SIGCHLD, SIG_DFL);
	call_itself("smb-worker", title);
	if (!keep_socket(socket))
		_exit(1);
	return true;
}

/* The next socket that a worker is wanted for; -1 when the module has hung up or ended. */
static int next_socket(int host)
{
	struct pollfd polled[2] = {{.fd = SMB_WORKER_SOCKET, .events = POLLIN}, {.fd = host, .events = POLLIN}};
	int fds[SMB_FILES_AT_ONCE];
	char any = 0;

	while (poll(polled, 2, -1) < 0 && errno == EINTR)
		;
	if (polled[1].revents != 0 || receive(&any, sizeof any, fds) <= 0)
		return -1;
	return fds[0];
}

/* The fork server's life, until it becomes a worker. The first message brings the module's process. */
static void be_fork_server(char *title)
{
	int host, socket;

	prctl(PR_SET_NAME, "smb-fork-server");
	signal(SIGCHLD, SIG_IGN); /* workers that end are no zombies */
	if (!greet())
		_exit(1);
	host = next_socket(-1);
	while ((socket = next_socket(host)) >= 0) {
		if (fork_worker(socket, title))
			return;
		close(socket);
	}
	_exit(0);
}

/*
 * Loading the program takes ten times as long as a fork of it: one process becomes all workers, those that are wanted at once and, by
 * way of the fork server, those that are wanted later. Itself it exits, so that the module can reap it and never has a zombie.
 */
static void detach(int workers, char *title)
{
	for (int i = 0; i < workers; i++)
		if (fork_worker(SMB_WORKER_SOCKET + i, title))
			return;
	if (fork() != 0)
		_exit(0);
	if (!keep_socket(SMB_WORKER_SOCKET + workers))
		_exit(1);
	be_fork_server(title);
}

/*
 * A password must not end in a core file, nor in the hands of another process of the same user. The limit alone does not bind a program
 * that the kernel pipes cores to.
 */
static void keep_secrets(void)
{
	const struct rlimit none = {0, 0};
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}

/*
 * The library takes and frees a buffer for each answer, 8 MiB as a rule. By default malloc gives such memory back to the system
 * each time, and every page of the next one is a fault: measured on loopback, a get took 1.3 times as long.
 */
static void keep_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);
	mallopt(M_TRIM_THRESHOLD, 512 * 1024 * 1024);
}

static bool start(void)
{
	static struct smb_connect target;
	struct smb_shared *page;
	struct smb_pace *pace;
	struct smb_reply *reply;
	int fds[SMB_FILES_AT_ONCE];
	size_t size;
	ssize_t n = receive(&target, sizeof target, fds);

	if (n != sizeof target || !sane(&target))
		return false;
	page = memory_map(fds[0], sizeof *page, &size);
	pace = memory_map(fds[1], sizeof *pace, &size);
	if (page == NULL || pace == NULL)
		return false;
	counters_use(page);
	if (!lifeline_start(SMB_WORKER_SOCKET, fds[2], target.short_timeout))
		return false;
	close(fds[0]);
	close(fds[1]);
	rate_limit_share(pace);
	logon_share(&pace->turn);
	identity_share(&pace->owner);
	keep_memory();
	wire_watch((uint16_t)target.port);
	reply = new_reply();
	if (session_start(&target, &reply->fault))
		memset(&reply->fault, 0, sizeof reply->fault);
	session_info(&reply->info);
	return message_send(SMB_WORKER_SOCKET, outbox, sizeof *reply, NULL, 0, 0) && reply->fault.code == SMB_OK;
}

int main(int argc, char **argv)
{
	struct stat st;
	if (argc != 3 || fstat(SMB_WORKER_SOCKET, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		fputs("smb-worker is a part of the Lua module smb, which starts it by itself\n", stderr);
		return 2;
	}
	if (chdir("/") < 0)
		return 1;
	keep_secrets();
	signal(SIGXFSZ, SIG_IGN); /* a local file that would become larger than the host may make it is an error */
	detach(atoi(argv[1]), argv[0]);
	if (!greet() || !start())
		return 1;
	while (is_needed() && serve())
		;
	handles_end_all();
	_exit(0);
}
