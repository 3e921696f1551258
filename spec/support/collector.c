/*
 * A Lua module for spec/support/collector.lua: from start() on the collector runs at allocations that are made while
 * lua-smb is at work, memory that was freed is overwritten, and a block that changes its size always moves: who uses
 * what the collector took, or keeps a pointer too long, is found.
 *
 * lua-smb is at work when a function of its own, C or Lua, is on the stack; its Lua functions are looked for in the
 * main thread, but not while a block changes its size: that may be its stack, and Lua 5.4.7 puts its pointers away.
 *
 * At each such allocation Lua is made to owe a collection, and makes it as soon as it may: that is when it looks
 * whether it is time, as it does after each new object of its API and of its virtual machine. These are collections of
 * the young, which take some 10 microseconds: the new object that nobody holds goes, its finalizer runs.
 *
 * Lua collects within an allocation, too, where memory ends: when the request for a new object is refused it collects
 * all, runs no finalizers, and asks again. That takes milliseconds with busted's own heap. Hence these are thinned out:
 * a place in lua-smb refuses at its first `dense` allocations, then at every second for as many, then at every fourth,
 * and so on.
 *
 * Finalizers may close what is being used. After close_at(times, fn) nothing is refused any more, and each place calls
 * fn(n) in a finalizer, another n each time, as soon after its first allocations as Lua runs one, `times` times, while
 * close(true) is in force.
 *
 *   start(program, source, dense)   the module's file; what the files of its Lua functions have in their names
 *   close_at(times, fn)
 *   close(whether)
 *   forget()                        all places close as often once more
 *   closings()                      -> how often fn was called
 *   stop()                          -> the counts: allocations, collections, refusals, places, closings
 */
#include <lauxlib.h>
#include <lua.h>

#include <execinfo.h>
#include <link.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
	POISON = 0xdb,
	FRAMES = 8192, /* bytes of the C stack in which the module is looked for: Lua's frames, lauxlib's buffers */
	LEVELS = 12,   /* of Lua's stack, likewise */
	DEPTH = 32,    /* functions of the C stack, likewise */
	PLACES = 4096, /* a power of 2 */
};

struct place {
	uintptr_t key;
	unsigned long count, next, every; /* allocations; the one that is refused next; how far apart they are now */
	unsigned left;                    /* refusals until they come half as often */
	unsigned closings, first_turn;
};

static struct {
	lua_State *main;
	const char *program, *source;
	uintptr_t first, end; /* where the module's code lies */
	const char *stack_end;
	bool running, refused;
	unsigned dense;
	struct place places[PLACES];
	unsigned long allocations, refusals, collections, place_count, closings;
	unsigned closing_times, turn; /* how often a place is to close, 0: none is; what is given to fn */
	int closer;             /* reference to the function */
	bool closes, closing_due, closing;
} collector;

/* ---- is lua-smb at work, and where? ---- */

/*
 * The first word on the C stack that points into the module, as its functions' return addresses do. 0: there is none.
 */
__attribute__((no_sanitize_address)) static uintptr_t place_in_c(void)
{
	const char *from = __builtin_frame_address(0);
	size_t size = collector.stack_end > from ? (size_t)(collector.stack_end - from) : 0;

	if (size > FRAMES)
		size = FRAMES;
	for (size_t at = 0; at + sizeof(uintptr_t) <= size; at += sizeof(uintptr_t)) {
		uintptr_t word = *(const uintptr_t *)(const void *)(from + at);
		if (word >= collector.first && word < collector.end)
			return word;
	}
	return 0;
}

/* The line of the module's innermost Lua function, as a number. 0: there is none. */
static uintptr_t place_in_lua(void)
{
	lua_Debug at;

	for (int level = 0; level < LEVELS && lua_getstack(collector.main, level, &at); level++) {
		lua_getinfo(collector.main, "S", &at);
		if (strstr(at.source, collector.source) == NULL)
			continue;
		lua_getinfo(collector.main, "l", &at);
		return (uintptr_t)at.source ^ (uintptr_t)at.currentline << 4;
	}
	return 0;
}

