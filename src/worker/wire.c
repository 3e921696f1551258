/*
 * The functions at the end come before libc's for every library in this process (the program is linked with
 * --dynamic-list), so each byte on an SMB connection passes here. Formats: MS-SMB2 2.2, MS-CIFS 2.2.3, RFC 1002 4.3.
 *
 * Nothing from the wire is trusted: a frame's first bytes are copied into a buffer of fixed size, and every field is read
 * through at16, at32 and at64, which give 0 beyond what was copied.
 */
#include "wire.h"

#include "shared/ticks.h"
#include "counters.h"
#include "kdc.h"
#include "logon.h"
#include "token.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
	CONNECTIONS = 16,
	HEAD_SIZE = 1024, /* bytes kept of a frame: enough for NEGOTIATE's contexts */
	LOOK_SIZE = 4096, /* bytes looked at before a frame leaves: enough to know a logon by */
	LENGTH_SIZE = 4,  /* the length before each frame */
	SMB2_HEADER = 64,
	ERROR_SIZE = SMB2_HEADER + 8,    /* of an error's answer, 1 more as most send it (MS-SMB2 2.2.2) */
	CREATED_SIZE = SMB2_HEADER + 88, /* of the answer to a CREATE (2.2.14) */
	CLOSE_SIZE = SMB2_HEADER + 24,   /* of a CLOSE; QUERY_INFO has up to 41 and SET_INFO, to rename, from 54 on */
	SET_SIZE = SMB2_HEADER + 54,
	LARGE = 1024 * 1024, /* bytes from which on requests and their answers tell how fast the connection is */
};

enum smb2_command {
	SMB2_NEGOTIATE = 0x00,
	SMB2_SESSION_SETUP = 0x01,
	SMB2_LOGOFF = 0x02,
	SMB2_TREE_CONNECT = 0x03,
	SMB2_TREE_DISCONNECT = 0x04,
	SMB2_CREATE = 0x05,
	SMB2_IOCTL = 0x0b,
	SMB2_CANCEL = 0x0c,
	SMB2_ECHO = 0x0d,
	SMB2_SET_INFO = 0x11,
	COMMAND_HIDDEN = 0xffff /* inside an encrypted frame */
};

enum smb1_command { SMB1_TREE_CONNECT = 0x75, SMB1_NEGOTIATE = 0x72, SMB1_SESSION_SETUP = 0x73, SMB1_TRANSACTION2 = 0x32 };

enum nt_status {
	STATUS_PENDING = 0x00000103,
	STATUS_OBJECT_NAME_COLLISION = (int)0xc0000035,
	STATUS_MORE_PROCESSING_REQUIRED = (int)0xc0000016,
};

enum smb2_flags { FLAG_RESPONSE = 1, FLAG_SIGNED = 8 };
enum session_flags { SESSION_GUEST = 1, SESSION_NULL = 2, SESSION_ENCRYPTED = 4 };
/* One direction of a connection: where in the stream of frames it stands. */
struct stream {
	uint8_t head[HEAD_SIZE]; /* the current frame's first bytes, length included */
	size_t have;             /* bytes in head */
	uint64_t left;           /* bytes of the frame that were not seen yet, once its length is known */
	bool parsed;             /* the frame was looked at */
};

struct connection {
	int fd; /* -1: free */
	struct stream out, in;
	uint32_t unanswered;
	uint64_t sent_at;     /* microseconds: when the sending of the last frame began, */
	uint64_t began;       /* the first of those that were on their way together, */
	uint64_t heard;       /* and when something of theirs arrived last */
	uint64_t moved_before; /* bytes, before them */
	int queued;           /* bytes that the kernel has not got rid of, when last looked at */
	bool logs_on;         /* it was sent the password, and has not answered */
	uint32_t place;       /* made of the share's name or, where that was not seen, the server's address; never 0 */
	bool is_settled;      /* a share was opened, or is about to be behind encryption: `place` is final */
};

static struct {
	uint16_t port;
	bool is_watching;
	bool demand_encryption, demand_signing, demand_named, forbid_ntlm;
	enum smb_mechanism mechanism; /* of the logon under way, or of the last one, */
	char user[SMB_TEXT_SIZE];     /* and whose it is, where that can be seen */
	char domain[SMB_TEXT_SIZE];   /* the server's */
	bool guard, collided;
	bool hidden_open;     /* behind encryption: a file was opened, and not closed yet; */
	uint32_t hidden_size; /* bytes of the last request */
	bool hidden_answer;   /* there was one in this call */
	uint64_t sending_since; /* microseconds: the call that sends, or the last that did */
	int own, last;        /* the share's connection, and the one that was sent a frame last; -1: none */
	bool is_bound, is_staying; /* to the share's own connection; to that and those to `stay` */
	uint32_t stay;
	enum smb_step step;
	uint32_t status, first; /* the last failure of the call, and the one before all others */
	bool broken;
	enum wire_refusal refusal;
	bool is_created;         /* the answer to a CREATE was seen during this call: */
	struct smb_entry created;
	struct smb_info info;
	struct connection connections[CONNECTIONS];
} wire;

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ---- what others ask ---- */

void wire_watch(uint16_t port)
{
	memset(&wire, 0, sizeof wire);
	wire.port = port;
	wire.is_watching = true;
	wire.own = wire.last = -1;
	for (size_t i = 0; i < CONNECTIONS; i++)
		wire.connections[i].fd = -1;
}

