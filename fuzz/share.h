/* What worker.c asks of the made-up share that takes the session's place. */
#ifndef LUA_SMB_FUZZ_SHARE_H
#define LUA_SMB_FUZZ_SHARE_H

#include <stddef.h>
#include <stdint.h>

/* From now on these bytes say what becomes of each call. */
void share_begin(const uint8_t *bytes, size_t size);

/* How many files and listings are open. */
unsigned share_open(void);

#endif
