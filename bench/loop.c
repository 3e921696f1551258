/*
 * What libsmbclient does without us, to hold lua-smb against: a plain loop between a local file and a share, one
 * connection, 8 MiB a request. Several of these, each at its part of the work, are as fast as any program can be that
 * uses the library: they do nothing but call it.
 *
 *   loop put|get|put_tree|get_tree|again|list|stat LOCAL smb://SERVER:PORT/SHARE/NAME CREDENTIALS [PART PARTS [PROVEN]]
 *
 * CREDENTIALS is a file with username= and password= lines. PROVEN: a file that PART 0 makes when it is logged on; the
 * others log on when it is there, so that a wrong password is tried once and locks no account.
 */
#include <fcntl.h>
#include <glob.h>
#include <libsmbclient.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 8 * 1024 * 1024, TEXT = 256, URL = 4096 };

static char username[TEXT], password[TEXT];

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void read_credentials(const char *path)
{
	char line[TEXT + 16];
	FILE *file = fopen(path, "r");

	if (file == NULL)
		fail(path);
	while (fgets(line, sizeof line, file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "username=", 9) == 0)
			snprintf(username, sizeof username, "%.255s", line + 9);
		else if (strncmp(line, "password=", 9) == 0)
			snprintf(password, sizeof password, "%.255s", line + 9);
	}
	fclose(file);
}

static void answer(SMBCCTX *context, const char *server, const char *share, char *workgroup, int workgroup_size,
		   char *user, int user_size, char *secret, int secret_size)
{
	(void)context, (void)server, (void)share, (void)workgroup, (void)workgroup_size;
	snprintf(user, (size_t)user_size, "%s", username);
	snprintf(secret, (size_t)secret_size, "%s", password);
}

static SMBCCTX *start(void)
{
	SMBCCTX *context = smbc_new_context();

	if (context == NULL)
		fail("smbc_new_context");
	smbc_setFunctionAuthDataWithContext(context, answer);
	smbc_setOptionNoAutoAnonymousLogin(context, 1);
	smbc_setOptionUseCCache(context, 0);
	if (smbc_setConfiguration(context, "/dev/null") < 0 || smbc_init_context(context) == NULL)
		fail("smbc_init_context");
	return context;
}

/* What one of several processes does of a file, or of a tree's files: the PARTth of PARTS. */
struct job {
	SMBCCTX *context;
	const char *local, *url;
	char *buffer;
	unsigned long part, parts;
	const char *proven;
};

static int open_local(const struct job *j, int flags)
{
	int fd = open(j->local, flags, 0644);
	if (fd < 0)
		fail(j->local);
	return fd;
}

static SMBCFILE *open_remote(const struct job *j, int flags)
{
	SMBCFILE *file = smbc_getFunctionOpen(j->context)(j->context, j->url, flags, 0644);
	if (file == NULL)
		fail(j->url);
	return file;
}

static void tell_others(const struct job *j)
{
	int fd = j->proven != NULL && j->part == 0 ? open(j->proven, O_WRONLY | O_CREAT, 0644) : -1;
	if (fd >= 0)
		close(fd);
}

static void wait_for_first(const struct job *j)
{
	const useconds_t moment = 500;
	for (int left = 20000; j->proven != NULL && j->part > 0 && access(j->proven, F_OK) < 0; left--) {
		if (left == 0)
			fail(j->proven);
		usleep(moment);
	}
}

static off_t size_of(int fd)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		fail("fstat");
	return st.st_size;
}

static off_t boundary(const struct job *j, off_t size, unsigned long part)
{
	off_t each = (size / (off_t)j->parts + CHUNK - 1) / CHUNK * CHUNK;
	return part < j->parts && each * (off_t)part < size ? each * (off_t)part : size;
}

static size_t least(off_t left)
{
	return left < CHUNK ? (size_t)left : CHUNK;
}

static void put(const struct job *j)
{
	int local = open_local(j, O_RDONLY);
	SMBCFILE *file = open_remote(j, O_WRONLY | O_CREAT | (j->parts == 1 ? O_TRUNC : 0));
	off_t size = size_of(local), at = boundary(j, size, j->part), end = boundary(j, size, j->part + 1);

	tell_others(j);
	if (smbc_getFunctionLseek(j->context)(j->context, file, at, SEEK_SET) != at)
		fail("smbc_lseek");
	while (at < end) {
		ssize_t n = pread(local, j->buffer, least(end - at), at);
		if (n <= 0 || smbc_getFunctionWrite(j->context)(j->context, file, j->buffer, (size_t)n) != n)
			fail("put");
		at += n;
	}
	if (smbc_getFunctionClose(j->context)(j->context, file) < 0)
		fail("smbc_close");
	close(local);
}