void wire_demand(bool encryption, bool signing, bool named)
{
	wire.demand_named = named;
	wire.demand_encryption = encryption;
	wire.demand_signing = signing;
}

bool wire_kept(void)
{
	return (wire.info.encryption || !wire.demand_encryption) && (wire.info.signing || !wire.demand_signing) &&
	       (wire.info.mechanism == SMB_MECHANISM_KERBEROS || !wire.forbid_ntlm);
}

void wire_forbid_ntlm(bool on)
{
	wire.forbid_ntlm = on;
}

void wire_stop(void)
{
	wire.refusal = WIRE_STOPPED;
}

enum smb_mechanism wire_mechanism(void)
{
	return wire.mechanism;
}

const char *wire_domain(void)
{
	return wire.domain;
}

void wire_begin(enum smb_patience patience)
{
	wire.mechanism = SMB_MECHANISM_UNKNOWN;
	wire.status = 0;
	wire.broken = wire.hidden_answer = false;
	wire.refusal = WIRE_NOT_REFUSED;
	wire.is_created = false;
	wire.first = 0;
	for (size_t i = 0; i < CONNECTIONS; i++) /* the library leaves nothing under way between two calls */
		wire.connections[i].unanswered = 0;
	counters_begin_step(patience);
}

void wire_guard_rename(bool on)
{
	wire.guard = on;
	wire.collided = wire.hidden_open = false;
}

uint32_t wire_status(void)
{
	return wire.status;
}

bool wire_hides_status(void)
{
	return wire.info.encryption && wire.status == 0 && !wire.broken && wire.refusal == WIRE_NOT_REFUSED;
}

bool wire_was_answered_unseen(void)
{
	return wire.hidden_answer;
}

bool wire_is_overt(void)
{
	return wire.info.dialect > 1 && !wire.info.encryption;
}

void wire_blame_first(void)
{
	if (wire.first != 0 && !wire.broken)
		wire.status = wire.first;
}

bool wire_broken(void)
{
	return wire.broken;
}

enum smb_step wire_step(void)
{
	return wire.step;
}

bool wire_guest(void)
{
	return wire.demand_named && (wire.info.guest || wire.info.anonymous);
}

enum wire_refusal wire_refusal(void)
{
	return wire.refusal;
}

bool wire_created(struct smb_entry *entry)
{
	if (wire.is_created)
		*entry = wire.created;
	return wire.is_created;
}

void wire_info(struct smb_info *info)
{
	char library[sizeof info->library];
	memcpy(library, info->library, sizeof library);
	*info = wire.info;
	memcpy(info->library, library, sizeof library);
	if (!info->encryption)
		info->cipher = 0;
}

bool wire_hung_up(void)
{
	char byte;
	for (size_t i = 0; i < CONNECTIONS; i++) {
		int fd = wire.connections[i].fd;
		ssize_t n = fd >= 0 ? recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) : 1;
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return true;
	}
	return false;
}

bool wire_alone(void)
{
	unsigned count = 0;
	for (size_t i = 0; i < CONNECTIONS; i++)
		count += wire.connections[i].fd >= 0;
	return count == 1 && !wire_hung_up();
}

static void set_step(enum smb_step step)
{
	wire.step = step;
	counters_set_step(step);
}

void wire_share_opened(void)
{
	wire.own = wire.last;
	set_step(SMB_STEP_FILE);
}

void wire_share_lost(void)
{
	wire.own = -1;
}

void wire_follow(bool on)
{
	wire.is_bound = !on;
}

uint32_t wire_place(void)
{
	for (size_t i = 0; i < CONNECTIONS && wire.own >= 0 && wire.last >= 0; i++)
		if (wire.connections[i].fd == wire.last)
			return wire.last == wire.own ? 0 : wire.connections[i].place;
	return 0;
}

void wire_stay(bool on, uint32_t place)
{
	wire.is_staying = on;
	wire.stay = place;
}

/* ---- fields of a frame ---- */

struct frame {
	const uint8_t *bytes; /* behind the length */
	size_t size;          /* bytes that may be read */
};

static uint64_t field(const struct frame *f, size_t offset, size_t width)
{
	uint64_t value = 0;
	if (offset > f->size || f->size - offset < width)
		return 0;
	for (size_t i = 0; i < width; i++)
		value |= (uint64_t)f->bytes[offset + i] << (8 * i);
	return value;
}

static uint32_t at16(const struct frame *f, size_t offset)
{
	return (uint32_t)field(f, offset, 2);
}

static uint32_t at32(const struct frame *f, size_t offset)
{
	return (uint32_t)field(f, offset, 4);
}

static uint64_t at64(const struct frame *f, size_t offset)
{
	return field(f, offset, 8);
}

enum frame_kind { KIND_OTHER, KIND_SMB1, KIND_SMB2, KIND_ENCRYPTED };

static enum frame_kind kind_of(const struct frame *f)
{
	switch (at32(f, 0)) {
	case 0x424d53ff: return KIND_SMB1;
	case 0x424d53fe: return KIND_SMB2;
	case 0x424d53fd: return KIND_ENCRYPTED;
	default: return KIND_OTHER;
	}
}

static uint32_t smb2_command(const struct frame *f)
{
	return at16(f, 12);
}

