#include "pipeline.h"

#include "counters.h"
#include "fault.h"
#include "local_io.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFERS = 2 };

struct pipeline {
	pthread_t helper;
	bool alone;        /* no thread could be had for the helper: whoever waits for it does its work */
	bool begun;        /* the hash has taken in what comes before `offset` */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int fd;
	uint64_t offset, left; /* in the local file; the helper alone uses them */
	struct sha256_ctx *hash; /* or NULL */
	size_t chunk;
	uint8_t *buffers[BUFFERS];
	size_t sizes[BUFFERS];
	size_t put, taken; /* buffers filled and emptied so far */
	bool held;         /* the library's thread uses a buffer: the oldest full one, or the next empty one */
	bool reading;
	_Atomic bool stop; /* the library's side has given up */
	bool ended;        /* no further buffer will be filled, or emptied */
	struct smb_fault fault; /* the helper's */
};

/* Keep two buffers from one transfer to the next: pages that were touched once cost nothing any more. */
static struct {
	uint8_t *bytes[BUFFERS];
	size_t size;
} kept;

/* ---- the helper ---- */

static bool pipeline_is_full(const struct pipeline *p)
{
	return p->put - p->taken == BUFFERS;
}

static bool pipeline_is_empty(const struct pipeline *p)
{
	return p->put == p->taken;
}

/* Waits, with the lock held, for a buffer to fill or empty; false at the end. */
static bool pipeline_await_work(struct pipeline *p)
{
	while (!p->ended && (p->reading ? pipeline_is_full(p) : pipeline_is_empty(p)))
		pthread_cond_wait(&p->changed, &p->lock);
	return p->reading ? !p->ended : !pipeline_is_empty(p);
}

static bool pipeline_move(struct pipeline *p, size_t slot, size_t size, struct smb_fault *fault)
{
	bool ok = true;
	if (p->reading)
		ok = local_io_pread(p->fd, p->buffers[slot], size, p->offset, fault);
	if (ok && p->hash != NULL)
		sha256_update(p->hash, size, p->buffers[slot]);
	if (!p->reading && p->fd >= 0)
		ok = local_io_pwrite(p->fd, p->buffers[slot], size, p->offset, fault);
	p->offset += size;
	return ok;
}

/* Hashes what comes before `offset`. Called with the lock held, like all that follow; false sets the fault. */
static bool pipeline_hash_before(struct pipeline *p)
{
	struct smb_fault fault = {0};
	bool ok;

	pthread_mutex_unlock(&p->lock);
	ok = p->hash == NULL || p->fd < 0 || local_io_hash(p->fd, p->offset, p->hash, &p->stop, &fault);
	pthread_mutex_lock(&p->lock);
	p->begun = true;
	if (!ok)
		p->fault = fault;
	return ok;
}

/* Fills or empties one buffer; false at the end and, with a fault, on failure. */
static bool pipeline_advance(struct pipeline *p)
{
	size_t slot = (p->reading ? p->put : p->taken) % BUFFERS;
	size_t size = p->reading ? (p->left < p->chunk ? (size_t)p->left : p->chunk) : p->sizes[slot];
	struct smb_fault fault = {0};
	bool ok;

	if (size == 0)
		return false;
	pthread_mutex_unlock(&p->lock);
	ok = pipeline_move(p, slot, size, &fault);
	pthread_mutex_lock(&p->lock);
	if (!ok) {
		p->fault = fault;
		return false;
	}
	if (p->reading) {
		p->sizes[slot] = size;
		p->left -= size;
		p->put++;
	} else {
		p->taken++;
	}
	pthread_cond_signal(&p->changed);
	return true;
}

