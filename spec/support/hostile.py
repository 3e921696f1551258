#!/usr/bin/env python3
"""hostile.py SERVER PORT: an SMB2 server that means harm: a proxy before a good one. Prints the port that it listens
at; then takes orders from its standard input, one a line, and answers each with "ok"; ends with its input.

  calm                  passes all as it is
  sizes                 requests may be as large as 32 bits can say
  endless               each part of a listing is followed by another, for ever
  itself                each folder holds a folder
  mutate SEED SIDES     spoils frames: "down" those of the server, "both" the client's as well. The same SEED does the
                        same to the same frames. Answers the number of frames that were spoilt until then, in place of "ok"
"""
import os
import random
import select
import socket
import struct
import sys
import threading

SERVER, PORT = sys.argv[1], int(sys.argv[2])
NEGOTIATE, SESSION_SETUP, TREE_CONNECT, CREATE, QUERY_DIRECTORY, BREAK = 0, 1, 3, 5, 14, 18
FOLDER, FILE = 0x10, 0x20
ALL = 0xFFFFFFFF
SMB2 = b"\xfeSMB"
HEADER = 64
DOWN, UP = "down", "up"


class Order:
    """What is done to the frames that pass."""

    def __init__(self, words):
        self.what = words[0] if words else "calm"
        self.seed = words[1] if len(words) > 1 else ""
        self.sides = (UP, DOWN) if words[2:] == ["both"] else (DOWN,)


order = Order([])
spoilt = 0


def entry(name, attributes):
    """FileIdBothDirectoryInformation (MS-FSCC 2.4.17)."""
    text = name.encode("utf-16-le")
    e = bytearray(104)
    struct.pack_into("<QQQQ", e, 8, *[133500000000000000] * 4)
    struct.pack_into("<II", e, 56, attributes, len(text))
    e += text
    return e + bytes(-len(e) % 8)


def batch(entries):
    for e in entries[:-1]:
        struct.pack_into("<I", e, 0, len(e))
    return b"".join(entries)


BATCHES = {"itself": batch([entry("d", FOLDER)]), "endless": batch([entry("%0240d" % i, FILE) for i in range(400)])}


def command_of(b):
    return struct.unpack_from("<H", b, 12)[0] if len(b) >= HEADER and b[:4] == SMB2 else -1


def from_client(b, what):
    if what == "itself" and command_of(b) == CREATE:
        at, size = struct.unpack_from("<HH", b, HEADER + 44)
        if b[at:at + min(size, 2)] == b"d\0":  # whichever of them is meant: it is there
            struct.pack_into("<H", b, HEADER + 46, 2)
    return b


def from_server(b, what):
    command = command_of(b)
    status = struct.unpack_from("<I", b, 8)[0] if command >= 0 else 0
    if what == "sizes" and command == NEGOTIATE:
        struct.pack_into("<III", b, HEADER + 28, ALL, ALL, ALL)
    if command == QUERY_DIRECTORY and (what == "endless" or what == "itself" and status == 0):
        struct.pack_into("<I", b, 8, 0)
        return b[:HEADER] + struct.pack("<HHI", 9, 72, len(BATCHES[what])) + BATCHES[what]
    return b


def framed(b):
    return struct.pack(">I", len(b)) + bytes(b)


