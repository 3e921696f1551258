#include "fault.h"

#include "status.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct meaning {
	int error; /* errno */
	enum smb_code code;
	const char *text;
};

static const struct meaning by_errno[] = {
    {ENOENT, SMB_NOT_FOUND, "no such file"},
    {EEXIST, SMB_EXISTS, "it exists already"},
    {EISDIR, SMB_IS_DIRECTORY, "it is a folder"},
    {ENOTDIR, SMB_NOT_DIRECTORY, "it is not a folder"},
    {ENOTEMPTY, SMB_NOT_EMPTY, "the folder is not empty"},
    {EACCES, SMB_ACCESS_DENIED, "access denied"},
    {EPERM, SMB_ACCESS_DENIED, "access denied"},
    {EROFS, SMB_ACCESS_DENIED, "the share is read-only"},
    {EBUSY, SMB_BUSY, "it is open elsewhere"},
    {ETXTBSY, SMB_BUSY, "it is open elsewhere"},
    {ENOSPC, SMB_NO_SPACE, "the disk is full"},
    {EDQUOT, SMB_NO_SPACE, "the quota is exhausted"},
    {EFBIG, SMB_NO_SPACE, "the file is too large for the server"},
    {ETIMEDOUT, SMB_TIMEOUT, "no answer in time"},
    {ECONNREFUSED, SMB_UNREACHABLE, "connection refused"},
    {EHOSTUNREACH, SMB_UNREACHABLE, "no route to the server"},
    {ENETUNREACH, SMB_UNREACHABLE, "no route to the server"},
    {ECONNRESET, SMB_DISCONNECTED, "the connection was reset"},
    {ECONNABORTED, SMB_DISCONNECTED, "the connection broke"},
    {ENETRESET, SMB_DISCONNECTED, "the connection was reset"},
    {ENOTCONN, SMB_DISCONNECTED, "the connection broke"},
    {EPIPE, SMB_DISCONNECTED, "the connection broke"},
    {EIO, SMB_DISCONNECTED, "the connection broke"},
    {ENAMETOOLONG, SMB_INVALID_NAME, "the name is too long for the server"},
    {EILSEQ, SMB_INVALID_NAME, "the server cannot hold this name"},
    {ENOSYS, SMB_UNSUPPORTED, "the server does not support this"},
    {ENOTSUP, SMB_UNSUPPORTED, "the server does not support this"},
    {EXDEV, SMB_UNSUPPORTED, "source and target lie on different servers"},
    {ENOMEM, SMB_FAILED, "the worker is out of memory"},
};

static const struct meaning *fault_meaning(int error)
{
	for (size_t i = 0; i < sizeof by_errno / sizeof by_errno[0]; i++)
		if (by_errno[i].error == error)
			return &by_errno[i];
	return NULL;
}

/* A status that nobody has named is shown as it is. */
static bool fault_status(struct smb_fault *fault, enum smb_code code, const char *text)
{
	const char *name = status_name(fault->status);

	fault->code = (uint32_t)code;
	if (name != NULL)
		snprintf(fault->text, sizeof fault->text, "%s (NT_STATUS_%s)", text, name);
	else
		snprintf(fault->text, sizeof fault->text, "%s (NT status 0x%08X)", text, (unsigned)fault->status);
	return false;
}

/* Before the logon ended the same errno says other things: which step failed decides. */
static bool fault_while_connecting(struct smb_fault *fault, enum smb_step step, int error)
{
	const struct meaning *m = fault_meaning(error);
	switch (step) {
	case SMB_STEP_START:
	case SMB_STEP_RESOLVE: return fault_set(fault, SMB_HOST_NOT_FOUND, "the server's name does not resolve");
	case SMB_STEP_CONNECT:
		if (error == ETIMEDOUT)
			return fault_set(fault, SMB_TIMEOUT, "no answer to the connection");
		if (m != NULL && m->code == SMB_UNREACHABLE)
			return fault_set(fault, SMB_UNREACHABLE, m->text);
		return fault_errno(fault, SMB_UNREACHABLE, "no connection", error);
	case SMB_STEP_NEGOTIATE:
		return fault_errno(fault, SMB_PROTOCOL, "client and server have no dialect or protection in common",
				   error);
	case SMB_STEP_LOGON:
		if (error == EACCES || error == EPERM || error == EINVAL)
			return fault_set(fault, SMB_AUTH_FAILED, "the logon was refused");
		break;
	case SMB_STEP_SHARE:
		if (error == ENOENT || error == ENODEV)
			return fault_set(fault, SMB_SHARE_MISSING, "the server has no such share");
		break;
	default: break;
	}
	if (m != NULL)
		return fault_set(fault, m->code, m->text);
	return fault_errno(fault, SMB_FAILED, "connecting failed", error);
}

