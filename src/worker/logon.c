#include "logon.h"

#include "shared/turn.h"
#include "counters.h"
#include "fault.h"
#include "lifeline.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

static struct {
	struct smb_turn *turn;
	uint32_t self;
	bool open; /* this worker may send the password, or has sent it and waits for the answer */
} logon;

void logon_share(struct smb_turn *turn)
{
	logon.turn = turn;
	logon.self = (uint32_t)getpid();
}

/* ---- waiting ---- */

static enum logon_turn logon_begin(void)
{
	logon.open = true;
	return LOGON_GO;
}

/*
 * Takes the turn from a worker that has died. The module does so when it hears of the death, but the host may be busy
 * with other things then.
 */
static void logon_pass_from_dead(uint32_t holder)
{
	if (kill((pid_t)holder, 0) < 0 && errno == ESRCH)
		turn_pass(logon.turn, holder);
}

/*
 * Waits until another worker's logon has changed something, 50 ms at most. Tells the module that it waits, so that the
 * wait does not count as silence of the server.
 */
static void logon_wait_for_change(uint32_t changes)
{
	const struct timespec moment = {.tv_nsec = 50000000};

	counters_wait_for_turn();
	syscall(SYS_futex, &logon.turn->changes, FUTEX_WAIT, changes, &moment, NULL, 0);
	counters_wait_for_turn();
}

/*
 * Decides whether the worker that holds the turn may send the password. A password that the holder before has sent, and
 * that was not answered, counts as lost.
 */
static enum logon_turn logon_send_first(void)
{
	if (logon.open) /* the same logon asks the KDC once more */
		return LOGON_GO;
	if (atomic_exchange(&logon.turn->sent, 0) != 0)
		atomic_fetch_add(&logon.turn->lost, 1);
	if (atomic_load(&logon.turn->refused) == SMB_TURN_OPEN &&
	    turn_bears(logon.turn, atomic_load(&logon.turn->lost))) {
		atomic_store(&logon.turn->sent, 1);
		return logon_begin();
	}
	turn_pass(logon.turn, logon.self);
	return atomic_load(&logon.turn->refused) == SMB_TURN_OPEN ? LOGON_LOST : LOGON_REFUSED;
}

/* Reads `changes` before it looks at anything else, so that the wait misses no change. */
enum logon_turn logon_await(bool is_elsewhere)
{
	uint32_t accepted = atomic_load(&logon.turn->accepted);

	for (;;) {
		uint32_t changes = atomic_load(&logon.turn->changes), holder = 0;
		if (atomic_load(&logon.turn->refused) != SMB_TURN_OPEN)
			return LOGON_REFUSED;
		if (!is_elsewhere && atomic_load(&logon.turn->accepted) != accepted)
			return logon_begin();
		if (atomic_compare_exchange_strong(&logon.turn->holder, &holder, logon.self) || holder == logon.self)
			return logon_send_first();
		if (lifeline_cancelled())
			return LOGON_CANCELLED;
		logon_wait_for_change(changes);
		logon_pass_from_dead(holder);
	}
}

/* ---- the answer ---- */

void logon_give_up(void)
{
	logon.open = false;
	turn_pass(logon.turn, logon.self);
}

/*
 * The server has answered. A worker that logs on because another one's logon was accepted has not set `sent`, and
 * leaves it alone.
 */
static void logon_settle(void)
{
	if (atomic_load(&logon.turn->holder) == logon.self)
		atomic_store(&logon.turn->sent, 0);
	logon_give_up();
}

/* Closes the turn for all workers. The first of several refusals is kept. */
void logon_refuse(const struct smb_fault *why)
{
	uint32_t expected = SMB_TURN_OPEN;

	if (atomic_compare_exchange_strong(&logon.turn->refused, &expected, SMB_TURN_CLOSING)) {
		logon.turn->refusal = *why;
		atomic_store(&logon.turn->refused, SMB_TURN_CLOSED);
	}
	logon_settle();
	turn_changed(logon.turn);
}

void logon_answered(uint32_t status, bool guest)
{
	struct smb_fault fault;

	if (!logon.open)
		return;
	memset(&fault, 0, sizeof fault);
	if (guest)
		fault_guest(&fault);
	else
		fault_remote(&fault, SMB_STEP_LOGON, status, 0, false);
	if (guest || fault_refuses_password(status)) {
		logon_refuse(&fault);
		return;
	}
	if (status == 0) {
		atomic_fetch_add(&logon.turn->accepted, 1);
		atomic_store(&logon.turn->lost, 0);
	}
	logon_settle();
	if (status == 0)
		turn_changed(logon.turn);
}

void logon_says_nothing(void)
{
	logon_settle();
}

/* ---- servers that DFS links lead to ---- */

/* Hashes a server's name in small letters by FNV-1a. 0 stands for an empty place, and is never returned. */
static uint32_t logon_hash(const char *server)
{
	uint32_t hash = 2166136261u;

	for (; *server != '\0'; server++)
		hash = (hash ^ (uint32_t)tolower((unsigned char)*server)) * 16777619u;
	return hash | 1;
}

void logon_refuse_at(const char *server)
{
	for (size_t i = 0; i < SMB_SERVERS_ELSEWHERE && !logon_was_refused_at(server); i++) {
		uint32_t none = 0;
		atomic_compare_exchange_strong(&logon.turn->elsewhere[i], &none, logon_hash(server));
	}
}

bool logon_was_refused_at(const char *server)
{
	for (size_t i = 0; i < SMB_SERVERS_ELSEWHERE; i++)
		if (atomic_load(&logon.turn->elsewhere[i]) == logon_hash(server))
			return true;
	return false;
}

bool logon_refused(struct smb_fault *why)
{
	uint32_t refused = atomic_load(&logon.turn->refused);

	if (refused == SMB_TURN_OPEN)
		return false;
	fault_set(why, SMB_AUTH_FAILED, "the logon was refused");
	if (refused == SMB_TURN_CLOSED)
		*why = logon.turn->refusal;
	return true;
}
