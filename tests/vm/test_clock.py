# SPDX-License-Identifier: BSD-2-Clause
"""Steps that move the clock, on the clock of the virtual machine: tests/vm/run. Nowhere else."""
import glob
import json
import os
import select
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "lab"))

# pylint: disable=wrong-import-position
from lab import DEVICE, THERE, V4, LabTest, wait_until

S = 1_000_000_000
EXACT_NS = 1_000_000  # between two readings
JOURNALS = "/var/lib/shearpin/undo/*.jsonl"
WITHOUT_RIGHT = "setpriv", "--bounding-set", "-sys_time", "--inh-caps", "-sys_time"


def offset_ns():
    """CLOCK_REALTIME minus CLOCK_MONOTONIC, the tightest of some readings."""
    def read():
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        real = time.clock_gettime_ns(time.CLOCK_REALTIME)
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        return after - before, real - (before + after) // 2
    return min(read() for _ in range(50))[1]


def set_clock(offset):
    """As somebody else would."""
    time.clock_settime_ns(time.CLOCK_REALTIME, time.clock_gettime_ns(time.CLOCK_MONOTONIC) + offset)


@unittest.skipUnless(os.getcwd() == "/src" and os.path.exists("/init"), "moves the clock: only in tests/vm/run")
class ClockTest(LabTest):
    def setUp(self):
        super().setUp()
        self.before_ns = offset_ns()
        self.before = self.lab.state()
        self.addCleanup(set_clock, self.before_ns)

    def assert_offset(self, offset):
        self.assertLess(abs(offset_ns() - self.before_ns - offset), EXACT_NS, "the clock")

    def scenario(self, *steps, **more):
        return {"version": 1, "name": "skew", "steps": [
            {"name": f"skew {n}", "clock": clock, "at": at, "for": long, **extra}
            for n, (clock, at, long, extra) in enumerate(steps)], "recovery": "0s", **more}

    def start(self, clock="+5s", long="300s"):
        """A run whose clock step is open."""
        run = self.lab.run(self.scenario((clock, "0s", long, {})))
        run.wait_event("step.start")
        return run

    def assert_clean(self):
        self.assertEqual(glob.glob(JOURNALS), [])
        self.assert_untouched(self.before)

    def assert_whole(self, run):
        done = self.lab.call("verify", run.out)
        self.assertEqual(done.status, 0, done.stdout + done.stderr)
        self.assertTrue(run.document("results.json")["complete"], run.document("results.json")["incomplete"])
        for kind in ("md", "html", "json", "junit"):
            self.assertEqual(self.lab.call("report", run.out, "--format", kind).status, 0)


