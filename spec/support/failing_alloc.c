/*
 * failing_alloc SCRIPT [ARGUMENT...]
 *
 * A Lua host for spec/60-memory_spec.lua whose memory ends when the script says so: the Nth request for more memory is
 * refused, Lua's as well as those that the module makes itself (memory, descriptors, mappings, processes). This
 * program's malloc and the like come before libc's for the module, and tell by the return address who called.
 *
 * Memory that was freed is overwritten, and a block that changes its size always moves: who keeps a pointer too long is
 * found.
 *
 * The script has a table `memory`:
 *
 *   watch()                looks up where the module lies; call it once the module is loaded
 *   refuse(n, times, fn)   calls fn, and refuses its nth request and the ones after it, `times` in all
 *                          -> requests refused, and what pcall gives: its first three results
 *   collect(always)        from here on Lua makes each object only after a full collection
 *   blocks()               -> the module's own blocks that are not freed
 *
 * Exit status: 0, or 1 when the script raised, or when something is left after lua_close.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCKS = 4096, POISON = 0xdb };

/* What this program's malloc and the like stand before. */
#ifdef __SANITIZE_ADDRESS__
#define UNDERLYING(name) __interceptor_##name
#else
#define UNDERLYING(name) __libc_##name
#endif

extern void *UNDERLYING(malloc)(size_t size);
extern void *UNDERLYING(calloc)(size_t count, size_t size);
extern void *UNDERLYING(realloc)(void *block, size_t size);
extern void UNDERLYING(free)(void *block);

/* ---- who is refused what ---- */

static struct {
	long requests, from, to, refused;
	bool armed;
} plan;

static struct {
	uintptr_t first, end; /* where the module lies */
	void *blocks[BLOCKS];
	size_t count;
} module;

static bool refused(void)
{
	if (!plan.armed)
		return false;
	plan.requests++;
	if (plan.requests < plan.from || plan.requests >= plan.to)
		return false;
	plan.refused++;
	return true;
}

static bool is_module(const void *caller)
{
	return (uintptr_t)caller >= module.first && (uintptr_t)caller < module.end;
}

static void *keep(void *block)
{
	if (block != NULL && module.count < BLOCKS)
		module.blocks[module.count++] = block;
	return block;
}

static void forget(const void *block)
{
	for (size_t i = module.count; block != NULL && i-- > 0;)
		if (module.blocks[i] == block) {
			module.blocks[i] = module.blocks[--module.count];
			return;
		}
}

/* ---- Lua's memory ---- */

static struct {
	size_t bytes;
	bool collect, answered;
} lua;

/*
 * Lua answers a first refusal with a full collection, and asks again. lauxlib's buffers do not, hence only new objects,
 * which Lua tells from other blocks by giving their type for the old size, are asked for twice.
 */
static bool lua_is_refused(bool object)
{
	if (refused())
		return true;
	if (!lua.collect || !object)
		return false;
	lua.answered = !lua.answered;
	return lua.answered;
}

static void *lua_memory(void *unused, void *block, size_t old, size_t size)
{
	bool object = block == NULL && old != 0;
	void *new = NULL;

	(void)unused;
	if (block == NULL)
		old = 0;
	if (size > 0) {
		if (size > old && lua_is_refused(object))
			return NULL;
		new = UNDERLYING(malloc)(size);
		if (new == NULL)
			return NULL;
		if (block != NULL)
			memcpy(new, block, old < size ? old : size);
	}
	if (block != NULL)
		memset(block, POISON, old);
	UNDERLYING(free)(block);
	lua.bytes += size - old;
	return new;
}

/* ---- the module's requests: these come before libc's ---- */

#define REFUSES (is_module(__builtin_return_address(0)) && refused())

#define NEXT(name)                                                                                                     \
	static __typeof__(&name) next;                                                                                 \
	if (next == NULL) {                                                                                            \
		void *found = dlsym(RTLD_NEXT, #name);                                                                 \
		memcpy(&next, &found, sizeof next);                                                                    \
	}

static int no_memory(void)
{
	errno = ENOMEM;
	return -1;
}

static void *no_block(void)
{
	errno = ENOMEM;
	return NULL;
}

void *malloc(size_t size)
{
	if (!is_module(__builtin_return_address(0)))
		return UNDERLYING(malloc)(size);
	return refused() ? no_block() : keep(UNDERLYING(malloc)(size));
}

void *calloc(size_t count, size_t size)
{
	if (!is_module(__builtin_return_address(0)))
		return UNDERLYING(calloc)(count, size);
	return refused() ? no_block() : keep(UNDERLYING(calloc)(count, size));
}

void *realloc(void *block, size_t size)
{
	bool of_module = is_module(__builtin_return_address(0));
	if (of_module && refused())
		return no_block();
	forget(block);
	block = UNDERLYING(realloc)(block, size);
	return of_module ? keep(block) : block;
}

void free(void *block)
{
	forget(block);
	UNDERLYING(free)(block);
}

char *strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = REFUSES ? no_block() : UNDERLYING(malloc)(size);
	if (copy == NULL)
		return NULL;
	memcpy(copy, text, size);
	return is_module(__builtin_return_address(0)) ? keep(copy) : copy;
}

