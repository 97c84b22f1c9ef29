# SPDX-License-Identifier: BSD-2-Clause
"""drop and loss: exactly the packets that the scenario or the seed names."""
import errno
import json
import os
import socket
import unittest

import chance
from datagrams import drain, gather_numbers, make_room, send_numbers
from lab import DEVICE, FAMILIES, HERE, HOLD, PATIENCE_S, THERE, UDP, V4, V6, LabTest, name_of, wait_until

PORT, NEXT_PORT = 4000, 4001
SOURCE = 22000


class DropTest(LabTest):
    def open_udp(self, family):
        """[(here, there)] for the port and the next one, each end connected to the other."""
        pairs = []
        for port in (PORT, NEXT_PORT):
            there = self.lab.socket(self.lab.there, family, UDP, port)
            here = self.lab.socket(self.lab.here, family, UDP)
            here.connect(there.getsockname()[:2])
            there.connect(here.getsockname()[:2])
            for s in (here, there):
                make_room(s)
            pairs.append((here, there))
        return pairs

    def send_both_ways(self, pairs, count, expected, dropped=0):
        """So many of each pair arrive there, and here; the others are dropped. With the counters of both, none is left out."""
        for here, there in pairs:
            for n in range(count):
                here.send(b"out%d" % n)
                there.send(b"in%d" % n)
        arrived = [[0, 0] for _ in pairs]

        def look():
            for i, (here, there) in enumerate(pairs):
                arrived[i][0] += len(drain(there))
                arrived[i][1] += len(drain(here))
            return sum(map(sum, arrived)) >= sum(map(sum, expected))

        wait_until(look, f"as many as {expected}")
        if dropped:
            wait_until(lambda: self.dropped_so_far() >= dropped, f"{dropped} are dropped")
        look()
        self.assertEqual([tuple(counts) for counts in arrived], expected)

    def dropped_so_far(self):
        """By the only run that there is."""
        status = self.lab.call("status", "--json")
        return sum(rule["dropped"] for run in json.loads(status.stdout)["runs"] for rule in run["rules"])


class Drop(DropTest):
    def check_udp(self, words, expected_out, expected_in):
        for family in FAMILIES:
            with self.subTest(f"{name_of(family)} {words}"):
                pairs = self.open_udp(family)
                run = self.lab.inject("drop", "--remote-port", str(PORT), "--for", HOLD, *words)
                run.opened()
                dropped = 100 - expected_out - expected_in
                self.send_both_ways(pairs, 50, [(expected_out, expected_in), (50, 50)], dropped)
                self.assertEqual(run.stop(), 130)
                self.send_both_ways(pairs, 50, [(50, 50), (50, 50)])
                counters = run.counters()
                self.assertEqual((counters["matched"], counters["dropped"]), (dropped, dropped))
                for here, there in pairs:
                    here.close()
                    there.close()

    def test_both_directions(self):
        self.check_udp((), 0, 0)

    def test_out(self):
        self.check_udp(("--direction", "out"), 0, 50)

    def test_in(self):
        self.check_udp(("--direction", "in"), 50, 0)

    def test_in_at_xdp(self):
        self.check_udp(("--direction", "in", "--hook", "xdp"), 50, 0)

    def test_both_directions_with_clsact(self):
        self.check_udp(("--attach", "clsact"), 0, 0)

    def test_of_one_interface_by_route(self):
        """Without --interface the route to the target decides."""
        pairs = self.open_udp(V4)
        run = self.lab.inject("drop", "--remote", THERE[V4], "--remote-port", str(PORT), "--for", HOLD, interface=None)
        run.opened()
        self.send_both_ways(pairs, 5, [(0, 0), (5, 5)], dropped=10)
        self.assertEqual(run.stop(), 130)
        self.assertEqual(run.document("plan.json")["interfaces"], [DEVICE])

    def test_tcp_black_hole(self):
        lab = self.lab
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                listeners = [lab.listen(lab.there, family, port) for port in (PORT, NEXT_PORT)]
                (victim,), (bystander,) = (lab.connect(listener) for listener in listeners)
                run = lab.inject("drop", "--proto", "tcp", "--remote-port", str(PORT), "--for", HOLD)
                run.opened()
                for s in victim:
                    s.sendall(b"into the hole")
                    s.setblocking(False)
                self.assert_errno(lab.try_connect(lab.here, family, PORT, 0.3), errno.ETIMEDOUT)
                self.assert_errno(lab.try_connect(lab.here, family, NEXT_PORT), 0)
                self.assert_echo(*bystander)
                for s in victim:
                    with self.assertRaises(BlockingIOError):
                        s.recv(100)
                self.assertEqual(run.stop(), 130)
                for s, other in (victim, victim[::-1]):  # retransmitted: the connection has outlived it
                    s.setblocking(True)
                    s.settimeout(PATIENCE_S)
                    self.assertEqual(s.recv(100), b"into the hole")
                for listener in listeners:
                    listener.close()