class Steps(ClockTest):
    def test_ahead_and_back(self):
        run = self.lab.run(self.scenario(("+5s", "1s", "2s", {"repeat": {"times": 2, "every": "4s"}}),
                                         ("-90.000000001s", "3s", "1s", {})))
        for count, offset in ((1, 5 * S), (2, -90 * S - 1), (3, 5 * S)):
            start = run.wait_event("step.start", count)
            self.assert_offset(offset)
            self.assertEqual(start["data"]["offset_ns"], offset)
            # The log goes on by the clock as it is.
            self.assertLess(abs(start["ts_ns"] - start["mono_ns"] - self.before_ns - offset), EXACT_NS)
        self.assertEqual(run.wait(), 0, run.stderr)
        self.assert_offset(0)
        self.assertEqual([(e["step"], e["instance"], e["data"]["result"]) for e in run.events("step.undo")],
                         [("skew 0", 1, "taken back"), ("skew 1", 1, "taken back"), ("skew 0", 2, "taken back")])
        self.assertEqual([e["data"]["cut"] for e in run.events("step.end")], [False] * 3)
        for event in run.events("step.start", "step.end"):
            planned = event["data"]["opens_ns" if event["type"] == "step.start" else "closes_ns"]
            self.assertGreaterEqual(event["mono_ns"], planned)
        self.assert_whole(run)
        self.assert_clean()

    def test_status(self):
        """By how much the clock is off, and until when."""
        run = self.start("-90s")
        start = run.events("step.start")[0]["data"]
        view, = json.loads(self.lab.call("status", "--json").stdout)["runs"]
        clock, = view["clocks"]
        self.assertEqual((clock["step"], clock["offset_ns"], clock["state"], clock["opens_ns"], clock["closes_ns"]),
                         ("skew 0", -90 * S, "open", start["opens_ns"], start["closes_ns"]))
        self.assertEqual(view["windows"], {"open": 1, "over": 0, "total": 1})
        shown = self.lab.call("status").stdout
        self.assertRegex(shown, r"(?m)^  skew 0 1/1 +back 1m30s +open +[0-9m]+s$")
        self.assertIn("interface  none", shown)
        self.assertEqual(run.stop(), 130)
        self.assert_clean()

    def test_beside_a_fault(self):
        """The fault's window and its counters are the kernel's, by a clock that is not moved."""
        run = self.lab.run({
            "version": 1, "name": "skew", "interface": DEVICE, "recovery": "0s",
            "targets": {"front": {"proto": "tcp", "remote": THERE[V4], "remote_port": 4000}},
            "steps": [{"name": "cut", "at": "0s", "fault": {"refuse": "tcp-reset"}, "target": "front", "for": "4s"},
                      {"name": "skew", "clock": "+1h", "at": "1s", "for": "1s"}]})
        run.wait_event("step.undo")
        self.assertNotEqual(self.lab.try_connect(self.lab.here, V4, 4000), 0)
        self.assertEqual(run.wait(), 0, run.stderr)
        opened, closed = run.events("fault.open")[0], run.events("fault.close")[0]
        self.assertEqual(closed["mono_ns"] - opened["mono_ns"], 4 * S)
        self.assertEqual(closed["data"]["refused"], 1)
        self.assert_offset(0)
        self.assert_whole(run)
        self.assert_clean()

    def test_set_back_meanwhile(self):
        run = self.start()
        set_clock(self.before_ns)  # NTP
        self.assertEqual(run.stop(), 130)
        self.assertEqual(run.events("step.undo")[0]["data"]["result"], "not needed")
        self.assert_offset(0)
        self.assert_clean()


