# SPDX-License-Identifier: BSD-2-Clause
"""Scenarios with checks of their own: hosts that do not answer, and what `run` and `preflight` say."""
import json
import os

from lab import DEVICE, THERE, V4, V6, LabTest

OPEN, CLOSED, OTHER = 7100, 7101, 7102
NOBODY = {V4: "10.77.0.99", V6: "fd77::99"}  # on the link; no host has them
NO_ROUTE = {V4: "192.0.2.9", V6: "2001:db8::9"}


def at(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class Case(LabTest):
    def setUp(self):
        super().setUp()
        for address in NOBODY.values():
            self.lab.here.call("ip", "neigh", "replace", address, "lladdr", "02:00:00:00:77:99", "dev", DEVICE)
        self.before = self.lab.state()

    def scenario(self, **changes):
        scenario = {"version": 1, "name": "asked", "interface": DEVICE, "recovery": "0s",
                    "targets": {"server": {"proto": "tcp", "remote": THERE[V4], "remote_port": OPEN}},
                    "steps": [{"name": "cut", "at": "0s", "fault": {"drop": True}, "target": "server", "for": "50ms"}]}
        scenario.update(changes)
        return {key: value for key, value in scenario.items() if value is not None}

    def run_to_end(self, scenario, *words, status=0, **options):
        run = self.lab.run(scenario, *words, **options)
        self.assert_ended(run, status)
        return run

    def refused(self, scenario, *texts, **options):
        """With exit status 3, before anything was touched; returns what was said."""
        run = self.run_to_end(scenario, status=3, **options)
        for text in ("refused, nothing was touched", *texts):
            self.assertIn(text, run.stderr)
        self.assertFalse(os.path.exists(run.out))
        self.assert_untouched(self.before)
        return run.stderr

    def findings(self, run):
        return [(e["data"]["check"], e["data"]["result"], e["data"]["detail"]) for e in run.events("preflight")]

    def preflight(self, scenario, *words, status=0, **options):
        """{name: [(result, detail, remedy)]}"""
        done = self.lab.call("preflight", "--json", self.lab.write(scenario), *words, **options)
        self.assertEqual(done.status, status, done.stdout + done.stderr)
        found = {}
        for c in json.loads(done.stdout)["checks"]:
            self.assertTrue(c["remedy"] or c["result"] in ("PASS", "SKIP"), c)
            found.setdefault(c["name"], []).append((c["result"], c["detail"], c["remedy"]))
        return found
