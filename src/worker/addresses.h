/*
 * Which of a server's addresses comes first. The library connects to the first that takes a TCP connection, silent
 * though it may be. As long as there are others, such a one has only seconds: then the next has its turn, in this
 * worker and in all others of the destination. When none has answered, the last has all the time that is left.
 */
#ifndef LUA_SMB_ADDRESSES_H
#define LUA_SMB_ADDRESSES_H

#include <netdb.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* All workers of the destination share that number, of the address to begin with; `limit`: ms to connect in. */
void addresses_share(_Atomic uint32_t *first, const char *server, uint32_t limit);

/* Turns the list that a name was resolved to so that the address comes first whose turn it is. */
void addresses_turn(const char *name, struct addrinfo **list);

/* The server was sent the first bytes of a connection; it was silent for its time, or has answered. */
void addresses_sent(void);
void addresses_silent(void);
void addresses_answered(void);

/* There are others than those that were silent, or it is the first one's turn again. */
bool addresses_go_on(void);

#endif
