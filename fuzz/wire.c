/*
 * The wire: all that the worker reads of frames, in both directions, as bytes that come in pieces. What was promised to
 * the user is looked at from outside, by a second reader of frames that knows nothing of the first.
 *
 * An input begins with a byte of what is demanded; its steps are below, each named after what happens.
 */
#include "input.h"

#include "shared/turn.h"
#include "worker/addresses.h"
#include "worker/connection.h"
#include "worker/counters.h"
#include "worker/elsewhere.h"
#include "worker/kdc.h"
#include "worker/links.c" /* its state, which nothing else begins anew */
#include "worker/logon.h"
#include "worker/logon_frames.h"
#include "worker/referral_watch.h"
#include "worker/rename_guard.h"
#include "worker/stream.h"
#include "worker/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

enum { OWN = 900, OTHER = 901, KDC = 902 }; /* descriptors that nobody has */
enum { PORT = 445, LARGEST_REQUEST = 16 * 1024 * 1024 };

enum happening {
	SENT, ARRIVED, SENT_ELSEWHERE, ARRIVED_ELSEWHERE, TO_KDC, FROM_KDC, ENCRYPTED, DECRYPTED, CALL, BREAK, CLOSE,
	CONNECT, OPENED, RENAME, LINK, ELSEWHERE
};

static struct smb_shared counters;
static struct smb_pace pace;
static struct demand demand;
static const struct smb_connect target = {.port = PORT, .server = "server", .share = "share"};

/* ---- a second reader ---- */

/* The frames of a direction as they are: all of it, and what a frame's reader has shown. */
struct watched {
	struct stream cut;  /* is given the bytes in the pieces in which they come */
	uint64_t shown;     /* a hash of the frames that it shows */
	uint8_t *bytes;
	size_t size;
};

static struct watched watched[4]; /* as the first four of enum happening */

static uint64_t hash(uint64_t h, const void *bytes, size_t size)
{
	const uint8_t *b = bytes;

	h = (h ^ size) * 1099511628211u;
	for (size_t i = 0; i < size; i++)
		h = (h ^ b[i]) * 1099511628211u;
	return h;
}

static void watch_shown(void *context, const struct frame *f)
{
	struct watched *w = context;
	w->shown = hash(w->shown, f->bytes, f->size);
}

static void watch(int fd, struct watched *w, const uint8_t *bytes, size_t size)
{
	if (connection_find(fd) == NULL) /* not one that is watched */
		return;
	stream_feed(&w->cut, bytes, size, watch_shown, w);
	w->bytes = realloc(w->bytes, w->size + size + 1);
	PROMISE(w->bytes != NULL);
	memcpy(w->bytes + w->size, bytes, size);
	w->size += size;
}

static bool is_long_kept(const uint8_t *frame, size_t size)
{
	return (size >= 14 && memcmp(frame, "\xfeSMB", 4) == 0 && frame[12] == 0x0b && frame[13] == 0) ||
	       (size >= 5 && memcmp(frame, "\xffSMB\x32", 5) == 0);
}

/* NTLM's and the library's own messages apart, in clear only what has nothing to hide. MS-SMB2 2.2.1 */
static bool may_be_clear(const uint8_t *f, size_t size)
{
	static const uint8_t validation[] = {0x04, 0x02, 0x14, 0x00};

	if (size >= 5 && memcmp(f, "\xffSMB\x72", 5) == 0)
		return true;
	if (size < 14 || memcmp(f, "\xfeSMB", 4) != 0 || f[13] != 0)
		return false;
	return f[12] <= 4 || f[12] == 0x0c || f[12] == 0x0d ||
	       (f[12] == 0x0b && size >= 72 && memcmp(f + 68, validation, sizeof validation) == 0);
}

static bool may_be_unsigned(const uint8_t *f, size_t size)
{
	if (size >= 5 && memcmp(f, "\xffSMB\x72", 5) == 0)
		return true;
	if (size < 17 || memcmp(f, "\xfeSMB", 4) != 0)
		return false;
	return (f[16] & 8) != 0 || (f[13] == 0 && (f[12] <= 1 || f[12] == 0x0c || f[12] == 0x0d));
}

/* Of a frame that has left. */
static void check_left(const uint8_t *frame, size_t size)
{
	if (size >= 20 && memcmp(frame, "\xfdSMB", 4) == 0)
		return;
	PROMISE(!demand.encryption || may_be_clear(frame, size));
	PROMISE(!demand.signing || may_be_unsigned(frame, size));
}

