/* The TCP connections that libsmbclient has to SMB servers, by their descriptors. */
#ifndef LUA_SMB_CONNECTION_H
#define LUA_SMB_CONNECTION_H

#include "frame.h"
#include "meter.h"
#include "stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct connection {
	int fd; /* -1: free */
	struct stream out, in;
	struct meter meter;
	int queued;      /* bytes that the kernel had still to send, when last asked */
	bool logs_on;    /* it was sent the password, and has not answered */
	uint32_t place;  /* a hash of the share's name or, where that was not seen, of the server's address; never 0 */
	const void *share;    /* once one is open: the library's name for it, */
	struct smb_info info; /* and what was agreed */
	bool is_settled; /* a share was opened, or is about to be behind encryption: `place` is final */
};

/* Forgets all; call it first. */
void connection_reset(void);

/* NULL: that descriptor is none. */
struct connection *connection_find(int fd);

/* The one that leads to that share; NULL: none. */
const struct connection *connection_find_share(const void *share);

/* A new one; NULL: there are too many. */
struct connection *connection_add(int fd);
void connection_remove(struct connection *c);

/* How the last request was protected. */
void connection_note_protection(struct connection *c, const struct smb_info *info);

/* A library call begins: nothing is under way on any of them. */
void connection_begin_call(void);

/* Ends the connection that this call makes, if connection_end_late finds it not open after so many milliseconds. */
void connection_limit(uint32_t ms);
void connection_unlimit(void);
bool connection_end_late(void); /* whether it does so now */
bool connection_was_late(void); /* it did so in this call */

/* A server has closed one, as some do with idle ones, and nobody has noticed yet. */
bool connection_any_hung_up(void);

/* There is exactly one, and nobody has closed it as far as is known. */
bool connection_is_only_one(void);

/* Since the last call, bytes left that the kernel had queued; a connection whose other end is silent keeps them. */
bool connection_any_moved(void);

/*
 * Nothing has happened for 100 ms while the library waits. After some seconds the kernel is told to ask the other end
 * whether it still knows the connection, for as long as nothing is heard.
 */
void connection_waits(void);
void connection_heard(void);

/* Learns from a request which share the connection leads to. */
void connection_note_place(struct connection *c, const struct frame *f);

/* The numeric address of the other end; leaves `text` alone where it has none. */
void connection_address(const struct connection *c, char *text, size_t size);

/* The port in an address; 0 where that is neither TCP nor UDP. */
uint16_t connection_port(const struct sockaddr *address);

#endif
