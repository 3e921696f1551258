#include "confine.h"

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
	uint32_t holds = 0;

	if (!target->confinement)
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		holds |= SMB_CONFINED_PRIVILEGES;
	if (confine_capabilities())
		holds |= SMB_CONFINED_CAPABILITIES;
	/* Sanitizers look for leaks from a process of their own, and start a program that names what they find. */
	if (!confine_has_sanitizer() && syscalls_confine(target->kerberos > SMB_DEMAND_OFF))
		holds |= SMB_CONFINED_SYSCALLS;
	return holds;
}
