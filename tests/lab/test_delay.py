# SPDX-License-Identifier: BSD-2-Clause
"""delay and jitter: who waits, for how long at least, and that nothing else about a packet changes."""
import ctypes
import errno
import json
import os
import random
import shutil
import socket
import struct
import subprocess
import unittest

from bent import MS, NEXT_PORT, PORT, SOURCE, BentTest, Path
from datagrams import NUMBER
from lab import (ATTACH_TCX_EGRESS, BPF_LINK_CREATE, BPF_PROG_LOAD, DEVICE, FAMILIES, HERE, PATIENCE_S, PEER_DEVICE, TCP,
                 TCX, THERE, UDP, V4, V6, bpf, check, name_of, now_ns, wait_until)

DELAY = "50ms"
DELAY_NS = 50 * MS
BPF_PROG_TYPE_SCHED_CLS = 3
# All of redis's programs are one, which goes by its name; redis-tools has the last of these.
REDIS = next(filter(None, map(shutil.which, ("redis-server", "redis-check-rdb"))), None)
LOOPBACK = {V4: "127.0.0.1", V6: "::1"}


def one_way(sender, receiver, data):
    """How long it took at most, and what came."""
    before = now_ns()
    sender.send(data)
    got = receiver.recv(100)
    return now_ns() - before, got


def unacknowledged(s):
    """Segments of a TCP socket that are on their way, or their acknowledgement is: tcpi_unacked of linux/tcp.h."""
    return struct.unpack_from("=I", s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 28), 24)[0]


# linux/if_packet.h
SOL_PACKET, PACKET_AUXDATA, PACKET_OUTGOING = 263, 8, 4
TP_STATUS_VLAN_VALID = 1 << 4
ETH_P_ALL = 3


def raw_socket(space, device):
    with space:
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        s.bind((device, ETH_P_ALL))
    s.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    s.setblocking(False)
    return s


def receive_raw(s, like):
    """The next frame from the source of that one, with the tag that the kernel has taken out put back; or None."""
    while True:
        try:
            data, ancillary, _, address = s.recvmsg(2048, 256)
        except BlockingIOError:
            return None
        if address[2] == PACKET_OUTGOING or data[6:12] != like[6:12]:
            continue
        status, _, _, _, _, tci, tpid = struct.unpack("=3I4H", ancillary[0][2])
        if status & TP_STATUS_VLAN_VALID:
            data = data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
        return data


def udp_frame(family, tags, out):
    """From here to there, or back, with a source address that no interface has."""
    ports = (SOURCE, PORT) if out else (PORT, SOURCE)
    hosts = [socket.inet_pton(family, a[family]) for a in ((HERE, THERE) if out else (THERE, HERE))]
    payload = b"tagged %d" % len(tags)
    udp = struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload
    macs = bytes.fromhex("020000007702" if out else "020000007701") + bytes.fromhex("0200000077ff")
    head = b"".join(struct.pack("!HH", 0x8100 if tag == tags[-1] else 0x88a8, tag) for tag in tags)
    if family == V4:
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0) + hosts[0] + hosts[1]
        ip = ip[:10] + struct.pack("!H", ~checksum(ip) & 0xffff) + ip[12:]
        return macs + head + b"\x08\x00" + ip + udp
    udp = udp[:6] + struct.pack("!H", ~checksum(hosts[0] + hosts[1] + struct.pack("!II", len(udp), 17) + udp)
                                & 0xffff) + udp[8:]
    return macs + head + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(udp), 17, 64) + hosts[0] + hosts[1] + udp


