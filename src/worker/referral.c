#include "referral.h"

#include <string.h>

/* ---- text ---- */

static size_t referral_put(char *to, size_t room, uint32_t c)
{
	static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	if (n > room)
		return 0;
	for (size_t i = n; i-- > 1; c >>= 6)
		to[i] = (char)(0x80 | (c & 0x3f));
	to[0] = (char)(lead[n] | c);
	return n;
}

/* Reads UTF-16 up to a NUL or the end; backslashes become slashes. False when it does not fit. */
static bool referral_text(struct frame text, char *to, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i + 1 < text.size; i += 2) {
		uint32_t c = frame_16(&text, i), low = frame_16(&text, i + 2);
		size_t n;
		if (c == 0)
			break;
		if (c >= 0xd800 && c < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			i += 2;
		}
		n = referral_put(to + used, size - 1 - used, c == '\\' ? '/' : c);
		if (n == 0)
			return false;
		used += n;
	}
	to[used] = '\0';
	return true;
}

/* Takes the next part of a path off its beginning; false when it does not fit. */
static bool referral_part(const char **path, char *to, size_t size)
{
	size_t n;

	*path += strspn(*path, "/");
	n = strcspn(*path, "/");
	if (n >= size)
		return false;
	memcpy(to, *path, n);
	to[n] = '\0';
	*path += n;
	return true;
}

/* Copies a path without separators at its ends. */
static bool referral_trim(const char *path, char *to, size_t size)
{
	size_t n;

	path += strspn(path, "/");
	for (n = strlen(path); n > 0 && path[n - 1] == '/'; n--)
		;
	if (n >= size)
		return false;
	memcpy(to, path, n);
	to[n] = '\0';
	return true;
}

static bool referral_split(const char *path, struct referral_target *t)
{
	return referral_part(&path, t->server, sizeof t->server) && referral_part(&path, t->share, sizeof t->share) &&
	       referral_trim(path, t->path, sizeof t->path) && t->server[0] != '\0' && t->share[0] != '\0';
}

/* ---- the question ---- */

bool referral_read_request(struct referral *r, const struct frame *f)
{
	struct frame question = frame_referral_request(f);
	const size_t level = 2; /* MaxReferralLevel, before the path */

	if (question.size <= level)
		return false;
	memset(r, 0, sizeof *r);
	question.bytes += level;
	question.size -= level;
	return referral_text(question, r->asked, sizeof r->asked);
}

/* ---- the answer ---- */

/* PathConsumed: bytes of the question, from its beginning. */
static bool referral_read_link(struct referral *r, size_t consumed)
{
	const char *at = r->asked, *end = at;
	char name[REFERRAL_NAME], covered[REFERRAL_PATH];

	for (size_t units = consumed / 2; units > 0 && *end != '\0'; units--) {
		unsigned char lead = (unsigned char)*end;
		end += lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
		units -= lead >= 0xf0 && units > 1; /* a surrogate pair */
	}
	memcpy(covered, at, (size_t)(end - at));
	covered[end - at] = '\0';
	at = covered;
	return referral_part(&at, name, sizeof name) && referral_part(&at, name, sizeof name) &&
	       referral_trim(at, r->link, sizeof r->link);
}

/* Versions 2, 3 and 4 differ in where they say where the target's name is. */
static void referral_read_target(struct referral *r, const struct frame *answer, size_t at)
{
	const uint32_t is_name_list = 2; /* NameListReferral: domains and their controllers */
	uint32_t version = frame_16(answer, at), ttl = frame_32(answer, at + (version == 2 ? 12 : 8));
	size_t name = at + frame_16(answer, at + (version == 2 ? 20 : 16));
	char path[REFERRAL_PATH];

	if (version < 2 || version > 4 || (version > 2 && (frame_16(answer, at + 6) & is_name_list)) ||
	    name >= answer->size)
		return;
	if (!referral_text((struct frame){answer->bytes + name, answer->size - name}, path, sizeof path) ||
	    !referral_split(path, &r->targets[r->count]))
		return;
	if (r->count == 0 || ttl < r->seconds)
		r->seconds = ttl;
	r->count++;
}

bool referral_read_answer(struct referral *r, const struct frame *f)
{
	struct frame answer = frame_referral_answer(f);
	size_t at = 8;

	r->count = 0;
	if (answer.size < at || !referral_read_link(r, frame_16(&answer, 0)))
		return false;
	for (uint32_t left = frame_16(&answer, 2); left > 0 && r->count < REFERRAL_TARGETS; left--) {
		size_t size = frame_16(&answer, at + 2);
		if (size == 0)
			break;
		referral_read_target(r, &answer, at);
		at += size;
	}
	return r->count > 0;
}
