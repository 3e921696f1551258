/*
 * What a fuzzer has made, read piece by piece: 0 and nothing beyond the end. An input is a list of steps, each with a
 * byte that says what is done, 16 bits of length, and as many bytes.
 */
#ifndef LUA_SMB_FUZZ_INPUT_H
#define LUA_SMB_FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct input {
	const uint8_t *at;
	size_t left;
};

struct step {
	uint8_t what, how; /* its lower and its upper four bits */
	uint8_t *bytes;    /* in memory of their own: the sanitizer sees what is read beyond them */
	size_t size;
};

static inline uint8_t input_byte(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->at++;
}

/* Reads the next step; false at the end. `bytes` has to be freed. */
static inline bool input_step(struct input *in, struct step *s)
{
	uint8_t op, low, high;

	if (in->left < 3)
		return false;
	op = input_byte(in);
	low = input_byte(in);
	high = input_byte(in);
	*s = (struct step){.what = op & 15, .how = op >> 4, .size = (size_t)(low | high << 8)};
	if (s->size > in->left)
		s->size = in->left;
	s->bytes = malloc(s->size > 0 ? s->size : 1);
	if (s->bytes == NULL)
		abort();
	memcpy(s->bytes, in->at, s->size);
	in->at += s->size;
	in->left -= s->size;
	return true;
}

/* Ends the run with a crash that is kept, and says which promise was broken. */
#define PROMISE(holds)                                                                                                 \
	do {                                                                                                           \
		if (!(holds)) {                                                                                        \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #holds);                            \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

#endif
