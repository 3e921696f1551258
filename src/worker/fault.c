#include "fault.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct meaning {
	uint32_t key; /* NT status or errno */
	enum smb_code code;
	const char *text;
	const char *name; /* of the NT status */
};

/* MS-ERREF 2.3.1. */
static const struct meaning by_status[] = {
    {0xc000000f, SMB_NOT_FOUND, "no such file", "NO_SUCH_FILE"},
    {0xc0000034, SMB_NOT_FOUND, "no such file", "OBJECT_NAME_NOT_FOUND"},
    {0xc0000011, SMB_FAILED, "end of file", "END_OF_FILE"},
    {0xc000003a, SMB_FOLDER_MISSING, "the folder does not exist", "OBJECT_PATH_NOT_FOUND"},
    {0xc00000cc, SMB_SHARE_MISSING, "the server has no such share", "BAD_NETWORK_NAME"},
    {0xc00000c9, SMB_DISCONNECTED, "the server closed the share", "NETWORK_NAME_DELETED"},
    {0xc0000035, SMB_EXISTS, "it exists already", "OBJECT_NAME_COLLISION"},
    {0xc00000ba, SMB_IS_DIRECTORY, "it is a folder", "FILE_IS_A_DIRECTORY"},
    {0xc0000103, SMB_NOT_DIRECTORY, "it is not a folder", "NOT_A_DIRECTORY"},
    {0xc0000101, SMB_NOT_EMPTY, "the folder is not empty", "DIRECTORY_NOT_EMPTY"},
    {0xc0000033, SMB_INVALID_NAME, "the server cannot hold this name", "OBJECT_NAME_INVALID"},
    {0xc000003b, SMB_INVALID_NAME, "the server cannot hold this name", "OBJECT_PATH_SYNTAX_BAD"},
    {0xc0000039, SMB_INVALID_NAME, "the server cannot hold this name", "OBJECT_PATH_INVALID"},
    {0xc0000106, SMB_INVALID_NAME, "the name is too long for the server", "NAME_TOO_LONG"},
    {0xc0000022, SMB_ACCESS_DENIED, "access denied", "ACCESS_DENIED"},
    {0xc00000a2, SMB_ACCESS_DENIED, "the share is read-only", "MEDIA_WRITE_PROTECTED"},
    {0xc0000061, SMB_ACCESS_DENIED, "a privilege is not held", "PRIVILEGE_NOT_HELD"},
    {0xc0000121, SMB_ACCESS_DENIED, "it cannot be deleted (read-only?)", "CANNOT_DELETE"},
    {0xc00000ca, SMB_ACCESS_DENIED, "network access denied", "NETWORK_ACCESS_DENIED"},
    {0xc000006d, SMB_AUTH_FAILED, "user name or password is wrong", "LOGON_FAILURE"},
    {0xc000006a, SMB_AUTH_FAILED, "the password is wrong", "WRONG_PASSWORD"},
    {0xc0000064, SMB_AUTH_FAILED, "no such user", "NO_SUCH_USER"},
    {0xc000006e, SMB_AUTH_FAILED, "the account may not log on so (Protected Users need Kerberos)",
     "ACCOUNT_RESTRICTION"},
    {0xc000006f, SMB_AUTH_FAILED, "the account may not log on at this hour", "INVALID_LOGON_HOURS"},
    {0xc0000070, SMB_AUTH_FAILED, "the account may not log on from this computer", "INVALID_WORKSTATION"},
    {0xc0000071, SMB_AUTH_FAILED, "the password has expired", "PASSWORD_EXPIRED"},
    {0xc0000072, SMB_AUTH_FAILED, "the account is disabled", "ACCOUNT_DISABLED"},
    {0xc0000193, SMB_AUTH_FAILED, "the account has expired", "ACCOUNT_EXPIRED"},
    {0xc0000224, SMB_AUTH_FAILED, "the password must be changed", "PASSWORD_MUST_CHANGE"},
    {0xc0000234, SMB_AUTH_FAILED, "the account is locked", "ACCOUNT_LOCKED_OUT"},
    {0xc000015b, SMB_AUTH_FAILED, "this kind of logon is not granted to the account", "LOGON_TYPE_NOT_GRANTED"},
    {0xc000005e, SMB_UNREACHABLE, "the server reaches no logon server (domain controller)", "NO_LOGON_SERVERS"},
    {0xc0000233, SMB_UNREACHABLE, "the server finds no domain controller", "DOMAIN_CONTROLLER_NOT_FOUND"},
    {0xc0000418, SMB_AUTH_FAILED, "the server or its domain takes no NTLM: a logon by Kerberos may do", "NTLM_BLOCKED"},
    {0xc000018d, SMB_AUTH_FAILED, "the server has lost its trust account in the domain",
     "TRUSTED_RELATIONSHIP_FAILURE"},
    {0xc000018b, SMB_AUTH_FAILED, "the server has no account in the domain", "NO_TRUST_SAM_ACCOUNT"},
    {0xc0000133, SMB_AUTH_FAILED, "the clocks of client and server differ too much", "TIME_DIFFERENCE_AT_DC"},
    {0xc0000413, SMB_AUTH_FAILED, "the server's policy refuses this logon", "AUTHENTICATION_FIREWALL_FAILED"},
    {0xc0000043, SMB_BUSY, "it is open elsewhere", "SHARING_VIOLATION"},
    {0xc0000054, SMB_BUSY, "it is locked elsewhere", "FILE_LOCK_CONFLICT"},
    {0xc0000055, SMB_BUSY, "it is locked elsewhere", "LOCK_NOT_GRANTED"},
    {0xc0000056, SMB_BUSY, "it is being deleted", "DELETE_PENDING"},
    {0xc00000d0, SMB_BUSY, "the server takes no more requests", "REQUEST_NOT_ACCEPTED"},
    {0xc00000ce, SMB_BUSY, "the server takes no more sessions", "TOO_MANY_SESSIONS"},
    {0xc0000205, SMB_BUSY, "the server is out of resources", "INSUFF_SERVER_RESOURCES"},
    {0xc000007f, SMB_NO_SPACE, "the disk is full", "DISK_FULL"},
    {0xc0000044, SMB_NO_SPACE, "the quota is exhausted", "QUOTA_EXCEEDED"},
    {0xc0000802, SMB_NO_SPACE, "the quota is exhausted", "DISK_QUOTA_EXCEEDED"},
    {0xc00000b5, SMB_TIMEOUT, "no answer in time", "IO_TIMEOUT"},
    {0xc000020d, SMB_DISCONNECTED, "the connection was reset", "CONNECTION_RESET"},
    {0xc000020c, SMB_DISCONNECTED, "the connection broke", "CONNECTION_DISCONNECTED"},
    {0xc0000203, SMB_DISCONNECTED, "the server ended the session", "USER_SESSION_DELETED"},
    {0xc000035c, SMB_DISCONNECTED, "the session has expired", "NETWORK_SESSION_EXPIRED"},
    {0xc0000128, SMB_DISCONNECTED, "the server closed the file", "FILE_CLOSED"},
    {0xc00000bb, SMB_UNSUPPORTED, "the server does not support this", "NOT_SUPPORTED"},
    {0xc0000002, SMB_UNSUPPORTED, "the server does not support this", "NOT_IMPLEMENTED"},
    {0xc0000010, SMB_UNSUPPORTED, "the server does not support this", "INVALID_DEVICE_REQUEST"},
    {0xc00000d4, SMB_UNSUPPORTED, "source and target lie on different file systems", "NOT_SAME_DEVICE"},
    {0xc0000236, SMB_UNREACHABLE, "connection refused", "CONNECTION_REFUSED"},
    {0x8000002d, SMB_UNSUPPORTED, "a link that the server does not follow", "STOPPED_ON_SYMLINK"},
    {0xc0000904, SMB_NO_SPACE, "the file is too large for the server", "FILE_TOO_LARGE"},
};

