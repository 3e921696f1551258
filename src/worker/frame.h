/*
 * The fields of SMB messages, by name (MS-SMB2 2.2, MS-CIFS 2.2.3). Nothing from the network is trusted: a field that
 * lies beyond what was received reads as 0.
 */
#ifndef LUA_SMB_FRAME_H
#define LUA_SMB_FRAME_H

#include "protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The beginning of a message, without the four bytes of length that stand before it on the wire. */
struct frame {
	const uint8_t *bytes;
	size_t size; /* bytes that may be read: the message may be longer */
};

enum frame_kind { FRAME_OTHER, FRAME_SMB1, FRAME_SMB2, FRAME_ENCRYPTED };

enum smb2_command {
	SMB2_NEGOTIATE = 0x00,
	SMB2_SESSION_SETUP = 0x01,
	SMB2_LOGOFF = 0x02,
	SMB2_TREE_CONNECT = 0x03,
	SMB2_TREE_DISCONNECT = 0x04,
	SMB2_CREATE = 0x05,
	SMB2_IOCTL = 0x0b,
	SMB2_CANCEL = 0x0c,
	SMB2_ECHO = 0x0d,
	SMB2_SET_INFO = 0x11,
};

enum smb1_command {
	SMB1_TRANSACTION2 = 0x32,
	SMB1_NEGOTIATE = 0x72,
	SMB1_SESSION_SETUP = 0x73,
	SMB1_TREE_CONNECT = 0x75,
};

/* The statuses that are no failures, and those that are looked for (MS-ERREF 2.3.1). */
#define STATUS_PENDING 0x00000103u
#define STATUS_BUFFER_OVERFLOW 0x80000005u
#define STATUS_NO_MORE_FILES 0x80000006u
#define STATUS_NO_MORE_EAS 0x80000012u
#define STATUS_NO_MORE_ENTRIES 0x8000001au
#define STATUS_MORE_PROCESSING_REQUIRED 0xc0000016u
#define STATUS_OBJECT_NAME_COLLISION 0xc0000035u
#define STATUS_PATH_NOT_COVERED 0xc0000257u
#define STATUS_IO_REPARSE_TAG_NOT_HANDLED 0xc0000279u

enum {
	FRAME_HEAD = 20,             /* bytes that tell the command, and whether it is signed */
	FRAME_SMB2_HEADER = 64,      /* bytes before an SMB2 message's own fields */
};

/* Fields of two and four bytes, by their place. */
uint32_t frame_16(const struct frame *f, size_t offset);
uint32_t frame_32(const struct frame *f, size_t offset);

enum frame_kind frame_kind(const struct frame *f);
bool frame_is(const struct frame *f, enum frame_kind kind, uint32_t command);

/* Of an SMB1 or SMB2 message. */
uint32_t frame_command(const struct frame *f);
uint32_t frame_status(const struct frame *f);
bool frame_is_failure(const struct frame *f); /* that a logon goes on, or a listing ends, is none */
bool frame_is_signed(const struct frame *f);

/* SMB2: what the library asks on its own account (DFS referrals, signs of life) or while it tidies up. */
bool frame_is_housekeeping(const struct frame *f);

/* How long an encrypted message was before it was encrypted. */
uint32_t frame_hidden_size(const struct frame *f);

/* ---- what a request asks ---- */

/* SMB 3.0's check that nobody meddled with the negotiation. */
bool frame_validates_negotiation(const struct frame *f);

/* SMB1's logon without NTLM's messages, which proves the password all the same. */
bool frame_is_old_logon(const struct frame *f);

/* The share's name in a TREE_CONNECT, in UTF-16; empty in other messages, and where it was not seen whole. */
struct frame frame_share_name(const struct frame *f);

/* The parameters of a request for DFS referrals; empty in other messages, and where they were not seen whole. */
struct frame frame_referral_request(const struct frame *f);

/* ---- what an answer says ---- */

/* The answer to that request. With SMB1 other answers look the same. */
struct frame frame_referral_answer(const struct frame *f);

uint32_t frame_dialect(const struct frame *f); /* of SMB2's NEGOTIATE: 0x02ff asks for a second one */
uint32_t frame_cipher(const struct frame *f);  /* of SMB 3.1.1's NEGOTIATE, 0: none */
uint32_t frame_max_read(const struct frame *f);
uint32_t frame_max_write(const struct frame *f);
uint64_t frame_system_time(const struct frame *f); /* FILETIME */
bool frame_smb1_is_agreed(const struct frame *f);  /* of SMB1's NEGOTIATE: one of the dialects will do */
uint32_t frame_smb1_buffer(const struct frame *f); /* of SMB1's NEGOTIATE: bytes in a message */
bool frame_is_guest(const struct frame *f);        /* of a SESSION_SETUP */
bool frame_is_nobody(const struct frame *f);
bool frame_is_disk(const struct frame *f);         /* of a TREE_CONNECT */
bool frame_is_printer(const struct frame *f);
bool frame_has_links(const struct frame *f);

/* What the answer to an SMB2 CREATE says of the file; false when it is too short. */
bool frame_created(const struct frame *f, struct smb_entry *entry);

#endif
