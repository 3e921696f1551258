/*
 * Keeps a rename from replacing a file. Where the new name exists, the library renames (CREATE, SET_INFO, which fails,
 * CLOSE), then deletes what has that name, then renames again. The guard sees the failure and refuses what would follow
 * it. Behind encryption only the lengths of messages tell.
 */
#ifndef LUA_SMB_RENAME_GUARD_H
#define LUA_SMB_RENAME_GUARD_H

#include "frame.h"

#include <stdbool.h>

/* On before a rename, off behind it. */
void rename_guard_set(bool on);

/* Whether the frame would begin to delete the target. */
bool rename_guard_refuses(const struct frame *f);

/* Shows the guard each frame that was sent, and each answer. */
void rename_guard_sent(const struct frame *f);
void rename_guard_answered(const struct frame *f);

#endif