def checksum(data):
    total = sum(struct.unpack(f"!{len(data + b'0') // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


class Directions(BentTest):
    """Each packet of a matching flow waits, in the chosen direction, and no other one."""

    def measure(self, pairs):
        """[(least ns out, least ns in)] of each pair."""
        found = []
        for here, there in pairs:
            out, back = [], []
            for n in range(3):
                for times, sender, receiver in ((out, here, there), (back, there, here)):
                    took, got = one_way(sender, receiver, b"%d" % n)
                    self.assertEqual(got, b"%d" % n)
                    times.append(took)
            found.append((min(out), min(back)))
        return found

    def udp(self, family, port):
        path = Path(self.lab, family, port=port, source=SOURCE + port)
        return path.sender, path.receiver

    def check(self, direction, *words):
        lab = self.lab
        pairs = [self.udp(family, PORT) for family in FAMILIES]
        near = [self.udp(family, NEXT_PORT) for family in FAMILIES]
        for family in FAMILIES:
            pairs += lab.connect(lab.listen(lab.there, family, PORT))
            near += lab.connect(lab.listen(lab.there, family, NEXT_PORT))
        run = self.begin(f"delay={DELAY}", "--direction", direction, *words)
        for out, back in self.measure(pairs):
            if direction != "in":
                self.assertGreaterEqual(out, DELAY_NS)
            if direction != "out":
                self.assertGreaterEqual(back, DELAY_NS)
        self.measure(near)
        # Before the run ends, or what it lets go then has waited for less.
        wait_until(lambda: not any(unacknowledged(s) for pair in pairs for s in pair if s.type == socket.SOCK_STREAM),
                   "the last acknowledgements")
        frames = sum(link["stats64"]["tx"]["packets"] for link in self.statistics())
        counters = self.finish(run)
        receipt = counters["receipt"]
        # UDP: 3 datagrams a direction and family; TCP: besides them acknowledgements.
        self.assertGreaterEqual(counters["matched"], 24 if direction == "both" else 12)
        self.assert_counters(counters, delayed=counters["matched"], flows=4, failed=0)
        for key in ("entered", "returned"):
            self.assertEqual(receipt[key], counters["matched"])
        self.assertEqual((receipt["requested"]["mean_ns"], receipt["clipped"], receipt["raised"]), (DELAY_NS, 0, 0))
        self.assertGreaterEqual(receipt["achieved"]["mean_ns"], DELAY_NS)
        self.assertEqual(receipt["late"]["count"], counters["matched"])
        if run.events("line")[0]["data"]["backend"] == "user":
            self.assertEqual(frames, receipt["entered"], "somebody else's packets went into the line")

    def statistics(self):
        return [link for link in json.loads(self.lab.here.call("ip", "-s", "-json", "link"))
                if link["ifname"].startswith("spline")]

    def test_out(self):
        self.check("out")

    def test_in(self):
        self.check("in")

    def test_both(self):
        self.check("both")

    def test_with_clsact(self):
        self.check("both", "--attach", "clsact")


class Bulk(BentTest):
    """50 MB over TCP arrive whole, in both directions at once, with and without offloads."""

    def transfer(self, direction, offloads, *words):
        lab = self.lab
        lab.offloads(offloads)
        run = self.begin("delay=2ms", "--direction", direction, *words)
        for family in FAMILIES:
            with self.subTest(f"{name_of(family)} {direction} offloads {offloads}"):
                listener = lab.listen(lab.there, family, PORT)
                (client, server), = lab.connect(listener)
                self.assert_bulk(*((client, server) if direction != "in" else (server, client)))
                listener.close()
        counters = self.finish(run)
        self.assert_counters(counters, delayed=counters["matched"], failed=0)

    def test_out(self):
        self.transfer("out", True)

    def test_in(self):
        self.transfer("in", True)

    def test_both(self):
        self.transfer("both", True)

    def test_without_offloads(self):
        self.transfer("both", False)


class Interfaces(BentTest):
    def answer(self, server, count):
        for _ in range(count):
            data, source = server.recvfrom(100)
            server.sendto(data, source)

    def test_loopback(self):
        """A packet on lo goes out and comes in; each way is a direction."""
        here = self.lab.here
        for direction, least in (("out", 1), ("in", 1), ("both", 2)):
            run = self.begin(f"delay={DELAY}", "--direction", direction, interface="lo")
            for family in FAMILIES:
                with self.subTest(f"{name_of(family)} {direction}"):
                    server, client = (self.lab.keep(here.socket(family, UDP)) for _ in range(2))
                    for s in (server, client):
                        s.settimeout(PATIENCE_S)
                    server.bind((LOOPBACK[family], PORT))
                    client.connect((LOOPBACK[family], PORT))
                    for n in range(3):
                        before = now_ns()
                        client.send(b"%d" % n)
                        self.answer(server, 1)
                        self.assertEqual(client.recv(100), b"%d" % n)
                        self.assertGreaterEqual(now_ns() - before, least * DELAY_NS)
                    server.close()
            self.assert_counters(self.finish(run), matched=6 * least, delayed=6 * least, failed=0)

    @unittest.skipUnless(REDIS, "there is no redis")
    def test_redis(self):
        """A real server on lo: every command takes the delay, and its answer is right."""
        lab = self.lab
        with lab.here:
            server = subprocess.Popen(["redis-server", "--port", str(PORT), "--save", "", "--bind", *LOOPBACK.values(),
                                       "--dir", lab.folder], executable=REDIS, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.STDOUT)
        try:
            clients = [lab.keep(lab.here.socket(family, TCP)) for family in FAMILIES]
            for family, client in zip(FAMILIES, clients):
                wait_until(lambda c=client, f=family: c.connect_ex((LOOPBACK[f], PORT)) in (0, errno.EISCONN), "redis")
                client.settimeout(PATIENCE_S)
            run = self.begin(f"delay={DELAY}", "--proto", "tcp", "--direction", "out", interface="lo")
            value = random.Random(7).randbytes(300_000)
            for client in clients:
                before = now_ns()
                answers = client.makefile("rb")
                client.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%s\r\n" % (len(value), value))
                self.assertEqual(answers.readline(), b"+OK\r\n")
                self.assertGreaterEqual(now_ns() - before, DELAY_NS)
                client.sendall(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n")
                self.assertEqual(answers.readline(), b"$%d\r\n" % len(value))
                self.assertEqual(answers.read(len(value) + 2), value + b"\r\n")
                self.assertGreaterEqual(now_ns() - before, 2 * DELAY_NS)
            counters = self.finish(run)
            self.assert_counters(counters, delayed=counters["matched"], flows=2)
        finally:
            server.kill()
            server.wait()

    def add_vlan(self):
        """test0.5, with addresses of its own."""
        lab = self.lab
        for space, device, own in ((lab.here, DEVICE, 1), (lab.there, PEER_DEVICE, 2)):
            lines = [f"link add link {device} name {device}.5 type vlan id 5", f"link set {device}.5 addrgenmode none",
                     f"link set {device}.5 up", f"addr add 10.78.0.{own}/24 dev {device}.5",
                     f"addr add fd78::{own}/64 dev {device}.5 nodad"]
            try:
                space.call("ip", "-batch", "-", input="\n".join(lines))
            except AssertionError as e:
                if "Unknown device type" not in str(e):
                    raise
                self.skipTest("this kernel has no VLAN devices")

    def vlan_pair(self, family, kind):
        addresses = [f"10.78.0.{n}" if family == V4 else f"fd78::{n}" for n in (1, 2)]
        here, there = (self.lab.keep(space.socket(family, kind)) for space in (self.lab.here, self.lab.there))
        there.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        there.bind((addresses[1], PORT))
        for s in (here, there):
            s.settimeout(PATIENCE_S)
        if kind == TCP:
            there.listen()
            here.connect(there.getsockname()[:2])
            accepted = self.lab.keep(there.accept()[0])
            there.close()
            return here, accepted
        here.connect(there.getsockname()[:2])
        here.send(b"hello")
        there.connect(there.recvfrom(10)[1][:2])
        return here, there

    def test_vlan(self):
        """As a target of its own, and seen from the interface below, where its packets carry a tag."""
        self.add_vlan()
        pairs = [(kind, self.vlan_pair(family, kind)) for family in FAMILIES for kind in (UDP, TCP)]
        for interface in (f"{DEVICE}.5", DEVICE):
            with self.subTest(interface):
                run = self.begin(f"delay={DELAY}", interface=interface)
                for kind, (here, there) in pairs:
                    for sender, receiver in ((here, there), (there, here)):
                        took, got = one_way(sender, receiver, b"tagged")
                        self.assertEqual(got, b"tagged")
                        self.assertGreaterEqual(took, DELAY_NS)
                counters = self.finish(run)
                self.assertGreaterEqual(counters["matched"], 8)
                self.assert_counters(counters, delayed=counters["matched"], flows=4)

    def test_bulk_over_vlan(self):
        self.add_vlan()
        for interface in (f"{DEVICE}.5", DEVICE):
            for family in FAMILIES:
                with self.subTest(f"{interface} {name_of(family)}"):
                    here, there = self.vlan_pair(family, TCP)
                    run = self.begin("delay=1ms", interface=interface)
                    self.assert_bulk(here, there, 10_000_000)
                    self.finish(run)

    def test_tagged_frames(self):
        """Frames with a VLAN tag, and with two, as the interface below meets them: they come back to the byte."""
        for direction, (space, device), (far, far_device) in (
                ("out", (self.lab.here, DEVICE), (self.lab.there, PEER_DEVICE)),
                ("in", (self.lab.there, PEER_DEVICE), (self.lab.here, DEVICE))):
            sender, receiver = raw_socket(space, device), raw_socket(far, far_device)
            self.lab.keep(sender)
            self.lab.keep(receiver)
            # fq takes no packet with two tags.
            for backend, tags in (("auto", ()), ("auto", (5,)), ("user", (7, 5))):
                run = self.begin(f"delay={DELAY}", "--direction", direction, "--delay-backend", backend)
                for family in FAMILIES:
                    with self.subTest(f"{direction} {name_of(family)} {tags}"):
                        frame = udp_frame(family, tags, direction == "out")
                        before = now_ns()
                        sender.send(frame)
                        # A packet socket sees what comes in before the programs do, so here it sees it twice.
                        for _ in range(1 if direction == "out" else 2):
                            got = wait_until(lambda r=receiver, f=frame: receive_raw(r, f), "the frame")
                        self.assertEqual(got, frame)
                        self.assertGreaterEqual(now_ns() - before, DELAY_NS)
                self.assert_counters(self.finish(run), matched=2, delayed=2)

    def test_multicast(self):
        groups = {V4: "239.77.0.1", V6: "ff15::77"}
        run = self.begin(f"delay={DELAY}", "--proto", "udp")
        # What comes in from a port 4000 matches, too.
        for family in FAMILIES:
            for sender_space, device, port in ((self.lab.here, DEVICE, 0), (self.lab.there, PEER_DEVICE, PORT)):
                with self.subTest(f"{name_of(family)} from {device}"):
                    self.multicast(family, groups[family], sender_space, device, port)
        self.assert_counters(self.finish(run), matched=12, delayed=12)

    def multicast(self, family, group, space, device, source):
        lab = self.lab
        receiver = lab.keep(lab.other(space).socket(family, UDP))
        receiver.settimeout(PATIENCE_S)
        receiver.bind((group, PORT))
        far = PEER_DEVICE if device == DEVICE else DEVICE
        with lab.other(space):
            index = socket.if_nametoindex(far)
        if family == V4:
            receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                                struct.pack("4s4si", socket.inet_aton(group), bytes(4), index))
        else:
            receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                                socket.inet_pton(V6, group) + struct.pack("i", index))
        sender = lab.socket(space, family, UDP, source)
        with space:
            index = socket.if_nametoindex(device)
        if family == V4:
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("4s4si", bytes(4), bytes(4), index))
        else:
            sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        for n in range(3):
            before = now_ns()
            sender.sendto(b"to all %d" % n, (group, PORT))
            self.assertEqual(receiver.recv(100), b"to all %d" % n)
            self.assertGreaterEqual(now_ns() - before, DELAY_NS)
        receiver.close()
        sender.close()


