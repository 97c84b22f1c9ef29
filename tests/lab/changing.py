# SPDX-License-Identifier: BSD-2-Clause
"""Runs that change the host: with an undo journal and records of their own, since at one time one run of a host may do so."""
import json
import os
import select
import signal
import subprocess

from again import Again
from lab import DEVICE, LabTest, wait_until

ON_ITS_OWN = ('mkdir -p /var/lib/shearpin /run/shearpin; mount --bind "$PWD/var" /var/lib/shearpin; '
              'mount -t tmpfs none /run/shearpin; exec "$@"')
WRAPPER = ("unshare", "--mount", "sh", "-euc", ON_ITS_OWN, "sh")


def stat_of(pid):
    """The fields of /proc/PID/stat behind the name, and the name; None: there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            text = f.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()


def guard_of(run):
    """The process that takes back what the run can't any more."""
    for name in os.listdir("/proc"):
        found = stat_of(name) if name.isdigit() else None
        if found and found[0] == "shearpin-undo" and int(found[1][1]) == run.pid:
            return int(name)
    raise AssertionError("the run has no guard")


class ChangeTest(Again, LabTest):
    def setUp(self):
        super().setUp()
        os.mkdir(os.path.join(self.lab.folder, "var"))

    def path(self, name):
        return os.path.join(self.lab.folder, name)

    def change(self, *steps, words=(), **more):
        """A run with these steps, each a dictionary that may lack `name` and `at`."""
        named = [{"name": f"step {n}", "at": "0s", **step} for n, step in enumerate(steps, 1)]
        scenario = {"version": 1, "name": "t", "interface": DEVICE, "recovery": "0s", "steps": named, **more}
        return self.lab.run(scenario, *words, wrapper=WRAPPER)

    def clear(self):
        """What `clear` did, as (result, reason) of each change; in the order in which it did."""
        done = self.lab.call("clear", "--json", wrapper=WRAPPER)
        document = json.loads(done.stdout)
        self.assertEqual(done.status, 0 if document["clean"] else 5, done.stderr)
        self.last_words = done.stderr
        return [(u["result"], u["reason"]) for u in document["undo"]]

    def inhabit(self):
        """A process in the namespace of this host: by it others find the way there."""
        with self.lab.here:
            process = subprocess.Popen(["sleep", "600"])  # pylint: disable=consider-using-with
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

    def journals(self):
        try:
            return sorted(os.listdir(self.path("var/undo")))
        except FileNotFoundError:
            return []

    def assert_refused(self, run, *messages):
        self.assertEqual(run.wait(), 3, run.stderr)
        for message in messages:
            self.assertIn(message, run.stderr)
        self.assertIn("refused, nothing was touched", run.stderr)
        self.assertFalse(os.path.exists(run.out))
        self.assertEqual(self.journals(), [])

    def assert_ended(self, run, status):
        super().assert_ended(run, status)
        self.assertEqual(self.journals(), [])
        self.assertEqual(self.lab.call("verify", run.out).status, 0)

    def kill_all(self, run):
        """The run, and before it its guard: nobody takes anything back."""
        guard = guard_of(run)
        pidfd = os.pidfd_open(guard)
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        os.close(pidfd)
        wait_until(lambda: (stat_of(guard) or ("", ["Z"]))[1][0] == "Z", "the guard is dead")
        run.kill()

    def kill(self, run):
        """The run alone: when its guard has gone, too, everything is taken back."""
        pidfd = os.pidfd_open(guard_of(run))
        run.kill()
        self.wait_end(pidfd)
        self.assertEqual(self.journals(), [])

    def wait_end(self, pidfd):
        wait_until(lambda: select.select([pidfd], [], [], 0)[0], "the guard has ended")
        os.close(pidfd)

    def undos(self, run):
        return [(e.get("step"), e["data"]["result"], e["data"]["reason"]) for e in run.events("step.undo")]

    def told(self, run):
        """The order of what was told of changes."""
        return [(e["type"], e["step"], e.get("instance")) for e in run.events("step.start", "step.undo", "step.end")]
