# SPDX-License-Identifier: BSD-2-Clause
"""Steps that send signals: who gets them, who must not, and that whoever was stopped goes on however the run ends."""
import os
import signal
import subprocess
import sys
import time
import unittest

from changing import ChangeTest, guard_of, stat_of
from lab import PATIENCE_S, wait_until

NAME = "pin-sleeper"
# It writes down which signals it got; none of them ends it.
LISTENER = """
import signal, sys, time
def got(number, frame):
    with open(sys.argv[1], "a") as f:
        f.write(signal.Signals(number).name + "\\n")
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGCONT):
    signal.signal(number, got)
with open(sys.argv[1], "w"):
    pass
while True:
    time.sleep(600)
"""


class SignalTest(ChangeTest):
    def setUp(self):
        super().setUp()
        self.heard = self.path("heard")
        self.victim = self.spawn(sys.executable, "-c", LISTENER, self.heard)
        wait_until(lambda: os.path.exists(self.heard), "the victim listens")

    def spawn(self, *argv, **options):
        process = subprocess.Popen(argv, **options)  # pylint: disable=consider-using-with
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        process.kill()
        process.wait()

    def state(self, pid=None):
        found = stat_of(pid or self.victim.pid)
        return found and found[1][0]

    def got(self):
        with open(self.heard, encoding="ascii") as f:
            return f.read().split()

    def kill_step(self, name="SIGSTOP", process=None, **more):
        return {"signal": {"kill": name, **(process or {"pid": self.victim.pid})}, **more}

    def stopped(self, **more):
        """A run that has stopped the victim."""
        run = self.change(self.kill_step(**{"for": "300s", **more}))
        run.wait_event("step.start")
        wait_until(lambda: self.state() == "T", "the victim stands still")
        return run

    def assert_runs(self):
        wait_until(lambda: self.state() in ("S", "R"), "the victim goes on")
        wait_until(lambda: self.got() == ["SIGCONT"], "it was told to")


class Delivery(SignalTest):
    def data(self, run):
        return {key: run.events("step.start")[0]["data"][key] for key in ("kind", "signal", "pid", "comm", "start_ticks")}

    def test_by_pid(self):
        run = self.change(self.kill_step("SIGTERM"), self.kill_step("SIGUSR1", at="300ms"))
        self.assert_ended(run, 0)
        wait_until(lambda: len(self.got()) == 2, "both signals")
        self.assertEqual(self.got(), ["SIGTERM", "SIGUSR1"])
        name, fields = stat_of(self.victim.pid)
        self.assertEqual(self.data(run), {"kind": "signal", "signal": "SIGTERM", "pid": self.victim.pid, "comm": name,
                                          "start_ticks": int(fields[19])})
        self.assertEqual(self.told(run), [(t, f"step {n}", 1) for n in (1, 2) for t in ("step.start", "step.end")])

    def test_by_pidfile(self):
        pidfile = self.path("victim.pid")
        with open(pidfile, "w", encoding="ascii") as f:
            f.write(f"{self.victim.pid}\n")
        run = self.change(self.kill_step("SIGHUP", {"pidfile": pidfile}))
        self.assert_ended(run, 0)
        wait_until(lambda: self.got() == ["SIGHUP"], "the signal")

    def test_by_name(self):
        other = self.spawn("sleep", "600", executable=self.copy_of_sleep())
        run = self.change(self.kill_step("SIGKILL", {"name": NAME}))
        self.assert_ended(run, 0)
        self.assertEqual(other.wait(PATIENCE_S), -signal.SIGKILL)

    def copy_of_sleep(self):
        path = self.path(NAME)
        subprocess.run(["cp", "/bin/sleep", path], check=True)
        return path

    def test_repeated(self):
        run = self.change(self.kill_step("SIGUSR1", repeat={"times": 3, "every": "200ms"}))
        self.assert_ended(run, 0)
        wait_until(lambda: self.got() == ["SIGUSR1"] * 3, "three signals")

    def test_nothing_to_take_back(self):
        """Then another run may change the host at the same time."""
        run = self.stopped()
        self.assertEqual(self.change(self.kill_step("SIGHUP"), interface="lo").wait(), 0)
        other = self.change(self.kill_step(**{"for": "1s"}), interface="lo")
        self.assertEqual(other.wait(), 3)
        self.assertIn("another run changes this host", other.stderr)
        run.stop()
        self.assert_ended(run, 130)

    def stopped(self):
        run = self.change(self.kill_step(**{"for": "300s"}))
        run.wait_event("step.start")
        return run

    def test_late(self):
        """It is not left out, as a window would be that leaves something behind."""
        run = self.change(self.kill_step("SIGUSR1", at="500ms"))
        run.wait_event("baseline.end")
        run.freeze()
        time.sleep(1)
        run.signal(signal.SIGCONT)
        self.assert_ended(run, 0)
        wait_until(lambda: self.got() == ["SIGUSR1"], "the signal")


