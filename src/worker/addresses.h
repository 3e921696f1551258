/*
 * Which of a server's addresses comes first. The library connects to the first that takes a TCP connection, silent
 * though it may be, and a worker that waits for it is ended: so the next worker of the destination begins with the next
 * address.
 */
#ifndef LUA_SMB_ADDRESSES_H
#define LUA_SMB_ADDRESSES_H

#include <netdb.h>
#include <stdatomic.h>
#include <stdint.h>

/* All workers of the destination share that number, of the address to begin with. */
void addresses_share(_Atomic uint32_t *first, const char *server);

/* Turns the list that a name was resolved to so that the address comes first whose turn it is. */
void addresses_turn(const char *name, struct addrinfo **list);

/* Something was sent to the server that has not been heard of yet, or that was heard of. */
void addresses_sent(void);
void addresses_answered(void);

#endif
