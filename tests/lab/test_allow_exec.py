# SPDX-License-Identifier: BSD-2-Clause
"""Without --allow-exec nothing starts a program: a run is refused with nothing touched, preflight says so and goes on."""
import json
import os
import unittest

from lab import DEVICE, THERE, V4, LabTest

PORT = 7001


class AllowExec(LabTest):
    def scenario(self, probes, **changes):
        scenario = {"version": 1, "name": "exec", "interface": DEVICE, "recovery": "0s",
                    "targets": {"server": {"proto": "tcp", "remote": THERE[V4], "remote_port": PORT}},
                    "probes": probes,
                    "steps": [{"name": "cut", "at": "0s", "fault": {"drop": True}, "target": "server", "for": "100ms"}]}
        scenario.update(changes)
        return self.lab.write(scenario)

    def mark(self):
        """A program that leaves a file behind, and the file."""
        path = os.path.join(self.lab.folder, "started")
        return ["touch", path], path

    def test_probe(self):
        program, started = self.mark()
        out = os.path.join(self.lab.folder, "out")
        file = self.scenario({"program": {"exec": program}})
        done = self.lab.call("run", file, "--out", out)
        self.assertEqual(done.status, 3, done.stderr)
        self.assertIn("nothing was touched: the probe program starts a program, which --allow-exec allows", done.stderr)
        self.assertFalse(os.path.exists(out))
        self.assertFalse(os.path.exists(started))
        done = self.lab.call("run", file, "--out", out, "--allow-exec")
        self.assertEqual(done.status, 0, done.stderr)
        self.assertTrue(os.path.exists(started))

    def test_expectation(self):
        program, started = self.mark()
        file = self.scenario({"file": {"file": "/"}}, steps=[
            {"name": "look", "at": "0s", "expect": {"exec": program, "within": "60s"}}])
        done = self.lab.call("run", file)
        self.assertEqual(done.status, 3, done.stderr)
        self.assertIn("--allow-exec allows", done.stderr)
        self.assertFalse(os.path.exists(started))

    def test_preflight(self):
        program, started = self.mark()
        file = self.scenario({"program": {"exec": program}, "missing": {"file": "/missing"}, "root": {"file": "/"}},
                             baseline="1s")

        def look(*words):
            done = self.lab.call("preflight", "--json", file, *words)
            self.assertEqual(done.status, 3, done.stderr)
            checks = json.loads(done.stdout)["checks"]
            for check in checks:
                self.assertTrue(check["remedy"] or check["result"] in ("PASS", "SKIP"), check)
            return {check["name"]: check for check in checks}

        checks = look()
        self.assertEqual(checks["exec"]["result"], "FAIL")
        self.assertEqual(checks["exec"]["remedy"], "give --allow-exec if they are meant")
        self.assertEqual(checks["probe program"]["result"], "SKIP")
        self.assertEqual(checks["probe program"]["detail"], "starts touch, which --allow-exec allows")
        self.assertFalse(os.path.exists(started))
        self.assertEqual(checks["probe missing"]["result"], "FAIL")
        self.assertIn("/missing: ", checks["probe missing"]["detail"])
        self.assertEqual(checks["probe root"]["result"], "PASS")
        checks = look("--allow-exec")
        self.assertEqual(checks["exec"]["result"], "PASS")
        self.assertEqual(checks["probe program"]["result"], "PASS")
        self.assertTrue(os.path.exists(started))


if __name__ == "__main__":
    unittest.main()
