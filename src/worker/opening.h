/* How the file of an upload is opened: under a temporary name of its own, or straight under its name. */
#ifndef LUA_SMB_OPENING_H
#define LUA_SMB_OPENING_H

#include "upload.h"

/*
 * Opens `up->file`; what an earlier attempt or run has left there, if that may be gone on with, counts `up->kept` bytes. Before a file
 * gets its place by a rename replace_look has to have been asked.
 */
bool opening_make(struct upload *up, struct smb_fault *fault);

/* In place, after an attempt that had sent all `size` bytes: whether the file is whole, though it may not be opened any more. */
bool opening_is_whole(const struct upload *up, uint64_t size);

#endif
