# SPDX-License-Identifier: BSD-2-Clause
"""capture.pcapng: the packets that were hit and no others, as they came, each with what became of it; as a strict reader and as
tshark see it."""
import collections
import errno
import os
import socket
import struct
import unittest

from bent import PORT, SOURCE, BentTest, Path
from lab import (DEVICE, FAMILIES, HERE, HOLD, MNT_DETACH, PEER_DEVICE, THERE, UDP, V4, V6, libc, mount, name_of,
                 wait_until)
from pcapng import INBOUND, OUTBOUND, SNAPLEN, TSHARK, Capture, tshark
from test_delay import raw_socket, udp_frame

MACS = bytes.fromhex("020000007701"), bytes.fromhex("020000007702")  # here, there
ETHERTYPES = {V4: 0x0800, V6: 0x86DD}
HEADERS = {V4: 14 + 20 + 8, V6: 14 + 40 + 8}  # of a datagram
DIRECTIONS = {INBOUND: "in", OUTBOUND: "out"}
# Around the two sizes of the kernel's records, and the least and the most that fit on a wire.
FRAMES = (0, 1, 255, 256, 257, 1000, 1514)
PASSED = ("passed", "suppressed")
FIELDS = ("frame.len", "frame.cap_len", "frame.comment", "frame.interface_name", "frame.packet_flags_direction",
          "frame.time_epoch")


def open_frame(family, frame):
    """(source, destination, protocol, what is behind the IP header) of a frame between here and there."""
    source, destination = frame[6:12], frame[:6]
    assert {source, destination} == set(MACS) or {source, destination} == {bytes(6)}
    assert struct.unpack_from("!H", frame, 12)[0] == ETHERTYPES[family]
    if family == V4:
        length, = struct.unpack_from("!H", frame, 16)
        return (socket.inet_ntop(V4, frame[26:30]), socket.inet_ntop(V4, frame[30:34]), frame[23],
                frame[14 + (frame[14] & 15) * 4:14 + length])
    length, protocol = struct.unpack_from("!HB", frame, 18)
    return (socket.inet_ntop(V6, frame[22:38]), socket.inet_ntop(V6, frame[38:54]), protocol, frame[54:54 + length])


class CaptureTest(BentTest):
    def inject(self, *words, interface=DEVICE):
        run = self.lab.inject(*words, "--remote-port", str(PORT), "--for", HOLD, "--capture", "--evidence", "packets",
                              interface=interface)
        run.opened()
        return run

    def check(self, run, checksums=()):
        """The file agrees with tshark, with the event `capture`, and packet by packet with the events `packet`."""
        path = run.path("capture.pcapng")
        capture = Capture(path)
        if TSHARK:
            self.check_tshark(path, capture, checksums)
        self.check_counts(run, capture)
        events = collections.Counter()
        for e in run.events("packet"):
            data = e["data"]
            fate = [] if data["verdict"] == "delayed" else [data["verdict"]]
            if data["delay_ns"] or data["verdict"] == "delayed":
                us = (data["delay_ns"] + 500) // 1000
                fate.append(f"delayed by {us // 1000}.{us % 1000:03} ms")
            events[e["ts_ns"], data["direction"], f"rule {data['rule']}, {e['step']} #{e['instance']} on {e['target']}: "
                   + ", ".join(fate)] += 1
        packets = collections.Counter((p.ts_ns, DIRECTIONS[p.direction], p.comment) for p in capture.packets)
        self.assertEqual(packets, events)
        return capture

    def check_counts(self, run, capture):
        told = run.events("capture")
        self.assertEqual([e["data"] for e in told], [{"packets": len(capture.packets), "lost": 0,
                                                     "cut": sum(p.length > SNAPLEN for p in capture.packets)}])
        plan, start = run.document("plan.json"), run.events("run.start")[0]
        self.assertEqual(capture.interfaces, plan["interfaces"])
        self.assertEqual(capture.application, f"shearpin {start['data']['version']}")
        self.assertIn(plan["name"], capture.comment)
        self.assertIn(f"seed {plan['seed']}", capture.comment)
        counts = collections.Counter(p.interface for p in capture.packets)
        for i, s in enumerate(capture.statistics):
            self.assertEqual((s.delivered, s.received, s.lost, s.comment), (counts[i], counts[i], 0, None))
            self.assertEqual(s.ts_ns, s.end_ns)
            for p in capture.packets:
                self.assertTrue(s.start_ns < p.ts_ns < s.end_ns)
        self.assertEqual(len(capture.statistics), len(capture.interfaces))

    def check_tshark(self, path, capture, checksums):
        rows = tshark(path, *FIELDS, "ip.version", "ip.checksum.status", "_ws.malformed", *checksums)
        self.assertEqual(len(rows), len(capture.packets))
        for row, p in zip(rows, capture.packets):
            self.assertEqual((int(row["frame.len"]), int(row["frame.cap_len"]), row["frame.comment"],
                              row["frame.interface_name"], int(row["frame.packet_flags_direction"], 0),
                              int(row["frame.time_epoch"].replace(".", ""))),
                             (p.length, len(p.data), p.comment, capture.interfaces[p.interface], p.direction, p.ts_ns))
            self.assertEqual(row["_ws.malformed"], "")
            if row["ip.version"] == "4":
                self.assertEqual(row["ip.checksum.status"], "1", "good")
            for field in checksums:
                self.assertEqual(row[field], "1", f"{field}: good")

    @staticmethod
    def hits(run):
        """What was not passed, in segments."""
        return sum(e["data"]["matched"] - sum(e["data"][v] for v in PASSED) for e in run.events("fault.close"))


