#include "pool.h"

#include <stdio.h>
#include <string.h>

static void drop(struct pool *pool, int slot, int wait_ms)
{
	pool->lost = pool->slots[slot].number;
	pool->why_lost = *link_fault(pool->slots[slot].link);
	link_end(pool->slots[slot].link, wait_ms);
	memset(&pool->slots[slot], 0, sizeof pool->slots[slot]);
}

/* Links that died between requests. */
static void sweep(struct pool *pool)
{
	for (int i = 0; i < POOL_LINKS; i++) {
		struct link *l = pool->slots[i].link;
		if (l == NULL || pool->slots[i].taken)
			continue;
		link_wait(l, 0);
		if (link_dead(l))
			drop(pool, i, 0);
	}
}

static int start(struct pool *pool, int slot, struct smb_fault *fault)
{
	struct link *l = link_start(pool->program, pool->target, &pool->limits, fault);
	if (l == NULL)
		return -1;
	pool->slots[slot].link = l;
	pool->slots[slot].number = ++pool->last_number;
	pool->slots[slot].taken = true;
	return slot;
}

int pool_take(struct pool *pool, struct smb_fault *fault)
{
	int empty = -1;

	if (pool->refusal.code != SMB_OK) {
		*fault = pool->refusal;
		return -1;
	}
	sweep(pool);
	for (int i = 0; i < POOL_LINKS; i++) {
		struct link *l = pool->slots[i].link;
		if (l == NULL) {
			if (empty < 0)
				empty = i;
		} else if (!pool->slots[i].taken && link_settled(l)) {
			pool->slots[i].taken = true;
			return i;
		}
	}
	if (empty >= 0)
		return start(pool, empty, fault);
	memset(fault, 0, sizeof *fault);
	fault->code = SMB_BUSY;
	snprintf(fault->text, sizeof fault->text, "too many calls are under way at once");
	return -1;
}

int pool_find(const struct pool *pool, uint32_t number)
{
	for (int i = 0; i < POOL_LINKS; i++)
		if (pool->slots[i].link != NULL && pool->slots[i].number == number)
			return i;
	return -1;
}

bool pool_settle(struct pool *pool, int wait_ms)
{
	for (int i = 0; i < POOL_LINKS; i++) {
		struct link *l = pool->slots[i].link;
		if (l == NULL || pool->slots[i].taken || link_settled(l))
			continue;
		link_wait(l, wait_ms);
		return false;
	}
	return true;
}

int pool_take_numbered(struct pool *pool, uint32_t number, struct smb_fault *fault)
{
	int i = pool_find(pool, number);

	if (i >= 0 && !pool->slots[i].taken && link_free(pool->slots[i].link)) {
		pool->slots[i].taken = true;
		return i;
	}
	memset(fault, 0, sizeof *fault);
	fault->code = SMB_DISCONNECTED;
	snprintf(fault->text, sizeof fault->text, "the connection it was opened on has gone");
	if (i >= 0 && link_dead(pool->slots[i].link))
		*fault = *link_fault(pool->slots[i].link);
	else if (pool->lost == number && pool->why_lost.code != SMB_OK)
		*fault = pool->why_lost;
	return -1;
}

void pool_give_back(struct pool *pool, int slot)
{
	struct link *l = pool->slots[slot].link;

	pool->slots[slot].taken = false;
	if (link_refused(l) && pool->refusal.code == SMB_OK)
		pool->refusal = *link_fault(l);
	if (link_dead(l))
		drop(pool, slot, 0);
}

void pool_close(struct pool *pool, int wait_ms)
{
	for (int i = 0; i < POOL_LINKS; i++)
		if (pool->slots[i].link != NULL)
			drop(pool, i, wait_ms);
}
