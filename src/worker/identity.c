#include "identity.h"

#include "shared/ticks.h"
#include "fault.h"
#include "kdc.h"
#include "ticket.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Seconds. Kerberos allows clocks to differ by five minutes (RFC 4120 1.6), and libsmbclient uses no ticket that ends
 * within two.
 */
enum { MOST_SKEW_S = 300, LEAST_LIFE_S = 120 };

static struct smb_owner *first_owner;

/* ---- with a ticket ---- */

void identity_share(struct smb_owner *owner)
{
	first_owner = owner;
}

void identity_keep(const struct identity *identity)
{
	uint32_t expected = SMB_OWNER_UNKNOWN;

	if (identity->owner[0] == '\0' || identity->password[0] != '\0' ||
	    !atomic_compare_exchange_strong(&first_owner->state, &expected, SMB_OWNER_WRITING))
		return;
	snprintf(first_owner->name, sizeof first_owner->name, "%s", identity->owner);
	atomic_store(&first_owner->state, SMB_OWNER_KNOWN);
}

/*
 * Whether the ticket belongs to another user than the one whom the first connection logged on. A caller who names no
 * user means that one, and somebody may have called kinit for another user since then.
 */
static bool identity_has_changed(const struct ticket *ticket, struct smb_fault *fault)
{
	char text[sizeof fault->text];

	if (atomic_load(&first_owner->state) != SMB_OWNER_KNOWN || strcmp(first_owner->name, ticket->owner) == 0)
		return false;
	snprintf(text, sizeof text,
		 "the Kerberos ticket is of %.80s now: this destination was opened with that of %.80s", ticket->owner,
		 first_owner->name);
	fault_set(fault, SMB_AUTH_FAILED, text);
	return true;
}

static bool identity_no_ticket(const struct ticket *ticket, struct smb_fault *fault)
{
	char text[sizeof fault->text];
	snprintf(text, sizeof text, "there is no Kerberos ticket (credential cache %.90s): kinit gets one",
		 ticket->cache);
	return fault_set(fault, SMB_AUTH_FAILED, text);
}

static bool identity_expired(const struct ticket *ticket, struct smb_fault *fault)
{
	char text[sizeof fault->text];
	if (ticket->left > 0)
		snprintf(text, sizeof text, "the Kerberos ticket of %.80s ends in %ld s: kinit gets a new one",
			 ticket->owner, ticket->left);
	else
		snprintf(text, sizeof text, "the Kerberos ticket of %.80s has expired: kinit gets a new one",
			 ticket->owner);
	return fault_set(fault, SMB_AUTH_FAILED, text);
}

static bool identity_is_anothers(const struct ticket *ticket, const struct smb_connect *target, struct smb_fault *fault)
{
	bool in_realm = strchr(target->domain, '.') != NULL && strchr(target->username, '@') == NULL;
	char text[sizeof fault->text];
	snprintf(text, sizeof text, "the Kerberos ticket is of %.70s, not of %.70s%s%.60s", ticket->owner,
		 target->username, in_realm ? "@" : "", in_realm ? target->domain : "");
	return fault_set(fault, SMB_AUTH_FAILED, text);
}

static bool identity_of_ticket(const struct smb_connect *target, struct identity *identity, struct smb_fault *fault)
{
	struct ticket ticket;
	size_t name;

	if (!ticket_read(&ticket))
		return fault_set(fault, SMB_UNSUPPORTED, "this libsmbclient knows no Kerberos");
	if (ticket.owner[0] == '\0')
		return identity_no_ticket(&ticket, fault);
	if (target->username[0] != '\0' && !ticket_is_of(&ticket, target->username, target->domain))
		return identity_is_anothers(&ticket, target, fault);
	if (identity_has_changed(&ticket, fault))
		return false;
	if (ticket.left == 0)
		return identity_expired(&ticket, fault);
	memcpy(identity->owner, ticket.owner, sizeof identity->owner);
	/* Without a name the library logs on as nobody. With a ticket any name stands for its owner. */
	name = strcspn(ticket.owner, "@");
	snprintf(identity->username, sizeof identity->username, "%.*s",
		 (int)(name < SMB_TEXT_SIZE ? name : SMB_TEXT_SIZE - 1), ticket.owner);
	return true;
}

/* ---- with a password ---- */

static void identity_in_capitals(char *text)
{
	for (; *text != '\0'; text++)
		if (*text >= 'a' && *text <= 'z')
			*text = (char)(*text - 'a' + 'A');
}

/*
 * Completes a principal: "bob" belongs to the realm that the domain names, or to the default realm. Realms are spelt in
 * capitals.
 */
