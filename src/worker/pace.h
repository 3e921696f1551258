/* How fast the workers of a destination may be together: each asks for leave before it moves bytes. */
#ifndef LUA_SMB_PACE_H
#define LUA_SMB_PACE_H

#include "../protocol.h"

#include <stdbool.h>
#include <stddef.h>

void pace_share(struct smb_pace *pace, struct smb_shared *counters);

/* Bytes that a request should have at most, so that what flows is even. */
size_t pace_limit(size_t most);

/* Waiting for a place in the flow is under way: this is no silence of the server's. */
void pace_alive(void);

/*
 * Publishes that the library's thread works on, or waits for, the local file until pace_end_local, which takes what this gives: a
 * slow disk is no silence of the server's. They nest.
 */
uint32_t pace_begin_local(void);
void pace_end_local(uint32_t step);

/* Waits until `size` bytes may be moved. False when the module wants the request under way to end. */
bool pace_wait(size_t size);

#endif
