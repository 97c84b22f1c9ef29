# SPDX-License-Identifier: BSD-2-Clause
"""mtu: what is too long is lost, and its sender is told or not; whatever offloads do, packets are judged as on the wire."""
import errno
import hashlib
import http.server
import json
import os
import select
import socket
import subprocess
import threading
import unittest

from flows import Road
from lab import FAMILIES, HERE, HOLD, LabTest, THERE, UDP, V4, V6, name_of, wait_until
from meets import meets

PORT, NEXT_PORT = 4000, 4001
MTU = 1400
HEADERS = {V4: 28, V6: 48}  # of IP and UDP
SIZE = 1_000_000
TCP_RETRANSMITS = 2  # a byte of struct tcp_info: timeouts in a row so far
IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, PMTUDISC_DO = 10, 23, 2


def digest(data):
    return hashlib.sha256(data).hexdigest()


def timeouts(s):
    return s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[TCP_RETRANSMITS]


class Sender(threading.Thread):
    def __init__(self, s, data):
        super().__init__(daemon=True)
        self.s, self.data = s, data
        self.start()

    def run(self):
        self.s.sendall(self.data)


def receive(s, size):
    parts, missing = [], size
    while missing:
        part = s.recv(min(missing, 1 << 20))
        assert part, "end of file"
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


class MtuTest(LabTest):
    def setUp(self):
        super().setUp()
        self.data = os.urandom(SIZE)

    def inject(self, *words):
        run = self.lab.inject(f"mtu={MTU}", *words, "--for", HOLD)
        run.opened()
        return run

    def end(self, run):
        """Stop it; what its window has counted, which adds up."""
        self.assertEqual(run.stop(), 130, run.stderr)
        counters = run.counters()
        parts = ("passed", "dropped", "reset", "refused", "delayed", "duplicated", "altered", "suppressed")
        self.assertEqual(counters["matched"], sum(counters[p] for p in parts))
        self.assertEqual(counters["failed"], 0)
        return counters

    def assert_transfer(self, sender, receiver):
        thread = Sender(sender, self.data)
        received = receive(receiver, SIZE)
        thread.join()
        self.assertEqual(digest(received), digest(self.data))

    def learned(self, space, family):
        """The path MTU that a host has learned for the other one; None: none."""
        there = (THERE if space is self.lab.here else HERE)[family]
        route = json.loads(space.call("ip", "-json", f"-{4 if family == V4 else 6}", "route", "get", there))[0]
        return next((m["mtu"] for m in route.get("metrics", ()) if "mtu" in m), None)

    def forget(self, family):
        for space in (self.lab.here, self.lab.there):
            space.call("ip", f"-{4 if family == V4 else 6}", "route", "flush", "cache")
            self.assertIsNone(self.learned(space, family), "docs/leftovers.md says how to drop it")


class Told(MtuTest):
    """The sender hears of it and goes on with smaller segments."""

    def check(self, outwards, family):
        lab = self.lab
        near, far = (lab.here, lab.there) if outwards else (lab.there, lab.here)
        pair = lab.connect(lab.listen(far, family, PORT))[0]
        bystander = lab.connect(lab.listen(far, family, NEXT_PORT))[0]
        big = bystander[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
        port = "--remote-port" if outwards else "--local-port"
        run = self.inject("icmp=true", "--proto", "tcp", port, str(PORT))
        self.assert_echo(*pair)
        self.assert_transfer(*pair)
        self.assertLessEqual(pair[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG), MTU - 40)
        self.assertEqual(self.learned(near, family), MTU)
        self.assertIsNone(self.learned(far, family))
        counters = self.end(run)
        self.assertGreater(counters["refused"], 0)
        self.assertGreater(counters["passed"], SIZE // MTU)
        self.assertEqual(counters["dropped"], 0)
        self.forget(family)
        self.assertEqual(bystander[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG), big)
        self.assert_transfer(*bystander)
        self.assert_transfer(*pair)
        self.assertEqual(pair[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG), big, "it grows again")

    def check_all(self):
        for family in FAMILIES:
            for outwards in (True, False):
                with self.subTest(f"{name_of(family)} {'out' if outwards else 'in'}"):
                    self.check(outwards, family)
                    for s in self.lab.sockets:
                        s.close()

    def test_with_offloads(self):
        self.check_all()

    def test_without_offloads(self):
        self.lab.offloads(False)
        self.check_all()

    def test_udp(self):
        """A datagram of the limit's very length arrives; of one that is longer the sender hears with its next call."""
        lab = self.lab
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                receiver, sender = lab.socket(lab.there, family, UDP, PORT), lab.socket(lab.here, family, UDP)
                sender.connect(receiver.getsockname()[:2])
                if family == V4:
                    sender.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_DO)
                else:
                    sender.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_DO)
                run = self.inject("icmp=true", "--proto", "udp", "--remote-port", str(PORT))
                largest = MTU - HEADERS[family]
                sender.send(b"*" * largest)
                self.assertEqual(len(receiver.recv(4096)), largest)
                sender.send(b"*" * (largest + 1))
                wait_until(lambda s=sender: select.select([s], [], [], 0)[0], "the error")
                with self.assertRaises(OSError) as told:
                    sender.send(b"*")
                self.assert_errno(told.exception.errno, errno.EMSGSIZE)
                with self.assertRaises(OSError) as again:
                    sender.send(b"*" * (largest + 1))
                self.assert_errno(again.exception.errno, errno.EMSGSIZE)
                sender.send(b"*" * largest)
                self.assertEqual(len(receiver.recv(4096)), largest)
                counters = self.end(run)
                self.assertEqual((counters["matched"], counters["passed"], counters["refused"]), (3, 2, 1))
                self.forget(family)
                meets("mtu: 1400, icmp: true", "send() on a connected UDP socket",
                      errno.errorcode[told.exception.errno])


