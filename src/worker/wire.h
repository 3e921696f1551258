/*
 * Watches the SMB frames that libsmbclient sends and receives, and says what the library itself does not: the NT status
 * of a failed request, what was negotiated, whether frames are signed and encrypted, how far a connection has come.
 * It never changes a frame; it refuses one (the send fails) where a promise to the user would be broken, and holds back the one that
 * carries the password until it is this worker's turn (logon.h).
 */
#ifndef LUA_SMB_WIRE_H
#define LUA_SMB_WIRE_H

#include "protocol.h"

#include <stdbool.h>

/* Why a frame was refused. */
enum wire_refusal {
	WIRE_NOT_REFUSED, WIRE_NOT_ENCRYPTED, WIRE_NOT_SIGNED, WIRE_GUEST, WIRE_WOULD_REPLACE, WIRE_ELSEWHERE,
	WIRE_PASSWORD,  /* it would be sent again, though it was refused */
	WIRE_CANCELLED, /* while this worker waited for its turn to send it */
	WIRE_NTLM,      /* a logon by NTLM where there is to be none */
	WIRE_NOBODY,    /* a logon without a name */
	WIRE_STOPPED    /* the session wanted that */
};

/* Watches connections to that TCP port from now on, and to those that are SMB's by custom. */
void wire_watch(uint16_t port);

/* From now on refuses frames that are not encrypted, or not signed, where they have to be; and a guest's, or nobody's. */
void wire_demand(bool encryption, bool signing, bool named);

/* What is demanded was seen to be so: with a library that sends in another way nothing would be seen, and nothing refused. */
bool wire_kept(void);

/* From now on no logon by NTLM leaves. */
void wire_forbid_ntlm(bool on);

/* The session does not want this call to go on: nothing more leaves. */
void wire_stop(void);

enum smb_mechanism wire_mechanism(void); /* of the last logon of this call, well or not; UNKNOWN: there was none */
const char *wire_domain(void);           /* that the server belongs to, as it said when somebody logged on by NTLM; "": none */

/* The session says that the share is open; the wire shows it only where nothing is encrypted. Its connection is the share's own. */
void wire_share_opened(void);

/* The share's own connection is not used any more: another one will be made. */
void wire_share_lost(void);

/* Whether frames may go over other connections than the share's own: the library makes them where a DFS link leads elsewhere. */
void wire_follow(bool on);

/* 0 when the share itself was asked last, else a number that tells one share that a link led to from others. */
uint32_t wire_place(void);

/* While on, other connections than the share's own, and those to `place`, are refused all requests. */
void wire_stay(bool on, uint32_t place);

/* The server has closed a connection, as some do with idle ones, and nobody has noticed yet. */
bool wire_hung_up(void);

/* There is one connection, and nobody has closed it as far as is known. */
bool wire_alone(void);

/* Forgets the status, the refusal and the answers of earlier calls: a library call begins. */
void wire_begin(enum smb_patience patience);

/* While on, a rename that finds its target existing is refused what follows: the library would delete the target. */
void wire_guard_rename(bool on);

/* From now on the status is that of the call's first failure: what the library has tried after that is nobody's concern. */
void wire_blame_first(void);

bool wire_is_overt(void);              /* answers to openings can be read: SMB 2 and above, not encrypted */
uint32_t wire_status(void);            /* NT status of the failed request, 0 when none was seen */
bool wire_hides_status(void);          /* the request failed behind encryption: its status was not seen */
bool wire_was_answered_unseen(void);   /* an encrypted answer has come during this call */
bool wire_broken(void);                /* the connection was lost during this call */
enum smb_step wire_step(void);         /* how far the connection has come */
bool wire_guest(void);                 /* a named user was made a guest, or nobody */
enum wire_refusal wire_refusal(void);  /* a frame was refused during this call */

/* What the last answer to a CREATE said of the file, during this call; false where none was seen, as behind encryption. */
bool wire_created(struct smb_entry *entry);

void wire_info(struct smb_info *info); /* fills all but `library` */

#endif
