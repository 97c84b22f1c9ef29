# SPDX-License-Identifier: BSD-2-Clause
"""Delays by shearpin beside the same ones by tc netem, in one run, in virtual time: tests/vm/run."""
import math
import os
import signal
import statistics
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "lab"))

# pylint: disable=wrong-import-position
from datagrams import drain
from lab import FAMILIES, TCX, V4, V6, LabTest, name_of, now_ns, wait_until
from ways import NEIGHBOUR, PORT, Bare, Netem, Shearpin, Way, bulk, raise_limits

US, MS = 1_000, 1_000_000
BACKENDS = ("fq", "user")
DIRECTIONS = ("out", "in")
NORMAL_NS = 100 * MS  # traffic is normal that soon after the owner's end
AS_GOOD_NS = 20 * US  # what shearpin may be later than netem


def percentile(values, percent):
    """Nearest rank."""
    return sorted(values)[max(-(-len(values) * percent // 100), 1) - 1]


def show(**found):
    """Figures for people: FIGURES=1 tests/vm/run ..."""
    if os.environ.get("FIGURES"):
        print(*(f"{k}={v}" for k, v in found.items()), file=sys.stderr)


class DelayTest(LabTest):
    def netem(self, *words):
        return Netem(self.lab, *words)

    def shearpin(self, backend, *words, **options):
        return Shearpin(self.lab, backend, *words, **options)

    def each_way(self):
        """Both directions of both families."""
        for family in FAMILIES:
            for direction in DIRECTIONS:
                with Way(self.lab, family, direction) as path:
                    yield path, f"{direction} {name_of(family)}"

    def times(self, way, count):
        """How long datagrams take on a way: {direction and family: [ns]}; and that all of them are accounted for."""
        found = {}
        with way:
            for path, name in self.each_way():
                path.times(3)  # caches
                found[name] = path.times(count)
        self.assert_counted(way, len(found) * (count + 3))
        return found

    def assert_counted(self, way, packets):
        if isinstance(way, Shearpin):
            self.assertEqual([way.counters[key] for key in ("matched", "delayed", "failed")], [packets, packets, 0])
            self.assertEqual([way.counters["receipt"][key] for key in ("entered", "returned", "lost")], [packets, packets, 0])
            self.assertEqual((way.line["backend"], way.line["device_dropped"]), (way.backend, 0))

    def assert_order(self, backend):
        """With jitter a flow keeps its order, and nothing is lost."""
        count = 2000
        way = self.shearpin(backend, "delay=50ms", "jitter=10ms")
        with way:
            for path, name in self.each_way():
                self.assertEqual(path.burst(count), list(range(count)), name)
        self.assert_counted(way, 4 * count)


class BesideNetem(DelayTest):
    """The line in the kernel (fq)."""

    def test_is_chosen(self):
        """By itself, where the kernel has it."""
        way = self.shearpin("auto", "delay=1ms")
        with way:
            pass
        self.assertEqual(way.line["backend"], "fq")

    def test_constant(self):
        for delay in (20, 50):
            netem = self.lateness(self.netem("delay", f"{delay}ms"), delay)
            fq = self.lateness(self.shearpin("fq", f"delay={delay}ms"), delay)
            with self.subTest(f"{delay} ms"):
                self.assertLessEqual(fq, netem + AS_GOOD_NS)

    def lateness(self, way, delay):
        """p99 of what datagrams come later than they should, in ns. None comes sooner."""
        late = [t - delay * MS for times in self.times(way, 1000).values() for t in times]
        self.assertGreaterEqual(min(late), 0)
        show(way=type(way).__name__, delay=delay, p50=percentile(late, 50), p99=percentile(late, 99), max=max(late))
        return percentile(late, 99)

    def test_jitter(self):
        """Mean and standard deviation are as close to what was asked for as netem's, but for the error of the sample."""
        count, delay, jitter = 1000, 250 * MS, 30 * MS
        for distribution, spread in (("uniform", jitter / math.sqrt(3)), ("normal", jitter)):
            words = ("distribution", distribution) if distribution != "uniform" else ()
            mean, deviation = {}, {}
            for way in (self.netem("delay", "250ms", "30ms", *words),
                        self.shearpin("fq", "delay=250ms", "jitter=30ms", f"distribution={distribution}", "--seed", "7")):
                name = type(way).__name__
                with way, Way(self.lab, V4, "out") as path:
                    times = path.times(count)
                mean[name] = abs(statistics.fmean(times) - delay)
                deviation[name] = abs(statistics.stdev(times) - spread)
                show(way=name, distribution=distribution, mean=statistics.fmean(times),
                     deviation=statistics.stdev(times), least=min(times), most=max(times))
            with self.subTest(distribution):
                self.assertLessEqual(mean["Shearpin"], mean["Netem"] + 3 * spread / math.sqrt(count))
                self.assertLessEqual(deviation["Shearpin"], deviation["Netem"] + 3 * spread / math.sqrt(2 * count))

    def test_order(self):
        self.assert_order("fq")

    def test_netem_reorders(self):
        """So the test of the order can fail."""
        with self.netem("delay", "50ms", "10ms"), Way(self.lab, V4, "out") as path:
            found = path.burst(2000)
        self.assertEqual(sorted(found), list(range(2000)))
        self.assertNotEqual(found, sorted(found))

    def test_neighbour(self):
        """The port beside the slowed one; netem slows it, too."""
        found = {}
        for way in (Bare(), self.netem("delay", "50ms"), self.shearpin("fq", "delay=50ms")):
            with way:
                for family in FAMILIES:
                    with Way(self.lab, family, "out", source=6000) as slow, \
                            Way(self.lab, family, "out", NEIGHBOUR) as path:
                        path.round_trips(3)
                        for _ in range(10):  # these wait while the others go past
                            slow.sender.send(b"wait")
                        times = path.round_trips(300)
                    found[type(way).__name__, family] = percentile(times, 50)
                    show(way=type(way).__name__, neighbour=name_of(family), p50=percentile(times, 50),
                         p99=percentile(times, 99))
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                self.assertLess(found["Shearpin", family], found["Bare", family] + AS_GOOD_NS)
                self.assertGreater(found["Netem", family], 100 * MS)

    def test_bulk(self):
        """TCP from here is as fast as through netem: the line does not hold the sender's memory until the packets leave."""
        raise_limits(self.lab)
        size = 48 << 20
        took = {}
        for way in (self.netem("delay", "50ms"), self.shearpin("fq", "delay=50ms", protocol="tcp")):
            with way:
                for family in FAMILIES:
                    took[type(way).__name__, family] = bulk(self.lab, family, size)
                    show(way=type(way).__name__, bulk=name_of(family),
                         mbit_s=round(size * 8000 / took[type(way).__name__, family]))
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                self.assertLess(took["Shearpin", family], took["Netem", family] * 1.05)


class UserSpace(DelayTest):
    """The line of the process does the same."""

    def test_constant(self):
        for name, times in self.times(self.shearpin("user", "delay=50ms"), 100).items():
            late = [t - 50 * MS for t in times]
            show(way="user", path=name, p50=percentile(late, 50), p99=percentile(late, 99), max=max(late))
            with self.subTest(name):
                self.assertGreaterEqual(min(late), 0)
                self.assertLess(percentile(late, 50), MS)

    def test_order(self):
        self.assert_order("user")

    def test_bulk(self):
        raise_limits(self.lab)
        with self.shearpin("user", "delay=20ms", protocol="tcp"):
            for family in FAMILIES:
                bulk(self.lab, family, 8 << 20)


class Killed(DelayTest):
    """SIGKILL with 10,000 packets in the line."""

    HELD = 10_000

    def setUp(self):
        super().setUp()
        self.before = self.lab.state()

    def kill(self, backend, family, direction):
        way = self.shearpin(backend, "delay=5s")
        way.__enter__()
        with Way(self.lab, family, direction) as path:
            for _ in range(self.HELD):
                path.sender.send(b"held")
            self.assertEqual(drain(path.receiver), [])
            self.assertNotEqual(self.lab.state()["links"], self.before["links"])
            killed = now_ns()
            way.run.signal(signal.SIGKILL)

            def passes():
                path.sender.send(b"free")
                return b"free" in [data for data, _ in drain(path.receiver)]

            wait_until(passes, "traffic is normal")
            normal = now_ns()
            show(way=backend, killed=f"{direction} {name_of(family)}", normal_after=normal - killed)
            self.assertLess(normal - killed, NORMAL_NS)
            self.assertEqual(way.run.wait(), -signal.SIGKILL)
            time.sleep(6)  # longer than what was held should have waited
            self.assertNotIn(b"held", [data for data, _ in drain(path.receiver)])
        self.assertEqual(self.lab.state()["links"], self.before["links"])
        if not TCX:  # what is left is inert
            self.assertEqual(self.lab.call("clear").status, 0)
        self.assertEqual(self.lab.state(), self.before)
        way.run.forget()

    def test_fq(self):
        for family, direction in ((V4, "out"), (V6, "in")):
            with self.subTest(f"{direction} {name_of(family)}"):
                self.kill("fq", family, direction)

    def test_user_space(self):
        for family, direction in ((V4, "in"), (V6, "out")):
            with self.subTest(f"{direction} {name_of(family)}"):
                self.kill("user", family, direction)


if __name__ == "__main__":
    unittest.main()
