/* Memory of a fixed size that several processes map. None of them can change its size. Knows no Lua. */
#ifndef LUA_SMB_MEMORY_H
#define LUA_SMB_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/*
 * Makes such memory, filled with zeros; `fd` is to be handed on. NULL and errno without memory, or beyond the limit on
 * file sizes.
 */
void *memory_share(const char *name, size_t size, int *fd);

/*
 * Maps such memory that another process made; `size` becomes its length. NULL where it is shorter than `least`, or
 * where that process could still shorten it: touching pages that have gone kills.
 */
void *memory_map(int fd, size_t least, size_t *size);

/* The process's limit on file sizes, which holds for such memory, too; UINT64_MAX for none. */
uint64_t memory_limit(void);

#endif
