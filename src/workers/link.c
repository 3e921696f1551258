#include "link.h"

#include "outbox.h"
#include "worker.h"
#include "shared/fault.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum link_state {
	LINK_GREETING,   /* started, has not greeted */
	LINK_CONNECTING, /* knows whom to connect to */
	LINK_READY,
	LINK_DEAD
};

struct link {
	enum link_state state;
	struct worker worker;
	bool muted; /* removed from epoll until its reply is taken */

	unsigned expected;      /* replies that are still to come; they come in the order of the requests */
	unsigned before;        /* how many of them come before the awaited one */
	bool wanted, ended;     /* a request is awaited; its reply is in `message` */
	bool sent;              /* the awaited request has a message: else only the connection is awaited */
	bool cancelling;        /* the worker was asked to stop an abandoned request */
	struct smb_fault fault; /* why there is no reply */
	bool was_ready;
	bool foreign;           /* the program is not this module's smb-worker */
	bool found_no_room;     /* server or machine had no room for the connection */
	bool unread;            /* the worker ended before it took the request: another one can do it */
	uint32_t sent_so_far;   /* requests, modulo 2^32 */
	uint32_t number;        /* of the awaited one among them */
	struct smb_info info;
	unsigned handles; /* open in the worker when it last replied */

	struct outbox outbox;

	bool listed_ahead; /* the request is for the listing that the worker prefetches */
	struct deadline deadline;

	size_t size; /* bytes in message */
	_Alignas(8) char message[SMB_MESSAGE_MAX];
};

/* ---- starting ---- */

static void link_discard(struct link *l)
{
	outbox_clear(&l->outbox);
	worker_forget(&l->worker);
	free(l);
}

/* Returns NULL and errno without memory or descriptors. */
static struct link *link_prepare(struct worker_common *common, unsigned count, int *theirs)
{
	struct link *l = calloc(1, sizeof *l);
	int error;

	if (l == NULL)
		return NULL;
	deadline_restart(&l->deadline);
	if (worker_prepare(&l->worker, common, count, theirs))
		return l;
	error = errno;
	link_discard(l);
	errno = error;
	return NULL;
}

static bool link_no_program(struct smb_fault *fault, const char *program)
{
	int error = errno;
	char text[sizeof fault->text];
	/* That is what old container engines say of clone3, which posix_spawn and threads need. */
	if (error == EPERM)
		return fault_errno(fault, SMB_FAILED, "no process can be started, as clone3 is refused", error);
	snprintf(text, sizeof text, "the worker program %.120s cannot be started", program);
	return fault_errno(fault, SMB_FAILED, text, error);
}

bool link_start(struct link **links, unsigned count, struct worker_common *common, struct smb_fault *fault)
{
	int sockets[LINKS_AT_ONCE] = {-1};
	unsigned made = 0;
	bool ok = true;

	while (made < count && (links[made] = link_prepare(common, count, &sockets[made])) != NULL)
		made++;
	if (made < count)
		ok = fault_errno(fault, SMB_FAILED, "no worker process can be started", errno);
	else if (!fork_server_start(&common->fork_server, common->program, sockets, count))
		ok = link_no_program(fault, common->program);
	for (unsigned i = 0; i < made; i++) {
		close(sockets[i]);
		links[i]->worker.origin = common->fork_server.number;
		if (!ok)
			link_discard(links[i]);
	}
	return ok;
}

/* ---- messages ---- */

/*
 * While a cancel is pending the worker would cancel new requests too: hold them back, but not posted ones (last writes,
 * a close).
 */
static bool link_may_send(const struct link *l)
{
	return l->state == LINK_READY && l->outbox.first != NULL && (!l->cancelling || !l->outbox.first->awaited);
}

/* Sends as much as the socket takes. False when the worker cannot be reached. */
static bool link_send_outbox(struct link *l)
{
	while (link_may_send(l)) {
		const struct outbox_item *item = l->outbox.first;
		if (!process_send(&l->worker.process, item->message, item->size, item->fds, item->count))
			return errno == EAGAIN;
		l->sent_so_far++;
		if (item->awaited) {
			l->before = l->expected;
			l->number = l->sent_so_far;
		}
		l->expected++;
		outbox_drop_first(&l->outbox);
	}
	return true;
}

/* ---- ending ---- */

