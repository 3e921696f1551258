#include "wire.h"

#include "addresses.h"
#include "agreement.h"
#include "answer.h"
#include "bounds.h"
#include "connection.h"
#include "counters.h"
#include "elsewhere.h"
#include "frame.h"
#include "kdc.h"
#include "logon.h"
#include "logon_frames.h"
#include "meter.h"
#include "netbios.h"
#include "referral_watch.h"
#include "rename_guard.h"
#include "stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { LOOK_SIZE = 4096 /* bytes checked before a frame leaves: enough to recognize a logon */ };

static struct {
	uint16_t port;
	bool is_watching;
	struct demand demand;
	bool is_answered_unseen;         /* an encrypted answer has come during this call */
	uint64_t sending_since;          /* microseconds: when the call began that sends, or the last that did */
	int own, last;                   /* the share's connection, and the one that was sent a frame last; -1: none */
	enum smb_step step;
	uint32_t status, first;          /* the last failure of this call, and its first one */
	bool is_broken;
	enum refusal refusal;
	bool is_printer;                 /* the share that was connected to last is a printer's */
	bool is_waiting;                 /* what came last was no answer: a server may say for ever that it is there */
	bool was_led_elsewhere;          /* a link was met that leads to another share */
	bool is_uncovered;               /* the server has said that another one holds the path */
	bool is_created;                 /* the answer to a CREATE was seen during this call: */
	struct smb_entry created;
	bool is_link;                    /* see wire_met_link */
	struct smb_info info;
} wire;

/* ---- what the session asks ---- */

void wire_watch(uint16_t port)
{
	memset(&wire, 0, sizeof wire);
	wire.port = port;
	wire.is_watching = true;
	wire.own = wire.last = -1;
	connection_reset();
	elsewhere_reset();
}

void wire_demand(const struct demand *demand)
{
	wire.demand = *demand;
}

bool wire_keeps_demand(void)
{
	return demand_is_kept(&wire.demand, &wire.info);
}

void wire_stop(void)
{
	wire.refusal = REFUSED_STOPPED;
}

void wire_begin(enum smb_patience patience)
{
	logon_frames_begin_call();
	wire.status = wire.first = 0;
	wire.is_broken = wire.is_answered_unseen = wire.is_created = wire.is_link = false;
	wire.is_uncovered = false;
	referral_watch_begin_call();
	wire.refusal = REFUSED_NOT;
	bounds_begin(patience);
	netbios_begin_call();
	connection_begin_call();
	counters_begin_step(patience);
}

uint32_t wire_status(void)
{
	return wire.status;
}

bool wire_hides_status(void)
{
	return wire.info.encryption && wire.status == 0 && !wire.is_broken && wire.refusal == REFUSED_NOT;
}

bool wire_was_answered_unseen(void)
{
	return wire.is_answered_unseen;
}

bool wire_is_overt(void)
{
	return wire.info.dialect > 1 && !wire.info.encryption;
}

void wire_blame_first(void)
{
	if (wire.first != 0 && !wire.is_broken)
		wire.status = wire.first;
}

bool wire_has_links(void)
{
	return wire.info.dfs || wire.was_led_elsewhere;
}

bool wire_is_broken(void)
{
	return wire.is_broken;
}

enum smb_step wire_step(void)
{
	return wire.step;
}

bool wire_is_printer(void)
{
	return wire.is_printer;
}

bool wire_is_guest(void)
{
	return demand_is_guest(&wire.demand, &wire.info);
}

enum refusal wire_refusal(void)
{
	return wire.refusal;
}

