# SPDX-License-Identifier: BSD-2-Clause
"""disconnects: each connection is reset at the time that the seed draws for it, and not before."""
import errno
import itertools
import socket
import unittest

import chance
from closing import NEXT_PORT, PORT, S, ClosingTest
from lab import TCP, V4, V6, now_ns, wait_until
from traffic import Traffic

MEAN = S // 2
RATE = "disconnects=2/s"
PORTS = range(20000, 20004)


def lives(seed, family, ports=PORTS, mean=MEAN):
    """By port, the time that the connection has from the window's opening or its own."""
    here, there = ("10.77.0.1", "10.77.0.2") if family == V4 else ("fd77::1", "fd77::2")
    return {port: chance.disconnect(seed, mean, chance.flow_hash(here, port, there, PORT, chance.TCP)) for port in ports}


def order_of(times):
    return sorted(times, key=times.get)


def find_seed(family, shortest=S // 10, longest=2 * S, other_than=None):
    """The first one that keeps no connection for too short or too long, and has another order of them than that one."""
    order = order_of(lives(other_than, family)) if other_than is not None else None
    for seed in itertools.count():
        times = lives(seed, family)
        if shortest < min(times.values()) and max(times.values()) < longest and order_of(times) != order:
            return seed


class Disconnects(ClosingTest):
    def connect(self, listener, port):
        client = self.lab.socket(self.lab.here, listener.family, TCP, port)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.connect(listener.getsockname()[:2])
        server = self.lab.keep(listener.accept()[0])
        server.settimeout(60)
        return client, server

    def check(self, family, seed, idle):
        """Each of the connections dies of the first packet at its time or, idle, some time after it; both ends know."""
        lab = self.lab
        listener, next_listener = (lab.listen(lab.there, family, port) for port in (PORT, NEXT_PORT))
        pairs = {port: self.connect(listener, port) for port in PORTS}
        bystanders = lab.connect(next_listener, 2)
        expected = lives(seed, family)
        active = () if idle else tuple(pairs.values())
        with Traffic((*active, bystanders[0]), (*(pairs.values() if idle else ()), bystanders[1])) as traffic:
            run = self.inject(RATE, "--remote-port", str(PORT), "--seed", str(seed))
            opens = run.opened()["data"]["opens_ns"]
            victims = {s for pair in pairs.values() for s in pair}
            wait_until(lambda: victims <= set(traffic.ended), "all know")
            counters = self.end(run)
        self.assertEqual(set(traffic.ended), victims, "someone else was reset")
        self.assertEqual({number for number, _ in traffic.ended.values()}, {errno.ECONNRESET})
        hits = {int(e["flow"].split(">")[0].rpartition(":")[2]): e for e in run.events("flow.hit")}
        self.assertEqual(set(hits), set(PORTS))
        for port, life in expected.items():
            self.assertGreaterEqual(hits[port]["mono_ns"], opens + life)
            if idle:
                self.assertTrue(hits[port]["data"]["idle"])
            for s in pairs[port]:
                self.assertGreaterEqual(traffic.ended[s][1], opens + life)
            if not idle:
                sent = [at for s in pairs[port] for at in traffic.sent[s]]
                self.assertTrue(sent)
                self.assertLessEqual(sum(at >= opens + life for at in sent), 1)
        self.assertGreaterEqual(counters["reset"] + counters["idle_reset"], len(PORTS))
        self.assertEqual(counters["flows"], len(PORTS))
        self.assert_echo(*self.connect(listener, 0))
        self.close_sockets()

    def test_as_the_seed_says(self):
        first = find_seed(V4)
        for seed in (first, find_seed(V4, other_than=first)):
            self.check(V4, seed, False)

    def test_idle(self):
        self.check(V6, find_seed(V6), True)

    def test_without_offloads(self):
        self.lab.offloads(False)
        self.check(V6, find_seed(V6), False)

    def test_new_connections_count_from_their_own_opening(self):
        lab = self.lab
        listener = lab.listen(lab.there, V4, PORT)
        seed = find_seed(V4)
        life = lives(seed, V4)
        run = self.inject(RATE, "--remote-port", str(PORT), "--seed", str(seed))
        closes_at = run.opened()["data"]["opens_ns"] + max(life.values())
        wait_until(lambda: now_ns() > closes_at, "older connections would all be gone")
        begun, pairs = {}, {}
        for port in order_of(life)[-3:]:
            begun[port] = now_ns()
            pairs[port] = self.connect(listener, port)
        with Traffic(pairs.values()) as traffic:
            wait_until(lambda: len(traffic.ended) == 6, "all know")
        self.end(run)
        for port, pair in pairs.items():
            for s in pair:
                self.assertEqual(traffic.ended[s][0], errno.ECONNRESET)
                self.assertGreaterEqual(traffic.ended[s][1], begun[port] + life[port])

    def test_known_answers(self):
        """tests/packet/test_disconnects.c has the same."""
        for lot, log, of_a_minute in ((0, 3070077111, 1372431417256), (1, 2922623866, 1306514680087),
                                      (0x80000000, 93032639, 41588830500), (0xdeadbeef, 18716332, 8366852402),
                                      (0xffffffff, 0, 0)):
            self.assertEqual(chance.minus_ln(lot), log)
            self.assertEqual(chance.exponential(60 * S, lot), of_a_minute)


if __name__ == "__main__":
    unittest.main()