void link_dismiss(struct link *l)
{
	if (!worker_is_ours(&l->worker) || l->state == LINK_DEAD)
		return;
	l->cancelling = false;
	link_send_outbox(l);
	if (l->state == LINK_GREETING) {
		worker_kill(&l->worker);
	} else {
		atomic_store(&l->worker.page->cancel, 1);
		worker_hang_up(&l->worker);
	}
	l->state = LINK_DEAD;
}

void link_end(struct link *l, int wait_ms)
{
	if (worker_is_ours(&l->worker)) {
		link_dismiss(l);
		process_reap(&l->worker.process, wait_ms);
	}
	link_discard(l);
}

/* Whether the worker took the request. One that hangs may have, whatever it counted. */
static bool link_was_taken(const struct link *l, uint32_t code)
{
	return code == SMB_TIMEOUT || (int32_t)(atomic_load(&l->worker.page->taken) - l->number) >= 0;
}

/* Ends the link, and with the same fault the request under way. */
static void link_die_of(struct link *l, const struct smb_fault *fault)
{
	worker_kill(&l->worker);
	l->unread =
	    l->state == LINK_READY && l->sent && (outbox_has_awaited(&l->outbox) || !link_was_taken(l, fault->code));
	l->fault = *fault;
	l->state = LINK_DEAD;
	l->ended = l->wanted;
	l->size = 0;
}

static void link_die(struct link *l, enum smb_code code, const char *text)
{
	struct smb_fault fault = {0};
	fault_set(&fault, code, text);
	link_die_of(l, &fault);
}

/* ---- what the worker says ---- */

static void link_greeted(struct link *l, ssize_t n)
{
	struct smb_fault fault = {0};
	l->foreign = !worker_greet(&l->worker, l->message, (size_t)n, &fault);
	if (l->foreign) {
		link_die_of(l, &fault);
		return;
	}
	l->state = LINK_CONNECTING;
	/* until now the greeting may have waited for a host that was busy with other things */
	deadline_restart(&l->deadline);
}

static void link_bound(uint32_t *size)
{
	if (*size > SMB_REQUEST_LIMIT)
		*size = SMB_REQUEST_LIMIT;
}

/* Terminates texts and bounds numbers: the worker is not trusted with them. */
static void link_check_info(struct smb_info *info)
{
	info->address[sizeof info->address - 1] = '\0';
	info->user[sizeof info->user - 1] = '\0';
	info->library[sizeof info->library - 1] = '\0';
	link_bound(&info->max_read_size);
	link_bound(&info->max_write_size);
	if (info->throughput > INT64_MAX)
		info->throughput = INT64_MAX;
}

/* Terminates the reply's text and checks its code, likewise. */
static bool link_take_reply(struct link *l, ssize_t n)
{
	struct smb_reply *reply = (struct smb_reply *)(void *)l->message;
	if (n < (ssize_t)sizeof *reply)
		return false;
	reply->fault.text[sizeof reply->fault.text - 1] = '\0';
	link_check_info(&reply->info);
	if (reply->fault.code >= SMB_CODE_COUNT)
		reply->fault.code = SMB_FAILED;
	l->info = reply->info;
	l->handles = reply->open;
	l->size = (size_t)n;
	return true;
}

static void link_send_or_die(struct link *l)
{
	if (!link_send_outbox(l))
		link_die(l, SMB_FAILED, "the worker process cannot be reached");
}

static void link_connected(struct link *l)
{
	const struct smb_reply *reply = (const struct smb_reply *)(const void *)l->message;
	if (reply->fault.code != SMB_OK) {
		l->found_no_room = reply->fault.code != SMB_AUTH_FAILED;
		link_die_of(l, &reply->fault);
		return;
	}
	l->state = LINK_READY;
	l->was_ready = true;
	deadline_restart(&l->deadline);
	l->ended = l->wanted && !l->sent;
	link_send_or_die(l);
}

/* Closes the handle that an abandoned request opened before it saw the cancel. */
static void link_close_unwanted(struct link *l, uint32_t handle)
{
	struct smb_request request = {.verb = SMB_VERB_CLOSE, .handle = handle};
	if (outbox_add(&l->outbox, &request, sizeof request, NULL, 0, false))
		link_send_or_die(l);
}

