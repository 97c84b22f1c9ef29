# SPDX-License-Identifier: BSD-2-Clause
"""Steps that run programs: what they did is taken back by others, and none outlives the run."""
import json
import os
import signal
import time
import unittest

from changing import WRAPPER, ChangeTest, stat_of
from lab import DEVICE, wait_until


class ExecTest(ChangeTest):
    def setUp(self):
        super().setUp()
        self.trace = self.path("trace")

    def say(self, text, status=0):
        """A program that leaves a line behind."""
        return ["sh", "-c", f'echo "{text}" >> "$0"; echo "said {text}"; exit {status}', self.trace]

    def said(self):
        try:
            with open(self.trace, encoding="utf-8") as f:
                return f.read().split("\n")[:-1]
        except FileNotFoundError:
            return []

    def wait_said(self, *lines):
        wait_until(lambda: self.said() == list(lines), f"{lines}")

    def step(self, text="made", **more):
        return {"exec": self.say(text), "undo": self.say(f"un{text}"), "for": "300s", **more}

    def start(self, *steps, words=(), **more):
        return self.change(*steps, words=("--allow-exec", *words), **more)

    def made(self, **more):
        run = self.start(self.step(**more))
        run.wait_event("step.exit")
        return run

    def preflight(self, run):
        return self.lab.call("preflight", run.path("scenario.yaml"), "--allow-exec", wrapper=WRAPPER).stdout

    def why(self, run):
        return run.events("run.end")[0]["data"]["reason"]


class Programs(ExecTest):
    def test_window(self):
        run = self.start(self.step(**{"for": "300ms", "repeat": {"times": 2, "every": "600ms"}}))
        self.assert_ended(run, 0)
        self.assertEqual(self.said(), ["made", "unmade"] * 2)
        self.assertEqual(self.told(run), [(t, "step 1", n) for n in (1, 2) for t in ("step.start", "step.undo", "step.end")])
        done, undo = run.events("step.exit")[0]["data"], run.events("step.undo")[0]["data"]
        self.assertEqual((done["argv"], done["status"], done["output"]), (self.say("made"), 0, "said made\n"))
        self.assertEqual((undo["argv"], undo["status"], undo["output"], undo["result"]),
                         (self.say("unmade"), 0, "said unmade\n", "taken back"))

    def test_it_begins_with_the_program(self):
        """The window is open while the program runs; what it did is told when it has ended."""
        os.mkfifo(self.trace)
        run = self.start({"exec": ["sh", "-c", 'read -r line < "$0"; echo "$line"; exit 3', self.trace], "expect_status": 3,
                          "timeout": "300s"})
        start = run.wait_event("step.start")
        self.assertEqual(run.events("step.exit", "step.end"), [])
        between = time.monotonic_ns()
        with open(self.trace, "w", encoding="ascii") as f:
            f.write("go on\n")
        self.assert_ended(run, 0)
        self.assertEqual([e["type"] for e in run.events("step.start", "step.exit", "step.end")],
                         ["step.start", "step.exit", "step.end"])
        done, = run.events("step.exit")
        self.assertEqual((done["step"], done["instance"]), ("step 1", 1))
        self.assertEqual((done["data"]["status"], done["data"]["output"]), (3, "go on\n"))
        self.assertEqual(done["data"]["duration_ns"], done["mono_ns"] - start["mono_ns"])
        self.assertLess(start["mono_ns"], between)
        self.assertGreater(done["mono_ns"], between)
        self.assertGreaterEqual(start["mono_ns"], start["data"]["opens_ns"])
        for member in ("status", "output", "duration_ns"):
            self.assertNotIn(member, start["data"])
        window, = run.document("results.json")["windows"]
        self.assertEqual((window["opened_ns"], window["closed_ns"]), (start["mono_ns"], run.events("step.end")[0]["mono_ns"]))
        self.assertEqual(self.narrow(run), [("apply", start["ts_ns"]), ("clear", run.events("step.end")[0]["ts_ns"])])

    def narrow(self, run):
        with open(run.path("fault_events.jsonl"), encoding="utf-8") as f:
            return [(line["phase"], line["ts_ns"]) for line in map(json.loads, f)]

    def test_without_an_end(self):
        run = self.start({"exec": self.say("made"), "undo": self.say("unmade")},
                         {"exec": self.say("last"), "at": "700ms"})
        self.assert_ended(run, 0)
        self.assertEqual(self.said(), ["made", "last", "unmade"])

    def test_status(self):
        run = self.start({"exec": self.say("one", 3), "expect_status": 3},
                         {"exec": self.say("two", 77), "expect_status": "any", "at": "400ms"})
        self.assert_ended(run, 0)
        self.assertEqual([e["data"]["status"] for e in run.events("step.exit")], [3, 77])

    def test_long_output(self):
        run = self.start({"exec": ["sh", "-c", "head -c 200000 /dev/zero | tr '\\0' x"]})
        self.assert_ended(run, 0)
        self.assertEqual(run.events("step.exit")[0]["data"]["output"], "x" * 4096)

    def test_where_it_runs(self):
        """In the namespace and the folder of the run. What takes it back has PATH and HOME, and nothing else."""
        here = 'ip -o link show > "$0"; pwd >> "$0"; env -0 | tr "\\0" "\\n" | cut -d= -f1 | sort >> "$0"'
        run = self.start({"exec": ["sh", "-c", here, self.path("exec")], "undo": ["sh", "-c", here, self.path("undo")]})
        self.assert_ended(run, 0)
        for name in ("exec", "undo"):
            with open(self.path(name), encoding="utf-8") as f:
                text = f.read()
            self.assertIn(f": {DEVICE}@", text)
            self.assertIn(f"\n{self.lab.folder}\n", text)
        self.assertEqual([w for w in text.split("\n")[-5:] if w and not w.startswith("/")], ["HOME", "PATH", "PWD"])

    def test_cut(self):
        run = self.made()
        run.stop()
        self.assert_ended(run, 130)
        self.assertEqual(self.said(), ["made", "unmade"])


