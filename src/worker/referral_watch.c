#include "referral_watch.h"

#include "stream.h"

static struct {
	bool is_asking, is_found;
	struct referral referral;
} referral_watch;

void referral_watch_begin_call(void)
{
	referral_watch.is_asking = referral_watch.is_found = false;
}

const struct referral *referral_watch_found(void)
{
	return referral_watch.is_found ? &referral_watch.referral : NULL;
}

void referral_watch_sent(const struct frame *f)
{
	if (referral_read_request(&referral_watch.referral, f))
		referral_watch.is_asking = true;
}

/* When the library connects it asks about the share itself, and goes where the answer says. */
void referral_watch_arrived(const struct frame *f)
{
	bool is_answer = frame_is(f, FRAME_SMB2, SMB2_IOCTL) || frame_is(f, FRAME_SMB1, SMB1_TRANSACTION2);

	if (!referral_watch.is_asking || !is_answer || frame_status(f) == STATUS_PENDING)
		return;
	referral_watch.is_asking = false;
	referral_watch.is_found =
	    referral_read_answer(&referral_watch.referral, f) && referral_watch.referral.link[0] != '\0';
}

void referral_watch_encrypts(const struct iovec *parts, int count)
{
	static uint8_t bytes[STREAM_MOST];
	struct frame f = {bytes, stream_gather(parts, count, bytes, sizeof bytes)};

	referral_watch_sent(&f);
}

void referral_watch_decrypted(const struct iovec *parts, int count)
{
	static uint8_t bytes[STREAM_MOST];
	struct frame f = {bytes, 0};

	if (!referral_watch.is_asking)
		return;
	f.size = stream_gather(parts, count, bytes, sizeof bytes);
	referral_watch_arrived(&f);
}
