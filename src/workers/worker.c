#include "worker.h"

#include "build.h"
#include "shared/fault.h"
#include "shared/memory.h"
#include "shared/turn.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static void worker_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

bool worker_prepare(struct worker *w, struct worker_common *common, unsigned count, int *theirs)
{
	*w = (struct worker){.process = NO_PROCESS, .common = common, .host = getpid(), .page_fd = -1, .epoll = -1};
	w->page = memory_share("smb-shared", sizeof *w->page, &w->page_fd);
	return w->page != NULL && process_join(&w->process, fork_server_least(count), theirs);
}

static bool worker_has_its_fork_server(const struct worker *w)
{
	return w->origin == w->common->fork_server.number;
}

/* Sends the target, with the pages' descriptors and one of this process. */
static bool worker_introduce(const struct worker *w)
{
	int fds[] = {w->page_fd, w->common->pace_fd, (int)syscall(SYS_pidfd_open, w->host, 0)};
	bool sent = process_send(&w->process, w->common->target, sizeof *w->common->target, fds, fds[2] >= 0 ? 3 : 2);

	worker_close(&fds[2]);
	return sent;
}

bool worker_greet(struct worker *w, const void *greeting, size_t size, struct smb_fault *fault)
{
	struct smb_hello hello = {0};
	bool sent;

	if (size >= sizeof hello)
		memcpy(&hello, greeting, sizeof hello);
	if (size < sizeof hello || hello.magic != SMB_PROTOCOL_MAGIC)
		return fault_set(fault, SMB_FAILED, "the program smb-worker does not answer as expected");
	if (size != sizeof hello || hello.messages != BUILD_MESSAGES)
		return fault_set(
		    fault, SMB_FAILED,
		    "the module and its program smb-worker are of different versions: restart this program");
	sent = worker_introduce(w);
	if (worker_has_its_fork_server(w))
		fork_server_reap(&w->common->fork_server); /* now that the worker has something to do meanwhile */
	if (!sent)
		return fault_set(fault, SMB_FAILED, "the worker process cannot be reached");
	worker_close(&w->page_fd);
	w->has_greeted = true;
	return true;
}

void worker_explain_end(const struct worker *w, struct smb_fault *fault)
{
	const char *words = worker_has_its_fork_server(w) ? fork_server_last_words(&w->common->fork_server) : "";

	fault_set(fault, SMB_FAILED, "the worker process ended unexpectedly");
	if (words[0] != '\0')
		snprintf(fault->text, sizeof fault->text, "the worker process ended unexpectedly: %s", words);
}

bool worker_is_ours(const struct worker *w)
{
	return w->host == getpid();
}

void worker_watch(struct worker *w, int epoll)
{
	struct epoll_event event = {.events = EPOLLIN};
	if (w->process.socket >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, w->process.socket, &event) == 0)
		w->epoll = epoll;
}

/* Closing the socket is not enough: a forked child's copy would keep it watched. */
void worker_unwatch(const struct worker *w)
{
	if (w->process.socket >= 0 && w->epoll >= 0)
		epoll_ctl(w->epoll, EPOLL_CTL_DEL, w->process.socket, NULL);
}

void worker_hang_up(struct worker *w)
{
	worker_unwatch(w);
	process_hang_up(&w->process);
}

/*
 * A worker never greeted: stop trusting its fork server, end that first. A dead worker sends no password: pass its turn
 * on.
 */
void worker_kill(struct worker *w)
{
	if (!w->has_greeted && worker_has_its_fork_server(w))
		fork_server_end(&w->common->fork_server, 0);
	process_await_greeting(&w->process);
	process_kill(&w->process);
	turn_pass(&w->common->pace->turn, atomic_load(&w->page->process));
	worker_hang_up(w);
	process_reap(&w->process, 0);
}

void worker_forget(struct worker *w)
{
	process_forget(&w->process);
	worker_close(&w->page_fd);
	if (w->page != NULL)
		munmap(w->page, sizeof *w->page);
	w->page = NULL;
}
