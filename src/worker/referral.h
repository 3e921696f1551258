/*
 * What a server says of a path that another server holds (DFS: MS-DFSC 2.2.2 to 2.2.5). Nothing from the network is
 * trusted: what does not fit is left out.
 */
#ifndef LUA_SMB_REFERRAL_H
#define LUA_SMB_REFERRAL_H

#include "frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	REFERRAL_PATH = 1024 * 3, /* bytes in a path */
	REFERRAL_NAME = 256,      /* bytes in a server's or a share's name */
	REFERRAL_TARGETS = 8,
};

struct referral_target {
	char server[REFERRAL_NAME];
	char share[REFERRAL_NAME];
	char path[REFERRAL_PATH]; /* below the share, '/'-separated; mostly "" */
};

struct referral {
	char asked[REFERRAL_PATH]; /* the path that was asked for: "/server/share/folder/link/file" */
	/* the part of it that the targets stand for, below the share: "folder/link"; "": the share itself */
	char link[REFERRAL_PATH];
	uint32_t seconds;          /* how long that is to be believed */
	size_t count;
	struct referral_target targets[REFERRAL_TARGETS]; /* as the server prefers them */
};

/* Takes the question from a request; false when the frame is none. */
bool referral_read_request(struct referral *r, const struct frame *f);

/* Takes the answer to that question; false when the frame is none, or names no target. */
bool referral_read_answer(struct referral *r, const struct frame *f);

#endif