class Judged(SignalTest):
    """Objectives and conditions may be narrowed to the step that sends a signal."""

    def judged(self, **more):
        probes = {"victim": {"process": {"pid": self.victim.pid}, "every": "20ms"}}
        seen = {"expect": {"probe": "victim", "equals": "unhealthy", "within": "120s"}}
        return self.change(self.kill_step("SIGKILL"), seen, probes=probes, **more)

    def test_objectives(self):
        run = self.judged(slo=[{"detection_max": "120s", "step": "step 1"}, {"unrecovered": 0, "step": "step 1"}])
        self.assert_ended(run, 1)
        self.assertEqual([(s["key"], s["step"], s["samples"], s["pass"]) for s in run.document("results.json")["slo"]],
                         [("detection_max", "step 1", 1, True), ("unrecovered", "step 1", 1, False)])

    def test_abort(self):
        run = self.judged(abort=[{"recovery_max": "50ms", "step": "step 1"}], recovery="120s")
        self.assert_ended(run, 4)
        [abort] = run.events("abort")
        self.assertRegex(abort["data"]["reason"], "^no recovery from step 1 #1 by victim after ")


class Stopped(SignalTest):
    def test_window(self):
        run = self.change(self.kill_step(**{"for": "500ms"}))
        run.wait_event("step.start")
        wait_until(lambda: self.state() == "T" or run.events("step.undo"), "the victim stands still")
        self.assert_ended(run, 0)
        self.assert_runs()
        self.assertEqual(self.undos(run), [("step 1", "taken back", None)])

    def test_stopped_before(self):
        """It was not the run: nothing is taken back."""
        self.victim.send_signal(signal.SIGSTOP)
        wait_until(lambda: self.state() == "T", "the victim stands still")
        run = self.change(self.kill_step(**{"for": "300ms"}))
        self.assert_ended(run, 0)
        self.assertEqual((self.state(), self.undos(run), self.got()), ("T", [], []))

    def test_cut(self):
        run = self.stopped()
        run.stop()
        self.assert_ended(run, 130)
        self.assert_runs()

    def test_went_on_by_itself(self):
        run = self.stopped()
        self.victim.send_signal(signal.SIGCONT)
        self.assert_runs()
        run.stop()
        self.assert_ended(run, 130)
        self.assertEqual(self.undos(run), [("step 1", "not needed", "the process runs already")])
        self.assertEqual(self.got(), ["SIGCONT"])

    def test_ended_meanwhile(self):
        run = self.stopped()
        self.end(self.victim)
        run.stop()
        self.assert_ended(run, 130)
        self.assertEqual(self.undos(run), [("step 1", "not needed", "the process has ended")])

    def test_killed(self):
        self.kill(self.stopped())
        self.assert_runs()

    def test_cleared(self):
        self.kill_all(self.stopped())
        self.assertEqual(self.state(), "T")
        self.assertEqual(self.clear(), [("taken back", None)])
        self.assertIn(f"the process {self.victim.pid}", self.last_words)
        self.assert_runs()
        self.assertEqual(self.clear(), [])
        self.assertEqual(self.journals(), [])

    def test_another_by_now(self):
        """The number in the journal is another process's by then: its start tells."""
        self.kill_all(self.stopped())
        name, = [name for name in self.journals() if name.endswith(".jsonl")]
        with open(self.path(f"var/undo/{name}"), "r+b") as f:
            text = f.read()
            at = text.index(b'"start_ticks":') + len(b'"start_ticks":')
            f.seek(at)
            f.write(b"9" if text[at:at + 1] != b"9" else b"8")
        self.assertEqual(self.clear(), [("not needed", "the process has ended")])
        self.assertEqual(self.state(), "T")

    def test_run_is_stopped(self):
        run = self.change(self.kill_step(**{"for": "1s"}))
        run.wait_event("step.start")
        run.freeze()
        self.assert_runs()
        run.signal(signal.SIGCONT)
        self.assert_ended(run, 0)
        self.assertEqual(self.got(), ["SIGCONT"])


class Refused(SignalTest):
    def test_who_must_not_be_hit(self):
        parent = int(stat_of(self.stopped().pid)[1][1])
        self.lab.runs[-1].stop()
        for pid, why in ((1, "which is init"), (parent, "from which this run was started")):
            path = self.path("victim.pid")
            with open(path, "w", encoding="ascii") as f:
                f.write(str(pid))
            run = self.change(self.kill_step("SIGTERM", {"pidfile": path}))
            self.assert_refused(run, f"the process {pid} (", why)

    def test_nobody(self):
        """It may be there by then: told when it is wanted."""
        for process, why in (({"name": "no-such-process"}, "there is none"),
                             ({"pidfile": self.path("no.pid")}, "there is no such file")):
            run = self.change(self.kill_step("SIGTERM", process))
            self.assert_ended(run, 4)
            self.assertIn(why, run.events("run.end")[0]["data"]["reason"])

    def test_several(self):
        path = Delivery.copy_of_sleep(self)
        for _ in range(2):
            self.spawn("sleep", "600", executable=path)
        run = self.change(self.kill_step("SIGTERM", {"name": NAME}))
        self.assert_ended(run, 4)
        self.assertIn("several have that name", run.events("run.end")[0]["data"]["reason"])

    def test_own_guard(self):
        """By its name it can be found; then the run ends."""
        path = self.path("guard.pid")
        run = self.change(self.kill_step("SIGKILL", {"pidfile": path}, at="1500ms"),
                          {"file": {"path": self.path("new"), "replace": ""}, "at": "300s", "for": "1s"})
        run.wait_event("baseline.end")
        with open(path + ".new", "w", encoding="ascii") as f:
            f.write(str(guard_of(run)))
        os.rename(path + ".new", path)
        self.assert_ended(run, 4)
        self.assertIn("which belongs to this run", run.events("run.end")[0]["data"]["reason"])


if __name__ == "__main__":
    unittest.main()
