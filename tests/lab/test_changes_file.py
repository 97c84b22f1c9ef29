# SPDX-License-Identifier: BSD-2-Clause
"""Steps that change files: what is there while the window is open, and that all of it is as before however the run ends."""
import os
import signal
import time
import unittest

from changed_file import CONTENT, TIMES, FileTest, sha256
from lab import now_ns, wait_until


class Kinds(FileTest):
    def check(self, after, **file):
        inode = os.stat(self.file).st_ino
        run = self.start(self.step(**file))
        self.assertEqual(self.read() if os.path.exists(self.file) else None, after)
        data = run.events("step.start")[0]["data"]
        self.assertEqual((data["kind"], data["path"], data["change"]), ("file", self.file, next(iter(file))))
        self.assertEqual((data["before"]["size"], data["before"]["sha256"]), (len(CONTENT), sha256(CONTENT)))
        if after is None:
            self.assertEqual(data["after"], {"exists": False})
        else:
            self.assertEqual((data["after"]["size"], data["after"]["sha256"]), (len(after), sha256(after)))
            self.assertEqual(os.stat(self.file).st_ino, inode)
        run.stop()
        self.assert_ended(run, 130)
        self.assertEqual(self.look(), self.before)
        self.assertEqual(self.undos(run), [("step 1", "taken back", None)])
        self.assertEqual([t for t, _, _ in self.told(run)], ["step.start", "step.undo", "step.end"])

    def test_replace(self):
        self.check(b"broken\n", replace="broken\n")

    def test_replace_from(self):
        other = self.path("other")
        with open(other, "wb") as f:
            f.write(b"\0\xff" * 100000)
        run = self.start(self.step(replace_from=other))
        self.assertEqual(self.read(), b"\0\xff" * 100000)
        run.stop()
        self.assert_ended(run, 130)
        self.assertEqual(self.look(), self.before)

    def test_truncate(self):
        self.check(CONTENT[:1000], truncate="1000B")

    def test_empty(self):
        self.check(b"", truncate="0B")

    def test_append(self):
        self.check(CONTENT + b"half a li", append="half a li")

    def test_remove(self):
        self.check(None, remove=True)

    def test_garbage(self):
        """The seed gives it."""
        found = []
        for seed in (7, 7, 8):
            run = self.start(self.step(garbage="64KB"), seed=seed)
            data = self.read()
            self.assertEqual((data[:len(CONTENT)], len(data)), (CONTENT, len(CONTENT) + 64000))
            found.append(data)
            run.stop()
            self.assert_ended(run, 130)
            self.assertEqual(self.look(), self.before)
        self.assertEqual(found[0], found[1])
        self.assertNotEqual(found[0], found[2])

    def test_new_file(self):
        path = self.path("STOP.TXT")
        run = self.start({"file": {"path": path, "replace": "now"}, "for": "300s"})
        self.assertEqual(self.read(path), b"now")
        run.stop()
        self.assert_ended(run, 130)
        self.assertFalse(os.path.exists(path))


