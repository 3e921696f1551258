/*
 * Sees to it that a server's answer to "where does this path lie?" is found among the frames of a call, encrypted or
 * not.
 */
#ifndef LUA_SMB_REFERRAL_WATCH_H
#define LUA_SMB_REFERRAL_WATCH_H

#include "frame.h"
#include "referral.h"

#include <sys/uio.h>

/* A call begins: forgets what was asked and answered before. */
void referral_watch_begin_call(void);

void referral_watch_sent(const struct frame *f);
void referral_watch_arrived(const struct frame *f);

/* What was answered in this call; NULL: nothing, or nothing that names another path than the share itself. */
const struct referral *referral_watch_found(void);

/* For hooks.c: a message is about to be encrypted; one has been decrypted. */
void referral_watch_encrypts(const struct iovec *parts, int count);
void referral_watch_decrypted(const struct iovec *parts, int count);

#endif
