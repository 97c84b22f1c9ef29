# SPDX-License-Identifier: BSD-2-Clause
"""stall: the peer reads nothing, and nothing is lost by it; when the window closes, or a burst of it, senders go on."""
import errno
import fcntl
import hashlib
import os
import select
import signal
import socket
import struct
import subprocess
import termios
import unittest

import chance
from again import Again
from databases import POSTGRES, PSQL, REDIS, REDIS_CLI, Postgres, Redis
from lab import FAMILIES, HERE, HOLD, PATIENCE_S, THERE, V4, V6, LabTest, Namespace, name_of, now_ns, wait_until
from meets import meets
from traffic import Beside

PORT, NEXT_PORT = 4000, 4001
TCP_USER_TIMEOUT = 18
MS = 1_000_000
CHUNK = os.urandom(4096)
BYTES_RECEIVED, SND_WND = (128, "=Q"), (228, "=I")  # of struct tcp_info, linux/tcp.h: where, and of which type


def info(s, which):
    return struct.unpack_from(which[1], s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 240), which[0])[0]


def unread(s):
    return struct.unpack("i", fcntl.ioctl(s, termios.FIONREAD, bytes(4)))[0]


class Flood(Beside):
    """Sends all the time, as fast as the other end takes it; both sides keep a hash of all there was."""

    def __init__(self, sender, receiver):
        super().__init__()
        self.sender, self.receiver = sender, receiver
        self.sent, self.received = hashlib.sha256(), hashlib.sha256()
        self.count = 0
        self.error = None
        self.rest = b""
        self.poll = select.poll()
        for s in (sender, receiver):
            s.setblocking(False)
        self.poll.register(sender, select.POLLOUT)
        self.poll.register(receiver, select.POLLIN)

    def run(self):
        try:
            while not self.halt or self.rest:
                for fd, _ in self.poll.poll(20):
                    if fd == self.receiver.fileno():
                        self.receive()
                    else:
                        self.send()
            self.sender.shutdown(socket.SHUT_WR)
            self.poll.unregister(self.sender)
            while not self.poll.poll(20) or self.receive():
                pass
        except OSError as e:
            self.error = e

    def send(self):
        self.rest = self.rest or CHUNK
        try:
            n = self.sender.send(self.rest)
        except BlockingIOError:
            return
        self.sent.update(self.rest[:n])
        self.rest = self.rest[n:]

    def receive(self):
        data = self.receiver.recv(1 << 20)
        if data:
            self.received.update(data)
            self.count += len(data)
        return data

    def arrived(self):
        """Bytes, read or not."""
        return info(self.receiver, BYTES_RECEIVED)

    def is_stalled(self):
        """All that has come was read, and still the sender has no room."""
        before = self.arrived()
        return not unread(self.receiver) and not info(self.sender, SND_WND) and self.arrived() == before


class StallTest(Again, LabTest):
    def stall(self, *words):
        return self.lab.inject("stall=true", *words, "--proto", "tcp", "--remote-port", str(PORT), "--for", HOLD)

    def pair(self, family, port=PORT):
        listener = self.lab.listen(self.lab.there, family, port)
        pair = self.lab.connect(listener)[0]
        listener.close()
        return pair

    def narrow(self, pair):
        """Small buffers: what is under way is soon done."""
        for s in pair:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        return pair

    def assert_whole(self, *floods):
        for flood in floods:
            self.assertIsNone(flood.error)
            self.assertEqual(flood.received.hexdigest(), flood.sent.hexdigest())

    def assert_stalled(self, flood, bystander):
        """Of one not a byte arrives while the other goes on."""
        wait_until(flood.is_stalled, "the stall")
        arrived, count = flood.arrived(), bystander.count
        wait_until(lambda: bystander.count > count + 1_000_000, "the bystander's traffic")
        self.assertEqual(flood.arrived(), arrived, "payload in the window")


