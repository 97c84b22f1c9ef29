# SPDX-License-Identifier: BSD-2-Clause
"""Copies, altered bits, packets out of order, narrow paths, losses in bursts: exactly the packets that the seed names, in
both directions, IPv4 and IPv6; and what the receipt says of them."""
import collections
import re
import unittest

import chance
from bent import DIRECTIONS, MS, PORT, VERDICTS, BentTest, Path, flow
from datagrams import NUMBER
from lab import DEVICE, FAMILIES, V4, V6, name_of, now_ns, wait_until

SEED = 7
COUNT = 2000
WAYS = [(family, direction) for family in FAMILIES for direction in DIRECTIONS]


def drawn(family, direction, what, percent, count=COUNT, correlation=0.0):
    return chance.hits(SEED, what, percent, flow(family), DIRECTIONS[direction], count, correlation)


def wrong_bits(data, expected):
    if len(data) != len(expected):
        return None
    return (int.from_bytes(data, "big") ^ int.from_bytes(expected, "big")).bit_count()


class BendTest(BentTest):
    def each_way(self, look, *words, count=COUNT, size=0):
        """Send so many datagrams each way under one fault, and look(family, direction, path) what comes; the sum of what
        look() returns. Then self.counters are there."""
        run = self.begin(*words, "--seed", str(SEED), "--proto", "udp")
        total = 0
        for family, direction in WAYS:
            with self.subTest(f"{' '.join(words)} {name_of(family)} {direction}"), \
                    Path(self.lab, family, direction) as path:
                path.times = path.send(count, size)
                total += look(family, direction, path)
                self.assertEqual(path.more(), [])
        self.counters = self.finish(run)
        self.assertEqual(self.counters["matched"], len(WAYS) * count)
        return total

    def assert_chance(self, name, requested, drawn_lots, hit):
        got = self.counters["receipt"]["chance"][name]
        self.assertEqual((got["drawn"], got["hit"]), (drawn_lots, hit))
        self.assertAlmostEqual(got["requested"], requested / 100, places=6)


class Loss(BendTest):
    def check(self, lost_of, *words):
        def look(family, direction, path):
            lost = lost_of(family, direction)
            expected = [n for n in range(COUNT) if n not in lost]
            self.assertEqual(path.numbers(len(expected)), expected)
            return len(lost)

        return self.each_way(look, *words)

    def test_gilbert_elliott(self):
        for model in ((2, 20, 100, 0), (5, 30, 70, 1), (60, 60, 100, 0)):
            p, r, bad, good = model
            total = self.check(lambda f, d, m=model: chance.lost_by_states(SEED, m, flow(f), DIRECTIONS[d], COUNT),
                               f"loss=gemodel:p={p}%,r={r}%,bad={bad}%,good={good}%")
            self.assert_counters(self.counters, dropped=total, passed=len(WAYS) * COUNT - total)
            self.assert_chance("loss", (p * bad + r * good) / (p + r), len(WAYS) * COUNT, total)

    def test_correlation(self):
        total = self.check(lambda f, d: drawn(f, d, chance.LOSS, 20, correlation=75), "loss=20%", "loss_correlation=75%")
        self.assert_counters(self.counters, dropped=total, passed=len(WAYS) * COUNT - total)
        self.assert_chance("loss", 20, len(WAYS) * COUNT, total)

    def test_before_a_delay(self):
        """Lost packets never enter the line; the others keep their order."""
        total = self.check(lambda f, d: drawn(f, d, chance.LOSS, 30), "loss=30%", "delay=20ms")
        self.assert_counters(self.counters, dropped=total, delayed=len(WAYS) * COUNT - total)
        self.assertEqual(self.counters["receipt"]["entered"], len(WAYS) * COUNT - total)