class Failing(ExecTest):
    def test_status(self):
        """What it may have done is taken back, and what others did."""
        run = self.start(self.step("first"), {"exec": self.say("second", 9), "undo": self.say("unsecond"), "at": "200ms"})
        self.assert_ended(run, 4)
        self.assertEqual(self.said(), ["first", "second", "unsecond", "unfirst"])
        self.assertEqual(self.why(run), "the step step 2 can't be done: it ended with status 9: said second")
        done = run.events("step.exit")[1]["data"]
        self.assertEqual((done["status"], done["error"]), (9, "it ended with status 9: said second"))
        self.assertEqual(self.told(run), [(t, f"step {n}", 1) for t, n in (("step.start", 1), ("step.start", 2), ("step.undo", 2),
                                                                            ("step.end", 2), ("step.undo", 1), ("step.end", 1))])

    def test_status_without_undo(self):
        """It was there, and each of its lines has another that ends it."""
        run = self.start({"exec": self.say("made", 9)})
        self.assert_ended(run, 4)
        self.assertEqual(self.told(run), [("step.start", "step 1", 1), ("step.end", "step 1", 1)])
        self.assertEqual(run.events("step.end")[0]["data"]["error"], "it ended with status 9: said made")
        with open(run.path("fault_events.jsonl"), encoding="utf-8") as f:
            self.assertEqual([json.loads(line)["phase"] for line in f], ["apply", "clear"])

    def test_time(self):
        run = self.start({"exec": ["sh", "-c", 'echo $$ > "$0"; sleep 600', self.trace], "timeout": "500ms",
                          "undo": ["true"]})
        self.assert_ended(run, 4)
        self.assertEqual(self.why(run), "the step step 1 can't be done: it was killed, since it had not ended in time")
        self.assertIsNone(stat_of(int(self.said()[0])))

    def test_run_ends_while_it_runs(self):
        run = self.start({"exec": ["sh", "-c", 'echo $$ > "$0"; exec sleep 600', self.trace],
                          "undo": self.say("undone"), "timeout": "300s"})
        wait_until(self.said, "it runs")
        pid = int(self.said()[0])
        run.stop()
        self.assert_ended(run, 130)
        self.assertIsNone(stat_of(pid))
        self.assertEqual(self.said()[1:], ["undone"])

    def test_undo_fails_when_interrupted(self):
        """Not everything is cleared then, which 130 would say."""
        run = self.start({"exec": self.say("made"), "undo": ["sh", "-c", f'test -e "{self.path("may")}"'], "for": "300s"})
        run.wait_event("step.exit")
        self.assertEqual(run.stop(), 5, run.stderr)
        self.assertIn("the step step 1 can't be taken back (`shearpin clear` tries again): it ended with status 1",
                      self.why(run))
        self.assertEqual(run.events("run.end")[0]["data"]["outcome"], "host-failed")
        with open(self.path("may"), "w", encoding="ascii"):
            pass
        self.assertEqual(self.clear(), [("taken back", None)])

    def test_undo_fails_when_interrupted_in_the_program(self):
        run = self.start({"exec": ["sh", "-c", 'echo $$ > "$0"; exec sleep 600', self.trace], "timeout": "300s",
                          "undo": ["sh", "-c", f'test -e "{self.path("may")}"'], "for": "300s"})
        wait_until(self.said, "it runs")
        self.assertEqual(run.stop(), 5, run.stderr)
        self.assertIn("the step step 1 can't be taken back (`shearpin clear` tries again): it ended with status 1",
                      self.why(run))
        with open(self.path("may"), "w", encoding="ascii"):
            pass
        self.assertEqual(self.clear(), [("taken back", None)])

    def test_undo_fails(self):
        """The journal keeps it, and `clear` tries again."""
        run = self.start({"exec": self.say("made"), "undo": ["sh", "-c", f'test -e "{self.path("may")}"'], "for": "300ms"})
        self.assertEqual(run.wait(), 5, run.stderr)
        self.assertIn("the step step 1 can't be taken back (`shearpin clear` tries again): it ended with status 1",
                      self.why(run))
        self.assertEqual(self.undos(run), [("step 1", "failed", "it ended with status 1")])
        self.assertIn("[WARN] undo journal: a dead run left changes", self.preflight(run))
        self.assertEqual(self.clear(), [("failed", "it ended with status 1")])
        self.assertEqual(self.clear(), [("failed", "it ended with status 1")])
        with open(self.path("may"), "w", encoding="ascii"):
            pass
        self.assertEqual(self.clear(), [("taken back", None)])
        self.assertEqual(self.clear(), [])
        self.assertEqual(self.journals(), [])
        self.assertIn("[PASS] undo journal: can be written", self.preflight(run))