static void identity_of_principal(const struct smb_connect *target, struct identity *identity)
{
	const char *backslash = strchr(target->username, '\\'),
		   *name = backslash != NULL ? backslash + 1 : target->username;
	const char *at = strrchr(name, '@');
	size_t length = at != NULL ? (size_t)(at - name) : strlen(name);
	char realm[SMB_TEXT_SIZE] = "";

	if (at != NULL)
		snprintf(realm, sizeof realm, "%s", at + 1);
	else if (strchr(target->domain, '.') != NULL)
		snprintf(realm, sizeof realm, "%s", target->domain);
	else
		ticket_default_realm(realm, sizeof realm);
	identity_in_capitals(realm);
	if (realm[0] == '\0' || length + 1 + strlen(realm) >= sizeof identity->username)
		return;
	snprintf(identity->owner, sizeof identity->owner, "%.*s@%s", (int)length, name, realm);
	memcpy(identity->username, identity->owner, length + 1 + strlen(realm) + 1);
}

bool identity_choose(const struct smb_connect *target, struct identity *identity, struct smb_fault *fault)
{
	memset(identity, 0, sizeof *identity);
	identity->password = "";
	if (identity_wants_kerberos(target) && (target->password[0] == '\0' || target->username[0] == '\0'))
		return identity_of_ticket(target, identity, fault);
	snprintf(identity->username, sizeof identity->username, "%s", target->username);
	identity->password = target->password;
	if (identity_wants_kerberos(target))
		identity_of_principal(target, identity);
	return true;
}

void identity_show(const struct smb_connect *target, const struct identity *identity, struct smb_info *info)
{
	const char *name = strchr(info->user, '\\');

	if (info->mechanism == SMB_MECHANISM_KERBEROS)
		snprintf(info->user, sizeof info->user, "%.255s", identity->owner);
	else if (name != NULL && target->domain[0] == '\0' && strchr(target->username, '\\') == NULL)
		memmove(info->user, name + 1, strlen(name + 1) + 1);
}

/* ---- why it failed ---- */

static bool identity_is_address(const char *server)
{
	unsigned char any[sizeof(struct in6_addr)];
	return strchr(server, ':') != NULL || inet_pton(AF_INET, server, any) == 1;
}

static bool identity_clocks_differ(const struct smb_info *info, struct smb_fault *fault)
{
	int64_t seconds = info->clock_ahead / TICKS_SECOND;
	return (seconds > MOST_SKEW_S || seconds < -MOST_SKEW_S) && fault_clock(fault, seconds);
}

static bool identity_ticket_ends(const struct smb_connect *target, struct smb_fault *fault)
{
	struct ticket ticket;
	if (target->password[0] != '\0' || !ticket_read(&ticket) || ticket.left < 0 || ticket.left > LEAST_LIFE_S)
		return false;
	identity_expired(&ticket, fault);
	return true;
}

static void identity_no_kdc(const struct identity *identity, struct smb_fault *fault)
{
	char text[sizeof fault->text];
	snprintf(text, sizeof text,
		 "the logon by Kerberos as %.70s failed: no Kerberos server (KDC) of the realm is known, or none gave "
		 "a ticket",
		 identity->owner);
	fault_set(fault, SMB_AUTH_FAILED, text);
}

void identity_explain(const struct smb_connect *target, const char *server, const struct identity *identity,
		      const struct smb_info *info, uint32_t status, struct smb_fault *fault)
{
	const uint32_t logon_failure = 0xc000006d, access_denied = 0xc0000022;

	if (status != 0 && fault->code != SMB_AUTH_FAILED) /* the server has refused for another reason */
		return;
	if (status == 0 && identity_is_address(server)) {
		fault_set(fault, SMB_AUTH_FAILED, "Kerberos needs the server's name: it knows no addresses");
		return;
	}
	if (!kdc_refused_password() && (identity_clocks_differ(info, fault) || identity_ticket_ends(target, fault)))
		return;
	if (status == 0 && kdc_fault(fault, server, identity->owner))
		return;
	if (status == 0 && kdc_is_asked()) {
		fault_set(fault, SMB_UNREACHABLE, "the Kerberos server (KDC) cannot be reached");
		return;
	}
	if (status == 0)
		identity_no_kdc(identity, fault);
	else if (status == logon_failure || status == access_denied)
		fault_is(fault, SMB_AUTH_FAILED, "the server refuses the Kerberos ticket");
}

void identity_hint(const struct smb_connect *target, const char *domain, struct smb_fault *fault)
{
	const uint32_t logon_failure = 0xc000006d;
	size_t used = strlen(fault->text);

	if (fault->status != logon_failure || strpbrk(target->username, "@\\") != NULL || domain[0] == '\0')
		return;
	snprintf(fault->text + used, sizeof fault->text - used,
		 "; the server is in the domain %.40s: a user of that needs domain = '%.40s'", domain, domain);
}
