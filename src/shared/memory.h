/* Memory that several processes map: of a fixed size, which none of them can change. Knows no Lua. */
#ifndef LUA_SMB_MEMORY_H
#define LUA_SMB_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* Zeros, and the descriptor to hand on; NULL and errno where there is none, or the limit on file sizes is below. */
void *memory_share(const char *name, size_t size, int *fd);

/* The limit on file sizes, to which such memory is held as well; UINT64_MAX for none. */
uint64_t memory_limit(void);

#endif
