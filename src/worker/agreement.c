#include "agreement.h"

#include "demand.h"
#include "shared/ticks.h"

#include <time.h>

void agreement_sent(struct smb_info *info, const struct frame *f, bool is_logged_on)
{
	switch (frame_kind(f)) {
	case FRAME_ENCRYPTED: info->encryption = info->signing = 1; break;
	case FRAME_SMB2:
		if (demand_carries_nothing(f))
			break;
		info->signing = frame_is_signed(f);
		info->encryption = 0;
		break;
	case FRAME_SMB1:
		if (is_logged_on)
			info->signing = frame_is_signed(f);
		break;
	default: break;
	}
}

/* How far the server's clock is ahead of this machine's. */
static void agreement_note_clock(struct smb_info *info, uint64_t server)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	if (server != 0)
		info->clock_ahead = ticks_of_filetime(server) - ticks_of_timespec(t);
}

/* A server may claim 4 GiB, and buffers are as large as requests. */
static uint32_t agreement_bounded(uint32_t size)
{
	return size < SMB_REQUEST_LIMIT ? size : SMB_REQUEST_LIMIT;
}

static bool agreement_negotiated_smb1(struct smb_info *info, const struct frame *f)
{
	if (!frame_smb1_is_agreed(f))
		return false;
	info->dialect = 1;
	info->max_read_size = info->max_write_size = agreement_bounded(frame_smb1_buffer(f));
	return true;
}

bool agreement_negotiated(struct smb_info *info, const struct frame *f)
{
	const uint32_t wildcard = 0x02ff; /* the server speaks SMB2: the dialect comes with a second NEGOTIATE */
	uint32_t dialect = frame_dialect(f);

	if (frame_kind(f) == FRAME_SMB1)
		return agreement_negotiated_smb1(info, f);
	if (dialect == wildcard)
		return false;
	agreement_note_clock(info, frame_system_time(f));
	info->dialect = dialect;
	info->max_read_size = agreement_bounded(frame_max_read(f));
	info->max_write_size = agreement_bounded(frame_max_write(f));
	info->cipher = 0;
	if (dialect == 0x0311)
		info->cipher = frame_cipher(f);
	else if (dialect >= 0x0300)
		info->cipher = 1;
	return true;
}

void agreement_logged_on(struct smb_info *info, const struct frame *f)
{
	info->guest = frame_is_guest(f);
	if (frame_kind(f) == FRAME_SMB2)
		info->anonymous = frame_is_nobody(f);
}

/* The target of a link need not have links itself. */
void agreement_tree_connected(struct smb_info *info, const struct frame *f)
{
	if (frame_has_links(f))
		info->dfs = 1;
}
