/*
 * What the module and its worker process say to each other.
 *
 * Over a SOCK_SEQPACKET socketpair: the worker greets (hello), the module answers with whom to connect to (connect,
 * with the descriptors of the shared pages and of its own process), the worker replies; from then on one request at a
 * time is under way and each ends in one reply. A request may bring a local descriptor: bulk data crosses no socket.
 *
 * Both sides come from one build, so structs travel as they lie in memory; the greeting's checksum tells when they do
 * not. Neither trusts the other: lengths are checked after they were copied, text is checked for its end.
 */
#ifndef LUA_SMB_PROTOCOL_H
#define LUA_SMB_PROTOCOL_H

#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#define SMB_PROTOCOL_MAGIC 0x624d534cu /* "LSMb" */
#define SMB_MESSAGE_MAX 65536u /* bytes in a message, header included */
#define SMB_DEPTH_LIMIT 1000u  /* folders one in the other that are looked into, below the first */
#define SMB_PATH_LIMIT 16000u  /* bytes in one path below the share, its NUL included */
#define SMB_OWNER_SIZE 512u    /* bytes in the name of a Kerberos ticket's owner, "bob@REALM" */
#define SMB_TEXT_SIZE 256u     /* bytes in a server, share or user name or a password (libsmbclient's own limit) */
#define SMB_WORKER_SOCKET 3    /* the descriptor on which a worker finds its socket */
#define SMB_STRIPE_FROM (32u << 20)   /* bytes: files from this size on may go over several connections */
#define SMB_STRIPE_WIDE (64u << 20)   /* bytes: from this size on what is under way may lie further apart */
#define SMB_REQUEST_LIMIT (16u << 20) /* bytes in an SMB read or write, whatever the server takes */
#define SMB_FILES_AT_ONCE 16u  /* small files in one request */
#define SMB_SERVERS_ELSEWHERE 16u /* as many refusals by servers that DFS links lead to are remembered */
#define SMB_DIGEST_SIZE 32u    /* bytes of a SHA-256 */

/* The error words of the public contract, in one list for both sides. */
#define SMB_CODES(X)                                                                                                   \
	X(OK, "ok")                                                                                                    \
	X(NOT_FOUND, "not_found")                                                                                      \
	X(FOLDER_MISSING, "folder_missing")                                                                            \
	X(SHARE_MISSING, "share_missing")                                                                              \
	X(EXISTS, "exists")                                                                                            \
	X(IS_DIRECTORY, "is_directory")                                                                                \
	X(NOT_DIRECTORY, "not_directory")                                                                              \
	X(NOT_EMPTY, "not_empty")                                                                                      \
	X(INVALID_NAME, "invalid_name")                                                                                \
	X(ACCESS_DENIED, "access_denied")                                                                              \
	X(AUTH_FAILED, "auth_failed")                                                                                  \
	X(BUSY, "busy")                                                                                                \
	X(NO_SPACE, "no_space")                                                                                        \
	X(HOST_NOT_FOUND, "host_not_found")                                                                            \
	X(UNREACHABLE, "unreachable")                                                                                  \
	X(TIMEOUT, "timeout")                                                                                          \
	X(DISCONNECTED, "disconnected")                                                                                \
	X(CANCELLED, "cancelled")                                                                                      \
	X(MISMATCH, "mismatch")                                                                                        \
	X(LOCAL_IO, "local_io")                                                                                        \
	X(UNSUPPORTED, "unsupported")                                                                                  \
	X(PROTOCOL, "protocol")                                                                                        \
	X(SOURCE_CHANGED, "source_changed")                                                                            \
	X(INVALID_URL, "invalid_url")                                                                                  \
	X(FAILED, "failed")

#define SMB_CODE_ENUM(name, word) SMB_##name,
enum smb_code { SMB_CODES(SMB_CODE_ENUM) SMB_CODE_COUNT };

