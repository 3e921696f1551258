/*
 * What may leave for the server: a frame that would break a promise to the user must not. The rules are pure: they know
 * what was demanded, what was agreed with the server, and the frame; they keep nothing and ask nobody.
 */
#ifndef LUA_SMB_DEMAND_H
#define LUA_SMB_DEMAND_H

#include "frame.h"
#include "protocol.h"
#include "token.h"

#include <stdbool.h>

/* Why a frame must not leave. The first five are demands; wire.c adds the others. */
enum refusal {
	REFUSED_NOT,
	REFUSED_CLEAR,     /* it is not encrypted, and has to be */
	REFUSED_UNSIGNED,  /* it is not signed, and has to be */
	REFUSED_GUEST,     /* the server made the user a guest, or nobody */
	REFUSED_NTLM,      /* a logon by NTLM, where it has to be by Kerberos */
	REFUSED_NOBODY,    /* a logon without a name */
	REFUSED_REPLACE,   /* the library would replace a file that is not to be replaced */
	REFUSED_ELSEWHERE, /* it would go where a DFS link leads */
	REFUSED_PASSWORD,  /* the password was refused, and is not sent again */
	REFUSED_LOST,      /* the answer to an earlier logon never came: the password is not sent again */
	REFUSED_CANCELLED, /* the module gave up while the worker waited for its turn to log on */
	REFUSED_ENDLESS,   /* a listing is longer than any may be */
	REFUSED_UNTAKEN,   /* what is sent again and again is not taken */
	REFUSED_NONSENSE,  /* an answer cannot be what it says */
	REFUSED_STOPPED    /* the session wants nothing to leave any more */
};

/* What was demanded of the connection. */
struct demand {
	bool encryption, signing;
	bool named;    /* somebody who has a name logs on */
	bool kerberos; /* and by no other mechanism */
};

/* What a frame that logs on says. */
struct demand_logon {
	struct token token;
	bool is_ntlm;
	bool proves_password; /* a wrong password would be counted by it */
};

/* Whether a named user was made a guest, or nobody. */
bool demand_is_guest(const struct demand *d, const struct smb_info *agreed);

/*
 * SMB2 messages that leave in clear even on a connection that is well encrypted: they come before the keys, or carry
 * nothing. They tell nothing of how the connection is protected.
 */
bool demand_carries_nothing(const struct frame *f);

/* Whether a frame may leave, whatever it says. */
enum refusal demand_check(const struct demand *d, const struct smb_info *agreed, const struct frame *f);

/* Whether a frame logs on. */
bool demand_is_logon(const struct frame *f);

/* Whether that logon may leave; fills `logon`. */
enum refusal demand_check_logon(const struct demand *d, const struct frame *f, struct demand_logon *logon);

/*
 * Whether the connection is as it was demanded, by all that has left so far. With a library that sends in a way that is
 * not seen, nothing would have been refused.
 */
bool demand_is_kept(const struct demand *d, const struct smb_info *agreed);

#endif
