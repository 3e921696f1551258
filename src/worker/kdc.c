#include "kdc.h"

#include "fault.h"
#include "logon.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum message { AS_REQ = 0x6a, AS_REP = 0x6b, TGS_REQ = 0x6c, TGS_REP = 0x6d, KRB_ERROR = 0x7e };

enum kdc_error {
	CLIENT_UNKNOWN = 6,
	SERVICE_UNKNOWN = 7,
	POLICY = 12,
	ETYPE = 14,
	CLIENT_REVOKED = 18,
	CLIENT_NOT_YET = 21,
	KEY_EXPIRED = 23,
	PREAUTH_FAILED = 24,
	PREAUTH_REQUIRED = 25,
	UNAVAILABLE = 29,
	TICKET_EXPIRED = 32,
	SKEW = 37,
	TOO_BIG = 52,
	WRONG_REALM = 68
};

static struct {
	bool asked;       /* there is no answer yet */
	bool proves;      /* what was sent proves the password */
	uint32_t error;   /* of the last answer, 0: it was a ticket */
	uint32_t status;  /* the NT status that came with it, 0: none */
	int64_t ahead;    /* seconds that the KDC's clock is ahead of ours, as far as is known */
} kdc;

/* ---- DER ---- */

struct der {
	const uint8_t *at, *end;
};

/* Takes the next element: gives its tag, and what is in it; 0 when there is none that is whole. */
static unsigned kdc_element(struct der *from, struct der *inside)
{
	size_t left = (size_t)(from->end - from->at), head = 2, length;
	unsigned tag;

	if (left < 2)
		return 0;
	tag = from->at[0];
	length = from->at[1];
	if (length & 0x80) {
		size_t bytes = length & 0x7f;
		if (bytes < 1 || bytes > 3 || left < 2 + bytes)
			return 0;
		length = 0;
		for (size_t i = 0; i < bytes; i++)
			length = length << 8 | from->at[2 + i];
		head += bytes;
	}
	if (length > left - head)
		return 0;
	*inside = (struct der){from->at + head, from->at + head + length};
	from->at += head + length;
	return tag;
}

static int64_t kdc_integer(struct der value)
{
	struct der digits;
	int64_t n = 0;

	if (kdc_element(&value, &digits) != 2 || digits.end - digits.at > 5)
		return -1;
	while (digits.at < digits.end)
		n = n << 8 | *digits.at++;
	return n;
}

/* By TCP a length comes before the message. */
static struct der kdc_message(const uint8_t *bytes, size_t size)
{
	struct der message = {bytes, bytes + size};
	if (size > 4 && bytes[0] == 0 && bytes[4] >= AS_REQ)
		message.at += 4;
	return message;
}

static unsigned kdc_kind(const uint8_t *bytes, size_t size)
{
	struct der message = kdc_message(bytes, size);
	return message.at < message.end ? *message.at : 0;
}

/* ---- a refusal ---- */

/* Twelve bytes, wherever they are: the NT status and what goes with it. */
static uint32_t kdc_status(struct der data)
{
	for (const uint8_t *p = data.at; data.end - p >= 14; p++) {
		uint32_t status = (uint32_t)p[2] | (uint32_t)p[3] << 8 | (uint32_t)p[4] << 16 | (uint32_t)p[5] << 24;
		if (p[0] == 4 && p[1] == 12 && status >> 28 == 0xc)
			return status;
	}
	return 0;
}

/* "20261130174922Z" */
static int64_t kdc_seconds_ahead(struct der value)
{
	struct der text;
	char copy[16] = "";
	struct tm t = {0};

	if (kdc_element(&value, &text) != 0x18 || text.end - text.at != 15)
		return 0;
	memcpy(copy, text.at, 15);
	if (strptime(copy, "%Y%m%d%H%M%SZ", &t) == NULL)
		return 0;
	return (int64_t)timegm(&t) - (int64_t)time(NULL);
}

/* KRB-ERROR: [4] the server's time, [6] the reason, [12] data. */
static bool kdc_read_error(struct der message)
{
	struct der outer, fields, value;
	int64_t reason = -1;
	unsigned tag;

	if (kdc_element(&message, &outer) != KRB_ERROR || kdc_element(&outer, &fields) != 0x30)
		return false;
	kdc.status = 0;
	while ((tag = kdc_element(&fields, &value)) != 0) {
		switch (tag) {
		case 0xa4: kdc.ahead = kdc_seconds_ahead(value); break;
		case 0xa6: reason = kdc_integer(value); break;
		case 0xac: kdc.status = kdc_status(value); break;
		default: break;
		}
	}
	if (reason < 0)
		return false;
	kdc.error = (uint32_t)reason;
	return true;
}

bool kdc_refused_password(void)
{
	switch (kdc.error) {
	case CLIENT_UNKNOWN:
	case CLIENT_REVOKED:
	case CLIENT_NOT_YET:
	case KEY_EXPIRED:
	case PREAUTH_FAILED: return true;
	case POLICY: return fault_refuses_password(kdc.status);
	default: return false;
	}
}

/* ---- what goes by ---- */