static const struct meaning by_errno[] = {
    {ENOENT, SMB_NOT_FOUND, "no such file", NULL},
    {EEXIST, SMB_EXISTS, "it exists already", NULL},
    {EISDIR, SMB_IS_DIRECTORY, "it is a folder", NULL},
    {ENOTDIR, SMB_NOT_DIRECTORY, "it is not a folder", NULL},
    {ENOTEMPTY, SMB_NOT_EMPTY, "the folder is not empty", NULL},
    {EACCES, SMB_ACCESS_DENIED, "access denied", NULL},
    {EPERM, SMB_ACCESS_DENIED, "access denied", NULL},
    {EROFS, SMB_ACCESS_DENIED, "the share is read-only", NULL},
    {EBUSY, SMB_BUSY, "it is open elsewhere", NULL},
    {ETXTBSY, SMB_BUSY, "it is open elsewhere", NULL},
    {ENOSPC, SMB_NO_SPACE, "the disk is full", NULL},
    {EDQUOT, SMB_NO_SPACE, "the quota is exhausted", NULL},
    {EFBIG, SMB_NO_SPACE, "the file is too large for the server", NULL},
    {ETIMEDOUT, SMB_TIMEOUT, "no answer in time", NULL},
    {ECONNREFUSED, SMB_UNREACHABLE, "connection refused", NULL},
    {EHOSTUNREACH, SMB_UNREACHABLE, "no route to the server", NULL},
    {ENETUNREACH, SMB_UNREACHABLE, "no route to the server", NULL},
    {ECONNRESET, SMB_DISCONNECTED, "the connection was reset", NULL},
    {ECONNABORTED, SMB_DISCONNECTED, "the connection broke", NULL},
    {ENETRESET, SMB_DISCONNECTED, "the connection was reset", NULL},
    {ENOTCONN, SMB_DISCONNECTED, "the connection broke", NULL},
    {EPIPE, SMB_DISCONNECTED, "the connection broke", NULL},
    {EIO, SMB_DISCONNECTED, "the connection broke", NULL},
    {ENAMETOOLONG, SMB_INVALID_NAME, "the name is too long for the server", NULL},
    {EILSEQ, SMB_INVALID_NAME, "the server cannot hold this name", NULL},
    {ENOSYS, SMB_UNSUPPORTED, "the server does not support this", NULL},
    {ENOTSUP, SMB_UNSUPPORTED, "the server does not support this", NULL},
    {EXDEV, SMB_UNSUPPORTED, "source and target lie on different servers", NULL},
    {ENOMEM, SMB_FAILED, "the worker is out of memory", NULL},
};

