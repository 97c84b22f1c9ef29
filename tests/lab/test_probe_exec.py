# SPDX-License-Identifier: BSD-2-Clause
"""Probes that run a program: what it ends with, what it says, where it runs, and that it ends with the run."""
import os
import unittest

from lab import DEVICE, wait_until
from looked_at import LookedAt


class Exec(LookedAt):
    def script(self, text, name="look"):
        with open(self.path("new"), "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\n" + text)
        os.chmod(self.path("new"), 0o755)
        os.rename(self.path("new"), self.path(name))

    def test_samples(self):
        self.script("echo PONG; exit 0\n")
        run = self.drill({
            "pong": {"exec": ["./look"], "expect_output": "^PONG$"},
            "status": {"exec": ["./look"], "expect_status": 0},
            "words": {"exec": ["printf", "%s|", "$HOME", "a  b", "*"], "expect_output": r"^\$HOME\|a  b\|\*\|$"},
            "where": {"exec": ["ip", "-o", "link"], "expect_output": f" {DEVICE}(@|:)"},
            "input": {"exec": ["cat"]}}, "--allow-exec")
        for probe in ("pong", "status", "words", "where", "input"):
            event = self.tells(run, probe, True, value=0)
            self.assertGreater(event["data"]["latency_ns"], 0)
        self.tells(run, "pong", True, detail="PONG")
        self.script("echo PING; echo more >&2; exit 0\n")
        self.tells(run, "pong", False, error="it did not say what it should", detail="PING")
        self.tells(run, "status", True)
        self.script("echo PONG; exit 3\n")
        self.tells(run, "pong", False, error="status 3", value=3)
        self.script("kill -9 $$\n")
        self.tells(run, "status", False, error="status 137", value=137)
        os.unlink(self.path("look"))
        self.tells(run, "status", False, error="there is no such program", value=None)
        self.put("look", "not executable")
        self.tells(run, "status", False, error="it is no program that may be run")
        self.script("echo PONG\n")
        self.tells(run, "pong", True, changed=True)
        self.assert_stopped(run)

    def pid_of(self, name):
        def look():
            with open(self.path(name), encoding="ascii") as f:
                text = f.read()
            return int(text) if text.endswith("\n") else None

        wait_until(lambda: os.path.exists(self.path(name)), f"{name} is there")
        return wait_until(look, f"{name} is whole")

    @staticmethod
    def is_gone(pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
                return f.read().rsplit(")", 1)[1].split()[0] in "ZX"
        except (FileNotFoundError, ProcessLookupError):
            return True

    def test_hangs(self):
        """One that hangs holds nobody up, and all of it ends with the time that it has."""
        self.script("sleep 1000 & echo $! > child; echo so far; wait\n")
        run = self.drill({"hangs": {"exec": ["./look"], "timeout": "300ms"}, "other": {"file": "look"}},
                         "--allow-exec")
        child = self.pid_of("child")
        event = self.tells(run, "hangs", False, error="timeout", value=None)
        self.assertGreaterEqual(event["data"]["latency_ns"], 300_000_000)
        wait_until(lambda: self.is_gone(child), "what it has started is gone")
        self.tells(run, "other", True)
        self.assert_stopped(run)

    def test_ends_with_the_run(self):
        for end in ("stop", "kill"):
            with self.subTest(end=end):
                self.script("rm -f own; echo $$ > own.new; mv own.new own; exec sleep 1000\n")
                run = self.drill({"hangs": {"exec": ["./look"], "timeout": "1000s", "every": "1000s"}}, "--allow-exec")
                run.opened()
                pid = self.pid_of("own")
                self.assertFalse(self.is_gone(pid))
                getattr(run, end)()
                wait_until(lambda gone=pid: self.is_gone(gone), "it is gone")
                run.forget()
                os.unlink(self.path("own"))

    def test_not_allowed(self):
        """Without the word for it, nothing runs and nothing is touched."""
        before = self.lab.state()
        self.script("touch ran\n")
        run = self.drill({"look": {"exec": ["./look"]}})
        self.assert_ended(run, 3)
        self.assertIn("--allow-exec", run.stderr)
        self.assertFalse(os.path.exists(self.path("ran")))
        self.assert_untouched(before)


if __name__ == "__main__":
    unittest.main()
