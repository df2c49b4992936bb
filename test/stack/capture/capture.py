"""Copies every TCP segment of the loopback interface to standard output, until standard input ends.

A frame is its length (4 bytes, big-endian) and the IP packet. The last line of standard error says how many packets the
kernel delivered and how many it had to drop. Needs CAP_NET_RAW; exit code 77 says that it is not there.
"""

import os
import select
import socket
import struct
import sys

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_STATISTICS = 6
PACKET_IGNORE_OUTGOING = 23
PACKET_OUTGOING = 4
SO_RCVBUFFORCE = 33
BUFFER_BYTES = 256 * 1024 * 1024
ETHERNET_BYTES = 14
TCP = 6

try:
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
except PermissionError as error:
    print(f"no capture: {error}", file=sys.stderr)
    sys.exit(77)
try:
    tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
except PermissionError:
    tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
try:
    # On loopback each packet passes twice.
    tap.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
except OSError:
    pass
tap.bind(("lo", 0))
tap.setblocking(False)
out = os.fdopen(1, "wb", buffering=1 << 20)
print("ready", file=sys.stderr, flush=True)

buffer = bytearray(1 << 18)
view = memoryview(buffer)
packets = drops = 0


def is_tcp(size):
    version = buffer[ETHERNET_BYTES] >> 4
    if version == 4:
        return buffer[ETHERNET_BYTES + 9] == TCP
    return version == 6 and buffer[ETHERNET_BYTES + 6] == TCP


def drain():
    while True:
        try:
            size, address = tap.recvfrom_into(buffer)
        except BlockingIOError:
            return
        if address[2] != PACKET_OUTGOING and size > ETHERNET_BYTES + 40 and is_tcp(size):
            out.write(struct.pack(">I", size - ETHERNET_BYTES))
            out.write(view[ETHERNET_BYTES:size])


def count():
    global packets, drops
    seen, dropped = struct.unpack("II", tap.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
    packets += seen
    drops += dropped


while True:
    readable, _, _ = select.select([tap, 0], [], [], 0.2)
    drain()
    out.flush()
    if 0 in readable and not os.read(0, 4096):
        break
drain()
out.flush()
count()
print(f"packets {packets} dropped {drops}", file=sys.stderr, flush=True)
