#!/usr/bin/env python3
"""hostile.py SERVER PORT WHAT: an SMB2 server that means harm: a proxy before a good one. Prints the port that it listens at.

  sizes    requests may be as large as 32 bits can say
  endless  each part of a listing is followed by another, for ever
  itself   each folder holds a folder
"""
import socket
import struct
import sys
import threading

SERVER, PORT, WHAT = sys.argv[1], int(sys.argv[2]), sys.argv[3]
NEGOTIATE, CREATE, QUERY_DIRECTORY = 0, 5, 14
FOLDER, FILE = 0x10, 0x20
ALL = 0xFFFFFFFF


def receive(s, n):
    b = bytearray()
    while len(b) < n:
        piece = s.recv(n - len(b))
        if not piece:
            raise EOFError
        b += piece
    return b


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


BATCH = batch([entry("d", FOLDER)] if WHAT == "itself" else [entry("%0240d" % i, FILE) for i in range(400)])


def from_client(b):
    if WHAT == "itself" and b[:4] == b"\xfeSMB" and struct.unpack_from("<H", b, 12)[0] == CREATE:
        at, size = struct.unpack_from("<HH", b, 64 + 44)
        if b[at:at + min(size, 2)] == b"d\0":  # whichever of them is meant: it is there
            struct.pack_into("<H", b, 64 + 46, 2)
    return b


def from_server(b):
    if b[:4] != b"\xfeSMB":
        return b
    status, command = struct.unpack_from("<I", b, 8)[0], struct.unpack_from("<H", b, 12)[0]
    if WHAT == "sizes" and command == NEGOTIATE:
        struct.pack_into("<III", b, 64 + 28, ALL, ALL, ALL)
    if command == QUERY_DIRECTORY and (WHAT == "endless" or WHAT == "itself" and status == 0):
        struct.pack_into("<I", b, 8, 0)
        return b[:64] + struct.pack("<HHI", 9, 72, len(BATCH)) + BATCH
    return b


def pump(a, b, change):
    try:
        while True:
            size = int.from_bytes(receive(a, 4), "big")
            frame = change(receive(a, size))
            b.sendall(struct.pack(">I", len(frame)) + frame)
    except (EOFError, OSError):
        pass
    for s in (a, b):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(64)
print(listener.getsockname()[1], flush=True)
threading.Thread(target=lambda: (sys.stdin.read(), __import__("os")._exit(0)), daemon=True).start()
while True:
    client, _ = listener.accept()
    server = socket.create_connection((SERVER, PORT))
    threading.Thread(target=pump, args=(client, server, from_client), daemon=True).start()
    threading.Thread(target=pump, args=(server, client, from_server), daemon=True).start()
