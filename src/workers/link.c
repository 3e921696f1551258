#include "link.h"

#include "shared/memory.h"
#include "shared/turn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum state {
	GREETING,   /* started, has not said hello */
	CONNECTING, /* was told whom to connect to */
	READY,
	DEAD
};

/* A request on its way out: the connection is not ready for it yet, or the socket is full. */
struct outgoing {
	struct outgoing *next;
	int fds[SMB_FILES_AT_ONCE];
	size_t count; /* of the descriptors */
	bool wanted;
	size_t size;
	_Alignas(8) char message[];
};

struct link {
	enum state state;
	struct process worker;
	struct link_common *common;
	unsigned origin; /* number of the fork server that it was to come of */
	pid_t host;      /* whose link this is: not that of a forked child */
	struct smb_shared *shared;
	int shared_fd;
	int epoll;   /* the pool's, -1 for none */
	bool muted; /* not watched while its answer waits to be taken */

	unsigned expected;      /* replies that are still to come, in the order of their requests */
	unsigned before;        /* how many of them come before the one that is waited for */
	bool wanted, ended;     /* a request is waited for; its reply is in `message` */
	bool sent;              /* it has a message: else only the connection is waited for */
	bool cancelling;        /* the worker was asked to stop what nobody waits for */
	struct smb_fault fault; /* why there is no reply */
	bool was_ready;
	bool unread;            /* the worker ended before it took the request: another one may be given it */
	uint32_t sent_so_far;   /* requests, modulo 2^32: */
	uint32_t number;        /* the one that is waited for is this one of them */
	struct smb_info info;
	unsigned handles; /* files and listings that were open there when it last replied */

	struct outgoing *outbox; /* in their order */

	bool listed_ahead;  /* the request is for what its worker does, or has done, ahead */
	int64_t asked;      /* milliseconds: when it was begun or given up */
	uint32_t seen_steps; /* what the worker's counters said when they last changed */
	uint32_t seen_turns;
	uint64_t seen_moved;
	int64_t quiet_since; /* milliseconds */

