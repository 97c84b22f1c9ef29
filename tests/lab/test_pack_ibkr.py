# SPDX-License-Identifier: BSD-2-Clause
"""The pack ibkr in its lab: a drill that passes, with its scorecard, and a system that sends orders twice."""
import os
import subprocess
import unittest

from packs import PackTest, read

ORDERS = ["--only", "24-*", "--set", "hold=1s"]


def missing_module():
    """What the stand-ins need; with either python3 that a lab takes."""
    return all(subprocess.run([python, "-c", "import redis.asyncio"], capture_output=True, check=False, cwd="/").returncode
               for python in ("python3", "/usr/bin/python3"))


@unittest.skipIf(missing_module(), "needs python3-redis")
class Ibkr(PackTest):
    PACK = "ibkr"
    DRILLS = {"good": (ORDERS, 0, "PASS  no order is lost or comes twice"),
              "twice": (["--misbehave", "duplicate-orders", *ORDERS], 1, "FAIL  no order is lost or comes twice")}

    def test_good(self):
        self.check("good")
        card = read(os.path.join(self.out("good"), "scorecard.txt"))
        self.assertIn("ibkr-orders answers are lost:\n  Status: \u2713 PASS\n", card)
        self.assertIn("  Data Loss: 0\n  Order Violations: 0\n", card)
        self.assertIn("OVERALL: 1 passed, 0 failed\nSuccess Rate: 100%\n", card)

    def test_orders_come_twice(self):
        self.check("twice")
        card = read(os.path.join(self.out("twice"), "scorecard.txt"))
        self.assertIn("  Status: \u2717 FAIL\n", card)
        self.assertRegex(card, r"Order Violations: [1-9]")
        self.assertIn("OVERALL: 0 passed, 1 failed\nSuccess Rate: 0%\n", card)


if __name__ == "__main__":
    unittest.main()
