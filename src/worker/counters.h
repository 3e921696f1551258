/*
 * How far the worker has come, on the page that the module maps too (struct smb_shared). counters.c alone touches that
 * page. What is written there is a hint: the module decides by it how long to wait, and what to show as progress.
 */
#ifndef LUA_SMB_COUNTERS_H
#define LUA_SMB_COUNTERS_H

#include "protocol.h"

#include <stdbool.h>
#include <stdint.h>

/* Uses `page` from now on, and writes this process's id there. Call it before all others. */
void counters_use(struct smb_shared *page);

/* ---- time limits ---- */

/* Begins a step that may take as long as that limit. */
void counters_begin_step(enum smb_patience patience);

/* Restarts the limit of the step: the worker waits for something else than the server. */
void counters_alive(void);

void counters_set_step(enum smb_step step);

/*
 * Between these two the library's thread works on the local file, or waits for it, and the server's limits do not
 * count: a slow disk is no silence of the server's. Pass what begin returned to end; they nest.
 */
uint32_t counters_begin_local(void);
void counters_end_local(uint32_t step);

/* The worker begins to wait for its turn to log on, or has ended that: another worker is waited for, not the server. */
void counters_wait_for_turn(void);

/* Bytes have crossed an SMB connection. */
void counters_add_moved(uint64_t bytes);
uint64_t counters_moved(void);

/* ---- the transfer under way ---- */

/* Bytes that the server, or the local file, has for certain. */
void counters_set_done(uint64_t bytes);

/* The size and time of the file that is fetched. */
void counters_set_source(uint64_t size, int64_t mtime);

/* What would be left on the share if the request under way failed now. */
void counters_set_unfinished(enum smb_unfinished what);

/* The library call that begins now may take a name away. */
void counters_add_removal(void);

/* ---- the worker's life ---- */

/* A request was taken. */
void counters_add_taken(void);

/* While true the worker does what nobody has asked for yet. */
void counters_set_ahead(bool ahead);

/* The module wants the request under way to end. */
bool counters_is_cancelled(void);

/* Somebody waits for the worker, or wants it to stay. */
bool counters_is_wanted(void);

#endif