	size_t size; /* bytes in message */
	_Alignas(8) char message[SMB_MESSAGE_MAX];
};

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool set_fault(struct smb_fault *fault, enum smb_code code, const char *text, int error)
{
	memset(fault, 0, sizeof *fault);
	fault->code = (uint32_t)code;
	fault->error = error;
	if (error != 0)
		snprintf(fault->text, sizeof fault->text, "%s (%s)", text, strerror(error));
	else
		snprintf(fault->text, sizeof fault->text, "%s", text);
	return false;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* ---- starting ---- */

static bool share_page(struct link *l)
{
	l->shared = memory_share("smb-shared", sizeof *l->shared, &l->shared_fd);
	return l->shared != NULL;
}

static void free_outgoing(struct outgoing *o)
{
	for (size_t i = 0; i < o->count; i++)
		close(o->fds[i]);
	free(o);
}

static void drop_first(struct link *l)
{
	struct outgoing *first = l->outbox;
	l->outbox = first->next;
	free_outgoing(first);
}

static void discard(struct link *l)
{
	while (l->outbox != NULL)
		drop_first(l);
	process_forget(&l->worker);
	close_fd(&l->shared_fd);
	if (l->shared != NULL)
		munmap(l->shared, sizeof *l->shared);
	free(l);
}

static struct link *new_link(struct link_common *common)
{
	struct link *l = calloc(1, sizeof *l);
	if (l == NULL)
		return NULL;
	l->worker = NO_PROCESS;
	l->shared_fd = l->epoll = -1;
	l->host = getpid();
	l->common = common;
	l->quiet_since = now_ms();
	return l;
}

/* NULL and errno where it cannot be had. */
static struct link *prepare(struct link_common *common, unsigned count, int *theirs)
{
	struct link *l = new_link(common);
	int error;

	if (l == NULL || (share_page(l) && process_join(&l->worker, fork_server_least(count), theirs)))
		return l;
	error = errno;
	discard(l);
	errno = error;
	return NULL;
}

static bool no_worker(struct smb_fault *fault)
{
	return set_fault(fault, SMB_FAILED, "no worker process can be started", errno);
}

static bool no_program(struct smb_fault *fault, const char *program)
{
	int error = errno;
	char text[sizeof fault->text];
	snprintf(text, sizeof text, "the worker program %.120s cannot be started", program);
	return set_fault(fault, SMB_FAILED, text, error);
}

bool link_start(struct link **links, unsigned count, struct link_common *common, struct smb_fault *fault)
{
	int sockets[LINKS_AT_ONCE] = {-1};
	unsigned made = 0;
	bool ok = true;

	while (made < count && (links[made] = prepare(common, count, &sockets[made])) != NULL)
		made++;
	if (made < count)
		ok = no_worker(fault);
	else if (!fork_server_start(&common->fork_server, common->program, sockets, count))
		ok = no_program(fault, common->program);
	for (unsigned i = 0; i < made; i++) {
		close(sockets[i]);
		links[i]->origin = common->fork_server.number;
		if (!ok)
			discard(links[i]);
	}
	return ok;
}

/* ---- ending ---- */

static bool is_mine(const struct link *l)
{
	return l->host == getpid();
}

/* ---- messages ---- */

static bool send_message_of(struct link *l, const struct outgoing *o)
{
	return process_send(&l->worker, o->message, o->size, o->fds, o->count);
}

/* While the worker is asked to stop, whatever it takes it would stop; but for what nobody waits for, the last writes and the close. */
static bool may_send(const struct link *l)
{
	return l->state == READY && l->outbox != NULL && (!l->cancelling || !l->outbox->wanted);
}

/* Sends what the socket takes. False when the worker cannot be reached. */
static bool send_outbox(struct link *l)
{
	while (may_send(l)) {
		if (!send_message_of(l, l->outbox))
			return errno == EAGAIN;
		l->sent_so_far++;
		if (l->outbox->wanted) {
			l->before = l->expected;
			l->number = l->sent_so_far;
		}
		l->expected++;
		drop_first(l);
	}
	return true;
}

static void hang_up(struct link *l)
{
	if (l->worker.socket >= 0 && l->epoll >= 0)
		epoll_ctl(l->epoll, EPOLL_CTL_DEL, l->worker.socket, NULL); /* a forked child's copy would keep it watched */
	process_hang_up(&l->worker);
}

static bool has_its_fork_server(const struct link *l)
{
	return l->origin == l->common->fork_server.number;
}

/* A worker that has ended, or is about to, sends no password any more. */
static void pass_turn(const struct link *l)
{
	turn_pass(&l->common->pace->turn, atomic_load(&l->shared->process));
}

/* With a worker that has not come, what it was to come of is not trusted any longer; that goes first, and with it what lies there. */
static void kill_off(struct link *l)
{
	if (l->state == GREETING && has_its_fork_server(l))
		fork_server_end(&l->common->fork_server, 0);
	process_await_greeting(&l->worker);
	process_kill(&l->worker);
	pass_turn(l);
	hang_up(l);
	process_reap(&l->worker, 0);
}

void link_dismiss(struct link *l)
{
	if (!is_mine(l) || l->state == DEAD)
		return;
	l->cancelling = false;
	send_outbox(l);
	if (l->state == GREETING) {
		kill_off(l);
	} else {
		atomic_store(&l->shared->cancel, 1);
		hang_up(l);
	}
	l->state = DEAD;
}

void link_end(struct link *l, int wait_ms)
{
	if (is_mine(l)) {
		link_dismiss(l);
		process_reap(&l->worker, wait_ms);
	}
	discard(l);
}

static bool has_unsent(const struct link *l)
{
	for (const struct outgoing *o = l->outbox; o != NULL; o = o->next)
		if (o->wanted)
			return true;
	return false;
}

/* A worker that hangs has it, whatever it says. */
static bool was_taken(const struct link *l, enum smb_code code)
{
	return code == SMB_TIMEOUT || (int32_t)(atomic_load(&l->shared->taken) - l->number) >= 0;
}

/* The link is of no more use; the request under way, if any, has ended with `code`. */
static void die(struct link *l, enum smb_code code, const char *text)
{
	kill_off(l);
	l->unread = l->state == READY && l->sent && (has_unsent(l) || !was_taken(l, code));
	set_fault(&l->fault, code, text, 0);
	l->state = DEAD;
	l->ended = l->wanted;
	l->size = 0;
}

static void greeted(struct link *l, ssize_t n)
{
	struct smb_hello hello;
	int fds[] = {l->shared_fd, l->common->rate_limit_fd, -1};
	bool sent;

	if (n != sizeof hello)
		return die(l, SMB_FAILED, "the program smb-worker does not answer as expected");
	memcpy(&hello, l->message, sizeof hello);
	if (hello.magic != SMB_PROTOCOL_MAGIC || hello.version != SMB_PROTOCOL_VERSION || hello.check != smb_layout())
		return die(l, SMB_FAILED, "the module and its program smb-worker are of different versions: restart this program");
	fds[2] = (int)syscall(SYS_pidfd_open, l->host, 0);
	sent = process_send(&l->worker, l->common->target, sizeof *l->common->target, fds, fds[2] >= 0 ? 3 : 2);
	close_fd(&fds[2]);
	if (has_its_fork_server(l))
		fork_server_reap(&l->common->fork_server); /* now that the worker has something to do meanwhile */
	if (!sent)
		return die(l, SMB_FAILED, "the worker process cannot be reached");
	close_fd(&l->shared_fd);
	l->state = CONNECTING;
}

/* A reply's text is the worker's: it ends where the struct does. */
static bool take_reply(struct link *l, ssize_t n)
{
	struct smb_reply *reply = (struct smb_reply *)(void *)l->message;
	if (n < (ssize_t)sizeof *reply)
		return false;
	reply->fault.text[sizeof reply->fault.text - 1] = '\0';
	reply->info.address[sizeof reply->info.address - 1] = '\0';
	reply->info.user[sizeof reply->info.user - 1] = '\0';
	reply->info.library[sizeof reply->info.library - 1] = '\0';
	if (reply->fault.code >= SMB_CODE_COUNT)
		reply->fault.code = SMB_FAILED;
	l->info = reply->info;
	l->handles = reply->open;
	l->size = (size_t)n;
	return true;
}

/* At the end of the outbox; false, with errno, when there is no memory or no descriptor for it. */
static bool hand_over(struct link *l, const struct smb_request *request, size_t size, const int *fds, size_t count, bool wanted)
{
	struct outgoing *o = malloc(sizeof *o + size), **last = &l->outbox;

	if (o == NULL)
		return false;
	*o = (struct outgoing){.wanted = wanted, .size = size};
	memcpy(o->message, request, size);
	for (; o->count < count; o->count++) {
		o->fds[o->count] = fcntl(fds[o->count], F_DUPFD_CLOEXEC, 3);
		if (o->fds[o->count] < 0) {
			int error = errno;
			free_outgoing(o);
			errno = error;
			return false;
		}
	}
	while (*last != NULL)
		last = &(*last)->next;
	*last = o;
	return true;
}

static void send_or_die(struct link *l)
{
	if (!send_outbox(l))
		die(l, SMB_FAILED, "the worker process cannot be reached");
}

static void connected(struct link *l)
{
	const struct smb_reply *reply = (const struct smb_reply *)(const void *)l->message;
	if (reply->fault.code != SMB_OK) {
		struct smb_fault fault = reply->fault;
		die(l, SMB_FAILED, "");
		l->fault = fault;
		return;
	}
	l->state = READY;
	l->was_ready = true;
	l->quiet_since = now_ms();
	l->ended = l->wanted && !l->sent;
	send_or_die(l);
}

/* What an abandoned request has opened all the same. */
static void close_unwanted(struct link *l, uint32_t handle)
{
	struct smb_request request = {.verb = SMB_VERB_CLOSE, .handle = handle};
	if (hand_over(l, &request, sizeof request, NULL, 0, false))
		send_or_die(l);
}

static void replied(struct link *l)
{
	const struct smb_reply *reply = (const struct smb_reply *)(const void *)l->message;
	if (l->expected == 0)
		return die(l, SMB_FAILED, "the worker process spoke out of turn");
	l->quiet_since = now_ms();
	l->expected--;
	if (l->wanted && l->before == 0 && !has_unsent(l))
		l->ended = true;
	else if (l->before > 0)
		l->before--;
	if (!l->ended && reply->handle != 0)
		close_unwanted(l, reply->handle);
	if (l->expected == 0 && l->cancelling) {
		l->cancelling = false;
		atomic_store(&l->shared->cancel, 0);
		send_or_die(l);
	}
}

static void arrived(struct link *l, ssize_t n)
{
	if (n == 0)
		return die(l, SMB_FAILED, "the worker process ended unexpectedly");
	if (l->state == GREETING)
		return greeted(l, n);
	if (!take_reply(l, n))
		return die(l, SMB_FAILED, "the worker process sent a message that cannot be read");
	if (l->state == CONNECTING)
		connected(l);
	else
		replied(l);
}

/* ---- deadlines ---- */

static const char *what_stalled(const struct link *l)
{
	switch (atomic_load(&l->shared->step)) {
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

/*
 * How long the step under way may still last. Connecting is one, though the worker may look twice. The local disk has no limit, nor
 * has waiting for another worker's logon. A request that nobody waits for gets no more time, however it moves and whatever the disk
 * does; one that has to wait for what nobody has asked for gets it as long as that moves, but no more than a listing may take.
 */
int64_t link_time_left(struct link *l)
{
	uint32_t patience = atomic_load(&l->shared->patience);
	uint32_t steps = atomic_load(&l->shared->steps), turns = atomic_load(&l->shared->turns);
	uint64_t moved = atomic_load(&l->shared->moved);
	bool ahead = link_ahead(l) && (l->cancelling || !l->listed_ahead), moves = moved != l->seen_moved;
	bool local = atomic_load(&l->shared->step) == SMB_STEP_LOCAL;
	int64_t now = now_ms();

	if (ahead || l->cancelling || patience >= SMB_PATIENCE_COUNT)
		patience = SMB_PATIENCE_SHORT;
	else if (turns != l->seen_turns || ((local || steps != l->seen_steps) && l->state == READY) ||
		 (patience == SMB_PATIENCE_DATA && moves))
		l->quiet_since = now;
	if (ahead && moves && now - l->asked < l->common->limits.allowed[SMB_PATIENCE_LIST])
		l->quiet_since = now;
	l->seen_steps = steps;
	l->seen_turns = turns;
	l->seen_moved = moved;
	return l->quiet_since + l->common->limits.allowed[patience] - now;
}

static void check_deadline(struct link *l)
{
	if (link_time_left(l) <= 0)
		die(l, SMB_TIMEOUT, what_stalled(l));
}

/* ---- what others ask ---- */

bool link_begin(struct link *l, const struct smb_request *request, size_t size, const int *fds, size_t count)
{
	if (request != NULL && !hand_over(l, request, size, fds, count, true))
		return false;
	l->wanted = true;
	l->sent = request != NULL;
	l->ended = request == NULL && l->state == READY;
	l->listed_ahead = request != NULL && (request->flags & SMB_FLAG_AHEAD);
	l->quiet_since = l->asked = now_ms();
	atomic_store(&l->shared->done, 0);
	atomic_store(&l->shared->removals, 0);
	atomic_store(&l->shared->unfinished, SMB_FINISHED);
	atomic_store(&l->shared->wanted, 1);
	send_or_die(l);
	return true;
}

void link_post(struct link *l, const struct smb_request *request, size_t size)
{
	if (l->state == READY && is_mine(l) && hand_over(l, request, size, NULL, 0, false))
		send_or_die(l);
}

bool link_idle(const struct link *l)
{
	return l->state == DEAD || l->ended ||
	       (!l->wanted && l->expected == 0 && l->outbox == NULL && l->state == READY);
}

static int slice(struct link *l, int wait_ms)
{
	int64_t left = link_time_left(l);
	if (link_idle(l) || left <= 0)
		return 0;
	return left < wait_ms ? (int)left : wait_ms;
}

int link_descriptor(const struct link *l)
{
	return l->worker.socket;
}

short link_events(const struct link *l)
{
	return (short)(may_send(l) ? POLLIN | POLLOUT : POLLIN);
}

void link_on_readable(struct link *l)
{
	if (!l->ended) {
		link_wait(l, 0);
		return;
	}
	if (l->epoll >= 0)
		epoll_ctl(l->epoll, EPOLL_CTL_DEL, l->worker.socket, NULL);
	l->muted = true;
}

bool link_is_muted(const struct link *l)
{
	return l->muted || l->state == DEAD;
}

void link_watch(struct link *l, int epoll)
{
	struct epoll_event event = {.events = EPOLLIN};
	if (l->worker.socket >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, l->worker.socket, &event) == 0)
		l->epoll = epoll;
}

/* An idle worker is looked at too: it may have died. */
bool link_wait(struct link *l, int wait_ms)
{
	struct pollfd p = {.fd = l->worker.socket, .events = link_events(l)};

	if (l->state != DEAD && !l->ended && poll(&p, 1, slice(l, wait_ms)) > 0) {
		ssize_t size;
		if (p.revents & POLLOUT)
			send_or_die(l);
		while (!link_idle(l) || l->state == READY) {
			size = l->state == DEAD || l->ended ? -1 : process_receive(&l->worker, l->message, sizeof l->message);
			if (size < 0)
				break;
			arrived(l, size);
		}
	}
	if (!link_idle(l))
		check_deadline(l);
	return link_idle(l);
}

const struct smb_reply *link_reply(const struct link *l, size_t *size)
{
	if (!l->ended || l->state == DEAD || l->size == 0)
		return NULL;
	*size = l->size;
	return (const struct smb_reply *)(const void *)l->message;
}

const struct smb_fault *link_fault(const struct link *l)
{
	return &l->fault;
}

void link_done(struct link *l)
{
	l->wanted = l->ended = false;
	l->size = 0;
	if (is_mine(l))
		atomic_store(&l->shared->wanted, 0);
	if (l->muted && l->epoll >= 0)
		link_watch(l, l->epoll);
	l->muted = false;
}

void link_stay(struct link *l)
{
	if (is_mine(l))
		atomic_store(&l->shared->stays, 1);
}

static bool unsend(struct link *l)
{
	for (struct outgoing **o = &l->outbox; *o != NULL; o = &(*o)->next) {
		if ((*o)->wanted) {
			struct outgoing *found = *o;
			*o = found->next;
			free_outgoing(found);
			return true;
		}
	}
	return false;
}

/* Its answer may have come already, and be one that nobody has read. */
void link_abandon(struct link *l)
{
	const struct smb_reply *reply = (const struct smb_reply *)(const void *)l->message;
	if (!l->wanted || !is_mine(l))
		return;
	if (l->ended && l->state == READY && l->size > 0) {
		if (reply->handle != 0)
			close_unwanted(l, reply->handle);
	} else if (!unsend(l) && !l->ended && l->sent && l->state == READY) {
		atomic_store(&l->shared->cancel, 1);
		l->cancelling = true;
		l->quiet_since = l->asked = now_ms();
	}
	link_done(l);
}

bool link_is_free(struct link *l)
{
	if (!l->wanted)
		link_wait(l, 0);
	return l->state != DEAD && !l->wanted && !l->cancelling;
}

bool link_settled(struct link *l)
{
	return link_is_free(l) ? l->expected == 0 && l->outbox == NULL : l->state == DEAD;
}

bool link_dead(const struct link *l)
{
	return l->state == DEAD;
}

bool link_ready(const struct link *l)
{
	return l->state == READY;
}

bool link_ahead(const struct link *l)
{
	return l->state == READY && atomic_load(&l->shared->ahead);
}

bool link_has_left(const struct link *l)
{
	return l->state == DEAD && atomic_load(&l->shared->left);
}

bool link_was_ready(const struct link *l)
{
	return l->was_ready;
}

bool link_unread(const struct link *l)
{
	return l->state == DEAD && l->unread;
}

struct link_progress link_progress(const struct link *l)
{
	return (struct link_progress){
	    .done = atomic_load(&l->shared->done),
	    .size = atomic_load(&l->shared->size),
	    .mtime = atomic_load(&l->shared->mtime),
	    .removals = atomic_load(&l->shared->removals),
	    .unfinished = atomic_load(&l->shared->unfinished),
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
