/* How the started program becomes workers, and the fork server that later ones come from. */
#ifndef LUA_SMB_DETACH_H
#define LUA_SMB_DETACH_H

#include "protocol.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * Forks into `workers` workers, whose sockets are SMB_WORKER_SOCKET and those after it, and a fork server, whose socket
 * is the last. Loading the program takes ten times as long as a fork of it, so it is loaded once. Returns in the
 * workers only; `title` is the program's first argument. The started process itself exits, so that the module can reap
 * it at once and never has a zombie.
 */
void detach_workers(int workers, char *title);

/* Tells the module who this process is. */
bool detach_greet(void);

/* Waits for the module's next message: see message_receive. */
ssize_t detach_receive(void *message, size_t size, int fds[SMB_FILES_AT_ONCE]);

#endif