/* OriginalMessageSize of an encrypted frame: how long it was before. */
static uint32_t hidden_size(const struct frame *f)
{
	return at32(f, 36);
}

/* ---- frames that leave ---- */

/* Sent in clear on well-encrypted connections too: they come before the keys, or carry nothing. */
static bool may_be_clear(uint32_t command)
{
	switch (command) {
	case SMB2_NEGOTIATE:
	case SMB2_SESSION_SETUP:
	case SMB2_LOGOFF:
	case SMB2_TREE_CONNECT:
	case SMB2_TREE_DISCONNECT:
	case SMB2_CANCEL:
	case SMB2_ECHO: return true;
	default: return false;
	}
}

static bool may_be_unsigned(uint32_t command)
{
	return command == SMB2_NEGOTIATE || command == SMB2_SESSION_SETUP || command == SMB2_ECHO ||
	       command == SMB2_CANCEL;
}

/* What a server that made a named user a guest must not be sent: all that follows the logon. */
static bool is_guests(const struct frame *f)
{
	if (!wire_guest())
		return false;
	if (kind_of(f) == KIND_SMB1)
		return f->bytes[4] != SMB1_NEGOTIATE && f->bytes[4] != SMB1_SESSION_SETUP;
	return kind_of(f) == KIND_SMB2 && smb2_command(f) > SMB2_LOGOFF;
}

static bool is_logon(const struct frame *f)
{
	if (kind_of(f) == KIND_SMB1)
		return field(f, 4, 1) == SMB1_SESSION_SETUP;
	return kind_of(f) == KIND_SMB2 && smb2_command(f) == SMB2_SESSION_SETUP;
}

/* SMB1 has a logon without NTLM's messages, which proves the password all the same. */
static bool is_old_logon(const struct frame *f)
{
	const uint8_t words = 13;
	return kind_of(f) == KIND_SMB1 && field(f, 32, 1) == words;
}

static void note_logon(const struct token *token, bool by_ntlm)
{
	wire.user[0] = '\0';
	if (token->kind == TOKEN_KERBEROS)
		wire.mechanism = SMB_MECHANISM_KERBEROS;
	if (by_ntlm)
		wire.mechanism = SMB_MECHANISM_NTLM;
	if (token->kind != TOKEN_NTLM_AUTHENTICATE)
		return;
	if (token->user[0] == '\0')
		wire.mechanism = SMB_MECHANISM_ANONYMOUS;
	snprintf(wire.user, sizeof wire.user, "%.100s%s%.150s", token->domain, token->domain[0] != '\0' ? "\\" : "", token->user);
}

/* SMB 3.0's check that nobody meddled with the negotiation: it goes before the first encrypted frame and says nothing else. */
static bool is_validation(const struct frame *f)
{
	const uint32_t validate_negotiate_info = 0x00140204;
	return wire.info.dialect >= 0x0300 && smb2_command(f) == SMB2_IOCTL && at32(f, 68) == validate_negotiate_info;
}

/* SMB1 knows neither encryption nor a way to see signing that is worth a promise. */
static enum wire_refusal broken_demand(const struct frame *f)
{
	enum frame_kind kind = kind_of(f);
	uint32_t command = smb2_command(f);

	if (kind == KIND_ENCRYPTED)
		return WIRE_NOT_REFUSED;
	if (wire.demand_encryption &&
	    !(kind == KIND_SMB2 && (may_be_clear(command) || is_validation(f))) && !(kind == KIND_SMB1 && f->bytes[4] == SMB1_NEGOTIATE))
		return WIRE_NOT_ENCRYPTED;
	if (wire.demand_signing && !(kind == KIND_SMB2 && (may_be_unsigned(command) || (at32(f, 16) & FLAG_SIGNED))) &&
	    !(kind == KIND_SMB1 && f->bytes[4] == SMB1_NEGOTIATE))
		return WIRE_NOT_SIGNED;
	return WIRE_NOT_REFUSED;
}

/*
 * A rename onto an existing name is CREATE, SET_INFO (which fails), CLOSE; then the library deletes the target, which begins with a
 * CREATE. Nothing else comes after that failure: behind encryption only the lengths of frames tell of it.
 */
static bool would_replace(const struct frame *f)
{
	if (!wire.guard || !wire.collided)
		return false;
	if (kind_of(f) == KIND_ENCRYPTED)
		return hidden_size(f) != CLOSE_SIZE;
	return kind_of(f) == KIND_SMB2 && smb2_command(f) == SMB2_CREATE;
}

/*
 * Whether a frame would go where a DFS link leads, and must not. Until a share is opened there nobody can tell whether it is the one
 * that may be used.
 */
static bool leads_elsewhere(const struct connection *c)
{
	if (wire.own < 0 || c->fd == wire.own)
		return false;
	return wire.is_bound || (wire.is_staying && c->is_settled && c->place != wire.stay);
}

static bool refuse(enum wire_refusal why)
{
	wire.refusal = why;
	errno = EPIPE;
	return true;
}

/* Waits for this worker's turn to send the password. */
static bool may_log_on(struct connection *c)
{
	enum logon_turn turn = logon_await();
	c->logs_on = turn == LOGON_GO;
	return c->logs_on || !refuse(turn == LOGON_REFUSED ? WIRE_PASSWORD : WIRE_CANCELLED);
}

