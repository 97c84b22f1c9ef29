# SPDX-License-Identifier: BSD-2-Clause
"""The pack ctp-simnow in its lab: one scenario that passes, one gateway that the drill must find out, and what `shearpin lab` says of
packs with labs of their own."""
import glob
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from packs import SHEARPIN, PackTest

SCENARIOS = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../scenarios")
PACK = "ctp-simnow"
SHORT = ["--only", "disconnect", "--set", "times=1", "--set", "limit=8s", "--set", "every=8s", "--set", "baseline=2s", "--set", "hold=2s"]


class Ctp(PackTest):
    PACK = PACK
    DRILLS = {"good": (SHORT, 0),
              "blind": (["--misbehave", "never-unhealthy", *SHORT], 1, "FAIL  gateway reports unhealthy"),
              "closed": ([*SHORT, "--set", "front=10.1.0.1"], 3, "group3: 10.1.0.1:30003 connection refused")}

    def events(self, name, *kinds):
        path, = glob.glob(os.path.join(self.out(name), "**", "events.jsonl"), recursive=True)
        with open(path, encoding="utf-8") as f:
            return [event for event in map(json.loads, f) if event["type"] in kinds]

    def test_good(self):
        self.check("good")
        self.assertEqual({event["step"] for event in self.events("good", "expect.pass")},
                         {"gateway reports unhealthy", "gateway is back", "no process crash"})
        self.assertEqual(self.events("good", "expect.fail"), [])

    def test_second_group_is_taken(self):
        """Group 1 refuses."""
        self.check("good")
        said = {event["data"]["check"]: event["data"] for event in self.events("good", "preflight")}
        self.assertEqual(said["front"]["result"], "pass")
        self.assertRegex(said["front"]["detail"], r"group2 is reached \(10\.1\.0\.2:30002\).*group1: 10\.1\.0\.2:30001 connection refused")
        self.assertNotIn("simulated", json.dumps(said))  # the password

    def test_no_group_is_reached(self):
        self.check("closed")
        self.assertEqual(glob.glob(os.path.join(self.out("closed"), "**", "events.jsonl"), recursive=True), [])

    def test_never_unhealthy(self):
        self.check("blind")
        self.assertEqual({event["step"] for event in self.events("blind", "expect.fail")}, {"gateway reports unhealthy"})


class Usage(unittest.TestCase):
    def lab(self, *words, program=SHEARPIN):
        return subprocess.run([program, "lab", *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=300)

    def test_unknown(self):
        done = self.lab("ctp-simno")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("did you mean `ctp-simnow`?", done.stderr)

    def test_options_before_the_name(self):
        done = self.lab("--json", PACK)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("behind its name", done.stderr)

    def test_unknown_misbehaviour(self):
        done = self.lab(PACK, "--misbehave", "sing")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("no misbehaviour `sing`", done.stderr)

    def test_list(self):
        done = self.lab(PACK, "--list")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual([line.split("\t")[1] for line in done.stdout.splitlines() if line.startswith("scenario\t")],
                         ["combined", "disconnect", "jitter", "loss"])

    def test_installed(self):
        """As `make install` lays it out."""
        with tempfile.TemporaryDirectory(prefix="shearpin-test-") as folder:
            program = os.path.join(folder, "sbin/shearpin")
            os.makedirs(os.path.dirname(program))
            shutil.copy(SHEARPIN, program)
            shutil.copytree(SCENARIOS, os.path.join(folder, "share/shearpin/scenarios"))
            done, unknown = self.lab(PACK, "--list", program=program), self.lab("none of these", program=program)
        self.assertEqual((done.returncode, done.stderr, done.stdout), (0, "", self.lab(PACK, "--list").stdout))
        self.assertRegex(unknown.stderr, "`disconnect`, .*`ctp-simnow`")


if __name__ == "__main__":
    unittest.main()
