# SPDX-License-Identifier: BSD-2-Clause
"""The pack mm-bot in its lab: a scenario that passes, with the artifacts that the runbook's readers take, and a bot that the drill must
find out."""
import asyncio
import glob
import json
import os
import shutil
import sys
import time
import unittest
from unittest import mock

from packs import PackTest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../scenarios/mm-bot/lab"))
import clock  # noqa: E402
import lookups  # noqa: E402

NEEDED = ("prometheus", "nginx", "dnsmasq", "curl")


class MmBot(PackTest):
    PACK = "mm-bot"
    DRILLS = {"good": (["--only", "02-exch-429"], 0),
              "blind": (["--misbehave", "no-reconcile"], 1, "FAIL  it reconciles")}

    @classmethod
    def setUpClass(cls):
        missing = [name for name in NEEDED if not shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")]
        if missing:
            raise unittest.SkipTest(f"needs {', '.join(missing)}")
        super().setUpClass()

    def document(self, name, path):
        with open(os.path.join(self.out(name), path), encoding="utf-8") as f:
            return json.load(f)

    def events(self, name, *kinds):
        path, = glob.glob(os.path.join(self.out(name), "*", "events.jsonl"))
        with open(path, encoding="utf-8") as f:
            return [event for event in map(json.loads, f) if event["type"] in kinds]

    def test_good(self):
        self.check("good")
        self.assertEqual({event["step"] for event in self.events("good", "expect.pass")},
                         {"it quotes", "it quotes again", "it was hit", "it backs off", "no storm of requests"})
        self.assertEqual(self.events("good", "expect.fail"), [])

    def test_artifacts(self):
        self.check("good")
        run = self.document("good", "mm-bot/runs/1.json")
        self.assertEqual((run["scenario"], run["intensity"], run["result"]), ("exch_429", 0.6, "pass"))
        self.assertEqual(run["metrics"]["deadline_miss_pct"], 0)
        self.assertGreater(run["metrics"]["p95_tick_ms"], 0)
        self.assertEqual(self.document("good", "mm-bot/findings.json")["total_findings"], 0)

    def test_mismatch_that_nobody_finds(self):
        self.check("blind")
        self.assertEqual({event["step"] for event in self.events("blind", "expect.fail")}, {"it reconciles"})
        findings = self.document("blind", "mm-bot/findings.json")
        self.assertIn("high", [finding["severity"] for finding in findings["findings"]])


class Clock(unittest.TestCase):
    """Of the stand-ins, whose host's one moves in 08 with `own_clock=true`: the exchange's does not move with it."""

    AHEAD_NS, MOVED_NS = 1_795_308_575 * 10**9, 80_000_000

    def offset(self):
        """Seconds by which the bot finds the exchange's clock ahead, and the time on the way."""
        server, transport = clock.TimeServer(), mock.Mock()
        server.connection_made(transport)

        async def ask(_, __, question, ___):
            server.datagram_received(question(), None)
            return transport.sendto.call_args.args[0], time.time_ns()

        with mock.patch("lookups.ask", ask):
            return asyncio.run(lookups.clock_offset("", 0))

    def test_the_host_clock_moves(self):
        for moved_ns in (0, self.MOVED_NS, -self.MOVED_NS):
            with self.subTest(moved_ns), mock.patch("clock.AHEAD_NS", self.AHEAD_NS), \
                    mock.patch("time.time_ns", lambda by=moved_ns: self.AHEAD_NS + time.monotonic_ns() + by):
                offset, way = self.offset()
                self.assertLessEqual(abs(offset + moved_ns / 1e9), way / 2 + 1e-6)  # RFC 4330, section 5


if __name__ == "__main__":
    unittest.main()
