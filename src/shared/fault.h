/* Failures found by this program itself, as struct smb_fault holds them. */
#ifndef LUA_SMB_SHARED_FAULT_H
#define LUA_SMB_SHARED_FAULT_H

#include "protocol.h"

#include <stdbool.h>

/* Sets code and text; step and status stay. Returns false, so that callers can return it. */
bool fault_set(struct smb_fault *fault, enum smb_code code, const char *text);

/* The same, with what errno says behind the text. */
bool fault_errno(struct smb_fault *fault, enum smb_code code, const char *text, int error);

#endif
