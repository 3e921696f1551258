/*
 * The DFS links of the share that have been met, and where they lead. A path below one lies in a place of its own: a
 * share of another server, mostly. Places are numbers; LINKS_HERE is the share itself. Paths lie below that share,
 * '/'-separated.
 */
#ifndef LUA_SMB_LINKS_H
#define LUA_SMB_LINKS_H

#include "protocol.h"
#include "referral.h"

#include <stdbool.h>
#include <stdint.h>

enum { LINKS_HERE = 0 };

/* Call it first. False: out of memory. */
bool links_begin(const struct smb_connect *target);

/* Whether any link was met. */
bool links_any(void);

/* Returns the place of a path, as far as it is known. */
uint32_t links_place(const char *path);

/* Whether the path is the link itself, and nothing below it. */
bool links_is_link(uint32_t place, const char *path);

/* Returns the library's URL of a path in that place, to be freed; NULL: out of memory. */
char *links_url(uint32_t place, const char *path);

/* Remembers where a server, asked about a path in that place, has referred to. False when the answer is of no use. */
bool links_add(uint32_t place, const struct referral *r);

/* The share that the place is on now: "//server/share"; and that server. */
const char *links_name(uint32_t place);
const char *links_server(uint32_t place);

/* Whether other targets than that are left to be tried. */
bool links_has_another(uint32_t place);

/* That one is out of reach: takes the next. False when all have been tried; then the link is looked up anew. */
bool links_try_next(uint32_t place);

/* The place has answered. */
void links_answered(uint32_t place);

#endif
