/*
 * The Kerberos ticket that a logon would use: whose it is, and for how long. Read by the very library by which
 * libsmbclient reads it, whichever that is, so that all kinds of credential caches are known; it is in the process
 * already.
 */
#ifndef LUA_SMB_TICKET_H
#define LUA_SMB_TICKET_H

#include "protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ticket {
	char cache[256]; /* the credential cache's full name, as far as it fits */
	char owner[SMB_OWNER_SIZE]; /* "bob@REALM"; empty: there is no ticket */
	long left;       /* seconds that it is good for, 0: it has expired; -1: unknown */
};

/* False when this libsmbclient has no Kerberos library that can be asked: then nothing is known. */
bool ticket_read(struct ticket *ticket);

/*
 * Whether the ticket is that user's: "bob", "bob@REALM" or "DOMAIN\bob"; case does not count. `domain` counts where it
 * is a realm.
 */
bool ticket_is_of(const struct ticket *ticket, const char *username, const char *domain);

/* The realm of those who name none; false when there is none. */
bool ticket_default_realm(char *realm, size_t size);

#endif
