# SPDX-License-Identifier: BSD-2-Clause
"""Numbered datagrams. A datagram over veth has arrived when send() returns, or very soon after."""
import collections
import select
import socket
import struct
import time

NUMBER = struct.Struct("!I")
SO_RCVBUFFORCE = 33


def make_room(s, size=512 << 20):
    """A receive buffer that holds all that a test sends."""
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, size)


def send_numbers(s, address, numbers):
    for n in numbers:
        s.sendto(NUMBER.pack(n), address)


def drain(s):
    """What waits in a datagram socket: [(data, source)]."""
    found = []
    timeout = s.gettimeout()
    s.setblocking(False)  # MSG_DONTWAIT alone would make Python wait for the socket's timeout
    try:
        while True:
            found.append(s.recvfrom(2048))
    except BlockingIOError:
        return found
    finally:
        s.settimeout(timeout)


def received_numbers(s):
    """The same, of numbered ones: {source port: [number]}."""
    found = collections.defaultdict(list)
    for data, source in drain(s):
        found[source[1]].append(NUMBER.unpack(data)[0])
    return found


def gather_numbers(s, count, seconds=60):
    """The same, once so many are there in all; what never comes is missed after a while."""
    found = collections.defaultdict(list)
    deadline = time.monotonic() + seconds
    while True:
        for port, numbers in received_numbers(s).items():
            found[port] += numbers
        if sum(map(len, found.values())) >= count or time.monotonic() > deadline:
            return found
        select.select([s], [], [], 0.02)
