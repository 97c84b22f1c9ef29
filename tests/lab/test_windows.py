# SPDX-License-Identifier: BSD-2-Clause
"""Windows: the kernel opens and closes them to the packet, whatever the process does."""
import collections
import signal
import unittest

from again import Again
from lab import DEVICE, FAMILIES, TCX, LabTest, name_of, now_ns, wait_until
from traffic import Stream, place

PORT, NEXT_PORT = 4000, 4001
MS = 1_000_000


def intervals(windows, burst_on=0, burst_off=0):
    """The times of fault, from the data of fault.open or fault.close events."""
    found = []
    for w in windows:
        at = w["opens_ns"]
        while at < w["closes_ns"]:
            until = min(at + burst_on, w["closes_ns"]) if burst_off else w["closes_ns"]
            found.append((at, until))
            at += burst_on + burst_off if burst_off else w["closes_ns"] - at
    return sorted(found)


def step(name, target, **more):
    return {"name": name, "target": target, "fault": {"drop": True}, **more}


def scenario(steps, targets):
    return {"version": 1, "name": "windows", "interface": DEVICE, "recovery": "0s", "targets": targets, "steps": steps}


TARGET = {"proto": "udp", "remote_port": PORT}


class WindowTest(Again, LabTest):
    def setUp(self):
        super().setUp()
        if not TCX:  # making the qdisc takes the interface down for some ms: docs/kernels.md
            self.lab.here.call("tc", "qdisc", "add", "dev", DEVICE, "clsact")


class Exact(WindowTest):
    def judge(self, stream, port, times, counters, fewest):
        """No datagram sent wholly inside passed, none sent wholly outside was dropped."""
        dropped = sum(c["dropped"] for c in counters)
        lost = stream.lost(port, dropped)
        places = collections.Counter()
        for n, (p, before, after) in enumerate(stream.sent):
            if p != port:
                continue
            where = place(times, before, after)
            places[where] += 1
            if where is not False:
                self.assertEqual(n in lost, where is not None, f"number {n}, {before} to {after}, of {times}")
        self.assertEqual(len(lost), dropped)
        self.assertEqual(sum(c["matched"] for c in counters), dropped)
        for i in (*range(len(times)), None):
            self.in_time(places[i] > fewest, f"enough datagrams at {i} of {times}")

    def test_repeats(self):
        for family in FAMILIES:
            with self.subTest(name_of(family)), Stream(self.lab, family, (PORT,)) as stream:
                run = self.lab.run(scenario([step("cut", "t", at="50ms", **{"for": "200ms"},
                                                  repeat={"times": 3, "every": "300ms"})], {"t": TARGET}))
                self.assert_ended(run, 0)
                stream.halt = True
                stream.join()
                closes = [e["data"] for e in run.events("fault.close")]
                self.assertEqual(len(closes), 3)
                times = intervals(closes)
                self.assertEqual([closes - opens for opens, closes in times], [200 * MS] * 3)
                self.assertEqual([b[0] - a[0] for a, b in zip(times, times[1:])], [300 * MS] * 2)
                zero = run.events("baseline.end")[0]["data"]["zero_ns"]
                self.assertEqual(times[0][0], zero + 50 * MS)
                self.judge(stream, PORT, times, closes, 100)
                for receiver in stream.receivers.values():
                    receiver.close()

    def test_bursts(self):
        with Stream(self.lab, FAMILIES[0], (PORT,)) as stream:
            run = self.lab.run(scenario([step("thin", "t", at="0s", **{"for": "300ms"},
                                              repeat={"times": 3, "every": "400ms"},
                                              burst={"on": "70ms", "off": "50ms"})], {"t": TARGET}))
            self.assert_ended(run, 0)
        closes = [e["data"] for e in run.events("fault.close")]
        times = intervals(closes, 70 * MS, 50 * MS)
        self.assertEqual(len(times), 9)
        self.judge(stream, PORT, times, closes, 20)

    def test_steps_that_overlap(self):
        with Stream(self.lab, FAMILIES[1], (PORT, NEXT_PORT)) as stream:
            run = self.lab.run(scenario(
                [step("one", "t", at="100ms", **{"for": "400ms"}), step("two", "n", at="300ms", **{"for": "400ms"})],
                {"t": TARGET, "n": {"proto": "udp", "remote_port": NEXT_PORT}}))
            self.assert_ended(run, 0)
        for name, port in (("one", PORT), ("two", NEXT_PORT)):
            closes = [e["data"] for e in run.events("fault.close") if e["step"] == name]
            self.judge(stream, port, intervals(closes), closes, 100)

    def test_stopped_process(self):
        """SIGSTOP as soon as the window is seen to be open: it closes when it should, and the next one opens."""
        with Stream(self.lab, FAMILIES[0], (PORT,)) as stream:
            run = self.lab.run(scenario([step("cut", "t", at="0s", **{"for": "400ms"},
                                              repeat={"times": 2, "every": "600ms"})], {"t": TARGET}))
            first = run.opened()["data"]
            run.signal(signal.SIGSTOP)
            wait_until(lambda: now_ns() > first["opens_ns"] + 1200 * MS, "both windows are over")
            run.signal(signal.SIGCONT)
            self.assert_ended(run, 0)
        closes = [e["data"] for e in run.events("fault.close")]
        self.assertEqual([c["cut"] for c in closes], [False, False])
        self.judge(stream, PORT, intervals(closes), closes, 100)


class Phases(WindowTest):
    def test_baseline_and_recovery(self):
        """Nothing happens in the baseline; `at` counts from its end; the run ends soon after without a probe."""
        with Stream(self.lab, FAMILIES[0], (PORT,), 500_000) as stream:
            run = self.lab.run({**scenario([step("cut", "t", at="100ms", **{"for": "100ms"})], {"t": TARGET}),
                                "baseline": "300ms"})
            self.assert_ended(run, 0)
        start, zero = (run.events(kind)[0] for kind in ("run.start", "baseline.end"))
        close = run.counters()
        self.assertGreaterEqual(zero["data"]["zero_ns"] - start["mono_ns"], 300 * MS)
        self.assertEqual(close["opens_ns"], zero["data"]["zero_ns"] + 100 * MS)
        lost = stream.lost(PORT, close["dropped"])
        self.assertEqual(len(lost), close["dropped"])
        for n in lost:
            self.assertGreaterEqual(stream.sent[n][2], close["opens_ns"])
            self.assertLess(stream.sent[n][1], close["closes_ns"])


if __name__ == "__main__":
    unittest.main()
