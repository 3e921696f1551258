#include "answer.h"

enum { ANSWER_READ = 0x08, ANSWER_QUERY_DIRECTORY = 0x0e, ANSWER_QUERY_INFO = 0x10 };
enum { ANSWER_CREATED = 88, ANSWER_DATA = 16, ANSWER_BUFFER = 8 }; /* bytes of the fields (2.2.14, 2.2.20, 2.2.34) */

static bool answer_holds(uint64_t size, uint32_t fields, uint64_t offset, uint64_t length)
{
	return length == 0 || (offset >= FRAME_SMB2_HEADER + fields && offset + length <= size);
}

bool answer_is_sound(const struct frame *f, uint64_t size)
{
	uint32_t length = frame_32(f, FRAME_SMB2_HEADER + 4);

	if (frame_kind(f) != FRAME_SMB2 || frame_status(f) != 0)
		return true;
	switch (frame_command(f)) {
	case SMB2_CREATE: return size >= FRAME_SMB2_HEADER + ANSWER_CREATED;
	case ANSWER_READ:
		return size >= FRAME_SMB2_HEADER + ANSWER_DATA &&
		       answer_holds(size, ANSWER_DATA, frame_16(f, FRAME_SMB2_HEADER + 2) & 0xff, length);
	case ANSWER_QUERY_DIRECTORY:
		return length > 0 && answer_holds(size, ANSWER_BUFFER, frame_16(f, FRAME_SMB2_HEADER + 2), length);
	case ANSWER_QUERY_INFO:
		return size >= FRAME_SMB2_HEADER + ANSWER_BUFFER &&
		       answer_holds(size, ANSWER_BUFFER, frame_16(f, FRAME_SMB2_HEADER + 2), length);
	default: return true;
	}
}
