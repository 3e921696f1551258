/*
 * A host for the embedding spec:
 *
 *     host REPORT PROGRAM.lua [ARGUMENT...]
 *
 * runs a Lua program that has, as global functions, what a C application may do and Lua cannot. `say` writes into the
 * file REPORT, so that nothing is heard on standard output and error unless somebody else speaks there.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <locale.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { REPORT = 200, LIMIT = 256 /* descriptors, see leave_descriptors */ };

/* ---- speaking ---- */

/* say(...): a line of the report, its words parted by tabs */
static int say(lua_State *L)
{
	int words = lua_gettop(L);
	luaL_Buffer line;

	luaL_buffinit(L, &line);
	for (int i = 1; i <= words; i++) {
		luaL_tolstring(L, i, NULL);
		luaL_addvalue(&line);
		luaL_addchar(&line, i < words ? '\t' : '\n');
	}
	luaL_pushresult(&line);
	if (write(REPORT, lua_tostring(L, -1), lua_rawlen(L, -1)) < 0)
		return luaL_error(L, "nobody hears");
	return 0;
}

static void open_report(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0666);
	if (fd < 0 || dup3(fd, REPORT, O_CLOEXEC) < 0) {
		perror(path);
		exit(2);
	}
	close(fd);
}

/* ---- processes ---- */

/* fork() -> 0 in the child, which has a Lua state like this one; its process id in the parent */
static int fork_here(lua_State *L)
{
	pid_t pid = fork();
	if (pid < 0)
		return luaL_error(L, "fork: %s", strerror(errno));
	lua_pushinteger(L, pid);
	return 1;
}

/* wait(pid) -> exit status, 128 and more for a signal */
static int wait_for(lua_State *L)
{
	int status;
	while (waitpid((pid_t)luaL_checkinteger(L, 1), &status, 0) < 0)
		if (errno != EINTR)
			return luaL_error(L, "wait: %s", strerror(errno));
	lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return 1;
}

static int kill_process(lua_State *L)
{
	lua_pushboolean(L, kill((pid_t)luaL_checkinteger(L, 1), (int)luaL_optinteger(L, 2, SIGKILL)) == 0);
	return 1;
}

static int ignore_sigchld(lua_State *L)
{
	(void)L;
	signal(SIGCHLD, SIG_IGN);
	return 0;
}

static int become_subreaper(lua_State *L)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1L) < 0)
		return luaL_error(L, "prctl: %s", strerror(errno));
	return 0;
}

static _Atomic int reaped;

static void *reap_all(void *unused)
{
	const struct timespec pause = {.tv_nsec = 100000};
	for (;;) {
		if (waitpid(-1, NULL, 0) > 0)
			atomic_fetch_add(&reaped, 1);
		else
			nanosleep(&pause, NULL); /* there is no child to wait for yet */
	}
	return unused;
}

/* reap_everything(): from now on another thread waits for whatever child there is */
static int reap_everything(lua_State *L)
{
	pthread_t thread;
	if (pthread_create(&thread, NULL, reap_all, NULL) != 0)
		return luaL_error(L, "no thread");
	return 0;
}

static int count_reaped(lua_State *L)
{
	lua_pushinteger(L, atomic_load(&reaped));
	return 1;
}

static _Atomic int alarms;

static void on_alarm(int signal)
{
	(void)signal;
	atomic_fetch_add(&alarms, 1);
}

/*
 * alarms(microseconds) -> how many there were; a signal interrupts whatever this process does, again and again. 0 ends
 * it.
 */
static int set_alarms(lua_State *L)
{
	suseconds_t every = (suseconds_t)luaL_checkinteger(L, 1);
	struct itimerval timer = {{0, every}, {0, every}};
	struct sigaction action = {.sa_handler = on_alarm}; /* no SA_RESTART */

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	lua_pushinteger(L, atomic_load(&alarms));
	return 1;
}