/* The verbs, each with its name in Lua. What their fields mean stands beside the request. */
#define SMB_VERBS(X)                                                                                                   \
	X(CONNECT, "connect")                                                                                          \
	X(STAT, "stat")                                                                                                \
	X(LIST_OPEN, "list_open")                                                                                      \
	X(LIST_NEXT, "list_next")                                                                                      \
	X(LIST_CLOSE, "list_close")                                                                                    \
	X(MKDIR, "mkdir")                                                                                              \
	X(DELETE, "delete")                                                                                            \
	X(RMDIR, "rmdir")                                                                                              \
	X(RENAME, "rename")                                                                                            \
	X(COPY, "copy")                                                                                                \
	X(UTIME, "utime")                                                                                              \
	X(QUOTA, "quota")                                                                                              \
	X(PUT, "put")                                                                                                  \
	X(GET, "get")                                                                                                  \
	X(GET_SOME, "get_some")                                                                                        \
	X(OPEN, "open")                                                                                                \
	X(UPLOAD, "upload")                                                                                            \
	X(READ, "read")                                                                                                \
	X(WRITE, "write")                                                                                              \
	X(SIZE, "size")                                                                                                \
	X(TRUNCATE, "truncate")                                                                                        \
	X(RELEASE, "release")                                                                                          \
	X(COMMIT, "commit")                                                                                            \
	X(SEND, "send")                                                                                                \
	X(RECEIVE, "receive")                                                                                          \
	X(HASH, "hash")                                                                                                \
	X(SYNC, "sync")                                                                                                \
	X(LOCK, "lock")                                                                                                \
	X(SETTLE, "settle")                                                                                            \
	X(CLOSE, "close")

#define SMB_VERB_ENUM(name, word) SMB_VERB_##name,
enum smb_verb { SMB_VERBS(SMB_VERB_ENUM) SMB_VERB_COUNT };

/* How far a call had come; what a bare errno means depends on it. */
enum smb_step {
	SMB_STEP_START,     /* nothing was sent: the worker itself */
	SMB_STEP_RESOLVE,   /* looking up the server's name */
	SMB_STEP_CONNECT,   /* opening the TCP connection, NetBIOS session included */
	SMB_STEP_NEGOTIATE, /* agreeing on a dialect */
	SMB_STEP_TICKET,    /* asking the Kerberos server (KDC) */
	SMB_STEP_LOGON,     /* session setup */
	SMB_STEP_SHARE,     /* tree connect */
	SMB_STEP_FILE,      /* a request on the share */
	SMB_STEP_LOCAL,     /* the local file: no limit of the server's counts meanwhile */
	SMB_STEP_COUNT
};

/* Which of the destination's limits bounds the step under way. */
enum smb_patience {
	SMB_PATIENCE_SHORT, /* short_timeout for the step */
	SMB_PATIENCE_LIST,  /* list_timeout for the step */
	SMB_PATIENCE_DATA,  /* read_write_timeout without a byte moved */
	SMB_PATIENCE_COUNT
};

enum smb_transport { SMB_TRANSPORT_DIRECTTCP, SMB_TRANSPORT_NETBIOS };
enum smb_demand { SMB_DEMAND_DEFAULT, SMB_DEMAND_OFF, SMB_DEMAND_DESIRED, SMB_DEMAND_REQUIRED };

/* A failure. Words for it are made once, by the module. */
struct smb_fault {
	uint32_t code;   /* enum smb_code; SMB_OK when nothing failed */
	uint32_t step;   /* enum smb_step */
	uint32_t status; /* the NT status that the server sent, 0 when none was seen */
	int32_t error;   /* errno, 0 when there is none */
	char text[256];  /* what happened, for people; no secret, no path */
};

/* By what somebody has logged on. */
enum smb_mechanism { SMB_MECHANISM_UNKNOWN, SMB_MECHANISM_ANONYMOUS, SMB_MECHANISM_NTLM, SMB_MECHANISM_KERBEROS };

