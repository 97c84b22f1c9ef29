# SPDX-License-Identifier: BSD-2-Clause
"""The two questions over UDP that the bot asks: a name's address (DNS), and the time (SNTP, RFC 4330)."""
import asyncio
import random
import socket
import struct
import time

RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}
ERA = 2_208_988_800  # seconds from 1900 to 1970
PACKET = struct.Struct(">BBbbIII4Q")


class LookupFailed(Exception):
    pass


class OneAnswer(asyncio.DatagramProtocol):
    def __init__(self):
        self.answer = asyncio.get_running_loop().create_future()

    def datagram_received(self, data, addr):
        if not self.answer.done():
            self.answer.set_result((data, time.time_ns()))

    def error_received(self, exc):
        if not self.answer.done():
            self.answer.set_exception(exc)


async def ask(address, port, question, timeout_s):
    """The answer, and when it came (CLOCK_REALTIME, ns)."""
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(OneAnswer, remote_addr=(address, port))
    try:
        transport.sendto(question())
        return await asyncio.wait_for(protocol.answer, timeout_s)
    except asyncio.TimeoutError as e:
        raise LookupFailed("timed out") from e
    except OSError as e:
        raise LookupFailed(str(e)) from e
    finally:
        transport.close()


def skip_name(data, at):
    while data[at]:
        if data[at] >= 0xC0:
            return at + 2
        at += 1 + data[at]
    return at + 1


async def address_of(name, resolver, timeout_s):
    """The first IPv4 address; LookupFailed with what the resolver says otherwise."""
    number = random.randrange(1 << 16)
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = struct.pack(">6H", number, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">x2H", 1, 1)
    data, _ = await ask(resolver, 53, lambda: question, timeout_s)
    try:
        number_back, flags, questions, answers = struct.unpack_from(">4H", data)
        if number_back != number or flags & 15:
            raise LookupFailed(RCODES.get(flags & 15, "another's answer"))
        at = 12
        for _ in range(questions):
            at = skip_name(data, at) + 4
        for _ in range(answers):
            at = skip_name(data, at)
            kind, _, _, length = struct.unpack_from(">2HIH", data, at)
            at += 10
            if kind == 1 and length == 4:
                return socket.inet_ntoa(data[at:at + 4])
            at += length
    except (struct.error, IndexError) as e:
        raise LookupFailed("a broken answer") from e
    raise LookupFailed("no address")


def to_ntp(ns):
    return (ns // 10**9 + ERA) << 32 | (ns % 10**9 << 32) // 10**9


def to_ns(ntp):
    return ((ntp >> 32) - ERA) * 10**9 + ((ntp & 0xFFFFFFFF) * 10**9 >> 32)


async def clock_offset(server, timeout_s):
    """Seconds that the server's clock is ahead, and the time on the way."""
    asked = 0

    def question():
        nonlocal asked
        asked = time.time_ns()
        return PACKET.pack(4 << 3 | 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, to_ntp(asked))

    data, back = await ask(server, 123, question, timeout_s)
    if len(data) < PACKET.size or data[0] & 7 != 4 or not data[1]:
        raise LookupFailed("no time")
    received, sent = map(to_ns, PACKET.unpack_from(data)[-2:])
    return ((received - asked) + (sent - back)) / 2e9, ((back - asked) - (sent - received)) / 1e9
