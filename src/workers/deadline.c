#include "deadline.h"

#include "shared/clock.h"

void deadline_start(struct deadline *d)
{
	d->asked = d->quiet_since = clock_ms();
}

void deadline_restart(struct deadline *d)
{
	d->quiet_since = clock_ms();
}

/* Whether what the worker has done since the last look extends the limit. */
static bool deadline_extends(const struct deadline_counts *seen, const struct deadline_counts *counts,
			     const struct smb_shared *page, enum smb_patience patience, enum deadline_for what)
{
	/* the server's limits do not hold for the local disk */
	bool is_local = atomic_load(&page->step) == SMB_STEP_LOCAL;

	if (counts->turns != seen->turns) /* it waits for another worker's logon, not for the server */
		return true;
	if (what == DEADLINE_REPLY && (is_local || counts->steps != seen->steps))
		return true;
	return patience == SMB_PATIENCE_DATA && counts->moved != seen->moved;
}

int64_t deadline_left(struct deadline *d, const struct smb_shared *page, const struct link_limits *limits,
		      enum deadline_for what)
{
	struct deadline_counts counts = {atomic_load(&page->steps), atomic_load(&page->turns),
					 atomic_load(&page->moved)};
	uint32_t patience = atomic_load(&page->patience);
	int64_t now = clock_ms();
	bool extends = false;

	if (what == DEADLINE_CANCEL || what == DEADLINE_AHEAD || patience >= SMB_PATIENCE_COUNT)
		patience = SMB_PATIENCE_SHORT;
	else
		extends = deadline_extends(&d->seen, &counts, page, patience, what);
	if (what == DEADLINE_AHEAD) /* a listing, which may move for as long as one may take */
		extends = counts.moved != d->seen.moved && now - d->asked < limits->allowed[SMB_PATIENCE_LIST];
	if (extends)
		d->quiet_since = now;
	d->seen = counts;
	return d->quiet_since + limits->allowed[patience] - now;
}
