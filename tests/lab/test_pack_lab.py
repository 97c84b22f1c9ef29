# SPDX-License-Identifier: BSD-2-Clause
"""The labs of packs themselves, with a program in shearpin's place that does what the test says: what --kill finds out, what is left of a
lab that is killed, and which exit statuses come through. The program is a copy of bash: `bash run ...` is a script called `run`."""
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
COMMON = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../scenarios/common")
sys.path.insert(0, COMMON)
from labworld import PATIENCE_S, process_state, wait_until  # noqa: E402

PACK = '''#!{python}
import os
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, {common!r})
from packlab import Pack, main, write_file

RUN = {run!r}
CLEAR = {clear!r}


class Lab(Pack):
    HOST = "here"
    FILES = ("data/*", "data/never")
    SETTLE_S = 0.5
    PLACE = {{"address": "10.7.0.2"}}
    SETTINGS = {{"hold": "3s"}}
    KILL = (("one", "step"),)
    MISBEHAVE = {{"late": ("o*", 1, "words", {{"hold": "9s"}})}}

    def build(self):
        here, there = self.world.host("here"), self.world.host("there")
        self.world.network(7, here, there)
        self.world.network(8, here, there, self.world.host("third"))
        self.world.command("compose", self.world.compose)
        write_file("full", f"the stand-ins' own: {{self.full}}\\n")
        for name, text in (("data/bytes", "abc"), ("data/mode", ""), ("data/time", ""), ("data/gone", ""), ("bin/run", RUN),
                           ("bin/clear", CLEAR)):
            write_file(name, text)
        for name, seconds in (("stopped", "1001"), ("killed", "1002"), ("other", "1003")):
            here.program(name, ["sleep", seconds])
        here.program("loud", ["sh", "-c", {loud!r}], ready={ready})


main(Lab, {script!r})
'''
# An open window is in the log, and the program goes on until it is killed.
OPEN = '''out= previous=
for word; do [ "$previous" != --out ] || out=$word; previous=$word; done
mkdir -p "$out"
%s
echo '{"type": "fault.open", "step": "step"}' >"$out/events.jsonl"
read -r nothing < <(sleep 1000)
'''
CHANGES = '''printf abd >data/bytes
chmod 600 data/mode
touch -d 2001-01-01 data/time
rm data/gone
touch data/new
kill -STOP "$(cat pid/stopped.pid)"
kill -KILL "$(cat pid/killed.pid)"
nsenter --net=/run/netns/here ip link set eth0 down
'''


def alive(pid):
    return process_state(pid) not in ("", "Z")


def descendants(pid):
    found = []
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            for child in map(int, f.read().split()):
                found += [child, *descendants(child)]
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


