#include "demand.h"

bool demand_is_guest(const struct demand *d, const struct smb_info *agreed)
{
	return d->named && (agreed->guest || agreed->anonymous);
}

/* A guest logs on, and off, and is sent nothing else. */
static bool demand_is_for_users(const struct frame *f)
{
	if (frame_kind(f) == FRAME_SMB1)
		return frame_command(f) != SMB1_NEGOTIATE && frame_command(f) != SMB1_SESSION_SETUP;
	return frame_kind(f) == FRAME_SMB2 && frame_command(f) > SMB2_LOGOFF;
}

/* SMB 3.0 checks the negotiation before its first encrypted frame; that request says nothing else. */
static bool demand_is_validation(const struct smb_info *agreed, const struct frame *f)
{
	return agreed->dialect >= 0x0300 && frame_validates_negotiation(f);
}

bool demand_carries_nothing(const struct frame *f)
{
	if (frame_kind(f) != FRAME_SMB2)
		return false;
	switch (frame_command(f)) {
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

/* SMB1 is never encrypted here. */
static bool demand_may_be_clear(const struct smb_info *agreed, const struct frame *f)
{
	return demand_carries_nothing(f) || demand_is_validation(agreed, f) || frame_is(f, FRAME_SMB1, SMB1_NEGOTIATE);
}

/* Whether SMB1 frames are signed cannot be seen well enough for a promise. */
static bool demand_may_be_unsigned(const struct frame *f)
{
	if (frame_kind(f) != FRAME_SMB2)
		return frame_is(f, FRAME_SMB1, SMB1_NEGOTIATE);
	switch (frame_command(f)) {
	case SMB2_NEGOTIATE:
	case SMB2_SESSION_SETUP:
	case SMB2_CANCEL:
	case SMB2_ECHO: return true;
	default: return frame_is_signed(f);
	}
}

enum refusal demand_check(const struct demand *d, const struct smb_info *agreed, const struct frame *f)
{
	if (demand_is_guest(d, agreed) && demand_is_for_users(f))
		return REFUSED_GUEST;
	if (!d->encryption && !d->signing)
		return REFUSED_NOT;
	if (f->size < FRAME_HEAD)
		return REFUSED_CLEAR;
	if (frame_kind(f) == FRAME_ENCRYPTED) /* and so signed */
		return REFUSED_NOT;
	if (d->encryption && !demand_may_be_clear(agreed, f))
		return REFUSED_CLEAR;
	if (d->signing && !demand_may_be_unsigned(f))
		return REFUSED_UNSIGNED;
	return REFUSED_NOT;
}

bool demand_is_logon(const struct frame *f)
{
	return frame_is(f, FRAME_SMB1, SMB1_SESSION_SETUP) || frame_is(f, FRAME_SMB2, SMB2_SESSION_SETUP);
}

/*
 * A server may accept a logon without a name and say neither guest nor anonymous: only what is sent tells. The library
 * sends one where it knows no name, and goes on by NTLM where Kerberos has failed.
 */
enum refusal demand_check_logon(const struct demand *d, const struct frame *f, struct demand_logon *logon)
{
	const struct token *token = &logon->token;

	token_read(f->bytes, f->size, &logon->token);
	logon->proves_password = token->kind == TOKEN_NTLM_AUTHENTICATE || frame_is_old_logon(f);
	logon->is_ntlm = logon->proves_password || token->kind == TOKEN_NTLM_NEGOTIATE;
	if (logon->is_ntlm && d->kerberos)
		return REFUSED_NTLM;
	if (token->kind == TOKEN_NTLM_AUTHENTICATE && token->user[0] == '\0' && d->named)
		return REFUSED_NOBODY;
	return REFUSED_NOT;
}

bool demand_is_kept(const struct demand *d, const struct smb_info *agreed)
{
	return (agreed->encryption || !d->encryption) && (agreed->signing || !d->signing) &&
	       (agreed->mechanism == SMB_MECHANISM_KERBEROS || !d->kerberos);
}
