/* What the worker does for each verb of protocol.h, and what stays open between two of them: listings, files and uploads. */
#ifndef LUA_SMB_ANSWER_H
#define LUA_SMB_ANSWER_H

#include "../protocol.h"

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
bool answer(const struct request *r, struct smb_reply *reply, size_t *used);

/* While the module looks at the reply: does what it is likely to ask for next. */
void answer_ahead(const struct request *r, const struct smb_reply *reply);

/* The module has gone: all that is open is closed; uploads are abandoned, or left to the module's next run where that may go on. */
void answer_no_more(void);

#endif
