#include "pool.h"

#include "shared/descriptor.h"
#include "shared/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Between two starts of a worker where it is to be done gently. */
enum { START_MS = 10 };

/* How long a server that took no more connections is believed, or a machine that had nothing left for a worker. */
enum { FULL_MS = 10000 };

/* Descriptors that a further link leaves to others. */
enum { SPARE = 16 };

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- life ---- */

static bool share_pace(struct pool *pool)
{
	pool->common.pace = memory_share("smb-pace", sizeof *pool->common.pace, &pool->common.rate_limit_fd);
	if (pool->common.pace == NULL)
		return false;
	atomic_store(&pool->common.pace->rate, pool->rate);
	return true;
}

void pool_limit_rate(struct pool *pool, uint64_t rate)
{
	pool->rate = rate;
	if (pool->common.pace != NULL)
		atomic_store(&pool->common.pace->rate, rate);
}

struct pool *pool_open(const char *program, const struct smb_connect *target)
{
	struct pool *pool = calloc(1, sizeof *pool);

	if (pool == NULL)
		return NULL;
	pool->common = (struct link_common){.program = program, .target = target, .rate_limit_fd = -1, .fork_server = NO_FORK_SERVER};
	pool->most = 1;
	pool->epoll = -1;
	return pool;
}

static void drop(struct pool *pool, int slot, int wait_ms)
{
	struct pool_slot *s = &pool->slots[slot];

	pool->lost = s->number;
	pool->why_lost = *link_fault(s->link);
	link_end(s->link, wait_ms);
	memset(s, 0, sizeof *s);
}

void pool_close(struct pool *pool, int wait_ms)
{
	for (int i = 0; i < POOL_LINKS; i++) /* all end side by side */
		if (pool->slots[i].link != NULL)
			link_dismiss(pool->slots[i].link);
	fork_server_dismiss(&pool->common.fork_server);
	for (int i = 0; i < POOL_LINKS; i++)
		if (pool->slots[i].link != NULL)
			drop(pool, i, wait_ms);
	fork_server_end(&pool->common.fork_server, wait_ms);
	if (pool->common.pace != NULL)
		munmap(pool->common.pace, sizeof *pool->common.pace);
	if (pool->common.rate_limit_fd >= 0)
		close(pool->common.rate_limit_fd);
	if (pool->epoll >= 0)
		close(pool->epoll);
	free(pool);
}

/* ---- taking ---- */

unsigned pool_count(const struct pool *pool)
{
	unsigned count = 0;
	for (int i = 0; i < POOL_LINKS; i++)
		count += pool->slots[i].link != NULL;
	return count;
}

/* One link is there for the next call, however long that takes: the oldest. */
static void keep_one(struct pool *pool)
{
	const struct pool_slot *oldest = NULL;

	for (int i = 0; i < POOL_LINKS; i++) {
		const struct pool_slot *s = &pool->slots[i];
		if (s->link != NULL && !link_dead(s->link) && (oldest == NULL || s->number < oldest->number))
			oldest = s;
	}
	if (oldest != NULL)
		link_stay(oldest->link);
}

/* Links that died between requests, or whose workers have left since nobody needed them. */
static void sweep(struct pool *pool)
{
	for (int i = 0; i < POOL_LINKS; i++) {
		struct pool_slot *s = &pool->slots[i];
		if (s->link == NULL || s->taken)
			continue;
		link_wait(s->link, 0);
		if (link_dead(s->link))
			drop(pool, i, 0);
	}
	keep_one(pool);
}

static int no_pace(struct smb_fault *fault)
{
	memset(fault, 0, sizeof *fault);
	fault->code = SMB_FAILED;
	fault->error = errno;
	snprintf(fault->text, sizeof fault->text, "no worker process can be started (%s)", strerror(errno));
	return POOL_FAILED;
}

static int empty_slot(const struct pool *pool)
{
	for (int i = 0; i < POOL_LINKS; i++)
		if (pool->slots[i].link == NULL)
			return i;
	return -1;
}

static int add(struct pool *pool, struct link *link)
{
	int slot = empty_slot(pool);

	if (pool->epoll >= 0)
		link_watch(link, pool->epoll);
	pool->slots[slot] = (struct pool_slot){.link = link, .number = ++pool->last_number};
	return slot;
}

