# SPDX-License-Identifier: BSD-2-Clause
"""`rehearse`: windows open on live traffic, what they would hit is counted, and nothing is touched."""
import contextlib
import os
import unittest

from datagrams import gather_numbers, send_numbers
from lab import DEVICE, HOLD, THERE, UDP, V4, LabTest

PORT, COUNT = 4000, 50
HITS = ("dropped", "reset", "refused", "delayed", "duplicated", "altered", "flows", "idle_reset")
FAULT = {"name": "cut", "at": "0s", "fault": {"drop": True}, "target": "t", "for": HOLD}


class Rehearse(LabTest):
    def setUp(self):
        super().setUp()
        self.file = os.path.join(self.lab.folder, "state")
        with open(self.file, "w", encoding="ascii") as f:
            f.write("before")
        self.change = {"name": "gone", "at": "0s", "file": {"path": self.file, "remove": True}}

    def scenario(self, *steps, **more):
        return {"version": 1, "name": "rehearsed", "interface": DEVICE, "baseline": "5m", "recovery": "5m",
                "targets": {"t": {"proto": "udp", "remote": THERE[V4], "remote_port": PORT}}, "steps": steps, **more}

    def rehearse(self, scenario, *words):
        out = self.lab.new_out()
        return self.lab.start("rehearse", self.lab.write(scenario), *words, "--out", out, out=out)

    @contextlib.contextmanager
    def numbers(self, port):
        """Gives what sends datagrams to a port, each of which must arrive."""
        with self.lab.socket(self.lab.there, V4, UDP, port) as receiver, self.lab.socket(self.lab.here, V4, UDP) as sender:
            def arrive():
                send_numbers(sender, (THERE[V4], port), range(COUNT))
                found = gather_numbers(receiver, COUNT)
                self.assertEqual(sorted(n for numbers in found.values() for n in numbers), list(range(COUNT)))

            yield arrive

    def assert_counted(self, counters, suppressed):
        """All that was not passed was suppressed."""
        hits = {name: counters[name] for name in HITS}
        self.assertEqual(hits, dict.fromkeys(HITS, 0))
        self.assertIsNone(counters["first_hit_ns"])
        self.assertEqual(counters["suppressed"], suppressed)
        self.assertEqual(counters["matched"], counters["passed"] + suppressed)

    def assert_file_kept(self):
        with open(self.file, encoding="ascii") as f:
            self.assertEqual(f.read(), "before")

    def test_counts_and_touches_nothing(self):
        """Neither the packets nor what other steps, expectations, objectives and checks are about."""
        before = self.lab.state()
        with self.numbers(PORT) as arrive:
            run = self.rehearse(self.scenario(
                FAULT, self.change,
                {"name": "lost", "with": "cut", "expect": {"counter": "dropped", "step": "cut", "above": 0, "within": "1s"}},
                slo=[{"recovery_max": "1ms"}], abort=[{"file": self.file}], preflight=[{"file": "/no/such/file"}]))
            run.opened()
            arrive()
        self.assertEqual(run.stop(), 130)
        self.assert_counted(run.counters(), COUNT)
        self.assertEqual([step["name"] for step in run.document("plan.json")["steps"]], ["cut"])
        self.assert_file_kept()
        self.assert_untouched(before)

    def test_every_verdict(self):
        """Each fault is the only one that its packets meet."""
        faults = ({"drop": True}, {"loss": "50%"}, {"refuse": "icmp-port"}, {"delay": "30s"}, {"corrupt": "100%"}, {"dns": "timeout"})
        targets = {f"t{i}": {"proto": "udp", "remote_port": PORT + i} for i in range(len(faults))}
        targets["tcp"] = {"proto": "tcp", "remote_port": PORT}
        steps = [dict(FAULT, name=t, target=t, fault=f) for t, f in zip(targets, (*faults, {"reset": "both"}))]
        listener = self.lab.listen(self.lab.there, V4, PORT)
        pair, = self.lab.connect(listener)
        run = self.rehearse(self.scenario(*steps, targets=targets))
        run.opened(len(steps))
        for i in range(len(faults)):
            with self.numbers(PORT + i) as arrive:
                arrive()
        self.assert_echo(*pair)
        self.assert_echo(*self.lab.connect(listener)[0])
        self.assertEqual(run.stop(), 130)
        for event in run.events("fault.close"):
            with self.subTest(event["step"]):
                counters = event["data"]
                self.assert_counted(counters, counters["matched"] - counters["passed"])
                self.assertGreater(counters["suppressed"], 0)
                if event["step"] != "tcp":
                    self.assertEqual(counters["matched"], COUNT)
        self.assertEqual(run.events("flow.hit"), [])
        done = self.lab.call("verify", run.out)
        self.assertEqual(done.status, 0, done.stdout + done.stderr)

    def test_phase(self):
        """A phase that is a shadow is a rehearsal, too."""
        with self.numbers(PORT) as arrive:
            run = self.lab.run(self.scenario(FAULT, baseline="0s", phases=[{"name": "p", "for": HOLD, "shadow": True}]))
            run.opened()
            arrive()
        self.assertEqual(run.stop(), 130)
        self.assert_counted(run.counters(), COUNT)

    def test_end(self):
        run = self.rehearse(self.scenario(dict(FAULT, **{"for": "50ms"})))
        self.assert_ended(run, 0)
        self.assertEqual(len(run.events("fault.close")), 1)

    def test_nothing_to_rehearse(self):
        """No success: nothing was rehearsed, and nothing is touched."""
        before = self.lab.state()
        for steps in ((self.change,), (self.change, dict(FAULT, enabled=False))):
            for words in ((), ("--json",)):
                with self.subTest(f"{len(steps)} steps {words}"):
                    run = self.rehearse(self.scenario(*steps), *words)
                    self.assert_ended(run, 2)
                    self.assertEqual(run.stdout, "")
                    self.assertEqual(run.stderr, os.path.join(self.lab.folder, "scenario.yaml") +
                                     ": nothing to rehearse: no step that is on has a fault\n")
                    self.assertFalse(os.path.exists(run.out))
                    self.assert_file_kept()
        self.assert_untouched(before)


if __name__ == "__main__":
    unittest.main()