class LossAs(DropTest):
    """wire: the local sender learns nothing; local: it does at once (net_xmit_errno() of NET_XMIT_DROP is ENOBUFS, which
    UDP tells those who ask for errors)."""

    def send_with_recverr(self, *words):
        lab = self.lab
        s = lab.socket(lab.here, V4, UDP)
        s.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
        s.connect((THERE[V4], PORT))
        run = lab.inject("drop", *words, "--direction", "out", "--remote-port", str(PORT), "--for", HOLD)
        run.opened()
        try:
            s.send(b"gone")
            return 0
        except OSError as e:
            return e.errno
        finally:
            self.assertEqual(run.stop(), 130)
            self.assertEqual(run.counters()["dropped"], 1)

    def test_wire(self):
        self.assert_errno(self.send_with_recverr(), 0)
        self.assert_errno(self.send_with_recverr("loss_as=wire"), 0)
        self.assert_errno(self.send_with_recverr("--attach", "clsact"), 0)

    def test_local(self):
        self.assert_errno(self.send_with_recverr("loss_as=local"), errno.ENOBUFS)


class LossTest(DropTest):
    def receiver(self, space, family):
        s = self.lab.socket(space, family, UDP, PORT)
        make_room(s)
        return s

    def lose(self, words, count, sources, family=V4, send=None):
        """{source port: the numbers of the lost datagrams} of a run, and its counters."""
        lab = self.lab
        receiver = self.receiver(lab.there, family)
        senders = [lab.socket(lab.here, family, UDP, port) for port in sources]
        run = lab.inject(*words, "--direction", "out", "--proto", "udp", "--remote-port", str(PORT), "--for", HOLD)
        run.opened()
        (send or self.send_in_turn)(senders, receiver.getsockname()[:2], count)
        self.assertEqual(run.stop(), 130)
        counters = run.counters()
        found = gather_numbers(receiver, count * len(sources) - counters["dropped"])
        for s in (*senders, receiver):
            s.close()
        for port, numbers in found.items():
            self.assertEqual(numbers, sorted(numbers), f"reordered: {port}")
        return {port: sorted(set(range(count)) - set(found[port])) for port in sources}, counters

    @staticmethod
    def send_in_turn(senders, address, count):
        for s in senders:
            send_numbers(s, address, range(count))

    @staticmethod
    def send_on_all_cpus(senders, address, count):
        """A process a sender, each on its own CPU where there are so many."""
        cpus = sorted(os.sched_getaffinity(0))
        children = []
        for i, s in enumerate(senders):
            pid = os.fork()
            if not pid:
                try:
                    os.sched_setaffinity(0, {cpus[i % len(cpus)]})
                    send_numbers(s, address, range(count))
                    os._exit(0)
                finally:
                    os._exit(1)
            children.append(pid)
        if any(os.waitpid(pid, 0)[1] for pid in children):
            raise AssertionError("a sender failed")

    @staticmethod
    def predicted(seed, percent, family, port, count):
        flow = chance.flow_hash(HERE[family], port, THERE[family], PORT, chance.UDP)
        return sorted(chance.lost(seed, percent, flow, chance.OUT, count))


