#include "memory.h"

#include "shared/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

uint64_t memory_limit(void)
{
	struct rlimit limit;
	bool limited = getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
	return limited ? (uint64_t)limit.rlim_cur : UINT64_MAX;
}

/* Beyond the limit the kernel would send SIGXFSZ, which ends a host that does not expect it. */
static bool set_size(int fd, size_t size)
{
	if (size > memory_limit()) {
		errno = EFBIG;
		return false;
	}
	return ftruncate(fd, (off_t)size) == 0;
}

void *memory_share(const char *name, size_t size, int *fd)
{
	void *memory = MAP_FAILED;
	int error;

	*fd = descriptor_clear(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
	if (*fd >= 0 && set_size(*fd, size) && fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (memory != MAP_FAILED)
		return memory;
	error = errno;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = error;
	return NULL;
}
