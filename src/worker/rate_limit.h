/* How fast the workers of a destination may be together: each asks for leave before it moves bytes. */
#ifndef LUA_SMB_RATE_LIMIT_H
#define LUA_SMB_RATE_LIMIT_H

#include "protocol.h"

#include <stdbool.h>
#include <stddef.h>

void rate_limit_share(struct smb_pace *pace, struct smb_shared *counters);

/* Bytes that a request should have at most, so that what flows is even. */
size_t rate_limit_limit(size_t most);

/* Waiting for a place in the flow is under way: this is no silence of the server's. */
void rate_limit_alive(void);

/*
 * Publishes that the library's thread works on, or waits for, the local file until rate_limit_end_local, which takes what this gives: a
 * slow disk is no silence of the server's. They nest.
 */
uint32_t rate_limit_begin_local(void);
void rate_limit_end_local(uint32_t step);

/* Waits until `size` bytes may be moved. False when the module wants the request under way to end. */
bool rate_limit_wait(size_t size);

#endif