class Mutator:
    """Spoils the frames of one side of one connection. Each method returns what is sent in a frame's place."""

    ODD = (2, 6, 12, 24)  # one frame in so many is spoilt, one of these for a seed
    ODD_EARLY = 40  # of those that connect
    INTERESTING = (0, 1, 2, 7, 8, 64, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, ALL,
                   1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)

    def __init__(self, seed, side):
        self.random = random.Random("%s %s" % (seed, side))
        self.odd = random.Random(seed).choice(self.ODD)
        self.seen = {}  # the last frame of each command
        self.held = None
        self.kinds = (self.bit, self.byte, self.field, self.field, self.header, self.header, self.next, self.length,
                      self.shorter, self.longer, self.twice, self.later, self.unasked, self.swapped, self.stale)

    def spoil(self, b):
        global spoilt
        command = command_of(b)
        odd = self.ODD_EARLY if command in (NEGOTIATE, SESSION_SETUP, TREE_CONNECT) else self.odd
        result = framed(b)
        if self.random.randrange(odd) == 0 and len(b) > 0:
            spoilt += 1
            result = self.random.choice(self.kinds)(bytearray(b))
        self.seen[command] = bytes(b)
        if self.held is not None and self.held[0] == 0:
            result, self.held = result + self.held[1], None
        elif self.held is not None:
            self.held = (0, self.held[1])
        return result

    def bit(self, b):
        for _ in range(self.random.choice((1, 1, 4, 32))):
            b[self.random.randrange(len(b))] ^= 1 << self.random.randrange(8)
        return framed(b)

    def byte(self, b):
        at = self.random.randrange(min(len(b), 256))
        for i in range(at, min(len(b), at + self.random.choice((1, 1, 2, 8)))):
            b[i] = self.random.choice((0, 0xFF, self.random.randrange(256)))
        return framed(b)

    def put(self, b, at, width):
        if at + width <= len(b):
            value = self.random.choice(self.INTERESTING + (len(b), len(b) - 1, len(b) + 1, self.random.getrandbits(64)))
            b[at:at + width] = (value & ((1 << (8 * width)) - 1)).to_bytes(width, "little")
        return framed(b)

    def field(self, b):
        """Sizes, counts and offsets stand at even places near the body's beginning."""
        width = self.random.choice((2, 4, 4, 8))
        return self.put(b, HEADER + 2 * self.random.randrange(72), width)

    def header(self, b):
        """Credit charge, status, command, credits, flags, message, process or tree, session; of a transform header (52
        bytes) the nonce, the size, the flags."""
        return self.put(b, *self.random.choice(((6, 2), (8, 4), (12, 2), (14, 2), (16, 4), (24, 8), (32, 4), (36, 4),
                                                (40, 8))))

    def next(self, b):
        return self.put(b, 20, 4)

    def length(self, b):
        """The transport's own: type and three bytes."""
        size = self.random.choice((0, 1, len(b) - 1, len(b) + 1, len(b) + 4, 63, 0x1FFFF, 0xFFFFFF))
        kind = self.random.choice((0, 0, 0, 0, 0x81, 0x83, 0x85, 0xFF))
        return struct.pack(">I", kind << 24 | size & 0xFFFFFF) + bytes(b)

    def shorter(self, b):
        return framed(b[:self.random.randrange(len(b))])

    def longer(self, b):
        return framed(b + self.random.randbytes(self.random.choice((1, 8, 64, 4096))))

    def twice(self, b):
        return framed(b) * self.random.choice((2, 2, 50))

    def later(self, b):
        """After the next one, or alone after a moment."""
        if self.held is not None:
            return framed(b)
        self.held = (1, framed(b))
        return b""

    def unasked(self, b):
        extra = bytearray(b)
        if command_of(b) >= 0:
            struct.pack_into("<Q", extra, 24, self.random.choice(((1 << 64) - 1, 0, 1, 1 << 32)))
            if self.random.randrange(2) == 0:
                struct.pack_into("<H", extra, 12, BREAK)
        return framed(extra) + framed(b)

    def swapped(self, b):
        """The header of this one with what another one said."""
        other = self.random.choice(sorted(self.seen.values())) if self.seen else b
        return framed(bytes(b[:HEADER]) + other[HEADER:])

    def stale(self, b):
        """What was said to an earlier one of the same command."""
        other = self.seen.get(command_of(b), bytes(b))
        return framed(bytes(b[:HEADER]) + other[HEADER:])


def receive(s, n):
    b = bytearray()
    while len(b) < n:
        piece = s.recv(n - len(b))
        if not piece:
            raise EOFError
        b += piece
    return b


class Pump:
    """One side of a connection."""

    def __init__(self, a, b, side):
        self.a, self.b, self.side = a, b, side
        self.order = self.mutator = None

    def changed(self, frame):
        now = order
        if now is not self.order:
            self.order = now
            self.mutator = Mutator(now.seed, self.side) if now.what == "mutate" and self.side in now.sides else None
        if self.mutator:
            return self.mutator.spoil(frame)
        return framed((from_client if self.side == UP else from_server)(frame, now.what))

    def release(self):
        """A frame that waits for the next one waits no longer when none comes."""
        m = self.mutator
        if m and m.held is not None and not select.select([self.a], [], [], 0.05)[0]:
            self.b.sendall(m.held[1])
            m.held = None

    def run(self):
        try:
            while True:
                self.release()
                size = int.from_bytes(receive(self.a, 4)[1:], "big")
                self.b.sendall(self.changed(receive(self.a, size)))
        except (EOFError, OSError):
            pass
        for s in (self.a, self.b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def obey():
    global order
    for line in sys.stdin:
        order = Order(line.split())
        print(spoilt if order.what == "mutate" else "ok", flush=True)
    os._exit(0)


def admit(client):
    try:
        server = socket.create_connection((SERVER, PORT))
    except OSError:
        client.close()
        return
    for s in (client, server):
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for pump in (Pump(client, server, UP), Pump(server, client, DOWN)):
        threading.Thread(target=pump.run, daemon=True).start()


listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(64)
print(listener.getsockname()[1], flush=True)
threading.Thread(target=obey, daemon=True).start()
while True:
    admit(listener.accept()[0])
