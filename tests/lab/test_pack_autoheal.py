# SPDX-License-Identifier: BSD-2-Clause
"""The pack autoheal in its lab: a feeder that is killed and comes back, and a trader that places an order ten times."""
import glob
import json
import os
import unittest

from packs import PackTest

BACK = {"health check names the feeder", "Auto-Heal restarts it", "feeder runs again", "market data are fresh", "DOR is true again",
        "Auto-Heal observes again"}


class Autoheal(PackTest):
    PACK = "autoheal"
    DRILLS = {"good": (["--only", "1-kill-feeder"], 0),
              "twice": (["--misbehave", "no-idempotency"], 1, "FAIL  never a second one")}

    def steps(self, name, kind):
        path, = glob.glob(os.path.join(self.out(name), "**", "events.jsonl"), recursive=True)
        with open(path, encoding="utf-8") as f:
            return {event["step"] for event in map(json.loads, f) if event["type"] == kind}

    def test_good(self):
        self.check("good")
        self.assertEqual(self.steps("good", "expect.pass"), BACK)
        self.assertEqual(self.steps("good", "expect.fail"), set())

    def test_no_idempotency(self):
        self.check("twice")
        self.assertEqual(self.steps("twice", "expect.fail"), {"ten signals to the module", "nine are blocked", "never a second one"})
        self.assertEqual(self.steps("twice", "expect.pass"), {"the order's signature is recorded", "one order is at the exchange"})


if __name__ == "__main__":
    unittest.main()
