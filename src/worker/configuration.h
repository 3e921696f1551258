/*
 * What the library is told by its configuration file. It looks for one as soon as it is used, $HOME/.smb/smb.conf or
 * the system's, and what those say cannot be taken back ("config backend = registry" turns off all that is said later).
 * So it is let open one that is no file of anybody's.
 */
#ifndef LUA_SMB_CONFIGURATION_H
#define LUA_SMB_CONFIGURATION_H

#include "identity.h"
#include "protocol.h"

#include <stdbool.h>

/*
 * From now on the user's smb.conf is ours, and HOME is not the user's. False, and errno, where that could not be
 * arranged.
 */
bool configuration_begin(const struct smb_connect *target, const struct identity *identity);

/* HOME is the user's again. False when the library has not read what it was to read. */
bool configuration_end(void);

#endif
