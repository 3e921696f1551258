#include "pool.h"

#include "shared/clock.h"
#include "shared/descriptor.h"
#include "shared/fault.h"
#include "shared/memory.h"
#include "shared/turn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* Minimum interval between worker starts under an event loop. */
enum { START_MS = 10 };

/*
 * How long to start no further worker after the server refused a connection, or the machine had no room for a process.
 */
enum { FULL_MS = 10000 };

/* Descriptors that must stay free after a further link: local files and buffers need some. */
enum { SPARE = 16 };

struct slot {
	struct link *link; /* NULL: the slot is empty */
	uint32_t number;   /* names the link, never used again */
	bool used;         /* it was leased before */
	bool leased;       /* a request is under way on it, */
	void *holder;      /* and this is whose it is */
};

struct pool {
	struct worker_common common; /* pace_fd: -1 before the first worker */
	unsigned most;             /* links at a time, 1 to POOL_LINKS */
	struct smb_fault refusal;  /* code is SMB_OK unless the pool is poisoned */
	struct smb_info info;
	uint64_t rate;      /* bytes per second of all together, 0: no limit */
	int epoll;          /* ready when a link is; -1 until somebody asks */
	int64_t started;    /* milliseconds: when the last worker was started */
	int64_t full_until; /* milliseconds: no further worker is started until then */
	struct slot slots[POOL_LINKS];
	uint32_t last_number;
	uint32_t lost;             /* the link that died last, */
	struct smb_fault why_lost; /* and of what */
};

/* ---- life ---- */

static bool pool_share_pace(struct pool *pool)
{
	pool->common.pace = memory_share("smb-pace", sizeof *pool->common.pace, &pool->common.pace_fd);
	if (pool->common.pace == NULL)
		return false;
	atomic_store(&pool->common.pace->rate, pool->rate);
	return true;
}

void pool_limit(struct pool *pool, const struct link_limits *limits, unsigned most, uint64_t rate)
{
	pool->common.limits = *limits;
	pool->most = most;
	pool->rate = rate;
	if (pool->common.pace != NULL)
		atomic_store(&pool->common.pace->rate, rate);
}

struct pool *pool_open(const char *program, const struct smb_connect *target)
{
	struct pool *pool = calloc(1, sizeof *pool);

	if (pool == NULL)
		return NULL;
	pool->common =
	    (struct worker_common){.program = program, .target = target, .pace_fd = -1, .fork_server = NO_FORK_SERVER};
	pool->most = 1;
	pool->epoll = -1;
	return pool;
}

static void pool_drop(struct pool *pool, int slot, int wait_ms)
{
	struct slot *s = &pool->slots[slot];

	pool->lost = s->number;
	pool->why_lost = *link_fault(s->link);
	link_end(s->link, wait_ms);
	memset(s, 0, sizeof *s);
}

void pool_close(struct pool *pool, int wait_ms)
{
	for (int i = 0; i < POOL_LINKS; i++) /* hang up on all first: they end side by side */
		if (pool->slots[i].link != NULL)
			link_dismiss(pool->slots[i].link);
	fork_server_dismiss(&pool->common.fork_server);
	for (int i = 0; i < POOL_LINKS; i++)
		if (pool->slots[i].link != NULL)
			pool_drop(pool, i, wait_ms);
	fork_server_end(&pool->common.fork_server, wait_ms);
	if (pool->common.pace != NULL)
		munmap(pool->common.pace, sizeof *pool->common.pace);
	if (pool->common.pace_fd >= 0)
		close(pool->common.pace_fd);
	if (pool->epoll >= 0)
		close(pool->epoll);
	free(pool);
}

/* ---- leasing ---- */

unsigned pool_count(const struct pool *pool)
{
	unsigned count = 0;
	for (int i = 0; i < POOL_LINKS; i++)
		count += pool->slots[i].link != NULL;
	return count;
}

/* Tells the oldest worker to stay, so that the next call finds a connection however late it comes. */
static void pool_keep_one(struct pool *pool)
{
	const struct slot *oldest = NULL;

	for (int i = 0; i < POOL_LINKS; i++) {
		const struct slot *s = &pool->slots[i];
		if (s->link != NULL && !link_is_dead(s->link) && (oldest == NULL || s->number < oldest->number))
			oldest = s;
	}
	if (oldest != NULL)
		link_stay(oldest->link);
}

