# SPDX-License-Identifier: BSD-2-Clause
"""rate_limit: so many new connections in each second of the window, and not one more or less."""
import collections
import errno
import select
import socket
import subprocess
import unittest

from closing import NEXT_PORT, PORT, S, ClosingTest
from flows import Road
from lab import FAMILIES, TCP, V4, V6, name_of, now_ns, wait_until
from meets import meets

RATE = 10

Attempt = collections.namedtuple("Attempt", "before after error")


class RateLimitTest(ClosingTest):
    def burst(self, side, address, count):
        """Connects at once, without waiting in between; how each ended. The SYN was judged within the call."""
        sockets = []
        for _ in range(count):
            s = self.lab.keep(side.socket(V6 if ":" in address[0] else V4, TCP))
            s.setblocking(False)
            before = now_ns()
            s.connect_ex(address)
            sockets.append((s, before, now_ns()))
        found = []
        for s, before, after in sockets:
            poll = select.poll()
            poll.register(s, select.POLLOUT)
            self.assertTrue(poll.poll(60_000), "connect() goes on and on")
            found.append(Attempt(before, after, s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)))
        return found, [s for s, _, _ in sockets]

    @staticmethod
    def wait_second(opens):
        second = (now_ns() - opens) // S
        wait_until(lambda: (now_ns() - opens) // S > second, "the next second")

    def assert_rate(self, attempts, opens):
        """In every second that saw more attempts than places, exactly so many got one. An attempt that was made while
        one second became the next may belong to either."""
        good, doubtful, tried = collections.Counter(), collections.Counter(), collections.Counter()
        for a in attempts:
            seconds = {(at - opens) // S for at in (a.before, a.after)}
            for second in seconds:
                doubtful[second] += len(seconds) > 1
                good[second] += not a.error and len(seconds) == 1
                tried[second] += len(seconds) == 1
        full = [second for second, count in tried.items() if count >= RATE]
        self.in_time(full, "so many attempts in a second")
        for second in full:
            self.assertLessEqual(good[second], RATE, f"second {second}")
            self.assertGreaterEqual(good[second] + doubtful[second], RATE, f"second {second}")


class Refused(RateLimitTest):
    def check(self, incoming, family):
        lab = self.lab
        side, far = (lab.there, lab.here) if incoming else (lab.here, lab.there)
        listener, next_listener = (lab.listen(far, family, port) for port in (PORT, NEXT_PORT))
        run = self.inject(f"rate_limit={RATE}/s", "--local-port" if incoming else "--remote-port", str(PORT))
        opens = run.opened()["data"]["opens_ns"]
        attempts = []
        for _ in range(2):
            attempts += self.burst(side, listener.getsockname()[:2], 100)[0]
            self.wait_second(opens)
        self.assertEqual({a.error for a in attempts}, {0, errno.ECONNREFUSED})
        self.assert_rate(attempts, opens)
        others = self.burst(side, next_listener.getsockname()[:2], 50)[0]
        self.assertEqual({a.error for a in others}, {0}, "another port")
        counters = self.end(run)
        self.assertEqual(counters["refused"], sum(a.error != 0 for a in attempts))
        self.assertEqual(counters["refused"] + counters["passed"], counters["matched"])
        behind = self.burst(side, listener.getsockname()[:2], 50)[0]
        self.assertEqual({a.error for a in behind}, {0}, "after the window")
        self.close_sockets()

    def test_outgoing(self):
        self.check(False, V4)

    def test_outgoing_ipv6(self):
        self.check(False, V6)

    def test_incoming_without_offloads(self):
        self.lab.offloads(False)
        self.check(True, V4)

    def test_curl(self):
        lab = self.lab
        listener = lab.listen(lab.there, V4, PORT)
        run = self.inject("rate_limit=1/s", "--remote-port", str(PORT))
        opens = run.opened()["data"]["opens_ns"]

        def refused():
            """curl, when it came second in a second."""
            self.wait_second(opens)
            begun = now_ns()
            lab.try_connect(lab.here, V4, PORT)
            with lab.here:
                done = subprocess.run(["curl", "-sS", "--max-time", "1", f"http://{listener.getsockname()[0]}:{PORT}/"],
                                      capture_output=True, text=True, check=False)
            return done if (begun - opens) // S == (now_ns() - opens) // S else None

        done = wait_until(refused, "two attempts in a second")
        self.assertEqual(done.returncode, 7, done.stderr)
        self.end(run)
        self.assertIn("Couldn't connect to server", done.stderr)
        meets("rate_limit: 1/s", "curl, the second one in a second", "exit 7: Couldn't connect to server")


class Forwarded(RateLimitTest):
    """shearpin is on the way of other hosts' connections."""

    KIND = Road

    def test_refused(self):
        lab = self.lab
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                listener = lab.listen(lab.there, family, PORT)
                run = self.inject(f"rate_limit={RATE}/s", "--remote-port", str(PORT))
                attempts = self.burst(lab.far, listener.getsockname()[:2], 60)[0]
                self.assertEqual({a.error for a in attempts}, {0, errno.ECONNREFUSED})
                counters = self.end(run)
                self.assertEqual(counters["refused"], sum(a.error != 0 for a in attempts))
                self.close_sockets()


class Reset(RateLimitTest):
    """then: reset. Every connection is made; beyond the rate it dies with its first word."""

    def check(self, family):
        lab = self.lab
        listener = lab.listen(lab.there, family, PORT)
        run = self.inject(f"rate_limit={RATE}/s then=reset", "--remote-port", str(PORT))
        opens = run.opened()["data"]["opens_ns"]
        attempts, clients = self.burst(lab.here, listener.getsockname()[:2], 50)
        self.assertEqual({a.error for a in attempts}, {0})
        servers = {}
        for _ in clients:
            server = lab.keep(listener.accept()[0])
            server.settimeout(60)
            servers[server.getpeername()[:2]] = server
        fates = []
        for attempt, client in zip(attempts, clients):
            client.setblocking(True)
            client.settimeout(60)
            server = servers[client.getsockname()[:2]]
            server.sendall(b"*")  # the server speaks first
            met = []
            for s in (client, server):
                try:
                    data = s.recv(1)
                    met.append(0)
                    self.assertEqual(data, b"*")
                    s.sendall(b"*")
                except OSError as e:
                    met.append(e.errno)
            self.assertEqual(len(set(met)), 1, "both ends meet the same")
            fates.append(attempt._replace(error=met[0]))
        self.assertEqual({f.error for f in fates}, {0, errno.ECONNRESET})
        self.assert_rate(fates, opens)
        counters = self.end(run)
        self.assertEqual(counters["reset"], sum(f.error != 0 for f in fates))
        self.assertEqual(counters["refused"], 0)
        self.assert_echo(*lab.connect(listener)[0])

    def test_with_offloads(self):
        self.check(V4)

    def test_ipv6_without_offloads(self):
        self.lab.offloads(False)
        self.check(V6)


if __name__ == "__main__":
    unittest.main()