class Datagrams(CaptureTest):
    @staticmethod
    def payloads(family):
        return [(b"%d " % size).ljust(max(size - HEADERS[family], 0), b"*")[:max(size - HEADERS[family], 0)]
                for size in FRAMES for _ in range(5)]

    def exchange(self, family, run=None):
        """Both ways; the payloads, as (from here?, payload)."""
        sent = collections.Counter()
        here, there = self.lab.socket(self.lab.here, family, UDP, SOURCE), self.lab.socket(self.lab.there, family, UDP, PORT)
        here.connect(there.getsockname()[:2])
        there.connect(here.getsockname()[:2])
        for payload in self.payloads(family):
            for s in (here, there):
                s.send(payload)
                sent[s is here, payload] += 1
        if run:  # what is on its way has been hit when it is counted
            wait_until(lambda: len(run.events("packet")) >= sent.total(), "each packet's event")
        here.close()
        there.close()
        return sent

    def check_frames(self, family, capture, sent):
        found = collections.Counter()
        for p in capture.packets:
            source, destination, protocol, datagram = open_frame(family, p.data)
            out = p.direction == OUTBOUND
            self.assertEqual((source, destination), (HERE[family], THERE[family]) if out else (THERE[family], HERE[family]))
            self.assertEqual(protocol, socket.IPPROTO_UDP)
            ports = (SOURCE, PORT) if out else (PORT, SOURCE)
            self.assertEqual(struct.unpack_from("!HHH", datagram), (*ports, len(datagram)))
            self.assertEqual(p.length, len(p.data))
            found[out, datagram[8:]] += 1
        self.assertEqual(found, sent)

    def check_drop(self, *words, offloads=True):
        self.lab.offloads(offloads)
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                run = self.inject("drop", "--proto", "udp", *words)
                sent = self.exchange(family, run)
                self.assertEqual(run.stop(), 130)
                self.exchange(family)
                self.assertEqual(self.hits(run), sent.total())
                capture = self.check(run, () if offloads else ("udp.checksum.status",))
                self.check_frames(family, capture, sent)

    def test_at_tc(self):
        self.check_drop("--hook", "tc")

    def test_at_xdp(self):
        self.check_drop("--hook", "xdp")

    def test_checksums(self):
        """Where the sender computes them, they are right."""
        self.check_drop(offloads=False)

    def test_with_clsact(self):
        self.check_drop("--attach", "clsact")

    def test_bent(self):
        """Held, copied or altered: the frame is the one that came, once."""
        for family in FAMILIES:
            for words in (("delay=20ms", "jitter=10ms"), ("duplicate=100%",), ("corrupt=100%",),
                          ("delay=5ms", "duplicate=50%", "corrupt=50%")):
                with self.subTest(f"{name_of(family)} {words}"):
                    run = self.inject(*words, "--proto", "udp")
                    sent = self.exchange(family, run)
                    self.assertEqual(run.stop(), 130)
                    self.assertEqual(self.hits(run), sent.total())
                    self.check_frames(family, self.check(run), sent)

    def test_nothing_else(self):
        """What chance lets pass is not there, and nothing of a port next to it."""
        run = self.inject("loss=50%", "--seed", "7", "--proto", "udp")
        with Path(self.lab, V4) as path, Path(self.lab, V4, port=PORT + 1, source=SOURCE + 1) as other:
            path.send(1000)
            other.send(1000)
            other.gather(1000)
        self.assertEqual(run.stop(), 130)
        capture = self.check(run)
        self.assertEqual(len(capture.packets), run.counters()["dropped"])
        self.assertTrue(0 < len(capture.packets) < 1000)

    def test_tagged(self):
        """A tag is in its place, also where the kernel keeps it apart from the frame."""
        for hook in ("tc", "xdp"):
            with self.subTest(hook):
                run = self.inject("drop", "--proto", "udp", "--hook", hook)
                frames = {out: [udp_frame(family, tags, out) for family in FAMILIES for tags in ((7,), (8, 9))]
                          for out in (False, True)}
                for out, space, device in ((False, self.lab.there, PEER_DEVICE), (True, self.lab.here, DEVICE)):
                    s = self.lab.keep(raw_socket(space, device))
                    for frame in frames[out]:
                        s.send(frame)
                    s.close()
                wait_until(lambda r=run: len(r.events("packet")) >= 8, "each packet's event")
                self.assertEqual(run.stop(), 130)
                capture = self.check(run)
                for out, direction in ((False, INBOUND), (True, OUTBOUND)):
                    self.assertEqual(sorted(p.data for p in capture.packets if p.direction == direction), sorted(frames[out]))

    def test_several_interfaces(self):
        lab = self.lab
        run = lab.run({"version": 1, "name": "two", "interface": [DEVICE, "lo"], "capture": True, "evidence": "packets",
                       "targets": {"t": {"proto": "udp", "remote_port": PORT}},
                       "steps": [{"name": "cut", "at": "0s", "fault": {"drop": True}, "target": "t", "for": HOLD}]})
        run.opened()
        s = lab.keep(lab.here.socket(V4, UDP))
        for n in range(10):
            s.sendto(b"near", ("127.0.0.1", PORT))
            if n % 2:
                s.sendto(b"far", (THERE[V4], PORT))
        self.assertEqual(run.stop(), 130)
        capture = self.check(run)
        found = collections.Counter(capture.interfaces[p.interface] for p in capture.packets)
        self.assertEqual(found, {"lo": 10, DEVICE: 5})

    def test_none(self):
        run = self.begin("drop", "--proto", "udp")
        with Path(self.lab, V4) as path:
            path.send(1)
        self.assertEqual(run.stop(), 130)
        self.assertEqual(run.events("capture", "packet"), [])
        self.assertFalse(os.path.exists(run.path("capture.pcapng")))