/* ---- descriptors ---- */

static int close_standard(lua_State *L)
{
	(void)L;
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	return 0;
}

/* leave_descriptors(n): so many are left to be opened, none is in the way of the others; without n, as many as ever. */
static int leave_descriptors(lua_State *L)
{
	static int held[LIMIT];
	static int count;
	struct rlimit limit;
	int fd;

	while (count > 0)
		close(held[--count]);
	if (lua_isnoneornil(L, 1))
		return 0;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = LIMIT;
	setrlimit(RLIMIT_NOFILE, &limit);
	while (count < LIMIT && (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		held[count++] = fd;
	for (lua_Integer left = luaL_checkinteger(L, 1); left > 0 && count > 0; left--)
		close(held[--count]);
	return 0;
}

/* ---- what must stay as it is ---- */

static void on_signal(int signal)
{
	(void)signal;
}

/* be_particular(): settings that nobody has by chance */
static int be_particular(lua_State *L)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	sigset_t blocked;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigaddset(&blocked, SIGRTMIN + 3);
	pthread_sigmask(SIG_SETMASK, &blocked, NULL);
	sigaddset(&action.sa_mask, SIGHUP);
	sigaction(SIGUSR2, &action, NULL);
	sigaction(SIGCHLD, &action, NULL);
	signal(SIGWINCH, SIG_IGN);
	signal(SIGPIPE, SIG_DFL);
	umask(0137);
	setenv("KRB5CCNAME", "FILE:/nowhere", 1);
	if (setlocale(LC_ALL, "C.UTF-8") == NULL || setlocale(LC_NUMERIC, "C") == NULL)
		return luaL_error(L, "no locale C.UTF-8");
	return 0;
}

static void add_set(luaL_Buffer *b, const sigset_t *set)
{
	for (int signal = 1; signal < NSIG; signal++)
		luaL_addchar(b, sigismember(set, signal) == 1 ? '1' : '0');
}

static void push_mask(lua_State *L)
{
	luaL_Buffer b;
	sigset_t set;

	pthread_sigmask(SIG_SETMASK, NULL, &set);
	luaL_buffinit(L, &b);
	add_set(&b, &set);
	luaL_pushresult(&b);
}

static void push_dispositions(lua_State *L)
{
	luaL_Buffer b;

	luaL_buffinit(L, &b);
	for (int signal = 1; signal < NSIG; signal++) {
		struct sigaction action;
		char text[80];
		if (sigaction(signal, NULL, &action) < 0)
			continue;
		snprintf(text, sizeof text, "%d %p %x ", signal, (void *)(size_t)action.sa_handler,
			 (unsigned)action.sa_flags);
		luaL_addstring(&b, text);
		add_set(&b, &action.sa_mask);
		luaL_addchar(&b, '\n');
	}
	luaL_pushresult(&b);
}

static void push_environment(lua_State *L)
{
	luaL_Buffer b;

	luaL_buffinit(L, &b);
	for (char **variable = environ; *variable != NULL; variable++) {
		luaL_addstring(&b, *variable);
		luaL_addchar(&b, '\n');
	}
	luaL_pushresult(&b);
}

/* "3 /dev/null", ... without the descriptor through which they are read */
static void push_descriptors(lua_State *L)
{
	DIR *all = opendir("/proc/self/fd");
	struct dirent *entry;
	luaL_Buffer b;

	luaL_buffinit(L, &b);
	while (all != NULL && (entry = readdir(all)) != NULL) {
		char target[4096];
		ssize_t n = readlinkat(dirfd(all), entry->d_name, target, sizeof target);
		if (n < 0 || atoi(entry->d_name) == dirfd(all))
			continue;
		luaL_addstring(&b, entry->d_name);
		luaL_addchar(&b, ' ');
		luaL_addlstring(&b, target, (size_t)n);
		luaL_addchar(&b, '\n');
	}
	if (all != NULL)
		closedir(all);
	luaL_pushresult(&b);
}

static void add_file(luaL_Buffer *b, const char *path)
{
	FILE *file = fopen(path, "r");
	char text[4096];
	size_t n;

	while (file != NULL && (n = fread(text, 1, sizeof text, file)) > 0)
		luaL_addlstring(b, text, n);
	if (file != NULL)
		fclose(file);
}

/* Pushes the threads, and below them the children of them all, zombies included. */
static void push_threads(lua_State *L)
{
	DIR *all = opendir("/proc/self/task");
	luaL_Buffer threads, children;
	struct dirent *entry;
	char path[300], found[8192] = "";

	luaL_buffinit(L, &children);
	while (all != NULL && (entry = readdir(all)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "/proc/self/task/%s/children", entry->d_name);
		add_file(&children, path);
		strncat(found, entry->d_name, sizeof found - strlen(found) - 1);
		strncat(found, " ", sizeof found - strlen(found) - 1);
	}
	if (all != NULL)
		closedir(all);
	luaL_pushresult(&children);
	luaL_buffinit(L, &threads);
	luaL_addstring(&threads, found);
	luaL_pushresult(&threads);
}

static void push_limits(lua_State *L)
{
	luaL_Buffer b;
	luaL_buffinit(L, &b);
	add_file(&b, "/proc/self/limits");
	luaL_pushresult(&b);
}

/* state() -> table of texts, alike when nothing has changed */
static int state(lua_State *L)
{
	mode_t mask = umask(0);
	char cwd[4096];

	umask(mask);
	lua_newtable(L);
	lua_pushinteger(L, mask);
	lua_setfield(L, -2, "umask");
	lua_pushstring(L, getcwd(cwd, sizeof cwd) != NULL ? cwd : "none");
	lua_setfield(L, -2, "cwd");
	lua_pushstring(L, setlocale(LC_ALL, NULL));
	lua_setfield(L, -2, "locale");
	push_mask(L);
	lua_setfield(L, -2, "mask");
	push_dispositions(L);
	lua_setfield(L, -2, "dispositions");
	push_environment(L);
	lua_setfield(L, -2, "environment");
	push_limits(L);
	lua_setfield(L, -2, "limits");
	push_descriptors(L);
	lua_setfield(L, -2, "descriptors");
	push_threads(L);
	lua_setfield(L, -3, "threads");
	lua_setfield(L, -2, "children");
	return 1;
}

/* ---- the program ---- */

static const luaL_Reg functions[] = {
    {"say", say},
    {"fork", fork_here},
    {"wait", wait_for},
    {"kill", kill_process},
    {"ignore_sigchld", ignore_sigchld},
    {"become_subreaper", become_subreaper},
    {"reap_everything", reap_everything},
    {"count_reaped", count_reaped},
    {"alarms", set_alarms},
    {"close_standard", close_standard},
    {"leave_descriptors", leave_descriptors},
    {"be_particular", be_particular},
    {"state", state},
    {NULL, NULL},
};

static int trace(lua_State *L)
{
	luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
	return 1;
}

int main(int argc, char **argv)
{
	lua_State *L;
	bool ok;

	if (argc < 3)
		return 2;
	open_report(argv[1]);
	L = luaL_newstate();
	luaL_openlibs(L);
	lua_pushglobaltable(L);
	luaL_setfuncs(L, functions, 0);
	lua_settop(L, 0);
	lua_pushcfunction(L, trace);
	ok = luaL_loadfile(L, argv[2]) == LUA_OK;
	for (int i = 3; ok && i < argc; i++)
		lua_pushstring(L, argv[i]);
	ok = ok && lua_pcall(L, argc - 3, 0, 1) == LUA_OK;
	if (!ok) {
		lua_replace(L, 1);
		lua_settop(L, 1);
		say(L);
	}
	lua_close(L);
	return !ok;
}