/*
 * A server may take a logon without a name and say neither guest nor anonymous: what is sent tells. The library sends one where it knows
 * no name, or goes on by NTLM where Kerberos has failed.
 */
static bool refused_logon(struct connection *c, const struct frame *f)
{
	struct token token;
	bool by_ntlm, proves;

	token_read(f->bytes, f->size, &token);
	proves = token.kind == TOKEN_NTLM_AUTHENTICATE || is_old_logon(f);
	by_ntlm = proves || token.kind == TOKEN_NTLM_NEGOTIATE;
	if (by_ntlm && wire.forbid_ntlm)
		return refuse(WIRE_NTLM);
	if (token.kind == TOKEN_NTLM_AUTHENTICATE && token.user[0] == '\0' && wire.demand_named)
		return refuse(WIRE_NOBODY);
	note_logon(&token, by_ntlm);
	return proves && wire.demand_named && !may_log_on(c);
}

/* Looks at a frame of which nothing has left yet; true when it must not leave. */
static bool refused(struct connection *c, const uint8_t *bytes, size_t size)
{
	struct frame f = {bytes + LENGTH_SIZE, size - LENGTH_SIZE};

	if (wire.refusal != WIRE_NOT_REFUSED)
		return refuse(wire.refusal);
	if (bytes[0] != 0) /* NetBIOS session service: no SMB message */
		return false;
	if (is_guests(&f))
		return refuse(WIRE_GUEST);
	if (f.size < 20 && (wire.demand_encryption || wire.demand_signing))
		return refuse(WIRE_NOT_ENCRYPTED);
	if ((wire.demand_encryption || wire.demand_signing) && broken_demand(&f))
		return refuse(broken_demand(&f));
	if (would_replace(&f))
		return refuse(WIRE_WOULD_REPLACE);
	return is_logon(&f) && refused_logon(c, &f);
}

static void note_protection(const struct frame *f)
{
	uint32_t command = smb2_command(f);
	if (kind_of(f) == KIND_ENCRYPTED) {
		wire.info.encryption = 1;
		wire.info.signing = 1;
	} else if (kind_of(f) == KIND_SMB2 && !may_be_clear(command)) {
		wire.info.signing = (at32(f, 16) & FLAG_SIGNED) != 0;
		wire.info.encryption = 0;
	} else if (kind_of(f) == KIND_SMB1 && wire.step > SMB_STEP_LOGON) {
		wire.info.signing = (at16(f, 10) & 4) != 0; /* FLAGS2_SMB_SECURITY_SIGNATURES */
	}
}

/* What all that was on its way together has told, once the next frame is sent: then it has all arrived. */
static void note_throughput(const struct connection *c)
{
	uint64_t bytes = counters_moved() - c->moved_before, wait = wire.info.round_trip, rate;

	if (bytes < LARGE || c->heard <= c->began + wait)
		return;
	rate = bytes * 1000000 / (c->heard - c->began - wait);
	if (rate > wire.info.throughput)
		wire.info.throughput = rate;
}

static void note_hidden_request(uint32_t size)
{
	wire.hidden_size = size;
	if (size == CLOSE_SIZE)
		wire.hidden_open = false;
}

/* An error while a file is open, in answer to a request as long as the one that renames. An answer that is put off looks like one. */
static void note_hidden_answer(uint32_t size)
{
	bool failed = size == ERROR_SIZE || size == ERROR_SIZE + 1;

	wire.hidden_answer = true;
	if (wire.hidden_open && wire.hidden_size >= SET_SIZE)
		wire.collided = failed;
	else if (size == CREATED_SIZE)
		wire.hidden_open = true;
}

/* Of an encrypted one nobody can tell: see wire_begin. */
static bool is_never_answered(const struct frame *f)
{
	return kind_of(f) == KIND_SMB2 && smb2_command(f) == SMB2_CANCEL;
}

/* FNV-1a */
static uint32_t mix(uint32_t hash, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 16777619u;
	return hash | 1;
}

/* The path in SMB1's TREE_CONNECT_ANDX (MS-CIFS 2.2.4.55.1), behind a password; in UTF-16, as all servers since 1996 have it. */
static size_t smb1_share(const struct frame *f, size_t *offset)
{
	const size_t bytes = 43; /* header 32, 4 words and their count 9, count of bytes 2 */
	size_t size = 0;

	*offset = bytes + at16(f, 39);
	*offset += *offset & 1;
	while (*offset + size + 2 <= f->size && at16(f, *offset + size) != 0)
		size += 2;
	return size;
}

/* The share that a frame connects to; 0 if it connects to none, or to IPC$, of which DFS is asked. */
static size_t connected_share(const struct frame *f, size_t *offset)
{
	static const uint8_t ipc[] = {'I', 0, 'P', 0, 'C', 0, '$', 0};
	enum frame_kind kind = kind_of(f);
	size_t size = 0;

	*offset = 0;
	if (kind == KIND_SMB2 && smb2_command(f) == SMB2_TREE_CONNECT) {
		*offset = at16(f, 68);
		size = at16(f, 70);
	} else if (kind == KIND_SMB1 && field(f, 4, 1) == SMB1_TREE_CONNECT) {
		size = smb1_share(f, offset);
	}
	if (*offset > f->size || size > f->size - *offset || size < sizeof ipc ||
	    memcmp(f->bytes + *offset + size - sizeof ipc, ipc, sizeof ipc) == 0)
		return 0;
	return size;
}

