/* Which system calls a worker may make once it talks to a server. */
#ifndef LUA_SMB_SYSCALLS_H
#define LUA_SMB_SYSCALLS_H

#include <stdbool.h>

/*
 * Binds this thread and those that it makes, for good. `keyring`: a Kerberos cache may be kept by the kernel. False:
 * nothing is bound.
 */
bool syscalls_confine(bool keyring);

#endif