class Windows(FileTest):
    def test_repeated(self):
        """It closes by itself, and what stays until the end is taken back behind it."""
        stay = self.make("stay")
        run = self.change({"file": {"path": self.file, "truncate": "0B"}, "for": "200ms",
                           "repeat": {"times": 3, "every": "400ms"}},
                          {"file": {"path": stay, "remove": True}})
        self.assert_ended(run, 0)
        self.assertEqual([self.look(), self.look(stay)], [self.before, self.before])
        first = [("step.start", "step 1", n) for n in (1, 2, 3)]
        self.assertEqual([t for t in self.told(run) if t[0] == "step.start" and t[1] == "step 1"], first)
        self.assertEqual([t for t in self.told(run) if t[1] == "step 2"],
                         [(t, "step 2", 1) for t in ("step.start", "step.undo", "step.end")])
        self.assertEqual(self.told(run)[-1], ("step.end", "step 2", 1))
        for event in run.events("step.start", "step.end"):
            planned = event["data"]["opens_ns" if event["type"] == "step.start" else "closes_ns"]
            self.assertGreaterEqual(event["mono_ns"], planned or 0)

    def inner(self, **more):
        """The same file by another path: the scenario does not show that it is the same."""
        os.symlink(self.lab.folder, self.path("here"))
        return {"file": {"path": self.path("here/file"), "append": "inner"}, **more}

    def test_one_in_another(self):
        """What is in it is taken back before it."""
        run = self.change({**self.step(append="outer"), "for": "1s"}, self.inner(at="200ms", **{"for": "800ms"}))
        run.wait_event("step.start", 2)
        self.assert_ended(run, 0)
        self.assertEqual(self.look(), self.before)
        self.assertEqual([step for step, _, _ in self.undos(run)], ["step 2", "step 1"])

    def test_cut_last_first(self):
        run = self.start(self.step(append="outer"), self.inner(**{"for": "200s"}),
                         {"file": {"path": self.path("new"), "replace": "x"}})
        self.assertEqual(self.read(), CONTENT + b"outerinner")
        run.stop()
        self.assert_ended(run, 130)
        self.assertEqual(self.look(), self.before)
        started = [e["step"] for e in run.events("step.start")]
        self.assertEqual([step for step, _, _ in self.undos(run)], started[::-1])

    def test_a_step_fails(self):
        """The run ends, and takes back what others have done."""
        gone = self.path("gone")
        run = self.change(self.step(truncate="0B"), {"file": {"path": gone, "remove": True}, "at": "200ms"})
        self.assert_ended(run, 4)
        self.assertEqual(self.look(), self.before)
        self.assertIn(f"the step step 2 can't be done: the file {gone}: No such file or directory",
                      run.events("run.end")[0]["data"]["reason"])
        end = run.events("step.end")[0]
        self.assertEqual((end["step"], end["data"]["error"]),
                         ("step 2", f"the file {gone}: No such file or directory"))

    def test_open_descriptor(self):
        """Whoever has it open sees what is done to it, and what is put back."""
        with open(self.file, "rb") as f:
            run = self.start(self.step(replace="broken"))
            self.assertEqual(f.read(100), b"broken")
            run.stop()
            f.seek(0)
            self.assertEqual(f.read(), CONTENT)


class Time(FileTest):
    def test_wait(self):
        """While the plan's time stands still nothing opens; what has no end stays."""
        go = self.path("go")
        second = self.make("second")
        run = self.change({"file": {"path": self.file, "truncate": "0B"}},
                          {"wait": {"file": go, "timeout": "300s"}, "at": "200ms"},
                          {"file": {"path": second, "truncate": "0B"}, "at": "300ms", "for": "300ms"})
        run.wait_event("step.start")
        time.sleep(1)
        self.assertEqual((self.read(), self.look(second)), (b"", self.before))
        self.make("go")
        self.assert_ended(run, 0)
        self.assertEqual([self.look(), self.look(second)], [self.before] * 2)
        self.assertEqual([t for t in self.told(run) if t[1] != "step 2"],
                         [("step.start", "step 1", 1), ("step.start", "step 3", 1), ("step.undo", "step 3", 1),
                          ("step.end", "step 3", 1), ("step.undo", "step 1", 1), ("step.end", "step 1", 1)])

    def test_over(self):
        """Who is late by the whole window leaves it out, and does not tell that as a run that did all."""
        run = self.change({**self.step(truncate="0B"), "at": "500ms", "for": "200ms"})
        over = run.wait_event("baseline.end")["data"]["zero_ns"] + 700 * 10 ** 6
        run.freeze()
        self.in_time(now_ns() < over - 200 * 10 ** 6, "to stop it before the window")
        wait_until(lambda: now_ns() > over, "the window is over")
        run.signal(signal.SIGCONT)
        self.assert_ended(run, 0)
        self.assertEqual(self.look(), self.before)
        self.assertEqual(self.told(run), [("step.end", "step 1", 1)])
        results = run.document("results.json")
        self.assertEqual((results["complete"], results["incomplete"]),
                         (False, ["step 1 #1: planned, but it was not opened"]))

    def test_recovery(self):
        """Behind what stays until the end there is as much time to see how the system comes back as behind a window."""
        lost = self.make("lost")
        run = self.change({"file": {"path": self.file, "append": "x"}, "for": "100ms"},
                          {"file": {"path": lost, "remove": True}, "at": "1s"},
                          probes={"lost": {"file": lost, "every": "200ms"}}, recovery="500ms")
        self.assert_ended(run, 0)
        [started] = [e["mono_ns"] for e in run.events("step.start") if e["step"] == "step 2"]
        self.assertGreaterEqual(run.events("run.end")[0]["mono_ns"], started + 500 * 10 ** 6)

    def test_phases(self):
        """In a shadow nothing is touched; a window in another phase ends with it at the latest."""
        before = os.stat(self.file)
        phases = [{"name": "shadow", "for": "500ms", "shadow": True}, {"name": "full", "for": "700ms"}]
        run = self.change({**self.step(truncate="0B"), "at": "100ms", "for": "400ms"}, phases=phases)
        wait_until(lambda: run.events("phase.end"), "the first phase is over")
        self.assert_ended(run, 0)
        self.assertEqual([(e["type"], e["step"]) for e in run.events("step.start", "step.undo", "step.end")],
                         [(t, "step 1 (full)") for t in ("step.start", "step.undo", "step.end")])
        first = run.events("phase.end")[0]["mono_ns"]
        self.assertGreater(run.events("step.start")[0]["mono_ns"], first)
        self.assertEqual(os.stat(self.file).st_ino, before.st_ino)
        self.assertEqual(self.look(), self.before)