/* TREE_CONNECT names the share. Encrypted, it tells nothing. */
static void note_place(struct connection *c, const struct frame *f)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof peer;
	size_t offset, size;

	if (c->is_settled)
		return;
	if (kind_of(f) == KIND_ENCRYPTED) {
		c->is_settled = true;
		if (getpeername(c->fd, (struct sockaddr *)&peer, &length) == 0)
			c->place = mix(2166136261u, (const uint8_t *)&peer, length);
		return;
	}
	size = connected_share(f, &offset);
	if (size == 0)
		return;
	c->place = mix(2166136261u, f->bytes + offset, size); /* the same for each address that the server has */
	c->is_settled = true;
}

static void frame_sent(struct connection *c, const struct frame *f)
{
	if (kind_of(f) == KIND_OTHER)
		return;
	wire.last = c->fd;
	note_place(c, f);
	if (c->unanswered == 0) {
		note_throughput(c);
		c->began = wire.sending_since;
		c->moved_before = counters_moved();
	}
	if (wire.step == SMB_STEP_CONNECT)
		set_step(SMB_STEP_NEGOTIATE);
	note_protection(f);
	if (kind_of(f) == KIND_ENCRYPTED)
		note_hidden_request(hidden_size(f));
	wire.info.round_trips++;
	if (!is_never_answered(f))
		c->unanswered++;
	c->sent_at = wire.sending_since; /* the worker may lose the processor as soon as it has sent */
}

/* ---- frames that arrive ---- */

static void note_cipher(const struct frame *f)
{
	size_t offset = at32(f, 124), contexts = at16(f, 70);
	for (size_t i = 0; i < contexts && offset < f->size; i++) {
		if (at16(f, offset) == 2) /* SMB2_ENCRYPTION_CAPABILITIES: one cipher was chosen */
			wire.info.cipher = at16(f, offset + 10);
		offset += (8 + at16(f, offset + 2) + 7) & ~(size_t)7;
	}
}

/* SystemTime of a NEGOTIATE answer: how far the server's clock is ahead of this machine's. */
static void note_clock(uint64_t server)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	if (server != 0)
		wire.info.clock_ahead = ticks_of_filetime(server) - ticks_of_timespec(t);
}

static void negotiated(const struct frame *f)
{
	const uint32_t wildcard = 0x02ff; /* SMB2 is spoken, the dialect comes with a second NEGOTIATE */
	uint32_t dialect = at16(f, 68);
	if (dialect == wildcard)
		return;
	note_clock(at64(f, 104));
	wire.info.dialect = dialect;
	wire.info.max_read_size = at32(f, 96);
	wire.info.max_write_size = at32(f, 100);
	wire.info.cipher = 0;
	if (dialect == 0x0311)
		note_cipher(f);
	else if (dialect >= 0x0300)
		wire.info.cipher = 1;
	set_step(SMB_STEP_LOGON);
}

static void note_user(void)
{
	wire.info.mechanism = (uint8_t)wire.mechanism;
	memcpy(wire.info.user, wire.user, sizeof wire.info.user);
}

static void logged_on(const struct frame *f)
{
	uint32_t flags = at16(f, 66);
	wire.info.guest = (flags & SESSION_GUEST) != 0;
	wire.info.anonymous = (flags & SESSION_NULL) != 0;
	note_user();
	set_step(SMB_STEP_SHARE);
}

static void tree_connected(const struct frame *f)
{
	const uint8_t disk = 1; /* ShareType; the library asks IPC$ for DFS referrals before */
	const uint32_t share_dfs = 8;
	if (field(f, 66, 1) != disk)
		return;
	if (at32(f, 72) & share_dfs) /* Capabilities */
		wire.info.dfs = 1; /* a link's target need not have any */
	set_step(SMB_STEP_FILE);
}

/* What a server does not keep it says to be 0. */
static int64_t name_index_time(uint64_t t)
{
	return t != 0 ? ticks_of_filetime(t) : TICKS_UNKNOWN;
}

static void created(const struct frame *f)
{
	wire.is_created = f->size >= 64 + 60;
	wire.created = (struct smb_entry){
	    .btime = name_index_time(at64(f, 72)),
	    .atime = ticks_of_filetime(at64(f, 80)),
	    .mtime = ticks_of_filetime(at64(f, 88)),
	    .ctime = name_index_time(at64(f, 96)),
	    .size = at64(f, 112),
	    .attributes = at32(f, 120),
	};
}

static void succeeded(const struct frame *f)
{
	switch (smb2_command(f)) {
	case SMB2_NEGOTIATE: negotiated(f); break;
	case SMB2_SESSION_SETUP: logged_on(f); break;
	case SMB2_TREE_CONNECT: tree_connected(f); break;
	case SMB2_CREATE: created(f); break;
	default: break;
	}
}

/*
 * What the library asks on its own account (DFS referrals, signs of life) or while it tidies up is nobody's failure. Warnings
 * are none either.
 */
static bool concerns_caller(uint32_t command, uint32_t status)
{
	switch (command) {
	case SMB2_IOCTL:
	case SMB2_ECHO:
	case SMB2_LOGOFF:
	case SMB2_TREE_DISCONNECT: return false;
	default: return status >> 30 == 3 && status != (uint32_t)STATUS_MORE_PROCESSING_REQUIRED;
	}
}

