#include "environment.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

extern char **environ;

/* Names, and beginnings of names. Not USER, LOGNAME and PASSWD: Samba makes a user name and a password of them. */
static const char *const known[] = {
    "HOME=", "PATH=", "TMPDIR=", "TZ=", "LANG=", "LANGUAGE=", "LC_", "LOCPATH=",
    "KRB5", "GSS_USE_PROXY=",                           /* tickets: caches, keytabs, krb5.conf, traces */
    "RES_OPTIONS=", "LOCALDOMAIN=", "HOSTALIASES=",     /* resolver(5) */
    "LD_", "GLIBC_TUNABLES=", "MALLOC_",                /* libraries and memory */
    "ASAN_", "LSAN_", "UBSAN_", "TSAN_", "MSAN_",       /* sanitizers */
};

/* Parts of names, in any case, that suggest a secret. */
static const char *const secret[] = {"USER=", "LOGNAME=", "PASS", "SECRET", "TOKEN"};

static bool environment_is_known(const char *variable)
{
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (strncmp(variable, known[i], strlen(known[i])) == 0)
			return true;
	return false;
}

static bool environment_is_secret(const char *variable)
{
	size_t name = strcspn(variable, "=") + 1;
	for (size_t i = 0; i < sizeof secret / sizeof secret[0]; i++)
		for (size_t at = 0, length = strlen(secret[i]); at + length <= name; at++)
			if (strncasecmp(variable + at, secret[i], length) == 0)
				return true;
	return false;
}

/*
 * Preloaded libraries (faketime, socket_wrapper) read variables of their own: with one of them pass on all that holds
 * no secret.
 */
static bool environment_has_own_libraries(void)
{
	return getenv("LD_PRELOAD") != NULL || getenv("LD_AUDIT") != NULL;
}

char **environment_of_worker(void)
{
	bool all = environment_has_own_libraries();
	size_t count = 0, kept = 0;
	char **list;

	while (environ != NULL && environ[count] != NULL)
		count++;
	list = malloc((count + 1) * sizeof *list);
	if (list == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (environment_is_known(environ[i]) || (all && !environment_is_secret(environ[i])))
			list[kept++] = environ[i];
	list[kept] = NULL;
	return list;
}
