#include "frame.h"

#include "entry.h"
#include "shared/ticks.h"

static uint64_t frame_field(const struct frame *f, size_t offset, size_t width)
{
	uint64_t value = 0;

	if (offset > f->size || f->size - offset < width)
		return 0;
	for (size_t i = 0; i < width; i++)
		value |= (uint64_t)f->bytes[offset + i] << (8 * i);
	return value;
}

static uint32_t frame_8(const struct frame *f, size_t offset)
{
	return (uint32_t)frame_field(f, offset, 1);
}

uint32_t frame_16(const struct frame *f, size_t offset)
{
	return (uint32_t)frame_field(f, offset, 2);
}

uint32_t frame_32(const struct frame *f, size_t offset)
{
	return (uint32_t)frame_field(f, offset, 4);
}

static uint64_t frame_64(const struct frame *f, size_t offset)
{
	return frame_field(f, offset, 8);
}

/* ---- the header ---- */

enum frame_kind frame_kind(const struct frame *f)
{
	switch (frame_32(f, 0)) {
	case 0x424d53ff: return FRAME_SMB1;
	case 0x424d53fe: return FRAME_SMB2;
	case 0x424d53fd: return FRAME_ENCRYPTED;
	default: return FRAME_OTHER;
	}
}

uint32_t frame_command(const struct frame *f)
{
	return frame_kind(f) == FRAME_SMB1 ? frame_8(f, 4) : frame_16(f, 12);
}

bool frame_is(const struct frame *f, enum frame_kind kind, uint32_t command)
{
	return frame_kind(f) == kind && frame_command(f) == command;
}

uint32_t frame_status(const struct frame *f)
{
	return frame_32(f, frame_kind(f) == FRAME_SMB1 ? 5 : 8);
}

/* A warning that there is no more of something, or more than there is room for, belongs to an answer that is well. */
static bool frame_is_warning_of_failure(uint32_t status)
{
	switch (status) {
	case STATUS_BUFFER_OVERFLOW:
	case STATUS_NO_MORE_FILES:
	case STATUS_NO_MORE_EAS:
	case STATUS_NO_MORE_ENTRIES: return false;
	default: return status >> 30 == 2;
	}
}

bool frame_is_failure(const struct frame *f)
{
	uint32_t status = frame_status(f);

	return (status >> 30 == 3 && status != STATUS_MORE_PROCESSING_REQUIRED) || frame_is_warning_of_failure(status);
}

bool frame_is_housekeeping(const struct frame *f)
{
	switch (frame_command(f)) {
	case SMB2_IOCTL:
	case SMB2_ECHO:
	case SMB2_LOGOFF:
	case SMB2_TREE_DISCONNECT: return true;
	default: return false;
	}
}

bool frame_is_signed(const struct frame *f)
{
	const uint32_t smb1_flags2_signature = 4, smb2_flags_signed = 8;

	return frame_kind(f) == FRAME_SMB1 ? (frame_16(f, 10) & smb1_flags2_signature) != 0
					   : (frame_32(f, 16) & smb2_flags_signed) != 0;
}

/* OriginalMessageSize */
uint32_t frame_hidden_size(const struct frame *f)
{
	return frame_32(f, 36);
}

/* ---- requests ---- */

/* CtlCode */
bool frame_validates_negotiation(const struct frame *f)
{
	const uint32_t validate_negotiate_info = 0x00140204;
	return frame_is(f, FRAME_SMB2, SMB2_IOCTL) && frame_32(f, 68) == validate_negotiate_info;
}

/* WordCount: 12 with a security token, 13 without. */
bool frame_is_old_logon(const struct frame *f)
{
	return frame_is(f, FRAME_SMB1, SMB1_SESSION_SETUP) && frame_8(f, 32) == 13;
}

/*
 * The path in SMB1's TREE_CONNECT_ANDX (MS-CIFS 2.2.4.55.1) lies behind a password, in UTF-16 as all servers since 1996
 * have it.
 */
static size_t frame_smb1_share(const struct frame *f, size_t *offset)
{
	const size_t bytes = 43; /* header 32, 4 words and their count 9, count of bytes 2 */
	size_t size = 0;

	*offset = bytes + frame_16(f, 39);
	*offset += *offset & 1;
	while (*offset + size + 2 <= f->size && frame_16(f, *offset + size) != 0)
		size += 2;
	return size;
}

/* PathOffset, PathLength */
static size_t frame_smb2_share(const struct frame *f, size_t *offset)
{
	*offset = frame_16(f, 68);
	return frame_16(f, 70);
}

struct frame frame_share_name(const struct frame *f)
{
	size_t offset = 0, size = 0;

	if (frame_is(f, FRAME_SMB2, SMB2_TREE_CONNECT))
		size = frame_smb2_share(f, &offset);
	else if (frame_is(f, FRAME_SMB1, SMB1_TREE_CONNECT))
		size = frame_smb1_share(f, &offset);
	if (offset > f->size || size > f->size - offset)
		return (struct frame){f->bytes, 0};
	return (struct frame){f->bytes + offset, size};
}

/* A part of a message; empty where it was not received whole. */
static struct frame frame_part(const struct frame *f, size_t offset, size_t size)
{
	if (offset > f->size || size > f->size - offset)
		return (struct frame){f->bytes, 0};
	return (struct frame){f->bytes + offset, size};
}