static void *pipeline_help(void *argument)
{
	struct pipeline *p = argument;
	bool goes_on;

	pthread_mutex_lock(&p->lock);
	goes_on = pipeline_hash_before(p);
	while (goes_on && pipeline_await_work(p))
		goes_on = pipeline_advance(p);
	p->ended = true;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Does what the helper would do next. */
static void pipeline_work_alone(struct pipeline *p)
{
	bool goes_on = p->begun || pipeline_hash_before(p);
	bool has_work = p->reading || !pipeline_is_empty(p);
	if (!goes_on || (has_work && !pipeline_advance(p)))
		p->ended = true;
}

/* ---- life ---- */

static bool pipeline_have_buffers(size_t chunk)
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

/* Blocks all signals in the helper: they are for the main thread. */
static int pipeline_start_helper(struct pipeline *p)
{
	sigset_t all, before;
	int error;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	error = pthread_create(&p->helper, NULL, pipeline_help, p);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

static struct pipeline *pipeline_start(struct pipeline setup, struct smb_fault *fault)
{
	struct pipeline *p = malloc(sizeof *p);

	if (p != NULL && pipeline_have_buffers(setup.chunk)) {
		*p = setup;
		memcpy(p->buffers, kept.bytes, sizeof p->buffers);
		pthread_mutex_init(&p->lock, NULL);
		pthread_cond_init(&p->changed, NULL);
		p->alone = pipeline_start_helper(p) != 0;
		return p;
	}
	free(p);
	fault_set(fault, SMB_FAILED, "the worker is out of memory");
	return NULL;
}

struct pipeline *pipeline_read(int fd, uint64_t offset, uint64_t size, size_t chunk, struct sha256_ctx *hash,
			 struct smb_fault *fault)
{
	return pipeline_start(
	    (struct pipeline){.fd = fd, .offset = offset, .left = size, .chunk = chunk, .hash = hash, .reading = true},
	    fault);
}

struct pipeline *pipeline_write(int fd, uint64_t offset, size_t chunk, struct sha256_ctx *hash, struct smb_fault *fault)
{
	return pipeline_start((struct pipeline){.fd = fd, .offset = offset, .chunk = chunk, .hash = hash}, fault);
}

/* ---- the library's side ---- */

/* Waits for the helper, with the lock held; that is a wait for the disk. */
static void pipeline_await_helper(struct pipeline *p, bool (*is_stuck)(const struct pipeline *p))
{
	uint32_t step = counters_begin_local();

	while (is_stuck(p) && !p->ended)
		if (p->alone)
			pipeline_work_alone(p);
		else
			pthread_cond_wait(&p->changed, &p->lock);
	counters_end_local(step);
}

const uint8_t *pipeline_next(struct pipeline *p, size_t *size)
{
	const uint8_t *bytes = NULL;

	pthread_mutex_lock(&p->lock);
	if (p->held) {
		p->taken++;
		pthread_cond_signal(&p->changed);
	}
	pipeline_await_helper(p, pipeline_is_empty);
	p->held = !pipeline_is_empty(p);
	if (p->held) {
		*size = p->sizes[p->taken % BUFFERS];
		bytes = p->buffers[p->taken % BUFFERS];
	}
	pthread_mutex_unlock(&p->lock);
	return bytes;
}

uint8_t *pipeline_room(struct pipeline *p)
{
	uint8_t *bytes = NULL;

	pthread_mutex_lock(&p->lock);
	pipeline_await_helper(p, pipeline_is_full);
	if (!p->ended)
		bytes = p->buffers[p->put % BUFFERS];
	pthread_mutex_unlock(&p->lock);
	return bytes;
}

void pipeline_give(struct pipeline *p, size_t size)
{
	pthread_mutex_lock(&p->lock);
	p->sizes[p->put % BUFFERS] = size;
	p->put++;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

void pipeline_stop(struct pipeline *p)
{
	atomic_store(&p->stop, true);
}

bool pipeline_end(struct pipeline *p, struct smb_fault *fault)
{
	uint32_t step = counters_begin_local();
	bool ok;

	pthread_mutex_lock(&p->lock);
	while (p->alone && !p->reading && !p->ended && !(p->begun && pipeline_is_empty(p)))
		pipeline_work_alone(p);
	p->ended = true;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
	if (!p->alone)
		pthread_join(p->helper, NULL);
	counters_end_local(step);
	ok = p->fault.code == SMB_OK;
	if (!ok)
		*fault = p->fault;
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
	return ok;
}
