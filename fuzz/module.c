/*
 * The module, against workers that somebody else owns: what a script calls (module.lua), while messages, descriptors
 * and shared memory come from an input. No process is started; the workers' ends of the sockets are here. Whenever the
 * module waits, the next step of the input is taken. At its end all workers hang up.
 *
 * An input begins with how many calls a script makes, and a byte for each.
 */
#include "input.h"

#include "build.h"
#include "protocol.h"
#include "workers/fork_server.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <locale.h>
#include <lua.h>
#include <lualib.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WORKERS = 64, CALLS = 8 };
enum { WAITS = 1000000 /* a call that has still not ended when all workers have hung up is one that never does */ };

/* A step, and what an answer that is well otherwise has of it. */
enum move { ANSWER, RAW, COUNTERS, PACE, HANG_UP, UNASKED, DESCRIPTORS, BUFFER, WHILE_IT_READS, LAST_WORDS, PAUSE };
enum part { NOTHING, ENTRY, NUMBERS, FAULT, INFO, ENTRIES, ALL, SIZE, OPENED, PARTS };

struct fuzz_worker {
	int socket;
	int page, pace, buffer; /* what the module shares with it; -1: nothing yet */
	bool has_greeted, is_connected;
	unsigned asked; /* requests without an answer */
};

static struct fuzz_worker workers[WORKERS];
static unsigned count;
static struct input input;
static bool is_running;
static unsigned waits;
static char last_words[160];
static uint8_t *scribble; /* written to the buffers while the module reads; NULL: nothing is */
static size_t scribble_size;
static lua_State *lua;

/* ---- the workers' side ---- */

static void tell(int socket, const void *message, size_t size, int fd, unsigned copies)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * 16)];
	} control = {0};
	struct iovec part = {(void *)(uintptr_t)message, size};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};

	if (fd >= 0 && copies > 0) {
		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * copies);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int) * copies);
		for (unsigned i = 0; i < copies; i++)
			memcpy(CMSG_DATA(&control.align) + i * sizeof fd, &fd, sizeof fd);
	}
	sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void keep(int *to, int fd)
{
	if (*to >= 0)
		close(*to);
	*to = fd;
}

static void take_descriptors(struct fuzz_worker *w, struct msghdr *header)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (!w->is_connected && i < 2)
				keep(i == 0 ? &w->page : &w->pace, fd);
			else if (fcntl(fd, F_GET_SEALS) >= 0)
				keep(&w->buffer, fd);
			else
				close(fd);
		}
	}
}

/* Takes what the module has sent. */
static void listen_to_module(struct fuzz_worker *w)
{
	static char bytes[SMB_MESSAGE_MAX];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * 16)];
	} control;

	for (;;) {
		struct iovec part = {bytes, sizeof bytes};
		struct msghdr header = {.msg_iov = &part,
					.msg_iovlen = 1,
					.msg_control = control.bytes,
					.msg_controllen = sizeof control.bytes};
		if (recvmsg(w->socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0)
			return;
		take_descriptors(w, &header);
		w->asked++;
	}
}

