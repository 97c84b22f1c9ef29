# SPDX-License-Identifier: BSD-2-Clause
"""What `shearpin plan` says of every kind of step, of phases, waits and combinations, and what a refusal leaves."""
import json
import os
import subprocess
import unicodedata
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


ODD = ["b c", "", "it's", 'say "x"', "two\nlines", "\x1b[31mred", "\x9b31m", "größe", "back\\slash", "$HOME `id` *", "\u202etxt"]
ODD_FILE, ODD_TEXT = "a b\x1b[0m", "one\n'two'"


class OddWords(LabTest):
    """Words as a scenario may have them: each can be told from its neighbours, and none acts on the terminal."""

    SCENARIO = {
        "version": 1, "name": "odd", "description": "red \x1b[31m alarm\nand more", "meta": {"note": "a b", "bell": "\x07"},
        "targets": {"t": {"proto": "tcp", "remote": "10.1.0.2", "remote_port": 80}},
        "probes": {"program": {"exec": ["probe", *ODD], "expect_output": ODD_TEXT},
                   "log": {"log": ODD_FILE, "healthy": "is up", "unhealthy": "\x1b"},
                   "page": {"http": "http://10.1.0.2/", "expect_body": "o k"},
                   "file": {"file": ODD_FILE, "contains": "\r"},
                   "value": {"json": ODD_FILE, "where": '."a b"', "equals": "\x9b"},
                   "query": {"prometheus": "http://10.1.0.2:9090", "query": 'up{job="a b"}', "above": 0}},
        "steps": [
            {"name": "program", "at": "0s", "exec": ["step", *ODD], "undo": ["undo", *ODD], "for": "1s"},
            {"name": "signal", "at": "2s", "signal": {"kill": "HUP", "name": "a b"}},
            {"name": "file", "at": "3s", "file": {"path": ODD_FILE, "replace_from": "b'"}, "for": "1s"},
            {"name": "says", "at": "4s", "expect": {"exec": ["ask", *ODD], "expect_output": ODD_TEXT, "within": "1s"}},
            {"name": "line", "at": "4s", "expect": {"log": "a b", "matches": "\t", "within": "1s"}},
            {"name": "answer", "at": "6s", "for": "1s", "target": "t",
             "fault": {"answer": {"status": 200, "headers": {"X-A": "b c"}, "certificate": "a\nb", "key": ""}}}],
        "abort": [{"file": "STOP\x1b"}],
        "preflight": [{"file": "a b"}, {"command": "a\x1b"}]}
    LINES = (
        r"odd: red \033[31m alarm",
        r"  meta       note='a b' bell=$'\007'",
        r"  the file $'STOP\033' is there",
        "  'a b' is there",
        r"  there is a program $'a\033'",
    )
    ENDS = (
        r" reads $'a b\033[0m', every 500ms; unhealthy: $'\033'; healthy: 'is up'",
        " and 'o k', every 500ms, waits 1s",
        r" looks at $'a b\033[0m', which must be there, with $'\r', every 500ms",
        r""" reads $'a b\033[0m', where ."a b" equals "\302\233", every 500ms""",
        """ for 'up{job="a b"}' above 0, every 500ms, waits 1s""",
        " SIGHUP to the process named 'a b'",
        r" replaces $'a b\033[0m' by what 'b'\''' holds, and restores it at the closing",
        r" that 'a b' gets a line with $'\t'",
        r" status 200, X-A: 'b c'; in TLS, with $'a\nb' and ''",
    )

    @staticmethod
    def read_back(line, before, behind):
        """What a shell makes of the words between."""
        words = line.split(before, 1)[1].split(behind, 1)[0]
        done = subprocess.run(["bash", "-c", rf"printf '%s\0' {words}"], capture_output=True, check=True)
        return done.stdout.decode().split("\0")[:-1]

    def test_odd_words(self):
        done = self.lab.call("plan", self.lab.write(self.SCENARIO), wrapper=NOBODY)
        self.assertEqual((done.status, done.stderr), (0, ""))
        self.assertEqual({c for c in done.stdout if unicodedata.category(c) in ("Cc", "Cf")}, {"\n"})
        lines = [line + "\n" for line in done.stdout.splitlines()]
        for line in self.LINES:
            self.assertIn(line + "\n", lines)
        for end in self.ENDS:
            self.assertEqual(sum(line.endswith(end + "\n") for line in lines), 1, f"{end}\n{done.stdout}")
        for before, behind, expected in ((" runs ", ", at most 10s", ["step", *ODD]), ("; at the closing ", "\n", ["undo", *ODD]),
                                         (" runs ", " for exit status 0", ["probe", *ODD]), (" that ", " ends with 0", ["ask", *ODD]),
                                         (" for exit status 0 and ", ", every", [ODD_TEXT]), (" and says ", "\n", [ODD_TEXT])):
            line, = [line for line in lines if before in line and behind in line.split(before, 1)[1]]
            self.assertEqual(self.read_back(line, before, behind), expected)


if __name__ == "__main__":
    unittest.main()