static void link_replied(struct link *l)
{
	const struct smb_reply *reply = (const struct smb_reply *)(const void *)l->message;
	if (l->expected == 0) {
		link_die(l, SMB_FAILED, "the worker process spoke out of turn");
		return;
	}
	deadline_restart(&l->deadline);
	l->expected--;
	if (l->wanted && l->before == 0 && !outbox_has_awaited(&l->outbox))
		l->ended = true;
	else if (l->before > 0)
		l->before--;
	if (!l->ended && reply->handle != 0)
		link_close_unwanted(l, reply->handle);
	if (l->expected == 0 && l->cancelling) {
		l->cancelling = false;
		atomic_store(&l->worker.page->cancel, 0);
		link_send_or_die(l);
	}
}

static void link_ended(struct link *l)
{
	struct smb_fault fault = {0};

	if (l->state == LINK_READY) {
		link_die(l, SMB_FAILED, "the worker process ended unexpectedly");
		return;
	}
	l->found_no_room = l->state == LINK_GREETING; /* it could not even be forked */
	worker_explain_end(&l->worker, &fault);
	link_die_of(l, &fault);
}

static void link_arrived(struct link *l, ssize_t n)
{
	if (n == 0) {
		link_ended(l);
		return;
	}
	if (l->state == LINK_GREETING) {
		link_greeted(l, n);
		return;
	}
	if (!link_take_reply(l, n)) {
		link_die(l, SMB_FAILED, "the worker process sent a message that cannot be read");
		return;
	}
	if (l->state == LINK_CONNECTING)
		link_connected(l);
	else
		link_replied(l);
}

/* ---- deadlines ---- */

static const char *link_what_stalled(const struct link *l)
{
	switch (atomic_load(&l->worker.page->step)) {
	case SMB_STEP_START:
	case SMB_STEP_RESOLVE: return "no answer while looking up the server's name";
	case SMB_STEP_CONNECT: return "no answer to the connection";
	case SMB_STEP_TICKET: return "the Kerberos server (KDC) does not answer";
	case SMB_STEP_NEGOTIATE:
	case SMB_STEP_LOGON:
	case SMB_STEP_SHARE: return "no answer to the logon";
	default: return "the server does not answer";
	}
}

static enum deadline_for link_waits_for(const struct link *l)
{
	if (link_works_ahead(l) && (l->cancelling || !l->listed_ahead))
		return DEADLINE_AHEAD;
	if (l->cancelling)
		return DEADLINE_CANCEL;
	return l->state == LINK_READY ? DEADLINE_REPLY : DEADLINE_CONNECTION;
}

int64_t link_time_left(struct link *l)
{
	return deadline_left(&l->deadline, l->worker.page, &l->worker.common->limits, link_waits_for(l));
}

static void link_check_deadline(struct link *l)
{
	if (link_time_left(l) > 0)
		return;
	l->found_no_room = l->state == LINK_CONNECTING;
	link_die(l, SMB_TIMEOUT, link_what_stalled(l));
}

/* ---- what others ask ---- */

bool link_begin(struct link *l, const struct smb_request *request, size_t size, const int *fds, size_t count)
{
	if (request != NULL && !outbox_add(&l->outbox, request, size, fds, count, true))
		return false;
	l->wanted = true;
	l->sent = request != NULL;
	l->ended = request == NULL && l->state == LINK_READY;
	l->listed_ahead = request != NULL && (request->flags & SMB_FLAG_AHEAD);
	deadline_start(&l->deadline);
	atomic_store(&l->worker.page->done, 0);
	atomic_store(&l->worker.page->removals, 0);
	atomic_store(&l->worker.page->unfinished, SMB_FINISHED);
	atomic_store(&l->worker.page->wanted, 1);
	link_send_or_die(l);
	return true;
}

void link_post(struct link *l, const struct smb_request *request, size_t size)
{
	if (l->state == LINK_READY && worker_is_ours(&l->worker) &&
	    outbox_add(&l->outbox, request, size, NULL, 0, false))
		link_send_or_die(l);
}

bool link_is_idle(const struct link *l)
{
	return l->state == LINK_DEAD || l->ended ||
	       (!l->wanted && l->expected == 0 && l->outbox.first == NULL && l->state == LINK_READY);
}

static int link_slice(struct link *l, int wait_ms)
{
	int64_t left = link_time_left(l);
	if (link_is_idle(l) || left <= 0)
		return 0;
	return left < wait_ms ? (int)left : wait_ms;
}

int link_descriptor(const struct link *l)
{
	return l->worker.process.socket;
}

