# SPDX-License-Identifier: BSD-2-Clause
"""What nobody can take back any more: it stays in the journal, and in the way of other runs, until it is forgotten."""
import glob
import json
import os
import unittest

from changed_file import FileTest
from changing import WRAPPER
from lab import wait_until

OWN = "own7"
IN_A_NAMESPACE = ("unshare", "--net", "sh", "-euc",
                  f'ip link add {OWN} type veth peer name far7; ip link set {OWN} up; ip link set far7 up; exec "$@"', "sh")
GONE = "its network namespace is not found any more"


def is_somebody_in(inode):
    for path in glob.glob("/proc/[0-9]*/ns/net"):
        try:
            if os.stat(path).st_ino == inode:
                return True
        except OSError:
            pass
    return False


class Forget(FileTest):
    def leave(self):
        """What a killed run leaves whose network namespace went with it: an interface, what a program did, a file."""
        kinds = {"link": {"link": OWN}, "exec": {"exec": ["true"], "undo": ["touch", self.path("undone")]},
                 "file": {"file": {"path": self.file, "truncate": "100B"}}}
        scenario = {"version": 1, "name": "t", "interface": OWN, "recovery": "0s",
                    "steps": [{"name": name, "at": "0s", "for": "300s", **step} for name, step in kinds.items()]}
        run = self.lab.run(scenario, "--allow-exec", wrapper=(*IN_A_NAMESPACE, *WRAPPER))
        run.wait_event("step.start", len(kinds))
        run.wait_event("step.exit")
        inode = os.stat(f"/proc/{run.pid}/ns/net").st_ino
        self.kill_all(run)
        wait_until(lambda: not is_somebody_in(inode), "the namespace has gone")

    def forget(self, status=0):
        done = self.lab.call("clear", "--forget", "--json", wrapper=WRAPPER)
        self.assertEqual(done.status, status, done.stderr)
        self.last_words = done.stderr
        return [(u["kind"], u["result"], u["reason"]) for u in json.loads(done.stdout)["undo"]]

    def names(self):
        return [os.path.splitext(name)[1] for name in self.journals()]

    def test_namespace_is_gone(self):
        self.leave()
        self.assertCountEqual(self.clear(), [("failed", GONE), ("failed", GONE), ("taken back", None)])
        self.assertIn("`shearpin clear --forget` gives it up", self.last_words)
        self.assertEqual(self.clear(), [("failed", GONE)] * 2)
        blocked = self.change({"file": {"path": self.file, "truncate": "7B"}, "for": "100ms"})
        self.assertEqual(blocked.wait(), 5)
        self.assertIn("can't take back what a dead run left (`shearpin clear` tells more, `shearpin clear --forget` gives it up)",
                      blocked.stderr)
        self.assertEqual(self.names(), [".d", ".jsonl"])
        self.assertCountEqual(self.forget(), [("exec", "forgotten", GONE), ("link", "forgotten", GONE)])
        self.assertIn(f"forgot the interface {OWN}, which was set down, which can't be taken back: {GONE}\n", self.last_words)
        self.assertIn(f"forgot what a program did, by `touch {self.path('undone')}`, which can't be taken back: {GONE}\n",
                      self.last_words)
        self.assertIn("/var/lib/shearpin/undo/*.forgotten tell of it\n", self.last_words)
        self.assert_forgotten()

    def assert_forgotten(self):
        """Nothing is in anybody's way, and what is known of it is there."""
        left = self.journals()
        self.assertEqual(self.names(), [".d", ".forgotten"])
        self.assertEqual(self.clear(), [])
        self.assertEqual(self.last_words, "nothing to clear\n")
        run = self.change({"file": {"path": self.file, "truncate": "7B"}, "for": "100ms"})
        self.assertEqual(run.wait(), 0, run.stderr)
        self.assertEqual(run.events("step.undo")[0]["data"]["result"], "taken back")
        self.assertEqual((self.look(), self.journals()), (self.before, left))
        with open(self.path(f"var/undo/{left[1]}"), encoding="utf-8") as f:
            lines = [json.loads(line) for line in f]
        self.assertLessEqual({"exec", "link"}, {line["kind"] for line in lines if "arm" in line})
        self.assertEqual([line["forgotten"] for line in lines if "forgotten" in line], [True, True])

    def test_first_it_is_tried(self):
        """What can be taken back is, and nothing of it stays."""
        run = self.start(self.step(truncate="100B"))
        self.kill_all(run)
        self.assertEqual(self.forget(), [("file", "taken back", None)])
        self.assertEqual((self.look(), self.journals()), (self.before, []))

    def test_copy_is_kept(self):
        """There is no other of a file that can't be put back."""
        run = self.start(self.step(truncate="100B", restore="always"))
        os.rename(self.file, self.file + ".away")
        os.mkdir(self.file)
        run.stop()
        why = "something that is no regular file has its name now"
        self.assertEqual(self.undos(run), [("step 1", "failed", why)])
        self.assertEqual(self.forget(), [("file", "forgotten", why)])
        self.assertEqual(self.names(), [".d", ".forgotten"])
        copy, = [path for path in glob.glob(self.path("var/undo/*.d/*")) if path.rsplit("/", 1)[1].isdigit()]
        self.assertEqual(self.read(copy), self.before[0])

    def test_host_that_can_not_forget(self):
        """What is still in the journal is told so."""
        self.leave()
        self.clear()
        read_only = ("unshare", "--mount", "sh", "-euc",
                     'mount --bind "$PWD/var" "$PWD/var"; mount -o remount,bind,ro "$PWD/var"; exec "$@"', "sh", *WRAPPER)
        done = self.lab.call("clear", "--forget", wrapper=read_only)
        self.assertEqual(done.status, 5, done.stdout)
        self.assertNotIn("forgot", done.stdout)
        self.assertEqual(self.names(), [".d", ".jsonl"])


if __name__ == "__main__":
    unittest.main()
