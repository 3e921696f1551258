/*
 * A host that is a client of libsmbclient itself:
 *
 *     smbclient PROGRAM.lua URL USER PASSWORD [ARGUMENT...]
 *
 * One thread reads the file at URL, which holds nothing but "x", over and over through its own libsmbclient, while the
 * main thread runs the Lua program. In there `rounds()` tells how often it has been read. Says how it went in one line.
 */
#include <fcntl.h>
#include <lauxlib.h>
#include <libsmbclient.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/*
 * Under AddressSanitizer: what the library's memory pools keep is its own, and where it was taken cannot be told
 * through them.
 */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libtalloc.so\n";
}

static struct {
	const char *url, *user, *password;
	_Atomic int rounds, failures;
	_Atomic bool end;
} host;

static void log_on(SMBCCTX *context, const char *server, const char *share, char *domain, int domain_size, char *user,
		   int user_size, char *password, int password_size)
{
	(void)context, (void)server, (void)share, (void)domain, (void)domain_size;
	snprintf(user, (size_t)user_size, "%s", host.user);
	snprintf(password, (size_t)password_size, "%s", host.password);
}

static bool read_once(SMBCCTX *context)
{
	SMBCFILE *file = smbc_getFunctionOpen(context)(context, host.url, O_RDONLY, 0);
	bool any = false, right = true;
	char text[65536];
	ssize_t n;

	if (file == NULL)
		return false;
	while ((n = smbc_getFunctionRead(context)(context, file, text, sizeof text)) > 0) {
		any = true;
		for (ssize_t i = 0; i < n; i++)
			right = right && text[i] == 'x';
	}
	return smbc_getFunctionClose(context)(context, file) == 0 && n == 0 && any && right;
}

static void *read_on(void *unused)
{
	SMBCCTX *context = smbc_new_context();

	smbc_setDebug(context, 0);
	smbc_setFunctionAuthDataWithContext(context, log_on);
	if (smbc_init_context(context) == NULL)
		return unused;
	while (!atomic_load(&host.end)) {
		atomic_fetch_add(&host.failures, !read_once(context));
		atomic_fetch_add(&host.rounds, 1);
	}
	smbc_free_context(context, 1);
	return unused;
}

static int rounds(lua_State *L)
{
	lua_pushinteger(L, atomic_load(&host.rounds));
	return 1;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	lua_State *L;
	bool ok;

	if (argc < 5)
		return 2;
	host.url = argv[2];
	host.user = argv[3];
	host.password = argv[4];
	pthread_create(&thread, NULL, read_on, NULL);
	L = luaL_newstate();
	luaL_openlibs(L);
	lua_register(L, "rounds", rounds);
	ok = luaL_loadfile(L, argv[1]) == LUA_OK;
	for (int i = 5; ok && i < argc; i++)
		lua_pushstring(L, argv[i]);
	ok = ok && lua_pcall(L, argc - 5, 0, 0) == LUA_OK;
	atomic_store(&host.end, true);
	pthread_join(thread, NULL);
	if (ok)
		printf("its own reads failed %d times\n", atomic_load(&host.failures));
	else
		printf("%s\n", lua_tostring(L, -1));
	lua_close(L);
	return !ok;
}