/* Reads all that has gone by in one piece. */
static void check_frames(const struct watched *w, bool has_left)
{
	uint64_t shown = 0;

	for (size_t at = 0; at + 4 <= w->size;) {
		const uint8_t *frame = w->bytes + at + 4;
		size_t length = (size_t)frame[-3] << 16 | (size_t)frame[-2] << 8 | frame[-1], there = w->size - at - 4;
		size_t size = length < there ? length : there, most = is_long_kept(frame, size) ? 16384 - 4 : 1024 - 4;

		if (has_left && frame[-4] == 0 && (length <= there || size >= 72)) /* enough to tell by */
			check_left(frame, size);
		if (frame[-4] == 0 && (length <= there || size >= most))
			shown = hash(shown, frame, size < most ? size : most);
		at += 4 + size;
	}
	PROMISE(shown == w->shown);
}

/* ---- what happens ---- */

static size_t piece_of(const struct step *s, size_t left)
{
	static const size_t sizes[] = {SIZE_MAX, 1, 2, 3, 4, 5, 20, 63, 68, 100, 1020, 1023, 1024, 1025, 4096, 16383};
	return sizes[s->how] < left ? sizes[s->how] : left;
}

static void send_some(int fd, struct watched *w, uint8_t *bytes, size_t size, size_t first)
{
	struct iovec parts[2] = {{bytes, first}, {bytes + first, size - first}};
	size_t left = first > 0 ? first : size;

	errno = 0;
	if (wire_refuses(fd, parts, 2)) {
		PROMISE(errno == EPIPE && wire_refusal() != REFUSED_NOT);
		wire_begin(SMB_PATIENCE_SHORT);
		return;
	}
	errno = EAGAIN;
	PROMISE(wire_sent(fd, parts, 2, (ssize_t)left) == (ssize_t)left && errno == EAGAIN);
	watch(fd, w, bytes, left);
	if (left < size) /* the kernel has taken a part */
		send_some(fd, w, bytes + left, size - left, 0);
}

static void ask_kdc(const struct step *s, bool is_answer)
{
	struct iovec part = {s->bytes, s->size};

	if (is_answer)
		wire_received(KDC, s->bytes, s->size, (ssize_t)s->size);
	else if (wire_refuses(KDC, &part, 1))
		wire_begin(SMB_PATIENCE_SHORT);
	else
		wire_sent(KDC, &part, 1, (ssize_t)s->size);
}

static void connect_to(int fd, uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};

	wire_resolves();
	wire_may_connect(fd, (const struct sockaddr *)(const void *)&to);
}

static void lose(int fd)
{
	size_t at = fd == OWN ? SENT : SENT_ELSEWHERE;

	wire_closes(fd);
	for (size_t i = at; i < at + 2; i++) { /* the next one begins anew */
		check_frames(&watched[i], i == at);
		free(watched[i].bytes);
		memset(&watched[i], 0, sizeof watched[i]);
	}
	connect_to(fd, PORT);
}

/* What the server says. The library does not see an answer that it could not bear; it loses the connection instead. */
static void receive(int fd, struct watched *w, const struct step *s)
{
	for (size_t at = 0; at < s->size;) {
		size_t n = piece_of(s, s->size - at);
		ssize_t got;

		errno = EINTR;
		got = wire_received(fd, s->bytes + at, n, (ssize_t)n);
		PROMISE(got == (ssize_t)n ? errno == EINTR
					  : got == -1 && errno == ECONNRESET && wire_refusal() != REFUSED_NOT);
		watch(fd, w, s->bytes + at, n);
		at += n;
		if (got < 0) {
			wire_begin(SMB_PATIENCE_SHORT);
			lose(fd);
			return;
		}
	}
}

/* Goes where the server said, as the session would. */
static void follow(const char *path)
{
	const struct referral *r = referral_watch_found();
	char *url;

	if (r == NULL)
		return;
	links_add(links_place(path), r);
	links_add(LINKS_HERE, r);
	for (const char *below = r->link; below != NULL; below = below == r->link ? path : NULL) {
		uint32_t place = links_place(below);

		url = links_url(place, below);
		PROMISE(url != NULL && strncmp(url, "smb://", 6) == 0 && strpbrk(url, "@?#\\ ") == NULL);
		free(url);
		PROMISE(strpbrk(links_server(place), "/\\") == NULL && links_name(place) != NULL);
		if (links_has_another(place))
			links_try_next(place);
		links_answered(place);
	}
}

