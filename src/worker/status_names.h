/* The names of NT statuses. status_names.c is generated: see `make status-names`. */
#ifndef LUA_SMB_STATUS_NAMES_H
#define LUA_SMB_STATUS_NAMES_H

#include <stddef.h>
#include <stdint.h>

struct status_name {
	uint32_t status;
	const char *name;
};

/* In ascending order. */
extern const struct status_name status_names[];
extern const size_t status_names_count;

#endif
