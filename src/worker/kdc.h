/*
 * What the Kerberos server (KDC) is asked and answers while the library logs on, as seen on the wire (RFC 4120 5.4,
 * 5.9.1; MS-KILE 2.2.1): the library itself tells least of all why a logon by Kerberos failed. wire.c shows it what
 * goes by on other connections than SMB's, UDP and TCP.
 */
#ifndef LUA_SMB_KDC_H
#define LUA_SMB_KDC_H

#include "logon.h"
#include "protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A logon begins: forgets what the KDC said before. */
void kdc_begin(void);

/* There will be no more of it: another worker may try the password. */
void kdc_end(void);

/* A connection to it is about to be made; by UDP that is no more than an address. */
void kdc_tried(void);

/* Before bytes leave: whether they may, or why not. What proves the password has its turn. */
enum logon_turn kdc_turn(const uint8_t *bytes, size_t size);
void kdc_sent(const uint8_t *bytes, size_t size);
void kdc_received(const uint8_t *bytes, size_t size);

bool kdc_is_asked(void);          /* and has not answered, if it can be reached at all */
bool kdc_refused_password(void);  /* wrong, expired, or the account may not log on */

/* Why it gave no ticket for that host to that user; false when it has not refused one. */
bool kdc_fault(struct smb_fault *fault, const char *host, const char *user);

#endif
