/*
 * userdata "smb.command": a command or a pipeline whose output is read. When it is started, and the messages about it,
 * are in lua/smb/command.lua, which keeps its own state beside it.
 */
#include "register.h"
#include "shared/descriptor.h"
#include "stage.h"
#include "support.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define COMMAND_TYPE "smb.command"

enum { MOST_STAGES = 64, PIECE = 128 * 1024 }; /* bytes that are read at once */

struct command {
	pid_t host;          /* a forked child must not end its parent's commands */
	int output;          /* of the last stage that was started; -1: closed, or at its end */
	int count, room;     /* of stages */
	struct stage stages[];
};

static void command_release(struct command *c)
{
	bool ours = c->host == getpid();

	if (c->output >= 0)
		close(c->output);
	c->output = -1;
	for (int i = 0; ours && i < c->count; i++)
		stage_signal(&c->stages[i], SIGKILL);
	for (int i = 0; i < c->count; i++) {
		if (ours)
			stage_await(&c->stages[i]);
		stage_forget(&c->stages[i]);
	}
}

static struct command *command_check(lua_State *L)
{
	return luaL_checkudata(L, 1, COMMAND_TYPE);
}

static int command_end(lua_State *L)
{
	command_release(command_check(L));
	return 0;
}

/* command(room, state) -> a command of no stages yet */
static int command_new(lua_State *L)
{
	lua_Integer room = luaL_checkinteger(L, 1);
	struct command *c;

	luaL_argcheck(L, room >= 1 && room <= MOST_STAGES, 1, "too many stages");
	luaL_checktype(L, 2, LUA_TTABLE);
	c = lua_newuserdatauv(L, sizeof *c + (size_t)room * sizeof c->stages[0], 1);
	*c = (struct command){.host = getpid(), .output = -1, .room = (int)room};
	luaL_setmetatable(L, COMMAND_TYPE);
	lua_pushvalue(L, 2);
	lua_setiuservalue(L, -2, 1);
	return 1;
}

/* command_state(value) -> its state; nil for what is no command */
static int command_state(lua_State *L)
{
	luaL_checkany(L, 1);
	if (luaL_testudata(L, 1, COMMAND_TYPE) == NULL)
		return 0;
	lua_getiuservalue(L, 1, 1);
	return 1;
}

/* Makes argv of the list at index 2. The words stay on the stack meanwhile. */
static char **command_argv(lua_State *L)
{
	lua_Integer count = luaL_len(L, 2);
	char **argv;

	luaL_argcheck(L, count >= 1 && count < 100000, 2, "no list of words");
	luaL_checkstack(L, (int)count + 2, "too many words");
	argv = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *argv, 0);
	for (int i = 0; i < (int)count; i++) {
		luaL_argcheck(L, lua_rawgeti(L, 2, i + 1) == LUA_TSTRING, 2, "no list of words");
		argv[i] = (char *)(uintptr_t)lua_tostring(L, -1);
	}
	argv[count] = NULL;
	return argv;
}

/* command_add(command, words): starts a further stage, which reads what the last one writes; true | nil, code, text */
static int command_add(lua_State *L)
{
	struct command *c = command_check(L);
	char **argv = command_argv(L);
	int input = c->output;

	luaL_argcheck(L, c->count < c->room && (c->count == 0 || input >= 0) && c->host == getpid(), 1, "ended");
	if (!stage_start(&c->stages[c->count], argv, input, &c->output))
		return support_push_errno(L, "it cannot be started", errno);
	if (input >= 0)
		close(input);
	c->count++;
	lua_pushboolean(L, 1);
	return 1;
}

/* Reads what the stages wrote to their standard errors; returns whether there is output to read, or its end. */
static bool command_has_output(struct command *c)
{
	struct pollfd output = {.fd = c->output, .events = POLLIN};

	for (int i = 0; i < c->count; i++)
		stage_listen(&c->stages[i]);
	return c->output < 0 || poll(&output, 1, 0) > 0;
}

