/*
 * Follows DFS links (links.h) for the session: the library would do so in some calls and not in others, over
 * connections of which it keeps neither the demands nor the failures. So it is only let ask where a path lies, and is
 * then called again with the target's own URL.
 */
#ifndef LUA_SMB_FOLLOW_H
#define LUA_SMB_FOLLOW_H

#include "links.h"
#include "protocol.h"

#include <stdbool.h>

/* What a call does with the path itself. */
enum follow_use { FOLLOW_READS, FOLLOW_CHANGES, FOLLOW_REMOVES, FOLLOW_MAKES };

/* Call it first. False: out of memory. */
bool follow_start(const struct smb_connect *target);

/* A call by path begins, and has ended well. */
void follow_begin(void);
void follow_end(void);

/* Goes to where the path lies, as far as that is known. False fills `fault`: nothing must be asked. */
bool follow_go(enum follow_use use, const char *path, struct smb_fault *fault);

/* After a failure: whether the server has said where the path lies instead. Then go there. */
bool follow_referral(void);

/*
 * After a failure, which `fault` explains: whether another target is left to be tried. Else `fault` says which one has
 * failed.
 */
bool follow_next(struct smb_fault *fault);

/* The place of the last call by path, and whether it is on another server than the user's own. */
uint32_t follow_place(void);
bool follow_is_foreign(void);

/*
 * Which share answered last: 0 for the one that was connected to, a number for each that a link leads to. The library
 * may have followed one in a way that was not seen.
 */
uint32_t follow_answered(void);

/* While on, nothing is done in other places than that and the share itself. */
void follow_stay(bool on, uint32_t place);

/* Whether the share may have links to others, as far as is known by now. */
bool follow_has_links(void);

#endif
