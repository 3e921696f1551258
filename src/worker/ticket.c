#include "ticket.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/*
 * Samba's own Heimdal and MIT's library have these functions in common, but no headers: what is pointed to is theirs.
 * The lifetime only Heimdal tells.
 */
static struct {
	bool looked_for, found;
	int (*init_context)(void **context);
	void (*free_context)(void *context);
	int (*cc_default)(void *context, void **cache);
	int (*cc_close)(void *context, void *cache);
	int (*cc_get_full_name)(void *context, void *cache, char **name);
	int (*cc_get_principal)(void *context, void *cache, void **principal);
	int (*unparse_name)(void *context, const void *principal, char **name);
	void (*free_principal)(void *context, void *principal);
	void (*free_unparsed_name)(void *context, char *name);
	int (*get_default_realm)(void *context, char **realm);
	int (*cc_get_lifetime)(void *context, void *cache, time_t *left);
} krb5;

/* ---- the library ---- */

/* Samba's own: libkrb5-samba4.so.26, or libkrb5-private-samba.so.0 with 4.22. libkrb5samba is another one. */
static bool ticket_is_sambas(const char *name)
{
	static const char start[] = "libkrb5-";
	return strncmp(name, start, sizeof start - 1) == 0 && strstr(name, "samba") != NULL;
}

/* Samba's own before the system's: both are there where another library has brought the system's. */
static int ticket_note_library(struct dl_phdr_info *info, size_t size, void *to)
{
	static const char system[] = "libkrb5.so";
	const char **found = to, *slash = strrchr(info->dlpi_name, '/'),
		   *name = slash != NULL ? slash + 1 : info->dlpi_name;

	(void)size;
	if (ticket_is_sambas(name)) {
		*found = info->dlpi_name;
		return 1;
	}
	if (strncmp(name, system, sizeof system - 1) == 0)
		*found = info->dlpi_name;
	return 0;
}

/* C has no cast from void pointers to function pointers, hence the copy. */
static bool ticket_function(void *library, const char *name, void *to)
{
	void *found = dlsym(library, name);
	memcpy(to, &found, sizeof found);
	return found != NULL;
}

static bool ticket_library(void)
{
	const char *path = NULL;
	void *library;

	if (krb5.looked_for)
		return krb5.found;
	krb5.looked_for = true;
	dl_iterate_phdr(ticket_note_library, &path);
	library = path != NULL ? dlopen(path, RTLD_LAZY | RTLD_NOLOAD) : NULL;
	if (library == NULL)
		return false;
	ticket_function(library, "krb5_cc_get_lifetime", &krb5.cc_get_lifetime);
	krb5.found = ticket_function(library, "krb5_init_context", &krb5.init_context) &&
		     ticket_function(library, "krb5_free_context", &krb5.free_context) &&
		     ticket_function(library, "krb5_cc_default", &krb5.cc_default) &&
		     ticket_function(library, "krb5_cc_close", &krb5.cc_close) &&
		     ticket_function(library, "krb5_cc_get_full_name", &krb5.cc_get_full_name) &&
		     ticket_function(library, "krb5_cc_get_principal", &krb5.cc_get_principal) &&
		     ticket_function(library, "krb5_unparse_name", &krb5.unparse_name) &&
		     ticket_function(library, "krb5_free_principal", &krb5.free_principal) &&
		     ticket_function(library, "krb5_free_unparsed_name", &krb5.free_unparsed_name) &&
		     ticket_function(library, "krb5_get_default_realm", &krb5.get_default_realm);
	return krb5.found;
}

/* ---- the ticket ---- */

static void ticket_keep(void *context, char *name, char *to, size_t size)
{
	snprintf(to, size, "%s", name);
	krb5.free_unparsed_name(context, name);
}

static void ticket_from_cache(void *context, void *cache, struct ticket *ticket)
{
	void *principal;
	char *name;
	time_t left;

	if (krb5.cc_get_full_name(context, cache, &name) == 0)
		ticket_keep(context, name, ticket->cache, sizeof ticket->cache);
	if (krb5.cc_get_principal(context, cache, &principal) != 0)
		return;
	if (krb5.unparse_name(context, principal, &name) == 0)
		ticket_keep(context, name, ticket->owner, sizeof ticket->owner);
	krb5.free_principal(context, principal);
	if (krb5.cc_get_lifetime != NULL && krb5.cc_get_lifetime(context, cache, &left) == 0)
		ticket->left = left > 0 ? (long)left : 0;
}

/* A context of its own each time: what the environment and krb5.conf say now counts. */
bool ticket_read(struct ticket *ticket)
{
	void *context, *cache;

	memset(ticket, 0, sizeof *ticket);
	ticket->left = -1;
	if (!ticket_library() || krb5.init_context(&context) != 0)
		return false;
	if (krb5.cc_default(context, &cache) == 0) {
		ticket_from_cache(context, cache, ticket);
		krb5.cc_close(context, cache);
	}
	krb5.free_context(context);
	return true;
}

bool ticket_default_realm(char *realm, size_t size)
{
	void *context;
	char *name;
	bool ok = false;

	if (!ticket_library() || krb5.init_context(&context) != 0)
		return false;
	if (krb5.get_default_realm(context, &name) == 0) {
		ticket_keep(context, name, realm, size);
		ok = realm[0] != '\0';
	}
	krb5.free_context(context);
	return ok;
}

/* ---- whose it is ---- */

bool ticket_is_of(const struct ticket *ticket, const char *username, const char *domain)
{
	const char *backslash = strchr(username, '\\'), *name = backslash != NULL ? backslash + 1 : username;
	const char *at = strrchr(name, '@'), *realm = strrchr(ticket->owner, '@');
	size_t length = at != NULL ? (size_t)(at - name) : strlen(name);
	size_t owner = realm != NULL ? (size_t)(realm - ticket->owner) : strlen(ticket->owner);

	if (owner != length || strncasecmp(ticket->owner, name, length) != 0)
		return false;
	if (at == NULL && strchr(domain, '.') == NULL) /* a domain's short name tells nothing of its realm */
		return true;
	return realm != NULL && strcasecmp(realm + 1, at != NULL ? at + 1 : domain) == 0;
}
