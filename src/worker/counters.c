#include "counters.h"

#include <unistd.h>

static struct smb_shared *counters_page;

void counters_use(struct smb_shared *page)
{
	counters_page = page;
	atomic_store(&page->process, (uint32_t)getpid());
}

/* ---- time limits ---- */

void counters_begin_step(enum smb_patience patience)
{
	atomic_store(&counters_page->patience, (uint32_t)patience);
	counters_alive();
}

void counters_alive(void)
{
	atomic_fetch_add(&counters_page->steps, 1);
}

void counters_set_step(enum smb_step step)
{
	atomic_store(&counters_page->step, (uint32_t)step);
}

uint32_t counters_begin_local(void)
{
	return atomic_exchange(&counters_page->step, SMB_STEP_LOCAL);
}

/* The server's limit begins anew. */
void counters_end_local(uint32_t step)
{
	counters_alive();
	atomic_store(&counters_page->step, step);
}

void counters_wait_for_turn(void)
{
	atomic_fetch_add(&counters_page->turns, 1);
}

void counters_add_moved(uint64_t bytes)
{
	atomic_fetch_add(&counters_page->moved, bytes);
}

uint64_t counters_moved(void)
{
	return atomic_load(&counters_page->moved);
}

/* ---- the transfer under way ---- */

void counters_set_done(uint64_t bytes)
{
	atomic_store(&counters_page->done, bytes);
}

void counters_set_source(uint64_t size, int64_t mtime)
{
	atomic_store(&counters_page->size, size);
	atomic_store(&counters_page->mtime, mtime);
}

void counters_set_unfinished(enum smb_unfinished what)
{
	atomic_store(&counters_page->unfinished, (uint32_t)what);
}

void counters_add_removal(void)
{
	atomic_fetch_add(&counters_page->removals, 1);
}

/* ---- the worker's life ---- */

void counters_add_taken(void)
{
	atomic_fetch_add(&counters_page->taken, 1);
}

void counters_set_ahead(bool ahead)
{
	atomic_store(&counters_page->ahead, ahead);
}

bool counters_is_cancelled(void)
{
	return atomic_load(&counters_page->cancel) != 0;
}

bool counters_is_wanted(void)
{
	return atomic_load(&counters_page->stays) || atomic_load(&counters_page->wanted);
}