/* NTLM's second message tells which domain the server belongs to. */
static void note_challenge(const struct frame *f)
{
	struct token token;
	token_read(f->bytes, f->size, &token);
	if (token.kind == TOKEN_NTLM_CHALLENGE)
		memcpy(wire.domain, token.domain, sizeof wire.domain);
}

static void logon_ended(struct connection *c, const struct frame *f, uint32_t status)
{
	if (status == (uint32_t)STATUS_MORE_PROCESSING_REQUIRED) {
		note_challenge(f);
		return;
	}
	c->logs_on = false;
	logon_answered(status, status == 0 && wire_guest());
}

static void answered_smb2(struct connection *c, const struct frame *f)
{
	uint32_t status = at32(f, 8), command = smb2_command(f);
	if (status == 0) {
		succeeded(f);
	} else if (concerns_caller(command, status)) {
		wire.status = status;
		if (wire.first == 0)
			wire.first = status;
		if (command == SMB2_SET_INFO && status == (uint32_t)STATUS_OBJECT_NAME_COLLISION)
			wire.collided = true;
	}
	if (command == SMB2_SESSION_SETUP)
		logon_ended(c, f, status);
}

static void answered_smb1(struct connection *c, const struct frame *f)
{
	uint32_t status = at32(f, 5), command = (uint32_t)field(f, 4, 1);
	if (status != 0) {
		if (command == SMB1_SESSION_SETUP)
			logon_ended(c, f, status);
		if (concerns_caller(COMMAND_HIDDEN, status) && command != SMB1_TRANSACTION2)
			wire.status = status;
		else if (concerns_caller(COMMAND_HIDDEN, status) && wire.status == 0)
			wire.status = status;
		return;
	}
	if (command == SMB1_NEGOTIATE) {
		const uint32_t none_in_common = 0xffff;
		if (at16(f, 33) == none_in_common)
			return;
		/* 34 bytes of parameters: DialectIndex 2, SecurityMode 1, MaxMpx 2, MaxVcs 2, MaxBufferSize 4, ... */
		wire.info.dialect = 1;
		wire.info.max_read_size = wire.info.max_write_size = at32(f, 40);
		set_step(SMB_STEP_LOGON);
	} else if (command == SMB1_SESSION_SETUP) {
		wire.info.guest = (at16(f, 37) & 1) != 0;
		note_user();
		logon_ended(c, f, status);
		set_step(SMB_STEP_SHARE);
	} else if (command == SMB1_TREE_CONNECT) {
		const uint32_t share_dfs = 2;
		if (at16(f, 37) & share_dfs) /* OptionalSupport */
			wire.info.dfs = 1;
		set_step(SMB_STEP_FILE);
	}
}

static void note_round_trip(struct connection *c)
{
	uint64_t took = now() - c->sent_at;
	if (c->unanswered == 1 && took < UINT32_MAX && (wire.info.round_trip == 0 || took < wire.info.round_trip))
		wire.info.round_trip = took ? (uint32_t)took : 1;
	if (c->unanswered)
		c->unanswered--;
}

static void frame_arrived(struct connection *c, const struct frame *f)
{
	enum frame_kind kind = kind_of(f);
	if (kind == KIND_SMB2 && at32(f, 8) == STATUS_PENDING)
		return;
	if (kind != KIND_OTHER)
		note_round_trip(c);
	if (kind == KIND_SMB2)
		answered_smb2(c, f);
	else if (kind == KIND_SMB1)
		answered_smb1(c, f);
	else if (kind == KIND_ENCRYPTED)
		note_hidden_answer(hidden_size(f));
}

/* ---- streams ---- */

static uint64_t frame_length(const uint8_t *bytes)
{
	return ((uint64_t)bytes[1] << 16) | ((uint64_t)bytes[2] << 8) | bytes[3];
}

typedef void frame_seen(struct connection *c, const struct frame *f);

static void look(struct connection *c, struct stream *s, frame_seen *seen)
{
	struct frame f = {s->head + LENGTH_SIZE, s->have - LENGTH_SIZE};
	s->parsed = true;
	if (s->head[0] == 0)
		seen(c, &f);
}

/* Takes what fits of the next bytes into the head; gives how many belong to the current frame. */
static size_t take(struct stream *s, const uint8_t *bytes, size_t size)
{
	size_t room, n;

	if (s->have < LENGTH_SIZE) {
		n = LENGTH_SIZE - s->have < size ? LENGTH_SIZE - s->have : size;
		memcpy(s->head + s->have, bytes, n);
		s->have += n;
		if (s->have == LENGTH_SIZE)
			s->left = frame_length(s->head);
		return n;
	}
	n = s->left < size ? (size_t)s->left : size;
	room = HEAD_SIZE - s->have < n ? HEAD_SIZE - s->have : n;
	memcpy(s->head + s->have, bytes, room);
	s->have += room;
	s->left -= n;
	return n;
}

static void feed(struct connection *c, struct stream *s, const uint8_t *bytes, size_t size, frame_seen *seen)
{
	while (size > 0) {
		size_t n = take(s, bytes, size);
		bytes += n;
		size -= n;
		if (s->have < LENGTH_SIZE)
			continue;
		if (!s->parsed && (s->left == 0 || s->have == HEAD_SIZE))
			look(c, s, seen);
		if (s->left == 0) {
			s->have = 0;
			s->parsed = false;
		}
	}
}

