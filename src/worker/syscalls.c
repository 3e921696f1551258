#include "syscalls.h"

#include "shared/older.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * By name: what this machine or this libseccomp does not know is left out. The list is longer than what Debian's
 * libraries were seen to call, since name services and Kerberos load modules, and each system has others.
 */
static const char *const syscalls_allowed[] = {
    /* files */
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2", "pwritev2", "lseek",
    "_llseek", "close", "close_range", "open", "openat", "openat2", "stat", "lstat", "fstat", "stat64", "lstat64",
    "fstat64", "fstatat64", "newfstatat", "statx", "statfs", "statfs64", "fstatfs", "fstatfs64", "access", "faccessat",
    "faccessat2", "readlink", "readlinkat", "getdents", "getdents64", "getcwd", "mkdir", "mkdirat", "unlink",
    "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "umask", "flock", "fsync", "fdatasync",
    "ftruncate", "ftruncate64", "fallocate", "fadvise64", "fadvise64_64", "sync_file_range", "chmod", "fchmod",
    "fchmodat", "utimensat", "utimensat_time64", "dup", "dup2", "dup3", "pipe", "pipe2", "eventfd", "eventfd2",
    "timerfd_create", "timerfd_settime", "timerfd_gettime", "signalfd", "signalfd4", "memfd_create", "poll", "ppoll",
    "ppoll_time64", "select", "_newselect", "pselect6", "pselect6_time64", "epoll_create", "epoll_create1", "epoll_ctl",
    "epoll_wait", "epoll_pwait", "epoll_pwait2",
    /* sockets; which ones, see below */
    "socketpair", "connect", "bind", "getsockname", "getpeername", "getsockopt", "setsockopt", "send", "recv", "sendto",
    "recvfrom", "sendmsg", "recvmsg", "sendmmsg", "recvmmsg", "recvmmsg_time64", "shutdown",
    /* memory, threads, signals to itself */
    "mmap", "mmap2", "munmap", "mprotect", "mremap", "madvise", "msync", "mlock", "mlock2", "munlock", "mincore", "brk",
    "membarrier", "futex", "futex_time64", "futex_waitv", "futex_wake", "futex_wait", "futex_requeue",
    "set_robust_list", "get_robust_list", "rseq", "set_tid_address", "sched_yield", "sched_getaffinity",
    "sched_getparam", "sched_getscheduler", "sched_get_priority_max", "sched_get_priority_min", "getcpu",
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "rt_sigpending", "rt_sigtimedwait",
    "rt_sigtimedwait_time64", "rt_sigsuspend", "sigaltstack", "restart_syscall", "pause", "wait4", "waitid", "exit",
    "exit_group",
    /* time, and who and where it is */
    "clock_gettime", "clock_gettime64", "clock_getres", "clock_getres_time64", "clock_nanosleep",
    "clock_nanosleep_time64", "nanosleep", "gettimeofday", "time", "times", "alarm", "getitimer", "setitimer", "getpid",
    "gettid", "getppid", "getpgrp", "getpgid", "getsid", "getuid", "geteuid", "getgid", "getegid", "getresuid",
    "getresgid", "getgroups", "getuid32", "geteuid32", "getgid32", "getegid32", "getresuid32", "getresgid32",
    "getgroups32", "capget", "uname", "getrandom", "sysinfo", "getrusage", "getrlimit", "ugetrlimit"};

/* What only an attacker does here ends the worker. Fork is among these: no library may start a program. */
static const char *const syscalls_deadly[] = {"execve",
					      "execveat",
					      "fork",
					      "vfork",
					      "ptrace",
					      "process_vm_readv",
					      "process_vm_writev",
					      "kcmp",
					      "pidfd_getfd",
					      "init_module",
					      "finit_module",
					      "delete_module",
					      "create_module",
					      "kexec_load",
					      "kexec_file_load",
					      "unshare",
					      "setns",
					      "mount",
					      "umount",
					      "umount2",
					      "move_mount",
					      "open_tree",
					      "fsopen",
					      "fsmount",
					      "fspick",
					      "mount_setattr",
					      "pivot_root",
					      "chroot",
					      "open_by_handle_at",
					      "swapon",
					      "swapoff",
					      "reboot",
					      "iopl",
					      "ioperm",
					      "bpf"};