/* CtlCode and the input buffer, or the setup word and the parameters. */
struct frame frame_referral_request(const struct frame *f)
{
	const uint32_t get_referrals = 0x00060194, smb1_get_referral = 0x10;

	if (frame_is(f, FRAME_SMB2, SMB2_IOCTL) && frame_32(f, 68) == get_referrals)
		return frame_part(f, frame_32(f, 88), frame_32(f, 92));
	if (frame_is(f, FRAME_SMB1, SMB1_TRANSACTION2) && frame_16(f, 61) == smb1_get_referral)
		return frame_part(f, frame_16(f, 53), frame_16(f, 51));
	return (struct frame){f->bytes, 0};
}

/* ---- answers ---- */

/* The output buffer, or the data, which do not say what they are. */
struct frame frame_referral_answer(const struct frame *f)
{
	const uint32_t get_referrals = 0x00060194;

	if (frame_status(f) != 0)
		return (struct frame){f->bytes, 0};
	if (frame_is(f, FRAME_SMB2, SMB2_IOCTL) && frame_32(f, 68) == get_referrals)
		return frame_part(f, frame_32(f, 96), frame_32(f, 100));
	if (frame_is(f, FRAME_SMB1, SMB1_TRANSACTION2))
		return frame_part(f, frame_16(f, 47), frame_16(f, 45));
	return (struct frame){f->bytes, 0};
}

/* DialectRevision */
uint32_t frame_dialect(const struct frame *f)
{
	return frame_16(f, 68);
}

/*
 * The contexts of NEGOTIATE: NegotiateContextCount of them from NegotiateContextOffset on, each aligned to eight bytes.
 */
uint32_t frame_cipher(const struct frame *f)
{
	const uint32_t encryption_capabilities = 2;
	size_t offset = frame_32(f, 124), contexts = frame_16(f, 70);
	uint32_t cipher = 0;

	for (size_t i = 0; i < contexts && offset < f->size; i++) {
		if (frame_16(f, offset) == encryption_capabilities) /* of an answer: the one that was chosen */
			cipher = frame_16(f, offset + 10);
		offset += (8 + frame_16(f, offset + 2) + 7) & ~(size_t)7;
	}
	return cipher;
}

uint32_t frame_max_read(const struct frame *f)
{
	return frame_32(f, 96);
}

uint32_t frame_max_write(const struct frame *f)
{
	return frame_32(f, 100);
}

uint64_t frame_system_time(const struct frame *f)
{
	return frame_64(f, 104);
}

/* DialectIndex */
bool frame_smb1_is_agreed(const struct frame *f)
{
	const uint32_t none_in_common = 0xffff;
	return frame_16(f, 33) != none_in_common;
}

/* 34 bytes of parameters: DialectIndex 2, SecurityMode 1, MaxMpx 2, MaxVcs 2, MaxBufferSize 4, ... */
uint32_t frame_smb1_buffer(const struct frame *f)
{
	return frame_32(f, 40);
}

/* SessionFlags, or Action */
bool frame_is_guest(const struct frame *f)
{
	return (frame_16(f, frame_kind(f) == FRAME_SMB1 ? 37 : 66) & 1) != 0;
}

bool frame_is_nobody(const struct frame *f)
{
	const uint32_t session_is_null = 2;
	return frame_kind(f) == FRAME_SMB2 && (frame_16(f, 66) & session_is_null) != 0;
}

/* Service, the first text behind the words (MS-CIFS 2.2.4.55.2): "A:", "LPT1:", "IPC" or "COMM". */
static char frame_smb1_service(const struct frame *f)
{
	return (char)frame_8(f, 32 + 1 + 2 * frame_8(f, 32) + 2);
}

/* ShareType */
bool frame_is_disk(const struct frame *f)
{
	return frame_kind(f) == FRAME_SMB1 ? frame_smb1_service(f) == 'A' : frame_8(f, 66) == 1;
}

bool frame_is_printer(const struct frame *f)
{
	return frame_kind(f) == FRAME_SMB1 ? frame_smb1_service(f) == 'L' : frame_8(f, 66) == 3;
}

/* OptionalSupport, or Capabilities */
bool frame_has_links(const struct frame *f)
{
	const uint32_t smb1_share_is_in_dfs = 2, share_dfs = 8;

	if (frame_kind(f) == FRAME_SMB1)
		return (frame_16(f, 37) & smb1_share_is_in_dfs) != 0;
	return (frame_32(f, 72) & share_dfs) != 0;
}

/* A server says 0 of a time that it does not keep. */
static int64_t frame_time(uint64_t t)
{
	return t != 0 ? ticks_of_filetime(t) : TICKS_UNKNOWN;
}

bool frame_created(const struct frame *f, struct smb_entry *entry)
{
	*entry = (struct smb_entry){
	    .btime = frame_time(frame_64(f, 72)),
	    .atime = ticks_of_filetime(frame_64(f, 80)),
	    .mtime = ticks_of_filetime(frame_64(f, 88)),
	    .ctime = frame_time(frame_64(f, 96)),
	    .size = entry_size(frame_64(f, 112)),
	    .attributes = frame_32(f, 120),
	};
	return f->size >= 124;
}