class Floods(StallTest):
    """A sender on either side, and a bystander on another port."""

    def check(self, family, direction, offloads):
        self.lab.offloads(offloads)
        client, server = self.narrow(self.pair(family))
        bystander = Flood(*self.narrow(self.pair(family, NEXT_PORT)))
        flood = Flood(client, server) if direction == "in" else Flood(server, client)
        with bystander, flood:
            wait_until(lambda: flood.count, "traffic")
            run = self.stall("--direction", direction)
            run.wait_event("flow.hit")
            self.assert_stalled(flood, bystander)
            before = flood.count
            self.assertEqual(run.stop(), 130)
            wait_until(lambda: flood.count > before, "traffic after the window")
        self.assert_whole(flood, bystander)
        close = run.counters()
        self.assertEqual((close["resumed"], close["failed"], close["flows"]), (1, 0, 1))
        self.assertEqual(close["matched"], close["altered"])

    def test_in(self):
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                self.check(family, "in", True)

    def test_out(self):
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                self.check(family, "out", False)


class Bursts(StallTest):
    def test_goes_on_in_the_pauses(self):
        flood = Flood(*self.narrow(self.pair(V4)))
        with flood:
            wait_until(lambda: flood.count, "traffic")
            run = self.lab.run({"version": 1, "name": "bursts", "interface": "test0",
                                "targets": {"far": {"proto": "tcp", "remote_port": PORT, "direction": "in"}},
                                "steps": [{"name": "stall", "at": "0s", "for": HOLD, "fault": {"stall": True},
                                           "burst": {"on": "300ms", "off": "300ms"}, "target": "far"}]})
            run.wait_event("flow.hit")
            for burst in range(3):
                wait_until(flood.is_stalled, f"burst {burst}")
                at = flood.count
                wait_until(lambda at=at: flood.count > at, f"traffic in pause {burst}")
            self.assertEqual(run.stop(), 130)
        self.assert_whole(flood)
        self.assertGreaterEqual(run.counters()["resumed"], 3)

    def test_windows_without_a_pause(self):
        """When the last one closes, 2.5 s after the first one opened, the sender's probes (after 0.2, 0.6, 1.4 and 3.0 s, if
        not later: tcp_probe0_when()) are far apart, and none has come by in it. It goes on before the fourth."""
        flood = Flood(*self.narrow(self.pair(V4)))
        with flood:
            wait_until(lambda: flood.count, "traffic")
            run = self.lab.run({"version": 1, "name": "windows", "interface": "test0",
                                "targets": {"far": {"proto": "tcp", "remote_port": PORT, "direction": "in"}},
                                "steps": [{"name": "stall", "at": "0s", "for": "500ms", "fault": {"stall": True},
                                           "repeat": {"times": 5, "every": "500ms"}, "target": "far"}]})
            closes = run.opened()["data"]["opens_ns"] + 2500 * MS
            wait_until(flood.is_stalled, "the stall")
            arrived = flood.arrived()
            run.wait_event("fault.close", 4)
            later, count = flood.arrived(), flood.count
            self.in_time(now_ns() < closes, "a look in the last window")
            self.assertEqual(later, arrived, "payload in the windows")
            wait_until(lambda: flood.count > count, "traffic after the windows")
            self.assertLessEqual(self.probes(), 3)
            self.assert_ended(run, 0)
        self.assertGreater(run.counters(-1)["resumed"], 0)
        self.assert_whole(flood)

    def probes(self):
        """For room, by all senders of this host so far."""
        names, values = [line.split() for line in self.lab.here.call("cat", "/proc/net/netstat").splitlines()[:2]]
        return int(values[names.index("TCPWinProbe")])


