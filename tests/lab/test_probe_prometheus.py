# SPDX-License-Identifier: BSD-2-Clause
"""Prometheus probes: a real Prometheus on the other side, which scrapes what the test says, and is asked by PromQL."""
import ctypes
import http.server
import os
import shutil
import signal
import subprocess
import threading
import unittest

from again import Again
from lab import DEVICE, HOLD, THERE, V4, V6, LabTest, wait_until

PORT, METRICS = 9090, 9100
PR_SET_PDEATHSIG = 1


class Exporter(http.server.BaseHTTPRequestHandler):
    text = ""

    def do_GET(self):  # pylint: disable=invalid-name
        body = self.text.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


@unittest.skipUnless(shutil.which("prometheus"), "needs prometheus")
class PrometheusTest(Again, LabTest):
    def setUp(self):
        super().setUp()
        self.export({"api": 0.01, "web": 0.015})
        with self.lab.there:
            server = http.server.ThreadingHTTPServer((THERE[V4], METRICS), Exporter)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.start_prometheus()

    @staticmethod
    def export(misses):
        Exporter.text = "".join(f'misses{{job="{job}"}} {value}\n' for job, value in misses.items())

    def start_prometheus(self):
        config = self.lab.write({"global": {"scrape_interval": "100ms", "scrape_timeout": "100ms"},
                                 "scrape_configs": [{"job_name": "lab", "honor_labels": True,
                                                     "static_configs": [{"targets": [f"{THERE[V4]}:{METRICS}"]}]}]}, "prometheus.yml")

        def die_with_parent():
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

        with self.lab.there, open(os.path.join(self.lab.folder, "prometheus.log"), "wb") as log:
            process = subprocess.Popen(["prometheus", f"--config.file={config}",
                                        f"--storage.tsdb.path={os.path.join(self.lab.folder, 'prometheus')}",
                                        f"--web.listen-address=[::]:{PORT}", f"--web.external-url=http://{THERE[V4]}:{PORT}/prom"],
                                       stdout=log, stderr=log, preexec_fn=die_with_parent)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

    def start(self, **probes):
        for probe in probes.values():
            probe.setdefault("prometheus", f"http://{THERE[V4]}:{PORT}/prom/")
            probe.update(every="50ms", timeout="60s")
        return self.lab.run({"version": 1, "name": "asked", "seed": 7, "interface": DEVICE, "baseline": HOLD,
                             "targets": {"other": {"proto": "tcp", "remote": [THERE[V4], THERE[V6]], "remote_port": PORT}},
                             "probes": probes,
                             "steps": [{"name": "cut", "at": "0s", "fault": {"drop": True}, "target": "other", "for": "1s"}]})

    def wait_sample(self, run, probe, kind, **data):
        def look():
            running = run.running()
            found = [e for e in run.events(kind) if e["data"]["probe"] == probe
                     and all(e["data"].get(key) == value for key, value in data.items())]
            if not found:
                self.assertTrue(running, run.stderr)
            return found and found[-1]

        return wait_until(look, f"{kind} of {probe} with {data}")

    def test_comparison(self):
        run = self.start(misses={"query": "misses", "below": 0.02}, worst={"query": "scalar(max(misses))", "at_most": 0.015},
                         one={"query": 'misses{job="api"} * 100', "equals": 1, "prometheus": f"http://[{THERE[V6]}]:{PORT}/prom"})
        up = self.wait_sample(run, "misses", "probe.up", value=0.01)
        self.assertGreater(up["data"]["latency_ns"], 0)
        self.wait_sample(run, "worst", "probe.up", value=0.015)
        self.wait_sample(run, "one", "probe.up", value=1)
        self.export({"api": 0.01, "web": 0.5})
        down = self.wait_sample(run, "misses", "probe.down", value=0.5)
        self.assertEqual(down["data"]["error"], "the condition does not hold")
        self.assertIn('job="web"', down["data"]["detail"])
        self.assertTrue(down["data"]["detail"].endswith("(1 of 2 results)"), down)
        self.wait_sample(run, "worst", "probe.down", value=0.5)
        self.assertEqual(run.stop(), 130)
        self.assertEqual([e["type"] for e in run.events() if e["type"].startswith("conn.")], [])

    def test_no_answer(self):
        """What is no number, or no answer, has no value."""
        run = self.start(empty={"query": "nothing_of_that_name", "below": 1}, matrix={"query": "misses[1m]", "below": 1},
                         broken={"query": "misses{", "below": 1}, elsewhere={"query": "up", "below": 1, "prometheus":
                                                                            f"http://{THERE[V4]}:{METRICS}"},
                         nobody={"query": "up", "below": 1, "prometheus": f"http://{THERE[V4]}:1"})
        for probe, error in (("empty", "the query has no result"), ("matrix", "the query's result is no number"),
                             ("broken", "the query failed"), ("elsewhere", "no answer of Prometheus"), ("nobody", "refused")):
            down = self.wait_sample(run, probe, "probe.down", error=error)
            self.assertNotIn("value", down["data"])
        self.assertIn("parse error", self.wait_sample(run, "broken", "probe.down", error="the query failed")["data"]["detail"])
        self.assertEqual(run.stop(), 130)


if __name__ == "__main__":
    unittest.main()
