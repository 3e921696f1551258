/* Numerals in a text, as io.read("n") takes them. */
#ifndef LUA_SMB_NUMERAL_H
#define LUA_SMB_NUMERAL_H

#include <stdbool.h>
#include <stddef.h>

enum { NUMERAL_SIZE = 200 /* as Lua's own */ };

struct numeral {
	const char *text;
	size_t size, at; /* bytes of the text; where the numeral ends in it */
	char kept[NUMERAL_SIZE + 1];
	size_t length; /* bytes kept */
	bool too_long;
};

/* Takes as much of `text` as may be a numeral. Lua decides whether it is one. */
void numeral_scan(struct numeral *n);

#endif
