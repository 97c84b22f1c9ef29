# SPDX-License-Identifier: BSD-2-Clause
"""The disk is full while a fault is at work: the fault ends, and what was written is still evidence."""
import os
import re
import unittest

from datagrams import send_numbers
from lab import DEVICE, HERE, HOLD, THERE, UDP, V4, LabTest, libc, mount, wait_until

PORT = 4000
DETACH = 2


class FullDisk(LabTest):
    def disk(self, size):
        path = os.path.join(self.lab.folder, "disk")
        os.mkdir(path)
        mount("tmpfs", path, f"size={size}")
        self.addCleanup(libc.umount2, path.encode(), DETACH)
        return path

    def scenario(self, **more):
        return {"version": 1, "name": "full", "interface": DEVICE, "seed": 5,
                "targets": {"t": {"proto": "udp", "remote_port": PORT}},
                "steps": [{"name": "thin", "at": "0s", "fault": {"loss": "50%"}, "target": "t", "for": HOLD}], **more}

    def fill(self, size, **more):
        """A run that loses packets until its file system is full."""
        lab = self.lab
        before = lab.state()
        run = lab.run(self.scenario(**more), out=os.path.join(self.disk(size), "run"))
        run.opened()
        ports = iter(range(10000, 60000))

        def ended():
            for port in (next(ports) for _ in range(20)):
                s = lab.here.socket(V4, UDP)
                s.bind((HERE[V4], port))
                send_numbers(s, (THERE[V4], PORT), range(10))
                s.close()
            return not run.running()

        wait_until(ended, "the disk is full")
        self.assert_ended(run, 5)
        self.assertIn("No space left on device", run.stderr)
        self.assert_untouched(before)
        return run

    def assert_faults_ended(self):
        """All of a hundred packets pass; of those that are still lost, half would be missing."""
        receiver = self.lab.socket(self.lab.there, V4, UDP, PORT)
        send_numbers(self.lab.socket(self.lab.here, V4, UDP), (THERE[V4], PORT), range(100))
        for _ in range(100):
            receiver.recv(100)

    def check_evidence(self, run):
        """Whole lines, chained, of which the seed gives what they tell; and what is missing is said."""
        with open(run.path("events.jsonl"), "rb") as f:
            data = f.read()
        self.assertTrue(data.endswith(b"\n"))
        done = self.lab.call("verify", run.out)
        self.assertEqual(done.status, 1, done.stderr)
        found = dict(re.findall(r"^[A-Z]+ ([a-z]+): (.*)$", done.stdout, re.M))
        bad = set(re.findall(r"^FAIL ([a-z]+):", done.stdout, re.M))
        self.assertIn("end", bad, done.stdout)
        self.assertLessEqual(bad, {"end", "windows"}, done.stdout)
        self.assertEqual(found["end"], "the log has no run.end: the run was not ended in order")
        self.assertTrue(found["chain"].startswith(f"{data.count(bytes([10]))} lines, "), found)
        return found

    def test_flows(self):
        run = self.fill("64k")
        self.assert_faults_ended()
        self.check_evidence(run)
        report = self.lab.call("report", run.out)
        self.assertEqual(report.status, 5, report.stderr)
        self.assertIn("INCOMPLETE", report.stdout.splitlines()[0])

    def test_packets(self):
        run = self.fill("256k", evidence="packets")
        self.assert_faults_ended()
        found = self.check_evidence(run)
        packets = len(run.events("packet"))
        self.assertGreater(packets, 0)
        self.assertEqual(found["lots"], f"{packets} packets are as the seed draws them")


if __name__ == "__main__":
    unittest.main()
