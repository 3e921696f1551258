/*
 * A folder that is listed before it is asked for, while the module compares the one before it. Such a listing serves
 * the very next request only, within a second, and only the caller for whom it was made: nothing may have changed
 * meanwhile.
 *
 * Measured with a put_tree of 200 unchanged folders of 100 files: 2 to 5 % faster on loopback, nothing at a round trip
 * of 10 ms.
 */
#ifndef LUA_SMB_PREFETCH_H
#define LUA_SMB_PREFETCH_H

#include "protocol.h"
#include "session.h"

/* Lists the folder. A failure is ignored: the module will ask for the folder, and learn it then. */
void prefetch_list(const char *path);

/* Returns the listing of that folder, if it was prefetched, and forgets any other. */
struct session_list *prefetch_take(const char *path);

/* Whether there is a listing that nobody has taken. */
bool prefetch_holds(void);

void prefetch_forget(void);

#endif