bool wire_met_link(void)
{
	return wire.is_link;
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

static void wire_set_step(enum smb_step step)
{
	wire.step = step;
	counters_set_step(step);
}

void wire_share_opened(const void *share)
{
	struct connection *c = connection_find(wire.last);

	if (c != NULL) {
		c->share = share;
		c->info = wire.info;
	}
	wire.own = wire.last;
	wire_set_step(SMB_STEP_FILE);
}

/* What all connections have in common stays. */
void wire_use(const void *share)
{
	const struct connection *c = share != NULL ? connection_find_share(share) : NULL;
	struct smb_info before = wire.info;

	wire.own = c != NULL ? c->fd : -1;
	if (c == NULL)
		return;
	wire.info = c->info;
	wire.info.round_trip = before.round_trip;
	wire.info.round_trips = before.round_trips;
	wire.info.throughput = before.throughput;
	wire.info.dfs = before.dfs;
	wire_set_step(SMB_STEP_FILE);
}

bool wire_is_uncovered(void)
{
	return wire.is_uncovered;
}

void wire_share_lost(void)
{
	wire.own = -1;
}

uint32_t wire_place(void)
{
	const struct connection *c = wire.own >= 0 && wire.last != wire.own ? connection_find(wire.last) : NULL;
	return c != NULL ? c->place : 0;
}

/* ---- frames that are about to leave ---- */

static bool wire_refuse(enum refusal why)
{
	wire.refusal = why;
	wire.was_led_elsewhere = wire.was_led_elsewhere || why == REFUSED_ELSEWHERE;
	errno = EPIPE;
	return true;
}

/* Checks a frame of which nothing has left yet; true when it must not leave. */
static bool wire_refuses_frame(struct connection *c, const uint8_t *bytes, size_t size)
{
	struct frame f = {bytes + STREAM_LENGTH, size - STREAM_LENGTH};
	enum refusal why;

	if (!stream_is_smb(bytes[0]))
		return false;
	why = demand_check(&wire.demand, &wire.info, &f);
	if (why != REFUSED_NOT)
		return wire_refuse(why);
	if (rename_guard_refuses(&f))
		return wire_refuse(REFUSED_REPLACE);
	why = demand_is_logon(&f) ? logon_frames_check(c, &wire.demand, &f) : REFUSED_NOT;
	return why != REFUSED_NOT && wire_refuse(why);
}

/* ---- frames that have left ---- */

static void wire_frame_sent(void *connection, const struct frame *f)
{
	struct connection *c = connection;

	if (frame_kind(f) == FRAME_OTHER)
		return;
	wire.last = c->fd;
	connection_note_place(c, f);
	referral_watch_sent(f);
	if (wire.step == SMB_STEP_CONNECT)
		wire_set_step(SMB_STEP_NEGOTIATE);
	agreement_sent(&wire.info, f, wire.step > SMB_STEP_LOGON);
	connection_note_protection(c, &wire.info);
	rename_guard_sent(f);
	meter_sent(&c->meter, wire.sending_since, !frame_is(f, FRAME_SMB2, SMB2_CANCEL), &wire.info);
}

/* ---- frames that arrive ---- */

static void wire_logged_on(const struct frame *f)
{
	agreement_logged_on(&wire.info, f);
	logon_frames_accepted(&wire.info);
	wire_set_step(SMB_STEP_SHARE);
}

/* The library connects to IPC$ before, to ask about DFS. */
static void wire_tree_connected(const struct frame *f)
{
	wire.is_printer = frame_is_printer(f);
	if (!frame_is_disk(f))
		return;
	agreement_tree_connected(&wire.info, f);
	wire_set_step(SMB_STEP_FILE);
}

static void wire_negotiated(const struct frame *f)
{
	if (agreement_negotiated(&wire.info, f))
		wire_set_step(SMB_STEP_LOGON);
}

static void wire_succeeded(const struct frame *f)
{
	switch (frame_command(f)) {
	case SMB2_NEGOTIATE: wire_negotiated(f); break;
	case SMB2_SESSION_SETUP: wire_logged_on(f); break;
	case SMB2_TREE_CONNECT: wire_tree_connected(f); break;
	case SMB2_CREATE: wire.is_created = frame_created(f, &wire.created); break;
	default: break;
	}
}

static void wire_smb2_answered(struct connection *c, const struct frame *f)
{
	uint32_t status = frame_status(f), command = frame_command(f);

	wire.is_link = wire.is_link || (command == SMB2_CREATE && status == STATUS_IO_REPARSE_TAG_NOT_HANDLED);

	if (status == 0) {
		wire_succeeded(f);
	} else if (status == STATUS_PATH_NOT_COVERED) {
		wire.is_uncovered = true; /* a step on the way */
	} else if (frame_is_failure(f) && !frame_is_housekeeping(f)) {
		wire.status = status;
		if (wire.first == 0)
			wire.first = status;
	}
	if (command == SMB2_SESSION_SETUP)
		logon_frames_answered(c, f, wire_is_guest());
}

/* An error of TRANSACTION2 is kept where there is no other. */
static void wire_smb1_failed(struct connection *c, const struct frame *f)
{
	uint32_t status = frame_status(f), command = frame_command(f);

	if (command == SMB1_SESSION_SETUP)
		logon_frames_answered(c, f, wire_is_guest());
	if (status == STATUS_PATH_NOT_COVERED)
		wire.is_uncovered = true;
	else if (frame_is_failure(f) && (command != SMB1_TRANSACTION2 || wire.status == 0))
		wire.status = status;
}

static void wire_smb1_answered(struct connection *c, const struct frame *f)
{
	if (frame_status(f) != 0) {
		wire_smb1_failed(c, f);
		return;
	}
	switch (frame_command(f)) {
	case SMB1_NEGOTIATE: wire_negotiated(f); break;
	case SMB1_SESSION_SETUP:
		wire_logged_on(f);
		logon_frames_answered(c, f, wire_is_guest());
		break;
	case SMB1_TREE_CONNECT: wire_tree_connected(f); break;
	default: break;
	}
}

static void wire_frame_arrived(void *connection, const struct frame *f)
{
	struct connection *c = connection;
	enum frame_kind kind = frame_kind(f);

	wire.is_waiting = kind == FRAME_OTHER || (kind == FRAME_SMB2 && frame_status(f) == STATUS_PENDING);
	if (wire.is_waiting)
		return;
	if (!answer_is_sound(f, stream_frame_length(c->in.head)))
		(void)wire_refuse(REFUSED_NONSENSE);
	meter_answered(&c->meter, &wire.info);
	rename_guard_answered(f);
	referral_watch_arrived(f);
	if (kind == FRAME_SMB2)
		wire_smb2_answered(c, f);
	else if (kind == FRAME_SMB1)
		wire_smb1_answered(c, f);
	else
		wire.is_answered_unseen = true;
}

/* ---- connections ---- */

static struct connection *wire_connection(int fd)
{
	return wire.is_watching ? connection_find(fd) : NULL;
}

void wire_closes(int fd)
{
	struct connection *c = wire_connection(fd);

	if (c == NULL)
		return;
	logon_frames_lost(c);
	connection_remove(c);
	if (wire.own == fd)
		wire.own = -1;
	if (wire.last == fd)
		wire.last = -1;
}

static void wire_broke(struct connection *c)
{
	logon_frames_lost(c);
	wire.is_broken = true;
	wire.status = 0;
}

static bool wire_would_block(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == EINPROGRESS;
}

/* Watches a connection. A further connect on its descriptor asks how the first one went. */
static bool wire_add(int fd)
{
	if (connection_find(fd) != NULL)
		return true;
	if (connection_add(fd) == NULL)
		return false;
	wire_set_step(SMB_STEP_CONNECT);
	return true;
}

/* ---- the KDC ---- */

/* While the library logs on, it talks to others than the server to get a ticket. */
static bool wire_gets_ticket(void)
{
	return wire.is_watching && (wire.step == SMB_STEP_LOGON || wire.step == SMB_STEP_TICKET);
}

static void wire_note_kdc(void)
{
	wire_set_step(kdc_is_asked() ? SMB_STEP_TICKET : SMB_STEP_LOGON);
}

/* Names are looked up meanwhile as well, and local services asked. */
static bool wire_is_kdc(const struct sockaddr *address)
{
	const uint16_t dns = 53, port = connection_port(address);
	return wire_gets_ticket() && port != 0 && port != dns && port != wire.port;
}

/* ---- what hooks.c tells ---- */

/* Where a DFS link leads, the library tries the ports that are SMB's by custom, one after the other. */
static bool wire_is_smb(const struct sockaddr *address)
{
	uint16_t port = connection_port(address);
	return wire.is_watching && (port == wire.port || port == 445 || port == 139);
}

bool wire_may_connect(int fd, const struct sockaddr *address)
{
	if (wire_is_kdc(address))
		kdc_tried();
	if (!wire_is_smb(address))
		return true;
	if (elsewhere_is_bound() && wire.own >= 0 && wire_connection(fd) == NULL)
		return !wire_refuse(REFUSED_ELSEWHERE);
	if (referral_watch_found() != NULL && wire_connection(fd) == NULL) { /* the session goes there itself */
		errno = EHOSTUNREACH;
		return false;
	}
	if (wire_add(fd))
		return true;
	errno = EMFILE;
	return false;
}

/* While it is connected the library may look up other names: a KDC's, or those of links' targets. */
void wire_resolves(void)
{
	bool is_reconnect = wire.step == SMB_STEP_FILE && wire.own < 0;

	if (wire.is_watching && (wire.step < SMB_STEP_CONNECT || is_reconnect))
		wire_set_step(SMB_STEP_RESOLVE);
}

/* The kernel takes megabytes at once: on a slow line nothing else is seen to move for a minute. */
void wire_waits(void)
{
	if (wire.is_watching && connection_any_moved())
		counters_add_moved(1);
	connection_waits();
	if (wire.step != SMB_STEP_FILE && connection_end_late())
		addresses_silent();
}

/* A frame begins that is no answer. The library would wait for the end of one that is none, however long it says. */
static void wire_not_smb(const struct connection *c, uint8_t type)
{
	wire.is_waiting = true;
	if (!netbios_is_none(type))
		return;
	netbios_heard(type, 0);
	shutdown(c->fd, SHUT_RDWR);
}

/* The address is that of the server that has answered: others may have been tried before, or at the same time. */
static void wire_arrived(struct connection *c, const uint8_t *bytes, size_t size)
{
	bounds_received(size);
	if (c->meter.heard == 0 && wire.own < 0)
		addresses_answered();
	if (c->meter.heard == 0)
		connection_address(c, wire.info.address, sizeof wire.info.address);
	connection_heard();
	meter_heard(&c->meter);
	if (stream_is_between(&c->in) && !stream_is_smb(bytes[0]))
		wire_not_smb(c, bytes[0]);
	stream_feed(&c->in, bytes, size, wire_frame_arrived, c);
	if (stream_is_between(&c->in) && !stream_is_smb(c->in.head[0]))
		netbios_heard(c->in.head[0], c->in.head[STREAM_LENGTH]);
	if (!wire.is_waiting)
		counters_add_moved(size);
}

ssize_t wire_received(int fd, const void *buffer, size_t asked, ssize_t n)
{
	struct connection *c = wire_connection(fd);
	int error = errno;

	if (c != NULL) {
		if (n > 0)
			wire_arrived(c, buffer, (size_t)n);
		if (n > 0 && wire.refusal == REFUSED_NONSENSE) { /* the library is not to see it */
			errno = ECONNRESET;
			return -1;
		}
		if ((n == 0 && asked > 0) || (n < 0 && !wire_would_block(error)))
			wire_broke(c);
	} else if (n > 0 && wire_gets_ticket()) {
		kdc_received(buffer, (size_t)n);
		wire_note_kdc();
	}
	errno = error;
	return n;
}

ssize_t wire_sent(int fd, const struct iovec *parts, int count, ssize_t n)
{
	struct connection *c = wire_connection(fd);
	int error = errno;

	if (c != NULL && n < 0 && !wire_would_block(error))
		wire_broke(c);
	if (c != NULL && n > 0) {
		size_t left = (size_t)n;
		if (c->meter.heard == 0 && wire.own < 0)
			addresses_sent();
		for (int i = 0; i < count && left > 0; i++) {
			size_t part = parts[i].iov_len < left ? parts[i].iov_len : left;
			stream_feed(&c->out, parts[i].iov_base, part, wire_frame_sent, c);
			left -= part;
		}
		/* not before: a frame that begins here does not count to those before it */
		counters_add_moved((size_t)n);
		bounds_sent((size_t)n);
	}
	if (c == NULL && n > 0 && wire_gets_ticket()) {
		uint8_t head[LOOK_SIZE];
		kdc_sent(head, stream_gather(parts, count, head, sizeof head));
		wire_note_kdc();
	}
	errno = error;
	return n;
}

/*
 * A frame that begins here has to be one that may leave. libsmbclient sends each frame by a writev of its own; what
 * follows a frame, or the rest of one, in the same call would pass unseen, and is refused, too.
 */
bool wire_refuses(int fd, const struct iovec *parts, int count)
{
	struct connection *c = wire_connection(fd);
	uint8_t head[STREAM_LENGTH + LOOK_SIZE];
	size_t have, total = 0;
	enum logon_turn turn;
	enum refusal why;
	bool refused;

	if (c == NULL)
		return wire_gets_ticket() &&
		       (turn = kdc_turn(head, stream_gather(parts, count, head, sizeof head))) != LOGON_GO &&
		       wire_refuse(logon_frames_refusal(turn));
	if (wire.refusal != REFUSED_NOT)
		return wire_refuse(wire.refusal);
	why = bounds_check();
	if (why != REFUSED_NOT)
		return wire_refuse(why);
	wire.sending_since = meter_now();
	if (elsewhere_leads(c, wire.own))
		return wire_refuse(REFUSED_ELSEWHERE);
	have = stream_gather(parts, count, head, sizeof head);
	for (int i = 0; i < count; i++)
		total += parts[i].iov_len;
	if (total > stream_rest(&c->out, head, have) || (stream_is_between(&c->out) && have < STREAM_LENGTH))
		return wire_refuse(wire.demand.encryption ? REFUSED_CLEAR : REFUSED_UNSIGNED);
	if (!stream_is_between(&c->out))
		return false;
	refused = wire_refuses_frame(c, head, have);
	wire.sending_since = meter_now();
	return refused;
}