static void write_into(int fd, size_t most, const uint8_t *bytes, size_t size)
{
	void *memory;
	off_t there = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;

	if (there <= 0)
		return;
	most = (size_t)there < most ? (size_t)there : most;
	memory = mmap(NULL, most, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return;
	memcpy(memory, bytes, size < most ? size : most);
	munmap(memory, most);
}

/* ---- answers ---- */

static union {
	struct smb_reply reply;
	uint8_t bytes[SMB_MESSAGE_MAX];
} answer;

/* Each entry of a step: its type and attributes, the length of its name, its name. */
static size_t add_entries(struct input *in)
{
	size_t at = sizeof answer.reply;

	while (in->left > 1) {
		uint8_t type = input_byte(in), length = input_byte(in);
		struct smb_entry e = {.type = type % 4, .attributes = type, .size = length, .mtime = type};
		size_t there = length < in->left ? length : in->left;
		if (at + sizeof e + 256 + 8 > sizeof answer)
			break;
		e.name_length = (uint16_t)there;
		memcpy(answer.bytes + at, &e, sizeof e);
		memcpy(answer.bytes + at + sizeof e, in->at, there);
		at += sizeof e + ((there + 8) & ~(size_t)7);
		in->at += there;
		in->left -= there;
		answer.reply.count++;
	}
	return at;
}

static void overlay(void *to, size_t room, const struct step *s)
{
	memcpy(to, s->bytes, s->size < room ? s->size : room);
}

/* An answer that is well but for what the step says; returns its size. */
static size_t make_answer(const struct step *s)
{
	struct input in = {s->bytes, s->size};
	struct smb_reply *r = &answer.reply;

	memset(&answer, 0, sizeof answer);
	switch ((enum part)(s->how % PARTS)) {
	case ENTRY: overlay(&r->entry, sizeof r->entry, s); break;
	case NUMBERS: overlay(&r->handle, sizeof *r - offsetof(struct smb_reply, handle), s); break;
	case FAULT:
		r->fault.code = input_byte(&in) % (SMB_CODE_COUNT + 1);
		r->fault.step = input_byte(&in);
		r->fault.error = input_byte(&in);
		memcpy(r->fault.text, in.at, in.left < sizeof r->fault.text ? in.left : sizeof r->fault.text);
		break;
	case INFO: overlay(&r->info, sizeof r->info, s); break;
	case ENTRIES: return add_entries(&in);
	case ALL:
		overlay(&answer, sizeof answer, s);
		return s->size > sizeof *r ? s->size : sizeof *r;
	case SIZE: return s->size % (sizeof *r * 2) + 1;
	case OPENED:
		r->handle = 1;
		r->bytes = r->entry.size = input_byte(&in);
		break;
	default: break;
	}
	return sizeof *r;
}

/* The worker that is to say something next. */
static struct fuzz_worker *next_worker(void)
{
	for (unsigned i = 0; i < count; i++)
		if (!workers[i].has_greeted || workers[i].asked > 0)
			return &workers[i];
	return count > 0 ? &workers[count - 1] : NULL;
}

static void say_what_is_due(struct fuzz_worker *w, const struct step *s)
{
	struct smb_hello hello = {SMB_PROTOCOL_MAGIC, BUILD_MESSAGES};

	if (!w->has_greeted) {
		tell(w->socket, &hello, sizeof hello, -1, 0);
		w->has_greeted = true;
		return;
	}
	if (w->asked == 0)
		return;
	tell(w->socket, &answer, make_answer(s), -1, 0);
	w->is_connected = true;
	w->asked--;
}

static void do_step(struct fuzz_worker *w, const struct step *s)
{
	switch ((enum move)s->what) {
	case ANSWER: say_what_is_due(w, s); break;
	case RAW: tell(w->socket, s->bytes, s->size, -1, 0); break;
	case COUNTERS: write_into(w->page, sizeof(struct smb_shared), s->bytes, s->size); break;
	case PACE: write_into(w->pace, sizeof(struct smb_pace), s->bytes, s->size); break;
	case HANG_UP: shutdown(w->socket, SHUT_RDWR); break;
	case UNASKED: tell(w->socket, &answer, make_answer(s), -1, 0); break;
	case DESCRIPTORS: {
		int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		tell(w->socket, &answer, s->size > 0 ? make_answer(s) : 8, fd, s->how);
		close(fd);
		break;
	}
	case BUFFER: write_into(w->buffer, SIZE_MAX, s->bytes, s->size); break;
	case WHILE_IT_READS:
		free(scribble);
		scribble = malloc(s->size + 1);
		scribble_size = s->size;
		PROMISE(scribble != NULL);
		memcpy(scribble, s->bytes, s->size);
		break;
	case LAST_WORDS: snprintf(last_words, sizeof last_words, "%.*s", (int)s->size, (const char *)s->bytes); break;
	default: break;
	}
}

/* ---- what the module calls ---- */

int fork_server_least(unsigned number)
{
	return SMB_WORKER_SOCKET + (int)number + 1;
}

bool fork_server_start(struct fork_server *s, const char *program, const int *sockets, unsigned number)
{
	(void)program;
	s->number = 1;
	s->host = getpid();
	if (count + number > WORKERS) {
		errno = EAGAIN;
		return false;
	}
	for (unsigned i = 0; i < number; i++)
		workers[count++] =
		    (struct fuzz_worker){.socket = dup(sockets[i]), .page = -1, .pace = -1, .buffer = -1};
	return true;
}

void fork_server_reap(struct fork_server *s)
{
	(void)s;
}

const char *fork_server_last_words(struct fork_server *s)
{
	(void)s;
	return last_words;
}

void fork_server_dismiss(struct fork_server *s)
{
	(void)s;
}

void fork_server_end(struct fork_server *s, int wait_ms)
{
	(void)s;
	(void)wait_ms;
}

static int poll_now(struct pollfd *fds, nfds_t n)
{
	return (int)syscall(SYS_poll, fds, n, 0);
}

/* Comes before libc's: where the module would wait, the input goes on. */
int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	struct fuzz_worker *w;
	struct step s;
	int ready = poll_now(fds, n);

	if (ready != 0 || !is_running)
		return ready;
	PROMISE(++waits < WAITS);
	if (timeout == 0)
		return 0;
	for (unsigned i = 0; i < count; i++)
		listen_to_module(&workers[i]);
	w = next_worker();
	if (w == NULL)
		return 0;
	if (input_step(&input, &s)) {
		do_step(w, &s);
		free(s.bytes);
	} else {
		for (unsigned i = 0; i < count; i++)
			shutdown(workers[i].socket, SHUT_RDWR);
	}
	return poll_now(fds, n);
}