/* command_read(command) -> some output; false if there is none yet, nil at the end | nil, code, text */
static int command_read(lua_State *L)
{
	struct command *c = command_check(L);
	ssize_t n = 0;
	luaL_Buffer b;
	char *to;

	if (!command_has_output(c)) {
		lua_pushboolean(L, 0);
		return 1;
	}
	to = luaL_buffinitsize(L, &b, PIECE); /* a collector may close the output here */
	if (c->output >= 0)
		n = read(c->output, to, PIECE);
	if (n > 0) {
		luaL_pushresultsize(&b, (size_t)n);
		return 1;
	}
	if (n < 0) {
		if (errno != EINTR)
			return support_push_errno(L, "its output cannot be read", errno);
		lua_pushboolean(L, 0);
		return 1;
	}
	if (c->output >= 0)
		close(c->output);
	c->output = -1;
	lua_pushnil(L);
	return 1;
}

/*
 * command_wait(command, seconds): waits for output or, once all is read, for the end of a stage; a slice at most. Reads
 * the standard errors of all stages meanwhile: a stage must not block on one.
 */
static int command_wait(lua_State *L)
{
	struct command *c = command_check(L);
	int wait = support_wait_slice(luaL_checknumber(L, 2));
	struct pollfd any[1 + 2 * MOST_STAGES];
	nfds_t count = 0;

	any[count++] = (struct pollfd){.fd = c->output, .events = POLLIN};
	for (int i = 0; i < c->count; i++) {
		const struct stage *s = &c->stages[i];
		any[count++] = (struct pollfd){.fd = s->errors, .events = POLLIN};
		any[count++] = (struct pollfd){.fd = c->output < 0 && s->pid != 0 ? s->pidfd : -1, .events = POLLIN};
	}
	poll(any, count, wait);
	for (int i = 0; i < c->count; i++)
		stage_listen(&c->stages[i]);
	support_move_interrupt_here(L);
	return 0;
}

/* command_reap(command) -> whether all stages have ended */
static int command_reap(lua_State *L)
{
	struct command *c = command_check(L);
	bool all = true;

	for (int i = 0; i < c->count; i++)
		all = stage_reap(&c->stages[i]) && all;
	lua_pushboolean(L, all);
	return 1;
}

/* command_stop(command): asks all stages to end, and reads no more of the output */
static int command_stop(lua_State *L)
{
	struct command *c = command_check(L);

	if (c->host != getpid())
		return 0;
	if (c->output >= 0)
		close(c->output);
	c->output = -1;
	for (int i = 0; i < c->count; i++) {
		stage_signal(&c->stages[i], SIGTERM);
		stage_signal(&c->stages[i], SIGCONT);
	}
	return 0;
}

/* command_stage(command, number) -> "runs", "exit", "signal" or "lost", its status, the end of its standard error */
static int command_stage(lua_State *L)
{
	static const char *const words[] = {"runs", "exit", "signal", "lost"};
	struct command *c = command_check(L);
	lua_Integer at = luaL_checkinteger(L, 2);
	const struct stage *s;

	luaL_argcheck(L, at >= 1 && at <= c->count, 2, "no such stage");
	s = &c->stages[at - 1];
	lua_pushstring(L, words[s->end]);
	lua_pushinteger(L, s->status);
	lua_pushlstring(L, s->tail, s->said);
	return 3;
}

/* command_is_ours(command) -> whether this process started it, rather than the one that it was forked from */
static int command_is_ours(lua_State *L)
{
	lua_pushboolean(L, command_check(L)->host == getpid());
	return 1;
}

void command_register(lua_State *L)
{
	static const luaL_Reg metamethods[] = {{"__gc", command_end}, {NULL, NULL}};
	static const luaL_Reg functions[] = {
	    {"command", command_new},       {"command_state", command_state}, {"command_add", command_add},
	    {"command_read", command_read}, {"command_wait", command_wait},   {"command_reap", command_reap},
	    {"command_stop", command_stop}, {"command_end", command_end},     {"command_stage", command_stage},
	    {"command_is_ours", command_is_ours},                             {NULL, NULL},
	};

	luaL_setfuncs(L, functions, 0);
	support_new_type(L, COMMAND_TYPE, metamethods);
	lua_setfield(L, -2, "command_metatable");
}