class Connections(CaptureTest):
    def test_reset(self):
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                lab = self.lab
                listener = lab.listen(lab.there, family, PORT)
                pairs = lab.connect(listener, 5)
                run = self.inject("reset=both", "--proto", "tcp")
                for client, server in pairs:
                    for s in (client, server):
                        with self.assertRaises(ConnectionResetError):  # idle: without a packet of its own
                            s.recv(1)
                self.assert_errno(lab.try_connect(lab.here, family, PORT), errno.ECONNREFUSED)
                self.assertEqual(run.stop(), 130)
                capture = self.check(run)
                self.assertEqual(len(capture.packets), self.hits(run))
                fates = collections.Counter(p.comment.split(": ")[-1] for p in capture.packets)
                self.assertEqual(fates, {word: run.counters()[word] for word in ("reset", "refused") if run.counters()[word]})
                for p in capture.packets:
                    segment = open_frame(family, p.data)[3]
                    self.assertFalse(segment[13] & 4, "not the RST that it became")
                    self.assertEqual(bool(segment[13] & 2), p.comment.endswith("refused"))
                listener.close()

    def test_reset_segment(self):
        """A segment that becomes an RST is there as it came. It is of no connection: the walk over idle ones has none to reset."""
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                lab = self.lab
                run = self.inject("reset=both", "--proto", "tcp")
                segments = [struct.pack("!HHIIBBHHH", PORT, SOURCE, 1000 + n, 2000, 5 << 4, 0x18, 512, 0, 0) + bytes(n)
                            for n in range(10)]
                with lab.there:
                    s = lab.keep(socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP))
                for segment in segments:
                    s.sendto(segment, (HERE[family], 0))
                wait_until(lambda r=run: len(r.events("packet")) >= len(segments), "each segment's event")
                self.assertEqual(run.stop(), 130)
                self.assertEqual(run.counters()["reset"], len(segments))
                capture = self.check(run)
                self.assertEqual(sorted(open_frame(family, p.data)[3] for p in capture.packets), sorted(segments))
                self.assertEqual({(p.direction, p.comment.split(": ")[-1]) for p in capture.packets}, {(INBOUND, "reset")})

    def test_large_segments(self):
        """Of a GSO packet the first bytes, and how long it was."""
        lab = self.lab
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                listener = lab.listen(lab.there, family, PORT)
                client, server = lab.connect(listener)[0]
                run = self.inject("delay=1ms", "--proto", "tcp")
                self.assert_bulk(client, server, 4_000_000)
                self.assertEqual(run.stop(), 130, run.stderr)
                capture = self.check(run)
                self.assertGreater(run.events("capture")[0]["data"]["cut"], 0)
                self.assertLess(len(capture.packets), run.counters()["delayed"])
                for p in capture.packets:
                    length, = struct.unpack_from("!H", p.data, 16 if family == V4 else 18)
                    self.assertEqual(p.length, length + (14 if family == V4 else 54))
                listener.close()