class Killed(ExecTest):
    def test_guard(self):
        self.kill(self.made())
        self.assertEqual(self.said(), ["made", "unmade"])

    def test_clear(self):
        """In the namespace that it was run in, by whoever calls."""
        self.inhabit()
        self.kill_all(self.start_in_namespace())
        done = self.lab.call("clear", "--json", wrapper=("unshare", "--net", *WRAPPER))
        self.assertEqual(done.status, 0, done.stderr)
        self.assertIn("what a program did, by `sh -c ", done.stderr)
        with open(self.path("undo"), encoding="utf-8") as f:
            self.assertIn(f": {DEVICE}@", f.read())
        self.assertEqual(self.journals(), [])

    def start_in_namespace(self):
        run = self.start({"exec": ["true"], "undo": ["sh", "-c", 'ip -o link show > "$0"', self.path("undo")],
                          "for": "300s"})
        run.wait_event("step.exit")
        return run

    def test_relative_path(self):
        """It counts from the run's folder, also for those who are elsewhere."""
        path = self.path("take-back")
        with open(path, "w", encoding="ascii") as f:
            f.write(f"#!/bin/sh\necho undone >> '{self.trace}'\n")
        os.chmod(path, 0o755)
        run = self.start({"exec": self.say("made"), "undo": ["./take-back"], "for": "300s"})
        run.wait_event("step.exit")
        self.kill(run)
        self.assertEqual(self.said(), ["made", "undone"])

    def test_clear_waits(self):
        """While the guard of a killed run is at it the host is not clean."""
        slow = 'echo begun >> "$0"; sleep 2; echo undone >> "$0"'
        run = self.start({"exec": self.say("made"), "undo": ["sh", "-c", slow, self.trace], "for": "300s"})
        run.wait_event("step.exit")
        run.kill()
        self.wait_said("made", "begun")
        self.assertEqual(self.clear(), [])
        self.assertEqual((self.said(), self.journals()), (["made", "begun", "undone"], []))

    def test_program_dies_with_the_run(self):
        run = self.start({"exec": ["sh", "-c", 'echo $$ > "$0"; exec sleep 600', self.trace],
                          "undo": self.say("undone"), "timeout": "300s"})
        wait_until(self.said, "it runs")
        pid = int(self.said()[0])
        self.kill(run)
        wait_until(lambda: (stat_of(pid) or ("", "Z"))[1][0] == "Z", "it has ended")
        self.assertEqual(self.said()[1:], ["undone"])

    def test_stopped(self):
        run = self.made(**{"for": "1s"})
        run.freeze()
        self.wait_said("made", "unmade")
        run.signal(signal.SIGCONT)
        self.assert_ended(run, 0)
        self.assertEqual(self.said(), ["made", "unmade"])
        self.assertEqual(self.undos(run), [("step 1", "taken back", "by the guard: the run was stopped or late")])
        self.assertNotIn("status", run.events("step.undo")[0]["data"])  # which the guard alone knows


class Refused(ExecTest):
    def test_without_leave(self):
        self.assert_refused(self.change(self.step()), "--allow-exec")
        self.assertEqual(self.said(), [])

    def test_no_program(self):
        for step in ({"exec": ["no-such-program"]}, {"exec": ["true"], "undo": ["/no/such/program"]},
                     {"exec": [self.lab.folder]}):
            self.assert_refused(self.start(step), "the step step 1 can't be done: the program")

    def test_not_executable(self):
        path = self.path("text")
        with open(path, "w", encoding="ascii") as f:
            f.write("#!/bin/sh\n")
        os.chmod(path, 0o644)
        self.assert_refused(self.start({"exec": [path]}), "it may not be executed")


if __name__ == "__main__":
    unittest.main()
