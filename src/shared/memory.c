#include "memory.h"

#include "shared/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
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

void *memory_map(int fd, size_t least, size_t *size)
{
	struct stat st;
	int seals = fd >= 0 ? fcntl(fd, F_GET_SEALS) : -1;
	void *memory;

	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &st) < 0 || st.st_size <= 0 ||
	    (uint64_t)st.st_size < least) {
		errno = EINVAL;
		return NULL;
	}
	memory = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return NULL;
	*size = (size_t)st.st_size;
	return memory;
}
