#include "numeral.h"

#include <locale.h>
#include <string.h>

static int numeral_peek(const struct numeral *n)
{
	return n->at < n->size ? (unsigned char)n->text[n->at] : -1;
}

/* Takes the next character; false if there is no room: the numeral is too long then. */
static bool numeral_keep(struct numeral *n)
{
	if (n->length >= NUMERAL_SIZE) {
		n->too_long = true;
		return false;
	}
	n->kept[n->length++] = n->text[n->at++];
	return true;
}

static bool numeral_keep_one_of(struct numeral *n, const char *set)
{
	int c = numeral_peek(n);
	return c > 0 && strchr(set, c) != NULL && numeral_keep(n);
}

static int numeral_keep_digits(struct numeral *n, bool hexadecimal)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	int count = 0;
	for (;;) {
		int c = numeral_peek(n);
		const char *found = c > 0 ? strchr(digits, c) : NULL;
		if (found == NULL || (!hexadecimal && found >= digits + 10) || !numeral_keep(n))
			return count;
		count++;
	}
}

void numeral_scan(struct numeral *n)
{
	char points[3] = {'.', localeconv()->decimal_point[0], '\0'};
	bool hexadecimal = false;
	int count = 0;

	numeral_keep_one_of(n, "+-");
	if (numeral_keep_one_of(n, "0")) {
		if (numeral_keep_one_of(n, "xX"))
			hexadecimal = true;
		else
			count = 1;
	}
	count += numeral_keep_digits(n, hexadecimal);
	if (numeral_keep_one_of(n, points))
		count += numeral_keep_digits(n, hexadecimal);
	if (count > 0 && numeral_keep_one_of(n, hexadecimal ? "pP" : "eE")) {
		numeral_keep_one_of(n, "+-");
		numeral_keep_digits(n, false);
	}
}
