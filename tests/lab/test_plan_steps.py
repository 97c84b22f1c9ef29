# SPDX-License-Identifier: BSD-2-Clause
"""What `shearpin plan` says of every kind of step, of phases, waits and combinations, and what a refusal leaves."""
import json
import os
import unittest

from lab import LabTest

GOOD = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "unit", "scenarios", "good")
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
STEPS = {
    "kill": ("33s", "", "SIGKILL to the process of a.pid"),
    "stop": ("38s", "48s", "SIGSTOP to the process named feeder, SIGCONT at the closing"),
    "run": ("1m", "the end", "runs systemctl stop foo, at most 10s, whatever comes of it; at the run's end systemctl start foo"),
    "run for a while": ("1m", "1m3s", "runs a 'b c', at most 10s; at the closing d"),
    "replaced": ("1m1s", "1m6s", "replaces a.json by 2 bytes, and restores it at the closing"),
    "cut short": ("1m1s", "1m6s", "cuts f.json to 1000 bytes, and restores it at the closing"),
    "longer": ("1m1s", "1m6s", "adds 2 bytes to g.json, and restores it at the closing"),
    "garbage": ("1m1s", "1m6s", "adds 64 bytes of garbage to h.json, and restores it at the closing"),
    "gone": ("1m10s", "the end", "removes i.json, and restores it at the run's end"),
    "down": ("1m20s", "1m25s", "eth1 goes down, and up again at the closing"),
    "skew": ("1m30s", "1m32s", "the clock of this host goes ahead by 5s, and returns at the closing"),
    "steady": ("1m40s", "fulfilled", "waits at most 1m until the probe api is healthy"),
    "steady too": ("1m41s", "fulfilled", "waits at most 1m30s until x is not there"),
    "back": ("1m41s", "3m11s", "expects within 1m30s that the probe dor is healthy, after it was not"),
    "lines": ("1m41s", "4m20s", "expects within 2m39s that x.log gets 2 lines with Reconnect"),
    "no line": ("1m41s", "2m41s", "expects never in 1m that x.log gets a line with Panic"),
    "value": ("1m41s", "2m11s", 'expects throughout 30s that .a of a.json equals "idle"'),
    "status": ("1m41s", "2m11s", "expects never in 30s that it is not so that true ends with 0"),
    "counter": ("1m41s", "1m42s", "expects within 1s that dropped of step cut is at least 5"),
}


class PlanSteps(LabTest):
    def plan(self, name, *words):
        done = self.lab.call("plan", os.path.join(GOOD, name), *words, wrapper=NOBODY)
        self.assertEqual((done.status, done.stderr), (0, ""))
        return done.stdout

    def test_every_kind(self):
        lines = self.plan("steps.yaml").splitlines()
        table = lines[lines.index(f"  {'opens':>12}  {'closes':>12}"):]
        for name, (opens, closes, words) in STEPS.items():
            with self.subTest(name):
                start = f"  {opens:>12}  {closes:>12}  {name}  "
                rows = [line for line in table if line.startswith(start)]
                self.assertEqual(len(rows), 1, "\n".join(table))
                self.assertTrue(rows[0].endswith("  " + words), rows[0])
        self.assertIn("Needs --allow-exec: step run, step run once, step run for a while, step status", lines)
        self.assertIn("Off (`enabled: false`): off, counter of what is off, cut off too, back-off of what is off", lines)

    def test_combinations(self):
        self.assertTrue(self.plan("steps.yaml").startswith("The first of 4 combinations: [loss=5%,hold=3s]\n"))
        self.assertTrue(self.plan("steps.yaml", "--set", "hold=7s").startswith("The first of 2 combinations: [loss=5%]\n"))
        fixed = self.plan("steps.yaml", "--set", "hold=7s", "--set", "loss=9%")
        self.assertTrue(fixed.startswith("steps\n"), fixed)
        self.assertRegex(fixed, r"(?m)^ +0s +7s  cut .* loss=9% on front$")

    def test_phases(self):
        text = self.plan("phases.yaml")
        for line in ('0s            5m  phase shadow, in which nothing is touched, with {"loss":"10%"}',
                     '5m           15m  phase canary, 10% of the flows, with {"hold":"30s"}',
                     "15m           25m  phase full"):
            self.assertRegex(text, rf"(?m)^ +{line}$".replace("{\"", "\\{\"").replace("}$", "\\}$"))
        self.assertRegex(text, r"(?m)^ +0s +5m  thin \(shadow\) +loss=10% on front, back, counted alone$")
        self.assertRegex(text, r"(?m)^ +5m10s +5m40s  cut \(canary\) +drop=true on front, 10% of the flows$")
        self.assertRegex(text, r"(?m)^ +15m +25m  thin \(full\) +loss=5% on front, back$")
        self.assertNotIn("kill (shadow)", text)
        self.assertRegex(text, r"(?m)^ +\|shadow +\|canary +\|full +$")

    def test_document(self):
        plan = json.loads(self.plan("phases.yaml", "--json"))
        self.assertEqual([phase["name"] for phase in plan["phases"]], ["shadow", "canary", "full"])
        for step in plan["steps"]:
            phase = next(p for p in plan["phases"] if p["name"] == step["phase"])
            self.assertEqual((step["shadow"], step["share"]), (phase["shadow"], phase["share"]))
            self.assertGreaterEqual(step["at_ns"], phase["at_ns"])
            self.assertLessEqual(step["at_ns"] + step["for_ns"], phase["at_ns"] + phase["for_ns"])

    def test_wrong_in_all_phases(self):
        """A mistake is one mistake, however often its step is repeated."""
        path = self.lab.write("version: 1\nname: t\nphases: [{name: a, for: 1m}, {name: b, for: 1m}]\n"
                              "steps:\n- {name: s, at: 0s, link: eth0, for: 5}\n")
        done = self.lab.call("plan", path, wrapper=NOBODY)
        self.assertEqual((done.status, done.stdout), (2, ""))
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn(f"{path}:5:38: 5 is no duration", done.stderr)


if __name__ == "__main__":
    unittest.main()