/* What a worker has given up before it talked to a server, each with the kernel's word for it: bits. */
enum smb_confined {
	SMB_CONFINED_PRIVILEGES = 1,   /* no_new_privs: a program that it ran would gain none */
	SMB_CONFINED_CAPABILITIES = 2, /* root's are gone */
	SMB_CONFINED_SYSCALLS = 4,     /* seccomp */
	SMB_CONFINED_FILES = 8,        /* Landlock */
	SMB_CONFINED_PORTS = 16        /* Landlock */
};

/* What was agreed with the server, as seen on the wire. */
struct smb_info {
	uint32_t dialect;        /* DialectRevision of SMB2's NEGOTIATE, 1 for NT1, 0 when unknown */
	uint32_t max_read_size;  /* bytes */
	uint32_t max_write_size; /* bytes */
	uint32_t cipher;         /* MS-SMB2 2.2.3.1.2: 1 AES-128-CCM ... 4 AES-256-GCM; 0 when not encrypted */
	uint32_t round_trip;     /* microseconds, the shortest seen */
	uint32_t round_trips;    /* requests sent since the worker started, modulo 2^32 */
	uint32_t confined;       /* enum smb_confined */
	uint64_t throughput;     /* bytes per second of large requests and answers, the highest seen; 0 when unknown */
	int64_t clock_ahead; /* ticks (ticks.h) that the server's clock was ahead of ours when it was connected to */
	uint8_t signing;         /* frames are signed, or encrypted */
	uint8_t encryption;      /* frames are encrypted */
	uint8_t guest;           /* the server made the user a guest */
	uint8_t anonymous;       /* a logon without a name */
	uint8_t mechanism;       /* enum smb_mechanism */
	uint8_t dfs;             /* the share has links to other shares */
	char user[SMB_TEXT_SIZE]; /* "bob", "DOMAIN\\bob" or, with Kerberos, "bob@REALM"; empty: nobody, or unknown */
	char address[64];        /* the server's, numeric */
	char library[32];        /* libsmbclient's version */
};

enum smb_entry_type { SMB_ENTRY_FILE, SMB_ENTRY_DIRECTORY, SMB_ENTRY_LINK, SMB_ENTRY_SHARE };
enum smb_share_kind { SMB_SHARE_DISK, SMB_SHARE_PRINTER, SMB_SHARE_IPC };

/*
 * A file or folder; or a share, with its kind as its attributes, called "name/comment". In a batch its name follows,
 * then padding up to eight bytes.
 */
struct smb_entry {
	uint64_t size;        /* bytes */
	int64_t mtime;        /* last write, in ticks (ticks.h) */
	int64_t atime;        /* last access, likewise */
	int64_t btime;        /* creation, likewise; TICKS_UNKNOWN where nobody says */
	int64_t ctime;        /* last change of contents, name or attributes, likewise */
	uint32_t attributes;  /* MS-FSCC 2.6 file attributes */
	uint16_t type;        /* enum smb_entry_type */
	uint16_t name_length; /* bytes of the name that follows; 0 from stat */
};

/* First message, from the worker, with its own pidfd. */
struct smb_hello {
	uint32_t magic;    /* SMB_PROTOCOL_MAGIC */
	/* BUILD_MESSAGES (build.h): of another build it is another number, should this file differ */
	uint32_t messages;
};

/*
 * Second message, from the module, with its descriptors: the link's page, the destination's page, the module's process.
 */
struct smb_connect {
	uint32_t transport;       /* enum smb_transport */
	uint32_t port;            /* 1 to 65535 */
	uint32_t signing;         /* enum smb_demand */
	uint32_t encryption;      /* enum smb_demand */
	uint32_t kerberos;        /* enum smb_demand; DEFAULT is off */
	uint32_t anonymous;       /* log on without a name */
	uint32_t broadcast;       /* the local network is asked for names that are not found otherwise */
	uint32_t dfs;             /* links to other shares are followed */
	uint32_t confinement;     /* the worker gives up what it does not need */
	uint32_t short_timeout;   /* milliseconds for cleaning up when the module has gone */
	char min_protocol[16];    /* as smb.conf spells it */
	char max_protocol[16];    /* likewise */
	char server[SMB_TEXT_SIZE];
	char share[SMB_TEXT_SIZE]; /* empty: the server's shares are to be listed, and nothing else */
	char username[SMB_TEXT_SIZE];
	char password[SMB_TEXT_SIZE];
	char domain[SMB_TEXT_SIZE];
	char ccache[1024];        /* KRB5CCNAME, empty for the default */
};

