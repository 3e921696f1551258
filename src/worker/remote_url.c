#include "remote_url.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Percent-encodes a path, but for '/'. `out` has room for three times the path and a NUL. */
static void remote_url_encode(char *out, const char *path)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-/";

	for (; *path != '\0'; path++) {
		if (strchr(plain, *path) != NULL)
			*out++ = *path;
		else
			out += sprintf(out, "%%%02X", (unsigned char)*path);
	}
	*out = '\0';
}

/* Returns the percent-encoded path, to be freed. */
static char *remote_url_encoded(const char *path)
{
	char *text = malloc(3 * strlen(path) + 1);

	if (text != NULL)
		remote_url_encode(text, path);
	return text;
}

char *remote_url_root(const char *server, uint32_t port, const char *share, const char *folder)
{
	char *host = remote_url_encoded(server), *name = remote_url_encoded(share), *path = remote_url_encoded(folder),
	     *root = NULL;
	bool ok = host != NULL && name != NULL && path != NULL;

	if (ok && asprintf(&root, "smb://%s:%u%s%s%s%s", host, port, name[0] != '\0' ? "/" : "", name,
			   path[0] != '\0' ? "/" : "", path) < 0)
		root = NULL;
	free(host);
	free(name);
	free(path);
	return root;
}

char *remote_url(const char *root, const char *path)
{
	size_t n = strlen(root);
	char *url = malloc(n + 1 + 3 * strlen(path) + 1);

	if (url == NULL)
		return NULL;
	memcpy(url, root, n);
	url[n] = '/';
	remote_url_encode(url + n + 1, path);
	return url;
}