static void get(const struct job *j)
{
	int local = open_local(j, O_WRONLY | O_CREAT | (j->parts == 1 ? O_TRUNC : 0));
	SMBCFILE *file = open_remote(j, O_RDONLY);
	struct stat st;
	off_t at, end;

	tell_others(j);
	if (smbc_getFunctionFstat(j->context)(j->context, file, &st) < 0)
		fail("smbc_fstat");
	at = boundary(j, st.st_size, j->part);
	end = boundary(j, st.st_size, j->part + 1);
	if (smbc_getFunctionLseek(j->context)(j->context, file, at, SEEK_SET) != at)
		fail("smbc_lseek");
	while (at < end) {
		ssize_t n = smbc_getFunctionRead(j->context)(j->context, file, j->buffer, least(end - at));
		if (n <= 0 || pwrite(local, j->buffer, (size_t)n, at) != n)
			fail("get");
		at += n;
	}
	if (smbc_getFunctionClose(j->context)(j->context, file) < 0 || fsync(local) < 0)
		fail("close");
	close(local);
}

/* One small file, with the calls that an atomic put which keeps the time cannot do without. */
static void put_small(const struct job *j, const char *local, const char *url)
{
	struct job file = {.context = j->context, .local = local, .url = url, .buffer = j->buffer, .parts = 1};
	char temporary[URL + 8];
	struct timeval times[2] = {{0}};
	struct stat st;

	snprintf(temporary, sizeof temporary, "%s.part", url);
	file.url = temporary;
	put(&file);
	if (stat(local, &st) < 0)
		fail(local);
	times[0].tv_sec = times[1].tv_sec = st.st_mtime;
	if (smbc_getFunctionUtimes(j->context)(j->context, temporary, times) < 0 ||
	    smbc_getFunctionRename(j->context)(j->context, temporary, j->context, url) < 0)
		fail(url);
}

/* Files in folders, a folder after the other. */
static void put_tree(const struct job *j)
{
	glob_t found;
	char url[URL], made[URL] = "", pattern[URL];

	snprintf(pattern, sizeof pattern, "%s/*/*", j->local);
	if (glob(pattern, 0, NULL, &found) != 0)
		fail(pattern);
	smbc_getFunctionMkdir(j->context)(j->context, j->url, 0755);
	tell_others(j);
	for (size_t i = found.gl_pathc * j->part / j->parts; i < found.gl_pathc * (j->part + 1) / j->parts; i++) {
		const char *path = found.gl_pathv[i], *below = path + strlen(j->local);
		snprintf(url, sizeof url, "%s%.*s", j->url, (int)(strrchr(path, '/') - below), below);
		if (strcmp(url, made) != 0)
			smbc_getFunctionMkdir(j->context)(j->context, url, 0755);
		strcpy(made, url);
		snprintf(url, sizeof url, "%s%s", j->url, below);
		put_small(j, path, url);
	}
	globfree(&found);
}

