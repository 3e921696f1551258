#include "probe.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

enum { PROBE_SECONDS = 2 }; /* for each step: a server that hangs up is not a slow one */
enum { LENGTH = 4, HEADER = 32, FLAGS = LENGTH + 9, FLAGS2 = LENGTH + 10, BYTES = LENGTH + HEADER + 1 };
enum { NAME = 34 }; /* bytes of a NetBIOS name */

/* The words that stand for SMB1, and for any SMB2. */
static const char probe_dialects[] = "\2NT LM 0.12\0\2SMB 2.002\0\2SMB 2.???";

/* NEGOTIATE (MS-CIFS 2.2.4.52.1): no words, and the dialects as bytes. */
static size_t probe_request(uint8_t frame[BYTES + 2 + sizeof probe_dialects])
{
	static const uint8_t magic[] = {0xff, 'S', 'M', 'B', 0x72};
	const size_t size = BYTES + 2 + sizeof probe_dialects;

	memset(frame, 0, size);
	frame[3] = (uint8_t)(size - LENGTH);
	memcpy(frame + LENGTH, magic, sizeof magic);
	frame[FLAGS] = 0x18;
	frame[FLAGS2] = 0x01;
	frame[FLAGS2 + 1] = 0xc8;
	frame[BYTES] = sizeof probe_dialects;
	memcpy(frame + BYTES + 2, probe_dialects, sizeof probe_dialects);
	return size;
}

/*
 * A name as NetBIOS encodes it (RFC 1001 14.1): 16 characters as half bytes, in capitals; `kind` is the last of them.
 */
static void probe_put_name(uint8_t to[NAME], const char *name, uint8_t kind)
{
	size_t length = strlen(name);

	to[0] = 2 * 16;
	for (size_t i = 0; i < 16; i++) {
		uint8_t c = i == 15 ? kind : i < length ? (uint8_t)name[i] : ' ';
		to[1 + 2 * i] = (uint8_t)('A' + (c >> 4));
		to[2 + 2 * i] = (uint8_t)('A' + (c & 15));
	}
	to[NAME - 1] = 0;
}

/* SESSION REQUEST (RFC 1002 4.3.2), by the name that all servers answer to. */
static bool probe_opens_session(int fd)
{
	const uint8_t request = 0x81, positive = 0x82;
	uint8_t frame[LENGTH + 2 * NAME] = {request, 0, 0, 2 * NAME}, answer[LENGTH];

	probe_put_name(frame + LENGTH, "*SMBSERVER", 0x20);
	probe_put_name(frame + LENGTH + NAME, "LUA-SMB", 0);
	return send(fd, frame, sizeof frame, MSG_NOSIGNAL) == sizeof frame &&
	       recv(fd, answer, sizeof answer, MSG_WAITALL) == sizeof answer && answer[0] == positive;
}

/* By the kernel's call, not libc's: this is no connection of the library's, which hooks.c would watch. */
static int probe_connect(const struct addrinfo *to)
{
	const struct timeval limit = {.tv_sec = PROBE_SECONDS};
	int fd = socket(to->ai_family, to->ai_socktype | SOCK_CLOEXEC, to->ai_protocol);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	if (syscall(SYS_connect, fd, to->ai_addr, to->ai_addrlen) == 0)
		return fd;
	close(fd);
	return -1;
}

/* A server that has chosen none of the dialects says 0xffff. */
static bool probe_is_answered_by_smb1(int fd)
{
	static const uint8_t magic[] = {0xff, 'S', 'M', 'B', 0x72};
	uint8_t frame[BYTES + 2 + sizeof probe_dialects], answer[LENGTH + HEADER + 3];
	size_t size = probe_request(frame);

	if (send(fd, frame, size, MSG_NOSIGNAL) != (ssize_t)size)
		return false;
	if (recv(fd, answer, sizeof answer, MSG_WAITALL) != sizeof answer)
		return false;
	return memcmp(answer + LENGTH, magic, sizeof magic) == 0 && answer[BYTES] == 0 && answer[BYTES + 1] == 0;
}

bool probe_speaks_smb1_only(const struct smb_connect *target)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *all = NULL;
	bool is_smb1 = false;
	char port[12];
	int fd = -1;

	snprintf(port, sizeof port, "%u", (unsigned)target->port);
	if (getaddrinfo(target->server, port, &hints, &all) != 0)
		return false;
	for (const struct addrinfo *at = all; at != NULL && fd < 0; at = at->ai_next)
		fd = probe_connect(at);
	freeaddrinfo(all);
	if (fd >= 0) {
		is_smb1 = (target->transport != SMB_TRANSPORT_NETBIOS || probe_opens_session(fd)) &&
			  probe_is_answered_by_smb1(fd);
		close(fd);
	}
	return is_smb1;
}
