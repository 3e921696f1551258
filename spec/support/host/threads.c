/*
 * A host with many threads, a Lua state in each:
 *
 *     threads COUNT PROGRAM.lua [ARGUMENT...]
 *
 * runs the program in COUNT threads at once, with the thread's number and the arguments. `meet()` waits until all are
 * there. With COUNT 0 it only has two threads do what ThreadSanitizer must not let pass.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST = 64 };

static struct {
	int count, argc;
	char **argv; /* the program and its arguments */
	pthread_barrier_t barrier;
} host;

struct thread {
	pthread_t id;
	int number;
	bool ok;
};

/* Every thread has to come as often as the others. */
static int meet(lua_State *L)
{
	(void)L;
	pthread_barrier_wait(&host.barrier);
	return 0;
}

static int trace(lua_State *L)
{
	luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
	return 1;
}

static bool run_program(lua_State *L, int number)
{
	luaL_openlibs(L);
	lua_register(L, "meet", meet);
	lua_pushcfunction(L, trace);
	if (luaL_loadfile(L, host.argv[0]) != LUA_OK)
		return false;
	lua_pushinteger(L, number);
	for (int i = 1; i < host.argc; i++)
		lua_pushstring(L, host.argv[i]);
	return lua_pcall(L, host.argc, 0, 1) == LUA_OK;
}

static void *run(void *argument)
{
	struct thread *thread = argument;
	lua_State *L = luaL_newstate();

	thread->ok = run_program(L, thread->number);
	if (!thread->ok) {
		fprintf(stderr, "thread %d: %s\n", thread->number, lua_tostring(L, -1));
		_Exit(1); /* the others would wait for it */
	}
	lua_close(L);
	return NULL;
}

static int racing;

static void *race(void *unused)
{
	for (int i = 0; i < 1000; i++)
		racing++;
	return unused;
}

static int start_race(void)
{
	pthread_t one, other;
	pthread_create(&one, NULL, race, NULL);
	pthread_create(&other, NULL, race, NULL);
	pthread_join(one, NULL);
	pthread_join(other, NULL);
	return racing == 0;
}

int main(int argc, char **argv)
{
	struct thread threads[MOST];

	host.count = argc > 1 ? atoi(argv[1]) : 0;
	if (host.count == 0)
		return start_race();
	if (host.count > MOST || argc < 3)
		return 2;
	host.argc = argc - 2;
	host.argv = argv + 2;
	pthread_barrier_init(&host.barrier, NULL, (unsigned)host.count);
	for (int i = 0; i < host.count; i++) {
		threads[i] = (struct thread){.number = i + 1};
		pthread_create(&threads[i].id, NULL, run, &threads[i]);
	}
	for (int i = 0; i < host.count; i++)
		pthread_join(threads[i].id, NULL);
	puts("done");
	return 0;
}
