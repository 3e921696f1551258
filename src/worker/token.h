/*
 * What the security token in a SESSION_SETUP says: by which mechanism somebody logs on, and as whom. SPNEGO (RFC 4178)
 * wraps NTLM's messages (MS-NLMP 2.2.1) and Kerberos' (RFC 4121 4.1) whole, so they are found by how they begin. Trusts
 * nothing, keeps nothing.
 */
#ifndef LUA_SMB_TOKEN_H
#define LUA_SMB_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum token_kind { TOKEN_UNKNOWN, TOKEN_NTLM_NEGOTIATE, TOKEN_NTLM_CHALLENGE, TOKEN_NTLM_AUTHENTICATE, TOKEN_KERBEROS };

struct token {
	enum token_kind kind;
	char user[256];   /* AUTHENTICATE: UTF-8; empty: a logon without a name */
	/* AUTHENTICATE: likewise; CHALLENGE: the domain that the server belongs to, empty when it is its own */
	char domain[256];
};

void token_read(const uint8_t *bytes, size_t size, struct token *token);

#endif
