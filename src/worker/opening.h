/* Opens the file of an upload: under its temporary name, or straight under its own. */
#ifndef LUA_SMB_OPENING_H
#define LUA_SMB_OPENING_H

#include "protocol.h"
#include "replace.h"
#include "session.h"

/* A file while it is written. */
struct upload {
	struct replacement target;
	struct session_file *file; /* NULL after upload_begin: an earlier attempt has finished the file */
	bool released;             /* upload_release has closed the file, upload_commit is still to come */
	bool sound;                /* with `released`: the server had no objection to the closing */
	uint64_t kept;             /* bytes that an earlier attempt left in it */
	bool overt;                /* the answer to the opening was readable, and told the file's size */
	bool blind;                /* the user may write the file, but neither read it nor ask for its size */
};

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