/* `moves`: Lua's stack may be moving. */
static uintptr_t place(bool moves)
{
	uintptr_t in_c = place_in_c();
	return in_c != 0 || moves ? in_c : place_in_lua();
}

static struct place *find(uintptr_t key)
{
	size_t at = (size_t)(key * 0x9e3779b97f4a7c15 >> 40);

	for (size_t tries = 0; tries < PLACES; tries++) {
		struct place *p = &collector.places[(at + tries) % PLACES];
		if (p->key == key)
			return p;
		if (p->key == 0) {
			*p = (struct place){.key = key, .next = 1, .every = 1, .left = collector.dense};
			p->first_turn = (unsigned)collector.place_count++;
			return p;
		}
	}
	abort();
}

/* Whether this allocation is one to refuse. */
static bool is_due(struct place *p)
{
	if (++p->count < p->next)
		return false;
	if (p->left-- == 0) {
		p->every *= 2;
		p->left = collector.dense - 1;
	}
	p->next = p->count + p->every;
	return true;
}

/* As place, but no return address that an earlier call has left behind: slow. */
static uintptr_t exact_place(bool moves)
{
	void *frames[DEPTH];
	int count = backtrace(frames, DEPTH);

	for (int i = 0; i < count; i++)
		if ((uintptr_t)frames[i] >= collector.first && (uintptr_t)frames[i] < collector.end)
			return (uintptr_t)frames[i];
	return moves ? 0 : place_in_lua();
}

/* Whether what is in use is to be closed after this allocation. */
static bool is_closing_due(bool moves)
{
	struct place *p;
	uintptr_t key;

	if (!collector.closes || collector.closing_due || (key = exact_place(moves)) == 0)
		return false;
	p = find(key);
	collector.turn = p->first_turn + p->closings;
	return p->closings < collector.closing_times && ++p->closings > 0;
}

/* ---- Lua's memory ---- */

/*
 * A request for more while lua-smb is at work. `object`: a new one; lauxlib's buffers, which are none, do not ask
 * twice. `moves`: a block that changes its size.
 */
static bool is_refused(bool object, bool moves)
{
	bool again = collector.refused;
	uintptr_t key = collector.running && !collector.closing ? place(moves) : 0;

	collector.refused = false;
	if (key == 0)
		return false;
	lua_gc(collector.main, LUA_GCRESTART); /* no debt, until what is asked for is counted */
	if (again)
		return false;
	collector.allocations++;
	if (collector.closing_times > 0) {
		collector.closing_due |= is_closing_due(moves);
		return false;
	}
	if (!object || !is_due(find(key)))
		return false;
	collector.refusals++;
	collector.refused = true;
	return true;
}

static void *lua_memory(void *unused, void *block, size_t old, size_t size)
{
	void *new = NULL;

	(void)unused;
	/* Lua tells new objects from other blocks by giving their type for the old size. */
	if (size > (block == NULL ? 0 : old) && is_refused(block == NULL && old != 0, block != NULL))
		return NULL;
	if (block == NULL)
		old = 0;
	if (size > 0) {
		new = malloc(size);
		if (new == NULL)
			return NULL;
		if (block != NULL)
			memcpy(new, block, old < size ? old : size);
	}
	if (block != NULL) {
		/* The compiler knows free, and would spare itself the memset but for somebody who may look. */
		memset(block, POISON, old);
		__asm__ volatile("" : : "r"(block) : "memory");
	}
	free(block);
	return new;
}

/* ---- what the script asks ---- */

static void close_what_is_used(lua_State *L)
{
	collector.closing_due = false;
	if (!collector.closes)
		return;
	collector.closing = true;
	collector.closings++;
	lua_rawgeti(L, LUA_REGISTRYINDEX, collector.closer);
	lua_pushinteger(L, (lua_Integer)collector.turn);
	if (lua_pcall(L, 1, 0, 0) != LUA_OK)
		abort();
	collector.closing = false;
}

