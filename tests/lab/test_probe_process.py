# SPDX-License-Identifier: BSD-2-Clause
"""Probes of processes: by pidfile, pid and name; ends and restarts."""
import os
import shutil
import signal
import subprocess
import unittest

from lab import wait_until
from looked_at import LookedAt


class Process(LookedAt):
    def setUp(self):
        super().setUp()
        self.name = f"feeder{os.getpid()}"[:15]
        shutil.copy(shutil.which("sleep"), self.path(self.name))

    def start(self, name=None):
        child = subprocess.Popen([self.path(self.name), "1000"] if name is None else [name, "1000"],
                                 executable=self.path(self.name))
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        self.put("feeder.pid", f"{child.pid}\n")
        return child

    @staticmethod
    def end(child, number=signal.SIGKILL):
        child.send_signal(number)
        child.wait()

    @staticmethod
    def started_again(run):
        return [e for e in run.events("probe.down")
                if e["data"]["probe"] == "strict" and e["data"]["error"] == "it was started again"]

    def test_pidfile(self):
        child = self.start()
        run = self.drill({"feeder": {"process": {"pidfile": "feeder.pid"}},
                          "strict": {"process": {"pidfile": "feeder.pid"}, "restarts": "unhealthy"}})
        event = self.tells(run, "feeder", True, value=child.pid, detail=f"pid {child.pid}")
        self.assertNotIn("latency_ns", event["data"])
        self.end(child)
        self.tells(run, "feeder", False, error="the process of its pidfile is not there", value=None)
        os.unlink(self.path("feeder.pid"))
        self.tells(run, "feeder", False, error="its pidfile is not there")
        for count, words in enumerate(("1 time", "2 times"), 1):
            before, child = child, self.start()
            self.tells(run, "feeder", True, value=child.pid, detail=f"pid {child.pid}, restarted {words}")
            wait_until(lambda number=count: len(self.started_again(run)) >= number, "the strict one tells of it")
            told = self.started_again(run)
            self.assertEqual((len(told), told[-1]["data"]["value"]), (count, child.pid))
            self.assertNotEqual(before.pid, child.pid)
            self.tells(run, "strict", True)
            if count == 1:
                self.end(child)
        self.assert_stopped(run)

    def test_zombie(self):
        """It has ended, though its parent has not noticed."""
        child = self.start()
        run = self.drill({"feeder": {"process": {"pid": child.pid}}})
        self.tells(run, "feeder", True)
        child.send_signal(signal.SIGSTOP)
        self.tells(run, "feeder", True)
        child.kill()
        self.tells(run, "feeder", False, error="there is no such process")
        self.assert_stopped(run)

    def test_name(self):
        """By the program's name or by what the process calls itself. It is the same one until it ends."""
        first = self.start()
        run = self.drill({"feeder": {"process": {"name": self.name}},
                          "renamed": {"process": {"name": f"{self.name}: market data"}}}, baseline="0s")
        self.tells(run, "feeder", True, value=first.pid)
        self.tells(run, "renamed", False, error="there is no such process")
        second = self.start(f"/opt/{self.name}: market data")
        self.tells(run, "renamed", True, value=second.pid)
        self.tells(run, "feeder", True, value=first.pid)
        third = self.start()
        self.end(first)
        self.tells(run, "feeder", False, error="several processes have that name")
        self.end(second)
        self.tells(run, "feeder", True, value=third.pid, detail=f"pid {third.pid}, restarted 1 time")
        self.assert_stopped(run)


if __name__ == "__main__":
    unittest.main()
