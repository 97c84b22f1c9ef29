# SPDX-License-Identifier: BSD-2-Clause
"""Probes of JSON documents and of files, whatever is done to them while a run looks."""
import datetime
import json
import os
import time
import unittest

from looked_at import LookedAt
from traffic import Beside

HOUR = 3600


def health(dor, stamp=None):
    """As the auto-heal runtime writes it."""
    return json.dumps({
        "timestamp": time.time() if stamp is None else stamp, "dor": dor, "failing_components": [] if dor else ["Feeder"],
        "probes": {"ws_stream": {"ok": dor, "details": {}, "error": "", "latency_ms": 3.5}},
        "summary": {"total_probes": 7, "passed_probes": 7 if dor else 6, "environment": "testnet"}})


class Replacing(Beside):
    """A writer that is careful, and in a hurry."""

    def __init__(self, test):
        super().__init__()
        self.test, self.count = test, 0

    def run(self):
        while not self.halt:
            self.test.put("health.json", health(True))
            self.count += 1
            time.sleep(0.0005)


class Json(LookedAt):
    DOR = {"json": "health.json", "where": ".dor", "equals": True}

    def test_values(self):
        self.put("health.json", health(True))
        run = self.drill({
            "dor": self.DOR,
            "latency": {"json": "health.json", "where": ".probes.ws_stream.latency_ms", "below": 10},
            "passed": {"json": "health.json", "where": '."summary".passed_probes', "at_least": 7},
            "where": {"json": "health.json", "where": ".summary.environment", "matches": "^(testnet|sim)$"},
            "feeder": {"json": "health.json", "where": ".failing_components", "equals": []},
            "any": {"json": "health.json"}})
        self.assertEqual(self.tells(run, "dor", True)["data"]["detail"], ".dor is true")
        event = self.tells(run, "latency", True, value=3.5)
        self.assertNotIn("latency_ns", event["data"])
        self.put("health.json", health(False))
        self.tells(run, "dor", False, error=".dor is false", value=None)
        self.tells(run, "passed", False, value=6)
        self.tells(run, "feeder", False, error='.failing_components is ["Feeder"]')
        self.tells(run, "where", True)
        self.tells(run, "any", True)
        self.put("health.json", "[1, 2]")
        self.tells(run, "dor", False, error=".dor is not there")
        self.tells(run, "any", True)
        self.assert_stopped(run)

    def test_files(self):
        """What can be in the way of a document is an unhealthy sample, and holds nothing up."""
        self.put("health.json", health(True))
        run = self.drill({"dor": self.DOR, "other": {"file": "scenario.yaml"}})
        self.tells(run, "dor", True)
        self.put("health.json", '{"dor": tr')
        event = self.tells(run, "dor", False, error="it is no JSON")
        self.assertIn("line 1, column 10", event["data"]["detail"])
        os.unlink(self.path("health.json"))
        self.tells(run, "dor", False, error="it is not there")
        os.mkfifo(self.path("health.json"))
        self.tells(run, "dor", False, error="it is no regular file")
        os.unlink(self.path("health.json"))
        os.mkdir(self.path("health.json"))
        self.tells(run, "dor", False, error="it is no regular file")
        os.rmdir(self.path("health.json"))
        with open(self.path("health.json"), "wb") as f:
            f.truncate(1 << 30)
        self.tells(run, "dor", False, error="it is larger than 1 MiB")
        self.put("health.json", health(True))
        self.tells(run, "dor", True, changed=True)
        self.tells(run, "other", True)
        self.assert_stopped(run)

    def test_replaced(self):
        """Between two documents there is no time without one."""
        self.put("health.json", health(True))
        with Replacing(self) as writer:
            run = self.drill({"dor": {**self.DOR, "fresh": "1h"}}, hold="1s")
            self.assert_ended(run, 0)
            self.assertGreater(writer.count, 20)
        self.assertEqual(run.events("probe.down"), [])
        self.assertGreater(len(run.events("probe.up")), 5)

    def test_age(self):
        """By the file's own time, and by what stands in it in any of the forms; the file is older than any of them."""
        probes = {"mtime": {**self.DOR, "fresh": "1h"},
                  "field": {**self.DOR, "fresh": "1h", "age_by": ".timestamp"}}
        self.put("health.json", health(True))
        run = self.drill(probes)
        self.tells(run, "mtime", True)
        self.tells(run, "field", True)
        now = time.time()
        old = datetime.datetime.fromtimestamp(now - 5 * HOUR, datetime.timezone.utc)
        for stamp in (now - 5 * HOUR, int(now - 5 * HOUR) * 1000, int(now - 5 * HOUR) * 10 ** 9, old.isoformat()):
            self.put("health.json", health(True))
            self.tells(run, "field", True)
            self.put("health.json", health(True, stamp))
            event = self.tells(run, "field", False, detail=".dor is true")
            self.assertRegex(event["data"]["error"], "^it is 5h.* old$")
        self.tells(run, "mtime", True)
        os.utime(self.path("health.json"), (now, now - 5 * HOUR))
        event = self.tells(run, "mtime", False)
        self.assertRegex(event["data"]["error"], "^it is 5h.* old$")
        self.put("health.json", health(True))
        self.tells(run, "field", True)
        self.put("health.json", health(True, now + 5 * HOUR))
        self.assertRegex(self.tells(run, "field", False)["data"]["error"], "^it is (4h59|5h).* ahead$")
        self.put("health.json", health(True, "today"))
        self.tells(run, "field", False, error=".timestamp is no time")
        self.assert_stopped(run)

    def test_recovery(self):
        """A drill to its end: what the document said is what was detected, and recovered from."""
        self.put("health.json", health(True))
        run = self.drill({"dor": self.DOR}, hold="1s", slo=[{"unrecovered": 0}])
        run.opened()
        self.put("health.json", health(False))
        down = self.tells(run, "dor", False)
        run.wait_event("fault.close")
        self.tells(run, "dor", False)
        self.put("health.json", health(True))
        self.assert_ended(run, 0)
        window = run.document("results.json")["steps"][0]
        probe = window["probes"][0]
        up = next(e for e in run.events("probe.up") if e["mono_ns"] >= window["closed_ns"])
        self.assertLessEqual(probe["detection_ns"], down["mono_ns"] - window["opened_ns"])
        self.assertEqual(probe["recovery_ns"], up["mono_ns"] - window["closed_ns"])

    def test_unhealthy_baseline(self):
        before = self.lab.state()
        self.put("health.json", health(False))
        run = self.drill({"dor": self.DOR}, baseline="50ms")
        self.assert_ended(run, 4)
        self.assertEqual(run.events("abort")[0]["data"]["reason"],
                         "the probe dor is not healthy at the end of the baseline: .dor is false")
        self.assertEqual(run.events("fault.open"), [])
        self.assert_untouched(before)


