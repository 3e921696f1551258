/*
 * An open file's buffer, which file.c makes and ends and file_io.c reads and writes. It has several slots in memory
 * that workers share: while the script works in one, others are on their way.
 *
 * `position` is where the script stands. While it reads, [begin, end) of the active slot are the bytes from there on.
 * While it writes, the active slot's first `filled` bytes are those before it.
 */
#ifndef LUA_SMB_FILE_H
#define LUA_SMB_FILE_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FILE_SLOTS = 33 };
enum file_buffering { FILE_BUFFER_FULL, FILE_BUFFER_LINE, FILE_BUFFER_NONE };

struct file {
	struct destination *destination; /* kept alive by the first user value; the second is Lua's state */
	bool open, readable, writable, writing;
	uint32_t link, handle;
	int fd;                      /* the buffer's memfd */
	uint8_t *map;                /* all slots */
	size_t slots, slot_size;
	size_t reserved[FILE_SLOTS]; /* bytes of each slot that memory is set aside for */
	size_t most;                 /* bytes in one write */
	size_t active;
	size_t begin, end, filled;
	uint64_t position;
	bool at_end;                 /* nothing follows the window, as far as this call knows */
	enum file_buffering buffering;
};

/* The file at index 1; raises if it is closed, or was opened before a fork. */
struct file *file_check(lua_State *L);

/* The same, whatever its state. */
struct file *file_check_any(lua_State *L);

/* Sets memory aside before a slot is touched, so that a full system is an error and no signal; false with errno. */
bool file_reserve(struct file *f, size_t slot, size_t size);

/* The descriptor of the buffer of the file at `index`. */
int file_check_fd(lua_State *L, int index);

/* Adds file_methods to the table on the top: see file_io.c. */
void file_io_register(lua_State *L);

#endif