enum smb_flags {
	SMB_FLAG_OVERWRITE = 1,  /* an existing target may be replaced */
	SMB_FLAG_PARENTS = 2,    /* make missing folders */
	SMB_FLAG_RECURSIVE = 4,  /* rmdir: with all that is in it */
	SMB_FLAG_MISSING_OK = 8, /* delete: a missing file is no failure */
	SMB_FLAG_MTIME = 16,     /* set `mtime` on what was written */
	SMB_FLAG_NEW = 32,       /* the caller knows that the target does not exist: do not look */
	SMB_FLAG_WRITABLE = 64,  /* open: to read and write, else to read */
	SMB_FLAG_CREATE = 128,   /* open: make the file if it is missing */
	SMB_FLAG_TRUNCATE = 256, /* open: empty the file */
	SMB_FLAG_EXCLUSIVE = 512, /* open: with CREATE, `exists` if the file is there */
	SMB_FLAG_KEEP = 2048,    /* there will be another attempt: when the connection breaks, keep what has arrived */
	SMB_FLAG_AGAIN = 1024,   /* an earlier attempt broke off, and may have done a part of the work, or all of it */
	SMB_FLAG_RESUME = 4096, /* go on from what an earlier run left; if this one breaks off, leave it for the next */
	SMB_FLAG_DIGEST = 8192,  /* give the SHA-256 of what was moved */
	SMB_FLAG_VERIFY = 16384, /* read it back and compare; of COMMIT with `digest` */
	SMB_FLAG_OFFER = 32768,  /* GET: a file of SMB_STRIPE_WIDE bytes and more is only opened; */
	SMB_FLAG_AHEAD = 65536,  /* LIST_OPEN: what was listed ahead, a second ago at most, will do */
	/* PUT, UPLOAD: straight under its name, which is `to` and `temp`; nothing is renamed */
	SMB_FLAG_IN_PLACE = 131072,
	SMB_FLAG_OURS = 262144,  /* with AGAIN, in place: the earlier attempt has opened the file */
	/* PUT, UPLOAD: what has the temporary name may be an earlier run's that nobody could remove */
	SMB_FLAG_LASTING = 524288,
	SMB_FLAG_BLIND = 1048576, /* open: to write only, for who may not read */
	SMB_FLAG_INSIST = 2097152, /* with MTIME: without its time there is to be no new file */
	/* RMDIR: folders that servers keep for themselves stay, with the way to them; see bins.h */
	SMB_FLAG_SPARE_BINS = 4194304,
	SMB_FLAG_NEAR = 8388608, /* with OFFER: a file of SMB_STRIPE_FROM bytes and more is, too */
};

enum { SMB_NAME, SMB_TO, SMB_TEMP, SMB_ASIDE, SMB_NAME_COUNT };

