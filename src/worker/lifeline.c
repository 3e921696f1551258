#include "lifeline.h"

#include "counters.h"
#include "fault.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static struct {
	int socket, host;
	uint32_t clean_up_ms;
	_Atomic bool gone;
	_Atomic unsigned debts;
} lifeline;

static void wait_for_end(void)
{
	struct pollfd polled[2] = {{.fd = lifeline.socket, .events = POLLRDHUP},
				   {.fd = lifeline.host, .events = POLLIN}};
	while (poll(polled, 2, -1) <= 0)
		;
}

static void *run(void *unused)
{
	struct timespec left;

	(void)unused;
	wait_for_end();
	atomic_store(&lifeline.gone, true);
	if (atomic_load(&lifeline.debts) == 0)
		_exit(0);
	left = (struct timespec){lifeline.clean_up_ms / 1000, (long)(lifeline.clean_up_ms % 1000) * 1000000};
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

bool lifeline_start(int socket, int host, uint32_t clean_up_ms)
{
	sigset_t all, before;
	pthread_t thread;
	int error;

	lifeline.socket = socket;
	lifeline.host = host;
	lifeline.clean_up_ms = clean_up_ms;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	error = create(&thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error == 0)
		pthread_detach(thread);
	errno = error;
	return error == 0;
}

uint32_t lifeline_clean_up_ms(void)
{
	return lifeline.clean_up_ms;
}

bool lifeline_cancelled(void)
{
	return counters_is_cancelled() || atomic_load(&lifeline.gone);
}

bool lifeline_is_orphaned(void)
{
	return atomic_load(&lifeline.gone);
}

bool lifeline_stops(struct smb_fault *fault)
{
	if (!lifeline_cancelled())
		return false;
	fault_set(fault, SMB_CANCELLED, "cancelled");
	return true;
}

/* The order matters: either the thread sees that something is owed, or this sees that the module has gone. */
bool lifeline_owe(void)
{
	atomic_fetch_add(&lifeline.debts, 1);
	if (!atomic_load(&lifeline.gone))
		return true;
	lifeline_settle();
	return false;
}

void lifeline_settle(void)
{
	atomic_fetch_sub(&lifeline.debts, 1);
}