class Ends(ClockTest):
    def test_asked_to_end(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            run = self.start()
            self.assert_offset(5 * S)
            guard = os.pidfd_open(self.guard(run))
            run.signal(number)
            self.assertEqual(run.wait(), 130)
            self.assertTrue(select.select([guard], [], [], 0)[0], "the guard has ended, too")
            os.close(guard)
            self.assert_offset(0)
            self.assertEqual(run.events("step.end")[0]["data"]["cut"], True)
            self.assert_clean()

    def test_clear_ends_it(self):
        self.start()
        self.assertEqual(self.lab.call("clear").status, 0)
        self.assert_offset(0)
        self.assert_clean()

    def test_stopped(self):
        """The guard takes it back behind the window's end; the run finds that when it goes on."""
        def is_taken_back():
            journal, = glob.glob(JOURNALS)
            with open(journal, encoding="ascii") as f:
                return f.read().splitlines()[-1] == '{"done":1}'

        run = self.start("+5s", "2s")
        run.signal(signal.SIGSTOP)
        try:
            wait_until(is_taken_back, "the guard has taken it back")
            self.assert_offset(0)
        finally:
            run.signal(signal.SIGCONT)
        self.assertEqual(run.wait(), 0, run.stderr)
        self.assert_offset(0)
        undo, = run.events("step.undo")
        self.assertEqual((undo["data"]["result"], undo["data"]["reason"]),
                         ("taken back", "by the guard: the run was stopped or late"))
        self.assertGreaterEqual(undo["mono_ns"], run.events("step.end")[0]["data"]["closes_ns"] + S)
        self.assert_whole(run)
        self.assert_clean()

    def test_killed(self):
        """The guard takes it back, at once."""
        for clock in ("+5s", "-5s"):
            run = self.start(clock)
            run.signal(signal.SIGKILL)
            run.wait()
            run.forget()
            wait_until(lambda: not glob.glob(JOURNALS), "the guard is done")
            self.assert_offset(0)
            self.assertEqual(self.lab.call("clear").stdout, "nothing to clear\n")
            self.assert_clean()

    @staticmethod
    def guard(run):
        """The process that a run has beside it."""
        def look():
            found = []
            for path in glob.glob("/proc/[0-9]*/stat"):
                try:
                    with open(path, encoding="ascii") as f:
                        number, rest = f.read().split(" (", 1)
                except (FileNotFoundError, ProcessLookupError):
                    continue
                name, rest = rest.rsplit(") ", 1)
                if name == "shearpin-undo" and int(rest.split()[1]) == run.pid:
                    found.append(int(number))
            return found

        number, = wait_until(look, "there is a guard")
        return number

    def kill(self, clock="+5s"):
        """The run and its guard, as a power cut does."""
        run = self.start(clock)
        os.kill(self.guard(run), signal.SIGKILL)
        run.signal(signal.SIGKILL)
        run.wait()
        run.forget()
        self.assertEqual(len(glob.glob(JOURNALS)), 1)
        return run

    def test_killed_then_cleared(self):
        run = self.kill("-5s")
        self.assert_offset(-5 * S)
        done = self.lab.call("clear", "--json")
        self.assertEqual(done.status, 0, done.stderr)
        self.assertIn(f"took back what run {run.pid} left: the clock, which was put back by 5s\n", done.stderr)
        undo, = json.loads(done.stdout)["undo"]
        self.assertEqual((undo["kind"], undo["result"], undo["run"], undo["pid"]),
                         ("clock", "taken back", os.path.realpath(run.out), run.pid))
        self.assert_offset(0)
        self.assert_clean()
        self.assertEqual(self.lab.call("clear").stdout, "nothing to clear\n")
        self.assert_offset(0)

    def test_killed_then_another_run(self):
        run = self.kill()
        following = self.lab.inject("drop", "--remote", THERE[V4], "--for", "300s")
        event = following.wait_event("step.undo")
        self.assertEqual({key: event["data"][key] for key in ("kind", "result", "run", "pid")},
                         {"kind": "clock", "result": "taken back", "run": os.path.realpath(run.out), "pid": run.pid})
        self.assert_offset(0)
        self.assertEqual(following.stop(), 130)
        self.assert_clean()

    def test_killed_and_set_back_by_somebody_else(self):
        self.kill()
        set_clock(self.before_ns)
        done = self.lab.call("clear")
        self.assertIn("the clock, which was put ahead by 5s: the clock is back already", done.stdout)
        self.assert_offset(0)
        self.assert_clean()

    def test_power_cut(self):
        """The next boot has read the clock anew: the offset is not on it any more."""
        self.kill()
        set_clock(self.before_ns + 5 * S)
        path, = glob.glob(JOURNALS)
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
            boot = f.read().strip()
        with open(path, encoding="ascii") as f:
            text = f.read()
        self.assertIn(boot, text)
        with open(path, "w", encoding="ascii") as f:
            f.write(text.replace(boot, "00000000-0000-0000-0000-000000000000"))
        done = self.lab.call("clear")
        self.assertEqual(done.status, 0)
        self.assertIn("this host has been booted since", done.stdout)
        self.assert_offset(5 * S)
        self.assert_clean()


class Refused(ClockTest):
    def assert_refused(self, run, message):
        self.assertEqual(run.wait(), 3, run.stderr)
        self.assertIn(message, run.stderr)
        self.assertFalse(os.path.exists(run.out))
        self.assert_offset(0)
        self.assert_clean()

    def test_without_the_right(self):
        self.assert_refused(self.lab.run(self.scenario(("+5s", "0s", "1s", {})), wrapper=WITHOUT_RIGHT),
                            "this process may not move the clock: Operation not permitted; that needs CAP_SYS_TIME")

    def test_in_a_user_namespace(self):
        """Root there has the capability, and it counts for nothing."""
        run = self.lab.run(self.scenario(("+5s", "0s", "1s", {})), wrapper=("unshare", "--user", "--map-root-user"))
        self.assertNotEqual(run.wait(), 0)
        self.assert_offset(0)
        self.assert_clean()

    def test_two_at_a_time(self):
        run = self.start()
        second = self.lab.run(self.scenario(("-5s", "0s", "1s", {})))
        self.assertEqual(second.wait(), 3)
        self.assertIn("another run changes this host", second.stderr)
        self.assert_offset(5 * S)
        self.assertEqual(run.stop(), 130)
        self.assert_offset(0)
        self.assert_clean()


if __name__ == "__main__":
    unittest.main()