/* Whether descriptors are left for what a further link would be of use to: local files, buffers. */
static bool spares_descriptors(const struct pool *pool)
{
	const rlim_t many = 4096; /* with so many it need not be asked */
	struct rlimit limit;
	int fd;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= many)
		return true;
	fd = limit.rlim_cur > SPARE ? fcntl(pool->common.rate_limit_fd, F_DUPFD_CLOEXEC, (int)limit.rlim_cur - SPARE) : -1;
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/*
 * Starts links, as many as there are empty slots for; gives the slot of the last. Where the machine has no more processes or
 * descriptors for a further one, it is not asked again for a while.
 */
static int start(struct pool *pool, unsigned count, struct smb_fault *fault)
{
	struct link *links[POOL_LINKS];
	int slot = POOL_FAILED;
	bool is_further = pool_count(pool) > 0;

	if (pool->common.pace == NULL && !share_pace(pool))
		return no_pace(fault);
	if ((is_further && !spares_descriptors(pool)) || !link_start(links, count, &pool->common, fault)) {
		if (is_further)
			pool->full_until = now_ms() + FULL_MS;
		return is_further ? POOL_FULL : POOL_FAILED;
	}
	pool->started = now_ms();
	for (unsigned i = 0; i < count; i++)
		slot = add(pool, links[i]);
	keep_one(pool);
	return slot;
}

static bool is_free(const struct pool_slot *s)
{
	return s->link != NULL && !s->taken && link_is_free(s->link);
}

/*
 * Rather one that has nothing left to tidy up, that is logged on, that has no open files if that matters, that is wished for, that does
 * nothing, that has fewer open files.
 */
static bool is_better(const struct pool_slot *s, const struct pool_slot *than, uint32_t wished, bool own)
{
	if (link_settled(s->link) != link_settled(than->link))
		return link_settled(s->link);
	if (link_ready(s->link) != link_ready(than->link))
		return link_ready(s->link);
	if (own && (s->handles == 0) != (than->handles == 0))
		return s->handles == 0;
	if ((s->number == wished) != (than->number == wished))
		return s->number == wished;
	if (link_ahead(s->link) != link_ahead(than->link))
		return !link_ahead(s->link);
	return s->handles < than->handles;
}

static int best_free(const struct pool *pool, uint32_t wished, bool own)
{
	int best = -1;
	for (int i = 0; i < POOL_LINKS; i++)
		if (is_free(&pool->slots[i]) && (best < 0 || is_better(&pool->slots[i], &pool->slots[best], wished, own)))
			best = i;
	return best;
}

/* What was done ahead is done for the one who wishes for that link. */
static bool does_at_once(const struct pool_slot *s, uint32_t wished)
{
	return link_settled(s->link) && (!link_ahead(s->link) || s->number == wished);
}

/* How many may be started, of so many that are wanted. */
static unsigned may_start(const struct pool *pool, unsigned wanted)
{
	unsigned count = pool_count(pool), most = pool->most < POOL_LINKS ? pool->most : POOL_LINKS;

	if (now_ms() < pool->full_until)
		return count == 0 && wanted > 0;
	if (count >= most)
		return 0;
	return wanted < most - count ? wanted : most - count;
}

unsigned pool_most(const struct pool *pool)
{
	unsigned count = pool_count(pool);
	bool has_room = count == 0 || (now_ms() >= pool->full_until && spares_descriptors(pool));
	return has_room || count > pool->most ? pool->most : count;
}

static int no_more(struct smb_fault *fault, const char *text)
{
	memset(fault, 0, sizeof *fault);
	fault->code = SMB_BUSY;
	snprintf(fault->text, sizeof fault->text, "%s", text);
	return POOL_FAILED;
}

static int take(struct pool *pool, int slot)
{
	pool->slots[slot].taken = true;
	return slot;
}

/* A worker has found out that the password is refused. It is not trusted with more than the words. */
static bool is_refused(struct pool *pool)
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

int pool_take(struct pool *pool, uint32_t wished, bool own, bool gently, struct smb_fault *fault)
{
	int best, slot;
	bool suits;

	if (is_refused(pool)) {
		*fault = pool->refusal;
		return POOL_FAILED;
	}
	sweep(pool);
	best = best_free(pool, wished, own);
	suits = best >= 0 && (!own || (pool->slots[best].handles == 0 && link_settled(pool->slots[best].link)));
	if (suits && does_at_once(&pool->slots[best], wished))
		return take(pool, best);
	if (may_start(pool, 1) > 0) {
		if (gently && now_ms() - pool->started < START_MS)
			return POOL_SOON;
		slot = start(pool, 1, fault);
		if (slot != POOL_FULL)
			return slot >= 0 ? take(pool, slot) : slot;
	}
	if (suits)
		return take(pool, best);
	if (own && (pool_count(pool) >= pool->most || now_ms() < pool->full_until))
		return no_more(fault, "all connections are in use");
	return POOL_FULL;
}

