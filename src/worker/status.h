/* NT statuses: what they mean, and what they are called. */
#ifndef LUA_SMB_STATUS_H
#define LUA_SMB_STATUS_H

#include "protocol.h"

#include <stdint.h>

struct status {
	uint32_t status;
	enum smb_code code;
	const char *text; /* what happened, for people */
	const char *name; /* without NT_STATUS_ */
};

/* NULL where a status is not one that file servers send. */
const struct status *status_find(uint32_t status);

/* The name of any status, without NT_STATUS_; NULL where it has none. */
const char *status_name(uint32_t status);

#endif
