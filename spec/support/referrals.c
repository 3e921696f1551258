/*
 * Reads what servers say of DFS links (src/worker/referral.c), for a spec: from the standard input requests and answers
 * in turn, each with its length (4 bytes) before it. Writes a line for each pair: the link and the targets, or "none".
 * No server, no connection.
 */
#include "worker/referral.h"

#include <stdio.h>
#include <stdlib.h>

/* Each message has memory of its own: a sanitizer sees what lies beyond it. */
static struct frame next(void)
{
	uint32_t size;
	uint8_t *bytes;

	if (fread(&size, sizeof size, 1, stdin) != 1)
		exit(0);
	bytes = malloc(size + 1);
	if (bytes == NULL || fread(bytes, 1, size, stdin) != size)
		exit(1);
	return (struct frame){bytes, size};
}

/* A line stays a line, whatever a server has put into a name. */
static void show(const char *text)
{
	for (; *text != '\0'; text++)
		putchar((unsigned char)*text < 32 ? '?' : *text);
}

int main(void)
{
	static struct referral r;

	for (;;) {
		struct frame request = next(), answer = next();
		bool found = referral_read_request(&r, &request) && referral_read_answer(&r, &answer);

		show(found ? r.link : "none");
		if (found)
			printf(" %u", (unsigned)r.seconds);
		for (size_t i = 0; found && i < r.count; i++) {
			char target[2 * REFERRAL_NAME + REFERRAL_PATH];
			snprintf(target, sizeof target, " //%s/%s/%s", r.targets[i].server, r.targets[i].share,
				 r.targets[i].path);
			show(target);
		}
		putchar('\n');
		free((void *)(uintptr_t)request.bytes);
		free((void *)(uintptr_t)answer.bytes);
	}
}
