#include "fault.h"
#include "follow.h"
#include "links.h"
#include "referral_watch.h"
#include "session_calls.h"
#include "shared/previous.h"
#include "wire.h"

#include <errno.h>
#include <stdlib.h>

/* Not all calls of the library ask where a path lies that another server holds: one that does is made in between. */
static void paths_ask_where(const char *url)
{
	struct stat st;

	if (wire_is_uncovered() && referral_watch_found() == NULL && wire_status() == 0)
		session_do_stat(url, &st);
}

/* Asks the library where the path lies, as far as that is known; `asked` is false when nothing was asked. */
static int paths_act(enum follow_use use, enum smb_patience patience, const char *path, session_action *act,
		     void *context, bool *asked, struct smb_fault *fault)
{
	char *url = NULL;
	int result = -1, error;

	*asked = session_begin(patience, fault) && follow_go(use, path, fault);
	if (!*asked)
		return -1;
	url = links_url(follow_place(), path);
	errno = ENOMEM;
	if (url != NULL)
		result = act(url, context);
	error = errno;
	if (result < 0 && url != NULL)
		paths_ask_where(url);
	free(url);
	errno = error;
	return result;
}

bool session_call(enum follow_use use, enum smb_patience patience, const char *path, session_action *act,
		  void *context, struct smb_fault *fault)
{
	bool asked;

	follow_begin();
	while (paths_act(use, patience, path, act, context, &asked, fault) < 0) {
		int error = errno;
		if (!asked)
			return false;
		if (follow_referral())
			continue;
		session_failed_with(fault, error);
		if (!follow_next(fault))
			return false;
	}
	follow_end();
	return true;
}

bool session_read_at(const char *path, session_action *act, void *context, struct smb_fault *fault)
{
	return session_call(FOLLOW_READS, SMB_PATIENCE_SHORT, path, act, context, fault);
}

/* Of a previous version the library would change the living file. */
bool session_change_at(enum follow_use use, const char *path, session_action *act, void *context,
		       struct smb_fault *fault)
{
	if (previous_is_meant(path))
		return fault_set(fault, SMB_INVALID_NAME,
				 "a part '@GMT-...' means a previous version, which can only be read");
	return session_call(use, SMB_PATIENCE_SHORT, path, act, context, fault);
}
