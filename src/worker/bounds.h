/*
 * How much one call of the library may receive or send before it is ended: the library itself would go on for as long
 * as the server does.
 */
#ifndef LUA_SMB_BOUNDS_H
#define LUA_SMB_BOUNDS_H

#include "demand.h"
#include "protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A call begins, and no bytes have passed. */
void bounds_begin(enum smb_patience patience);

/* So many bytes of a file are to be written by this call. */
void bounds_expect(size_t size);

void bounds_received(size_t size);
void bounds_sent(size_t size);

/* Whether anything has come during this call. */
bool bounds_was_answered(void);

/* Whether the call is to be ended: why no further frame of it may leave. */
enum refusal bounds_check(void);

#endif
