# SPDX-License-Identifier: BSD-2-Clause
"""Tests of what has its time: windows that the kernel closes, lines that need a sign of life, clients that come back. A machine
that gives a test or shearpin no turn for a while proves nothing, either way: a test that fails is done again from its beginning
if a thread that only sleeps had no turn meanwhile, or the test's own stamps or the run's log say that the machine was late."""
import contextlib
import sys
import threading
import time
import traceback


class Trial:
    """What is told to a test's result, kept until it is known whether it counts. A test starts once."""

    def __init__(self, result, is_first):
        self.result, self.is_first, self.told = result, is_first, []

    def startTest(self, test):
        if self.is_first:
            self.result.startTest(test)

    def __getattr__(self, name):
        found = getattr(self.result, name)
        return (lambda *args: self.told.append((name, found, args))) if callable(found) else found

    def failures(self):
        """The last line of each."""
        found = [args[-1] for name, _, args in self.told
                 if name in ("addError", "addFailure") or name == "addSubTest" and args[2]]
        return [traceback.format_exception_only(*error[:2])[-1].strip() for error in found]

    def tell(self):
        for _, method, args in self.told:
            method(*args)


class Sleeper(threading.Thread):
    """It sleeps; `latest` is by how many seconds it was woken too late."""

    NAP_S = 0.02

    def __init__(self):
        super().__init__(daemon=True)
        self.latest = 0
        self.over = threading.Event()

    def run(self):
        while not self.over.is_set():
            before = time.monotonic()
            time.sleep(self.NAP_S)
            self.latest = max(self.latest, time.monotonic() - before - self.NAP_S)

    def stop(self):
        self.over.set()
        self.join()


def once_more(what, late_s):
    """Say that something is done again; tests/run shows it, whatever becomes of it."""
    print(f"{what}: once more, this machine was late by {late_s:.3f} s", file=sys.stderr, flush=True)


def was_stopped(close):
    """Whether the kernel has counted, in a window, that shearpin gave no sign of life."""
    return (close.get("receipt") or {}).get("stale", 0) > 0


class Again:
    """Goes before LabTest among the bases."""

    TRIES = 5
    LATE_S = 0.1

    def setUp(self):
        super().setUp()
        self.addCleanup(self.look_back)

    def run(self, result=None):
        result = self.defaultTestResult() if result is None else result
        for number in range(self.TRIES):
            self.late = False
            trial, sleeper = Trial(result, number == 0), Sleeper()
            sleeper.start()
            try:
                super().run(trial)
            finally:
                sleeper.stop()
            failures = trial.failures()
            if not failures or not self.late and sleeper.latest < self.LATE_S or number == self.TRIES - 1:
                break
            once_more(f"{self.id()} ({failures[0]})", sleeper.latest)
        trial.tell()
        return result

    def in_time(self, condition, what):
        """Go on only if the machine was in time for it, or else begin again."""
        if not condition:
            self.late = True
            self.fail(f"too late: {what}")

    def look_back(self):
        """At the runs of the test, which end now, but for those that the test itself has stopped."""
        for run in [run for run in self.lab.runs if not run.frozen]:
            with contextlib.suppress(AssertionError, OSError, ValueError, KeyError, TypeError):
                if run.running():
                    run.stop()
                self.late |= any(was_stopped(close["data"]) for close in run.events("fault.close"))
