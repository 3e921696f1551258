/* Messages with descriptors, over a SOCK_SEQPACKET socket. What they say stands in protocol.h. */
#ifndef LUA_SMB_MESSAGE_H
#define LUA_SMB_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Sends a message with copies of `count` descriptors, SMB_FILES_AT_ONCE at most; `flags` as for sendmsg. False and
 * errno where it fails.
 */
bool message_send(int socket, const void *message, size_t size, const int *fds, size_t count, int flags);

/*
 * Receives a message; `flags` as for recvmsg. Returns its bytes, 0 where the other side has hung up, -1 and errno where
 * it fails: EMSGSIZE for a message that is too long. `fds` holds `most` descriptors, SMB_FILES_AT_ONCE at most: -1 for
 * each that did not come; what came beyond them is closed. A message that is too long leaves its descriptors there,
 * too.
 */
ssize_t message_receive(int socket, void *message, size_t size, int *fds, size_t most, int flags);

#endif
