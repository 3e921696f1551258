#include "token.h"

#include <string.h>

/* ---- fields: what lies beyond the end of the message reads as 0 ---- */

struct bytes {
	const uint8_t *at;
	size_t size;
};

static uint32_t token_field(const struct bytes *b, size_t offset, size_t width)
{
	uint32_t value = 0;

	if (offset > b->size || b->size - offset < width)
		return 0;
	for (size_t i = 0; i < width; i++)
		value |= (uint32_t)b->at[offset + i] << (8 * i);
	return value;
}

/* Finds the bytes of an NTLM field, which has their length, their length once more, and their offset. */
static struct bytes token_payload(const struct bytes *b, size_t offset)
{
	size_t length = token_field(b, offset, 2), from = token_field(b, offset + 4, 4);

	if (from > b->size || b->size - from < length)
		return (struct bytes){b->at, 0};
	return (struct bytes){b->at + from, length};
}

/* ---- names ---- */

static size_t token_put(char *to, size_t room, uint32_t c)
{
	char utf8[4];
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

	if (n > room)
		return 0;
	for (size_t i = n; i-- > 1; c >>= 6)
		utf8[i] = (char)(0x80 | (c & 0x3f));
	utf8[0] = (char)(lead[n] | c);
	memcpy(to, utf8, n);
	return n;
}

/* Turns a name from UTF-16, as messages have it, into UTF-8, and cuts off what `to` cannot hold. */
static void token_name(const struct bytes *b, char *to, size_t size)
{
	size_t used = 0, n;

	for (size_t i = 0; i + 1 < b->size; i += 2) {
		uint32_t c = token_field(b, i, 2), low = token_field(b, i + 2, 2);
		if (c >= 0xd800 && c < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			i += 2;
		}
		n = token_put(to + used, size - 1 - used, c);
		if (n == 0)
			break;
		used += n;
	}
	to[used] = '\0';
}

/* ---- messages ---- */

/*
 * Reads the server's and the domain's name from the target information of a challenge: pairs of id, length and value
 * (MS-NLMP 2.2.2.1). A server that belongs to no domain gives its own name as the domain's.
 */
static void token_challenge(const struct bytes *b, struct token *token)
{
	enum { COMPUTER = 1, DOMAIN = 2 };
	struct bytes info = token_payload(b, 40);
	char computer[256] = "";

	for (size_t at = 0; at + 4 <= info.size; at += 4 + token_field(&info, at + 2, 2)) {
		size_t length = token_field(&info, at + 2, 2), id = token_field(&info, at, 2);
		struct bytes value = {info.at + at + 4, length < info.size - at - 4 ? length : info.size - at - 4};
		if (id == COMPUTER)
			token_name(&value, computer, sizeof computer);
		else if (id == DOMAIN)
			token_name(&value, token->domain, sizeof token->domain);
	}
	if (strcmp(computer, token->domain) == 0)
		token->domain[0] = '\0';
}

static void token_authenticate(const struct bytes *b, struct token *token)
{
	struct bytes domain = token_payload(b, 28), user = token_payload(b, 36);

	token_name(&domain, token->domain, sizeof token->domain);
	token_name(&user, token->user, sizeof token->user);
}

static void token_ntlm(const struct bytes *b, struct token *token)
{
	switch (token_field(b, 8, 4)) {
	case 1: token->kind = TOKEN_NTLM_NEGOTIATE; break;
	case 2:
		token->kind = TOKEN_NTLM_CHALLENGE;
		token_challenge(b, token);
		break;
	case 3:
		token->kind = TOKEN_NTLM_AUTHENTICATE;
		token_authenticate(b, token);
		break;
	default: break;
	}
}

void token_read(const uint8_t *bytes, size_t size, struct token *token)
{
	static const uint8_t ntlm[] = "NTLMSSP"; /* the NUL at its end belongs to the signature */
	/* Kerberos' OID, followed by TOK_ID (RFC 4121 4.1) */
	static const uint8_t ap_req[] = {6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 1, 2, 2, 1, 0};
	const uint8_t *found = memmem(bytes, size, ntlm, sizeof ntlm);

	memset(token, 0, sizeof *token);
	if (found != NULL)
		token_ntlm(&(struct bytes){found, size - (size_t)(found - bytes)}, token);
	else if (memmem(bytes, size, ap_req, sizeof ap_req) != NULL)
		token->kind = TOKEN_KERBEROS;
}
