#include "direct.h"

#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
	int fd;
	uint64_t offset; /* of the mapping's first byte */
	uint8_t *bytes;  /* NULL: nothing is mapped */
	size_t size;
	bool failed;     /* a byte that was promised could not be sent */
	int error;       /* 0: the file had become too short */
} direct;

const uint8_t *direct_begin(int fd, uint64_t offset, size_t size)
{
	uint64_t skew = offset % (uint64_t)sysconf(_SC_PAGESIZE);
	void *bytes = mmap(NULL, size + skew, PROT_READ, MAP_SHARED, fd, (off_t)(offset - skew));

	if (bytes == MAP_FAILED)
		return NULL;
	direct.fd = fd;
	direct.offset = offset - skew;
	direct.bytes = bytes;
	direct.size = size + skew;
	direct.failed = false;
	/* The disk brings what comes next while this is on its way. */
	posix_fadvise(fd, (off_t)(offset + size), (off_t)size, POSIX_FADV_WILLNEED);
	return direct.bytes + skew;
}

bool direct_end(struct smb_fault *fault)
{
	munmap(direct.bytes, direct.size);
	direct.bytes = NULL;
	if (!direct.failed)
		return true;
	return direct.error != 0 ? fault_local(fault, "the local file cannot be read", direct.error)
				 : fault_set(fault, SMB_SOURCE_CHANGED, "the local file became shorter while it was read");
}

bool direct_has(const void *address)
{
	const uint8_t *byte = address;
	return direct.bytes != NULL && byte >= direct.bytes && byte < direct.bytes + direct.size;
}

/* wire.c, which stands before send, is told by its caller what has left. */
static ssize_t plain_send(int connection, const void *bytes, size_t size)
{
	return sendto(connection, bytes, size, MSG_NOSIGNAL, NULL, 0);
}

/* A frame that was begun has to be ended. Whose failure it was shows now: a broken connection takes no zeros either. */
static ssize_t send_zeros(int connection, size_t size, int error)
{
	static const uint8_t zeros[65536];
	ssize_t n = plain_send(connection, zeros, size < sizeof zeros ? size : sizeof zeros);

	if (n >= 0) {
		direct.failed = true;
		direct.error = error;
	}
	return n;
}

static bool is_passing(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

ssize_t direct_send(int connection, const void *address, size_t size)
{
	off_t offset = (off_t)(direct.offset + (uint64_t)((const uint8_t *)address - direct.bytes));
	ssize_t n = sendfile(connection, direct.fd, &offset, size);

	if (n < 0 && (errno == EINVAL || errno == ENOSYS)) /* not of this kind of file */
		n = plain_send(connection, address, size);
	if (n > 0 || (n < 0 && is_passing(errno)))
		return n;
	return send_zeros(connection, size, n == 0 ? 0 : errno);
}
