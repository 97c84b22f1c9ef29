# SPDX-License-Identifier: BSD-2-Clause
"""Packs of scenarios, each carried out in its lab by `shearpin lab PACK`, beside whatever else goes on: what must become of it is an exit
status and words in a report. Drills have their time, so one that fails on a machine that gave a sleeping thread no turn for a while
is done again, and that is said."""
import contextlib
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import unittest

from again import Again, Sleeper, once_more

SHEARPIN = os.environ.get("SHEARPIN", "build/shearpin")
PATIENCE_S = 300


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except FileNotFoundError:
        return ""


class Drill:
    """A lab: `words` stand behind the pack's name; `out` is made by it."""

    def __init__(self, shearpin, pack, words, status, text="", timeout_s=PATIENCE_S):
        self.shearpin, self.pack, self.words, self.status, self.text, self.timeout_s = shearpin, pack, words, status, text, timeout_s
        self.process = None
        self.ended = False

    def end(self):
        """In order, if it listens."""
        self.ended = True
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.process and self.process.poll() is None:
                self.process.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(20)

    def reports(self, out):
        """And what it printed."""
        paths = sorted(glob.glob(os.path.join(out, "**", "report.md"), recursive=True))
        return "".join(map(read, [*paths, f"{out}.log"]))

    def attempt(self, out):
        """What is wrong, in words; "": nothing."""
        shutil.rmtree(out, ignore_errors=True)
        with open(f"{out}.log", "wb") as log:
            self.process = subprocess.Popen([self.shearpin, "lab", self.pack, "--out", out, *self.words], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, start_new_session=True)
        try:
            status = self.process.wait(self.timeout_s)
        except subprocess.TimeoutExpired:
            self.end()
            return f"not over after {self.timeout_s} s"
        if status != self.status:
            return f"exit status {status}, expected {self.status}"
        return "" if self.text in self.reports(out) else f"no report says {self.text!r}"

    def carry_out(self, out, tries=Again.TRIES):
        for number in range(1, tries + 1):
            sleeper = Sleeper()
            sleeper.start()
            wrong = self.attempt(out)
            sleeper.stop()
            if not wrong or self.ended or sleeper.latest < Again.LATE_S or number == tries:
                break
            once_more(f"{self.pack} {' '.join(self.words)}: {wrong}", sleeper.latest)
        return wrong


class PackTest(unittest.TestCase):
    """DRILLS: name: (words, exit status, words of a report). They begin at once, side by side; a test of each waits for its own:

        def test_good(self):
            self.check("good")
    """

    maxDiff = None
    PACK = ""
    DRILLS = {}

    @classmethod
    def setUpClass(cls):
        if os.geteuid():
            raise unittest.SkipTest("needs root")
        cls.folder = tempfile.mkdtemp(prefix="shearpin-test-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.wrong, cls.threads = {}, {}
        for name, row in cls.DRILLS.items():
            drill = Drill(os.path.abspath(SHEARPIN), cls.PACK, *row)
            cls.threads[name] = threading.Thread(target=cls.carry_out, args=(name, drill))
            cls.threads[name].start()
            cls.addClassCleanup(cls.threads[name].join)
            cls.addClassCleanup(drill.end)

    @classmethod
    def carry_out(cls, name, drill):
        cls.wrong[name] = "it did not even begin"
        cls.wrong[name] = drill.carry_out(cls.out(name))

    @classmethod
    def out(cls, name):
        return os.path.join(cls.folder, name)

    def check(self, name):
        self.threads[name].join()
        self.assertEqual(self.wrong[name], "", read(f"{self.out(name)}.log")[-8000:])
