#include "follow.h"

#include "connection.h"
#include "elsewhere.h"
#include "fault.h"
#include "logon.h"
#include "logon_frames.h"
#include "referral_watch.h"
#include "wire.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { FOLLOW_HOPS = 8 /* links on the way to one file */ };

static struct {
	const struct smb_connect *target;
	uint32_t place;
	unsigned hops;   /* referrals in this call */
	bool is_staying; /* what lies in other places than `stay` is left alone */
	uint32_t stay;
} follow;

bool follow_start(const struct smb_connect *target)
{
	follow.target = target;
	return links_begin(target);
}

/* ---- what others ask ---- */

uint32_t follow_place(void)
{
	return follow.place;
}

bool follow_is_foreign(void)
{
	return follow.place != LINKS_HERE && strcasecmp(links_server(follow.place), follow.target->server) != 0;
}

uint32_t follow_answered(void)
{
	return follow.place != LINKS_HERE ? follow.place : wire_place();
}

void follow_stay(bool on, uint32_t place)
{
	follow.is_staying = on;
	follow.stay = place;
	elsewhere_stay(on, place);
}

bool follow_has_links(void)
{
	return links_any() || wire_has_links();
}

/* ---- a call ---- */

void follow_begin(void)
{
	follow.hops = 0;
}

void follow_end(void)
{
	links_answered(follow.place);
}

static bool follow_may(enum follow_use use, const char *path, struct smb_fault *fault)
{
	bool is_link = links_is_link(follow.place, path);

	if (follow.is_staying && follow.place != LINKS_HERE && follow.place != follow.stay)
		return fault_set(fault, SMB_UNSUPPORTED,
				 "a link leads to another share or server (DFS): what is there is left alone");
	if (is_link && use == FOLLOW_REMOVES)
		return fault_set(fault, SMB_UNSUPPORTED,
				 "it is a link to another share or server (DFS), which is left alone");
	if (is_link && use == FOLLOW_MAKES)
		return fault_set(fault, SMB_EXISTS, "it exists already");
	return true;
}

/* Says which target failed, unless the failure is the file's. The NT status stays the last word. */
static void follow_name(struct smb_fault *fault)
{
	char *status = strstr(fault->text, " (NT_STATUS_"), end[64];
	size_t used = status != NULL ? (size_t)(status - fault->text) : strlen(fault->text);

	switch ((enum smb_code)fault->code) {
	case SMB_NOT_FOUND:
	case SMB_FOLDER_MISSING:
	case SMB_EXISTS:
	case SMB_IS_DIRECTORY:
	case SMB_NOT_DIRECTORY:
	case SMB_NOT_EMPTY:
	case SMB_CANCELLED: return;
	default: break;
	}
	if (follow.place == LINKS_HERE)
		return;
	snprintf(end, sizeof end, "%s", fault->text + used);
	snprintf(fault->text + used, sizeof fault->text - used, " (DFS: %.150s)%s", links_name(follow.place), end);
}

/*
 * A target that is silent leaves time to try another one, and to say which one it is: the module ends the worker at
 * short_timeout.
 */
static void follow_limit(void)
{
	uint32_t ms = follow.target->short_timeout;

	if (follow.place != LINKS_HERE)
		connection_limit(links_has_another(follow.place) ? ms / 2 : ms - ms / 10);
}

bool follow_go(enum follow_use use, const char *path, struct smb_fault *fault)
{
	follow.place = links_place(path);
	logon_frames_go_elsewhere(follow_is_foreign() ? links_server(follow.place) : NULL);
	if (follow.place != LINKS_HERE)
		wire_use(NULL);
	follow_limit();
	if (!follow_may(use, path, fault))
		return false;
	if (!follow_is_foreign() || !logon_was_refused_at(links_server(follow.place)))
		return true;
	fault_set(fault, SMB_AUTH_FAILED, "the logon was refused, and is not tried again");
	follow_name(fault);
	return false;
}

bool follow_referral(void)
{
	const struct referral *referral = referral_watch_found();
	return referral != NULL && follow.target->dfs && ++follow.hops <= FOLLOW_HOPS &&
	       links_add(follow.place, referral);
}

/* A target that cannot be reached, or has no such share. What it says of the password other targets would say, too. */
static bool follow_target_failed(const struct smb_fault *fault)
{
	return follow.place != LINKS_HERE && wire_step() < SMB_STEP_FILE && fault->code != SMB_AUTH_FAILED &&
	       fault->code != SMB_CANCELLED && fault->code != SMB_PROTOCOL;
}

bool follow_next(struct smb_fault *fault)
{
	if (connection_was_late()) {
		fault->status = 0;
		fault_set(fault, SMB_TIMEOUT, "no answer in time");
	}
	if (follow_target_failed(fault) && links_try_next(follow.place)) {
		memset(fault, 0, sizeof *fault);
		return true;
	}
	follow_name(fault);
	return false;
}
