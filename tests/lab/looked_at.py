# SPDX-License-Identifier: BSD-2-Clause
"""A drill whose probes look at what the test changes: the test goes on once it is told of what it did."""
import os

from lab import DEVICE, HOLD, THERE, V4, Ended, LabTest, wait_until

PORT = 4000


class LookedAt(LabTest):
    def path(self, name):
        return os.path.join(self.lab.folder, name)

    def put(self, name, text):
        """In one go, as a careful writer does."""
        with open(self.path("new"), "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(self.path("new"), self.path(name))

    def scenario(self, probes, hold=HOLD, **more):
        """Paths are relative to the working directory, which is the lab's folder. The fault touches nobody."""
        return {
            "version": 1, "name": "looked-at", "seed": 7, "interface": DEVICE,
            "targets": {"front": {"proto": "tcp", "remote": THERE[V4], "remote_port": PORT}},
            "probes": {name: {"every": "20ms", **probe} for name, probe in probes.items()},
            "baseline": "0s", "recovery": HOLD,
            "steps": [{"name": "cut", "at": "0s", "fault": {"drop": True}, "target": "front", "for": hold}], **more}

    def drill(self, probes, *words, hold=HOLD, **more):
        return self.lab.run(self.scenario(probes, hold, **more), *words)

    def tells(self, run, probe, healthy, **data):
        """The first sample from now on that says so; data as it is in the event, None: it is not."""
        seen = len(run.events("probe.up", "probe.down"))

        def look():
            running = run.running()
            for event in run.events("probe.up", "probe.down")[seen:]:
                told = event["data"]
                if told["probe"] == probe and event["type"] == ("probe.up" if healthy else "probe.down") and \
                        all(told.get(k) == v for k, v in data.items()):
                    return event
            if not running:
                raise Ended(f"ended with {run.wait()}: {run.stderr}")
            return None

        return wait_until(look, f"{probe} is {'up' if healthy else 'down'}, {data}")

    def assert_stopped(self, run):
        self.assertEqual(run.stop(), 130, run.stderr)
