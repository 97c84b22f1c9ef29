# SPDX-License-Identifier: BSD-2-Clause
"""The exchange's own clock, which stays right when that of the lab's host is moved, and who tells it over SNTP (RFC 4330)."""
import asyncio
import time

from lookups import PACKET, to_ntp

CLIENT_MODE, SERVER_MODE = 3, 4
AHEAD_NS = time.time_ns() - time.monotonic_ns()


def now_ns():
    return AHEAD_NS + time.monotonic_ns()


class TimeServer(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        received = to_ntp(now_ns())
        if len(data) >= PACKET.size and data[0] & 7 == CLIENT_MODE:
            self.transport.sendto(PACKET.pack(data[0] & 0x38 | SERVER_MODE, 2, 6, -20, 16, 16, 0x7F000001, received - (1 << 32),
                                              PACKET.unpack_from(data)[-1], received, to_ntp(now_ns())), addr)
