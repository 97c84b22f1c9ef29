# SPDX-License-Identifier: BSD-2-Clause
"""Libraries that only some runs need: who needs one that can't be loaded is refused, and everybody else does without."""
import os
import re
import unittest

from lab import DEVICE, SHEARPIN, THERE, V4, LabTest

PORT = 4000
HTTP = {"http": f"http://{THERE[V4]}:{PORT}/"}


class Missing(LabTest):
    """The dynamic linker finds them first where they are empty files."""

    def setUp(self):
        super().setUp()
        self.broken = os.path.join(self.lab.folder, "broken")
        os.mkdir(self.broken)
        with open(SHEARPIN, "rb") as f:
            names = set(re.findall(rb"lib(?:curl|microhttpd)\.so\.[0-9]+", f.read()))
        self.assertEqual(len(names), 2, names)
        for name in names:
            with open(os.path.join(self.broken.encode(), name), "wb"):
                pass
        self.before = self.lab.state()

    def run_without(self, *words, **more):
        plan = {"version": 1, "name": "alone", "interface": DEVICE, "targets": {"t": {"remote_port": PORT}},
                "steps": [{"name": "cut", "at": "0s", "fault": {"drop": True}, "target": "t", "for": "50ms"}], **more}
        return self.lab.run(plan, *words, LD_LIBRARY_PATH=self.broken)

    def assert_refused(self, run, words):
        self.assert_ended(run, 3)
        self.assertIn(words, run.stderr)
        self.assertFalse(os.path.exists(run.out))
        self.assert_untouched(self.before)

    def test_not_needed(self):
        run = self.run_without()
        self.assert_ended(run, 0)
        self.assertEqual(len(run.events("fault.close")), 1)

    def test_probes(self):
        words = "probes over HTTP need libcurl, which can't be loaded"
        self.assert_refused(self.run_without(probes={"api": HTTP}), words)
        expect = {"name": "up", "at": "0s", "expect": {**HTTP, "within": "1s"}}
        cut = {"name": "cut", "at": "0s", "fault": {"drop": True}, "target": "t", "for": "50ms"}
        self.assert_refused(self.run_without(steps=[cut, expect]), words)
        abort = [{"prometheus": f"http://{THERE[V4]}:{PORT}", "query": "up", "below": 1}]
        self.assert_refused(self.run_without(abort=abort), words)

    def test_answer(self):
        cut = {"name": "cut", "at": "0s", "fault": {"answer": {"status": 503}}, "target": "t", "for": "50ms"}
        self.assert_refused(self.run_without(steps=[cut]), "the responder needs libmicrohttpd, which can't be loaded")

    def test_metrics(self):
        run = self.run_without("--metrics", "127.0.0.1:9469")
        self.assert_refused(run, "the metrics' server needs libmicrohttpd, which can't be loaded")


if __name__ == "__main__":
    unittest.main()
