# SPDX-License-Identifier: BSD-2-Clause
"""A strict reader of capture.pcapng, after draft-ietf-opsawg-pcapng: what it does not expect is an error. tshark is the
lenient one."""
import collections
import csv
import io
import os
import shutil
import struct
import subprocess

SECTION, INTERFACE, STATISTICS, PACKET = 0x0A0D0D0A, 1, 5, 6
COMMENT = 1
ETHERNET, SNAPLEN = 1, 2048
INBOUND, OUTBOUND = 1, 2

Packet = collections.namedtuple("Packet", "interface ts_ns length data direction comment")
Statistics = collections.namedtuple("Statistics", "interface ts_ns comment start_ns end_ns received lost delivered")


def unpack(layout, data, offset=0):
    return struct.unpack_from("=" + layout, data, offset)


def blocks(data):
    """[(type, body)] of whole blocks, with nothing behind them."""
    at, found = 0, []
    while at < len(data):
        kind, length = unpack("II", data, at)
        assert length % 4 == 0 and 12 <= length <= len(data) - at, f"a block of {length} bytes at {at} of {len(data)}"
        assert unpack("I", data, at + length - 4) == (length,), f"the lengths of the block at {at} differ"
        found.append((kind, data[at + 8:at + length - 4]))
        at += length
    return found


def options(data):
    """{code: value}; none twice, and the end where the block ends."""
    at, found = 0, {}
    while True:
        code, length = unpack("HH", data, at)
        at += 4
        if code == 0:
            assert length == 0 and at == len(data), "options end before the block"
            return found
        assert code not in found, f"option {code} twice"
        found[code] = data[at:at + length]
        padding = data[at + length:at + -(-length // 4) * 4]
        assert len(found[code]) == length and not any(padding), f"option {code} is not whole"
        at += length + len(padding)


def text(found, code):
    return found.pop(code).decode() if code in found else None


def time_of(data, offset=0):
    high, low = unpack("II", data, offset)
    return high << 32 | low


class Capture:
    """One section: interfaces, then packets, then statistics, of which a file that was cut off has none."""

    def __init__(self, path):
        with open(path, "rb") as f:
            found = blocks(f.read())
        assert found and found[0][0] == SECTION
        order = [(SECTION, INTERFACE, PACKET, STATISTICS).index(kind) for kind, _ in found]
        assert order == sorted(order) and order.count(0) == 1, "blocks out of order"
        self.section(found[0][1])
        self.interfaces = [self.interface(body) for kind, body in found if kind == INTERFACE]
        self.packets = [self.packet(body) for kind, body in found if kind == PACKET]
        self.statistics = [self.statistic(body) for kind, body in found if kind == STATISTICS]
        assert [s.interface for s in self.statistics] in ([], list(range(len(self.interfaces))))

    def section(self, body):
        assert unpack("IHHq", body) == (0x1A2B3C4D, 1, 0, -1)
        found = options(body[16:])
        self.hardware, self.os, self.application = (text(found, code) for code in (2, 3, 4))
        self.comment = text(found, COMMENT)
        assert not found, found

    @staticmethod
    def interface(body):
        assert unpack("HHI", body) == (ETHERNET, 0, SNAPLEN)
        found = options(body[8:])
        assert found.pop(9) == b"\x09", "nanoseconds"
        name, description, _ = (text(found, code) for code in (2, 3, 12))
        assert description and not found, found
        return name

    def packet(self, body):
        interface, _, _, captured, length = unpack("5I", body)
        end = 20 + -(-captured // 4) * 4
        found = options(body[end:])
        flags, = unpack("I", found.pop(2))
        comment = text(found, COMMENT)
        assert interface < len(self.interfaces) and not any(body[20 + captured:end]) and not found
        assert captured == min(length, SNAPLEN)
        return Packet(interface, time_of(body, 4), length, body[20:20 + captured], flags, comment)

    @staticmethod
    def statistic(body):
        found = options(body[12:])
        result = Statistics(*unpack("I", body), time_of(body, 4), text(found, COMMENT), time_of(found.pop(2)),
                            time_of(found.pop(3)), *(unpack("Q", found.pop(code))[0] for code in (4, 7, 8)))
        assert not found, found
        return result


TSHARK = shutil.which("tshark")
CHECKSUMS = ("-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE")


def tshark(path, *fields):
    """What tshark reads of each packet: [{field: text}]."""
    words = [word for field in fields for word in ("-e", field)]
    done = subprocess.run([TSHARK, "-n", "-r", path, "-T", "fields", "-E", "separator=,", "-E", "quote=d", "-E",
                           "occurrence=f", *CHECKSUMS, *words], capture_output=True, text=True, check=False,
                          env={**os.environ, "HOME": "/nonexistent"})
    if done.returncode:
        raise AssertionError(f"tshark: {done.stderr}")
    return [dict(zip(fields, row)) for row in csv.reader(io.StringIO(done.stdout))]