void pool_warm(struct pool *pool, unsigned count)
{
	struct smb_fault ignored; /* who needs a link and gets none learns why */
	unsigned there, missing;

	sweep(pool);
	if (is_refused(pool))
		return;
	there = pool_count(pool);
	missing = may_start(pool, count > there ? count - there : 0);
	if (missing > 0)
		start(pool, missing, &ignored);
}

int pool_find(const struct pool *pool, uint32_t number)
{
	for (int i = 0; i < POOL_LINKS; i++)
		if (pool->slots[i].link != NULL && pool->slots[i].number == number)
			return i;
	return -1;
}

int pool_take_numbered(struct pool *pool, uint32_t number, struct smb_fault *fault)
{
	int i = pool_find(pool, number);

	if (i >= 0 && !pool->slots[i].taken && is_free(&pool->slots[i])) {
		pool->slots[i].taken = true;
		return i;
	}
	if (i >= 0 && !link_dead(pool->slots[i].link)) /* at work, or still giving up what it was at */
		return POOL_FULL;
	memset(fault, 0, sizeof *fault);
	fault->code = SMB_DISCONNECTED;
	snprintf(fault->text, sizeof fault->text, "the connection it was opened on has gone");
	if (i >= 0 && link_dead(pool->slots[i].link))
		*fault = *link_fault(pool->slots[i].link);
	else if (pool->lost == number && pool->why_lost.code != SMB_OK)
		*fault = pool->why_lost;
	return POOL_FAILED;
}

bool pool_is_full(struct pool *pool, int slot)
{
	const struct link *lost = pool->slots[slot].link;

	if (!link_dead(lost) || link_was_ready(lost) || link_fault(lost)->code == SMB_AUTH_FAILED)
		return false;
	for (int i = 0; i < POOL_LINKS; i++)
		if (pool->slots[i].link != NULL && !link_dead(pool->slots[i].link)) {
			pool->full_until = now_ms() + FULL_MS;
			return true;
		}
	return false;
}

void pool_learn(struct pool *pool, const struct smb_info *info)
{
	uint64_t throughput = pool->info.throughput;

	if (info->round_trips == 0 && pool->info.round_trips != 0) /* it has told nothing */
		return;
	pool->info = *info;
	if (throughput > info->throughput)
		pool->info.throughput = throughput;
}

void pool_give_back(struct pool *pool, int slot)
{
	struct pool_slot *s = &pool->slots[slot];

	s->taken = false;
	s->holder = NULL;
	if (link_dead(s->link))
		drop(pool, slot, 0);
}

/* ---- waiting ---- */

/* Idle links are listened to as well: one whose worker has died would be readable for ever. */
void pool_poll(struct pool *pool, int wait_ms)
{
	struct pollfd fds[POOL_LINKS];
	int heard[POOL_LINKS], count = 0;

	for (int i = 0; i < POOL_LINKS; i++) {
		struct link *l = pool->slots[i].link;
		int64_t left;
		if (l == NULL || link_is_muted(l))
			continue;
		left = link_idle(l) ? wait_ms : link_time_left(l);
		wait_ms = left < wait_ms ? (int)(left > 0 ? left : 0) : wait_ms;
		fds[count] = (struct pollfd){.fd = link_descriptor(l), .events = link_events(l)};
		heard[count++] = i;
	}
	if (poll(fds, (nfds_t)count, wait_ms) < 0)
		return;
	for (int i = 0; i < count; i++) {
		struct link *l = pool->slots[heard[i]].link;
		if (!link_idle(l))
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
	const int64_t full_socket = 10; /* ms: the descriptor does not tell when there is room again */
	int64_t least = -1;

	for (int i = 0; i < POOL_LINKS; i++) {
		struct link *l = pool->slots[i].link;
		int64_t left;
		if (l == NULL || link_idle(l))
			continue;
		left = link_time_left(l);
		if (link_events(l) & POLLOUT)
			left = left < full_socket ? left : full_socket;
		if (least < 0 || left < least)
			least = left > 0 ? left : 0;
	}
	return least;
}

/* All are looked at: what one link waits for may be another's to do, a file's other handles to be closed for one. */
bool pool_settle(struct pool *pool, int wait_ms)
{
	bool settled = true;

	for (int i = 0; i < POOL_LINKS; i++) {
		struct link *l = pool->slots[i].link;
		if (l != NULL && !pool->slots[i].taken && !link_settled(l))
			settled = false;
	}
	if (!settled && wait_ms > 0)
		pool_poll(pool, wait_ms);
	return settled;
}
