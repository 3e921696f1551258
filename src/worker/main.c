/*
 * smb-worker: the program in which libsmbclient lives, one connection each. Started by the module, never by hand.
 * It greets, is told whom to connect to, and answers one request after another until the module hangs up.
 */
#include "answer.h"
#include "fault.h"
#include "pace.h"
#include "place.h"
#include "session.h"
#include "transfer.h"
#include "watch.h"
#include "wire.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Alignas(8) char inbox[SMB_MESSAGE_MAX];
static _Alignas(8) char outbox[SMB_MESSAGE_MAX];

/* ---- messages ---- */

/* Bytes of the next message, 0 when the module has hung up, -1 on failure; descriptors that came with it in `fds`. */
static ssize_t receive(void *message, size_t size, int fds[SMB_FILES_AT_ONCE])
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * SMB_FILES_AT_ONCE)];
	} control;
	struct iovec part = {message, size};
	struct msghdr header = {
	    .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
	struct cmsghdr *c;
	ssize_t n;

	for (size_t i = 0; i < SMB_FILES_AT_ONCE; i++)
		fds[i] = -1;
	do
		n = recvmsg(SMB_WORKER_SOCKET, &header, MSG_CMSG_CLOEXEC);
	while (n < 0 && (errno == EINTR || errno == ECONNRESET)); /* the module has gone, but what it sent is still here */
	if (n <= 0)
		return n;
	for (c = CMSG_FIRSTHDR(&header); c != NULL; c = CMSG_NXTHDR(&header, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	return header.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? -1 : n;
}

static bool send_message(const void *message, size_t size, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part = {(void *)(uintptr_t)message, size};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t n;

	if (fd >= 0) {
		struct cmsghdr *c = &control.align;
		header.msg_control = control.bytes;
		header.msg_controllen = sizeof control.bytes;
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}
	do
		n = sendmsg(SMB_WORKER_SOCKET, &header, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)size;
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

/* False when the module has gone. */
static bool serve(void)
{
	struct request r = {.fd = -1};
	struct smb_reply *reply;
	size_t used = sizeof *reply;
	ssize_t n = receive(inbox, sizeof inbox, r.fds);

	if (n <= 0)
		return false;
	r.fd = r.fds[0];
	reply = new_reply();
	if (unpack(&r, (size_t)n)) {
		if (answer(&r, reply, &used))
			memset(&reply->fault, 0, sizeof reply->fault);
		else if (reply->fault.code == SMB_OK)
			fault_set(&reply->fault, SMB_FAILED, "the worker cannot do that");
		if (reply->fault.code != SMB_OK) {
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
	reply->left = place_left();
	send_message(outbox, used, -1); /* where nobody listens any longer, the requests that are left count all the same */
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

static void *map_shared(int fd, size_t size)
{
	struct stat st;
	void *page;
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size < (off_t)size)
		return NULL;
	page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return page != MAP_FAILED ? page : NULL;
}

/* Of the sockets that were given one is this worker's. */
static bool keep_socket(int mine)
{
	if (mine != SMB_WORKER_SOCKET && dup2(mine, SMB_WORKER_SOCKET) < 0)
		return false;
	closefrom(SMB_WORKER_SOCKET + 1);
	return true;
}

/*
 * Loading the program takes ten times as long as a fork of it: one process becomes all workers that are wanted at once. Itself it
 * exits, so that the module can reap it and never has a zombie.
 */
static void detach(int workers)
{
	for (int i = 0; i < workers; i++) {
		pid_t pid = fork();
		if (pid == 0 && keep_socket(SMB_WORKER_SOCKET + i))
			return;
		if (pid <= 0)
			_exit(1);
	}
	_exit(0);
}

static bool greet(void)
{
	struct smb_hello hello = {SMB_PROTOCOL_MAGIC, SMB_PROTOCOL_VERSION, smb_layout()};
	int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	bool ok = send_message(&hello, sizeof hello, self);
	if (self >= 0)
		close(self);
	return ok;
}

/* A password must not end in a core file. */
static void keep_secrets(void)
{
	struct rlimit none = {0, 0};
	setrlimit(RLIMIT_CORE, &none);
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
	struct smb_shared *shared;
	struct smb_pace *pace;
	struct smb_reply *reply;
	int fds[SMB_FILES_AT_ONCE];
	ssize_t n = receive(&target, sizeof target, fds);

	if (n != sizeof target || !sane(&target))
		return false;
	shared = map_shared(fds[0], sizeof *shared);
	pace = map_shared(fds[1], sizeof *pace);
	if (shared == NULL || pace == NULL || !watch_start(SMB_WORKER_SOCKET, fds[2], shared, target.short_timeout))
		return false;
	close(fds[0]);
	close(fds[1]);
	pace_share(pace, shared);
	keep_secrets();
	keep_memory();
	transfer_count_in(shared);
	wire_watch((uint16_t)target.port, shared);
	reply = new_reply();
	if (session_start(&target, &reply->fault))
		memset(&reply->fault, 0, sizeof reply->fault);
	session_info(&reply->info);
	return send_message(outbox, sizeof *reply, -1) && reply->fault.code == SMB_OK;
}

int main(int argc, char **argv)
{
	struct stat st;
	if (argc != 2 || fstat(SMB_WORKER_SOCKET, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		fputs("smb-worker is a part of the Lua module smb, which starts it by itself\n", stderr);
		return 2;
	}
	detach(atoi(argv[1]));
	if (chdir("/") < 0 || !greet() || !start())
		return 1;
	while (serve())
		;
	answer_no_more();
	_exit(0);
}
