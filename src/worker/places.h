/* Which files and TCP ports a worker may reach once it talks to a server. */
#ifndef LUA_SMB_PLACES_H
#define LUA_SMB_PLACES_H

#include <stdint.h>

/*
 * Binds this thread and those that it makes, for good; descriptors that are open stay as they are. `port`: the
 * server's. Returns what holds, of enum smb_confined.
 */
uint32_t places_confine(uint16_t port);

#endif
