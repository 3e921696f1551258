/*
 * Who logs on, by what: the user with a password, or the owner of a Kerberos ticket. Nobody's ticket or password for
 * somebody else.
 */
#ifndef LUA_SMB_IDENTITY_H
#define LUA_SMB_IDENTITY_H

#include "protocol.h"

#include <stdbool.h>

struct identity {
	char username[SMB_TEXT_SIZE]; /* as the library is told it */
	/* "bob@REALM": whose Kerberos ticket is used, or got by the password; empty without Kerberos */
	char owner[SMB_OWNER_SIZE];
	const char *password;         /* the target's; "" for a ticket's owner */
};

/* Where all workers of the destination see whose ticket it is. */
void identity_share(struct smb_owner *owner);

/* The logon went well: from now on no other ticket will do. */
void identity_keep(const struct identity *identity);

/* False when the one who is to log on cannot: no ticket, an old one, another's. Nothing has been sent then. */
bool identity_choose(const struct smb_connect *target, struct identity *identity, struct smb_fault *fault);

static inline bool identity_wants_kerberos(const struct smb_connect *target)
{
	return !target->anonymous &&
	       (target->kerberos == SMB_DEMAND_DESIRED || target->kerberos == SMB_DEMAND_REQUIRED);
}

/* A password is there to fall back on. */
static inline bool identity_may_use_ntlm(const struct smb_connect *target)
{
	return !identity_wants_kerberos(target) ||
	       (target->kerberos == SMB_DEMAND_DESIRED && target->password[0] != '\0');
}

/*
 * Puts into `info` who has logged on: a ticket hides that from the wire, and the library adds a domain of its own where
 * none was named.
 */
void identity_show(const struct smb_connect *target, const struct identity *identity, struct smb_info *info);

/*
 * A logon by Kerberos has failed: says why, as far as that is known. `status` is the server's, 0 when it was not asked.
 */
void identity_explain(const struct smb_connect *target, const char *server, const struct identity *identity,
		      const struct smb_info *info, uint32_t status, struct smb_fault *fault);

/*
 * A logon by NTLM without a domain has failed: says that the server belongs to one. A member of a domain looks for a
 * user of no domain among its own.
 */
void identity_hint(const struct smb_connect *target, const char *domain, struct smb_fault *fault);

#endif
