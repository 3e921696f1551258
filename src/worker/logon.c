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
	bool open; /* this worker may send the password, or has sent it, and there is no answer yet */
} logon;

void logon_share(struct smb_turn *turn)
{
	logon.turn = turn;
	logon.self = (uint32_t)getpid();
}

/* ---- waiting ---- */

static enum logon_turn go(void)
{
	logon.open = true;
	return LOGON_GO;
}

/* The module passes the turn of a dead worker on when it hears of the death; it may be busy elsewhere. */
static void pass_from_dead(uint32_t holder)
{
	if (kill((pid_t)holder, 0) < 0 && errno == ESRCH)
		turn_pass(logon.turn, holder);
}

/* Tells the module that nobody's silence is to blame, and waits for a change, for a moment at most. */
static void wait_for_change(uint32_t changes)
{
	const struct timespec moment = {.tv_nsec = 50000000};

	counters_wait_for_turn();
	syscall(SYS_futex, &logon.turn->changes, FUTEX_WAIT, changes, &moment, NULL, 0);
	counters_wait_for_turn();
}

/* This worker holds the turn. What the holder before has sent without an answer, killed or not, counts as lost. */
static enum logon_turn send_first(void)
{
	if (logon.open) /* to the KDC once more: the same logon */
		return LOGON_GO;
	if (atomic_exchange(&logon.turn->sent, 0) != 0)
		atomic_fetch_add(&logon.turn->lost, 1);
	if (atomic_load(&logon.turn->refused) == SMB_TURN_OPEN &&
	    turn_bears(logon.turn, atomic_load(&logon.turn->lost))) {
		atomic_store(&logon.turn->sent, 1);
		return go();
	}
	turn_pass(logon.turn, logon.self);
	return atomic_load(&logon.turn->refused) == SMB_TURN_OPEN ? LOGON_LOST : LOGON_REFUSED;
}

/* `changes` is read before all else, so that no change is missed. */
enum logon_turn logon_await(bool is_elsewhere)
{
	uint32_t accepted = atomic_load(&logon.turn->accepted);

	for (;;) {
		uint32_t changes = atomic_load(&logon.turn->changes), holder = 0;
		if (atomic_load(&logon.turn->refused) != SMB_TURN_OPEN)
			return LOGON_REFUSED;
		if (!is_elsewhere && atomic_load(&logon.turn->accepted) != accepted)
			return go();
		if (atomic_compare_exchange_strong(&logon.turn->holder, &holder, logon.self) || holder == logon.self)
			return send_first();
		if (lifeline_cancelled())
			return LOGON_CANCELLED;
		wait_for_change(changes);
		pass_from_dead(holder);
	}
}

/* ---- what becomes of it ---- */

void logon_give_up(void)
{
	logon.open = false;
	turn_pass(logon.turn, logon.self);
}

/* Of a worker that others' success has let go there is no mark. */
static void answered(void)
{
	if (atomic_load(&logon.turn->holder) == logon.self)
		atomic_store(&logon.turn->sent, 0);
	logon_give_up();
}

/* The first reason is kept. */
void logon_refuse(const struct smb_fault *why)
{
	uint32_t expected = SMB_TURN_OPEN;

	if (atomic_compare_exchange_strong(&logon.turn->refused, &expected, SMB_TURN_CLOSING)) {
		logon.turn->refusal = *why;
		atomic_store(&logon.turn->refused, SMB_TURN_CLOSED);
	}
	answered();
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
	answered();
	if (status == 0)
		turn_changed(logon.turn);
}

void logon_says_nothing(void)
{
	answered();
}

/* ---- servers that DFS links lead to ---- */

/* FNV-1a of the name in small letters; never 0 */
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