/*
 * A request. Up to four paths below the share follow, of GET_SOME more, each with its NUL:
 *
 *   STAT, MKDIR, UTIME, QUOTA   name
 *   LIST_OPEN                   name, perhaps to: a folder that is likely to be listed next -> handle, first batch
 *   LIST_NEXT, LIST_CLOSE       handle -> next batch
 *   DELETE, RMDIR               name
 *   RENAME                      name, to, aside
 *   COPY                        name, to, temp, aside; mtime, if the copy is to have the source's, whatever it says ->
 *                               bytes
 *   PUT, with a descriptor      to, temp, aside; size, stamp, mtime, offset (again: bytes that had arrived) -> bytes,
 *                               resumed, digest
 *   GET, with a descriptor      name, offset (again: bytes that are there) -> entry, bytes, resumed, digest; or a
 *                               handle, entry and resumed, when that many are on offer
 *   GET_SOME, with descriptors  names (as name, one after the other, and as many as there are descriptors), none on
 *                               offer, nothing resumed -> entries of those that were fetched, up to the first that was
 *                               not, whyever
 *   OPEN, perhaps with a buffer name -> handle, entry (size and times)
 *   UPLOAD, perhaps with one    to, temp, aside; size, mtime, offset (again: bytes that had arrived) -> handle, 0 if
 *                               the file has its name already; bytes that an earlier attempt has left; to resume it
 *                               comes with the local file -> resumed
 *   READ, WRITE                 handle, offset (in the remote file), size, from (offset in the buffer) -> bytes
 *   SIZE                        handle -> entry (size and mtime)
 *   TRUNCATE                    handle, size
 *   RELEASE                     handle of an upload that has all its bytes: it is closed, if COMMIT can do without
 *   COMMIT                      handle of an upload, size, mtime, digest; it is closed, well or not
 *   SEND, with a descriptor     handle, offset, size: these bytes of the local file go to the same place of the remote
 *                               one -> bytes
 *   RECEIVE, with a descriptor  handle, offset, size: the other way round -> bytes
 *   HASH                        size -> digest of the first bytes of the local file that comes with it, or of a
 *                               handle's
 *   SYNC, with a descriptor     writes the local file to disk
 *   LOCK                        name, to: the content of a new lock file (again: which an earlier attempt may have
 *                               made) -> handle
 *   SETTLE                      to, aside, perhaps temp: what a request that broke off left there is put right
 *   CLOSE                       handle; an upload's temporary file is removed, unless it is to be kept; so is a lock's
 *                               file
 *
 * A buffer is a memfd, sealed against shrinking, that both sides map.
 */
struct smb_request {
	uint32_t verb;   /* enum smb_verb */
	uint32_t flags;  /* enum smb_flags */
	uint32_t handle; /* a listing or a file of this worker */
	uint32_t io_size; /* bytes per SMB read or write, 0: what was negotiated */
	uint64_t offset; /* bytes */
	uint64_t from;   /* bytes */
	uint64_t size;   /* bytes */
	int64_t mtime;   /* ticks */
	uint64_t stamp;  /* smb_stamp() of the local file when it was opened */
	uint8_t digest[SMB_DIGEST_SIZE]; /* COMMIT, with VERIFY: of what was sent */
	uint32_t lengths[SMB_NAME_COUNT]; /* bytes of each path, its NUL included; 0 when absent */
};

/* A reply. A batch's entries, those of a listing or of GET_SOME, follow. */
struct smb_reply {
	struct smb_fault fault;
	struct smb_info info;
	struct smb_entry entry;  /* STAT, GET */
	uint32_t handle;         /* LIST_OPEN: 0 when the batch is the last; OPEN, UPLOAD, LOCK */
	/*
	 * entries that follow; of RMDIR that failed, one whose name is the path of what stood in the way; else, by
	 * their paths, the bins that it has spared, as many as there is room for
	 */
	uint32_t count;
	uint32_t left; /* PUT, COMMIT, RENAME, COPY: the old file could not be removed and is there for SETTLE */
	/*
	 * PUT, COMMIT, COPY: all is there, but for its time, which the server did not take -> entry (the time that it
	 * has, or TICKS_UNKNOWN)
	 */
	uint32_t time_refused;
	/* LIST_OPEN: 0 where the share itself answered; else what tells one share that a DFS link led to from others */
	uint32_t elsewhere;
	uint32_t open;           /* listings and files that are open in the worker now */
	/* moved by PUT, GET, COPY; of RMDIR, the bins that it has spared: then the folder is still there */
	uint64_t bytes;
	uint64_t resumed;        /* of these, moved by an earlier attempt */
	uint64_t total;          /* QUOTA, bytes */
	uint64_t available;      /* QUOTA, bytes */
	uint8_t digest[SMB_DIGEST_SIZE]; /* SHA-256 */
};

