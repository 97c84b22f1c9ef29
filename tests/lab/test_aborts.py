# SPDX-License-Identifier: BSD-2-Clause
"""The conditions of `abort`, end to end: each ends a run for its reason, and takes every fault back; none does without one."""
import contextlib
import http.server
import json
import os
import socketserver
import threading
import unittest

from again import Again
from lab import DEVICE, HERE, HOLD, THERE, V4, LabTest
from traffic import Beside

PORT, QUERY_PORT = 4000, 9090
MS = 10 ** 6


class Answers(http.server.BaseHTTPRequestHandler):
    """Prometheus' HTTP API, as far as an instant query needs it."""

    def do_GET(self):
        value = self.server.value
        result = [] if value is None else [{"metric": {"job": "mm"}, "value": [1795308575.1, str(value)]}]
        body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.server.asked.release()

    def log_message(self, *_):
        pass


class Storm(Beside):
    """A client that connects again and again."""

    def __init__(self, lab, listener):
        super().__init__()
        self.lab, self.listener = lab, listener

    def run(self):
        self.listener.setblocking(False)
        while not self.halt:
            self.lab.try_connect(self.lab.here, V4, PORT)
            with contextlib.suppress(BlockingIOError):
                while True:
                    self.listener.accept()[0].close()


class AbortTest(Again, LabTest):
    def setUp(self):
        super().setUp()
        self.listener = self.lab.listen(self.lab.there, V4, PORT)
        self.before = self.lab.state()

    def drill(self, abort, fault=None, hold=HOLD, steps=None, every="20ms", **more):
        return self.lab.run({
            "version": 1, "name": "abort", "seed": 7, "interface": DEVICE,
            "targets": {"front": {"proto": "tcp", "remote": THERE[V4], "remote_port": PORT}},
            "probes": {"api": {"tcp": f"{THERE[V4]}:{PORT}", "every": every, "timeout": "2s"}},
            "baseline": "400ms", "recovery": "60s",
            "steps": steps or [{"name": "cut", "at": "0s", "fault": fault or {"drop": True}, "target": "front",
                                "for": hold}],
            "abort": abort if isinstance(abort, list) else [abort], **more})

    def check(self, run, condition, kind, reason):
        """It has ended for that reason, its fault with it; the event's data."""
        self.assert_ended(run, 4)
        event, = run.events("abort")
        data = event["data"]
        self.assertRegex(data["reason"], reason)
        self.assertEqual((data["kind"], data["condition"]), (kind, condition))
        self.assertLessEqual(data["since_ns"], event["mono_ns"])
        self.assertTrue(all(close["data"]["cut"] for close in run.events("fault.close")
                            if close["data"]["closes_ns"] > event["mono_ns"]))
        end = run.events("run.end")[0]["data"]
        self.assertEqual((end["outcome"], end["reason"]), ("aborted", data["reason"]))
        self.assertIn(data["reason"], run.stderr + run.stdout)
        self.assert_untouched(self.before)
        return data


