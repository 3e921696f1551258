/*
 * Names of previous versions: a part like @GMT-2025.01.01-00.00.00 is no name, but a moment (MS-SMB 2.2.1.1.1).
 * libsmbclient cuts it out of the path and asks the server for what was there then. Both sides ask here.
 */
#ifndef LUA_SMB_PREVIOUS_H
#define LUA_SMB_PREVIOUS_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

/*
 * Parses the part with strptime as libsmbclient does, so that all spellings it accepts are found: @GMT-2025.1.1-0.0.0
 * is one.
 */
static inline bool previous_is_part(const char *part)
{
	struct tm moment = {0};
	const char *end =
	    strncmp(part, "@GMT-", strlen("@GMT-")) == 0 ? strptime(part, "@GMT-%Y.%m.%d-%H.%M.%S", &moment) : NULL;
	return end != NULL && (*end == '\0' || *end == '/');
}

/* Whether any part of a path names a moment. */
static inline bool previous_is_meant(const char *path)
{
	for (const char *at = path; (at = strstr(at, "@GMT-")) != NULL; at++)
		if ((at == path || at[-1] == '/') && previous_is_part(at))
			return true;
	return false;
}

#endif
