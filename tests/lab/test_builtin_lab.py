# SPDX-License-Identifier: BSD-2-Clause
"""The built-in lab: what it prints, what it leaves behind, and what a kill in the middle leaves behind."""
import ctypes
import glob
import json
import os
import select
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from again import Again, Sleeper, once_more

SHEARPIN = os.environ.get("SHEARPIN", "build/shearpin")
PATIENCE_S = 300
CLONE_NEWNET = 0x40000000


def wait_until(condition, what, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(word) for word in f.read().split()]


def alive(pid):
    """A zombie is dead: only its parent still counts it."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def nothing_in_tmp():
    """A lab that begins has a folder there for a moment."""
    return not glob.glob("/tmp/shearpin-lab-*")


def namespaces():
    found = set()
    for path in glob.glob("/proc/[0-9]*/ns/net"):
        try:
            found.add(os.stat(path).st_ino)
        except OSError:
            pass
    return found


class Lab:
    """`shearpin lab` in a process of its own, with a run directory that does not outlive the test."""

    def __init__(self, *arguments):
        self.folder = tempfile.TemporaryDirectory(prefix="shearpin-test-")
        self.out = os.path.join(self.folder.name, "run")
        self.process = subprocess.Popen(
            [SHEARPIN, "lab", "--out", self.out, *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.messages = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        self.folder.cleanup()

    def wait_message(self, text):
        """Read standard error until the text has come."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.messages:
            ready, _, _ = select.select([self.process.stderr], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise AssertionError(f"no {text!r} in {self.messages!r}")
            data = os.read(self.process.stderr.fileno(), 4096).decode()
            if not data:
                raise AssertionError(f"ended without {text!r}: {self.messages!r}")
            self.messages += data

    def finish(self):
        output, messages = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, output, self.messages + messages


class Drill:
    """A drill beside the tests, and what became of it. Its objectives have their time: on a machine that gave nobody a turn
    meanwhile it is done again."""

    def __init__(self, *arguments):
        self.arguments = arguments
        self.begin()

    def begin(self):
        self.sleeper = Sleeper()
        self.sleeper.start()
        self.lab = Lab(*self.arguments)

    def finish(self):
        """Exit status, standard output, messages."""
        for last in (*[False] * (Again.TRIES - 1), True):
            done = self.lab.finish()
            self.sleeper.stop()
            if last or done[0] == 0 or self.sleeper.latest < Again.LATE_S:
                return done
            once_more(" ".join(("shearpin lab", *self.arguments)), self.sleeper.latest)
            self.close()
            self.begin()
        raise AssertionError

    def close(self):
        self.sleeper.stop()
        self.lab.__exit__()


drills = {}
before = set()  # the interfaces that each new namespace has


def setUpModule():
    """The drills begin here, all at once: they wait for most of their time."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).unshare(CLONE_NEWNET)  # where nobody else makes interfaces
    before.update(interfaces())
    drills.update(whole=Drill("--json"), slow=Drill("slow", "--json"))
    unittest.addModuleCleanup(lambda: [drill.close() for drill in drills.values()])


def interfaces():
    return {name for _, name in socket.if_nameindex()}


class Whole(unittest.TestCase):
    """One whole drill, looked at from every side."""

    @classmethod
    def setUpClass(cls):
        cls.status, cls.output, cls.messages = drills["whole"].finish()
        cls.lab = drills["whole"].lab

    def test_passes(self):
        self.assertEqual(self.status, 0, self.messages)

    def test_plans_less_than_a_minute(self):
        with open(os.path.join(self.lab.out, "plan.json"), encoding="utf-8") as f:
            plan = json.load(f)
        self.assertLess(plan["baseline_ns"] + plan["length_ns"] + plan["recovery_ns"], 60_000_000_000)

    def test_json_alone_on_standard_output(self):
        document = json.loads(self.output)
        self.assertEqual(document["outcome"], "pass")
        self.assertEqual(document["exit"], 0)
        self.assertEqual([s["instance"] for s in document["steps"]], [1, 2, 3])
        for step in document["steps"]:
            self.assertGreaterEqual(step["reset"] + step["idle_reset"], 1)

    def test_client_saw_three_outages(self):
        lines = [line.split() for line in self.messages.partition("What the client saw")[2].splitlines()]
        rows = [line for line in lines if line and line[0].isdigit() and line[1].count(":") == 2]
        self.assertEqual([row[0] for row in rows], ["1", "2", "3"], self.messages)
        for row in rows:
            self.assertNotEqual(row[2], "never")
        self.assertEqual(self.messages.count("Connection reset by peer"), 6, self.messages)
        self.assertIn("0 of them wrong; 0 acknowledged writes missing", self.messages)

    def test_run_directory(self):
        for name in ("events.jsonl", "results.json", "report.md"):
            self.assertTrue(os.path.getsize(os.path.join(self.lab.out, name)), name)

    def test_nothing_is_left(self):
        self.assertEqual(interfaces(), before)
        wait_until(nothing_in_tmp, "no folder is left")


class Slow(unittest.TestCase):
    """The pack of slow paths: every packet of its windows goes through the delay line, and comes out of it."""

    def test_whole(self):
        status, output, messages = drills["slow"].finish()
        self.assertEqual(status, 0, messages)
        document = json.loads(output)
        self.assertEqual([s["step"] for s in document["steps"]], ["jitter", "bursts of loss", "narrow"])
        with open(os.path.join(drills["slow"].lab.out, "results.json"), encoding="utf-8") as f:
            receipts = [step["receipt"] for step in json.load(f)["steps"]]
        for step, receipt in zip(document["steps"], receipts):
            self.assertGreater(step["delayed"], 0)
            self.assertEqual(step["passed"], receipt["stale"])  # of a line that had no turn for too long
            self.assertEqual(receipt["lost"] + receipt["full"], 0)
        self.assertIn("0 of them wrong; 0 acknowledged writes missing", messages)


class Ends(unittest.TestCase):
    def check_gone(self, lab, signals):
        lab.wait_message("connected (attempt 1)")
        wait_until(lambda: len(children(lab.process.pid)) >= 2, "server and client")
        processes = children(lab.process.pid)
        held = [os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC) for pid in processes]  # or their numbers are reused
        networks = {os.fstat(fd).st_ino for fd in held}
        self.assertEqual(len(networks), 2)
        lab.process.send_signal(signals)
        lab.process.wait(PATIENCE_S)
        wait_until(lambda: not any(alive(pid) for pid in processes), "the lab's processes are gone")
        wait_until(lambda: not networks & namespaces(), "nobody is in the lab's namespaces")
        for fd in held:
            os.close(fd)
        wait_until(nothing_in_tmp, "no folder is left")

    def test_killed(self):
        with Lab("--json") as lab:
            self.check_gone(lab, signal.SIGKILL)
            self.assertEqual(lab.process.returncode, -signal.SIGKILL)

    def test_interrupted(self):
        with Lab("--json") as lab:
            lab.wait_message("lost: ")
            self.check_gone(lab, signal.SIGINT)
            self.assertEqual(lab.process.returncode, 130)


class Usage(unittest.TestCase):
    def run_lab(self, *arguments, **environment):
        return subprocess.run([SHEARPIN, "lab", *arguments], capture_output=True, text=True, timeout=PATIENCE_S,
                              stdin=subprocess.DEVNULL, env={**os.environ, **environment}, check=False)

    def test_unknown_pack(self):
        done = self.run_lab("disconect")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("there is no pack `disconect`", done.stderr)
        self.assertIn("did you mean `disconnect`?", done.stderr)

    def test_a_path_is_no_pack(self):
        self.assertEqual(self.run_lab("../lab/disconnect").returncode, 2)

    def test_help(self):
        done = self.run_lab("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("--keep", done.stdout)

    def test_not_root(self):
        nobody = ["setpriv", "--reuid=65534", "--clear-groups"]
        if subprocess.run([*nobody, "test", "-x", SHEARPIN], check=False).returncode:
            self.skipTest("nobody but root can reach the build folder")
        done = subprocess.run([*nobody, SHEARPIN, "lab"], capture_output=True, text=True, timeout=PATIENCE_S,
                              stdin=subprocess.DEVNULL, check=False)
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertIn("needs root", done.stderr)


if __name__ == "__main__":
    unittest.main()