/*
 * Refused as an ordinary user is refused: libraries are used to that, and some take "no such call" for a broken system.
 */
static const char *const syscalls_refused[] = {"setuid",
					       "setgid",
					       "setreuid",
					       "setregid",
					       "setresuid",
					       "setresgid",
					       "setgroups",
					       "setfsuid",
					       "setfsgid",
					       "setuid32",
					       "setgid32",
					       "setreuid32",
					       "setregid32",
					       "setresuid32",
					       "setresgid32",
					       "setgroups32",
					       "capset",
					       "chown",
					       "fchown",
					       "lchown",
					       "fchownat",
					       "setrlimit",
					       "setpriority",
					       "sched_setscheduler",
					       "sched_setaffinity",
					       "listen",
					       "accept",
					       "accept4"};

static const char *const syscalls_of_keyring[] = {"keyctl", "add_key", "request_key"};

static struct scmp_arg_cmp syscalls_test(unsigned which, enum scmp_compare how, uint64_t a, uint64_t b)
{
	return (struct scmp_arg_cmp){.arg = which, .op = how, .datum_a = a, .datum_b = b};
}

static struct scmp_arg_cmp syscalls_is(unsigned which, uint64_t value)
{
	return syscalls_test(which, SCMP_CMP_EQ, value, 0);
}

/* Adds a rule where this machine has the call; `tests` of its arguments, all of which must hold. */
static bool syscalls_add(scmp_filter_ctx filter, uint32_t action, const char *name, unsigned count,
			 const struct scmp_arg_cmp *tests)
{
	int call = seccomp_syscall_resolve_name(name);
	return call == __NR_SCMP_ERROR || seccomp_rule_add_array(filter, action, call, count, tests) == 0;
}

static bool syscalls_add_all(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t count)
{
	bool ok = true;

	for (size_t i = 0; i < count && ok; i++)
		ok = syscalls_add(filter, action, names[i], 0, NULL);
	return ok;
}

/* Allows a call where its argument `which` has one of these values. */
static bool syscalls_allow_values(scmp_filter_ctx filter, const char *name, unsigned which, const uint64_t *values,
				  size_t count)
{
	bool ok = true;

	for (size_t i = 0; i < count && ok; i++) {
		const struct scmp_arg_cmp is = syscalls_is(which, values[i]);
		ok = syscalls_add(filter, SCMP_ACT_ALLOW, name, 1, &is);
	}
	return ok;
}

#define SYSCALLS_COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Threads only. The flags of clone3 lie in memory, which no filter sees: libc takes clone where it is not there. */
static bool syscalls_add_threads(scmp_filter_ctx filter)
{
#if defined __s390__
	const unsigned flags = 1;
#else
	const unsigned flags = 0;
#endif
	const struct scmp_arg_cmp thread = syscalls_test(flags, SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD);
	const struct scmp_arg_cmp process = syscalls_test(flags, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0);

	return syscalls_add(filter, SCMP_ACT_ALLOW, "clone", 1, &thread) &&
	       syscalls_add(filter, SCMP_ACT_KILL_PROCESS, "clone", 1, &process);
}

/* IP, local sockets and, for the machine's own addresses, NETLINK_ROUTE. */
static bool syscalls_add_sockets(scmp_filter_ctx filter)
{
	static const uint64_t families[] = {AF_UNIX, AF_INET, AF_INET6};
	const struct scmp_arg_cmp route[] = {syscalls_is(0, AF_NETLINK), syscalls_is(2, 0)};

	return syscalls_allow_values(filter, "socket", 0, families, SYSCALLS_COUNT(families)) &&
	       syscalls_add(filter, SCMP_ACT_ALLOW, "socket", 2, route);
}

