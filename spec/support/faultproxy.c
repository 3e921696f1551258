/*
 * faultproxy SERVER PORT
 *
 * A TCP proxy before an SMB server that does to connections what bad networks do. Listens on a free port of 127.0.0.1,
 * which it prints; then takes commands from its standard input, one a line, and answers each with a line; ends with its
 * input.
 *
 *   latency MS      round trip, half of it each way; 0.5 too   bandwidth BYTES   a second, each way; 0: no limit
 *   line BYTES      a second, each way, that all connections share: a network's line; 0: no limit
 *   stall, go       nothing passes; all passes again
 *   refuse, accept  connecting is refused; is possible again
 *   straggle N      the first connection from whose client N bytes have come passes nothing any more until "go"
 *   cut N           reset once N more bytes came from clients  cut-down N        the same, from the server
 *   cut-each N      every connection is reset after N bytes of its own from the client
 *   cut-frame K     reset instead of passing on the Kth frame that clients send from now on
 *   lose K          the Kth frame is passed on, its answer is not: a reset comes in its place
 *   stall-frame K   nothing passes any more from the Kth frame on
 *   hold N          nothing passes any more once N more bytes came from clients  hold-down N  the same, from the server
 *   halfclose N     once N more bytes came from clients, they get end of file and no answer any more
 *   flip N          a bit of the Nth byte from the client of the next connection is another
 *   answer V        SMB2 requests of one command do not reach the server, and get an error: V is the command * 2^32 +
 *                   the NT status
 *   answer-times N  from now on only the next N of them; 0: all
 *   patch C AT N V  in the server's answers to SMB2 command C the N bytes from AT on are V; N = 0: as they are
 *   lean            bytes of new connections stay in the kernel, which spares the processor a third: no count sees them
 *   kill            resets all connections                     calm              takes back all of the above, lets pass
 *   stats           answers BYTES CONNECTIONS FRAMES FAULTS: from clients, made until now, from clients, done by us
 *
 * Counts from 1; what counts down happens once. A frame is what NetBIOS sessions and direct TCP mean by it (MS-SMB2
 * 2.1). Latency alone slows nothing that does not wait for answers: as much is under way as the latency asks for,
 * whatever the windows of real connections would allow.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 64, PIECE = 1024 * 1024, QUEUE_LIMIT = 4 * 1024 * 1024, LENGTH_SIZE = 4, LINE = 128 };
enum { FLOW = 4096 };  /* bytes a microsecond that latency lets pass */
enum { SLICES = 50 }; /* in a second of limited bandwidth: smaller pieces make for an even flow */
enum { LEAST_BUFFER = 8192 };
enum { SPARE_PIPES = 256 }; /* kept for pieces of lean connections */
enum { SHARE = 64 * 1024 }; /* bytes of one connection that pass on the shared line before others' turn */
/* in a second of limited bandwidth: what waits before the line takes no longer, or it would look dead */
enum { QUEUES = 4 };
enum { CLIENT, SERVER, SIDES };

struct piece {
	struct piece *next;
	int64_t due; /* microseconds */
	size_t size, sent;
	int pipe[2]; /* of a lean connection: its bytes are in there */
	uint8_t bytes[];
};

/* What came from one side and waits for its time to go to the other. */
struct queue {
	struct piece *first, **last;
	size_t size;
	int64_t busy_until; /* when the bandwidth has room for more */
	bool ended;
};

struct connection {
	int fd[SIDES];               /* both 0 when the place is free */
	struct queue from[SIDES];
	uint64_t taken;              /* bytes from the client */
	uint64_t flip;               /* number of the byte to spoil, 0 for none */
	uint8_t length[LENGTH_SIZE]; /* of the client's frame under way */
	size_t have, left;
	size_t request_left;         /* bytes of the client's request under way that have not come yet */
	bool answered;               /* these do not reach the server */
	bool lean;
	bool doomed, losing, mute; /* reset once all has passed; at the server's next word; the client hears no more */
	bool held;                   /* passes nothing, as all do while they are stalled */
};

