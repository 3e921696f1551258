#include "connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { CONNECTION_LIMIT = 16 };
enum { SILENCE = 20 /* waits before the other end is asked */ };

static struct connection connections[CONNECTION_LIMIT];
static struct connection *connection_newest; /* NULL: it has gone */
static uint64_t connection_late_at;          /* microseconds; 0: never */
static bool connection_is_late;
static unsigned connection_waited;
static bool connection_is_probed;

void connection_reset(void)
{
	memset(connections, 0, sizeof connections);
	for (size_t i = 0; i < CONNECTION_LIMIT; i++)
		connections[i].fd = -1;
}

struct connection *connection_find(int fd)
{
	for (size_t i = 0; i < CONNECTION_LIMIT && fd >= 0; i++)
		if (connections[i].fd == fd)
			return &connections[i];
	return NULL;
}

const struct connection *connection_find_share(const void *share)
{
	for (size_t i = 0; i < CONNECTION_LIMIT; i++)
		if (connections[i].fd >= 0 && connections[i].share == share)
			return &connections[i];
	return NULL;
}

struct connection *connection_add(int fd)
{
	for (size_t i = 0; i < CONNECTION_LIMIT; i++) {
		if (connections[i].fd != -1)
			continue;
		connections[i] = (struct connection){.fd = fd, .place = 1};
		return connection_newest = &connections[i];
	}
	return NULL;
}

void connection_remove(struct connection *c)
{
	if (c == connection_newest)
		connection_newest = NULL;
	c->fd = -1;
}

void connection_limit(uint32_t ms)
{
	connection_late_at = meter_now() + (uint64_t)ms * 1000;
}

void connection_unlimit(void)
{
	connection_late_at = 0;
}

bool connection_end_late(void)
{
	if (connection_late_at == 0 || meter_now() < connection_late_at)
		return false;
	connection_late_at = 0;
	connection_is_late = true;
	if (connection_newest != NULL)
		shutdown(connection_newest->fd, SHUT_RDWR);
	return true;
}

bool connection_was_late(void)
{
	return connection_is_late;
}

void connection_begin_call(void)
{
	connection_late_at = 0;
	connection_is_late = false;
	for (size_t i = 0; i < CONNECTION_LIMIT; i++)
		meter_begin_call(&connections[i].meter);
}

void connection_note_protection(struct connection *c, const struct smb_info *info)
{
	c->info.signing = info->signing;
	c->info.encryption = info->encryption;
}

/* ---- as the kernel knows them ---- */

bool connection_any_hung_up(void)
{
	char byte;

	for (size_t i = 0; i < CONNECTION_LIMIT; i++) {
		int fd = connections[i].fd;
		ssize_t n = fd >= 0 ? recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) : 1;
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return true;
	}
	return false;
}

bool connection_is_only_one(void)
{
	unsigned count = 0;

	for (size_t i = 0; i < CONNECTION_LIMIT; i++)
		count += connections[i].fd >= 0;
	return count == 1 && !connection_any_hung_up();
}

bool connection_any_moved(void)
{
	bool moved = false;

	for (size_t i = 0; i < CONNECTION_LIMIT; i++) {
		struct connection *c = &connections[i];
		int before = c->queued;
		moved = (c->fd >= 0 && ioctl(c->fd, SIOCOUTQ, &c->queued) == 0 && c->queued < before) || moved;
	}
	return moved;
}

/*
 * A server that was started anew, or to whose node an address has moved, has nothing to say on a connection that it
 * does not know: that comes to light when it is asked. It has minutes to answer.
 */
static void connection_probe(bool on)
{
	const int value = on, idle = 1, interval = 5, count = 100; /* seconds */

	connection_is_probed = on;
	for (size_t i = 0; i < CONNECTION_LIMIT; i++) {
		int fd = connections[i].fd;
		if (fd < 0)
			continue;
		if (on) {
			setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
			setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
			setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
		}
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof value);
	}
}

void connection_waits(void)
{
	if (++connection_waited == SILENCE)
		connection_probe(true);
}

void connection_heard(void)
{
	connection_waited = 0;
	if (connection_is_probed)
		connection_probe(false);
}

void connection_address(const struct connection *c, char *text, size_t size)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof peer;

	if (getpeername(c->fd, (struct sockaddr *)&peer, &length) == 0)
		getnameinfo((struct sockaddr *)&peer, length, text, (socklen_t)size, NULL, 0, NI_NUMERICHOST);
}

/* ---- where they lead ---- */

uint16_t connection_port(const struct sockaddr *address)
{
	if (address != NULL && address->sa_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
	if (address != NULL && address->sa_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
	return 0;
}

/* FNV-1a */
static uint32_t connection_hash(const void *bytes, size_t size)
{
	const uint8_t *b = bytes;
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ b[i]) * 16777619u;
	return hash | 1;
}

/* IPC$, which is asked about DFS, is no share that matters. */
static bool connection_is_disk(const struct frame *share)
{
	static const uint8_t ipc[] = {'I', 0, 'P', 0, 'C', 0, '$', 0};
	return share->size >= sizeof ipc && memcmp(share->bytes + share->size - sizeof ipc, ipc, sizeof ipc) != 0;
}

/* A TREE_CONNECT names the share, the same for each address that the server has. Encrypted, it tells nothing. */
void connection_note_place(struct connection *c, const struct frame *f)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof peer;
	struct frame share;

	if (c->is_settled)
		return;
	if (frame_kind(f) == FRAME_ENCRYPTED) {
		c->is_settled = true;
		if (getpeername(c->fd, (struct sockaddr *)&peer, &length) == 0)
			c->place = connection_hash(&peer, length);
		return;
	}
	share = frame_share_name(f);
	if (!connection_is_disk(&share))
		return;
	c->place = connection_hash(share.bytes, share.size);
	c->is_settled = true;
}