short link_events(const struct link *l)
{
	return (short)(link_may_send(l) ? POLLIN | POLLOUT : POLLIN);
}

void link_on_readable(struct link *l)
{
	if (!l->ended) {
		link_wait(l, 0);
		return;
	}
	worker_unwatch(&l->worker);
	l->muted = true;
}

bool link_is_muted(const struct link *l)
{
	return l->muted || l->state == LINK_DEAD;
}

void link_watch(struct link *l, int epoll)
{
	worker_watch(&l->worker, epoll);
}

/* Polls an idle worker, too: it may have died. */
bool link_wait(struct link *l, int wait_ms)
{
	struct pollfd p = {.fd = l->worker.process.socket, .events = link_events(l)};

	if (l->state != LINK_DEAD && !l->ended && poll(&p, 1, link_slice(l, wait_ms)) > 0) {
		ssize_t size;
		if (p.revents & POLLOUT)
			link_send_or_die(l);
		while (!link_is_idle(l) || l->state == LINK_READY) {
			size = l->state == LINK_DEAD || l->ended
				   ? -1
				   : process_receive(&l->worker.process, l->message, sizeof l->message);
			if (size < 0)
				break;
			link_arrived(l, size);
		}
	}
	if (!link_is_idle(l))
		link_check_deadline(l);
	return link_is_idle(l);
}

const struct smb_reply *link_reply(const struct link *l, size_t *size)
{
	if (!l->ended || l->state == LINK_DEAD || l->size == 0)
		return NULL;
	*size = l->size;
	return (const struct smb_reply *)(const void *)l->message;
}

const struct smb_fault *link_fault(const struct link *l)
{
	return &l->fault;
}

void link_finish(struct link *l)
{
	l->wanted = l->ended = false;
	l->size = 0;
	if (worker_is_ours(&l->worker))
		atomic_store(&l->worker.page->wanted, 0);
	if (l->muted && l->worker.epoll >= 0)
		link_watch(l, l->worker.epoll);
	l->muted = false;
}

void link_stay(struct link *l)
{
	if (worker_is_ours(&l->worker))
		atomic_store(&l->worker.page->stays, 1);
}

/* The reply may have come already, and hold a handle. */
void link_abandon(struct link *l)
{
	const struct smb_reply *reply = (const struct smb_reply *)(const void *)l->message;
	if (!l->wanted || !worker_is_ours(&l->worker))
		return;
	if (l->ended && l->state == LINK_READY && l->size > 0) {
		if (reply->handle != 0)
			link_close_unwanted(l, reply->handle);
	} else if (!outbox_drop_awaited(&l->outbox) && !l->ended && l->sent && l->state == LINK_READY) {
		atomic_store(&l->worker.page->cancel, 1);
		l->cancelling = true;
		deadline_start(&l->deadline);
	}
	link_finish(l);
}

bool link_is_free(struct link *l)
{
	if (!l->wanted)
		link_wait(l, 0);
	return l->state != LINK_DEAD && !l->wanted && !l->cancelling;
}

bool link_is_settled(struct link *l)
{
	return link_is_free(l) ? l->expected == 0 && l->outbox.first == NULL : l->state == LINK_DEAD;
}

bool link_is_dead(const struct link *l)
{
	return l->state == LINK_DEAD;
}

bool link_is_ready(const struct link *l)
{
	return l->state == LINK_READY;
}

bool link_works_ahead(const struct link *l)
{
	return l->state == LINK_READY && atomic_load(&l->worker.page->ahead);
}

bool link_needs_another(const struct link *l)
{
	return l->state == LINK_DEAD && !l->was_ready && !l->foreign && l->fault.code != SMB_AUTH_FAILED;
}

bool link_found_no_room(const struct link *l)
{
	return l->found_no_room;
}

bool link_was_unread(const struct link *l)
{
	return l->state == LINK_DEAD && l->unread;
}

struct link_progress link_progress(const struct link *l)
{
	return (struct link_progress){
	    .done = atomic_load(&l->worker.page->done),
	    .size = atomic_load(&l->worker.page->size),
	    .mtime = atomic_load(&l->worker.page->mtime),
	    .removals = atomic_load(&l->worker.page->removals),
	    .unfinished = atomic_load(&l->worker.page->unfinished),
	};
}

const struct smb_info *link_info(const struct link *l)
{
	return &l->info;
}

unsigned link_handles(const struct link *l)
{
	return l->handles;
}
