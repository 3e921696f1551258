/*
 * Bytes that go from a local file to a connection without a copy in this process. The library gets the file mapped into memory
 * and does not look at it, where nothing is signed or encrypted; wire.c knows the addresses when they come by and has the kernel
 * send what they stand for out of the file itself (sendfile).
 */
#ifndef LUA_SMB_DIRECT_H
#define LUA_SMB_DIRECT_H

#include "../protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The bytes of a local file from `offset` on, until direct_end, which comes before the next of these. NULL: it has to be read. */
const uint8_t *direct_begin(int fd, uint64_t offset, size_t size);

/* False, with `fault`, when the file did not have all the bytes that were to be sent: zeros were sent in their place. */
bool direct_end(struct smb_fault *fault);

/* Whether an address stands for a byte of the file. */
bool direct_has(const void *address);

/* Sends such bytes as send(2) would. */
ssize_t direct_send(int connection, const void *address, size_t size);

#endif