/* Not those that have signals sent to other processes (F_SETOWN), or text put into a terminal (TIOCSTI). */
static bool syscalls_add_commands(scmp_filter_ctx filter)
{
	/*
	 * F_DUPFD to F_SETLKW, F_GETLK64 to F_SETLKW64 and F_OFD_GETLK to F_OFD_SETLKW; close on exec, seals, sizes of
	 * pipes
	 */
	static const uint64_t descriptors[] = {0,  1,  2,  3,  4,    5,    6,    7,    12,  13,
					       14, 36, 37, 38, 1030, 1031, 1032, 1033, 1034};
	/*
	 * TCGETS, TIOCGWINSZ, TIOCOUTQ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX; SIOCGIFNAME, CONF, FLAGS, ADDR, NETMASK,
	 * MTU, INDEX
	 */
	static const uint64_t devices[] = {0x5401, 0x5413, 0x5411, 0x541b, 0x5421, 0x5450, 0x5451,
					   0x8910, 0x8912, 0x8913, 0x8915, 0x891b, 0x8921, 0x8933};
	static const uint64_t process[] = {PR_SET_NAME,         PR_GET_NAME, PR_GET_DUMPABLE,
					   PR_GET_NO_NEW_PRIVS, PR_SET_VMA,  PR_CAPBSET_READ};

	return syscalls_allow_values(filter, "fcntl", 1, descriptors, SYSCALLS_COUNT(descriptors)) &&
	       syscalls_allow_values(filter, "fcntl64", 1, descriptors, SYSCALLS_COUNT(descriptors)) &&
	       syscalls_allow_values(filter, "ioctl", 1, devices, SYSCALLS_COUNT(devices)) &&
	       syscalls_allow_values(filter, "prctl", 0, process, SYSCALLS_COUNT(process));
}

/* Signals to itself; its own limits, to be read. */
static bool syscalls_add_self(scmp_filter_ctx filter)
{
	const uint64_t self = (uint64_t)getpid();
	const struct scmp_arg_cmp ask = syscalls_is(2, 0), change = syscalls_test(2, SCMP_CMP_NE, 0, 0);

	return syscalls_allow_values(filter, "kill", 0, &self, 1) &&
	       syscalls_allow_values(filter, "tgkill", 0, &self, 1) &&
	       syscalls_allow_values(filter, "rt_tgsigqueueinfo", 0, &self, 1) &&
	       syscalls_add(filter, SCMP_ACT_ALLOW, "prlimit64", 1, &ask) &&
	       syscalls_add(filter, SCMP_ACT_ERRNO(EPERM), "prlimit64", 1, &change);
}

/*
 * Calls that are not named fail as if the kernel did not know them: a later libc may try new ones, and has to do
 * without.
 */
bool syscalls_confine(bool keyring)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	bool ok = filter != NULL && seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0 &&
		  syscalls_add_all(filter, SCMP_ACT_ALLOW, syscalls_allowed, SYSCALLS_COUNT(syscalls_allowed)) &&
		  syscalls_add_all(filter, SCMP_ACT_KILL_PROCESS, syscalls_deadly, SYSCALLS_COUNT(syscalls_deadly)) &&
		  syscalls_add_all(filter, SCMP_ACT_ERRNO(EPERM), syscalls_refused, SYSCALLS_COUNT(syscalls_refused)) &&
		  syscalls_add_threads(filter) && syscalls_add_sockets(filter) && syscalls_add_commands(filter) &&
		  syscalls_add_self(filter);

	if (ok && keyring)
		ok = syscalls_add_all(filter, SCMP_ACT_ALLOW, syscalls_of_keyring, SYSCALLS_COUNT(syscalls_of_keyring));
	ok = ok && seccomp_load(filter) == 0;
	if (filter != NULL)
		seccomp_release(filter);
	return ok;
}
