/* What was agreed with the server (struct smb_info), as the frames tell. The rules are pure. */
#ifndef LUA_SMB_AGREEMENT_H
#define LUA_SMB_AGREEMENT_H

#include "frame.h"
#include "protocol.h"

#include <stdbool.h>

/* A frame was sent: is the connection signed, encrypted? */
void agreement_sent(struct smb_info *info, const struct frame *f, bool is_logged_on);

/* The answers to requests that succeeded. False: nothing is agreed yet. */
bool agreement_negotiated(struct smb_info *info, const struct frame *f);
void agreement_logged_on(struct smb_info *info, const struct frame *f);
void agreement_tree_connected(struct smb_info *info, const struct frame *f);

#endif
