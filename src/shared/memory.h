/* Memory that several processes map: of a fixed size, which none of them can change. Knows no Lua. */
#ifndef LUA_SMB_MEMORY_H
#define LUA_SMB_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* Zeros, and the descriptor to hand on; NULL and errno where there is none, or the limit on file sizes is below. */
void *memory_share(const char *name, size_t size, int *fd);

/*
 * Maps such memory that another process made; `size` becomes its length. NULL where it is shorter than `least`, or could still be made
 * shorter: its pages would go, and touching them kills.
 */
void *memory_map(int fd, size_t least, size_t *size);

/* The limit on file sizes, to which such memory is held as well; UINT64_MAX for none. */
uint64_t memory_limit(void);

#endif
