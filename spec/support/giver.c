/* In place of smb-worker: greets with another version, and with descriptors that nobody asked for. */
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

enum { SOCKET = 3, COUNT = 16 };

int main(void)
{
	uint32_t hello[3] = {0x624d534c, 999, 0};
	int fds[COUNT] = {0};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof fds)];
	} control = {0};
	struct iovec part = {hello, sizeof hello};
	struct msghdr header = {
	    .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};

	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(sizeof fds);
	memcpy(CMSG_DATA(&control.align), fds, sizeof fds);
	return sendmsg(SOCKET, &header, 0) == sizeof hello ? 0 : 1;
}
