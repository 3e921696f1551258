/*
 * These functions come before libc's for every library in this process, since the program is linked with
 * --dynamic-list. So each byte on an SMB connection passes here: hooks.list names them.
 */
#include "referral_watch.h"
#include "addresses.h"
#include "wire.h"

#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* The next definition of a function. C has no cast from void pointers to function pointers, hence the copy. */
#define NEXT(name)                                                                                                     \
	static __typeof__(&name) next;                                                                                 \
	if (next == NULL) {                                                                                            \
		void *found = dlsym(RTLD_NEXT, #name);                                                                 \
		memcpy(&next, &found, sizeof next);                                                                    \
	}

#pragma GCC visibility push(default)

/* ---- sending ---- */

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	NEXT(writev)
	if (wire_refuses(fd, parts, count))
		return -1;
	return wire_sent(fd, parts, count, next(fd, parts, count));
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	NEXT(sendmsg)
	if (wire_refuses(fd, message->msg_iov, (int)message->msg_iovlen))
		return -1;
	return wire_sent(fd, message->msg_iov, (int)message->msg_iovlen, next(fd, message, flags));
}

ssize_t send(int fd, const void *buffer, size_t size, int flags)
{
	NEXT(send)
	struct iovec part = {(void *)(uintptr_t)buffer, size};
	if (wire_refuses(fd, &part, 1))
		return -1;
	return wire_sent(fd, &part, 1, next(fd, buffer, size, flags));
}

ssize_t write(int fd, const void *buffer, size_t size)
{
	NEXT(write)
	struct iovec part = {(void *)(uintptr_t)buffer, size};
	if (wire_refuses(fd, &part, 1))
		return -1;
	return wire_sent(fd, &part, 1, next(fd, buffer, size));
}

/* ---- receiving ---- */

ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
	NEXT(recv)
	ssize_t n = next(fd, buffer, size, flags);
	return flags & MSG_PEEK ? n : wire_received(fd, buffer, size, n);
}

ssize_t read(int fd, void *buffer, size_t size)
{
	NEXT(read)
	return wire_received(fd, buffer, size, next(fd, buffer, size));
}

static ssize_t hooks_received(int fd, const struct iovec *parts, size_t count, ssize_t n)
{
	size_t left = n > 0 ? (size_t)n : 0;

	if (n <= 0)
		return wire_received(fd, NULL, count, n);
	for (size_t i = 0; i < count && left > 0; i++) {
		size_t part = parts[i].iov_len < left ? parts[i].iov_len : left;
		if (wire_received(fd, parts[i].iov_base, part, (ssize_t)part) < 0)
			return -1;
		left -= part;
	}
	return n;
}

ssize_t readv(int fd, const struct iovec *parts, int count)
{
	NEXT(readv)
	return hooks_received(fd, parts, (size_t)count, next(fd, parts, count));
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	NEXT(recvmsg)
	ssize_t n = next(fd, message, flags);
	return flags & MSG_PEEK ? n : hooks_received(fd, message->msg_iov, message->msg_iovlen, n);
}

/* ---- waiting, connecting ---- */

/* The library waits here, for an answer or for room to send. */
int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout)
{
	const int interval = 100; /* milliseconds */
	NEXT(epoll_wait)
	for (;;) {
		int part = timeout >= 0 && timeout < interval ? timeout : interval;
		int n = next(epoll, events, most, part);
		if (timeout >= 0)
			timeout -= part;
		if (n != 0 || timeout == 0)
			return n;
		wire_waits();
	}
}

/* glibc declares a union of pointers to all kinds of addresses: the same to callers, but not to -Wpedantic. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
int connect(int fd, const struct sockaddr *address, socklen_t length)
{
	NEXT(connect)
	return wire_may_connect(fd, address) ? next(fd, address, length) : -1;
}
#pragma GCC diagnostic pop

int close(int fd)
{
	NEXT(close)
	wire_closes(fd);
	return next(fd);
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
	NEXT(getaddrinfo)
	int error;

	wire_resolves();
	error = next(node, service, hints, result);
	if (error == 0)
		addresses_turn(node, result);
	return error;
}

/* ---- encryption ---- */

/*
 * GnuTLS's functions, by which Samba 4.11 and later encrypt: what they are given is seen where it is in clear. Their
 * names are declared here, so that nobody needs GnuTLS's headers; its giovec_t is a struct iovec. A library that
 * encrypts by others hides more.
 */
int gnutls_aead_cipher_encryptv2(void *handle, const void *nonce, size_t nonce_size, const struct iovec *auth,
				 int auth_count, const struct iovec *parts, int count, void *tag, size_t *tag_size);
int gnutls_aead_cipher_decryptv2(void *handle, const void *nonce, size_t nonce_size, const struct iovec *auth,
				 int auth_count, const struct iovec *parts, int count, void *tag, size_t tag_size);

int gnutls_aead_cipher_encryptv2(void *handle, const void *nonce, size_t nonce_size, const struct iovec *auth,
				 int auth_count, const struct iovec *parts, int count, void *tag, size_t *tag_size)
{
	NEXT(gnutls_aead_cipher_encryptv2)
	referral_watch_encrypts(parts, count);
	return next(handle, nonce, nonce_size, auth, auth_count, parts, count, tag, tag_size);
}

int gnutls_aead_cipher_decryptv2(void *handle, const void *nonce, size_t nonce_size, const struct iovec *auth,
				 int auth_count, const struct iovec *parts, int count, void *tag, size_t tag_size)
{
	NEXT(gnutls_aead_cipher_decryptv2)
	int result = next(handle, nonce, nonce_size, auth, auth_count, parts, count, tag, tag_size);
	if (result == 0)
		referral_watch_decrypted(parts, count);
	return result;
}

#pragma GCC visibility pop
