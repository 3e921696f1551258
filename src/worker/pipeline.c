#include "pipeline.h"

#include "counters.h"
#include "fault.h"
#include "lifeline.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFERS = 2 };

struct pipeline {
	pthread_t helper;
	bool alone;        /* there is no helper, for want of threads: who waits for it does its work */
	bool begun;        /* the hash has what comes before */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int fd;
	uint64_t offset, left; /* of the local file, used by the helper alone */
	struct sha256_ctx *hash; /* NULL: nobody asks for it */
	size_t chunk;
	uint8_t *buffers[BUFFERS];
	size_t sizes[BUFFERS];
	size_t put, taken; /* buffers filled and emptied so far */
	bool held;         /* the library's thread is at work on a buffer: the oldest full one, or the next empty one */
	bool reading;
	_Atomic bool stop; /* the library's side waits for nothing any more */
	bool ended;        /* no more will be filled, or taken */
	struct smb_fault fault; /* the helper's */
};

/* Two buffers are kept from one transfer to the next: pages that were touched once cost nothing any more. */
static struct {
	uint8_t *bytes[BUFFERS];
	size_t size;
} kept;

bool local_read(int fd, uint8_t *to, size_t size, uint64_t offset, struct smb_fault *fault)
{
	while (size > 0) {
		ssize_t n = pread(fd, to, size, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_local(fault, "the local file cannot be read", errno);
		if (n == 0)
			return fault_set(fault, SMB_SOURCE_CHANGED, "the local file became shorter while it was read");
		to += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return true;
}

bool local_write(int fd, const uint8_t *from, size_t size, uint64_t offset, struct smb_fault *fault)
{
	while (size > 0) {
		ssize_t n = pwrite(fd, from, size, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_local(fault, "the local file cannot be written", errno);
		from += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return true;
}

bool local_hash(int fd, uint64_t size, struct sha256_ctx *hash, const _Atomic bool *stop, struct smb_fault *fault)
{
	uint8_t bytes[65536];
	uint64_t offset = 0;

	while (offset < size) {
		size_t n = size - offset < sizeof bytes ? (size_t)(size - offset) : sizeof bytes;
		if (lifeline_cancelled() || (stop != NULL && atomic_load(stop)))
			return fault_set(fault, SMB_CANCELLED, "cancelled");
		if (!local_read(fd, bytes, n, offset, fault))
			return false;
		sha256_update(hash, n, bytes);
		offset += n;
	}
	return true;
}

/* ---- the helper ---- */

static bool full(const struct pipeline *r)
{
	return r->put - r->taken == BUFFERS;
}

static bool empty(const struct pipeline *r)
{
	return r->put == r->taken;
}

/* With the lock held; false when there is nothing left to do. */
static bool helper_waits(struct pipeline *r)
{
	while (!r->ended && (r->reading ? full(r) : empty(r)))
		pthread_cond_wait(&r->changed, &r->lock);
	return r->reading ? !r->ended : !empty(r);
}

static bool move_one(struct pipeline *r, size_t slot, size_t size, struct smb_fault *fault)
{
	bool ok = true;
	if (r->reading)
		ok = local_read(r->fd, r->buffers[slot], size, r->offset, fault);
	if (ok && r->hash != NULL)
		sha256_update(r->hash, size, r->buffers[slot]);
	if (!r->reading && r->fd >= 0)
		ok = local_write(r->fd, r->buffers[slot], size, r->offset, fault);
	r->offset += size;
	return ok;
}

/* With the lock held, as all that follows. False, with the fault, on failure. */
static bool begin(struct pipeline *r)
{
	struct smb_fault fault = {0};
	bool ok;

	pthread_mutex_unlock(&r->lock);
	ok = r->hash == NULL || r->fd < 0 || local_hash(r->fd, r->offset, r->hash, &r->stop, &fault);
	pthread_mutex_lock(&r->lock);
	r->begun = true;
	if (!ok)
		r->fault = fault;
	return ok;
}

/* Fills or empties one buffer; false at the end and, with the fault, on failure. */
static bool advance(struct pipeline *r)
{
	size_t slot = (r->reading ? r->put : r->taken) % BUFFERS;
	size_t size = r->reading ? (r->left < r->chunk ? (size_t)r->left : r->chunk) : r->sizes[slot];
	struct smb_fault fault = {0};
	bool ok;

	if (size == 0)
		return false;
	pthread_mutex_unlock(&r->lock);
	ok = move_one(r, slot, size, &fault);
	pthread_mutex_lock(&r->lock);
	if (!ok) {
		r->fault = fault;
		return false;
	}
	if (r->reading) {
		r->sizes[slot] = size;
		r->left -= size;
		r->put++;
	} else {
		r->taken++;
	}
	pthread_cond_signal(&r->changed);
	return true;
}

static void *help(void *argument)
{
	struct pipeline *r = argument;
	bool goes_on;

	pthread_mutex_lock(&r->lock);
	goes_on = begin(r);
	while (goes_on && helper_waits(r))
		goes_on = advance(r);
	r->ended = true;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* What the helper would do next. */
static void work_alone(struct pipeline *r)
{
	bool goes_on = r->begun || begin(r);
	bool has_work = r->reading || !empty(r);
	if (!goes_on || (has_work && !advance(r)))
		r->ended = true;
}

/* ---- life ---- */

static bool have_buffers(size_t chunk)
{
	if (kept.size >= chunk)
		return true;
	kept.size = 0;
	for (size_t i = 0; i < BUFFERS; i++) {
		free(kept.bytes[i]);
		kept.bytes[i] = malloc(chunk);
		if (kept.bytes[i] == NULL)
			return false;
	}
	kept.size = chunk;
	return true;
}

/* Signals are the main thread's. */
static int start_helper(struct pipeline *r)
{
	sigset_t all, before;
	int error;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	error = pthread_create(&r->helper, NULL, help, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

static struct pipeline *start(struct pipeline setup, struct smb_fault *fault)
{
	struct pipeline *r = malloc(sizeof *r);

	if (r != NULL && have_buffers(setup.chunk)) {
		*r = setup;
		memcpy(r->buffers, kept.bytes, sizeof r->buffers);
		pthread_mutex_init(&r->lock, NULL);
		pthread_cond_init(&r->changed, NULL);
		r->alone = start_helper(r) != 0;
		return r;
	}
	free(r);
	fault_set(fault, SMB_FAILED, "the worker is out of memory");
	return NULL;
}

struct pipeline *pipeline_read(int fd, uint64_t offset, uint64_t size, size_t chunk, struct sha256_ctx *hash,
			 struct smb_fault *fault)
{
	return start((struct pipeline){.fd = fd, .offset = offset, .left = size, .chunk = chunk, .hash = hash, .reading = true},
		     fault);
}

struct pipeline *pipeline_write(int fd, uint64_t offset, size_t chunk, struct sha256_ctx *hash, struct smb_fault *fault)
{
	return start((struct pipeline){.fd = fd, .offset = offset, .chunk = chunk, .hash = hash}, fault);
}

/* ---- the library's side ---- */

/* With the lock held: waits for the helper, and that is for the disk. */
static void await_helper(struct pipeline *r, bool (*is_stuck)(const struct pipeline *r))
{
	uint32_t step = counters_begin_local();

	while (is_stuck(r) && !r->ended)
		if (r->alone)
			work_alone(r);
		else
			pthread_cond_wait(&r->changed, &r->lock);
	counters_end_local(step);
}

const uint8_t *pipeline_next(struct pipeline *r, size_t *size)
{
	const uint8_t *bytes = NULL;

	pthread_mutex_lock(&r->lock);
	if (r->held) {
		r->taken++;
		pthread_cond_signal(&r->changed);
	}
	await_helper(r, empty);
	r->held = !empty(r);
	if (r->held) {
		*size = r->sizes[r->taken % BUFFERS];
		bytes = r->buffers[r->taken % BUFFERS];
	}
	pthread_mutex_unlock(&r->lock);
	return bytes;
}

uint8_t *pipeline_room(struct pipeline *r)
{
	uint8_t *bytes = NULL;

	pthread_mutex_lock(&r->lock);
	await_helper(r, full);
	if (!r->ended)
		bytes = r->buffers[r->put % BUFFERS];
	pthread_mutex_unlock(&r->lock);
	return bytes;
}

void pipeline_give(struct pipeline *r, size_t size)
{
	pthread_mutex_lock(&r->lock);
	r->sizes[r->put % BUFFERS] = size;
	r->put++;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

void pipeline_stop(struct pipeline *r)
{
	atomic_store(&r->stop, true);
}

bool pipeline_end(struct pipeline *r, struct smb_fault *fault)
{
	uint32_t step = counters_begin_local();
	bool ok;

	pthread_mutex_lock(&r->lock);
	while (r->alone && !r->reading && !r->ended && !(r->begun && empty(r)))
		work_alone(r);
	r->ended = true;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
	if (!r->alone)
		pthread_join(r->helper, NULL);
	counters_end_local(step);
	ok = r->fault.code == SMB_OK;
	if (!ok)
		*fault = r->fault;
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r);
	return ok;
}
