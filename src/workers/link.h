/*
 * A link: one worker at work. It is started, given requests one at a time, waited for with deadlines, ended. No call
 * waits longer than it is told to, and nothing here knows Lua.
 */
#ifndef LUA_SMB_LINK_H
#define LUA_SMB_LINK_H

#include "protocol.h"
#include "worker.h"

#include <stdbool.h>
#include <stddef.h>

struct link;

enum { LINKS_AT_ONCE = 32 };

/* Starts `count` links, 1 to LINKS_AT_ONCE. False fills `fault`, and starts none. */
bool link_start(struct link **links, unsigned count, struct worker_common *common, struct smb_fault *fault);

/* Hangs up; the link is dead then. A worker that owes no clean-up ends at once. In a forked child this does nothing. */
void link_dismiss(struct link *l);

/*
 * Hangs up and frees the link, after waiting for the process to end for `wait_ms` at most. A host that inherits orphans
 * (PID 1 or a subreaper) always waits, briefly, because it has to reap them.
 */
void link_end(struct link *l, int wait_ms);

/* ---- requests ---- */

/*
 * Begins a request: struct smb_request and its text, with duplicates of `count` descriptors, SMB_FILES_AT_ONCE at most.
 * NULL asks for the connection only. One request at a time. False and errno when nothing was begun.
 */
bool link_begin(struct link *l, const struct smb_request *request, size_t size, const int *fds, size_t count);

/* Sends a request whose reply nobody waits for. Requests are done in their order. */
void link_post(struct link *l, const struct smb_request *request, size_t size);

/*
 * Waits until the request has ended, for `wait_ms` at most; a signal ends the wait, too. Returns whether it has ended.
 */
bool link_wait(struct link *l, int wait_ms);

/* The reply to the request that ended; NULL where link_fault says why there is none. */
const struct smb_reply *link_reply(const struct link *l, size_t *size);
const struct smb_fault *link_fault(const struct link *l);

/* The caller has taken the reply: the link is free for the next request. */
void link_finish(struct link *l);

/* Nobody waits for the request any longer: asks the worker to stop and tidy up. */
void link_abandon(struct link *l);

/* ---- waiting for several links ---- */

/* Whether nothing is under way: the request has ended, or there is none. */
bool link_is_idle(const struct link *l);

/* What to poll, and for which events. */
int link_descriptor(const struct link *l);
short link_events(const struct link *l);

/* Milliseconds until the deadline. */
int64_t link_time_left(struct link *l);

/* From now on the epoll descriptor is readable when the link is. */
void link_watch(struct link *l, int epoll);

/*
 * An idle link is readable: its worker died, or goes on while a reply waits to be taken. In the second case the link
 * becomes muted: it is removed from epoll until the reply is taken, or the loop would spin. A dead link counts as
 * muted.
 */
void link_on_readable(struct link *l);
bool link_is_muted(const struct link *l);

/* ---- what a link is like ---- */

bool link_is_free(struct link *l);          /* may be given a request, perhaps while it still connects */
bool link_is_settled(struct link *l);       /* free, and all posted and abandoned requests have ended; or dead */
bool link_is_dead(const struct link *l);    /* of no more use */
bool link_is_ready(const struct link *l);   /* logged on */
bool link_works_ahead(const struct link *l); /* its worker prefetches a listing before it does what it was asked for */
bool link_was_unread(const struct link *l); /* its worker ended before it took the request */
bool link_needs_another(const struct link *l); /* it died before it was logged on, and another link may do better */
bool link_found_no_room(const struct link *l); /* it died because server or machine had no room for one more */

/* Keeps the worker from leaving when nobody needs it. */
void link_stay(struct link *l);

/* How far the request under way has come, as the worker counts: see struct smb_shared. */
struct link_progress {
	uint64_t done, size;
	int64_t mtime;
	uint32_t removals, unfinished;
};

struct link_progress link_progress(const struct link *l);

/* What the worker last said of its connection, and how many files and listings were open in it then. */
const struct smb_info *link_info(const struct link *l);
unsigned link_handles(const struct link *l);

#endif
