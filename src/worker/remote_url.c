#include "remote_url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *remote_url_root; /* smb://server:port/share, or without a share for a server whose shares are listed */

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

bool remote_url_begin(const struct smb_connect *target)
{
	char server[3 * SMB_TEXT_SIZE + 1], share[3 * SMB_TEXT_SIZE + 1];

	remote_url_encode(server, target->server);
	remote_url_encode(share, target->share);
	return asprintf(&remote_url_root, "smb://%s:%u%s%s", server, target->port, share[0] != '\0' ? "/" : "", share) > 0;
}

char *remote_url(const char *path)
{
	size_t root = strlen(remote_url_root);
	char *url = malloc(root + 1 + 3 * strlen(path) + 1);

	if (url == NULL)
		return NULL;
	memcpy(url, remote_url_root, root);
	url[root] = '/';
	remote_url_encode(url + root + 1, path);
	return url;
}
