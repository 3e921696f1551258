/*
 * A password that may be wrong is sent once: by one worker of a destination at a time, while the others, who may have
 * connected and negotiated, wait. Success lets all go on that wait at that moment; a refusal is everybody's, and nobody
 * sends the password again.
 *
 * wire.c asks before a frame leaves that proves the password to a server. Who sends it elsewhere, to a KDC, asks
 * likewise.
 */
#ifndef LUA_SMB_LOGON_H
#define LUA_SMB_LOGON_H

#include "protocol.h"

#include <stdbool.h>

enum logon_turn {
	LOGON_GO,
	LOGON_REFUSED,
	LOGON_LOST, /* the answer to an earlier one never came: it may have been a refusal */
	LOGON_CANCELLED
};

/* All workers of the destination share that page. */
void logon_share(struct smb_turn *turn);

/*
 * Waits for this worker's turn; before LOGON_GO nothing may be sent that a wrong password would be counted for. Then
 * logon_answered or logon_give_up has to follow, or others wait for this worker's end. `is_elsewhere`: for a server
 * that a DFS link leads to, of which the success of others says nothing.
 */
enum logon_turn logon_await(bool is_elsewhere);

/*
 * The server's last word on the logon: 0 or the NT status. `guest`: it let a guest in, or nobody, instead of the user.
 */
void logon_answered(uint32_t status, bool guest);

/* The password was refused for that reason: no worker of the destination sends it again. */
void logon_refuse(const struct smb_fault *why);

/* The answer says nothing of the password. */
void logon_says_nothing(void);

/* There will be no answer: another worker may try, if the password was right before. */
void logon_give_up(void);

/* Whether the password was refused, here or elsewhere; then `why` says how. */
bool logon_refused(struct smb_fault *why);

/*
 * The password was refused by a server that a DFS link leads to: nobody of the destination sends it there again. Full,
 * it forgets.
 */
void logon_refuse_at(const char *server);
bool logon_was_refused_at(const char *server);

#endif