class Ends(StallTest):
    """However the stall ends, and whatever has become of the connection."""

    def begin(self, pair):
        flood = Flood(*self.narrow(pair))
        flood.start()
        self.addCleanup(flood.stop)
        wait_until(lambda: flood.count, "traffic")
        run = self.stall("--direction", "in")
        run.wait_event("flow.hit")
        return run, flood

    def check(self, number, status):
        run, flood = self.begin(self.pair(V6))
        run.signal(number)
        self.assertEqual(run.wait(), status)
        at = flood.count
        wait_until(lambda: flood.count > at, "traffic after the end")
        flood.stop()
        self.assert_whole(flood)
        return run

    def test_interrupted(self):
        run = self.check(signal.SIGINT, 130)
        self.assertEqual(run.counters()["resumed"], 1)

    def test_terminated(self):
        run = self.check(signal.SIGTERM, 130)
        self.assertEqual(run.counters()["resumed"], 1)

    def test_killed(self):
        """Nobody is told: the sender finds out by itself."""
        self.check(signal.SIGKILL, -signal.SIGKILL)

    def test_closed_meanwhile(self):
        """By its peer, with a FIN that waits for room; and by an RST, of which nobody is told more."""
        left, reset, alive = pairs = [self.pair(V4) for _ in range(3)]
        run = self.stall("--direction", "in")
        run.opened()
        for client, server in pairs:
            client.sendall(b"*")
            self.assertEqual(server.recv(1), b"*")
            server.sendall(b"*")  # with the acknowledgement, if that has not gone before: no room
            self.assertEqual(client.recv(1), b"*")
        left[1].close()
        self.assertEqual(left[0].recv(1), b"")
        left[0].close()
        reset[0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        reset[0].close()
        with self.assertRaises(ConnectionResetError):
            reset[1].recv(1)
        alive[0].sendall(b"late")
        self.assertEqual(run.stop(), 130)
        self.assertEqual(alive[1].recv(4, socket.MSG_PEEK), b"late")
        alive[1].recv(4)
        self.assert_echo(*alive)
        self.assertEqual((run.counters()["resumed"], run.counters()["failed"]), (2, 0))

    def test_begun_in_the_window(self):
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                run = self.stall()
                run.opened()
                client, server = self.pair(family)
                client.sendall(b"request")
                self.assertEqual(select.select([server], [], [], 0.3)[0], [])
                self.assertEqual(run.stop(), 130)
                self.assertEqual(server.recv(10), b"request")
                self.assert_echo(client, server)
                self.assert_echo(client, server, CHUNK * 10)

    def test_percent(self):
        pairs = [self.pair(V4) for _ in range(20)]
        run = self.stall("percent=50%", "--seed", "3")
        run.opened()
        for client, _ in pairs:
            client.sendall(b"a")
        for _, server in pairs:
            server.recv(1)
        drawn = [pair for pair in pairs if self.is_drawn(pair[0], 3, 50)]
        self.assertTrue(0 < len(drawn) < len(pairs))
        wait_until(lambda: not any(info(client, SND_WND) for client, _ in drawn), "no room for the drawn")
        for client, _ in pairs:
            client.sendall(b"b")
        for pair in pairs:
            if pair not in drawn:
                self.assertEqual(pair[1].recv(1), b"b")
        self.assertEqual(select.select([server for _, server in drawn], [], [], 0)[0], [])
        self.assertEqual(run.stop(), 130)
        self.assertEqual(run.counters()["flows"], len(drawn))
        for _, server in drawn:
            self.assertEqual(server.recv(1), b"b")

    @staticmethod
    def is_drawn(client, seed, percent):
        flow = chance.flow_hash(*client.getsockname(), *client.getpeername(), chance.TCP)
        return chance.draw(chance.rule_seed(seed), chance.FLOW, flow) < chance.threshold(percent)


class Forwarded(StallTest):
    """Neither end is on the host of the fault: both are told along the route."""

    def test_router(self):
        lab = self.lab
        far = Namespace()
        self.addCleanup(far.close)
        lab.lay((lab.here, "test1", {V4: "10.78.0.1", V6: "fd78::1"}),
                (far, "far0", {V4: "10.78.0.2", V6: "fd78::2"}), 78)
        lab.here.call("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        for space, net, via in ((lab.there, "10.78.0.0/24", HERE[V4]), (lab.there, "fd78::/64", HERE[V6]),
                                (far, "10.77.0.0/24", "10.78.0.1"), (far, "fd77::/64", "fd78::1")):
            space.call("ip", "route", "add", net, "via", via)
        for family, address in ((V4, "10.78.0.2"), (V6, "fd78::2")):
            with self.subTest(name_of(family)):
                listener = lab.listen(lab.there, family, PORT)
                client = lab.keep(far.socket(family, socket.SOCK_STREAM))
                client.bind((address, 0))
                client.connect((THERE[family], PORT))
                server = lab.keep(listener.accept()[0])
                listener.close()
                floods = Flood(client, server), Flood(*self.narrow(self.pair(family, NEXT_PORT)))
                with floods[0], floods[1]:
                    wait_until(lambda f=floods[0]: f.count, "traffic")
                    run = self.stall()
                    run.wait_event("flow.hit")
                    self.assertEqual(run.stop(), 130)
                    at = floods[0].count
                    wait_until(lambda f=floods[0], at=at: f.count > at, "traffic after the end")
                self.assert_whole(*floods)
                self.assertIn(run.counters()["resumed"], (1, 2))  # the other end may have said nothing so far
                self.assertEqual(run.counters()["failed"], 0)


class Sockets(StallTest):
    """What send() meets."""

    def test_timeouts(self):
        run = self.stall()
        run.opened()
        client, _ = self.pair(V4)
        client.setblocking(True)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 200_000))
        with self.assertRaises(OSError) as caught:
            while True:
                client.send(CHUNK)
        meets("stall: true", "send() with SO_SNDTIMEO", errno.errorcode[caught.exception.errno])
        client, _ = self.pair(V6)
        client.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, 300)
        client.setblocking(True)
        with self.assertRaises(OSError) as caught:
            while True:
                client.send(CHUNK)
        meets("stall: true", "send() with TCP_USER_TIMEOUT", errno.errorcode[caught.exception.errno])
        self.assertEqual(run.stop(), 130)


