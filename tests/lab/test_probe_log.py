# SPDX-License-Identifier: BSD-2-Clause
"""Probe logs as the CTP drill writes them, in either form: what shearpin reports is what that drill's own reporter finds
in the same log, whatever is done to the log meanwhile."""
import contextlib
import os
import shutil
import threading
import time
import unittest

from again import Again
from ctp_reader import meets, p99, read_files, read_health, read_windows, samples
from lab import DEVICE, HERE, HOLD, THERE, V4, LabTest, wait_until
from traffic import Beside

PORT = 4000
ROUNDING_S = 1e-6
HOUR_NS = 3600 * 10 ** 9
GIB = 1 << 30


def first_form(ts, healthy):
    return f"[health] ts_ns={ts} state={'healthy' if healthy else 'unhealthy'}\n"


def second_form(ts, healthy):
    level, state = ("info", "healthy") if healthy else ("warn", "unhealthy")
    return f'ts_ns={ts} level={level} app=simnow_probe event=health_status state="{state}"\n'


class Reporter(Beside):
    """The system under test: it connects again and again, and writes down whether it could. The test may do something to
    the log between two lines. With `hold`, once it was unhealthy it is so until the test says otherwise, and the run goes
    on."""

    def __init__(self, lab, path, form, changes_alone=False, hold=False):
        super().__init__()
        self.lab, self.path, self.form, self.changes_alone = lab, path, form, changes_alone
        self.hold = hold
        self.held = threading.Event()
        self.listener = lab.listen(lab.there, V4, PORT)
        self.lines = []  # (stated, healthy, whether its clock was right)
        self.lag_ns = 0  # of its clock
        self.lock = threading.Lock()

    def accept(self):
        self.listener.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.listener.accept()[0].close()

    def look(self):
        healthy = self.lab.try_connect(self.lab.here, V4, PORT) == 0
        self.accept()
        if self.hold and not healthy:
            self.held.set()
        return healthy and not self.held.is_set()

    def write(self, text):
        with open(self.path, "a", encoding="utf-8") as f:
            f.write(text)

    def tell(self, healthy):
        """With the lock."""
        ts = time.clock_gettime_ns(time.CLOCK_REALTIME) - self.lag_ns
        self.lines.append((ts, healthy, not self.lag_ns))
        self.write(self.form(ts, healthy))
        self.write("level=info app=simnow_probe event=tick state=busy\n")

    def run(self):
        while not self.halt:
            healthy = self.look()
            with self.lock:
                if not (self.changes_alone and self.lines and self.lines[-1][1] == healthy):
                    self.tell(healthy)
            time.sleep(0.005)

    def count(self):
        with self.lock:
            return len(self.lines)

    def release(self):
        self.hold = False
        self.held.clear()

    def wait_lines(self, count):
        wait_until(lambda: self.count() >= count, f"{count} lines")

    def wait_more(self, count):
        self.wait_lines(self.count() + count)


