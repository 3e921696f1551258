/* What the worker does for each verb of protocol.h. */
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
 * Does what a request asks for. `reply` is the beginning of a message of SMB_MESSAGE_MAX bytes, of which `used` are
 * taken; entries follow it. False fills the reply's fault, in most cases.
 */
bool dispatch(const struct request *r, struct smb_reply *reply, size_t *used);

#endif
