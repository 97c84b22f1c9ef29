# SPDX-License-Identifier: BSD-2-Clause
"""The pack arbees in its lab: a scenario that stops a real Redis and starts it again, and an orchestrator without back-off, which the
drill must find out by the packets."""
import glob
import json
import os
import runpy
import unittest
from unittest import mock

from packs import PackTest

LAB = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../scenarios/arbees/lab/run")


class Arbees(PackTest):
    PACK = "arbees"
    DRILLS = {"good": (["--only", "01-redis-restart"], 0),
              "hammering": (["--misbehave", "no-backoff"], 1, "FAIL  backoff")}

    def events(self, name, *kinds):
        path, = glob.glob(os.path.join(self.out(name), "**", "events.jsonl"), recursive=True)
        with open(path, encoding="utf-8") as f:
            return [event for event in map(json.loads, f) if event["type"] in kinds]

    def test_redis_restart(self):
        self.check("good")
        passed = {event["step"] for event in self.events("good", "expect.pass")}
        self.assertLessEqual({"orchestrator notices", "shard_02 reconnects", "heartbeats flow again", "no service ends"}, passed)
        self.assertEqual(self.events("good", "expect.fail"), [])
        undone, = self.events("good", "step.undo")
        self.assertEqual((undone["step"], undone["data"]["kind"], undone["data"]["result"]), ("redis stops", "exec", "taken back"))

    def test_hammering(self):
        self.check("hammering")
        path, = glob.glob(os.path.join(self.out("hammering"), "*", "results.json"))
        with open(path, encoding="utf-8") as f:
            missed = {slo["key"] for slo in json.load(f)["slo"] if not slo["pass"]}
        self.assertEqual(missed, {"attempts_per_s", "backoff"})


class Times(unittest.TestCase):
    """Of the stand-ins: shortened with the drill, Arbees' own with --full."""

    ALWAYS = {"--redis", "--database", "--db-timeout", "--games", "--alerts"}

    def options(self, full):
        """On the stand-ins' command lines."""
        kind, world = runpy.run_path(LAB)["ArbeesLab"], mock.MagicMock()
        fakes = {name: mock.Mock() for name in ("write_file", "redis", "postgres", "wait_until")}
        with mock.patch.dict(kind.build.__globals__, fakes), mock.patch.object(kind, "make_database"):
            kind(world, None, full).build()
        calls = world.host.return_value.python.call_args_list
        self.assertEqual(len(calls), 5)
        return {word for call in calls for word in map(str, call.args) if word.startswith("--")}

    def test_full(self):
        self.assertEqual(self.options(True), self.ALWAYS)

    def test_shortened(self):
        self.assertEqual(self.options(False), self.ALWAYS | {"--heartbeat", "--timeout", "--monitor", "--db-interval", "--rate-limit",
                                                             "--update", "--max-failures", "--pause"})


if __name__ == "__main__":
    unittest.main()
