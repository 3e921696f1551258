#include "confine.h"

#include "places.h"
#include "syscalls.h"

#include <dlfcn.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* All of them have this function. One may have been preloaded, where the host was built with it. */
bool confine_has_sanitizer(void)
{
	return dlsym(RTLD_DEFAULT, "__sanitizer_set_death_callback") != NULL;
}

/* Root without them is the owner of root's files, and no more. */
static bool confine_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
	return syscall(SYS_capset, &head, none) == 0;
}

uint32_t confine(const struct smb_connect *target)
{
	const bool kerberos = target->kerberos > SMB_DEMAND_OFF;
	uint32_t holds = 0;

	if (!target->confinement)
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		holds |= SMB_CONFINED_PRIVILEGES;
	if (confine_capabilities())
		holds |= SMB_CONFINED_CAPABILITIES;
	/*
	 * Sanitizers look for leaks from a process of their own, start a program that names what they find, and write
	 * it down.
	 */
	if (confine_has_sanitizer())
		return holds;
	/* Where tickets, keytabs, what krb5.conf includes, and KDCs are, only Kerberos knows. */
	if (!kerberos)
		holds |= places_confine((uint16_t)target->port);
	if (syscalls_confine(kerberos))
		holds |= SMB_CONFINED_SYSCALLS;
	return holds;
}