/* Drops links that died between requests, and those whose workers left because nobody needed them. */
static void pool_sweep(struct pool *pool)
{
	for (int i = 0; i < POOL_LINKS; i++) {
		struct slot *s = &pool->slots[i];
		if (s->link == NULL || s->leased)
			continue;
		link_wait(s->link, 0);
		if (link_is_dead(s->link))
			pool_drop(pool, i, 0);
	}
	pool_keep_one(pool);
}

static int pool_empty_slot(const struct pool *pool)
{
	for (int i = 0; i < POOL_LINKS; i++)
		if (pool->slots[i].link == NULL)
			return i;
	return -1;
}

static int pool_add(struct pool *pool, struct link *link)
{
	int slot = pool_empty_slot(pool);

	if (pool->epoll >= 0)
		link_watch(link, pool->epoll);
	pool->slots[slot] = (struct slot){.link = link, .number = ++pool->last_number};
	return slot;
}

/* Whether enough descriptors are left for a further link to be of use. */
static bool pool_spares_descriptors(const struct pool *pool)
{
	const rlim_t many = 4096; /* below this limit only, ask the kernel */
	struct rlimit limit;
	int fd;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= many)
		return true;
	fd = limit.rlim_cur > SPARE ? fcntl(pool->common.pace_fd, F_DUPFD_CLOEXEC, (int)limit.rlim_cur - SPARE) : -1;
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/*
 * Starts `count` links; there are empty slots for them, and `slot` becomes that of the last. When the machine has no
 * processes or descriptors left for a further one, none is started for a while.
 */
static enum pool_answer pool_start(struct pool *pool, unsigned count, int *slot, struct smb_fault *fault)
{
	struct link *links[POOL_LINKS];
	bool is_further = pool_count(pool) > 0;

	if (pool->common.pace == NULL && !pool_share_pace(pool)) {
		fault_errno(fault, SMB_FAILED, "no worker process can be started", errno);
		return POOL_FAILED;
	}
	if ((is_further && !pool_spares_descriptors(pool)) || !link_start(links, count, &pool->common, fault)) {
		if (is_further)
			pool->full_until = clock_ms() + FULL_MS;
		return is_further ? POOL_FULL : POOL_FAILED;
	}
	pool->started = clock_ms();
	for (unsigned i = 0; i < count; i++)
		*slot = pool_add(pool, links[i]);
	pool_keep_one(pool);
	return POOL_LEASED;
}

static bool pool_is_free(const struct slot *s)
{
	return s->link != NULL && !s->leased && link_is_free(s->link);
}

/*
 * Preference among free links, strongest first: nothing left to tidy up; logged on; no open files, if that matters; the
 * one that is wished for; not busy with a prefetched listing; fewer open files.
 */
static bool pool_is_better(const struct slot *s, const struct slot *than, uint32_t wished, bool own)
{
	if (link_is_settled(s->link) != link_is_settled(than->link))
		return link_is_settled(s->link);
	if (link_is_ready(s->link) != link_is_ready(than->link))
		return link_is_ready(s->link);
	if (own && (link_handles(s->link) == 0) != (link_handles(than->link) == 0))
		return link_handles(s->link) == 0;
	if ((s->number == wished) != (than->number == wished))
		return s->number == wished;
	if (link_works_ahead(s->link) != link_works_ahead(than->link))
		return !link_works_ahead(s->link);
	return link_handles(s->link) < link_handles(than->link);
}

static int pool_best_free(const struct pool *pool, uint32_t wished, bool own)
{
	int best = -1;
	for (int i = 0; i < POOL_LINKS; i++)
		if (pool_is_free(&pool->slots[i]) &&
		    (best < 0 || pool_is_better(&pool->slots[i], &pool->slots[best], wished, own)))
			best = i;
	return best;
}

/* A prefetched listing serves only the caller who asks for this link. */
static bool pool_does_at_once(const struct slot *s, uint32_t wished)
{
	return link_is_settled(s->link) && (!link_works_ahead(s->link) || s->number == wished);
}

/* How many of the wanted links may be started now. */
static unsigned pool_may_start(const struct pool *pool, unsigned wanted)
{
	unsigned count = pool_count(pool), most = pool->most < POOL_LINKS ? pool->most : POOL_LINKS;

	if (clock_ms() < pool->full_until)
		return count == 0 && wanted > 0;
	if (count >= most)
		return 0;
	return wanted < most - count ? wanted : most - count;
}

unsigned pool_most(const struct pool *pool)
{
	unsigned count = pool_count(pool);
	bool has_room = count == 0 || (clock_ms() >= pool->full_until && pool_spares_descriptors(pool));
	return has_room || count > pool->most ? pool->most : count;
}