static struct {
	int64_t latency, bandwidth; /* microseconds one way, bytes a second */
	int64_t line;               /* bytes a second of all connections */
	bool stalled, lean;
	/* Counted down; 0 when there is nothing to do. */
	uint64_t cut, cut_down, cut_each, cut_frame, lose, stall_frame, hold, hold_down, halfclose, flip, straggle;
	uint64_t answer, answer_times;
} faults;

/* What answers of a command are changed to. */
static struct { unsigned command, at, width; unsigned long long value; } patch;

static struct { uint64_t bytes, connections, frames, faults; } stats;

static int64_t line_busy_until[SIDES]; /* the shared line, by the side that sends */

static struct connection connections[CONNECTIONS];
static struct sockaddr_in server, here;
static int listener = -1;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Stands still between two looks, so that what is due when we prepare to wait is due to all that ask. */
static int64_t now;

static void look_at_clock(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	now = (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- queues ---- */

static struct piece *resized(struct piece *p, size_t size)
{
	p = realloc(p, sizeof *p + size);
	if (p == NULL)
		die("faultproxy: memory");
	return p;
}

/* Pipes as large as a piece: to make one takes longer than to use it. */
static struct { int pipe[SPARE_PIPES][2]; size_t count; } spare;

/* False where there are no more to be had. */
static bool take_pipe(int pipe[2])
{
	if (spare.count > 0)
		memcpy(pipe, spare.pipe[--spare.count], sizeof spare.pipe[0]);
	else if (pipe2(pipe, O_NONBLOCK | O_CLOEXEC) < 0)
		return false;
	else
		(void)fcntl(pipe[1], F_SETPIPE_SZ, PIECE);
	return true;
}

static bool is_piped(const struct piece *p)
{
	return p->pipe[0] > 0;
}

/* A pipe with something in it is of no more use. */
static void discard(struct piece *p)
{
	if (is_piped(p) && p->sent == p->size && spare.count < SPARE_PIPES) {
		memcpy(spare.pipe[spare.count++], p->pipe, sizeof p->pipe);
	} else if (is_piped(p)) {
		close(p->pipe[0]);
		close(p->pipe[1]);
	}
	free(p);
}

/* When bytes that are ready at `due` have passed a line that is busy until then; the line is busy until they have. */
static int64_t pass(int64_t *busy_until, int64_t due, size_t size, int64_t bandwidth)
{
	*busy_until = (*busy_until > due ? *busy_until : due) + (int64_t)size * 1000000 / bandwidth;
	return *busy_until;
}

/* Takes the piece over. */
static void enqueue(struct connection *c, int side, struct piece *p)
{
	struct queue *q = &c->from[side];
	size_t size = p->size;
	int64_t due = now + faults.latency;
	p->sent = 0;
	if (size == 0) {
		discard(p);
		return;
	}
	if (faults.bandwidth > 0)
		due = pass(&q->busy_until, due, size, faults.bandwidth);
	if (faults.line > 0)
		due = pass(&line_busy_until[side], due, size, faults.line);
	if (size < PIECE / 2 && !is_piped(p))
		p = resized(p, size);
	p->next = NULL;
	p->due = due;
	if (q->first == NULL)
		q->last = &q->first;
	*q->last = p;
	q->last = &p->next;
	q->size += size;
}

static void drop_first(struct queue *q)
{
	struct piece *p = q->first;
	q->first = p->next;
	q->size -= p->size;
	discard(p);
}

static bool is_due(const struct queue *q)
{
	return q->first != NULL && q->first->due <= now;
}

/* Sends what is due; false when that side is gone. */
static bool flush(struct queue *q, int to)
{
	while (is_due(q)) {
		struct piece *p = q->first;
		ssize_t n = is_piped(p) ? splice(p->pipe[0], NULL, to, NULL, p->size - p->sent, SPLICE_F_NONBLOCK)
					: send(to, p->bytes + p->sent, p->size - p->sent, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		p->sent += (size_t)n;
		if (p->sent < p->size)
			return true;
		drop_first(q);
	}
	return true;
}

/* ---- connections ---- */

static bool is_used(const struct connection *c)
{
	return c->fd[CLIENT] != 0;
}

static void hang_up(struct connection *c)
{
	for (int side = 0; side < SIDES; side++) {
		close(c->fd[side]);
		while (c->from[side].first != NULL)
			drop_first(&c->from[side]);
	}
	memset(c, 0, sizeof *c);
}

/* What was sent and not yet taken in is lost, too. */
static void reset(struct connection *c)
{
	const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
	for (int side = 0; side < SIDES; side++)
		setsockopt(c->fd[side], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	hang_up(c);
}

static void reset_all(void)
{
	for (size_t i = 0; i < CONNECTIONS; i++) {
		if (is_used(&connections[i])) {
			reset(&connections[i]);
			stats.faults++;
		}
	}
}

/*
 * What a slow line has not taken yet waits with its sender: left to itself our end's kernel would take in megabytes at
 * once and acknowledge them.
 */
static void narrow(const struct connection *c)
{
	int64_t speed = faults.bandwidth > 0 ? faults.bandwidth : faults.line;
	int size = (int)(speed / SLICES);
	if (size < LEAST_BUFFER)
		size = LEAST_BUFFER;
	for (int side = 0; side < SIDES && speed > 0; side++)
		setsockopt(c->fd[side], SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

/* What is due goes at once. */
static void hurry(int fd)
{
	const int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static int connect_to_server(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&server, sizeof server) == 0) {
		fcntl(fd, F_SETFL, O_NONBLOCK);
		hurry(fd);
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

static struct connection *free_place(void)
{
	for (size_t i = 0; i < CONNECTIONS; i++)
		if (!is_used(&connections[i]))
			return &connections[i];
	return NULL;
}

static void admit(void)
{
	int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct connection *c = free_place();
	int fd = client >= 0 && c != NULL ? connect_to_server() : -1;
	if (fd < 0) {
		if (client >= 0)
			close(client);
		return;
	}
	hurry(client);
	*c = (struct connection){.fd = {client, fd}, .flip = faults.flip, .lean = faults.lean};
	faults.flip = 0;
	narrow(c);
	stats.connections++;
}

/* ---- faults ---- */

/* Counts down; true when it has just come to nothing. */
static bool expires(uint64_t *count, uint64_t by)
{
	if (*count == 0)
		return false;
	*count -= by < *count ? by : *count;
	if (*count == 0)
		stats.faults++;
	return *count == 0;
}

/*
 * A byte that begins a frame: false when the frame is the one that does not pass. One that is stalled waits in the
 * queue.
 */
static bool begin_frame(struct connection *c)
{
	stats.frames++;
	faults.stalled = expires(&faults.stall_frame, 1) || faults.stalled;
	c->doomed = c->doomed || expires(&faults.cut_frame, 1);
	return !c->doomed;
}

static void end_frame(struct connection *c)
{
	c->have = 0;
	c->losing = expires(&faults.lose, 1) || c->losing;
}

/* Takes what belongs to the frame under way; gives how much that is. */
static size_t take(struct connection *c, const uint8_t *bytes, size_t size)
{
	size_t n;
	if (c->have < LENGTH_SIZE) {
		c->length[c->have++] = bytes[0];
		if (c->have == LENGTH_SIZE)
			c->left = (size_t)c->length[1] << 16 | (size_t)c->length[2] << 8 | c->length[3];
		return 1;
	}
	n = c->left < size ? c->left : size;
	c->left -= n;
	return n;
}

/* Follows the client's frames; gives how many of the bytes may pass. */
static size_t follow_frames(struct connection *c, const uint8_t *bytes, size_t size)
{
	size_t at = 0;
	while (at < size) {
		if (c->have == 0 && !begin_frame(c))
			return at;
		at += take(c, bytes + at, size - at);
		if (c->have == LENGTH_SIZE && c->left == 0)
			end_frame(c);
	}
	return at;
}

static uint64_t least(uint64_t size, uint64_t limit)
{
	return limit != 0 && limit < size ? limit : size;
}

static uint64_t own_limit(const struct connection *c)
{
	if (faults.cut_each == 0)
		return 0;
	return c->taken < faults.cut_each ? faults.cut_each - c->taken : 1;
}

static void spoil(struct connection *c, uint8_t *bytes, size_t size)
{
	if (c->flip <= c->taken || c->flip > c->taken + size)
		return;
	bytes[c->flip - c->taken - 1] ^= 0x10;
	stats.faults++;
}

/* One connection falls behind, in the middle of what it sends. */
static void straggle(struct connection *c)
{
	if (faults.straggle == 0 || c->taken < faults.straggle)
		return;
	faults.straggle = 0;
	c->held = true;
	stats.faults++;
}

/* MS-SMB2 2.2.2: the request's own header, and no data. Not signed: clients that must not sign take it. */
static void send_error(struct connection *c, const uint8_t *request)
{
	enum { HEADER = 64, BODY = 9, STATUS = 8, FLAGS = 16, NEXT = 20, SIGNATURE = 48 };
	struct piece *p = resized(NULL, LENGTH_SIZE + HEADER + BODY);
	uint32_t status = (uint32_t)faults.answer;
	uint8_t *header = p->bytes + LENGTH_SIZE;

	p->pipe[0] = p->pipe[1] = 0;
	p->size = LENGTH_SIZE + HEADER + BODY;
	memset(p->bytes, 0, p->size);
	p->bytes[3] = HEADER + BODY;
	memcpy(header, request + LENGTH_SIZE, HEADER);
	for (int i = 0; i < 4; i++)
		header[STATUS + i] = (uint8_t)(status >> (8 * i));
	header[FLAGS] = 1;
	memset(header + NEXT, 0, 4);
	memset(header + SIGNATURE, 0, HEADER - SIGNATURE);
	header[HEADER] = BODY;
	enqueue(c, SERVER, p);
	stats.faults++;
}

/* A request begins: whether it is one that we answer. Requests that are no data come in one piece. */
static bool is_answered(const uint8_t *bytes, size_t size)
{
	enum { LEAST = LENGTH_SIZE + 64, COMMAND = LENGTH_SIZE + 12 };
	static const uint8_t smb2[] = {0xfe, 'S', 'M', 'B'};

	return (uint32_t)faults.answer != 0 && size >= LEAST && memcmp(bytes + LENGTH_SIZE, smb2, sizeof smb2) == 0 &&
	       (uint64_t)(bytes[COMMAND] | bytes[COMMAND + 1] << 8) == faults.answer >> 32;
}

static void begin_request(struct connection *c, const uint8_t *bytes, size_t size)
{
	c->answered = is_answered(bytes, size);
	c->request_left = size;
	if (size >= LENGTH_SIZE)
		c->request_left = LENGTH_SIZE + ((size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 | bytes[3]);
	if (!c->answered)
		return;
	send_error(c, bytes);
	if (faults.answer_times > 0 && --faults.answer_times == 0)
		faults.answer = 0;
}

/* Takes out the requests that we answer; gives how many bytes are left. */
static size_t answer_requests(struct connection *c, uint8_t *bytes, size_t size)
{
	size_t left = 0;

	for (size_t at = 0; at < size;) {
		size_t n;
		if (c->request_left == 0)
			begin_request(c, bytes + at, size - at);
		n = c->request_left < size - at ? c->request_left : size - at;
		if (!c->answered) {
			memmove(bytes + left, bytes + at, n);
			left += n;
		}
		c->request_left -= n;
		at += n;
	}
	return left;
}

/* A piece from the client: what passes of it goes into the queue. */
static void from_client(struct connection *c, struct piece *p)
{
	size_t size;
	p->size = answer_requests(c, p->bytes, p->size);
	size = least(least(p->size, faults.cut), own_limit(c));
	size = follow_frames(c, p->bytes, size);
	spoil(c, p->bytes, size);
	c->taken += size;
	stats.bytes += size;
	if (expires(&faults.cut, size))
		c->doomed = true;
	if (faults.cut_each != 0 && c->taken >= faults.cut_each) {
		c->doomed = true;
		stats.faults++;
	}
	straggle(c);
	faults.stalled = expires(&faults.hold, size) || faults.stalled;
	if (expires(&faults.halfclose, size)) {
		c->mute = true;
		shutdown(c->fd[CLIENT], SHUT_WR);
	}
	p->size = size;
	enqueue(c, CLIENT, p);
}

/* Answers that are no data come in one piece each. */
static void patch_answer(struct piece *p)
{
	enum { COMMAND = LENGTH_SIZE + 12, LEAST = LENGTH_SIZE + 64 };
	static const uint8_t smb2[] = {0xfe, 'S', 'M', 'B'};

	if (patch.width == 0 || p->size < LEAST || memcmp(p->bytes + LENGTH_SIZE, smb2, sizeof smb2) != 0 ||
	    (p->bytes[COMMAND] | p->bytes[COMMAND + 1] << 8) != (int)patch.command ||
	    p->size < LENGTH_SIZE + patch.at + patch.width)
		return;
	for (unsigned i = 0; i < patch.width; i++)
		p->bytes[LENGTH_SIZE + patch.at + i] = (uint8_t)(patch.value >> (8 * i));
	stats.faults++;
}

static void from_server(struct connection *c, struct piece *p)
{
	patch_answer(p);
	p->size = least(p->size, faults.cut_down);
	if (expires(&faults.cut_down, p->size))
		c->doomed = true;
	faults.stalled = expires(&faults.hold_down, p->size) || faults.stalled;
	if (c->mute)
		p->size = 0;
	enqueue(c, SERVER, p);
}

/* ---- the flow ---- */

static size_t piece_size(void)
{
	size_t slice = (size_t)faults.bandwidth / SLICES + 1, most = faults.line > 0 ? SHARE : PIECE;
	return faults.bandwidth > 0 && slice < most ? slice : most;
}

static size_t queue_limit(void)
{
	size_t line = (size_t)(faults.bandwidth / QUEUES + faults.bandwidth * faults.latency / 1000000);
	return faults.bandwidth > 0 && line < QUEUE_LIMIT ? line : QUEUE_LIMIT + (size_t)faults.latency * FLOW;
}

static bool is_still(const struct connection *c)
{
	return faults.stalled || c->held;
}

static bool wants_more(const struct connection *c, int side)
{
	return !is_still(c) && !c->doomed && !c->from[side].ended && c->from[side].size < queue_limit();
}

/* The bytes go from the socket into a pipe; false when the connection is over at once. */
static bool divert(struct connection *c, int side)
{
	struct piece *p = resized(NULL, 0);
	ssize_t n;
	if (take_pipe(p->pipe)) {
		n = splice(c->fd[side], NULL, p->pipe[1], NULL, piece_size(), SPLICE_F_NONBLOCK);
	} else {
		p = resized(p, PIECE);
		p->pipe[0] = p->pipe[1] = 0;
		n = recv(c->fd[side], p->bytes, piece_size(), 0);
	}
	c->from[side].ended = n == 0;
	p->size = n > 0 ? (size_t)n : 0;
	enqueue(c, side, p);
	return n >= 0 || errno == EAGAIN || errno == EINTR;
}

/* Reads from one side; false when the connection is over at once. */
static bool receive(struct connection *c, int side)
{
	static struct piece *p; /* waits to be filled, if there is one */
	struct piece *full;
	ssize_t n;
	if (c->lean)
		return divert(c, side);
	if (p == NULL) {
		p = resized(NULL, PIECE);
		p->pipe[0] = p->pipe[1] = 0;
	}
	n = recv(c->fd[side], p->bytes, piece_size(), 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0) {
		c->from[side].ended = true;
		return true;
	}
	if (side == SERVER && c->losing)
		return false;
	full = p;
	full->size = (size_t)n;
	p = NULL;
	if (side == CLIENT)
		from_client(c, full);
	else
		from_server(c, full);
	return true;
}

static void serve(struct connection *c, const struct pollfd *fds)
{
	for (int side = 0; side < SIDES; side++) {
		if (fds[side].revents && wants_more(c, side) && !receive(c, side)) {
			reset(c);
			return;
		}
	}
	if (is_still(c))
		return;
	if (!flush(&c->from[CLIENT], c->fd[SERVER]) || !flush(&c->from[SERVER], c->fd[CLIENT])) {
		reset(c);
		return;
	}
	for (int side = 0; side < SIDES; side++) {
		if (c->from[side].ended && c->from[side].first == NULL) {
			hang_up(c);
			return;
		}
	}
	if (c->doomed && c->from[CLIENT].first == NULL && c->from[SERVER].first == NULL)
		reset(c);
}

static struct pollfd watch(const struct connection *c, int side)
{
	short events = 0;
	if (!is_used(c) || is_still(c))
		return (struct pollfd){-1, 0, 0};
	if (wants_more(c, side))
		events |= POLLIN;
	if (is_due(&c->from[!side]))
		events |= POLLOUT;
	/* Else a side that is gone would wake us again and again: it shows when something is sent there. */
	return (struct pollfd){events ? c->fd[side] : -1, events, 0};
}

/* The time until the next piece is due, NULL when none waits for its time. */
static const struct timespec *patience(void)
{
	static struct timespec time;
	int64_t soonest = INT64_MAX, wait;
	for (size_t i = 0; i < SIDES * CONNECTIONS; i++) {
		const struct connection *c = &connections[i / SIDES];
		const struct queue *q = &c->from[i % SIDES];
		if (!is_still(c) && q->first != NULL && !is_due(q) && q->first->due < soonest)
			soonest = q->first->due;
	}
	if (soonest == INT64_MAX)
		return NULL;
	wait = soonest > now ? soonest - now : 0;
	time = (struct timespec){.tv_sec = wait / 1000000, .tv_nsec = wait % 1000000 * 1000};
	return &time;
}

/* ---- commands ---- */

static int listen_there(void)
{
	const int on = 1;
	socklen_t size = sizeof here;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
	    bind(fd, (struct sockaddr *)&here, sizeof here) < 0 || listen(fd, CONNECTIONS) < 0 ||
	    getsockname(fd, (struct sockaddr *)&here, &size) < 0)
		die("faultproxy: listening");
	return fd;
}

static void refuse(void)
{
	if (listener >= 0)
		close(listener);
	listener = -1;
}

static void accept_again(void)
{
	if (listener < 0)
		listener = listen_there();
}

static void be_lean(void)
{
	faults.lean = true;
}

static void stall(void)
{
	faults.stalled = true;
}

static void go(void)
{
	faults.stalled = false;
	for (size_t i = 0; i < CONNECTIONS; i++)
		connections[i].held = false;
}

static void calm(void)
{
	memset(&faults, 0, sizeof faults);
	patch.width = 0;
	go();
	accept_again();
}

static void print_stats(void)
{
	printf("%llu %llu %llu %llu\n", (unsigned long long)stats.bytes, (unsigned long long)stats.connections,
	       (unsigned long long)stats.frames, (unsigned long long)stats.faults);
}

static uint64_t *counter(const char *word)
{
	static const struct { const char *word; uint64_t *count; } counters[] = {
	    {"cut", &faults.cut}, {"cut-down", &faults.cut_down}, {"cut-each", &faults.cut_each},
	    {"cut-frame", &faults.cut_frame}, {"lose", &faults.lose}, {"stall-frame", &faults.stall_frame},
	    {"hold", &faults.hold}, {"hold-down", &faults.hold_down}, {"halfclose", &faults.halfclose},
	    {"flip", &faults.flip}, {"straggle", &faults.straggle},
	    {"answer", &faults.answer}, {"answer-times", &faults.answer_times},
	};
	for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
		if (strcmp(word, counters[i].word) == 0)
			return counters[i].count;
	return NULL;
}

static void limit(int64_t *speed, int64_t value)
{
	*speed = value;
	for (size_t i = 0; i < CONNECTIONS; i++)
		if (is_used(&connections[i]))
			narrow(&connections[i]);
}

/* False for a word that is not known. */
static bool set(const char *word, double value)
{
	uint64_t *count = counter(word);
	if (count != NULL)
		*count = (uint64_t)value;
	else if (strcmp(word, "latency") == 0)
		faults.latency = (int64_t)(value * 500);
	else if (strcmp(word, "bandwidth") == 0)
		limit(&faults.bandwidth, (int64_t)value);
	else if (strcmp(word, "line") == 0)
		limit(&faults.line, (int64_t)value);
	else
		return false;
	return true;
}

static bool act(const char *word)
{
	static const struct {
		const char *word;
		void (*action)(void);
	} actions[] = {
	    {"stall", stall},         {"go", go},          {"lean", be_lean}, {"refuse", refuse},
	    {"accept", accept_again}, {"kill", reset_all}, {"calm", calm},
	};
	for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
		if (strcmp(word, actions[i].word) == 0) {
			actions[i].action();
			return true;
		}
	}
	return false;
}

static void obey(const char *line)
{
	char word[32] = "";
	double value;
	int parts = sscanf(line, "%31s %lf", word, &value);
	if (strcmp(word, "stats") == 0)
		print_stats();
	else if (strcmp(word, "patch") == 0)
		puts(sscanf(line, "patch %u %u %u %llu", &patch.command, &patch.at, &patch.width, &patch.value) == 4
			 ? "ok"
			 : "what?");
	else
		puts((parts == 2 && value >= 0 ? set(word, value) : act(word)) ? "ok" : "what?");
	fflush(stdout);
}

/* Reads a piece of the standard input; false at its end. */
static bool listen_to_orders(void)
{
	static char line[LINE];
	static size_t have;
	char c;
	/* Byte by byte: orders are few, and short. */
	if (read(STDIN_FILENO, &c, 1) != 1)
		return false;
	if (c != '\n') {
		if (have < LINE - 1)
			line[have++] = c;
		return true;
	}
	line[have] = '\0';
	have = 0;
	obey(line);
	return true;
}

/* ---- the program ---- */

/* Waits for something to do and does it; false when there are to be no more orders. */
static bool turn(void)
{
	enum { ORDERS = SIDES * CONNECTIONS, NEWCOMERS, ALL };
	struct pollfd fds[ALL];
	look_at_clock();
	for (size_t i = 0; i < ORDERS; i++)
		fds[i] = watch(&connections[i / SIDES], (int)(i % SIDES));
	fds[ORDERS] = (struct pollfd){STDIN_FILENO, POLLIN, 0};
	fds[NEWCOMERS] = (struct pollfd){listener, POLLIN, 0};
	if (ppoll(fds, ALL, patience(), NULL) < 0)
		return errno == EINTR;
	look_at_clock();
	for (size_t i = 0; i < CONNECTIONS; i++)
		if (is_used(&connections[i]))
			serve(&connections[i], &fds[SIDES * i]);
	if (fds[NEWCOMERS].revents)
		admit();
	return !fds[ORDERS].revents || listen_to_orders();
}

static struct sockaddr_in place(const char *address, const char *port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	if (inet_pton(AF_INET, address, &in.sin_addr) != 1) {
		fprintf(stderr, "faultproxy: an IPv4 address expected, not %s\n", address);
		exit(2);
	}
	return in;
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fputs("usage: faultproxy SERVER PORT\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN); /* splice has no flag for that */
	/* Pieces come and go: their memory is kept. */
	mallopt(M_MMAP_THRESHOLD, INT_MAX);
	mallopt(M_TRIM_THRESHOLD, INT_MAX);
	prctl(PR_SET_TIMERSLACK, 1); /* nanosecond: a local network's latency is a few of the usual slacks */
	server = place(argv[1], argv[2]);
	here = place("127.0.0.1", "0");
	listener = listen_there();
	printf("%u\n", ntohs(here.sin_port));
	fflush(stdout);
	while (turn())
		;
	return 0;
}