class Readers(CaptureTest):
    @unittest.skipUnless(TSHARK, "no tshark: all captures are read by the strict reader alone")
    def test_tshark(self):
        """It knows the file's own words, and what a frame is about."""
        run = self.inject("drop", "--proto", "udp")
        with Path(self.lab, V6) as path:
            path.send(3)
        self.assertEqual(run.stop(), 130)
        rows = tshark(run.path("capture.pcapng"), "frame.protocols", "ipv6.dst", "udp.dstport", "frame.comment")
        self.assertEqual(len(rows), 3)
        for row in rows:
            self.assertTrue(row["frame.protocols"].startswith("eth:ethertype:ipv6:udp"), row)
            self.assertEqual((row["ipv6.dst"], row["udp.dstport"]), (THERE[V6], str(PORT)))
            self.assertTrue(row["frame.comment"].endswith(": dropped"))


class Trouble(CaptureTest):
    def flood(self, count, size=1400):
        receiver = self.lab.socket(self.lab.there, V4, UDP, PORT)  # a fault that ends lets the rest pass
        s = self.lab.socket(self.lab.here, V4, UDP)
        s.connect(receiver.getsockname())
        data = bytes(size)
        for _ in range(count):
            s.send(data)
        receiver.close()

    def test_full_disk(self):
        folder = os.path.join(self.lab.folder, "full")
        os.mkdir(folder)
        mount("tmpfs", folder, "size=1m")
        self.addCleanup(libc.umount2, folder.encode(), MNT_DETACH)
        run = self.lab.inject("drop", "--proto", "udp", "--remote-port", str(PORT), "--for", HOLD, "--capture",
                              out=os.path.join(folder, "run"))
        run.opened()
        self.flood(2000)
        self.assert_ended(run, 5)
        self.assertIn("No space left on device", run.stderr)
        capture = Capture(run.path("capture.pcapng"))
        self.assertEqual(capture.statistics, [])
        self.assertTrue(0 < len(capture.packets) < 2000)
        self.assertTrue(all(p.length == HEADERS[V4] + 1400 for p in capture.packets))
        if TSHARK:
            self.check_tshark(run.path("capture.pcapng"), capture, ())
        self.assertTrue(run.events("fault.open"))  # each line that is there is whole
        with Path(self.lab, V4) as path:
            path.send(1)
            path.gather(1)


if __name__ == "__main__":
    unittest.main()