class Loss(LossTest):
    COUNT = 5000
    SOURCES = (SOURCE, SOURCE + 1)

    def test_seed(self):
        """The seed alone names the lost packets: whichever run, CPU, order of flows, family or hook."""
        for family in FAMILIES:
            expected = {port: self.predicted(7, 20, family, port, self.COUNT) for port in self.SOURCES}
            for send in (None, self.send_on_all_cpus, self.send_on_all_cpus):
                with self.subTest(f"{name_of(family)} {send}"):
                    lost, counters = self.lose(("loss=20%", "--seed", "7"), self.COUNT, self.SOURCES, family, send)
                    self.assertEqual(lost, expected)
                    self.assertEqual(counters["dropped"], sum(map(len, expected.values())))
                    self.assertEqual(counters["matched"], len(self.SOURCES) * self.COUNT)
        other, _ = self.lose(("loss=20%", "--seed", "8"), self.COUNT, self.SOURCES)
        self.assertEqual(other, {port: self.predicted(8, 20, V4, port, self.COUNT) for port in self.SOURCES})
        same, _ = self.lose(("loss=20%", "--seed", "7"), self.COUNT, self.SOURCES)
        self.assertNotEqual(same, other)
        self.assertNotEqual(same[SOURCE], same[SOURCE + 1])

    def test_drawn_seed_is_recorded(self):
        lab = self.lab
        first, _ = self.lose(("loss=20%",), self.COUNT, self.SOURCES)
        seeds = [lab.runs[-1].document("plan.json")["seed"], lab.runs[-1].events("run.start")[0]["data"]["seed"]]
        self.assertEqual(seeds[0], seeds[1])
        again, _ = self.lose(("loss=20%", "--seed", str(seeds[0])), self.COUNT, self.SOURCES)
        self.assertEqual(first, again)
        other, _ = self.lose(("loss=20%",), self.COUNT, self.SOURCES)
        self.assertNotEqual(first, other)

    def test_rate(self):
        """Of 100,000 packets 20 %, within 0.4 points (three standard deviations are 0.38)."""
        count = 100_000
        lost, counters = self.lose(("loss=20%", "--seed", "7"), count, (SOURCE,))
        rate = 100 * len(lost[SOURCE]) / count
        self.assertLess(abs(rate - 20), 0.4)
        self.assertEqual(counters["dropped"], len(lost[SOURCE]))
        self.assertEqual(counters["matched"], count)

    def test_every_tenth(self):
        for sources, send in (((SOURCE,), None), (self.SOURCES, self.send_on_all_cpus)):
            lost, counters = self.lose(("loss=every:10",), 1005, sources, V4, send)
            self.assertEqual(lost, {port: list(range(9, 1005, 10)) for port in sources})
            self.assertEqual(counters["dropped"], 100 * len(sources))

    def test_incoming(self):
        """The same draw for what comes in, at tc and at XDP."""
        lab = self.lab
        flow = chance.flow_hash(HERE[V6], PORT, THERE[V6], SOURCE, chance.UDP)
        expected = sorted(chance.lost(7, 20, flow, chance.IN, self.COUNT))
        for hook in ("tc", "xdp"):
            with self.subTest(hook):
                receiver = self.receiver(lab.here, V6)
                sender = lab.socket(lab.there, V6, UDP, SOURCE)
                run = lab.inject("loss=20%", "--seed", "7", "--direction", "in", "--proto", "udp", "--hook", hook,
                                 "--local-port", str(PORT), "--for", HOLD)
                run.opened()
                found = []
                for first in range(0, self.COUNT, 100):  # XDP has a queue of 256 behind the veth
                    send_numbers(sender, receiver.getsockname()[:2], range(first, first + 100))
                    passed = 100 - sum(first <= n < first + 100 for n in expected)
                    found += gather_numbers(receiver, passed)[SOURCE]
                self.assertEqual(run.stop(), 130)
                self.assertEqual(sorted(set(range(self.COUNT)) - set(found)), expected)
                self.assertEqual(run.counters()["dropped"], len(expected))
                receiver.close()
                sender.close()

    def test_share(self):
        """30 % of 1000 flows: those that the seed draws, whole."""
        sources = range(23000, 24000)
        expected = {port: list(range(3)) if self.takes_part(port, 7, 30) else [] for port in sources}
        for _ in range(2):
            lost, counters = self.lose(("drop", "--share", "30%", "--seed", "7"), 3, sources)
            self.assertEqual(lost, expected)
            self.assertEqual(counters["flows"], counters["dropped"] // 3)
            self.assertEqual(counters["matched"], counters["dropped"])
        hit = sum(map(bool, expected.values()))
        self.assertTrue(250 <= hit <= 350, hit)
        other, _ = self.lose(("drop", "--share", "30%", "--seed", "8"), 3, sources)
        self.assertNotEqual(other, expected)

    @staticmethod
    def takes_part(port, seed, percent):
        flow = chance.flow_hash(HERE[V4], port, THERE[V4], PORT, chance.UDP)
        return chance.draw(chance.rule_seed(seed), chance.SHARE, flow) < chance.threshold(percent)


class Bulk(DropTest):
    """A TCP transfer of large segments through loss arrives whole, and a GSO packet counts as its segments."""

    def transfer(self, family, *words):
        """The run, which has ended."""
        lab = self.lab
        listener = lab.listen(lab.there, family, PORT)
        client, server = lab.connect(listener)[0]
        data = os.urandom(4096) * 512
        run = lab.inject(*words, "--proto", "tcp", "--remote-port", str(PORT), "--for", HOLD)
        run.opened()
        client.setblocking(False)
        server.setblocking(False)
        received, sent = bytearray(), 0

        def move():
            nonlocal sent
            try:
                sent += client.send(data[sent:sent + 262144]) if sent < len(data) else 0
            except BlockingIOError:
                pass
            try:
                received.extend(server.recv(1 << 20))
            except BlockingIOError:
                pass
            return len(received) == len(data)

        wait_until(move, "the whole transfer")
        self.assertEqual(bytes(received), data)
        self.assertEqual(run.stop(), 130)
        counters = run.counters()
        self.assertGreaterEqual(counters["matched"], len(data) // 1460)
        self.assertGreater(counters["bytes"], len(data))
        self.assertEqual(counters["matched"], counters["passed"] + counters["dropped"])
        listener.close()
        return run

    def test_transfer(self):
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                self.transfer(family, "loss=1%", "--seed", "3")

    def test_every_tenth(self):
        """What GSO packets owe is not taken from the packets behind them: in each that is lost is a tenth one."""
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                run = self.transfer(family, "loss=every:10", "--evidence", "packets")
                lost = [e["data"] for e in run.events("packet")]
                self.assertGreater(len(lost), 0)
                for packet in lost:
                    self.assertGreater((packet["index"] + packet["segments"]) // 10, packet["index"] // 10)
                done = self.lab.call("verify", run.out)
                self.assertEqual(done.status, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