@unittest.skipIf(os.geteuid() != 0, "needs root")
class PackLab(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="shearpin-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.program = os.path.join(self.folder, "program")
        shutil.copy(shutil.which("bash"), self.program)

    def start(self, *words, run="true", clear="true", loud="exec sleep 1004", ready=None):
        script = os.path.join(self.folder, "pack/lab/run")
        os.makedirs(os.path.dirname(script))
        with open(script, "w", encoding="utf-8") as f:
            f.write(PACK.format(python=sys.executable, common=COMMON, run=run, clear=clear, script=script, loud=loud, ready=ready))
        process = subprocess.Popen([sys.executable, script, "--out", os.path.join(self.folder, "out"), *words], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.folder,
                                   env={**os.environ, "SHEARPIN": self.program, "PYTHONUNBUFFERED": "1"})
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        process.kill()
        process.communicate()

    def finish(self, *words, **scripts):
        """Exit status and what it said."""
        process = self.start(*words, **scripts)
        output = process.communicate(timeout=PATIENCE_S)[0]
        return process.returncode, output

    def test_kill_with_nothing_left(self):
        status, output = self.finish("--kill", run=OPEN % "")
        self.assertEqual(status, 0, output)
        self.assertIn("killed: 1; left behind: nothing", output)
        self.assertIn("1 of 1 as before", output)

    def test_kill_and_all_is_cleared(self):
        change = "touch -r data/bytes bin/before; printf abd >data/bytes; kill -STOP $(cat pid/stopped.pid)"
        undo = "cd /run/lab; printf abc >data/bytes; touch -r bin/before data/bytes; kill -CONT $(cat pid/stopped.pid)"
        status, output = self.finish("--kill", run=OPEN % change, clear=undo)
        self.assertEqual(status, 0, output)
        self.assertRegex(output, "left behind: data/bytes: .*sha256")

    def test_kill_finds_what_is_left(self):
        status, output = self.finish("--kill", run=OPEN % CHANGES, clear="echo all is well; exit 5")
        self.assertEqual(status, 1, output)
        for words in ("`shearpin clear` exits with 5", "data/bytes: mtime_ns", "data/mode: mode was 0o644, is 0o600", "data/time: mtime_ns",
                      "data/gone: was {", "data/new: was None", "process gone: sleep 1002", "process stopped: sleep 1001",
                      "here: link: up was True", "here: routes: gone"):
            self.assertRegex(output, f"DIFFERS .*{words.replace('{', '[{]')}")
        self.assertNotIn("sleep 1003", output)
        self.assertIn("0 of 1 as before", output)

    def test_kill_without_a_window(self):
        status, output = self.finish("--kill", run="exit 3")
        self.assertEqual(status, 5, output)
        self.assertIn("shearpin has ended with 3 before a window of `step` was open", output)

    def test_status_and_words_come_through(self):
        script = 'echo "$*"; pwd; compose ps; compose stop other; compose ps; compose sing; echo "status $?"; exit 4'
        status, output = self.finish("--misbehave", "late", "--set", "a=b", run=script)
        self.assertEqual(status, 4, output)
        self.assertIn(f"{self.folder}/pack --allow-exec --keep-going --out {self.folder}/out --netns here "
                      "--set address=10.7.0.2 --set hold=9s --set a=b --only o*\n/run/lab\n", output)
        self.assertIn("other running\n", output)
        self.assertIn("other exited\n", output)
        self.assertIn("usage: ", output)
        self.assertIn("status 1\n", output)

    def test_full_is_without_settings(self):
        status, output = self.finish("--misbehave", "late", "--full", run='echo "$*"; cat full')
        self.assertEqual(status, 0, output)
        self.assertIn("--set address=10.7.0.2 --only o*\n", output)
        self.assertIn("the stand-ins' own: True\n", output)

    def test_no_device_makes_addresses_of_its_own(self):
        """A switch's would be tentative when a state is taken, and not any more in the next."""
        script = "for host in here switch8; do nsenter --net=/run/netns/$host ip -d -o link; done | grep -v ' lo:'"
        status, output = self.finish(run=script)
        self.assertEqual(status, 0, output)
        self.assertEqual(re.findall("addrgenmode ([a-z0-9]+)", output), ["none"] * 6, output)  # eth0, eth1; br0, port1 to port3

    def test_a_program_that_ends_is_told(self):
        status, output = self.finish(loud="echo no such thing >&2; exit 7", ready="lambda: False")
        self.assertEqual(status, 5, output)
        self.assertIn("loud has ended:\nno such thing", output)

    def check_gone(self, number, status):
        process = self.start(run="echo at work; read -r nothing < <(sleep 1000)")
        wait_until(lambda: select.select([process.stdout], [], [], 0)[0], "the lab is at work")
        self.assertEqual(process.stdout.readline(), "at work\n")
        pids = descendants(process.pid)
        self.assertGreaterEqual(len(pids), 7)  # its first process, the lab, four programs, the one in shearpin's place
        process.send_signal(number)
        self.assertEqual(process.wait(PATIENCE_S), status)
        wait_until(lambda: not any(map(alive, pids)), "nothing of it is alive")

    def test_killed(self):
        self.check_gone(signal.SIGKILL, -signal.SIGKILL)

    def test_interrupted(self):
        self.check_gone(signal.SIGINT, 128 + signal.SIGINT)


if __name__ == "__main__":
    unittest.main()