class Meanwhile(FileTest):
    """Somebody else writes the file while the window is open."""
    UNTOUCHED = [("step 1", "not needed", "written by somebody else meanwhile")]

    def check(self, meddle, result, look, **file):
        run = self.start(self.step(**file))
        meddle()
        meddled = self.look()
        run.stop()
        self.assert_ended(run, 130)
        self.assertEqual(self.undos(run), result)
        self.assertEqual(self.look(), meddled if look is None else look)

    def write(self):
        with open(self.file, "ab") as f:
            f.write(b"more")

    def rename(self):
        """As programs do that replace a file in one step."""
        self.make("new", b"another")
        os.rename(self.path("new"), self.file)

    def same_bytes(self):
        """The bytes that the change has left, but another file."""
        self.make("new", b"broken")
        os.rename(self.path("new"), self.file)

    def test_left_alone(self):
        for meddle in (self.write, self.rename, self.same_bytes):
            self.check(meddle, self.UNTOUCHED, None, replace="broken")
            self.make("file")

    def test_made_anew(self):
        self.check(lambda: self.make("file", b"made by its owner"), self.UNTOUCHED, None, remove=True)

    def test_always(self):
        for meddle in (self.write, self.rename, lambda: os.unlink(self.file)):
            self.check(meddle, [("step 1", "taken back", None)], self.before, truncate="10B", restore="always")

    def test_owner_and_mode(self):
        """They are put back with the bytes."""
        self.check(lambda: os.chmod(self.file, 0o777), [("step 1", "taken back", None)], self.before, truncate="0B")

    def test_put_back_by_its_owner(self):
        def meddle():
            with open(self.file, "r+b") as f:
                f.write(CONTENT)
            os.utime(self.file, ns=TIMES)
        self.check(meddle, [("step 1", "not needed", "the file is as it was")], self.before, truncate="0B")


class Refused(FileTest):
    def test_no_such_place(self):
        for path in ("nowhere/file", "file/below"):
            run = self.change({"file": {"path": self.path(path), "replace": "x"}, "for": "1s"})
            self.assert_refused(run, "the step step 1 can't be done: the file")

    def test_no_file(self):
        os.symlink(self.file, self.path("link"))
        os.mkfifo(self.path("fifo"))
        for name in ("link", "fifo", "."):
            run = self.change({"file": {"path": self.path(name), "replace": "x"}, "for": "1s"})
            self.assert_refused(run, "it is no regular file")

    def test_no_source(self):
        self.assert_refused(self.change(self.step(replace_from=self.path("nothing"))), self.path("nothing"))

    def test_hard_links(self):
        os.link(self.file, self.path("other"))
        self.assert_refused(self.change(self.step(remove=True)), "it has other names")
        run = self.start(self.step(truncate="0B"))
        self.assertEqual(self.read(self.path("other")), b"")
        run.stop()
        self.assert_ended(run, 130)
        self.assertEqual([self.look(), self.look(self.path("other"))], [self.before] * 2)

    def test_too_large(self):
        os.truncate(self.file, (1 << 30) + 1)
        self.assert_refused(self.change(self.step(truncate="0B")), "larger than 1 GiB")

    def test_no_order_to_take_back(self):
        os.symlink(self.lab.folder, self.path("here"))
        other = {"file": {"path": self.path("here/file"), "append": "x"}, "at": "1s", "for": "2s"}
        run = self.change({**self.step(truncate="0B"), "for": "2s"}, other)
        self.assert_refused(run, "the steps step 1 and step 2 change the same")


if __name__ == "__main__":
    unittest.main()
