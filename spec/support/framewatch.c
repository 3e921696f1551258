/*
 * framewatch SERVER PORT REPORT [BYTES]
 *
 * A TCP proxy before an SMB server: passes everything on and counts the frames that clients send, by what an onlooker
 * on the wire sees. Listens on a free port of 127.0.0.1, which it prints, until SIGTERM; then it writes REPORT and
 * ends.
 *
 * BYTES is a file that receives all that clients send, as it comes.
 *
 * REPORT has a line for each kind that occurred: "NAME PROTECTION COUNT", such as "create signed 3", "encrypted - 17".
 * Formats: MS-SMB2 2.2.1 and 2.2.41. Data goes through blocking sockets: meant for tests, where each side reads.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 32, PIECE = 65536, LENGTH_SIZE = 4, HEAD_SIZE = 4 + 64 + 8 };

enum kind {
	NEGOTIATE, SESSION_SETUP, LOGOFF, TREE_CONNECT, TREE_DISCONNECT, CREATE, CLOSE, FLUSH, READ, WRITE, LOCK, IOCTL,
	CANCEL, ECHO, QUERY_DIRECTORY, CHANGE_NOTIFY, QUERY_INFO, SET_INFO, OPLOCK_BREAK, SMB2_COMMANDS,
	VALIDATE = SMB2_COMMANDS, /* the IOCTL that confirms what was negotiated, MS-SMB2 2.2.31.4 */
	COMPOUND, ENCRYPTED, SMB1, OTHER, KINDS
};

static const char *const names[KINDS] = {
    "negotiate", "session_setup", "logoff", "tree_connect", "tree_disconnect", "create", "close", "flush", "read",
    "write", "lock", "ioctl", "cancel", "echo", "query_directory", "change_notify", "query_info", "set_info",
    "oplock_break", "validate", "compound", "encrypted", "smb1", "other",
};

struct connection {
	int client, server;       /* client is 0 when the place is free */
	uint8_t head[HEAD_SIZE];  /* the beginning of the client's frame under way */
	size_t have;              /* bytes in head */
	size_t left;              /* bytes of the frame that have not come, once its length is known */
};

static struct connection connections[CONNECTIONS];
static unsigned long counts[KINDS][2]; /* unsigned, signed */
static volatile sig_atomic_t ended;
static FILE *bytes_file;

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- frames ---- */

static uint32_t at32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static enum kind kind_of_smb2(const uint8_t *frame)
{
	unsigned command = frame[12] | frame[13] << 8;
	if (at32(frame + 20) != 0)
		return COMPOUND;
	if (command == IOCTL && at32(frame + 64 + 4) == 0x00140204)
		return VALIDATE;
	return command < SMB2_COMMANDS ? (enum kind)command : OTHER;
}

static enum kind kind_of(const uint8_t *frame)
{
	switch (at32(frame)) {
	case 0x424d53fe: return kind_of_smb2(frame);
	case 0x424d53fd: return ENCRYPTED;
	case 0x424d53ff: return SMB1;
	default: return OTHER;
	}
}

static void count(struct connection *c)
{
	const uint8_t *frame = c->head + LENGTH_SIZE;
	enum kind kind = c->head[0] == 0 ? kind_of(frame) : OTHER;
	counts[kind][kind <= COMPOUND && (frame[16] & 8)]++;
	memset(c->head, 0, sizeof c->head);
	c->have = 0;
}

/* Takes what belongs to the frame under way; gives how much that is. */
static size_t take(struct connection *c, const uint8_t *bytes, size_t size)
{
	size_t n, kept;
	if (c->have < LENGTH_SIZE) {
		c->head[c->have++] = bytes[0];
		if (c->have == LENGTH_SIZE)
			c->left = (size_t)c->head[1] << 16 | (size_t)c->head[2] << 8 | c->head[3];
		return 1;
	}
	n = c->left < size ? c->left : size;
	kept = n < HEAD_SIZE - c->have ? n : HEAD_SIZE - c->have;
	memcpy(c->head + c->have, bytes, kept);
	c->have += kept;
	c->left -= n;
	return n;
}

static void look(struct connection *c, const uint8_t *bytes, size_t size)
{
	while (size > 0) {
		size_t n = take(c, bytes, size);
		bytes += n;
		size -= n;
		if (c->have >= LENGTH_SIZE && c->left == 0)
			count(c);
	}
}

/* ---- connections ---- */

static int connect_to(const struct sockaddr_in *server)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)server, sizeof *server) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static void hang_up(struct connection *c)
{
	close(c->client);
	close(c->server);
	memset(c, 0, sizeof *c);
}