class Conditions(AbortTest):
    def test_probe(self):
        condition = {"probe": "api", "unhealthy_for": "300ms"}
        run = self.drill(condition, {"refuse": "tcp-reset"})
        data = self.check(run, condition, "probe", "^the probe api has been unhealthy for ")
        self.assertEqual(data["since_ns"], run.events("probe.down")[0]["mono_ns"])
        self.assertGreaterEqual(run.events("abort")[0]["mono_ns"] - data["since_ns"], 300 * MS)

    def test_file(self):
        condition = {"file": "STOP.TXT"}
        run = self.drill(condition)
        run.opened()
        with open(os.path.join(self.lab.folder, "STOP.TXT"), "w", encoding="ascii"):
            pass
        self.check(run, condition, "file", r"^the file STOP\.TXT is there$")
        self.assertEqual(len(run.events("fault.open")), 1)

    def test_file_before(self):
        """Nothing is opened if it is there from the start."""
        with open(os.path.join(self.lab.folder, "STOP.TXT"), "w", encoding="ascii"):
            pass
        run = self.drill({"file": "STOP.TXT"})
        self.check(run, {"file": "STOP.TXT"}, "file", "STOP")
        self.assertEqual(run.events("fault.open"), [])

    def test_latency(self):
        condition = {"probe_p95": "100ms", "probe": "api", "for": "200ms"}
        run = self.drill(condition, {"delay": "150ms"})
        data = self.check(run, condition, "slo", "^probe_p95 of api so far is .*, the limit 100ms$")
        opened = run.events("fault.open")[0]["mono_ns"]
        slow = [e["data"]["latency_ns"] for e in run.events("probe.up", "probe.down") if e["mono_ns"] >= opened]
        self.assertIn(data["value"], slow)

    def test_latency_of_baseline(self):
        condition = {"probe_p99": "baseline +900%"}
        run = self.drill(condition, {"delay": "1500ms"}, every="10ms")
        self.check(run, condition, "slo", "^probe_p99 of api so far is .*, the limit ")

    def test_availability(self):
        condition = {"availability": "90%", "step": "cut"}
        run = self.drill(condition, {"refuse": "tcp-reset"})
        data = self.check(run, condition, "slo", "^availability by api so far is 0 %, the least allowed 90 %$")
        self.assertEqual(data["value"], 0)

    def test_recovery(self):
        """Nobody listens any more: the service is not back when the fault is over."""
        condition = {"recovery_max": "300ms", "step": "cut"}
        steps = [{"name": "cut", "at": "0s", "fault": {"refuse": "tcp-reset"}, "target": "front", "for": "500ms"},
                 {"name": "later", "at": "60s", "fault": {"drop": True}, "target": "front", "for": "1s"}]
        run = self.drill(condition, steps=steps)
        run.opened()
        self.listener.close()
        data = self.check(run, condition, "slo", "^no recovery from cut #1 by api after .*, the limit 300ms$")
        self.in_time(len(run.events("fault.open")) == 1, "the listener's end")
        self.assertEqual(data["since_ns"], run.events("fault.close")[0]["data"]["closes_ns"] + 300 * MS)

    def test_attempts(self):
        storm = Storm(self.lab, self.listener)
        condition = {"attempts_per_s": 5, "target": "front"}
        run = self.drill(condition, {"refuse": "tcp-reset"})
        run.opened()
        storm.start()
        self.addCleanup(storm.join)
        self.addCleanup(setattr, storm, "halt", True)
        data = self.check(run, condition, "slo", r"^\d+ attempts to front in a second, the limit 5$")
        self.assertGreater(data["value"], 5)

    def test_none(self):
        """All of them at once, and nothing to abort for."""
        conditions = [{"probe": "api", "unhealthy_for": "60s"}, {"file": "STOP.TXT"}, {"probe_p95": "60s"},
                      {"probe_p99": "60s", "for": "10s"}, {"availability": "0.001%"}, {"recovery_max": "60s"},
                      {"attempts_per_s": 100000}]
        run = self.drill(conditions, {"delay": "5ms"}, "300ms")
        self.assert_ended(run, 0)
        self.assertEqual(run.events("abort"), [])


class Queries(AbortTest):
    CONDITION = {"prometheus": f"http://{HERE[V4]}:{QUERY_PORT}", "query": "deadline_misses", "above": 0.02,
                 "every": "50ms", "for": "200ms"}

    def serve(self, value):
        listener = self.lab.listen(self.lab.here, V4, QUERY_PORT)
        server = socketserver.ThreadingTCPServer((HERE[V4], QUERY_PORT), Answers, bind_and_activate=False)
        server.daemon_threads = True
        server.socket.close()
        server.socket = listener
        server.value, server.asked = value, threading.Semaphore(0)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        return server

    def asked(self, server, count):
        """It has answered so often from here on."""
        while server.asked.acquire(blocking=False):
            pass
        for _ in range(count):
            self.assertTrue(server.asked.acquire(timeout=60))

    def test_query(self):
        """Below the threshold, without a result, and above it."""
        server = self.serve(0.02)
        run = self.drill(self.CONDITION)
        run.opened()
        self.asked(server, 10)
        server.value = None
        self.asked(server, 10)
        self.assertTrue(run.running(), run.stderr)
        run.wait_event("abort.watch")
        server.value = 0.05
        data = self.check(run, self.CONDITION, "prometheus",
                          "^a query has been 0.05 for .* or longer: deadline_misses$")
        self.assertEqual(data["value"], 0.05)
        self.assertEqual([e["data"]["answered"] for e in run.events("abort.watch")], [False, True])

    def test_no_answer(self):
        """Nobody answers: that is told, and no reason to abort."""
        run = self.drill({**self.CONDITION, "for": "50ms"}, {"refuse": "tcp-reset"}, "500ms")
        self.assert_ended(run, 0)
        told, = run.events("abort.watch")
        self.assertEqual((told["data"]["answered"], told["data"]["error"]), (False, "refused"))
        self.assertEqual(told["data"]["condition"], {**self.CONDITION, "for": "50ms"})


if __name__ == "__main__":
    unittest.main()