void kdc_begin(void)
{
	kdc_end();
	memset(&kdc, 0, sizeof kdc);
}

void kdc_end(void)
{
	if (kdc.proves)
		logon_give_up();
	kdc.proves = false;
}

void kdc_tried(void)
{
	kdc.asked = true;
}

/* A time that only the password's key could have encrypted: PA-ENC-TIMESTAMP. */
static bool kdc_proves_password(const uint8_t *bytes, size_t size)
{
	static const uint8_t timestamp[] = {0xa1, 3, 2, 1, 2, 0xa2};
	return kdc_kind(bytes, size) == AS_REQ && memmem(bytes, size, timestamp, sizeof timestamp) != NULL;
}

enum logon_turn kdc_turn(const uint8_t *bytes, size_t size)
{
	enum logon_turn turn = LOGON_GO;
	if (kdc_proves_password(bytes, size)) {
		turn = logon_await(false);
		kdc.proves = turn == LOGON_GO;
	}
	return turn;
}

void kdc_sent(const uint8_t *bytes, size_t size)
{
	unsigned kind = kdc_kind(bytes, size);
	if (kind == AS_REQ || kind == TGS_REQ)
		kdc.asked = true;
}

/* The password is refused for all of the destination's workers, or has proven right. */
static void kdc_judge(void)
{
	struct smb_fault fault = {0};

	if (!kdc.proves || kdc.error == TOO_BIG || kdc.error == PREAUTH_REQUIRED)
		return;
	kdc.proves = false;
	if (kdc.error == 0) {
		logon_answered(0, false);
	} else if (kdc_refused_password()) {
		kdc_fault(&fault, "", "");
		logon_refuse(&fault);
	} else {
		logon_says_nothing();
	}
}

void kdc_received(const uint8_t *bytes, size_t size)
{
	unsigned kind = kdc.asked ? kdc_kind(bytes, size) : 0;

	if (kind != AS_REP && kind != TGS_REP && kind != KRB_ERROR)
		return;
	/* Of an expired password newer libraries go on to ask for a ticket that only changes it. */
	if (kdc.error != KEY_EXPIRED) {
		if (kind != KRB_ERROR)
			kdc.error = 0;
		else if (!kdc_read_error(kdc_message(bytes, size)))
			return;
	}
	kdc.asked = false;
	kdc_judge();
}

bool kdc_is_asked(void)
{
	return kdc.asked;
}

/* ---- words ---- */

static bool kdc_says(struct smb_fault *fault, enum smb_code code, const char *text)
{
	fault_set(fault, code, text);
	fault->step = SMB_STEP_LOGON;
	return true;
}

static bool kdc_no_service(struct smb_fault *fault, const char *host, const char *user)
{
	char text[sizeof fault->text];
	snprintf(text, sizeof text,
		 "Kerberos gives %.60s no ticket for cifs/%.60s: use the name that the server has in its domain, or a "
		 "ticket of its realm",
		 user, host);
	return kdc_says(fault, SMB_AUTH_FAILED, text);
}

bool kdc_fault(struct smb_fault *fault, const char *host, const char *user)
{
	switch (kdc.error) {
	case 0: return false;
	case CLIENT_UNKNOWN:
		return kdc_says(fault, SMB_AUTH_FAILED, "the Kerberos server knows no such user (is the realm right?)");
	case SERVICE_UNKNOWN: return kdc_no_service(fault, host, user);
	case WRONG_REALM:
		return kdc_says(fault, SMB_AUTH_FAILED, "the Kerberos server says that this is the wrong realm");
	case PREAUTH_FAILED: return kdc_says(fault, SMB_AUTH_FAILED, "the password is wrong, says the Kerberos server");
	case SKEW: return fault_clock(fault, kdc.ahead);
	case TICKET_EXPIRED:
		return kdc_says(fault, SMB_AUTH_FAILED, "the Kerberos ticket has expired (kinit gets a new one)");
	case UNAVAILABLE: return kdc_says(fault, SMB_UNREACHABLE, "the Kerberos server (KDC) is out of service");
	case ETYPE:
		return kdc_says(fault, SMB_AUTH_FAILED,
				"the Kerberos server supports no encryption type that is allowed here");
	default: break;
	}
	if (kdc.status != 0)
		return fault_remote(fault, SMB_STEP_LOGON, kdc.status, 0, false) || true;
	switch (kdc.error) {
	case CLIENT_REVOKED:
		return kdc_says(fault, SMB_AUTH_FAILED,
				"the account is locked (or disabled, or expired), says the Kerberos server");
	case KEY_EXPIRED:
		return kdc_says(fault, SMB_AUTH_FAILED,
				"the password has expired, or must be changed, says the Kerberos server");
	case POLICY:
		return kdc_says(fault, SMB_AUTH_FAILED,
				"the domain's policy forbids this logon, says the Kerberos server");
	default: break;
	}
	kdc_says(fault, SMB_AUTH_FAILED, "");
	snprintf(fault->text, sizeof fault->text, "the Kerberos server gave no ticket (error %" PRIu32 ")", kdc.error);
	return true;
}