class File(LookedAt):
    def test_file(self):
        self.put("heartbeat", "status: ok\n")
        run = self.drill({"there": {"file": "heartbeat", "exists": True}, "stop": {"file": "STOP.TXT", "exists": False},
                          "fresh": {"file": "heartbeat", "fresh": "1h"},
                          "ok": {"file": "heartbeat", "contains": "^status: (ok|idle)$"}})
        for probe in ("there", "stop", "fresh", "ok"):
            event = self.tells(run, probe, True)
            self.assertNotIn("latency_ns", event["data"])
        self.put("STOP.TXT", "")
        self.tells(run, "stop", False, error="it is there")
        os.unlink(self.path("STOP.TXT"))
        self.tells(run, "stop", True, changed=True)
        self.put("heartbeat", "status: okay\n")
        self.tells(run, "ok", False, error="it does not contain what it should")
        os.utime(self.path("heartbeat"), (0, time.time() - 5 * HOUR))
        self.assertRegex(self.tells(run, "fresh", False)["data"]["error"], "^it is 5h.* old$")
        self.tells(run, "there", True)
        os.unlink(self.path("heartbeat"))
        for probe in ("there", "fresh", "ok"):
            self.tells(run, probe, False, error="it is not there")
        os.mkfifo(self.path("heartbeat"))
        self.tells(run, "there", True)
        self.tells(run, "ok", False, error="it is no regular file")
        self.put("heartbeat", "pid: 1\nstatus: idle\n")
        self.tells(run, "ok", True)
        self.tells(run, "fresh", True)
        self.assert_stopped(run)


if __name__ == "__main__":
    unittest.main()