/* The module asks for it in the middle of a numeral that it reads from a buffer: just then a worker writes there. */
struct lconv *localeconv(void)
{
	static char point[] = ".", none[] = "";
	static struct lconv c = {.decimal_point = point, .thousands_sep = none, .grouping = none};

	for (unsigned i = 0; i < count && is_running && scribble != NULL; i++)
		write_into(workers[i].buffer, SIZE_MAX, scribble, scribble_size);
	return &c;
}

/* ---- running ---- */

int luaopen_smb_core(lua_State *L);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Leaves module.lua's function on the stack: run(calls), which raises where a promise is broken. */
static void start_lua(void)
{
	lua = luaL_newstate();
	PROMISE(lua != NULL);
	luaL_openlibs(lua);
	luaL_getsubtable(lua, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
	lua_pushcfunction(lua, luaopen_smb_core);
	lua_setfield(lua, -2, "smb.core");
	lua_pop(lua, 1);
	if (luaL_dofile(lua, "fuzz/module.lua")) {
		fprintf(stderr, "%s\n", lua_tostring(lua, -1));
		abort();
	}
}

static void end(void)
{
	is_running = false;
	for (unsigned i = 0; i < count; i++) {
		keep(&workers[i].socket, -1);
		keep(&workers[i].page, -1);
		keep(&workers[i].pace, -1);
		keep(&workers[i].buffer, -1);
	}
	count = waits = 0;
	last_words[0] = '\0';
	free(scribble);
	scribble = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	size_t calls;

	if (lua == NULL)
		start_lua();
	input = (struct input){bytes, size};
	calls = input_byte(&input) % (CALLS + 1);
	calls = calls < input.left ? calls : input.left;
	lua_pushvalue(lua, -1);
	lua_pushlstring(lua, (const char *)input.at, calls);
	input.at += calls;
	input.left -= calls;
	is_running = true;
	if (lua_pcall(lua, 1, 0, 0) != LUA_OK) {
		fprintf(stderr, "broken: %s\n", lua_tostring(lua, -1));
		abort();
	}
	end();
	return 0;
}
