#include "watch.h"

#include "fault.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static struct {
	int socket, host;
	const struct smb_shared *shared;
	uint32_t clean_up_ms;
	_Atomic bool gone;
	_Atomic unsigned debts;
} watch;

static void wait_for_end(void)
{
	struct pollfd polled[2] = {{.fd = watch.socket, .events = POLLRDHUP}, {.fd = watch.host, .events = POLLIN}};
	while (poll(polled, 2, -1) <= 0)
		;
}

static void *run(void *unused)
{
	struct timespec left;

	(void)unused;
	wait_for_end();
	atomic_store(&watch.gone, true);
	if (atomic_load(&watch.debts) == 0)
		_exit(0);
	left = (struct timespec){watch.clean_up_ms / 1000, (long)(watch.clean_up_ms % 1000) * 1000000};
	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
	_exit(1);
}

/* Where there may be few processes, those that are just ending count until they are reaped. */
static int create(pthread_t *thread)
{
	const struct timespec while_they_end = {0, 5000000};
	int error, tries = 40;

	while ((error = pthread_create(thread, NULL, run, NULL)) == EAGAIN && tries-- > 0)
		nanosleep(&while_they_end, NULL);
	return error;
}

bool watch_start(int socket, int host, const struct smb_shared *shared, uint32_t clean_up_ms)
{
	sigset_t all, before;
	pthread_t thread;
	int error;

	watch.socket = socket;
	watch.host = host;
	watch.shared = shared;
	watch.clean_up_ms = clean_up_ms;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	error = create(&thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error == 0)
		pthread_detach(thread);
	return error == 0;
}

uint32_t watch_clean_up_ms(void)
{
	return watch.clean_up_ms;
}

bool watch_cancelled(void)
{
	return atomic_load(&watch.shared->cancel) || atomic_load(&watch.gone);
}

bool watch_stops(struct smb_fault *fault)
{
	if (!watch_cancelled())
		return false;
	fault_set(fault, SMB_CANCELLED, "cancelled");
	return true;
}

/* The order matters: either the thread sees that something is owed, or this sees that the module has gone. */
bool watch_owe(void)
{
	atomic_fetch_add(&watch.debts, 1);
	if (!atomic_load(&watch.gone))
		return true;
	watch_settle();
	return false;
}

void watch_settle(void)
{
	atomic_fetch_sub(&watch.debts, 1);
}
