/* What the worker does for each verb of protocol.h, and what stays open between two of them: listings, files and uploads. */
#ifndef LUA_SMB_DISPATCH_H
#define LUA_SMB_DISPATCH_H

#include "protocol.h"

#include <stdbool.h>
#include <stddef.h>

/* A request as it came, with its text checked. */
struct request {
	struct smb_request head;
	const char *names[SMB_NAME_COUNT];
	int fd; /* fds[0] */
	int fds[SMB_FILES_AT_ONCE];
};

/*
 * Does what a request asks for. `reply` is the beginning of a message of SMB_MESSAGE_MAX bytes, of which `used` are taken: entries follow
 * it. False fills the reply's fault, as a rule.
 */
bool dispatch(const struct request *r, struct smb_reply *reply, size_t *used);

/* Whether it is known what the module is likely to ask for next. */
bool dispatch_may_go_ahead(const struct request *r, const struct smb_reply *reply);

/* Does that, while the module looks at the reply. False when nothing came of it. */
bool dispatch_ahead(const struct request *r);

/* It was not asked for in time. */
void dispatch_forget(void);

/* How many listings and files are open. */
unsigned dispatch_open_count(void);

/* The module has gone: all that is open is closed; uploads are abandoned, or left to the module's next run where that may go on. */
void dispatch_no_more(void);

#endif
