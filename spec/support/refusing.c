/*
 * refusing WHAT COMMAND...: runs a command to which the kernel refuses something, as filters of systemd and containers
 * do.
 *
 *   netlink   sockets of AF_NETLINK (EAFNOSUPPORT), as RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 does
 *   clone3    clone3 (EPERM), as old container engines do
 *   threads   clone and clone3 of threads (EAGAIN)
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define REFUSE(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

int main(int argc, char **argv)
{
	struct sock_filter netlink[] = {
	    LOAD(nr),      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
	    LOAD(args[0]), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 0, 1),
	    REFUSE(EAFNOSUPPORT), ALLOW};
	struct sock_filter clone3[] = {
	    LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1), REFUSE(EPERM), ALLOW};
	/* Of clone3 a filter does not see the flags: ENOSYS has libc call clone. */
	struct sock_filter threads[] = {
	    LOAD(nr),      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 3, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4),
	    LOAD(args[0]), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 2),
	    REFUSE(ENOSYS), REFUSE(EAGAIN), ALLOW};
	struct sock_fprog program = {0};

	if (argc < 3)
		return 98;
#define USE(filter) program = (struct sock_fprog){sizeof filter / sizeof filter[0], filter}
	if (strcmp(argv[1], "netlink") == 0)
		USE(netlink);
	else if (strcmp(argv[1], "clone3") == 0)
		USE(clone3);
	else
		USE(threads);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		return 99;
	execvp(argv[2], argv + 2);
	return 97;
}