class ProbeLogTest(Again, LabTest):
    def path(self, name="probe.log"):
        return os.path.join(self.lab.folder, name)

    def reporter(self, form=first_form, lines=2, **options):
        """At work already, with so many lines in its log."""
        reporter = Reporter(self.lab, self.path(), form, **options)
        reporter.start()
        self.addCleanup(reporter.join)
        self.addCleanup(setattr, reporter, "halt", True)
        reporter.wait_lines(lines)
        return reporter

    def drill(self, fault=None, times=1, probes=None, **more):
        """The path is relative to the working directory, which is the lab's folder."""
        fault = fault or {"reset": "both"}
        return self.lab.run({
            "version": 1, "name": "ctp", "seed": 7, "interface": DEVICE,
            "targets": {"front": {"proto": "tcp", "remote": THERE[V4], "remote_port": PORT}},
            "probes": {"trader": {"log": "probe.log", "healthy": 'state="?healthy', "unhealthy": 'state="?unhealthy',
                                  "every": "20ms"}, **(probes or {})},
            "baseline": "100ms", "recovery": HOLD,
            "steps": [{"name": "cut", "at": "0s", "fault": fault, "target": "front", "for": "500ms",
                       "repeat": {"times": times, "every": "1s"}}],
            "slo": [{"recovery_p99": HOLD, "probe": "trader"}, {"unrecovered": 0, "probe": "trader"}], **more})

    @staticmethod
    def told(run, *sources):
        return [e for e in run.events("probe.up", "probe.down") if e["data"]["source"] in sources]

    def wait_read(self, run, ts):
        wait_until(lambda: any(e["data"].get("stated_ns") == ts for e in run.events("probe.up", "probe.down")),
                   "the line is read")

    def check_reader(self, run, *logs):
        """The other reader finds the same."""
        found = samples(read_windows(run.path("fault_events.jsonl")), read_health(read_files(logs)))
        results = run.document("results.json")
        self.assertEqual(len(found), len(results["steps"]))
        for sample, window in zip(found, results["steps"]):
            probe = window["probes"][0]
            self.assertEqual((sample.apply, sample.clear), (window["opened_ts_ns"], window["closed_ts_ns"]))
            self.assertIsNotNone(sample.recovery)
            self.assertAlmostEqual(sample.recovery, probe["recovery_ns"] / 1e9, delta=ROUNDING_S)
            detected = probe["detection_ns"]
            self.assertEqual(sample.unhealthy, detected is not None and
                             detected <= window["closed_ns"] - window["opened_ns"])
        slo = {s["key"]: s for s in results["slo"]}
        self.assertAlmostEqual(p99([s.recovery for s in found]), slo["recovery_p99"]["value"] / 1e9, delta=ROUNDING_S)
        self.assertEqual(meets(found, int(HOLD.removesuffix("s"))), slo["recovery_p99"]["pass"])
        return found

    def check_lines(self, run, reporter):
        """Each line that came during the run is one sample, of the time that it states."""
        written = list(reporter.lines)
        place = {ts: i for i, (ts, _, _) in enumerate(written)}
        read = sorted((place[e["data"]["stated_ns"]], e["type"] == "probe.up")
                      for e in self.told(run, "line", "read"))
        start = read[0][0]
        self.assertEqual(read, [(i, written[i][1]) for i in range(start, start + len(read))])
        events = self.told(run, "line")
        self.assertGreater(len(events), 10)
        for event in events:
            self.assertEqual(event["ts_ns"], event["data"]["stated_ns"])
        for event in run.events("probe.up", "probe.down"):
            self.assertNotIn("latency_ns", event["data"])


class Forms(ProbeLogTest):
    def check_form(self, form):
        reporter = self.reporter(form)
        run = self.drill(times=2)
        self.assert_ended(run, 0)
        self.check_lines(run, reporter)
        found = self.check_reader(run, self.path())
        self.assertTrue(all(s.unhealthy for s in found), found)
        self.assertEqual({s.scenario for s in found}, {"disconnect"})
        plan = run.document("plan.json")["probes"][0]
        self.assertEqual((plan["kind"], plan["path"]), ("log", "probe.log"))

    def test_first_form(self):
        self.check_form(first_form)

    def test_second_form(self):
        self.check_form(second_form)

    def test_changes_alone(self):
        """A log that is silent as long as nothing changes: a fault that changes nothing is recovered from at once."""
        self.reporter(lines=1, changes_alone=True)
        run = self.drill(fault={"delay": "1ms"})
        self.assert_ended(run, 0)
        self.assertTrue(self.told(run, "state"))
        probe = run.document("results.json")["steps"][0]["probes"][0]
        self.assertEqual((probe["detection_ns"], probe["censored"]), (None, False))

    def test_no_latency(self):
        """An objective about latency concerns the other probes alone."""
        self.reporter()
        run = self.drill(fault={"delay": "1ms"}, probes={"gateway": {"tcp": f"{THERE[V4]}:{PORT}", "every": "20ms",
                                                                     "timeout": "60s"}},
                         slo=[{"probe_p95": "60s"}])
        self.assert_ended(run, 0)
        slo = run.document("results.json")["slo"][0]
        told = [e for e in run.events("probe.up") if e["data"]["probe"] == "gateway"]
        self.assertIn(slo["value"], [e["data"]["latency_ns"] for e in told])
        self.assertLess(slo["samples"], len(told))

    def test_changes(self):
        """The same log, and a fault that it tells of: the two lines are the samples that count."""
        self.reporter(lines=1, changes_alone=True)
        run = self.drill(times=2)
        self.assert_ended(run, 0)
        found = self.check_reader(run, self.path())
        self.assertTrue(all(s.unhealthy for s in found), found)