/* While somebody logs on, or opens the share, a server says of that what it else says of a file. */
static bool fault_of_status(struct smb_fault *fault, enum smb_step step)
{
	const struct status *s = status_find(fault->status);
	enum smb_code code = s != NULL ? s->code : SMB_FAILED;
	const char *text = s != NULL ? s->text : "the server refused the request";

	if (step == SMB_STEP_LOGON && (code == SMB_ACCESS_DENIED || code == SMB_FAILED))
		return fault_status(fault, SMB_AUTH_FAILED, "the logon was refused");
	if (step == SMB_STEP_NEGOTIATE && code == SMB_UNSUPPORTED)
		return fault_status(fault, SMB_PROTOCOL, "client and server have no dialect in common");
	if (step == SMB_STEP_SHARE && (code == SMB_NOT_FOUND || code == SMB_FOLDER_MISSING))
		return fault_status(fault, SMB_SHARE_MISSING, "the server has no such share");
	return fault_status(fault, code, text);
}

void fault_is(struct smb_fault *fault, enum smb_code code, const char *text)
{
	if (fault->status != 0)
		fault_status(fault, code, text);
	else
		fault_set(fault, code, text);
}

bool fault_remote(struct smb_fault *fault, enum smb_step step, uint32_t status, int error, bool broken)
{
	const struct meaning *m = fault_meaning(error);

	fault->step = (uint32_t)step;
	fault->status = status;
	fault->error = error;
	if (broken && step >= SMB_STEP_NEGOTIATE && status_find(status) == NULL)
		return fault_set(fault, SMB_DISCONNECTED, "the connection broke");
	if (status != 0)
		return fault_of_status(fault, step);
	if (step < SMB_STEP_FILE)
		return fault_while_connecting(fault, step, error);
	if (m != NULL)
		return fault_set(fault, m->code, m->text);
	return fault_errno(fault, SMB_FAILED, "the request failed", error);
}

void fault_guest(struct smb_fault *fault)
{
	fault_set(fault, SMB_AUTH_FAILED, "the server does not know the user and would let a guest in");
}

bool fault_vetoed(struct smb_fault *fault)
{
	const uint32_t object_name_not_found = 0xc0000034;

	if (fault->code != SMB_NOT_FOUND || fault->status != object_name_not_found)
		return false;
	fault_is(fault, SMB_INVALID_NAME, "the server lets nothing have this name (vetoed?)");
	return true;
}

bool fault_meddled(struct smb_fault *fault)
{
	return fault_set(
	    fault, SMB_PROTOCOL,
	    "the server's answers do not fit together: somebody may have changed what it offers on the way");
}

bool fault_refuses_password(uint32_t status)
{
	static const uint32_t refusals[] = {
	    0xc0000064, /* NO_SUCH_USER */
	    0xc000006a, /* WRONG_PASSWORD */
	    0xc000006b, /* ILL_FORMED_PASSWORD */
	    0xc000006c, /* PASSWORD_RESTRICTION */
	    0xc000006d, /* LOGON_FAILURE */
	    0xc000006e, /* ACCOUNT_RESTRICTION */
	    0xc000006f, /* INVALID_LOGON_HOURS */
	    0xc0000070, /* INVALID_WORKSTATION */
	    0xc0000071, /* PASSWORD_EXPIRED */
	    0xc0000072, /* ACCOUNT_DISABLED */
	    0xc0000155, /* LOGON_NOT_GRANTED */
	    0xc000015b, /* LOGON_TYPE_NOT_GRANTED */
	    0xc0000193, /* ACCOUNT_EXPIRED */
	    0xc0000224, /* PASSWORD_MUST_CHANGE */
	    0xc0000234, /* ACCOUNT_LOCKED_OUT */
	    0xc0000247, /* LOGIN_TIME_RESTRICTION */
	    0xc0000248, /* LOGIN_WKSTA_RESTRICTION */
	};
	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
		if (refusals[i] == status)
			return true;
	return false;
}

bool fault_clock(struct smb_fault *fault, int64_t ahead)
{
	fault->code = SMB_AUTH_FAILED;
	snprintf(fault->text, sizeof fault->text,
		 "the clocks differ too much for Kerberos: the server's is %lld s %s this machine's",
		 (long long)(ahead < 0 ? -ahead : ahead), ahead < 0 ? "behind" : "ahead of");
	return true;
}

bool fault_broke(const struct smb_fault *fault)
{
	return fault->code == SMB_DISCONNECTED || fault->code == SMB_TIMEOUT || fault->code == SMB_UNREACHABLE;
}

bool fault_local(struct smb_fault *fault, const char *what, int error)
{
	fault->step = SMB_STEP_LOCAL;
	fault->error = error;
	return fault_errno(fault, SMB_LOCAL_IO, what, error);
}