/* What a PUT, UPLOAD, COMMIT or CLOSE of an upload has left, should it have failed. */
enum smb_unfinished {
	SMB_FINISHED,
	SMB_UNFINISHED,  /* a file that is not whole, or has not its name */
	SMB_NAME_TAKEN,  /* nothing: with LASTING, the temporary name belongs to a transfer that is under way */
};

/* One page that both sides map. The worker writes all but the last three; what it says is a hint and no more. */
struct smb_shared {
	_Atomic uint64_t moved;    /* grows with the bytes that cross the SMB connection */
	_Atomic uint64_t done;     /* bytes of the transfer under way that are known good */
	_Atomic uint64_t size;     /* GET: bytes of the file, */
	_Atomic int64_t mtime;     /* and its time, in ticks */
	_Atomic uint32_t unfinished; /* enum smb_unfinished */
	_Atomic uint32_t removals; /* calls of this request begun that take a name away: of a delete, rename, rmdir */
	_Atomic uint32_t steps;    /* library calls begun */
	_Atomic uint32_t step;     /* enum smb_step, as far as the wire tells */
	_Atomic uint32_t patience; /* enum smb_patience */
	_Atomic uint32_t ahead;    /* the worker does what nobody has asked for yet */
	_Atomic uint32_t taken;    /* requests that it has taken, modulo 2^32 */
	_Atomic uint32_t process;  /* its process id */
	/* grows while it waits for its turn to log on: for another worker, not for the server */
	_Atomic uint32_t turns;
	_Atomic uint32_t cancel;   /* end the request under way, clean up */
	_Atomic uint32_t wanted;   /* somebody waits for it, or is about to */
	_Atomic uint32_t stays;    /* it is not to leave */
};

enum smb_turn_state { SMB_TURN_OPEN, SMB_TURN_CLOSING, SMB_TURN_CLOSED };

/* Which of a destination's workers may send the password, and what became of it. */
struct smb_turn {
	_Atomic uint32_t holder;   /* the process id of the worker that may, 0 for none */
	_Atomic uint32_t accepted; /* how often the password was right, modulo 2^32 */
	/* enum smb_turn_state; CLOSED: the password was refused, `refusal` says why; CLOSING: it is being written */
	_Atomic uint32_t refused;
	_Atomic uint32_t changes;  /* grows with each change of the others: workers wait for that */
	/* the holder has sent the password, and there is no answer; 1 without a holder: there will be none */
	_Atomic uint32_t sent;
	_Atomic uint32_t lost; /* answers that never came, since the password was right or a call of the user's began */
	/* servers that DFS links lead to and that have refused the password: hashes of names */
	_Atomic uint32_t elsewhere[SMB_SERVERS_ELSEWHERE];
	struct smb_fault refusal;
};

enum smb_owner_state { SMB_OWNER_UNKNOWN, SMB_OWNER_WRITING, SMB_OWNER_KNOWN };

/* Whose ticket has logged a destination on: no other's does so later. */
struct smb_owner {
	_Atomic uint32_t state; /* enum smb_owner_state */
	char name[SMB_OWNER_SIZE];
};

/*
 * Another page, which all workers of a destination map: whose turn it is to log on, and how fast they may be together.
 */
struct smb_pace {
	struct smb_turn turn;
	struct smb_owner owner;
	_Atomic uint32_t address; /* which of the server's addresses a worker begins with, modulo their number */
	uint32_t unused;
	_Atomic uint64_t rate;   /* bytes per second, 0: no limit; set by the module */
	_Atomic uint64_t free_at; /* nanoseconds of CLOCK_MONOTONIC from which on there is room for more */
};

/* Tells whether the time of a local file is still the same; any time has one. */
static inline uint64_t smb_stamp(struct timespec t)
{
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/*
 * Bytes of a file that lie between the first missing one and the last that is under way, at most. What an earlier run
 * left is of use up to there.
 */
static inline uint32_t smb_stripe_window(uint64_t size)
{
	return size >= SMB_STRIPE_WIDE ? 128u << 20 : 16u << 20;
}

#endif
