/*
 * What libsmbclient does without us: a plain loop between a local file and a share, to hold lua-smb against.
 *
 *   loop put|get LOCALFILE smb://SERVER:PORT/SHARE/NAME CREDENTIALS
 *
 * CREDENTIALS is a file with username= and password= lines. 8 MiB a request, one connection.
 */
#include <fcntl.h>
#include <libsmbclient.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 8 * 1024 * 1024, TEXT = 256 };

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

static void answer(SMBCCTX *context, const char *server, const char *share, char *workgroup, int workgroup_size, char *user,
		   int user_size, char *secret, int secret_size)
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

static void put(SMBCCTX *context, int local, const char *url, char *buffer)
{
	SMBCFILE *file = smbc_getFunctionOpen(context)(context, url, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	ssize_t n;

	if (file == NULL)
		fail(url);
	while ((n = read(local, buffer, CHUNK)) > 0)
		if (smbc_getFunctionWrite(context)(context, file, buffer, (size_t)n) != n)
			fail("smbc_write");
	if (n < 0 || smbc_getFunctionClose(context)(context, file) < 0)
		fail("put");
}

static void get(SMBCCTX *context, int local, const char *url, char *buffer)
{
	SMBCFILE *file = smbc_getFunctionOpen(context)(context, url, O_RDONLY, 0);
	ssize_t n;

	if (file == NULL)
		fail(url);
	while ((n = smbc_getFunctionRead(context)(context, file, buffer, CHUNK)) > 0)
		if (write(local, buffer, (size_t)n) != n)
			fail("write");
	if (n < 0 || smbc_getFunctionClose(context)(context, file) < 0)
		fail("get");
}

int main(int argc, char **argv)
{
	char *buffer = malloc(CHUNK);
	bool sending = argc == 5 && strcmp(argv[1], "put") == 0;
	SMBCCTX *context;
	int local;

	if (argc != 5 || buffer == NULL) {
		fprintf(stderr, "usage: loop put|get LOCALFILE URL CREDENTIALS\n");
		return 2;
	}
	read_credentials(argv[4]);
	local = open(argv[2], sending ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (local < 0)
		fail(argv[2]);
	context = start();
	(sending ? put : get)(context, local, argv[3], buffer);
	if (fsync(local) < 0 && !sending)
		fail("fsync");
	close(local);
	smbc_free_context(context, 1);
	free(buffer);
	return 0;
}
