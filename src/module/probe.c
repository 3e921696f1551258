/* userdata "smb.probe": whether somebody listens at a port; for diagnoses. */
#include "register.h"
#include "support.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PROBE_TYPE "smb.probe"

struct probe {
	int fd; /* -1: closed */
};

static int probe_release(lua_State *L)
{
	struct probe *p = luaL_checkudata(L, 1, PROBE_TYPE);

	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	return 0;
}

/* Begins to connect; an errno, 0 for none. */
static int probe_connect(struct probe *p, const char *address, const char *port)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM},
			*found = NULL;
	int error = 0;

	if (getaddrinfo(address, port, &hints, &found) != 0)
		return EINVAL;
	p->fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0 || (connect(p->fd, found->ai_addr, found->ai_addrlen) < 0 && errno != EINPROGRESS))
		error = errno;
	freeaddrinfo(found);
	return error;
}

/*
 * probe(address, port) -> a probe that is connecting | nil, code, reason. The address is a number: no name is looked up
 * here.
 */
static int probe_new(lua_State *L)
{
	const char *address = luaL_checkstring(L, 1);
	struct probe *p;
	char port[16];
	int error;

	snprintf(port, sizeof port, "%d", (int)luaL_checkinteger(L, 2));
	p = lua_newuserdatauv(L, sizeof *p, 0);
	p->fd = -1;
	luaL_setmetatable(L, PROBE_TYPE);
	error = probe_connect(p, address, port);
	return error == 0 ? 1 : support_push_errno(L, address, error);
}

/*
 * probe_wait(probe, seconds) -> true: it is open; false, reason: it is not; nil: nobody has answered yet. Waits a slice
 * at most.
 */
static int probe_wait(lua_State *L)
{
	struct probe *p = luaL_checkudata(L, 1, PROBE_TYPE);
	struct pollfd polled = {.fd = p->fd, .events = POLLOUT};
	int error = 0;
	socklen_t size = sizeof error;

	luaL_argcheck(L, p->fd >= 0, 1, "the probe is closed");
	if (poll(&polled, 1, support_wait_slice(luaL_checknumber(L, 2))) <= 0) {
		support_move_interrupt_here(L);
		lua_pushnil(L);
		return 1;
	}
	if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	lua_pushboolean(L, error == 0);
	lua_pushstring(L, error == 0 ? NULL : strerror(error));
	return 2;
}

static const luaL_Reg metamethods[] = {{"__gc", probe_release}, {"__close", probe_release}, {NULL, NULL}};

static const luaL_Reg functions[] = {{"probe", probe_new}, {"probe_wait", probe_wait}, {NULL, NULL}};

void probe_register(lua_State *L)
{
	luaL_setfuncs(L, functions, 0);
	support_new_type(L, PROBE_TYPE, metamethods);
	lua_pop(L, 1);
}
