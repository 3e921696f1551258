/* How fast a connection is: the shortest round trip and the highest throughput that were seen. */
#ifndef LUA_SMB_METER_H
#define LUA_SMB_METER_H

#include "protocol.h"

#include <stdbool.h>
#include <stdint.h>

/* Of one connection; zeroed at its beginning. */
struct meter {
	uint32_t unanswered;   /* requests under way */
	uint64_t sent_at;      /* microseconds: when the sending of the last request began, */
	uint64_t began;        /* of the first of those that were under way together, */
	uint64_t heard;        /* and when something of the answers arrived last; 0: never */
	uint64_t moved_before; /* bytes that had moved before those */
};

/* Microseconds. */
uint64_t meter_now(void);

/* A request has left whose sending began at `since`. `is_answered`: false where the server never answers such a one. */
void meter_sent(struct meter *m, uint64_t since, bool is_answered, struct smb_info *info);

/* A part of an answer has arrived. */
void meter_heard(struct meter *m);

/* An answer has arrived. */
void meter_answered(struct meter *m, struct smb_info *info);

/* Nothing is under way any more: of an encrypted request nobody can tell whether it is ever answered. */
void meter_begin_call(struct meter *m);

#endif