int asprintf(char **text, const char *format, ...)
{
	va_list arguments;
	int n;
	if (REFUSES)
		return no_memory();
	va_start(arguments, format);
	n = vasprintf(text, format, arguments);
	va_end(arguments);
	if (n >= 0 && is_module(__builtin_return_address(0)))
		keep(*text);
	return n;
}

char *realpath(const char *path, char *resolved)
{
	NEXT(realpath)
	char *result;
	if (REFUSES)
		return no_block();
	result = next(path, resolved);
	return resolved == NULL && is_module(__builtin_return_address(0)) ? keep(result) : result;
}

int memfd_create(const char *name, unsigned flags)
{
	NEXT(memfd_create)
	return REFUSES ? no_memory() : next(name, flags);
}

void *mmap64(void *address, size_t size, int protection, int flags, int fd, off64_t offset)
{
	NEXT(mmap64)
	if (REFUSES) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return next(address, size, protection, flags, fd, offset);
}

int ftruncate64(int fd, off64_t size)
{
	NEXT(ftruncate64)
	return REFUSES ? no_memory() : next(fd, size);
}

int fallocate64(int fd, int mode, off64_t from, off64_t size)
{
	NEXT(fallocate64)
	return REFUSES ? no_memory() : next(fd, mode, from, size);
}

int fcntl64(int fd, int command, ...)
{
	NEXT(fcntl64)
	va_list arguments;
	long argument;
	va_start(arguments, command);
	argument = va_arg(arguments, long);
	va_end(arguments);
	return REFUSES ? no_memory() : next(fd, command, argument);
}

int open64(const char *path, int flags, ...)
{
	NEXT(open64)
	va_list arguments;
	unsigned mode;
	va_start(arguments, flags);
	mode = va_arg(arguments, unsigned);
	va_end(arguments);
	return REFUSES ? no_memory() : next(path, flags, mode);
}

int socketpair(int domain, int type, int protocol, int pair[2])
{
	NEXT(socketpair)
	return REFUSES ? no_memory() : next(domain, type, protocol, pair);
}

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		const posix_spawnattr_t *attributes, char *const argv[], char *const environment[])
{
	NEXT(posix_spawn)
	return REFUSES ? ENOMEM : next(pid, path, actions, attributes, argv, environment);
}

/* ---- what the script asks ---- */

static int look_at(struct dl_phdr_info *info, size_t size, void *unused)
{
	(void)size;
	(void)unused;
	if (strstr(info->dlpi_name, "/smb/core.so") == NULL)
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];
		if (part->p_type == PT_LOAD && (part->p_flags & PF_X)) {
			module.first = info->dlpi_addr + part->p_vaddr;
			module.end = module.first + part->p_memsz;
		}
	}
	return 1;
}

static int memory_watch(lua_State *L)
{
	return dl_iterate_phdr(look_at, NULL) ? 0 : luaL_error(L, "the module is not loaded");
}

static int memory_refuse(lua_State *L)
{
	long from = (long)luaL_checkinteger(L, 1), times = (long)luaL_checkinteger(L, 2);
	bool ok;

	lua_settop(L, 3);
	memset(&plan, 0, sizeof plan);
	plan.from = from;
	plan.to = from + times;
	plan.armed = true;
	ok = lua_pcall(L, 0, 3, 0) == LUA_OK;
	plan.armed = false;
	if (!ok)
		lua_settop(L, 5);
	lua_pushinteger(L, plan.refused);
	lua_pushboolean(L, ok);
	lua_rotate(L, -5, 2);
	return 5;
}

static int memory_collect(lua_State *L)
{
	lua.collect = lua_toboolean(L, 1);
	lua.answered = false;
	return 0;
}

static int memory_blocks(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)module.count);
	return 1;
}

static const luaL_Reg functions[] = {
    {"watch", memory_watch},   {"refuse", memory_refuse}, {"collect", memory_collect},
    {"blocks", memory_blocks}, {NULL, NULL},
};

/* ---- the program ---- */

static int count_descriptors(void)
{
	int count = 0;
	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static int trace(lua_State *L)
{
	luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
	return 1;
}

static int run(lua_State *L, int argc, char **argv)
{
	luaL_openlibs(L);
	luaL_newlib(L, functions);
	lua_setglobal(L, "memory");
	lua_pushcfunction(L, trace);
	if (luaL_loadfile(L, argv[1]) == LUA_OK) {
		for (int i = 2; i < argc; i++)
			lua_pushstring(L, argv[i]);
		if (lua_pcall(L, argc - 2, 0, 1) == LUA_OK)
			return 0;
	}
	fprintf(stderr, "%s\n", lua_tostring(L, -1));
	return 1;
}

int main(int argc, char **argv)
{
	int before = count_descriptors(), status, after;
	lua_State *L = argc > 1 ? lua_newstate(lua_memory, NULL) : NULL;

	if (L == NULL)
		return 2;
	status = run(L, argc, argv);
	plan.armed = false;
	lua_close(L);
	after = count_descriptors();
	if (lua.bytes == 0 && module.count == 0 && after == before && waitpid(-1, NULL, WNOHANG) < 0)
		return status;
	fprintf(stderr, "left behind: %zu bytes of Lua's, %zu blocks of the module's, %d descriptors, or children\n",
		lua.bytes, module.count, after - before);
	return 1;
}
