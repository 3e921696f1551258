/*
 * A worker process: started, given requests one at a time, waited for with deadlines, ended. Nothing here waits longer than it is
 * told to, nothing knows Lua.
 */
#ifndef LUA_SMB_LINK_H
#define LUA_SMB_LINK_H

#include "protocol.h"
#include "worker.h"

#include <stdbool.h>
#include <stddef.h>

struct link;

enum { LINKS_AT_ONCE = 32 };

/* Starts `count` links, 1 to LINKS_AT_ONCE. False fills `fault`, and there are none. */
bool link_start(struct link **links, unsigned count, struct worker_common *common, struct smb_fault *fault);

/* Hangs up: the link is dead, but in a forked child, whose it is not. A worker that owes nothing ends at once. */
void link_dismiss(struct link *l);

/*
 * Hangs up and frees the link. A worker that owes nothing ends at once; `wait_ms` is how long to see to that, at most. A process
 * that inherits orphans (PID 1 or a subreaper) always waits, briefly, since it has to reap them.
 */
void link_end(struct link *l, int wait_ms);

/*
 * Hands over a request (struct smb_request and its text); `count` descriptors, SMB_FILES_AT_ONCE at most, are duplicated. NULL asks
 * for the connection only. One at a time. False, with errno, when nothing was begun.
 */
bool link_begin(struct link *l, const struct smb_request *request, size_t size, const int *fds, size_t count);

/* Hands over a request that nobody waits for; requests are carried out in their order. */
void link_post(struct link *l, const struct smb_request *request, size_t size);

/* Waits until the request has ended, `wait_ms` at most (a signal ends the wait too). True when it has. */
bool link_wait(struct link *l, int wait_ms);

/* For whoever waits for several links: nothing is under way; what to poll for; milliseconds until the deadline. */
bool link_idle(const struct link *l);
int link_descriptor(const struct link *l);
short link_events(const struct link *l);
int64_t link_time_left(struct link *l);

/* From now on the epoll descriptor tells when there is something to read. */
void link_watch(struct link *l, int epoll);

/*
 * There is something to read on an idle link: its worker has died, or goes on while an answer waits to be taken. Then the link is
 * muted, that is not watched any more, until the answer was taken. A dead link counts as muted.
 */
void link_on_readable(struct link *l);
bool link_is_muted(const struct link *l);

/* How far the request under way has come, as the worker counts: see struct smb_shared. */
struct link_progress {
	uint64_t done, size;
	int64_t mtime;
	uint32_t removals, unfinished;
};

/* Of the request that ended: the reply, or NULL where `link_fault` says why there is none. */
const struct smb_reply *link_reply(const struct link *l, size_t *size);
const struct smb_fault *link_fault(const struct link *l);

/* The caller has taken the reply: the link is free for the next request. */
void link_done(struct link *l);

/* A worker that nobody has needed for a while leaves, but for those that are told to stay. */
void link_stay(struct link *l);

/* Nobody waits for the request any longer: the worker is asked to stop and tidy up. */
void link_abandon(struct link *l);

bool link_is_free(struct link *l);       /* may be given a request (perhaps while it is still connecting) */
bool link_settled(struct link *l);    /* free, and all that was posted or abandoned has ended; or dead */
bool link_dead(const struct link *l); /* of no more use */
bool link_ready(const struct link *l); /* logged on */
bool link_ahead(const struct link *l); /* its worker does what nobody has asked for, before what it is asked for */
bool link_was_ready(const struct link *l); /* it is, or was before it died */
bool link_has_left(const struct link *l); /* it died since nobody needed it */
bool link_unread(const struct link *l); /* it died before it took the request */
struct link_progress link_progress(const struct link *l);
const struct smb_info *link_info(const struct link *l);

/* Files and listings that were open in the worker when it last replied. */
unsigned link_handles(const struct link *l);

#endif
