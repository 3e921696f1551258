#include "failure.h"

#include "bounds.h"
#include "fault.h"
#include "follow.h"
#include "frame.h"
#include "logon.h"
#include "logon_frames.h"
#include "netbios.h"
#include "wire.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* MS-ERREF 2.3.1 */
bool failure_ends_session(void)
{
	const uint32_t network_name_deleted = 0xc00000c9, user_session_deleted = 0xc0000203,
		       session_expired = 0xc000035c;
	uint32_t status = wire_status();

	return status == network_name_deleted || status == user_session_deleted || status == session_expired;
}

/* A name such as NetBIOS has may be known there and nowhere else. An address is no name: its scope is a device. */
static void failure_advise_name(const struct smb_connect *target, struct smb_fault *fault)
{
	const char *server = links_server(follow_place()), *scope = strchr(server, '%');
	const size_t longest = 15;

	if (scope != NULL)
		snprintf(fault->text, sizeof fault->text, "there is no network device '%.100s'", scope + 1);
	if (target->broadcast || strpbrk(server, ".:") != NULL || strlen(server) > longest)
		return;
	fault_set(fault, SMB_HOST_NOT_FOUND,
		  "the server's name does not resolve (broadcast = true asks the local network, where anybody may "
		  "answer and get the logon)");
}

/* That another server holds the path is a step on the way, unless nothing comes after it. */
static uint32_t failure_status(void)
{
	bool is_last = wire_is_uncovered() && wire_step() == SMB_STEP_FILE && wire_status() == 0 && !wire_is_broken();
	return is_last ? STATUS_PATH_NOT_COVERED : wire_status();
}

/* The library itself did not go on, though the server has refused nothing. */
static bool failure_is_the_librarys(void)
{
	return wire_status() == 0 && !wire_is_broken() && !wire_hides_status();
}

/* Whether the library could make nothing of an answer that was no refusal. */
static bool failure_is_nonsense(const struct smb_fault *fault)
{
	return failure_is_the_librarys() && bounds_was_answered() && fault->code == SMB_FAILED &&
	       (fault->error == EINVAL || fault->error == 0);
}

/* Where the server, or the library, refuses a logon for what was agreed before. True when that is so. */
static bool failure_of_agreement(const struct smb_connect *target, const struct smb_info *info, struct smb_fault *fault)
{
	const uint32_t access_denied = 0xc0000022, smb3 = 0x0300;
	bool is_sent = logon_frames_mechanism() != SMB_MECHANISM_UNKNOWN;

	if (wire_step() == SMB_STEP_SHARE && failure_is_the_librarys() && fault->code == SMB_ACCESS_DENIED)
		return !fault_meddled(fault);
	if (wire_step() == SMB_STEP_LOGON && failure_is_the_librarys() && !is_sent && !identity_wants_kerberos(target))
		return !fault_set(fault, SMB_PROTOCOL,
				  target->signing == SMB_DEMAND_OFF
				      ? "the server requires signing, and signing is off"
				      : "the server's answer to the negotiation is not one that can be used");
	if (wire_step() == SMB_STEP_LOGON && wire_status() == access_denied && info->dialect > 1 &&
	    info->dialect < smb3) {
		fault_is(fault, SMB_PROTOCOL,
			 "the server refuses the logon: it may require encryption, which begins with SMB3");
		return true;
	}
	if (wire_step() == SMB_STEP_SHARE && wire_status() == access_denied && info->dialect < smb3)
		fault_is(fault, SMB_ACCESS_DENIED,
			 "access denied, or the share requires encryption, which begins with SMB3");
	if (wire_step() == SMB_STEP_LOGON && failure_is_the_librarys() && fault->error == EINVAL &&
	    !identity_wants_kerberos(target))
		return !fault_set(fault, SMB_PROTOCOL, "the server's answer to the logon is not one that can be used");
	return false;
}

/* What is known of a failed request; of a logon more than the server says. */
static bool failure_of_request(const struct smb_connect *target, const struct identity *identity, int error,
			       struct smb_fault *fault)
{
	bool logs_on = wire_step() == SMB_STEP_TICKET || wire_step() == SMB_STEP_LOGON;
	struct smb_info info;

	fault_remote(fault, wire_step(), failure_status(), error, wire_is_broken());
	if (wire_step() <= SMB_STEP_NEGOTIATE && netbios_explain(fault))
		return false;
	if (fault->code == SMB_HOST_NOT_FOUND)
		failure_advise_name(target, fault);
	if (!(logs_on && identity_wants_kerberos(target)) && failure_is_nonsense(fault))
		return fault_set(fault, wire_step() == SMB_STEP_FILE ? SMB_FAILED : SMB_PROTOCOL,
				 "the server's answer is not one that can be used");
	wire_info(&info);
	if (failure_of_agreement(target, &info, fault) || !logs_on || wire_is_broken())
		return false;
	if (identity_wants_kerberos(target) && logon_frames_mechanism() != SMB_MECHANISM_NTLM)
		identity_explain(target, links_server(follow_place()), identity, &info, wire_status(), fault);
	else if (target->domain[0] == '\0')
		identity_hint(target, logon_frames_domain(), fault);
	return false;
}

static bool failure_of_links(const struct smb_connect *target, struct smb_fault *fault)
{
	return fault_set(fault, SMB_UNSUPPORTED,
			 target->dfs ? "a link leads to another share or server (DFS): what is there is left alone"
				     : "a link leads to another share or server (DFS), and dfs is off");
}

bool failure_explain(const struct smb_connect *target, const struct identity *identity, const struct smb_fault *stopped,
		     int error, struct smb_fault *fault)
{
	switch (wire_refusal()) {
	case REFUSED_CLEAR:
		return fault_set(fault, SMB_PROTOCOL,
				 target->share[0] == '\0'
				     ? "encryption is required, and libsmbclient lists shares in clear, unless the "
				       "server encrypts all that it says"
				     : "encryption is required, but the library would send clear text (the server does "
				       "not offer encryption, its dialect is below SMB3, or it has 'host msdfs = no')");
	case REFUSED_UNSIGNED:
		return fault_set(fault, SMB_PROTOCOL, "signing is required, but the server does not sign");
	case REFUSED_NOBODY: return fault_set(fault, SMB_AUTH_FAILED, "the logon would have been one without a name");
	case REFUSED_LOST: return fault_set(fault, SMB_DISCONNECTED, "the answer to the logon was lost");
	case REFUSED_CANCELLED: return fault_set(fault, SMB_CANCELLED, "cancelled");
	case REFUSED_ELSEWHERE: return failure_of_links(target, fault);
	case REFUSED_REPLACE: return fault_set(fault, SMB_EXISTS, "it exists already");
	case REFUSED_ENDLESS:
		return fault_set(fault, SMB_FAILED,
				 "the server lists more than 256 MiB of names, which is no longer read");
	case REFUSED_UNTAKEN:
		return fault_set(fault, SMB_FAILED,
				 "the server says that all is well, and takes hardly anything of what is sent");
	case REFUSED_NONSENSE:
		return fault_set(fault, SMB_FAILED, "the server's answer is not one that can be used");
	case REFUSED_STOPPED: *fault = *stopped; return false;
	case REFUSED_PASSWORD:
		if (!logon_refused(fault))
			fault_set(fault, SMB_AUTH_FAILED, "the logon was refused, and is not tried again");
		return false;
	default: break;
	}
	if (wire_is_guest()) {
		fault_guest(fault);
		return false;
	}
	return failure_of_request(target, identity, error, fault);
}
