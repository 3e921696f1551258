#include "logon_frames.h"

#include "fault.h"
#include "token.h"

#include <stdio.h>
#include <string.h>

static struct {
	enum smb_mechanism mechanism; /* of the logon under way, or of the last one, */
	char user[SMB_TEXT_SIZE];     /* and who logs on, where that can be seen */
	char domain[SMB_TEXT_SIZE];   /* the server's */
	const char *elsewhere;        /* the server, where it is one that a DFS link leads to; NULL: the user's own */
} logon_frames;

void logon_frames_begin_call(void)
{
	logon_frames.mechanism = SMB_MECHANISM_UNKNOWN;
}

void logon_frames_go_elsewhere(const char *server)
{
	logon_frames.elsewhere = server;
}

/* ---- before one leaves ---- */

static void logon_frames_note(const struct demand_logon *logon)
{
	const struct token *token = &logon->token;

	logon_frames.user[0] = '\0';
	if (token->kind == TOKEN_KERBEROS)
		logon_frames.mechanism = SMB_MECHANISM_KERBEROS;
	if (logon->is_ntlm)
		logon_frames.mechanism = SMB_MECHANISM_NTLM;
	if (token->kind != TOKEN_NTLM_AUTHENTICATE)
		return;
	if (token->user[0] == '\0')
		logon_frames.mechanism = SMB_MECHANISM_ANONYMOUS;
	snprintf(logon_frames.user, sizeof logon_frames.user, "%.100s%s%.150s", token->domain,
		 token->domain[0] != '\0' ? "\\" : "", token->user);
}

enum refusal logon_frames_refusal(enum logon_turn turn)
{
	switch (turn) {
	case LOGON_GO: return REFUSED_NOT;
	case LOGON_REFUSED: return REFUSED_PASSWORD;
	case LOGON_LOST: return REFUSED_LOST;
	default: return REFUSED_CANCELLED;
	}
}

enum refusal logon_frames_check(struct connection *c, const struct demand *demand, const struct frame *f)
{
	struct demand_logon logon;
	enum refusal why = demand_check_logon(demand, f, &logon);

	if (why != REFUSED_NOT)
		return why;
	logon_frames_note(&logon);
	if (!logon.proves_password || !demand->named)
		return REFUSED_NOT;
	why = logon_frames_refusal(logon_await(logon_frames.elsewhere != NULL));
	if (why == REFUSED_NOT && logon_frames.elsewhere != NULL && logon_was_refused_at(logon_frames.elsewhere)) {
		logon_says_nothing(); /* another worker was refused there meanwhile */
		return REFUSED_PASSWORD;
	}
	c->logs_on = why == REFUSED_NOT;
	return why;
}

/* ---- what becomes of it ---- */

void logon_frames_accepted(struct smb_info *info)
{
	info->mechanism = (uint8_t)logon_frames.mechanism;
	memcpy(info->user, logon_frames.user, sizeof info->user);
}

/* NTLM's second message tells which domain the server belongs to. */
static void logon_frames_note_challenge(const struct frame *f)
{
	struct token token;

	token_read(f->bytes, f->size, &token);
	if (token.kind == TOKEN_NTLM_CHALLENGE)
		memcpy(logon_frames.domain, token.domain, sizeof logon_frames.domain);
}

void logon_frames_answered(struct connection *c, const struct frame *f, bool is_guest)
{
	uint32_t status = frame_status(f);

	if (status == STATUS_MORE_PROCESSING_REQUIRED) {
		logon_frames_note_challenge(f);
		return;
	}
	c->logs_on = false;
	if (logon_frames.elsewhere == NULL) {
		logon_answered(status, status == 0 && is_guest);
		return;
	}
	if (fault_refuses_password(status) || (status == 0 && is_guest))
		logon_refuse_at(logon_frames.elsewhere);
	logon_says_nothing();
}

void logon_frames_lost(struct connection *c)
{
	if (c->logs_on && logon_frames.elsewhere != NULL)
		logon_says_nothing();
	else if (c->logs_on)
		logon_give_up();
	c->logs_on = false;
}

enum smb_mechanism logon_frames_mechanism(void)
{
	return logon_frames.mechanism;
}

const char *logon_frames_domain(void)
{
	return logon_frames.domain;
}
