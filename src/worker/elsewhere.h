/*
 * Where frames must not go: where DFS links lead, as long as a call is to stay on its share.
 */
#ifndef LUA_SMB_ELSEWHERE_H
#define LUA_SMB_ELSEWHERE_H

#include "connection.h"

#include <stdbool.h>
#include <stdint.h>

void elsewhere_reset(void);

/* No link is followed, to any share. */
void elsewhere_bind(bool on);
bool elsewhere_is_bound(void);

/* None but those to a place. */
void elsewhere_stay(bool on, uint32_t place);

/* Whether a connection leads elsewhere; `own` is the share's. What share is opened there nobody can tell before. */
bool elsewhere_leads(const struct connection *c, int own);

#endif
