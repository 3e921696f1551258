/*
 * Watches the SMB frames that libsmbclient sends and receives, and says what the library itself does not: the NT status
 * of a failed request, what was negotiated, whether frames are signed and encrypted, how far a connection has come. It
 * never changes a frame. It refuses one (the send fails) where a promise to the user would be broken (demand.h,
 * rename_guard.h), and holds back the one that carries the password until it is this worker's turn (logon.h).
 */
#ifndef LUA_SMB_WIRE_H
#define LUA_SMB_WIRE_H

#include "demand.h"
#include "protocol.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/* ---- for the session ---- */

/* Watches connections to that TCP port from now on, and to those that are SMB's by custom. */
void wire_watch(uint16_t port);

/* Refuses all frames from now on that do not meet the demand. */
void wire_demand(const struct demand *demand);

/* What is demanded was seen to be so. */
bool wire_keeps_demand(void);

/* A library call begins: forgets the status, the refusal and the answers of earlier calls. */
void wire_begin(enum smb_patience patience);

/* Lets nothing more leave during this call. */
void wire_stop(void);

/*
 * From now on the status is that of this call's first failure, since what the library tried after that is nobody's
 * concern.
 */
void wire_blame_first(void);

uint32_t wire_status(void);           /* NT status of the failed request, 0 when none was seen */
bool wire_hides_status(void);         /* the request failed behind encryption: its status was not seen */
bool wire_was_answered_unseen(void);  /* an encrypted answer has come during this call */
bool wire_is_broken(void);            /* the connection was lost during this call */
enum refusal wire_refusal(void);      /* why a frame was refused during this call */
enum smb_step wire_step(void);        /* how far the connection has come */
bool wire_is_overt(void);             /* answers to openings can be read: SMB 2 and above, not encrypted */
bool wire_has_links(void);            /* the share may have links to others, as far as is known by now */
bool wire_is_uncovered(void);         /* the server has said during this call that another one holds the path (DFS) */
bool wire_is_printer(void);           /* the share that was connected to last is a printer's */
bool wire_is_guest(void);             /* a named user was made a guest, or nobody */
void wire_info(struct smb_info *info); /* fills all but `library` */

/*
 * The server has said during this call that it does not follow a link that is no file of its own. Samba 4.22's
 * library opens the link itself then, which reads as an empty file.
 */
bool wire_met_link(void);

/*
 * What the last answer to a CREATE said of the file, during this call; false where none was seen, as behind encryption.
 */
bool wire_created(struct smb_entry *entry);

/*
 * A share is open, which the wire shows only where nothing is encrypted: its connection is the share's own. `share` is
 * the library's name for it. Or that is not used any more.
 */
void wire_share_opened(const void *share);
void wire_share_lost(void);

/* The call that begins is about that share; NULL: about one that has to be opened before. */
void wire_use(const void *share);

/*
 * Which share answered last: 0 for the one that was connected to. Where a DFS link leads, another share answers, over a
 * connection of its own: a number for each of them.
 */
uint32_t wire_place(void);

/* ---- for hooks.c: a function of libc is about to be called, or has returned ---- */

/* Before a byte leaves: true, and errno, when it must not. */
bool wire_refuses(int fd, const struct iovec *parts, int count);

/* Both return `n` and leave errno alone. */
ssize_t wire_sent(int fd, const struct iovec *parts, int count, ssize_t n);
ssize_t wire_received(int fd, const void *buffer, size_t asked, ssize_t n);

/* False, and errno, when there must be no such connection. */
bool wire_may_connect(int fd, const struct sockaddr *address);
void wire_closes(int fd);
void wire_resolves(void);
void wire_waits(void);

#endif