class Duplicate(BendTest):
    def check(self, *words, correlation=0.0, delayed=False):
        def look(family, direction, path):
            twice = drawn(family, direction, chance.DUPLICATE, 25, correlation=correlation)
            expected = [n for n in range(COUNT) for _ in range(2 if n in twice else 1)]
            self.assertEqual(path.numbers(len(expected)), expected)
            return len(twice)

        total = self.each_way(look, "duplicate=25%", *words)
        rest = len(WAYS) * COUNT - total
        self.assert_counters(self.counters, duplicated=total, delayed=rest if delayed else 0,
                             passed=0 if delayed else rest)
        self.assert_chance("duplicate", 25, len(WAYS) * COUNT, total)
        if delayed:
            self.assertEqual(self.counters["receipt"]["entered"], len(WAYS) * COUNT + total)

    def test_alone(self):
        self.check()

    def test_correlation(self):
        self.check("duplicate_correlation=50%", correlation=50)

    def test_with_delay(self):
        """The two stay together."""
        self.check("delay=20ms", delayed=True)

    def test_all(self):
        self.each_way(lambda f, d, path: self.assertEqual(path.numbers(20), [n // 2 for n in range(20)]) or 0,
                      "duplicate=100%", count=10)
        self.assert_counters(self.counters, duplicated=40)


class Corrupt(BendTest):
    SIZE = 100

    def receiver(self, direction):
        return self.lab.there if direction == "out" else self.lab.here

    def checksum_errors(self, family, direction):
        """UDP datagrams with a wrong checksum that the receiving host has thrown away."""
        name = "snmp" if family == V4 else "snmp6"
        with self.receiver(direction), open(f"/proc/thread-self/net/{name}", encoding="ascii") as f:
            text = f.read()
        if family == V6:
            return int(re.search(r"Udp6InCsumErrors\s+(\d+)", text).group(1))
        names, values = (line.split() for line in text.splitlines() if line.startswith("Udp:"))
        return int(values[names.index("InCsumErrors")])

    def test_wrong(self):
        for words in ((), ("delay=20ms",)):
            self.check_wrong(*words)

    def check_wrong(self, *words):
        """What is altered never reaches the application, and the receiving host says why."""
        before = {way: self.checksum_errors(*way) for way in WAYS}

        def look(family, direction, path):
            bent = drawn(family, direction, chance.CORRUPT, 10)
            expected = [self.datagram(n) for n in range(COUNT) if n not in bent]
            way = family, direction

            def thrown_away():
                """The altered ones come through the line, later than the others; some are looked at when they are read."""
                path.gather(len(expected))
                return self.checksum_errors(*way) - before[way]

            wait_until(lambda: thrown_away() >= len(bent), "the altered ones")
            self.assertEqual((path.reached, thrown_away()), (expected, len(bent)))
            return len(bent)

        self.assert_altered(self.each_way(look, "corrupt=10%", *words, size=self.SIZE), bool(words))

    def check_valid(self, *words):
        """Each altered datagram arrives, in its place, with one wrong bit; the others as they were."""
        def look(family, direction, path):
            bent = drawn(family, direction, chance.CORRUPT, 10)
            got = path.gather(COUNT)
            self.assertEqual([wrong_bits(data, self.datagram(n)) for n, data in enumerate(got)],
                             [int(n in bent) for n in range(COUNT)])
            return len(bent)

        self.assert_altered(self.each_way(look, "corrupt=10%", "checksum=valid", *words, size=self.SIZE), bool(words))

    def datagram(self, n):
        return NUMBER.pack(n) + bytes(self.SIZE - NUMBER.size)

    def assert_altered(self, total, delayed):
        rest = len(WAYS) * COUNT - total
        self.assert_counters(self.counters, altered=total, delayed=rest if delayed else 0,
                             passed=0 if delayed else rest)
        self.assert_chance("corrupt", 10, len(WAYS) * COUNT, total)

    def test_valid(self):
        self.check_valid()

    def test_valid_with_delay(self):
        self.check_valid("delay=20ms")

    def test_valid_without_offloads(self):
        self.lab.offloads(False)
        self.check_valid()

    def test_the_copy_is_intact(self):
        """Each packet is copied and altered: one of the two is as it was sent."""
        def look(_family, _direction, path):
            got = path.gather(200)
            for n in range(100):
                self.assertEqual({wrong_bits(data, self.datagram(n)) for data in got[2 * n:2 * n + 2]}, {0, 1})
            return 0

        self.each_way(look, "corrupt=100%", "checksum=valid", "duplicate=100%", count=100, size=self.SIZE)
        self.assert_counters(self.counters, altered=400)

    def tcp_counters(self, space):
        with space, open("/proc/thread-self/net/snmp", encoding="ascii") as f:
            names, values = (line.split() for line in f if line.startswith("Tcp:"))
        return {name: int(values[names.index(name)]) for name in ("RetransSegs", "InCsumErrors")}

    def test_tcp(self):
        """TCP throws away what is altered, sends it again, and brings everything whole."""
        lab = self.lab
        lab.here.call("ip", "link", "set", DEVICE, "gso_max_segs", "1")  # many packets, each with its lot
        before = self.tcp_counters(lab.there)["InCsumErrors"], self.tcp_counters(lab.here)["RetransSegs"]
        run = self.begin("corrupt=2%", "--direction", "out", "--proto", "tcp")
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                (client, server), = lab.connect(lab.listen(lab.there, family, PORT))
                self.assert_bulk(client, server, 2_000_000)
        altered = self.finish(run)["altered"]
        self.assertGreater(altered, 0)
        self.assertEqual(self.tcp_counters(lab.there)["InCsumErrors"] - before[0], altered)
        self.assertGreater(self.tcp_counters(lab.here)["RetransSegs"], before[1])


class Reorder(BendTest):
    """The order of arrival is that which the seed gives. Everything is sent well within the delay."""

    COUNT = 300

    def check(self, order_of, *words):
        """order_of() gives those that are drawn, and the order in which all arrive."""
        def look(family, direction, path):
            hit, order = order_of(family, direction)
            got = path.numbers(self.COUNT)
            self.in_time(path.times[-1][1] - path.times[0][0] < 200 * MS, "all is sent while the first one waits")
            self.assertEqual(got, order)
            return len(hit)

        return self.each_way(look, *words, count=self.COUNT)

    def hit_first(self, family, direction, percent, correlation=0.0):
        hit = drawn(family, direction, chance.REORDER, percent, self.COUNT, correlation)
        return hit, sorted(hit) + [n for n in range(self.COUNT) if n not in hit]

    def hit_last(self, family, direction, percent, gap=1):
        hit = {n for n in drawn(family, direction, chance.REORDER, percent, self.COUNT) if n % gap == gap - 1}
        return hit, [n for n in range(self.COUNT) if n not in hit] + sorted(hit)

    def test_at_once(self):
        """As netem: the drawn ones don't wait at all."""
        total = self.check(lambda f, d: self.hit_first(f, d, 25), "reorder=25%", "delay=200ms")
        self.assert_counters(self.counters, passed=total, delayed=len(WAYS) * self.COUNT - total)
        self.assert_chance("reorder", 25, len(WAYS) * self.COUNT, total)
        self.assertEqual(self.counters["receipt"]["entered"], len(WAYS) * self.COUNT - total)

    def test_correlation(self):
        total = self.check(lambda f, d: self.hit_first(f, d, 25, correlation=50), "reorder=25%", "delay=200ms",
                           "reorder_correlation=50%")
        self.assert_chance("reorder", 25, len(WAYS) * self.COUNT, total)

    def test_held_back(self):
        total = self.check(lambda f, d: self.hit_last(f, d, 25), "reorder=percent=25%,by=200ms")
        self.assert_counters(self.counters, delayed=len(WAYS) * self.COUNT)
        self.assert_chance("reorder", 25, len(WAYS) * self.COUNT, total)

    def test_gap(self):
        """Only every fifth packet may be drawn."""
        total = self.check(lambda f, d: self.hit_last(f, d, 50, 5), "reorder=percent=50%,by=200ms,gap=5")
        self.assert_chance("reorder", 50, len(WAYS) * self.COUNT // 5, total)

    def test_jitter(self):
        """Each packet arrives after its own delay, whatever the others do."""
        arrivals = []

        def look(family, direction, path):
            lots = chance.lots(SEED, chance.JITTER, flow(family), DIRECTIONS[direction], self.COUNT)
            delays = [chance.uniform_delay(100 * MS, 80 * MS, lot) for lot in lots]
            order = path.numbers(self.COUNT)
            self.assertEqual(sorted(order), list(range(self.COUNT)))
            self.assertNotEqual(order, sorted(order))
            # When each was due, at the earliest and at the latest.
            arrivals.append([[at + delays[n] for at in path.times[n]] for n in order])
            return sum(delays)

        total = self.each_way(look, "delay=100ms", "jitter=80ms", "reorder=jitter", count=self.COUNT)
        receipt = self.counters["receipt"]
        self.assertEqual((receipt["raised"], receipt["requested"]["count"]), (0, len(WAYS) * self.COUNT))
        self.assertEqual(receipt["requested"]["mean_ns"], total // (len(WAYS) * self.COUNT))
        for order in arrivals:
            for first, second in zip(order, order[1:]):
                self.assertLessEqual(first[0], second[1] + receipt["late"]["max_ns"])


class Rate(BendTest):
    QUEUE = 1_514_000  # bytes: what may wait at 100 Mbit/s

    @staticmethod
    def wire_bytes(family, size):
        return size + {V4: 28, V6: 48}[family] + 14

    def test_udp(self):
        """No datagram is there before its last bit can have gone through, and none out of order."""
        size, count, rate = 1000, 200, 10_000_000
        for burst, words in ((0, ()), (50_000, ("burst=50KB",))):
            run = self.begin("rate=10mbit", *words, "--proto", "udp")
            for family, direction in WAYS:
                with self.subTest(f"{name_of(family)} {direction} burst {burst}"), \
                        Path(self.lab, family, direction) as path:
                    started = path.send(count, size)[0][0]
                    for n in range(count):
                        self.assertEqual(path.receive_number(), n)
                        sent = (n + 1) * self.wire_bytes(family, size) - burst
                        self.assertGreaterEqual(now_ns() - started, 8 * sent * 1_000_000_000 // rate)
            self.assert_counters(self.finish(run), delayed=len(WAYS) * count)

    def test_tcp(self):
        """GSO packets leave the narrow path in segments, no faster than it is; everything arrives whole."""
        lab = self.lab
        run = self.begin("rate=80mbit", "--direction", "out", "--proto", "tcp")
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                (client, server), = lab.connect(lab.listen(lab.there, family, PORT))
                started = now_ns()
                self.assert_bulk(client, server, 4_000_000)
                self.assertGreaterEqual(now_ns() - started, 400 * MS)
        self.finish(run)

    def test_overflow(self):
        """What finds the queue full is dropped, and counted; the rest arrives in order."""
        count, size, rate = 4000, 1400, 100_000_000
        for family in FAMILIES:
            with self.subTest(name_of(family)), Path(self.lab, family) as path:
                run = self.begin("rate=100mbit", "--direction", "out", "--proto", "udp")
                times = path.send(count, size)
                took = times[-1][1] - times[0][0]
                counters = self.finish(run)
                self.assertEqual(counters["dropped"], counters["receipt"]["overflow"])
                self.assertEqual(counters["dropped"] + counters["delayed"], count)
                numbers = path.numbers(counters["delayed"])
                self.assertEqual(path.more(), [])
                self.assertEqual(numbers, sorted(set(numbers)))
                self.assertEqual(numbers[:1000], list(range(1000)))
                each = self.wire_bytes(family, size)
                self.assertLessEqual(len(numbers) * each, self.QUEUE + 2 * each + took * rate // 8_000_000_000)


class Together(BendTest):
    def test_everything(self):
        """In the order that the documents give: lost ones are neither copied nor altered, a copy is intact, and all that
        arrives comes in order but for what is held back."""
        def look(family, direction, path):
            lost, twice, bent, late = (drawn(family, direction, what, percent) for what, percent in (
                (chance.LOSS, 10), (chance.DUPLICATE, 20), (chance.CORRUPT, 5), (chance.REORDER, 10)))
            expected = collections.Counter()
            for n in set(range(COUNT)) - lost:
                expected[n] += (n not in bent) + (n in twice)
            got = path.numbers(expected.total())
            self.assertEqual(collections.Counter(got), expected)
            order = [n for n in got if n not in late]
            self.assertEqual(order, sorted(order))
            self.found["dropped"] += len(lost)
            self.found["altered"] += len(bent - lost)
            self.found["duplicated"] += len(twice - lost - bent)
            return 0

        self.found = collections.Counter()
        self.each_way(look, "loss=10%", "duplicate=20%", "corrupt=5%", "delay=20ms", "jitter=5ms",
                      "reorder=percent=10%,by=10ms", "rate=1gbit", "burst=1MB", size=200)
        self.assert_counters(self.counters, **self.found)
        self.assertEqual(self.counters["passed"], 0)

    def test_pipes_in_a_row(self):
        """Two steps at once for the same packets: the delays add up."""
        steps = [{"name": name, "at": "0s", "for": "20s", "target": "t", "fault": fault} for name, fault in (
            ("first", {"delay": "30ms", "duplicate": "50%"}), ("second", {"delay": "20ms"}))]
        run = self.lab.run({"version": 1, "name": "row", "seed": SEED, "interface": DEVICE, "steps": steps,
                            "targets": {"t": {"proto": "udp", "remote_port": PORT}}, "recovery": "0s"})
        run.opened(2)
        total = 0
        for family, direction in WAYS:
            with Path(self.lab, family, direction) as path:
                started = path.send(100)[0][0]
                twice = drawn(family, direction, chance.DUPLICATE, 50, 100)
                expected = [n for n in range(100) for _ in range(2 if n in twice else 1)]
                path.gather(1)
                self.assertGreaterEqual(now_ns() - started, 50 * MS)
                self.assertEqual(path.numbers(len(expected)), expected)
                total += len(twice)
        self.assertEqual(run.stop(), 130)
        first, second = (run.counters(n) for n in range(2))
        self.assert_counters(first, matched=400, duplicated=total, delayed=400 - total)
        self.assert_counters(second, matched=400, delayed=400)
        self.assertEqual(second["receipt"]["requested"]["mean_ns"], 50 * MS)
        self.assertEqual(second["receipt"]["returned"], 400 + total)


class Seeds(BendTest):
    """The same seed, the same faults; another one, others. The draws themselves are foretold above."""

    FAULTS = (("loss=20%", "duplicate=20%", "corrupt=20%", "checksum=valid"),
              ("delay=20ms", "percent=50%", "jitter=15ms", "distribution=pareto", "jitter_correlation=30%"))

    def outcome(self, seed, *words):
        """What arrived, and the delays that were drawn."""
        run = self.begin(*words, "--seed", str(seed), "--proto", "udp")
        paths = [Path(self.lab, *way) for way in WAYS]
        for path in paths:
            path.send(300, 50)
        counters = self.finish(run)
        found = []
        for path in paths:
            with path:
                found.append(sorted(path.more()))
        return found, counters.get("receipt", {}).get("requested"), {k: counters[k] for k in ("matched", *VERDICTS)}

    def test_repeat(self):
        for words in self.FAULTS:
            with self.subTest(words):
                first = self.outcome(SEED, *words)
                self.assertEqual(self.outcome(SEED, *words), first)
                self.assertNotEqual(self.outcome(SEED + 1, *words), first)


if __name__ == "__main__":
    unittest.main()