static void admit(int listener, const struct sockaddr_in *server)
{
	int client = accept(listener, NULL, NULL);
	int fd = client >= 0 ? connect_to(server) : -1;
	for (size_t i = 0; i < CONNECTIONS && fd >= 0; i++) {
		if (connections[i].client == 0) {
			connections[i].client = client;
			connections[i].server = fd;
			return;
		}
	}
	if (client >= 0)
		close(client);
	if (fd >= 0)
		close(fd);
}

static int send_all(int fd, const uint8_t *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);
		if (n <= 0)
			return 0;
		bytes += n;
		size -= (size_t)n;
	}
	return 1;
}

/* Passes a piece on; false when that side has hung up. */
static int pass(struct connection *c, int from, int to)
{
	static uint8_t piece[PIECE];
	ssize_t n = recv(from, piece, sizeof piece, 0);
	if (n <= 0)
		return 0;
	if (from == c->client) {
		look(c, piece, (size_t)n);
		if (bytes_file != NULL)
			fwrite(piece, 1, (size_t)n, bytes_file);
	}
	return send_all(to, piece, (size_t)n);
}

static void serve(struct connection *c, const struct pollfd *client, const struct pollfd *server)
{
	if (client->revents && !pass(c, c->client, c->server))
		hang_up(c);
	else if (server->revents && !pass(c, c->server, c->client))
		hang_up(c);
}

/* Waits for something to do and does it. Free places are not watched: poll ignores negative descriptors. */
static void turn(int listener, const struct sockaddr_in *server)
{
	struct pollfd fds[2 * CONNECTIONS + 1];
	for (size_t i = 0; i < CONNECTIONS; i++) {
		int used = connections[i].client != 0;
		fds[2 * i] = (struct pollfd){used ? connections[i].client : -1, POLLIN, 0};
		fds[2 * i + 1] = (struct pollfd){used ? connections[i].server : -1, POLLIN, 0};
	}
	fds[2 * CONNECTIONS] = (struct pollfd){listener, POLLIN, 0};
	if (poll(fds, 2 * CONNECTIONS + 1, -1) <= 0)
		return;
	for (size_t i = 0; i < CONNECTIONS; i++)
		if (connections[i].client != 0)
			serve(&connections[i], &fds[2 * i], &fds[2 * i + 1]);
	if (fds[2 * CONNECTIONS].revents)
		admit(listener, server);
}

/* ---- the program ---- */

static struct sockaddr_in place(const char *address, const char *port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	if (inet_pton(AF_INET, address, &in.sin_addr) != 1) {
		fprintf(stderr, "framewatch: an IPv4 address expected, not %s\n", address);
		exit(2);
	}
	return in;
}

static int listen_somewhere(void)
{
	struct sockaddr_in here = place("127.0.0.1", "0");
	socklen_t size = sizeof here;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof here) < 0 || listen(fd, CONNECTIONS) < 0 ||
	    getsockname(fd, (struct sockaddr *)&here, &size) < 0)
		die("framewatch: listening");
	printf("%u\n", ntohs(here.sin_port));
	fflush(stdout);
	return fd;
}

/* Whoever waits for the report finds it complete: it gets its name last. */
static void report(const char *path)
{
	char *draft = NULL;
	FILE *f;
	if (asprintf(&draft, "%s.draft", path) < 0 || (f = fopen(draft, "w")) == NULL)
		die("framewatch: report");
	for (int kind = 0; kind < KINDS; kind++)
		for (int is_signed = 0; is_signed < 2; is_signed++)
			if (counts[kind][is_signed] > 0)
				fprintf(f, "%s %s %lu\n", names[kind],
					kind > COMPOUND ? "-"
					: is_signed     ? "signed"
							: "unsigned",
					counts[kind][is_signed]);
	if (fclose(f) != 0 || rename(draft, path) < 0)
		die("framewatch: report");
	free(draft);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = end};
	struct sockaddr_in server;
	int listener;

	if (argc != 4 && argc != 5) {
		fputs("usage: framewatch SERVER PORT REPORT [BYTES]\n", stderr);
		return 2;
	}
	if (argc == 5 && (bytes_file = fopen(argv[4], "w")) == NULL)
		die("framewatch: bytes");
	sigaction(SIGTERM, &action, NULL);
	server = place(argv[1], argv[2]);
	listener = listen_somewhere();
	while (!ended)
		turn(listener, &server);
	if (bytes_file != NULL && fclose(bytes_file) != 0)
		die("framewatch: bytes");
	report(argv[3]);
	return 0;
}