static SMBCFILE *open_folder(const struct job *j, const char *url)
{
	SMBCFILE *folder = smbc_getFunctionOpendir(j->context)(j->context, url);
	if (folder == NULL)
		fail(url);
	return folder;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* A file of which the folder's listing has told the size and the time. */
static void get_small(const struct job *j, const char *local, const char *url, const struct libsmb_file_info *entry)
{
	struct timespec times[2] = {entry->mtime_ts, entry->mtime_ts};
	struct job file = {.context = j->context, .local = local, .url = url};
	SMBCFILE *from = open_remote(&file, O_RDONLY);
	int to = open_local(&file, O_WRONLY | O_CREAT | O_TRUNC);
	ssize_t n = smbc_getFunctionRead(j->context)(j->context, from, j->buffer, (size_t)entry->size);

	if (n != (ssize_t)entry->size || write(to, j->buffer, (size_t)n) != n || futimens(to, times) < 0 ||
	    close(to) < 0 || smbc_getFunctionClose(j->context)(j->context, from) < 0)
		fail(url);
}

static void get_folder(const struct job *j, const char *local, const char *url)
{
	const struct libsmb_file_info *entry;
	char path[URL], name[URL];
	SMBCFILE *folder = open_folder(j, url);

	mkdir(local, 0755);
	while ((entry = smbc_getFunctionReaddirPlus(j->context)(j->context, folder)) != NULL) {
		if (is_dots(entry->name))
			continue;
		snprintf(path, sizeof path, "%s/%s", local, entry->name);
		snprintf(name, sizeof name, "%s/%s", url, entry->name);
		get_small(j, path, name, entry);
	}
	smbc_getFunctionClosedir(j->context)(j->context, folder);
}

/* That each file which the server has in a folder is the one that is here. */
static void compare_folder(const struct job *j, const char *local, const char *url)
{
	const struct libsmb_file_info *entry;
	char path[URL];
	struct stat st;
	SMBCFILE *folder = open_folder(j, url);

	while ((entry = smbc_getFunctionReaddirPlus(j->context)(j->context, folder)) != NULL) {
		snprintf(path, sizeof path, "%s/%s", local, entry->name);
		if (!is_dots(entry->name) && (lstat(path, &st) < 0 || (uint64_t)st.st_size != entry->size ||
					      st.st_mtim.tv_sec != entry->mtime_ts.tv_sec))
			fail(path);
	}
	smbc_getFunctionClosedir(j->context)(j->context, folder);
}

/* Every PARTSth of a tree's folders. */
static void each_folder(const struct job *j, void (*does)(const struct job *, const char *, const char *))
{
	const struct libsmb_file_info *entry;
	char path[URL], name[URL];
	SMBCFILE *root = open_folder(j, j->url);

	tell_others(j);
	mkdir(j->local, 0755);
	for (unsigned long i = 0; (entry = smbc_getFunctionReaddirPlus(j->context)(j->context, root)) != NULL;) {
		if (is_dots(entry->name) || i++ % j->parts != j->part)
			continue;
		snprintf(path, sizeof path, "%s/%s", j->local, entry->name);
		snprintf(name, sizeof name, "%s/%s", j->url, entry->name);
		does(j, path, name);
	}
	smbc_getFunctionClosedir(j->context)(j->context, root);
}

static void get_tree(const struct job *j)
{
	each_folder(j, get_folder);
}

static void again(const struct job *j)
{
	each_folder(j, compare_folder);
}

static void list(const struct job *j)
{
	const struct libsmb_file_info *entry;
	SMBCFILE *folder = open_folder(j, j->url);

	while ((entry = smbc_getFunctionReaddirPlus(j->context)(j->context, folder)) != NULL)
		printf("%s %llu\n", entry->name, (unsigned long long)entry->size);
	smbc_getFunctionClosedir(j->context)(j->context, folder);
}

static void ask(const struct job *j)
{
	struct stat st;
	if (smbc_getFunctionStat(j->context)(j->context, j->url, &st) < 0)
		fail(j->url);
	printf("%lld %lld\n", (long long)st.st_size, (long long)st.st_mtime);
}

int main(int argc, char **argv)
{
	static const struct { const char *word; void (*does)(const struct job *); } actions[] = {
	    {"put", put}, {"get", get}, {"put_tree", put_tree}, {"get_tree", get_tree},
	    {"again", again}, {"list", list}, {"stat", ask},
	};
	struct job j = {.buffer = malloc(CHUNK), .parts = 1};

	for (size_t i = 0; argc >= 5 && j.buffer != NULL && i < sizeof actions / sizeof *actions; i++) {
		if (strcmp(argv[1], actions[i].word) != 0)
			continue;
		if (argc >= 7) {
			j.part = strtoul(argv[5], NULL, 10);
			j.parts = strtoul(argv[6], NULL, 10);
		}
		j.proven = argc == 8 ? argv[7] : NULL;
		j.local = argv[2];
		j.url = argv[3];
		read_credentials(argv[4]);
		wait_for_first(&j);
		j.context = start();
		actions[i].does(&j);
		smbc_free_context(j.context, 1);
		free(j.buffer);
		return 0;
	}
	fprintf(stderr,
		"usage: loop put|get|put_tree|get_tree|again|list|stat LOCAL URL CREDENTIALS [PART PARTS [PROVEN]]\n");
	return 2;
}
