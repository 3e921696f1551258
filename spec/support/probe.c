/*
 * Somebody who owns libsmbclient, for spec/64-confinement_spec.lua: preloaded into a worker, it tries what PROBE_TRIES
 * names, in place of the library's first call, and writes a line for each to the file PROBE_FILE: "ok", or why not.
 * What ends the worker leaves a line without an end.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 4096 };

static char *page;

/* Mapped while the file can still be opened. */
__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("PROBE_FILE");
	int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;

	if (fd < 0)
		return;
	page = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (page == MAP_FAILED)
		page = NULL;
}

static void tell(const char *text)
{
	size_t used = strlen(page);
	snprintf(page + used, SIZE - used, "%s", text);
}

static void *nothing(void *unused)
{
	return unused;
}

static long make_thread(void)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, nothing, NULL);

	if (error == 0)
		return pthread_join(thread, NULL);
	errno = error;
	return -1;
}

static long make_process(pid_t child)
{
	if (child == 0)
		_exit(0);
	return child > 0 ? waitpid(child, NULL, 0) : -1;
}

static long have_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[2] = {{0}};

	errno = EPERM;
	return syscall(SYS_capget, &head, sets) == 0 && (sets[0].permitted | sets[1].permitted) != 0 ? 0 : -1;
}

static long dump_core(void)
{
	struct rlimit limit = {0, 0};

	getrlimit(RLIMIT_CORE, &limit);
	errno = EPERM;
	return limit.rlim_max > 0 || prctl(PR_GET_DUMPABLE) == 1 ? 0 : -1;
}

/* Nobody need listen there: a refusal has come from the other end. */
static long connect_to(int kind, const char *port)
{
	struct sockaddr_in to = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, kind, 0);
	long done = fd >= 0 ? connect(fd, (struct sockaddr *)&to, sizeof to) : -1;

	return done < 0 && errno == ECONNREFUSED ? 0 : done;
}

static long listen_somewhere(void)
{
	return listen(socket(AF_INET, SOCK_STREAM, 0), 1);
}

static long ask_terminal(void)
{
	char key = 'x';
	return ioctl(0, TIOCSTI, &key) == 0 || errno == ENOTTY || errno == EIO ? 0 : -1;
}

/* Each call with arguments that do no harm: what the kernel says of them shows that they would have come through. */
static long reached(long done)
{
	return done < 0 && (errno == EINVAL || errno == EFAULT || errno == EBADF || errno == ESRCH || errno == ENOEXEC)
		   ? 0
		   : done;
}

static long try_file(const char *what, const char *path)
{
	int flags = strcmp(what, "write") == 0  ? O_WRONLY
		    : strcmp(what, "make") == 0 ? O_WRONLY | O_CREAT | O_EXCL
						: O_RDONLY;
	int fd = open(path, flags | O_NONBLOCK, 0600);

	if (fd >= 0 && strcmp(what, "make") == 0)
		unlink(path);
	return fd;
}

#define IS(word) (strcmp(what, word) == 0)

static long try_to_become(const char *what)
{
	if (IS("exec")) {
		char *const words[] = {(char *)"true", NULL};
		return execve("/none/true", words, words) < 0 && (errno == ENOENT || errno == EACCES) ? 0 : -1;
	}
	if (IS("fork")) return make_process(fork());
	if (IS("vfork-flags")) return make_process((pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL));
	if (IS("shell")) return system(":");
	if (IS("ptrace")) return reached(ptrace(PTRACE_ATTACH, -1, NULL, NULL));
	if (IS("peek")) return reached(process_vm_readv(-1, NULL, 0, NULL, 0, 1));
	if (IS("namespace")) return unshare(CLONE_NEWUSER);
	if (IS("other-namespace")) return reached(setns(-1, 0));
	if (IS("mount")) return reached(mount("/none", "/none", NULL, MS_BIND, NULL));
	if (IS("module")) return reached(syscall(SYS_finit_module, -1, "", 0));
	if (IS("kernel")) return reached(syscall(SYS_kexec_load, 0, 0, NULL, 0));
	if (IS("program")) return reached(syscall(SYS_bpf, 0, NULL, 0));
	errno = ENOTSUP;
	return -1;
}

static long try_one(const char *what, const char *with)
{
	if (IS("read") || IS("write") || IS("make")) return try_file(what, with);
	if (IS("connect")) return connect_to(SOCK_STREAM, with);
	if (IS("datagram")) return connect_to(SOCK_DGRAM, with);
	if (IS("thread")) return make_thread();
	if (IS("capabilities")) return have_capabilities();
	if (IS("core")) return dump_core();
	if (IS("dumpable")) return prctl(PR_SET_DUMPABLE, prctl(PR_GET_DUMPABLE));
	if (IS("groups")) return syscall(SYS_setgroups, 0, NULL);
	if (IS("gain")) return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 ? 0 : (errno = EPERM, -1);
	if (IS("signal")) return kill(getppid(), 0);
	if (IS("thread-signal")) return syscall(SYS_tgkill, getppid(), getppid(), 0);
	if (IS("own-signal")) return kill(getpid(), 0);
	if (IS("packets")) return socket(AF_PACKET, SOCK_RAW, 0);
	if (IS("raw")) return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	if (IS("listen")) return listen_somewhere();
	if (IS("terminal")) return ask_terminal();
	if (IS("signal-by-socket")) return fcntl(socket(AF_UNIX, SOCK_STREAM, 0), F_SETOWN, getppid());
	if (IS("ring")) return reached(syscall(SYS_io_uring_setup, 1, NULL));
	if (IS("keyring")) return reached(syscall(SYS_keyctl, -1, 0));
	if (IS("new-call")) return reached(syscall(SYS_perf_event_open, NULL, 0, 0, -1, 0));
	if (IS("limit")) return setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	return try_to_become(what);
}

/* "WORD", or "WORD=WHAT" */
static void try_all(void)
{
	char *tries = strdup(getenv("PROBE_TRIES")), *state;

	for (char *word = strtok_r(tries, " ", &state); word != NULL; word = strtok_r(NULL, " ", &state)) {
		char *with = strchr(word, '=');
		if (with != NULL)
			*with++ = '\0';
		tell(word);
		if (with != NULL) {
			tell("=");
			tell(with);
		}
		tell(": ");
		errno = 0;
		tell(try_one(word, with) >= 0 ? "ok" : strerror(errno));
		tell("\n");
	}
	free(tries);
}

void *smbc_new_context(void)
{
	void *(*next)(void);
	void *found = dlsym(RTLD_NEXT, "smbc_new_context");

	memcpy(&next, &found, sizeof next);
	if (page != NULL && getenv("PROBE_TRIES") != NULL && page[0] == '\0')
		try_all();
	return next();
}