/* ---- connections ---- */

static struct connection *watched(int fd)
{
	if (fd < 0 || !wire.is_watching)
		return NULL;
	for (size_t i = 0; i < CONNECTIONS; i++)
		if (wire.connections[i].fd == fd)
			return &wire.connections[i];
	return NULL;
}

/* It will not say whether the password was right. */
static void will_not_answer(struct connection *c)
{
	if (c->logs_on)
		logon_give_up();
	c->logs_on = false;
}

static void forget(int fd)
{
	struct connection *c = watched(fd);
	if (c == NULL)
		return;
	will_not_answer(c);
	c->fd = -1;
	if (wire.own == fd)
		wire.own = -1;
	if (wire.last == fd)
		wire.last = -1;
}

/* Where a DFS link leads the library takes the ports that are SMB's by custom, one after the other. */
static bool is_port(uint16_t port)
{
	return port == wire.port || port == 445 || port == 139;
}

/* 0 where that is no TCP or UDP. */
static uint16_t port_of(const struct sockaddr *address)
{
	if (address != NULL && address->sa_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
	if (address != NULL && address->sa_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
	return 0;
}

static bool is_smb(const struct sockaddr *address)
{
	return wire.is_watching && is_port(port_of(address));
}

/* The one that has answered: others may have been tried before, or at the same time. */
static void note_address(int fd)
{
	struct sockaddr_storage peer;
	socklen_t size = sizeof peer;

	if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0)
		getnameinfo((struct sockaddr *)&peer, size, wire.info.address, sizeof wire.info.address, NULL, 0, NI_NUMERICHOST);
}

/* A further connect on a descriptor that is watched asks how the first one went. */
static bool watch(int fd)
{
	struct connection *c;
	if (watched(fd))
		return true;
	for (size_t i = 0; i < CONNECTIONS; i++) {
		c = &wire.connections[i];
		if (c->fd == -1) {
			memset(c, 0, sizeof *c);
			c->fd = fd;
			c->place = 1;
			set_step(SMB_STEP_CONNECT);
			return true;
		}
	}
	return false;
}

static void broke(struct connection *c)
{
	will_not_answer(c);
	wire.broken = true;
	wire.status = 0;
}

static bool would_block(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == EINPROGRESS;
}

/*
 * The kernel takes megabytes in one go: on a slow line it sends them for a minute, in which nothing else is seen to move. A
 * connection whose other end is silent keeps what is queued.
 */
static void look_at_queues(void)
{
	for (size_t i = 0; i < CONNECTIONS && wire.is_watching; i++) {
		struct connection *c = &wire.connections[i];
		int before = c->queued;
		if (c->fd >= 0 && ioctl(c->fd, SIOCOUTQ, &c->queued) == 0 && c->queued < before)
			counters_add_moved(1);
	}
}

static void arrived(struct connection *c, const uint8_t *bytes, size_t size)
{
	counters_add_moved(size);
	if (c->heard == 0)
		note_address(c->fd);
	c->heard = now();
	feed(c, &c->in, bytes, size, frame_arrived);
}

/* When the library logs on, what it does with others than the server is to get a ticket. */
static bool gets_ticket(void)
{
	return wire.is_watching && (wire.step == SMB_STEP_LOGON || wire.step == SMB_STEP_TICKET);
}

/* Names are looked up meanwhile as well, and local services asked. */
static bool is_kdc(const struct sockaddr *address)
{
	const uint16_t dns = 53;
	return gets_ticket() && port_of(address) != 0 && port_of(address) != dns && port_of(address) != wire.port;
}

static void note_kdc(void)
{
	set_step(kdc_is_asked() ? SMB_STEP_TICKET : SMB_STEP_LOGON);
}

static ssize_t after_receive(int fd, const void *buffer, size_t asked, ssize_t n)
{
	struct connection *c = watched(fd);
	int error = errno;
	if (c != NULL) {
		if (n > 0)
			arrived(c, buffer, (size_t)n);
		else if ((n == 0 && asked > 0) || (n < 0 && !would_block(error)))
			broke(c);
	} else if (n > 0 && gets_ticket()) {
		kdc_received(buffer, (size_t)n);
		note_kdc();
	}
	errno = error;
	return n;
}

/* Copies the beginning of what is sent; gives its size. */
static size_t gather(const struct iovec *parts, int count, uint8_t *to, size_t size)
{
	size_t have = 0;

	for (int i = 0; i < count && have < size; i++) {
		size_t n = parts[i].iov_len < size - have ? parts[i].iov_len : size - have;
		if (n > 0)
			memcpy(to + have, parts[i].iov_base, n);
		have += n;
	}
	return have;
}

static ssize_t after_send(int fd, const struct iovec *parts, int count, ssize_t n)
{
	struct connection *c = watched(fd);
	int error = errno;
	if (c != NULL && n < 0 && !would_block(error))
		broke(c);
	if (c != NULL && n > 0) {
		size_t left = (size_t)n;
		for (int i = 0; i < count && left > 0; i++) {
			size_t part = parts[i].iov_len < left ? parts[i].iov_len : left;
			feed(c, &c->out, parts[i].iov_base, part, frame_sent);
			left -= part;
		}
		counters_add_moved((size_t)n); /* not before: a frame that begins here does not count to those before it */
	}
	if (c == NULL && n > 0 && gets_ticket()) {
		uint8_t head[LOOK_SIZE];
		kdc_sent(head, gather(parts, count, head, sizeof head));
		note_kdc();
	}
	errno = error;
	return n;
}

/*
 * Before a byte leaves: a frame that begins here has to be a permitted one. libsmbclient sends each frame by a writev of its
 * own; what follows the first frame in one call would pass unseen, so when a demand is to be kept that is refused too.
 */
static bool must_not_leave(int fd, const struct iovec *parts, int count)
{
	struct connection *c = watched(fd);
	uint8_t head[LENGTH_SIZE + LOOK_SIZE];
	size_t have, total = 0;
	bool stays;

	if (c == NULL)
		return gets_ticket() && !kdc_may_leave(head, gather(parts, count, head, sizeof head)) && refuse(WIRE_PASSWORD);
	if (wire.refusal != WIRE_NOT_REFUSED)
		return refuse(wire.refusal);
	wire.sending_since = now();
	if (leads_elsewhere(c))
		return refuse(WIRE_ELSEWHERE);
	if (c->out.have != 0)
		return false;
	have = gather(parts, count, head, sizeof head);
	for (int i = 0; i < count; i++)
		total += parts[i].iov_len;
	if (have < LENGTH_SIZE || (head[0] == 0 && total > LENGTH_SIZE + frame_length(head)))
		return refuse(wire.demand_encryption ? WIRE_NOT_ENCRYPTED : WIRE_NOT_SIGNED);
	stays = refused(c, head, have);
	wire.sending_since = now();
	return stays;
}

/* ---- the functions that stand before libc's ---- */

#pragma GCC visibility push(default)

/* The next definition of a function; C has no cast from void pointers to function pointers, hence the copy. */
#define NEXT(name)                                                                                                     \
	static __typeof__(&name) next;                                                                                 \
	if (next == NULL) {                                                                                            \
		void *found = dlsym(RTLD_NEXT, #name);                                                                 \
		memcpy(&next, &found, sizeof next);                                                                    \
	}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	NEXT(writev)
	if (must_not_leave(fd, parts, count))
		return -1;
	return after_send(fd, parts, count, next(fd, parts, count));
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	NEXT(sendmsg)
	if (must_not_leave(fd, message->msg_iov, (int)message->msg_iovlen))
		return -1;
	return after_send(fd, message->msg_iov, (int)message->msg_iovlen, next(fd, message, flags));
}

ssize_t send(int fd, const void *buffer, size_t size, int flags)
{
	NEXT(send)
	struct iovec part = {(void *)(uintptr_t)buffer, size};
	if (must_not_leave(fd, &part, 1))
		return -1;
	return after_send(fd, &part, 1, next(fd, buffer, size, flags));
}

ssize_t write(int fd, const void *buffer, size_t size)
{
	NEXT(write)
	struct iovec part = {(void *)(uintptr_t)buffer, size};
	if (must_not_leave(fd, &part, 1))
		return -1;
	return after_send(fd, &part, 1, next(fd, buffer, size));
}

ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
	NEXT(recv)
	ssize_t n = next(fd, buffer, size, flags);
	return flags & MSG_PEEK ? n : after_receive(fd, buffer, size, n);
}