/* Whether a worker reported that the password is refused. The code is set here: trust the worker with the text only. */
static bool pool_is_refused(struct pool *pool)
{
	struct smb_fault *refusal = &pool->refusal;

	if (refusal->code == SMB_OK && pool->common.pace != NULL &&
	    atomic_load(&pool->common.pace->turn.refused) == SMB_TURN_CLOSED) {
		*refusal = pool->common.pace->turn.refusal;
		refusal->code = SMB_AUTH_FAILED;
		refusal->text[sizeof refusal->text - 1] = '\0';
	}
	return refusal->code != SMB_OK;
}

void pool_begin_call(struct pool *pool)
{
	if (pool->common.pace != NULL)
		atomic_store(&pool->common.pace->turn.lost, 0);
}

bool pool_logon_is_lost(const struct pool *pool)
{
	return pool->common.pace != NULL && turn_is_lost(&pool->common.pace->turn);
}

/* Finds a free link, or starts one. */
static enum pool_answer pool_take_any(struct pool *pool, const struct pool_wish *wish, int *slot,
				      struct smb_fault *fault)
{
	int best;
	bool suits;

	if (pool_is_refused(pool)) {
		*fault = pool->refusal;
		return POOL_FAILED;
	}
	pool_sweep(pool);
	best = *slot = pool_best_free(pool, wish->rather, wish->own);
	suits = best >= 0 &&
		(!wish->own || (link_handles(pool->slots[best].link) == 0 && link_is_settled(pool->slots[best].link)));
	if (suits && pool_does_at_once(&pool->slots[best], wish->rather))
		return POOL_LEASED;
	if (pool_may_start(pool, 1) > 0) {
		enum pool_answer started;
		if (wish->gently && clock_ms() - pool->started < START_MS)
			return POOL_SOON;
		started = pool_start(pool, 1, slot, fault);
		if (started != POOL_FULL)
			return started;
	}
	if (suits)
		return POOL_LEASED;
	if (wish->own && (pool_count(pool) >= pool->most || clock_ms() < pool->full_until)) {
		fault_set(fault, SMB_BUSY, "all connections are in use");
		return POOL_FAILED;
	}
	return POOL_FULL;
}

static int pool_find(const struct pool *pool, uint32_t number)
{
	for (int i = 0; i < POOL_LINKS; i++)
		if (pool->slots[i].link != NULL && pool->slots[i].number == number)
			return i;
	return -1;
}

/* Finds the link that has the number, if it is free. */
static enum pool_answer pool_take_numbered(struct pool *pool, uint32_t number, int *slot, struct smb_fault *fault)
{
	int i = *slot = pool_find(pool, number);

	if (i >= 0 && pool_is_free(&pool->slots[i]))
		return POOL_LEASED;
	if (i >= 0 && !link_is_dead(pool->slots[i].link)) /* at work, or still cancelling */
		return POOL_FULL;
	fault_set(fault, SMB_DISCONNECTED, "the connection it was opened on has gone");
	if (i >= 0)
		*fault = *link_fault(pool->slots[i].link);
	else if (pool->lost == number && pool->why_lost.code != SMB_OK)
		*fault = pool->why_lost;
	return POOL_FAILED;
}

enum pool_answer pool_lease(struct pool *pool, const struct pool_wish *wish, void *holder, uint32_t *lease,
			    struct smb_fault *fault)
{
	int slot = -1;
	enum pool_answer answer;

	memset(fault, 0, sizeof *fault);
	answer = wish->link != 0 ? pool_take_numbered(pool, wish->link, &slot, fault)
				 : pool_take_any(pool, wish, &slot, fault);
	if (answer != POOL_LEASED)
		return answer;
	pool->slots[slot].leased = pool->slots[slot].used = true;
	pool->slots[slot].holder = holder;
	*lease = pool->slots[slot].number;
	return POOL_LEASED;
}

struct link *pool_link(const struct pool *pool, uint32_t number)
{
	int i = pool_find(pool, number);
	return i >= 0 ? pool->slots[i].link : NULL;
}

void pool_warm(struct pool *pool, unsigned count)
{
	struct smb_fault ignored = {0}; /* the next lease fails the same way, and reports it */
	unsigned there, missing;
	int last;

	pool_sweep(pool);
	if (pool_is_refused(pool))
		return;
	there = pool_count(pool);
	missing = pool_may_start(pool, count > there ? count - there : 0);
	if (missing > 0)
		pool_start(pool, missing, &last, &ignored);
}

static bool pool_has_living(const struct pool *pool)
{
	for (int i = 0; i < POOL_LINKS; i++)
		if (pool->slots[i].link != NULL && !link_is_dead(pool->slots[i].link))
			return true;
	return false;
}