def attach_mark_filter(space, device, mark):
    """A tcx program behind all others on the way out, which drops what hasn't this mark; returns its link."""
    words = ((0x61, 0x10, 8, 0),      # r0 = skb->mark
             (0x15, 0, 2, mark),      # if r0 == mark, go on at +2
             (0xb7, 0, 0, 2),         # return TC_ACT_SHOT
             (0x95, 0, 0, 0),
             (0xb7, 0, 0, -1),        # return TCX_NEXT
             (0x95, 0, 0, 0))
    code = ctypes.create_string_buffer(b"".join(struct.pack("=BBhi", *w) for w in words))
    licence = ctypes.create_string_buffer(b"GPL")
    program, _ = bpf(BPF_PROG_LOAD, struct.pack("=IIQQ", BPF_PROG_TYPE_SCHED_CLS, len(words), ctypes.addressof(code),
                                                ctypes.addressof(licence)))
    check(program)
    with space:
        link, _ = bpf(BPF_LINK_CREATE, struct.pack("=IIII", program, socket.if_nametoindex(device), ATTACH_TCX_EGRESS, 0))
    os.close(program)
    return check(link)


class Untouched(BentTest):
    """What else a packet has, and what others do with it."""

    MARK = 0x77

    def count_marked(self):
        """A counter of marked packets at the end of their way in."""
        self.lab.here.call("nft", "table inet marks { counter marked { }; chain c { type filter hook input priority 0; "
                           f"meta mark {self.MARK} counter name marked; }}; }}")

    def marked(self):
        text = self.lab.here.call("nft", "-j", "list", "counters")
        return [o["counter"]["packets"] for o in json.loads(text)["nftables"] if "counter" in o]

    @unittest.skipUnless(TCX, "this kernel has no tcx links")
    def test_mark_out(self):
        """A program behind ours, which drops what hasn't the mark, sees packets when they have left the line."""
        run = self.begin(f"delay={DELAY}", "--direction", "out")
        link = attach_mark_filter(self.lab.here, DEVICE, self.MARK)
        try:
            for family in FAMILIES:
                with Path(self.lab, family) as path:
                    path.send(5)
                    path.sender.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, self.MARK)
                    path.send(10)
                    self.assertEqual(path.numbers(10), list(range(10)))
        finally:
            os.close(link)
        self.assert_counters(self.finish(run), delayed=30)

    @unittest.skipUnless(shutil.which("nft"), "there is no nft")
    def test_mark_in(self):
        """On lo a packet keeps the mark of its socket; here it comes through the line on its way in."""
        self.count_marked()
        run = self.begin(f"delay={DELAY}", "--direction", "in", interface="lo")
        for family in FAMILIES:
            server, client = (self.lab.keep(self.lab.here.socket(family, UDP)) for _ in range(2))
            server.bind((LOOPBACK[family], PORT))
            client.bind((LOOPBACK[family], 0))
            client.settimeout(PATIENCE_S)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, self.MARK)
            for _ in range(10):
                server.sendto(b"marked", client.getsockname()[:2])
            for _ in range(10):
                client.recv(10)
            server.close()
        self.assertEqual(self.marked(), [20])
        self.assert_counters(self.finish(run), delayed=20)

    @unittest.skipUnless(shutil.which("iptables"), "there is no iptables")
    def test_connection_tracking(self):
        """A firewall with state, and a translated address: what the line delays belongs to its connection."""
        lab = self.lab
        for tables, family in (("iptables", V4), ("ip6tables", V6)):
            for rule in (("-A", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT"),
                         ("-A", "INPUT", "-p", "ipv6-icmp" if family == V6 else "icmp", "-j", "ACCEPT"),
                         ("-P", "INPUT", "DROP"),
                         ("-t", "nat", "-A", "OUTPUT", "-p", "tcp", "--dport", str(NEXT_PORT), "-j", "DNAT",
                          "--to-destination", f"{THERE[V4]}:{PORT}" if family == V4 else f"[{THERE[V6]}]:{PORT}")):
                lab.here.call(tables, *rule)
        run = self.begin(f"delay={DELAY}")
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                listener = lab.listen(lab.there, family, PORT)
                for port in (PORT, NEXT_PORT):
                    client = lab.socket(lab.here, family, TCP)
                    client.connect((THERE[family], port))
                    server = lab.keep(listener.accept()[0])
                    server.settimeout(PATIENCE_S)
                    self.assert_echo(client, server)
                    self.assertEqual(client.getpeername()[:2], (THERE[family], port))
        counters = self.finish(run)
        self.assert_counters(counters, delayed=counters["matched"], flows=4)


class Order(BentTest):
    """A flow keeps its order, whatever the delay does; nothing is lost and nothing doubled."""

    COUNT = 1000
    FLOWS = 4

    def check(self, *words):
        paths = [Path(self.lab, family, direction, source=SOURCE + n) for family in FAMILIES
                 for n, direction in enumerate(["out", "in"] * (self.FLOWS // 2))]
        run = self.begin(*words, "--seed", "7")
        for n in range(self.COUNT):
            for path in paths:
                path.sender.send(NUMBER.pack(n))
        for path in paths:
            self.assertEqual(path.numbers(self.COUNT), list(range(self.COUNT)))
            self.assertEqual(path.more(), [])
        total = self.COUNT * len(paths)
        counters = self.finish(run)
        self.assert_counters(counters, matched=total, delayed=total, flows=len(paths))
        self.assertEqual(counters["receipt"]["returned"], total)
        for path in paths:
            path.close()
        return counters["receipt"]

    def test_constant(self):
        receipt = self.check("delay=30ms")
        self.assertEqual(receipt["raised"], 0)
        self.assertEqual(receipt["requested"]["mean_ns"], 30 * MS)

    def test_jitter(self):
        for distribution in ("uniform", "normal", "pareto", "paretonormal"):
            with self.subTest(distribution):
                receipt = self.check("delay=30ms", "jitter=20ms", f"distribution={distribution}")
                self.assertGreater(receipt["raised"], 0)
                self.assertGreater(receipt["achieved"]["mean_ns"], receipt["requested"]["mean_ns"])

    def test_percent(self):
        """Spikes: the packets behind a delayed one wait for it."""
        receipt = self.check("delay=30ms", "percent=1%")
        self.assertGreater(receipt["raised"], 0)
        self.assertLess(receipt["requested"]["mean_ns"], 2 * MS)


if __name__ == "__main__":
    unittest.main()
