#include "connect.h"

#include "addresses.h"
#include "connection.h"
#include "elsewhere.h"
#include "fault.h"
#include "identity.h"
#include "probe.h"
#include "session.h"
#include "wire.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Whether the fault is the connection's, and not the file's that was asked for. */
static bool connect_failed(const struct smb_fault *fault)
{
	switch (fault->code) {
	case SMB_DISCONNECTED:
	case SMB_TIMEOUT:
	case SMB_PROTOCOL:
	case SMB_AUTH_FAILED:
	case SMB_CANCELLED: return true;
	default: return wire_step() != SMB_STEP_FILE;
	}
}

static bool connect_keep(struct smb_fault *fault)
{
	session_keep_identity();
	return wire_keeps_demand() || fault_set(fault, SMB_PROTOCOL,
						"what is required of the connection cannot be checked: this "
						"libsmbclient sends in a way that smb-worker does not see");
}

/*
 * A name that is not UTF-8 cannot be put into a request: the library does all that comes before one, and sends none.
 * Where something is demanded of all that is sent, a request shows that at once.
 */
static bool connect_open(const struct smb_connect *target, struct smb_fault *fault)
{
	bool demanding = target->encryption == SMB_DEMAND_REQUIRED || target->signing == SMB_DEMAND_REQUIRED;
	struct session_file *file;

	if (target->share[0] == '\0')
		return session_open_server(fault) && connect_keep(fault);
	file = session_open(demanding ? SESSION_ABSENT_FILE : "\xff", 0, NULL, fault);
	if (file != NULL && !session_close(file, fault))
		return false;
	if (fault->code == SMB_ACCESS_DENIED && fault->status == 0 && !wire_hides_status())
		fault_meddled(fault);
	if (connect_failed(fault))
		return false;
	if (wire_is_printer())
		return fault_set(fault, SMB_UNSUPPORTED, "this is a printer's share, and none for files");
	memset(fault, 0, sizeof *fault);
	return connect_keep(fault);
}

/* An address that takes connections and is silent is left for the next one, which addresses.c puts first. */
static bool connect_try_addresses(const struct smb_connect *target, struct smb_fault *fault)
{
	while (!connect_open(target, fault)) {
		if (!connection_was_late() || !addresses_go_on())
			return false;
		memset(fault, 0, sizeof *fault);
	}
	return true;
}

static bool connect_hangs_up(const struct smb_fault *fault)
{
	return wire_step() == SMB_STEP_NEGOTIATE && fault->code == SMB_DISCONNECTED;
}

/* Servers that are full hang up at once, and so do those that speak SMB1 only. */
static void connect_explain_hang_up(const struct smb_connect *target, struct smb_fault *fault)
{
	if (probe_speaks_smb1_only(target))
		fault_set(fault, SMB_PROTOCOL,
			  "the server speaks SMB1 only, which is not allowed here (min_protocol = \"NT1\" allows it)");
	else
		fault_set(fault, SMB_DISCONNECTED,
			  "the server hangs up at once: it may take no more connections for the moment, or refuse this "
			  "computer");
}

bool connect_share(const struct smb_connect *target, struct smb_fault *fault)
{
	const struct demand demand = {
	    .encryption = target->encryption == SMB_DEMAND_REQUIRED,
	    .signing = target->signing == SMB_DEMAND_REQUIRED,
	    .named = !target->anonymous,
	    .kerberos = !identity_may_use_ntlm(target),
	};

	if (target->ccache[0] != '\0')
		setenv("KRB5CCNAME", target->ccache, 1);
	wire_demand(&demand);
	elsewhere_bind(target->dfs == 0);
	if (strcasecmp(target->share, "IPC$") == 0)
		return fault_set(fault, SMB_UNSUPPORTED, "IPC$ is no share for files");
	if (!session_prepare(target, fault))
		return false;
	if (connect_try_addresses(target, fault))
		return true;
	/* A server that knows no dialect of ours hangs up each time, one that was just stopped only once. */
	if (!connect_hangs_up(fault))
		return false;
	if (connect_open(target, fault))
		return true;
	if (connect_hangs_up(fault))
		connect_explain_hang_up(target, fault);
	return false;
}
