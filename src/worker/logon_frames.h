/*
 * The frames of a logon: by which mechanism somebody logs on, and as whom. Holds back the frame that proves the
 * password until it is this worker's turn to send it (logon.h), and reports what became of it.
 */
#ifndef LUA_SMB_LOGON_FRAMES_H
#define LUA_SMB_LOGON_FRAMES_H

#include "connection.h"
#include "demand.h"
#include "frame.h"
#include "logon.h"
#include "protocol.h"

#include <stdbool.h>

/* A library call begins: forgets the mechanism of earlier logons. */
void logon_frames_begin_call(void);

/*
 * The calls that follow are about a server that a DFS link leads to; NULL: about the user's own. It may not know the
 * password, which is none the worse for that.
 */
void logon_frames_go_elsewhere(const char *server);

/* Whether a frame that logs on may leave; may wait for this worker's turn. */
enum refusal logon_frames_check(struct connection *c, const struct demand *demand, const struct frame *f);

/* The turn that was waited for, as a refusal. */
enum refusal logon_frames_refusal(enum logon_turn turn);

/* The server has accepted the logon: notes who has logged on. */
void logon_frames_accepted(struct smb_info *info);

/* The server has answered. `is_guest`: it let a guest in, or nobody, instead of the user. */
void logon_frames_answered(struct connection *c, const struct frame *f, bool is_guest);

/* The connection has gone: the server will not say any more whether the password was right. */
void logon_frames_lost(struct connection *c);

/* of the last logon of this call, well or not; UNKNOWN: there was none */
enum smb_mechanism logon_frames_mechanism(void);

/* The domain that the server belongs to, as it said when somebody logged on by NTLM; "": none. */
const char *logon_frames_domain(void);

#endif