class Meanwhile(ProbeLogTest):
    def start(self):
        reporter = self.reporter(hold=True)
        run = self.drill()
        closes = run.opened()["data"]["closes_ns"]
        wait_until(lambda: run.events("probe.down") or not run.running(), "the run knows")
        down = run.events("probe.down")
        self.in_time(down and down[0]["mono_ns"] < closes, "a look in the window")
        return reporter, run

    def wait_next(self, run, reporter):
        """A line that is to come is read."""
        reporter.wait_more(1)
        self.wait_read(run, reporter.lines[-1][0])

    def end(self, run, reporter, *logs):
        reporter.release()
        self.assert_ended(run, 0)
        self.check_lines(run, reporter)
        self.check_reader(run, *map(self.path, logs))

    def test_renamed(self):
        reporter, run = self.start()
        for name in ("probe.log.1", "probe.log.2"):
            self.wait_next(run, reporter)
            with reporter.lock:
                os.rename(self.path(), self.path(name))
        self.wait_next(run, reporter)
        self.end(run, reporter, "probe.log.1", "probe.log.2", "probe.log")

    def test_truncated(self):
        reporter, run = self.start()
        with reporter.lock:
            self.wait_read(run, reporter.lines[-1][0])
            shutil.copy(self.path(), self.path("kept"))
            os.truncate(self.path(), 0)
            reporter.tell(False)
            self.wait_read(run, reporter.lines[-1][0])  # while the file is shorter than it was
        self.wait_next(run, reporter)
        self.end(run, reporter, "kept", "probe.log")

    def test_clock_step(self):
        """Some lines of a clock that is an hour slow: their samples are of the time of reading, and say so."""
        reporter, run = self.start()
        with reporter.lock:
            reporter.lag_ns = HOUR_NS
        reporter.wait_more(3)
        with reporter.lock:
            reporter.lag_ns = 0
        self.wait_next(run, reporter)
        self.end(run, reporter, "probe.log")
        right = {ts: fine for ts, _, fine in reporter.lines}
        for event in self.told(run, "line"):
            self.assertTrue(right[event["data"]["stated_ns"]])
        beginning, *lagging = self.told(run, "read")
        self.assertTrue(right[beginning["data"]["stated_ns"]])  # the state at the start
        self.assertEqual(len(lagging), sum(not fine for _, _, fine in reporter.lines))
        self.assertGreaterEqual(len(lagging), 3)
        first, last = run.events("run.start")[0], run.events("run.end")[0]
        for event in lagging:
            self.assertGreater(event["mono_ns"], first["mono_ns"])
            self.assertLess(event["mono_ns"], last["mono_ns"])
        self.assertTrue(run.document("results.json")["complete"])


class Logs(ProbeLogTest):
    def test_a_gibibyte(self):
        """Its end is read, and what comes behind it."""
        with open(self.path(), "wb") as f:
            f.truncate(GIB)
        reporter = self.reporter()
        self.assertGreater(os.path.getsize(self.path()), GIB)
        run = self.drill()
        run.wait_event("fault.close")
        with open(f"/proc/{run.pid}/io", encoding="ascii") as f:
            self.assertLess(int(dict(line.split(": ") for line in f)["rchar"]), GIB // 8)
        self.assert_ended(run, 0)
        self.check_lines(run, reporter)

    def refuse(self, why):
        run = self.drill()
        self.assert_ended(run, 4)
        self.assertEqual(run.events("fault.open"), [])
        self.assertEqual(run.events("abort")[0]["data"]["reason"],
                         f"the probe trader is not healthy at the end of the baseline: {why}")

    def test_no_log(self):
        self.refuse("its log is not there")

    def test_nothing_in_it(self):
        with open(self.path(), "w", encoding="ascii") as f:
            f.write("level=info app=simnow_probe event=started\n")
        self.refuse("no line of its log tells its state")

    def test_unhealthy_baseline(self):
        with open(self.path(), "w", encoding="ascii") as f:
            f.write(first_form(1, True) + first_form(2, False))
        self.refuse("unhealthy")

    def test_late(self):
        """The log comes into being during the baseline."""
        run = self.drill(times=1, baseline="60s")
        run.wait_event("run.start")
        reporter = self.reporter()
        run.wait_event("probe.up")
        self.assertEqual(run.stop(), 130)
        self.assertEqual(self.told(run, "line")[0]["data"]["stated_ns"], reporter.lines[0][0])

    def test_preflight(self):
        scenario = self.lab.write({
            "version": 1, "name": "ctp", "interface": DEVICE, "baseline": "1s",
            "targets": {"front": {"remote": HERE[V4]}},
            "probes": {"trader": {"log": self.path(), "healthy": "state=healthy", "unhealthy": "state=unhealthy"}},
            "steps": [{"name": "cut", "at": "0s", "fault": {"drop": True}, "target": "front", "for": "1s"}]})
        done = self.lab.call("preflight", scenario)
        self.assertIn("its log is not there", done.stdout)
        with open(self.path(), "w", encoding="ascii") as f:
            f.write(first_form(1, False) + first_form(2, True))
        done = self.lab.call("preflight", scenario)
        self.assertIn("the last line that tells is healthy", done.stdout)


if __name__ == "__main__":
    unittest.main()
