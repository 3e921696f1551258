#include "configuration.h"

#include <dlfcn.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* A HOME below which nothing can be, and what the library opens there. */
static const char NO_HOME[] = "/dev/null", NO_FILE[] = "/dev/null/.smb/smb.conf";

static struct {
	FILE *text; /* until it is opened */
	char *home; /* the user's */
} configuration;

static const char *signing_word(enum smb_demand demand)
{
	switch (demand) {
	case SMB_DEMAND_OFF: return "disabled";
	case SMB_DEMAND_DESIRED: return "desired";
	case SMB_DEMAND_REQUIRED: return "required";
	default: return "default";
	}
}

/* Whether this process can see a network interface that is up: without netlink sockets it sees none. */
static bool has_interface(void)
{
	struct ifaddrs *all = NULL;
	bool found = false;

	if (getifaddrs(&all) < 0)
		return false;
	for (const struct ifaddrs *i = all; i != NULL && !found; i = i->ifa_next)
		found = (i->ifa_flags & IFF_UP) && i->ifa_netmask != NULL && i->ifa_addr != NULL &&
			(i->ifa_addr->sa_family == AF_INET || i->ifa_addr->sa_family == AF_INET6);
	freeifaddrs(all);
	return found;
}

/* Samba 4.22's library gets a ticket by password only where it is told a realm, though the user's name has it. */
static void write_realm(FILE *f, const struct identity *identity)
{
	static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	const char *at = strrchr(identity->owner, '@');

	if (at != NULL && identity->password[0] != '\0' && at[1 + strspn(at + 1, good)] == '\0')
		fprintf(f, "realm = %s\n", at + 1);
}

/*
 * Says what is not the library's default, and what a distribution may have built in otherwise. A lock directory that
 * cannot exist keeps the name cache, which all of a machine's programs share, out of it.
 */
/* Which dialects, signing and encryption the library negotiates. */
static void write_demands(FILE *f, const struct smb_connect *t)
{
	fprintf(f, "[global]\n"
		   "unix charset = UTF-8\n"
		   "log level = 0\n"
		   "workgroup = WORKGROUP\n"
		   "lock directory = /dev/null/none\n"
		   "client min protocol = %s\n"
		   "client max protocol = %s\n"
		   "client ipc min protocol = %s\n"
		   "client ipc max protocol = %s\n"
		   "client signing = %s\n"
		   "client ipc signing = %s\n",
		t->min_protocol, t->max_protocol, t->min_protocol, t->max_protocol, signing_word(t->signing),
		signing_word(t->signing));
	/* This option alone reaches the connections on which the library asks about DFS. */
	fprintf(f, "client smb encrypt = %s\n",
		t->encryption == SMB_DEMAND_REQUIRED  ? "required"
		: t->encryption == SMB_DEMAND_DESIRED ? "desired"
						      : "default");
}

static bool write_text(FILE *f, const struct smb_connect *t, const struct identity *identity)
{
	write_demands(f, t);
	fputs("client ntlmv2 auth = yes\n"
	      "client lanman auth = no\n"
	      "client plaintext auth = no\n"
	      "client use spnego = yes\n"
	      "client protection = default\n"
	      "client use kerberos = desired\n"
	      "map archive = yes\n"
	      "map hidden = yes\n"
	      "map system = yes\n"
	      "socket options = TCP_NODELAY\n"
	      "disable netbios = no\n"
	      "wins server =\n",
	      f);
	/* Without an interface the library would exit; it does not look for one that is named here. */
	if (!has_interface())
		fputs("interfaces = 127.0.0.1/8\n", f);
	write_realm(f, identity);
	/* No broadcast unless asked for: anybody may answer one, and would be sent the logon. */
	fprintf(f, "name resolve order = lmhosts host%s\n", t->broadcast ? " bcast" : "");
	return fflush(f) == 0 && fseek(f, 0, SEEK_SET) == 0;
}

bool configuration_begin(const struct smb_connect *target, const struct identity *identity)
{
	const char *home = getenv("HOME");
	int fd = memfd_create("smb.conf", MFD_CLOEXEC);

	configuration.text = fd >= 0 ? fdopen(fd, "w+") : NULL;
	if (configuration.text == NULL && fd >= 0)
		close(fd);
	if (configuration.text == NULL || !write_text(configuration.text, target, identity))
		return false;
	configuration.home = home != NULL ? strdup(home) : NULL;
	return (home == NULL || configuration.home != NULL) && setenv("HOME", NO_HOME, 1) == 0;
}

bool configuration_end(void)
{
	bool is_read = configuration.text == NULL;

	if (!is_read)
		fclose(configuration.text);
	configuration.text = NULL;
	if (configuration.home != NULL)
		setenv("HOME", configuration.home, 1);
	else
		unsetenv("HOME");
	free(configuration.home);
	configuration.home = NULL;
	return is_read;
}

/* The text, for who opens the user's smb.conf; NULL for all other files. */
static FILE *configuration_open(const char *path)
{
	FILE *text = configuration.text;

	if (text == NULL || strcmp(path, NO_FILE) != 0)
		return NULL;
	configuration.text = NULL;
	return text;
}

/* ---- the functions that stand before libc's, as in hooks.c ---- */

typedef FILE *opener(const char *path, const char *mode);

/*
 * Opens as the next definition of the function does. C has no cast from void pointers to function pointers, hence the
 * copy.
 */
static FILE *open_by(opener **next, const char *name, const char *path, const char *mode)
{
	FILE *text = configuration_open(path);

	if (text != NULL)
		return text;
	if (*next == NULL) {
		void *found = dlsym(RTLD_NEXT, name);
		memcpy(next, &found, sizeof *next);
	}
	return (*next)(path, mode);
}

#pragma GCC visibility push(default)

/* By these names of the linker's, since to the compiler both functions are one. */
opener configuration_fopen __asm__("fopen");
opener configuration_fopen64 __asm__("fopen64");

FILE *configuration_fopen(const char *path, const char *mode)
{
	static opener *next;
	return open_by(&next, "fopen", path, mode);
}

FILE *configuration_fopen64(const char *path, const char *mode)
{
	static opener *next;
	return open_by(&next, "fopen64", path, mode);
}

#pragma GCC visibility pop
