#include "links.h"

#include "remote_url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
	LINKS = 64,
	LEAST_SECONDS = 10, /* for which a referral is believed, whatever the server says */
	MOST_SECONDS = 3600,
	DIRECT_TCP = 445,
	NETBIOS = 139,
};

struct links_target {
	char server[REFERRAL_NAME];
	char *name; /* "//server/share" */
	char *root; /* its URL, with the path that the link leads to */
	char *path; /* that path, '/'-separated */
};

struct link {
	char *path; /* NULL: free */
	int64_t expires;
	size_t count, at, tried;
	struct links_target targets[REFERRAL_TARGETS];
};

static struct {
	const struct smb_connect *target;
	struct links_target here;
	struct link all[LINKS];
	size_t count;
} links;

static int64_t links_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* ---- targets ---- */

static void links_free_target(struct links_target *t)
{
	free(t->name);
	free(t->root);
	free(t->path);
	memset(t, 0, sizeof *t);
}

static bool links_make_target(struct links_target *t, const char *server, const char *share, const char *path,
			      uint32_t port)
{
	snprintf(t->server, sizeof t->server, "%s", server);
	t->path = strdup(path);
	t->root = remote_url_root(server, port, share, path);
	if (asprintf(&t->name, "//%s/%s", server, share) < 0)
		t->name = NULL;
	if (t->path != NULL && t->root != NULL && t->name != NULL)
		return true;
	links_free_target(t);
	return false;
}

bool links_begin(const struct smb_connect *target)
{
	links.target = target;
	return links_make_target(&links.here, target->server, target->share, "", target->port);
}

static struct link *links_of(uint32_t place)
{
	return &links.all[place - 1];
}

static struct links_target *links_current(uint32_t place)
{
	return place == LINKS_HERE ? &links.here : &links_of(place)->targets[links_of(place)->at];
}

const char *links_name(uint32_t place)
{
	return links_current(place)->name;
}

const char *links_server(uint32_t place)
{
	return links_current(place)->server;
}

/* ---- paths ---- */

/* Returns what of `path` lies below `folder`, "" for the folder itself, NULL when it lies elsewhere. */
static const char *links_below(const char *folder, const char *path)
{
	size_t n = strlen(folder);

	if (n == 0)
		return path;
	if (strncmp(folder, path, n) != 0 || (path[n] != '/' && path[n] != '\0'))
		return NULL;
	return path[n] == '/' ? path + n + 1 : path + n;
}

bool links_any(void)
{
	return links.count > 0;
}

uint32_t links_place(const char *path)
{
	uint32_t place = LINKS_HERE;
	size_t longest = 0;

	for (uint32_t i = 0; i < links.count; i++) {
		const struct link *l = &links.all[i];
		size_t n = strlen(l->path);
		if (n > longest && links_below(l->path, path) != NULL && links_now() < l->expires) {
			place = i + 1;
			longest = n;
		}
	}
	return place;
}

bool links_is_link(uint32_t place, const char *path)
{
	return place != LINKS_HERE && strcmp(links_of(place)->path, path) == 0;
}

char *links_url(uint32_t place, const char *path)
{
	const char *below = place == LINKS_HERE ? path : links_below(links_of(place)->path, path);
	return remote_url(links_current(place)->root, below);
}

/* ---- what is learnt ---- */

static char *links_join(const char *left, const char *right)
{
	char *path;
	return asprintf(&path, "%s%s%s", left, left[0] != '\0' && right[0] != '\0' ? "/" : "", right) < 0 ? NULL : path;
}

/* Returns the slot of a link: its own, a new one, or the one that expires first. Takes `path`. */
static struct link *links_slot(char *path)
{
	struct link *oldest = &links.all[0];

	for (size_t i = 0; i < links.count; i++) {
		struct link *l = &links.all[i];
		if (strcmp(l->path, path) == 0) {
			free(path);
			return l;
		}
		if (l->expires < oldest->expires)
			oldest = l;
	}
	if (links.count < LINKS)
		oldest = &links.all[links.count++];
	free(oldest->path);
	oldest->path = path;
	oldest->at = 0;
	return oldest;
}

/* Goes on with the target that was used before, if it is still one. */
static void links_set_targets(struct link *l, const struct referral *r)
{
	uint32_t port = links.target->transport == SMB_TRANSPORT_NETBIOS ? NETBIOS : DIRECT_TCP;
	char *before = l->count > 0 ? strdup(l->targets[l->at].name) : NULL;

	for (size_t i = 0; i < l->count; i++)
		links_free_target(&l->targets[i]);
	l->count = l->at = l->tried = 0;
	for (size_t i = 0; i < r->count; i++) {
		const struct referral_target *t = &r->targets[i];
		if (!links_make_target(&l->targets[l->count], t->server, t->share, t->path, port))
			continue;
		if (before != NULL && strcasecmp(before, l->targets[l->count].name) == 0)
			l->at = l->count;
		l->count++;
	}
	free(before);
}

/*
 * A server was asked about a path that begins with what its place adds to ours: a share's folder that a link leads to.
 */
bool links_add(uint32_t place, const struct referral *r)
{
	const char *below = links_below(links_current(place)->path, r->link);
	uint32_t seconds = r->seconds < LEAST_SECONDS  ? LEAST_SECONDS
			   : r->seconds < MOST_SECONDS ? r->seconds
						       : MOST_SECONDS;
	struct link *l;
	char *path;

	if (r->count == 0 || below == NULL || below[0] == '\0')
		return false;
	path = links_join(place == LINKS_HERE ? "" : links_of(place)->path, below);
	if (path == NULL)
		return false;
	l = links_slot(path);
	links_set_targets(l, r);
	l->expires = links_now() + (l->count > 0 ? seconds : 0);
	return l->count > 0;
}

bool links_has_another(uint32_t place)
{
	return place != LINKS_HERE && links_of(place)->tried + 1 < links_of(place)->count;
}

bool links_try_next(uint32_t place)
{
	struct link *l;

	if (place == LINKS_HERE)
		return false;
	l = links_of(place);
	l->at = (l->at + 1) % l->count;
	if (++l->tried < l->count)
		return true;
	l->tried = 0;
	l->expires = 0;
	return false;
}

void links_answered(uint32_t place)
{
	if (place != LINKS_HERE)
		links_of(place)->tried = 0;
}
