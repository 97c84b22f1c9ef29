# SPDX-License-Identifier: BSD-2-Clause
"""`watch` on a terminal: it shows what goes on, is told to end by a key, and leaves the terminal as it was."""
import os
import re
import sys
import unittest

import lab
from lab import DEVICE, HOLD, THERE, UDP, V4, LabTest, wait_until

PORT = 7000
ROWS, COLUMNS = 30, 100

# A terminal whose keys come from a FIFO, and whose text goes to standard output. At the end, one more line: were the
# terminal's settings the same as before?
TERMINAL = f"""
import fcntl, os, pty, select, struct, sys, termios
keys = os.open("keys", os.O_RDWR)
master, slave = pty.openpty()
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", {ROWS}, {COLUMNS}, 0, 0))
before = termios.tcgetattr(slave)
pid = os.fork()
if not pid:
    os.login_tty(slave)
    os.execv(sys.argv[1], sys.argv[1:])
child = os.pidfd_open(pid)
while True:
    ready = select.select([master, keys, child], [], [])[0]
    if master in ready:
        os.write(1, os.read(master, 65536))
    elif keys in ready:
        os.write(master, os.read(keys, 100))
    else:
        break
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print("settings", "kept" if termios.tcgetattr(slave) == before else "changed")
sys.exit(status if status >= 0 else 128 - status)
"""
if not hasattr(os, "login_tty"):  # Python 3.11
    TERMINAL = TERMINAL.replace("os.login_tty(slave)", "os.setsid(); fcntl.ioctl(slave, termios.TIOCSCTTY, 0); "
                                "[os.dup2(slave, fd) for fd in range(3)]")


class Screen:
    """What is to be read on the terminal: the few movements of the cursor that `watch` makes."""

    def __init__(self, text):
        self.rows, self.row, self.column = [""], 0, 0
        for part in re.split(r"(\x1b\[\??\d*[a-zA-Z]|\r|\n)", text):
            self.take(part)

    def take(self, part):
        if part == "\r":
            self.column = 0
        elif part == "\n":  # the terminal makes "\r\n" of it, and who reads the file undoes that
            self.row, self.column = self.row + 1, 0
            if self.row == len(self.rows):
                self.rows.append("")
        elif part.startswith("\x1b["):
            self.move(part[2:-1], part[-1])
        else:
            row = self.rows[self.row].ljust(self.column)
            self.rows[self.row] = row[:self.column] + part + row[self.column + len(part):]
            self.column += len(part)

    def move(self, number, what):
        if what == "A":
            self.row -= int(number)
        elif what == "K":
            self.rows[self.row] = self.rows[self.row][:self.column]
        elif what == "J":
            del self.rows[self.row + 1:]
            self.rows[self.row] = self.rows[self.row][:self.column]
        else:
            assert what in "mhl", what

    def text(self):
        return "\n".join(self.rows)


class Watch(LabTest):
    def setUp(self):
        super().setUp()
        os.mkfifo(os.path.join(self.lab.folder, "keys"))

    def watch(self, *words, **environment):
        environment = {"TERM": "xterm", "NO_COLOR": "1", **environment}
        return self.lab.start("watch", "--every", "100ms", *words, wrapper=(sys.executable, "-c", TERMINAL), **environment)

    def press(self, keys):
        with open(os.path.join(self.lab.folder, "keys"), "w", encoding="ascii") as f:
            f.write(keys)

    def shows(self, watch, pattern):
        def look():
            found = re.search(pattern, Screen(watch.stdout).text())
            if not found and not watch.running():
                raise AssertionError(f"ended with {watch.wait()}: {watch.stdout}{watch.stderr}")
            return found

        return wait_until(look, f"it shows {pattern}")

    def cut(self):
        run = self.lab.inject("drop", "--for", HOLD, "--proto", "udp", "--remote", THERE[V4], "--remote-port", str(PORT),
                              "--direction", "out")
        run.opened()
        return run

    def end(self, watch, key):
        self.press(key)
        self.assertEqual(watch.wait(), 0, watch.stdout)
        self.assertTrue(watch.stdout.endswith("settings kept\n"))

    def test_live(self):
        """A run that comes, does something, and goes."""
        watch = self.watch()
        self.shows(watch, "no run is active")
        run = self.cut()
        self.shows(watch, rf"{run.pid} +faults, .* left")
        self.shows(watch, r"open +\S+ +0 ")
        sender = self.lab.socket(self.lab.here, V4, UDP)
        for count in (3, 7):
            for _ in range(count):
                sender.sendto(b"x", (THERE[V4], PORT))
        self.shows(watch, r"open +\S+ +10 ")
        self.assertEqual(run.stop(), 130)
        self.shows(watch, "no run is active")
        wait_until(lambda: DEVICE not in Screen(watch.stdout).text(), "nothing of the run is left on the screen")
        self.end(watch, "q")

    def test_killed(self):
        """What a killed run leaves is removed, and stays told of."""
        run = self.cut()
        watch = self.watch()
        self.shows(watch, rf"pid {run.pid} ")
        run.kill()
        self.shows(watch, rf"removed the record of run {run.pid}")
        seen = watch.stdout.count("no run is active")
        wait_until(lambda: watch.stdout.count("no run is active") > seen + 2, "it draws on")
        self.assertEqual(Screen(watch.stdout).text().count("removed the record"), 1)
        self.assertEqual(lab.records(), [])
        self.end(watch, "\x03")

    def test_many(self):
        """More than the screen has rows: what fits, and how much does not."""
        scenario = {
            "version": 1, "name": "many", "interface": DEVICE, "baseline": "0s", "recovery": "0s",
            "targets": {"front": {"proto": "udp", "remote": THERE[V4], "remote_port": PORT}},
            "steps": [{"name": f"step-{i}", "at": "0s", "fault": {"loss": "1%"}, "target": "front", "for": HOLD}
                      for i in range(40)]}
        run = self.lab.run(scenario)
        run.opened(40)
        watch = self.watch()
        self.shows(watch, r"\((\d+) more lines\)")
        text = Screen(watch.stdout).text()
        self.assertIn("step-10 ", text)
        self.assertNotIn("step-39 ", text)
        self.assertLessEqual(len(Screen(watch.stdout).rows), ROWS)
        self.end(watch, "Q")
        self.assertEqual(run.stop(), 130)

    def test_mistakes(self):
        for words, message in ((["--every", "1ms"], "--every is `1ms`, expected a duration from 100ms to 60s"),
                               (["--every", "soon"], "--every is `soon`"),
                               (["--netns", "no-such-name"], "no-such-name")):
            watch = self.lab.start("watch", *words, wrapper=(sys.executable, "-c", TERMINAL), TERM="xterm")
            self.assertEqual(watch.wait(), 2)
            self.assertIn(message, watch.stdout)
            self.assertIn("settings kept", watch.stdout)
        done = self.lab.call("watch")
        self.assertEqual(done.status, 2)
        self.assertIn("no terminal", done.stderr)


if __name__ == "__main__":
    unittest.main()