/* An object that nobody holds, with this for a finalizer: each collection meets it, and it leaves another one. */
static int count_collection(lua_State *L)
{
	if (collector.running && place(false) != 0)
		collector.collections++;
	if (collector.closing_due && !collector.closing)
		close_what_is_used(L);
	lua_newuserdatauv(L, 1, 0);
	lua_getmetatable(L, 1);
	lua_setmetatable(L, -2);
	return 0;
}

static void make_witness(lua_State *L)
{
	lua_newuserdatauv(L, 1, 0);
	lua_newtable(L);
	lua_pushcfunction(L, count_collection);
	lua_setfield(L, -2, "__gc");
	lua_setmetatable(L, -2);
	lua_pop(L, 1);
}

static int look_at(struct dl_phdr_info *info, size_t size, void *unused)
{
	(void)size;
	(void)unused;
	if (strstr(info->dlpi_name, collector.program) == NULL)
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];
		if (part->p_type == PT_LOAD && (part->p_flags & PF_X)) {
			collector.first = info->dlpi_addr + part->p_vaddr;
			collector.end = collector.first + part->p_memsz;
		}
	}
	return 1;
}

static void find_stack_end(void)
{
	pthread_attr_t attributes;
	void *low;
	size_t size;

	if (pthread_getattr_np(pthread_self(), &attributes) != 0)
		return;
	if (pthread_attr_getstack(&attributes, &low, &size) == 0)
		collector.stack_end = (const char *)low + size;
	pthread_attr_destroy(&attributes);
}

static int start(lua_State *L)
{
	collector.program = luaL_checkstring(L, 1);
	collector.source = luaL_checkstring(L, 2);
	collector.dense = (unsigned)luaL_checkinteger(L, 3);
	luaL_argcheck(L, collector.dense > 0, 3, "must be positive");
	luaL_argcheck(L, dl_iterate_phdr(look_at, NULL), 1, "is not loaded");
	lua_pushvalue(L, 1);
	luaL_ref(L, LUA_REGISTRYINDEX);
	lua_pushvalue(L, 2);
	luaL_ref(L, LUA_REGISTRYINDEX);
	find_stack_end();
	lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
	collector.main = lua_tothread(L, -1);
	lua_gc(L, LUA_GCGEN, 0, 0);
	make_witness(L);
	lua_setallocf(L, lua_memory, NULL);
	collector.running = true;
	return 0;
}

static int close_at(lua_State *L)
{
	luaL_checktype(L, 2, LUA_TFUNCTION);
	collector.closing_times = (unsigned)luaL_checkinteger(L, 1);
	lua_settop(L, 2);
	collector.closer = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

static int do_close(lua_State *L)
{
	collector.closes = lua_toboolean(L, 1);
	collector.closing_due = false;
	return 0;
}

static int forget(lua_State *L)
{
	(void)L;
	for (size_t i = 0; i < PLACES; i++)
		collector.places[i].closings = 0;
	return 0;
}

static int count_closings(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)collector.closings);
	return 1;
}

static void set_count(lua_State *L, const char *name, unsigned long count)
{
	lua_pushinteger(L, (lua_Integer)count);
	lua_setfield(L, -2, name);
}

static int stop(lua_State *L)
{
	collector.running = false;
	lua_newtable(L);
	set_count(L, "allocations", collector.allocations);
	set_count(L, "refusals", collector.refusals);
	set_count(L, "collections", collector.collections);
	set_count(L, "places", collector.place_count);
	set_count(L, "closings", collector.closings);
	return 1;
}

static const luaL_Reg functions[] = {{"start", start}, {"stop", stop}, {"close_at", close_at}, {"close", do_close},
                                      {"closings", count_closings}, {"forget", forget}, {NULL, NULL}};

int luaopen_collector(lua_State *L);

int luaopen_collector(lua_State *L)
{
	luaL_newlib(L, functions);
	return 1;
}