ssize_t read(int fd, void *buffer, size_t size)
{
	NEXT(read)
	return after_receive(fd, buffer, size, next(fd, buffer, size));
}

static ssize_t after_scatter(int fd, const struct iovec *parts, size_t count, ssize_t n)
{
	size_t left = n > 0 ? (size_t)n : 0;
	if (n <= 0)
		return after_receive(fd, NULL, count, n);
	for (size_t i = 0; i < count && left > 0; i++) {
		size_t part = parts[i].iov_len < left ? parts[i].iov_len : left;
		after_receive(fd, parts[i].iov_base, part, (ssize_t)part);
		left -= part;
	}
	return n;
}

ssize_t readv(int fd, const struct iovec *parts, int count)
{
	NEXT(readv)
	return after_scatter(fd, parts, (size_t)count, next(fd, parts, count));
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	NEXT(recvmsg)
	ssize_t n = next(fd, message, flags);
	return flags & MSG_PEEK ? n : after_scatter(fd, message->msg_iov, message->msg_iovlen, n);
}

/* The library waits here, for an answer or for room to send. */
int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout)
{
	const int interval = 100; /* milliseconds */
	NEXT(epoll_wait)
	for (;;) {
		int part = timeout >= 0 && timeout < interval ? timeout : interval;
		int n = next(epoll, events, most, part);
		if (timeout >= 0)
			timeout -= part;
		if (n != 0 || timeout == 0)
			return n;
		look_at_queues();
	}
}

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
	NEXT(connect)
	if (is_kdc(address))
		kdc_tried();
	if (is_smb(address) && wire.is_bound && wire.own >= 0 && !watched(fd)) {
		refuse(WIRE_ELSEWHERE);
		return -1;
	}
	if (is_smb(address) && !watch(fd)) {
		errno = EMFILE;
		return -1;
	}
	return next(fd, address, length);
}

int close(int fd)
{
	NEXT(close)
	forget(fd);
	return next(fd);
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
	NEXT(getaddrinfo)
	if (wire.is_watching && wire.step < SMB_STEP_CONNECT)
		set_step(SMB_STEP_RESOLVE);
	return next(node, service, hints, result);
}

#pragma GCC visibility pop
