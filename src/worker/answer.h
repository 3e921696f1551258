/*
 * Whether an answer can be what it says. libsmbclient takes some that cannot for what they are not, and crashes.
 */
#ifndef LUA_SMB_ANSWER_H
#define LUA_SMB_ANSWER_H

#include "frame.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether what an SMB2 answer has beside its fields lies behind them, and within the `size` bytes of the message. */
bool answer_is_sound(const struct frame *f, uint64_t size);

#endif