class Forwarded(MtuTest):
    """shearpin is on the way of other hosts' connections."""

    KIND = Road

    def test_told(self):
        lab = self.lab
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                listener = lab.listen(lab.there, family, PORT)
                client = lab.socket(lab.far, family, socket.SOCK_STREAM)
                client.connect(listener.getsockname()[:2])
                server = lab.keep(listener.accept()[0])
                run = self.inject("icmp=true", "--proto", "tcp", "--remote-port", str(PORT))
                for sender, receiver in ((client, server), (server, client)):
                    self.assert_transfer(sender, receiver)
                    self.assertLessEqual(sender.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG), MTU - 40)
                counters = self.end(run)
                self.assertGreater(counters["refused"], 0)
                self.assertEqual(counters["dropped"], 0)
                listener.close()


class Silent(MtuTest):
    """A path-MTU black hole."""

    def check(self, outwards, family):
        lab = self.lab
        near, far = (lab.here, lab.there) if outwards else (lab.there, lab.here)
        sender, receiver = lab.connect(lab.listen(far, family, PORT))[0]
        bystander = lab.connect(lab.listen(far, family, NEXT_PORT))[0]
        run = self.inject("--proto", "tcp", "--remote-port" if outwards else "--local-port", str(PORT))
        self.assert_echo(sender, receiver)
        thread = Sender(sender, self.data)
        self.assert_transfer(*bystander)
        wait_until(lambda: timeouts(sender) >= 2, "the sender tries again and again")
        self.assertEqual(select.select([receiver], [], [], 0)[0], [], "something has come through")
        self.assertIsNone(self.learned(near, family))
        counters = self.end(run)
        self.assertGreaterEqual(counters["dropped"], 3)
        self.assertEqual(counters["refused"], 0)
        self.assertEqual(digest(receive(receiver, SIZE)), digest(self.data), "after the window it goes on")
        thread.join()

    def test_with_offloads(self):
        self.check(True, V4)
        self.check(False, V6)

    def test_without_offloads(self):
        self.lab.offloads(False)
        self.check(True, V6)
        self.check(False, V4)

    def test_udp(self):
        lab = self.lab
        receiver, sender = lab.socket(lab.there, V4, UDP, PORT), lab.socket(lab.here, V4, UDP)
        sender.connect(receiver.getsockname())
        run = self.inject("--proto", "udp", "--remote-port", str(PORT))
        for length in (1472, 1373, 1372):
            sender.send(b"*" * length)
        self.assertEqual(len(receiver.recv(4096)), 1372)
        # Without "don't fragment" a router takes it apart.
        sender.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, 0)
        sender.send(b"*" * 1472)
        self.assertEqual(len(receiver.recv(4096)), 1472)
        counters = self.end(run)
        self.assertEqual((counters["dropped"], counters["passed"]), (2, 2))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    body = b"b" * 300_000

    def do_GET(self):  # pylint: disable=invalid-name
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        try:
            self.wfile.write(self.body)
        except ConnectionError:  # curl has given up
            self.close_connection = True

    def log_message(self, *_):
        pass


class Curl(MtuTest):
    """A download, as an application meets it."""

    def setUp(self):
        super().setUp()
        with self.lab.there:
            self.server = http.server.ThreadingHTTPServer((THERE[V4], PORT), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def curl(self, *words):
        with self.lab.here:
            return subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{size_download}", *words,
                                   f"http://{THERE[V4]}:{PORT}/"], capture_output=True, text=True, check=False)

    def test_download(self):
        run = self.inject("icmp=true", "--proto", "tcp", "--remote-port", str(PORT))
        done = self.curl("--max-time", "60")
        self.assertEqual((done.returncode, done.stdout), (0, str(len(Handler.body))), done.stderr)
        self.assertGreater(self.end(run)["refused"], 0)
        meets("mtu: 1400, icmp: true", "curl, a download of 300 kB", "exit 0")

    def hanging(self, run):
        """A download that has met the fault before it was given up; None: this one has not."""
        before = self.dropped(run)
        done = self.curl("--max-time", "1")
        return done if self.dropped(run) > before else None

    def dropped(self, run):
        shown, = json.loads(self.lab.call("status", "--json").stdout)["runs"]
        self.assertEqual(shown["pid"], run.pid)
        return shown["rules"][0]["dropped"]

    def test_download_that_hangs(self):
        run = self.inject("--proto", "tcp", "--remote-port", str(PORT))
        done = wait_until(lambda: self.hanging(run), "curl gives up when packets were lost")
        self.assertEqual(done.returncode, 28, done.stderr)
        self.assertLess(int(done.stdout), MTU)
        self.assertGreater(self.end(run)["dropped"], 0)
        meets("mtu: 1400", "curl, a download of 300 kB", "exit 28: Operation timed out")
        self.assertEqual(self.curl("--max-time", "60").returncode, 0, "the next one")


if __name__ == "__main__":
    unittest.main()
