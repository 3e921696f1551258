/* Opens the file of an upload: under its temporary name, or straight under its own. */
#ifndef LUA_SMB_OPENING_H
#define LUA_SMB_OPENING_H

#include "upload.h"

/*
 * Opens `up->file`. `up->kept` becomes the size of what an earlier attempt or run left there, if the upload can go on
 * with it. Call replace_look before, unless IN_PLACE is set.
 */
bool opening_make(struct upload *up, struct smb_fault *fault);

/*
 * After an attempt in place that had sent all `size` bytes: whether the file is whole, though it may not be opened any
 * more.
 */
bool opening_is_whole(const struct upload *up, uint64_t size);

#endif
