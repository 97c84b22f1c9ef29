# SPDX-License-Identifier: BSD-2-Clause
"""What a kernel must do for shearpin, in the virtual machine: tests/vm/run."""
import errno
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "lab"))

import lab  # pylint: disable=wrong-import-position
from lab import DEVICE, FAMILIES, HOLD, SHEARPIN, V4, V6, LabTest, name_of, now_ns, wait_until

PORT = 4000
NORMAL_NS = 100_000_000  # traffic is normal that soon after the owner's end
RELEASE = tuple(int(n) for n in platform.release().split("-")[0].split("+")[0].split(".")[:2])
ATTACH = "tcx" if RELEASE >= (6, 6) else "clsact"


class Preflight(unittest.TestCase):
    def test_host_is_fit(self):
        done = subprocess.run([SHEARPIN, "preflight", "--json"], capture_output=True, text=True, check=False)
        checks = {c["name"]: c for c in json.loads(done.stdout)["checks"]}
        self.assertEqual([c for c in checks.values() if c["result"] == "FAIL"], [])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"attach with {ATTACH}", checks["tc programs"]["detail"])
        self.assertIn(platform.release(), checks["kernel"]["detail"])


class BuiltInLab(unittest.TestCase):
    def test_drill(self):
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "run")
            done = subprocess.run([SHEARPIN, "lab", "--json", "--out", out], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(os.path.join(out, "events.jsonl"), encoding="utf-8") as f:
                events = [json.loads(line) for line in f]
            with open(os.path.join(out, "results.json"), encoding="utf-8") as f:
                results = json.load(f)
        document = json.loads(done.stdout)
        self.assertEqual((document["outcome"], document["exit"]), ("pass", 0))
        self.assertEqual([s["instance"] for s in document["steps"]], [1, 2, 3])
        for step in document["steps"]:
            self.assertGreaterEqual(step["reset"] + step["idle_reset"], 1)
            self.assertEqual(step["matched"], sum(step[key] for key in (
                "passed", "dropped", "reset", "refused", "delayed", "duplicated", "altered", "suppressed")))
        self.assertTrue(results["balanced"])
        self.assertTrue(results["complete"])
        self.assertEqual(events[0]["data"]["attach"], ATTACH)
        self.assertEqual(events[0]["data"]["kernel"], platform.release())


class KernelTest(LabTest):
    def setUp(self):
        super().setUp()
        self.before = self.lab.state()
        self.listeners = {family: self.lab.listen(self.lab.there, family, PORT) for family in FAMILIES}

    def inject(self, *words):
        run = self.lab.inject(*words, "--proto", "tcp", "--remote-port", str(PORT), "--for", HOLD)
        self.assertEqual(run.opened()["type"], "fault.open")
        self.assertEqual(run.events("run.start")[0]["data"]["attach"], ATTACH)
        return run

    def connect(self, family, seconds=lab.PATIENCE_S):
        return self.lab.try_connect(self.lab.here, family, PORT, seconds)

    def assert_balanced(self, run, status=130):
        self.assertEqual(run.stop(), status)
        counters = run.counters()
        self.assertEqual(counters["matched"], sum(counters[key] for key in (
            "passed", "dropped", "reset", "refused", "delayed", "duplicated", "altered", "suppressed")))
        self.assertEqual(counters["failed"], 0)
        return counters


class Killed(KernelTest):
    """A black hole whose owner gets SIGKILL."""

    def stubs(self):
        shown = [self.lab.here.call("tc", "filter", "show", "dev", DEVICE, side) for side in ("ingress", "egress")]
        return ["sp_stub" in text for text in shown]

    def black_hole(self):
        run = self.inject("drop")
        for family in FAMILIES:
            self.assert_errno(self.connect(family, 0.2), errno.ETIMEDOUT)
        return run

    def connects_after(self, family, since_ns):
        """A try is short, since the SYN of one that came too early is repeated only after a second."""
        wait_until(lambda: self.connect(family, 0.01) == 0, f"{name_of(family)} connects")
        return now_ns() - since_ns

    def test_traffic_is_back_at_once(self):
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                run = self.black_hole()
                killed = now_ns()
                run.signal(signal.SIGKILL)
                self.assertLess(self.connects_after(family, killed), NORMAL_NS)
                self.assertEqual(run.wait(), -signal.SIGKILL)
                time.sleep(5)  # whatever it has left stays as it is
                self.assertEqual(self.stubs(), [ATTACH == "clsact"] * 2)
                for each in FAMILIES:
                    self.assert_errno(self.connect(each), 0)
                self.lab.call("clear")

    def test_status_tells_and_clear_removes(self):
        run = self.black_hole()
        run.signal(signal.SIGKILL)
        run.wait()
        told = self.lab.call("status")
        self.assertEqual(told.status, 0, told.stderr)
        self.assertIn(f"removed the record of run {run.pid}, which was killed", told.stdout)
        self.assertEqual("`shearpin clear` removes the inert stub" in told.stdout, ATTACH == "clsact")
        cleared = self.lab.call("clear")
        self.assertEqual(cleared.status, 0, cleared.stdout)
        self.assertEqual(f"removed the inert stub of a killed run from {DEVICE}\n" in cleared.stdout,
                         ATTACH == "clsact")
        self.assertEqual(self.stubs(), [False, False])
        self.assert_untouched(self.before)
        self.assertEqual(self.lab.call("clear").stdout, "nothing to clear\n")


class Reset(KernelTest):
    def test_idle_connection(self):
        """Both ends of connections over which nothing is said."""
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                pairs = self.lab.connect(self.listeners[family], 3)
                run = self.inject("reset=both")
                for end in (end for pair in pairs for end in pair):
                    with self.assertRaises(ConnectionResetError):
                        end.recv(1)
                self.assert_errno(self.connect(family), errno.ECONNREFUSED)
                counters = self.assert_balanced(run)
                self.assertEqual((counters["idle_reset"], counters["refused"]), (3, 1))
                self.assert_errno(self.connect(family), 0)

    def test_connection_in_use(self):
        for offloads in (True, False):
            self.lab.offloads(offloads)
            for family in FAMILIES:
                with self.subTest(f"{name_of(family)}, offloads {offloads}"):
                    self.use_and_reset(family)

    def use_and_reset(self, family):
        client, server = self.lab.connect(self.listeners[family])[0]
        self.assert_echo(client, server)
        run = self.inject("reset=both")
        numbers = []
        for end in (client, server):
            try:
                end.send(b"x")
                end.recv(1)
            except OSError as e:
                numbers.append(e.errno)
        # The second end may have met its reset before it sends.
        self.assertEqual(len(numbers), 2)
        self.assertLessEqual(set(numbers), {errno.ECONNRESET, errno.EPIPE})
        self.assertIn(errno.ECONNRESET, numbers)
        self.assert_balanced(run)


class Refuse(KernelTest):
    EXPECTED = {"tcp-reset": {V4: errno.ECONNREFUSED, V6: errno.ECONNREFUSED},
                "icmp-port": {V4: errno.ECONNREFUSED, V6: errno.ECONNREFUSED},
                "icmp-host": {V4: errno.EHOSTUNREACH, V6: errno.EHOSTUNREACH}}

    def check(self, kind):
        established = {family: self.lab.connect(self.listeners[family])[0] for family in FAMILIES}
        run = self.inject(f"refuse={kind}")
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                self.assert_errno(self.connect(family), self.EXPECTED[kind][family])
                self.assert_echo(*established[family])
        self.assertGreaterEqual(self.assert_balanced(run)["refused"], 2)
        for family in FAMILIES:
            self.assert_errno(self.connect(family), 0)

    def test_tcp_reset(self):
        self.check("tcp-reset")

    def test_icmp_port(self):
        self.check("icmp-port")

    def test_icmp_host(self):
        self.check("icmp-host")


if __name__ == "__main__":
    unittest.main()
