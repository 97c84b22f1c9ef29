# SPDX-License-Identifier: BSD-2-Clause
"""disconnects: each connection is reset at the time that the seed draws for it, and not before."""
import errno
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


def find_seeds(family, apart=3 * S // 10, longest=2 * S):
    """The first two seeds that tell an order which no delay of a busy machine changes, and not the same."""
    found = []
    for seed in range(100_000):
        times = lives(seed, family)
        order = order_of(times)
        gaps = [times[b] - times[a] for a, b in zip(order, order[1:])]
        if min(gaps) > apart and times[order[-1]] < longest and order not in [order_of(lives(s, family)) for s in found]:
            found.append(seed)
            if len(found) == 2:
                return found
    raise AssertionError("no seeds")


class Disconnects(ClosingTest):
    def connect(self, listener, port):
        client = self.lab.socket(self.lab.here, listener.family, TCP, port)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.connect(listener.getsockname()[:2])
        server = self.lab.keep(listener.accept()[0])
        server.settimeout(60)
        return client, server

    def check(self, family, seed, idle):
        """All of the connections die, in the seed's order, none before its time; both ends know."""
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
        ended = {port: max(traffic.ended[s][1] for s in pair) for port, pair in pairs.items()}
        if not idle:  # of those one look may find several
            self.assertEqual(order_of(ended), order_of(expected))
        self.assertGreaterEqual(counters["reset"] + counters["idle_reset"], len(PORTS))
        self.assertEqual(counters["flows"], len(PORTS))
        self.assert_echo(*self.connect(listener, 0))
        self.close_sockets()
        return order_of(ended)

    def test_same_seed_same_order(self):
        first, other = find_seeds(V4)
        orders = [self.check(V4, seed, False) for seed in (first, first, other)]
        self.assertEqual(orders[0], orders[1])
        self.assertNotEqual(orders[0], orders[2])

    def test_idle(self):
        self.check(V6, find_seeds(V6)[0], True)

    def test_without_offloads(self):
        self.lab.offloads(False)
        self.check(V6, find_seeds(V6)[0], False)

    def test_new_connections_count_from_their_own_opening(self):
        lab = self.lab
        listener = lab.listen(lab.there, V4, PORT)
        seed = find_seeds(V4)[0]
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
