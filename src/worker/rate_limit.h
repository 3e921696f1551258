/* How fast the workers of a destination may be together: each asks for leave before it moves bytes. */
#ifndef LUA_SMB_RATE_LIMIT_H
#define LUA_SMB_RATE_LIMIT_H

#include "protocol.h"

#include <stdbool.h>
#include <stddef.h>

/* All workers of the destination share that page. */
void rate_limit_share(struct smb_pace *pace);

/* Bytes that a request should have at most, so that what flows is even. */
size_t rate_limit_limit(size_t most);

/* Waits until `size` bytes may be moved. False when the module wants the request under way to end. */
bool rate_limit_wait(size_t size);

#endif