bool pool_has_another(struct pool *pool, uint32_t lease)
{
	const struct link *lost = pool_link(pool, lease);

	if (lost == NULL || !link_needs_another(lost) || !pool_has_living(pool))
		return false;
	if (link_found_no_room(lost))
		pool->full_until = clock_ms() + FULL_MS;
	return true;
}

static void pool_learn(struct pool *pool, const struct smb_info *info)
{
	uint64_t throughput = pool->info.throughput;

	if (info->round_trips == 0 && pool->info.round_trips != 0) /* this worker never reached the server */
		return;
	pool->info = *info;
	if (throughput > info->throughput)
		pool->info.throughput = throughput;
}

const struct smb_info *pool_info(const struct pool *pool)
{
	return &pool->info;
}

static void pool_give_back(struct pool *pool, int slot)
{
	struct slot *s = &pool->slots[slot];

	s->leased = false;
	s->holder = NULL;
	if (link_is_dead(s->link))
		pool_drop(pool, slot, 0);
}

void pool_finish(struct pool *pool, uint32_t lease)
{
	int slot = pool_find(pool, lease);

	if (slot < 0)
		return;
	pool_learn(pool, link_info(pool->slots[slot].link));
	link_finish(pool->slots[slot].link);
	pool_give_back(pool, slot);
}

void pool_abandon(struct pool *pool, uint32_t lease)
{
	int slot = pool_find(pool, lease);

	if (slot < 0)
		return;
	link_abandon(pool->slots[slot].link);
	pool_give_back(pool, slot);
}

bool pool_evict(struct pool *pool, uint32_t number, bool (*take)(void *holder))
{
	bool any = false;

	for (int i = 0; i < POOL_LINKS; i++) {
		const struct slot *s = &pool->slots[i];
		if (s->holder != NULL && (number == 0 || s->number == number) && link_is_idle(s->link))
			any = take(s->holder) || any;
	}
	return any;
}

/* ---- waiting ---- */

/* Polls idle links too: the socket of a worker that died stays readable until its link is found dead. */
void pool_poll(struct pool *pool, int wait_ms)
{
	struct pollfd fds[POOL_LINKS];
	int heard[POOL_LINKS], count = 0;

	for (int i = 0; i < POOL_LINKS; i++) {
		struct link *l = pool->slots[i].link;
		int64_t left;
		if (l == NULL || link_is_muted(l))
			continue;
		left = link_is_idle(l) ? wait_ms : link_time_left(l);
		wait_ms = left < wait_ms ? (int)(left > 0 ? left : 0) : wait_ms;
		fds[count] = (struct pollfd){.fd = link_descriptor(l), .events = link_events(l)};
		heard[count++] = i;
	}
	if (poll(fds, (nfds_t)count, wait_ms) < 0)
		return;
	for (int i = 0; i < count; i++) {
		struct link *l = pool->slots[heard[i]].link;
		if (!link_is_idle(l))
			link_wait(l, 0);
		else if (fds[i].revents != 0)
			link_on_readable(l);
	}
}

int pool_descriptor(struct pool *pool)
{
	if (pool->epoll >= 0)
		return pool->epoll;
	pool->epoll = descriptor_clear(epoll_create1(EPOLL_CLOEXEC));
	for (int i = 0; i < POOL_LINKS && pool->epoll >= 0; i++)
		if (pool->slots[i].link != NULL)
			link_watch(pool->slots[i].link, pool->epoll);
	return pool->epoll;
}

int64_t pool_patience(struct pool *pool)
{
	const int64_t full_socket = 10; /* ms: epoll does not watch for room in the socket */
	int64_t least = -1;

	for (int i = 0; i < POOL_LINKS; i++) {
		struct link *l = pool->slots[i].link;
		int64_t left;
		if (l == NULL || link_is_idle(l))
			continue;
		left = link_time_left(l);
		if (link_events(l) & POLLOUT)
			left = left < full_socket ? left : full_socket;
		if (least < 0 || left < least)
			least = left > 0 ? left : 0;
	}
	return least;
}

/* Checks all links: one may wait for another, for the other handles of its file to be closed for example. */
bool pool_settle(struct pool *pool, int wait_ms)
{
	bool settled = true;

	for (int i = 0; i < POOL_LINKS; i++) {
		struct link *l = pool->slots[i].link;
		if (l != NULL && !pool->slots[i].leased && !link_is_settled(l))
			settled = false;
	}
	if (!settled && wait_ms > 0)
		pool_poll(pool, wait_ms);
	return settled;
}