static void open_share(const struct step *s)
{
	static const int share;

	if (s->how & 1)
		wire_share_opened(&share);
	else
		wire_use(s->how & 2 ? &share : NULL);
	elsewhere_bind(!(s->how & 4));
	elsewhere_stay(s->how & 8, wire_place());
}

static void say_path(const struct step *s)
{
	char *path = strndup((const char *)s->bytes, s->size);

	PROMISE(path != NULL);
	follow(path);
	free(path);
}

static void happen(struct step *s)
{
	int fd = s->what == SENT || s->what == ARRIVED ? OWN : OTHER;

	switch ((enum happening)s->what) {
	case SENT:
	case SENT_ELSEWHERE: send_some(fd, &watched[s->what], s->bytes, s->size, piece_of(s, s->size)); break;
	case ARRIVED:
	case ARRIVED_ELSEWHERE: receive(fd, &watched[s->what], s); break;
	case TO_KDC:
	case FROM_KDC: ask_kdc(s, s->what == FROM_KDC); break;
	case ENCRYPTED: referral_watch_encrypts(&(struct iovec){s->bytes, s->size}, 1); break;
	case DECRYPTED: referral_watch_decrypted(&(struct iovec){s->bytes, s->size}, 1); break;
	case CALL: wire_begin((enum smb_patience)(s->how % SMB_PATIENCE_COUNT)); break;
	case BREAK: wire_received(s->how & 1 ? OWN : OTHER, NULL, 1, s->how & 2 ? 0 : -1); break;
	case CLOSE: lose(s->how & 1 ? OWN : OTHER); break;
	case CONNECT: connect_to(s->how & 1 ? OTHER : KDC, s->how & 2 ? PORT : 88); break;
	case OPENED: open_share(s); break;
	case RENAME: rename_guard_set(s->how & 1); break;
	case LINK: say_path(s); break;
	case ELSEWHERE: logon_frames_go_elsewhere(s->how & 1 ? "elsewhere" : NULL); break;
	}
}

/* ---- what must hold ---- */

static bool is_text(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static void check_all(void)
{
	struct smb_info info = {0};
	struct smb_entry entry = {0};
	struct smb_fault fault = {0};

	wire_info(&info);
	PROMISE(is_text(info.user, sizeof info.user) && is_text(info.address, sizeof info.address));
	PROMISE(info.max_read_size <= LARGEST_REQUEST && info.max_write_size <= LARGEST_REQUEST);
	PROMISE(!wire_created(&entry) || entry.size <= INT64_MAX);
	PROMISE(!kdc_fault(&fault, "server", "bob") || is_text(fault.text, sizeof fault.text));
	PROMISE(wire_step() < SMB_STEP_COUNT);
	PROMISE(is_text(logon_frames_domain(), SMB_TEXT_SIZE));
}

static void begin(uint8_t what)
{
	memset(&counters, 0, sizeof counters);
	memset(&pace, 0, sizeof pace);
	demand = (struct demand){.encryption = what & 1, .signing = what & 2, .named = what & 4, .kerberos = what & 8};
	PROMISE(links_begin(&target));
	counters_use(&counters);
	logon_share(&pace.turn);
	logon_give_up();
	addresses_share(&pace.address, target.server, 1000);
	kdc_begin();
	logon_frames_go_elsewhere(NULL);
	wire_watch(PORT);
	wire_demand(&demand);
	wire_begin(SMB_PATIENCE_SHORT);
	elsewhere_bind(!(what & 16));
	elsewhere_stay(false, 0);
	rename_guard_set(what & 32);
	connect_to(OWN, PORT);
	if (what & 64)
		connect_to(OTHER, PORT);
}

static void end(void)
{
	for (size_t i = 0; i < 4; i++) {
		check_frames(&watched[i], i % 2 == 0);
		free(watched[i].bytes);
		memset(&watched[i], 0, sizeof watched[i]);
	}
	for (size_t i = 0; i < links.count; i++) {
		for (size_t k = 0; k < links.all[i].count; k++)
			links_free_target(&links.all[i].targets[k]);
		free(links.all[i].path);
	}
	links_free_target(&links.here);
	memset(&links, 0, sizeof links);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input in = {bytes, size};
	struct step s;

	begin(input_byte(&in));
	while (input_step(&in, &s)) {
		happen(&s);
		check_all();
		free(s.bytes);
	}
	end();
	return 0;
}