static const struct meaning *look_up(const struct meaning *table, size_t count, uint32_t key)
{
	for (size_t i = 0; i < count; i++)
		if (table[i].key == key)
			return &table[i];
	return NULL;
}

#define LOOK_UP(table, key) look_up(table, sizeof(table) / sizeof(table)[0], key)

static bool fault_status(struct smb_fault *fault, enum smb_code code, const char *text, const char *name)
{
	fault->code = (uint32_t)code;
	snprintf(fault->text, sizeof fault->text, "%s (NT_STATUS_%s)", text, name);
	return false;
}

/* Before the logon ended the same errno says other things: which step failed decides. */
static bool while_connecting(struct smb_fault *fault, enum smb_step step, int error)
{
	const struct meaning *m = LOOK_UP(by_errno, (uint32_t)error);
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

static bool unknown_status(struct smb_fault *fault, enum smb_step step, uint32_t status)
{
	fault->code = step == SMB_STEP_LOGON ? SMB_AUTH_FAILED : SMB_FAILED;
	snprintf(fault->text, sizeof fault->text, "%s (NT_STATUS_0x%08X)",
		 step == SMB_STEP_LOGON ? "the logon was refused" : "the server refused the request", (unsigned)status);
	return false;
}

void fault_is(struct smb_fault *fault, enum smb_code code, const char *text)
{
	const struct meaning *m = LOOK_UP(by_status, fault->status);
	if (m != NULL)
		fault_status(fault, code, text, m->name);
	else
		fault_set(fault, code, text);
}

bool fault_remote(struct smb_fault *fault, enum smb_step step, uint32_t status, int error, bool broken)
{
	const struct meaning *m = LOOK_UP(by_status, status);

	fault->step = (uint32_t)step;
	fault->status = status;
	fault->error = error;
	if (m != NULL) {
		/* The server speaks of the share or the logon, not of a file. */
		if (step == SMB_STEP_LOGON && m->code == SMB_ACCESS_DENIED)
			return fault_status(fault, SMB_AUTH_FAILED, "the logon was refused", m->name);
		if (step == SMB_STEP_NEGOTIATE && m->code == SMB_UNSUPPORTED)
			return fault_status(fault, SMB_PROTOCOL, "client and server have no dialect in common",
					    m->name);
		return fault_status(fault, m->code, m->text, m->name);
	}
	if (broken && step >= SMB_STEP_NEGOTIATE)
		return fault_set(fault, SMB_DISCONNECTED, "the connection broke");
	if (status != 0)
		return unknown_status(fault, step, status);
	if (step < SMB_STEP_FILE)
		return while_connecting(fault, step, error);
	m = LOOK_UP(by_errno, (uint32_t)error);
	if (m != NULL)
		return fault_set(fault, m->code, m->text);
	return fault_errno(fault, SMB_FAILED, "the request failed", error);
}

void fault_guest(struct smb_fault *fault)
{
	fault_set(fault, SMB_AUTH_FAILED, "the server does not know the user and would let a guest in");
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
