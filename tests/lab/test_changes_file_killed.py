# SPDX-License-Identifier: BSD-2-Clause
"""Files that a step has changed when the run, or the run and its guard, are killed, or are stopped."""
import os
import signal
import unittest

from changed_file import CONTENT, FileTest
from changing import guard_of
from lab import wait_until


class Killed(FileTest):
    def setUp(self):
        super().setUp()
        self.second = self.make("second", b"the second\n")
        self.second_before = self.look(self.second)

    def two(self):
        return self.start(self.step(truncate="7B"), {"file": {"path": self.second, "remove": True}},
                          {"file": {"path": self.path("new"), "replace": "x"}})

    def assert_as_before(self):
        self.assertEqual([self.look(), self.look(self.second), self.look(self.path("new"))],
                         [self.before, self.second_before, None])

    def test_guard(self):
        self.kill(self.two())
        self.assert_as_before()

    def test_clear(self):
        run = self.two()
        self.kill_all(run)
        self.assertEqual(self.read(), CONTENT[:7])
        journal, folder = self.journals()[::-1]
        self.assertEqual(os.stat(self.path(f"var/undo/{folder}")).st_mode & 0o777, 0o700)
        self.assertTrue(journal.endswith(".jsonl"))
        self.assertEqual(self.clear(), [("taken back", None)] * 3)
        self.assert_as_before()
        self.assertEqual(self.journals(), [])
        for words in ("truncated", "removed", "replaced"):
            self.assertIn(f"which was {words}", self.last_words)
        self.assertEqual(self.clear(), [])
        self.assert_as_before()

    def test_clear_is_harmless_twice(self):
        """Also where the journal says that nothing is done yet."""
        run = self.two()
        self.kill_all(run)
        journal = self.path("var/undo/" + [name for name in self.journals() if name.endswith(".jsonl")][0])
        with open(journal, "rb") as f:
            text = f.read()
        self.assertEqual(self.clear(), [("taken back", None)] * 3)
        with open(journal, "wb") as f:
            f.write(text)
        self.assertEqual([result for result, _ in self.clear()][0::2], ["not needed"] * 2)
        self.assert_as_before_but_inode()

    def assert_as_before_but_inode(self):
        self.assertEqual(self.look(), self.before)
        self.assertIsNone(self.look(self.path("new")))
        self.assertEqual(self.look(self.second), self.second_before)

    def test_next_run(self):
        self.kill_all(self.two())
        run = self.change(self.step(append="x"), words=(), recovery="0s")
        run.wait_event("step.start")
        self.assertEqual(self.undos(run), [(None, "taken back", None)] * 3)
        self.assertEqual(self.read(), CONTENT + b"x")
        run.stop()
        self.assert_ended(run, 130)
        self.assert_as_before()

    def test_after_a_boot(self):
        """Files outlive it, and are put back."""
        self.kill_all(self.two())
        for name in self.journals():
            if name.endswith(".jsonl"):
                with open(self.path(f"var/undo/{name}"), "r+b") as f:
                    text = f.read()
                    at = text.index(b'"boot_id":"') + len(b'"boot_id":"')
                    f.seek(at)
                    f.write(b"00000000")
        self.assertEqual(self.clear(), [("taken back", None)] * 3)
        self.assert_as_before()

    def test_written_meanwhile(self):
        run = self.two()
        with open(self.file, "ab") as f:
            f.write(b"more")
        self.kill(run)
        self.assertEqual(self.read(), CONTENT[:7] + b"more")
        self.assertEqual(self.look(self.second), self.second_before)

    def test_stopped(self):
        """The guard does not wait for a run that does not close its window; the run finds it done."""
        run = self.change({**self.step(truncate="0B"), "for": "1s"})
        run.wait_event("step.start")
        run.freeze()
        wait_until(lambda: self.look() == self.before, "the guard has put it back")
        run.signal(signal.SIGCONT)
        self.assert_ended(run, 0)
        self.assertEqual(self.undos(run), [("step 1", "taken back", "by the guard: the run was stopped or late")])
        self.assertEqual(self.look(), self.before)

    def test_stopped_keeps_what_has_no_end(self):
        run = self.start({**self.step(truncate="0B"), "for": "1s"}, {"file": {"path": self.second, "remove": True}})
        run.freeze()
        wait_until(lambda: self.look() == self.before, "the guard has put it back")
        self.assertFalse(os.path.exists(self.second))
        run.signal(signal.SIGCONT)
        self.assert_ended(run, 0)
        self.assert_as_before()

    def test_one_run_at_a_time(self):
        run = self.two()
        other = self.change(self.step(append="x"))
        self.assertEqual(other.wait(), 3)
        self.assertIn("another run changes this host", other.stderr)
        self.assertTrue(guard_of(run))
        run.stop()
        self.assert_ended(run, 130)
        self.assert_as_before()


if __name__ == "__main__":
    unittest.main()
