#include "prefetch.h"

#include <stdlib.h>
#include <string.h>

static struct {
	char *path;
	struct session_list *list;
} prefetch;

void prefetch_list(const char *path)
{
	prefetch_forget();
	prefetch.path = strdup(path);
	if (prefetch.path != NULL)
		prefetch.list = session_list(path, &(struct smb_fault){0});
}

struct session_list *prefetch_take(const char *path)
{
	struct session_list *list = NULL;

	if (prefetch.list != NULL && strcmp(prefetch.path, path) == 0) {
		list = prefetch.list;
		prefetch.list = NULL;
	}
	prefetch_forget();
	return list;
}

bool prefetch_holds(void)
{
	return prefetch.list != NULL;
}

void prefetch_forget(void)
{
	if (prefetch.list != NULL)
		session_list_close(prefetch.list);
	free(prefetch.path);
	memset(&prefetch, 0, sizeof prefetch);
}