class Databases(StallTest):
    """An answer that comes late, and a client that doesn't wait for it."""

    def ask(self, argv, **options):
        with self.lab.here:
            return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)

    def assert_waits(self, run, client, expected):
        with self.assertRaises(subprocess.TimeoutExpired):
            client.wait(0.5)
        self.assertEqual(run.stop(), 130)
        out, err = client.communicate(timeout=PATIENCE_S)
        self.assertEqual((client.returncode, out.strip()), (0, expected), err)

    @unittest.skipUnless(REDIS and REDIS_CLI, "needs redis")
    def test_redis(self):
        redis = Redis(self.lab, self.lab.there, PORT)
        self.addCleanup(redis.close)
        run = self.stall()
        run.opened()
        with open(os.path.join(self.lab.folder, "value"), "wb") as f:
            f.write(b"v" * 300_000)
        with open(f.name, "rb") as value:
            client = self.ask([*redis.ask_words, "-x", "set", "key"], stdin=value)
            self.assert_waits(run, client, "OK")
        self.assertEqual(redis.ask("strlen", "key").strip(), "300000")
        meets("stall: true", "redis-cli", "no answer while the window is open, and the right one then")

    @unittest.skipUnless(POSTGRES and PSQL, "needs PostgreSQL")
    def test_psql(self):
        postgres = Postgres(self.lab, self.lab.there, PORT)
        self.addCleanup(postgres.close)
        run = self.stall()
        run.opened()
        done = self.ask([PSQL, "-X", postgres.url(connect_timeout=2), "-c", "select 1"],
                        stdin=subprocess.DEVNULL)
        _, err = done.communicate(timeout=PATIENCE_S)
        meets("stall: true", "psql (connect_timeout=2)",
              f"exit {done.returncode}: {err.strip().rsplit(': ', 1)[1]}")
        client = self.ask([PSQL, "-XAt", postgres.url(), "-c", "select length(repeat('x', 300000))"],
                          stdin=subprocess.DEVNULL)
        self.assert_waits(run, client, "300000")
        meets("stall: true", "psql", "no answer while the window is open, and the right one then")


if __name__ == "__main__":
    unittest.main()
