/*
 * The worker, against a module that somebody else owns: requests as they come over the socket, with descriptors of all
 * kinds, on a made-up share (share.c).
 *
 * An input begins with how many bytes say what becomes of calls on the share, and these; then come its steps.
 */
#define main worker_main
#include "worker/main.c"
#undef main

#include "input.h"
#include "share.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

enum { HOST = 20 }; /* the descriptor of the module's end; those below are the worker's, as if it were alone */
enum { REQUESTS = 40, HANDLES_KEPT = 8 };

enum action { REQUEST, RAW, CANCEL, CUT, ACTIONS };
enum gift { NOTHING, LOCAL_FILE, BUFFER, UNSEALED, EMPTY, NOWHERE, FOLDER, SEVERAL, GIFTS };

static struct smb_shared counters;
static struct smb_pace pace;
static uint32_t opened[HANDLES_KEPT]; /* handles that the worker has given; it never gives one twice */
static size_t opened_count;

/* Comes before libc's: nobody is waited for. */
int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	(void)timeout;
	return (int)syscall(SYS_poll, fds, n, 0);
}

/* ---- what comes with a request ---- */

static int make_gift(enum gift what)
{
	int fd;

	if (what == NOWHERE || what == FOLDER)
		return open(what == FOLDER ? "/" : "/dev/null", (what == FOLDER ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	fd = memfd_create("gift", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	PROMISE(fd >= 0 && ftruncate(fd, what == EMPTY ? 0 : 5000) == 0);
	if (what != LOCAL_FILE && what != UNSEALED)
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
	return fd;
}

static void send_message(const void *message, size_t size, enum gift what)
{
	int fds[SMB_FILES_AT_ONCE];
	size_t n = what == NOTHING ? 0 : what == SEVERAL ? SMB_FILES_AT_ONCE : 1;

	for (size_t i = 0; i < n; i++)
		fds[i] = make_gift(what == SEVERAL ? LOCAL_FILE : what);
	PROMISE(message_send(HOST, message, size, fds, n, MSG_DONTWAIT));
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

/* ---- requests ---- */

static uint64_t number(struct input *in)
{
	uint8_t n = input_byte(in);
	return n < 200 ? n * 100u : UINT64_MAX - (n - 200u) * (n & 1 ? 1u : 4096u);
}

/* Makes a request of a step: its fields, then its four names with the length of each before it. Returns its size. */
static size_t make_request(struct input *in, uint8_t *to)
{
	struct smb_request r = {.verb = input_byte(in) % (SMB_VERB_COUNT + 1)};
	size_t at = sizeof r;

	r.handle = input_byte(in);
	if (r.handle < HANDLES_KEPT)
		r.handle = opened[r.handle];
	for (int i = 0; i < 3; i++)
		r.flags |= (uint32_t)input_byte(in) << (8 * i);
	r.size = number(in);
	r.offset = number(in);
	r.from = number(in);
	r.io_size = (uint32_t)number(in);
	r.mtime = (int64_t)number(in);
	for (size_t i = 0; i < SMB_NAME_COUNT && in->left > 0; i++) {
		size_t length = input_byte(in);
		length = length < in->left ? length : in->left;
		memcpy(to + at, in->at, length);
		in->at += length;
		in->left -= length;
		if (length > 0)
			to[at + length - 1] = '\0';
		r.lengths[i] = (uint32_t)length;
		at += length;
	}
	memcpy(to, &r, sizeof r);
	return at;
}

/* The one answer to a request. */
static void check_answer(void)
{
	static union {
		struct smb_reply reply;
		char bytes[SMB_MESSAGE_MAX];
	} answer;
	ssize_t n = recv(HOST, &answer, sizeof answer, MSG_DONTWAIT);
	size_t at = sizeof answer.reply;

	PROMISE(n >= (ssize_t)at && answer.reply.fault.code < SMB_CODE_COUNT);
	PROMISE(memchr(answer.reply.fault.text, '\0', sizeof answer.reply.fault.text) != NULL);
	for (uint32_t i = 0; i < answer.reply.count; i++) {
		struct smb_entry e;
		PROMISE(at + sizeof e <= (size_t)n);
		memcpy(&e, answer.bytes + at, sizeof e);
		at += sizeof e + (((size_t)e.name_length + 8) & ~(size_t)7);
	}
	PROMISE(at == (size_t)n || answer.reply.fault.code != SMB_OK);
	if (answer.reply.handle != 0)
		opened[opened_count++ % HANDLES_KEPT] = answer.reply.handle;
	PROMISE(recv(HOST, &answer, sizeof answer, MSG_DONTWAIT) < 0);
}

static void ask(const void *message, size_t size, enum gift what)
{
	send_message(message, size, what);
	if (main_serve())
		check_answer();
}

static void do_step(const struct step *s)
{
	static _Alignas(8) uint8_t message[SMB_MESSAGE_MAX];
	struct input in = {s->bytes, s->size};
	enum gift what = (enum gift)(s->how % GIFTS);
	size_t size;

	switch ((enum action)(s->what % ACTIONS)) {
	case REQUEST: ask(message, make_request(&in, message), what); break;
	case CUT: /* with a length that is not that of what follows */
		size = make_request(&in, message);
		if (size > 0)
			ask(message, 1 + s->size * 7 % size, what);
		break;
	case RAW:
		if (s->size > 0)
			ask(s->bytes, s->size, what);
		break;
	default: atomic_store(&counters.cancel, s->how & 1); break;
	}
}

/* ---- running ---- */

int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
	int pair[2], room = 1 << 20;

	(void)count;
	(void)arguments;
	PROMISE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	PROMISE(dup2(pair[1], HOST) == HOST && dup2(pair[0], SMB_WORKER_SOCKET) == SMB_WORKER_SOCKET);
	setsockopt(HOST, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	counters_use(&counters);
	rate_limit_share(&pace);
	return 0;
}

static int lowest_free(void)
{
	int fd = dup(HOST);
	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input in = {bytes, size};
	size_t fate = input_byte(&in);
	int before = lowest_free();
	struct step s;

	fate = fate < in.left ? fate : in.left;
	share_begin(in.at, fate);
	in.at += fate;
	in.left -= fate;
	memset(&counters, 0, sizeof counters);
	memset(opened, 0, sizeof opened);
	opened_count = 0;
	for (int i = 0; i < REQUESTS && input_step(&in, &s); i++) {
		do_step(&s);
		free(s.bytes);
	}
	prefetch_forget();
	handles_end_all();
	PROMISE(handles_count() == 0 && share_open() == 0 && lowest_free() == before);
	return 0;
}
