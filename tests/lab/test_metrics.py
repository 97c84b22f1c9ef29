# SPDX-License-Identifier: BSD-2-Clause
"""Metrics: what is served and what is written, checked by promtool, scraped by Prometheus, and equal to the evidence."""
import collections
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import unittest
import urllib.error
import urllib.parse
import urllib.request

from lab import DEVICE, HERE, HOLD, THERE, UDP, V4, V6, LabTest, wait_until

PORT, METRICS, PROMETHEUS = 4000, 9469, 9470
SAMPLE = re.compile(r'^(\w+)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
VERDICTS = ("passed", "suppressed", "delayed", "duplicated", "altered", "refused", "reset", "dropped")


def parse(text):
    """{(name, ((label, value), ...)): value}"""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = SAMPLE.match(line).groups()
        found[name, tuple(sorted(LABEL.findall(labels or "")))] = float(value)
    return found


def labelled(**labels):
    return tuple(sorted(labels.items()))


class MetricsTest(LabTest):
    def scenario(self, **more):
        return {"version": 1, "name": "counted", "interface": DEVICE, "vars": {"hold": "200ms"},
                "targets": {"front": {"proto": "udp", "remote": THERE[V4], "remote_port": PORT}},
                "probes": {"gateway": {"tcp": f"{THERE[V4]}:{PORT}", "every": "20ms", "timeout": "60s"}},
                "steps": [{"name": "cut", "at": "0s", "fault": {"loss": "50%"}, "target": "front", "for": "$(hold)",
                           "repeat": {"times": 2, "every": "500ms"}},
                          {"name": "healthy", "at": "0s", "expect": {"probe": "gateway", "equals": "healthy", "within": "60s"}}],
                "recovery": "60s", **more}

    def hold(self):
        """A window without an end of its own, and no probe."""
        step = {"name": "cut", "at": "0s", "fault": {"loss": "50%"}, "target": "front", "for": HOLD}
        document = self.scenario(steps=[step], recovery="0s")
        del document["probes"]
        return document

    def get(self, path="/metrics", port=METRICS, address="127.0.0.1", method="GET"):
        with self.lab.here:
            request = urllib.request.Request(f"http://{address}:{port}{path}", method=method)
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=120) as answer:
                return answer.status, answer.headers, answer.read().decode()

    def served(self):
        return parse(self.get()[2])

    def check_format(self, text):
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def written(self, path):
        with open(path, encoding="utf-8") as f:
            text = f.read()
        self.check_format(text)
        return parse(text)

    def check_run(self, metrics, run, name="counted"):
        """The last figures are those of the events."""
        of = {"scenario": name}
        packets = collections.Counter()
        for close in run.events("fault.close"):
            for verdict in VERDICTS:
                packets[close["step"], close["target"], verdict] += close["data"][verdict]
        for (step, target, verdict), count in packets.items():
            self.assertEqual(metrics["shearpin_packets_total", labelled(**of, step=step, target=target, verdict=verdict)],
                             count, verdict)
        windows = {(e["step"], e["instance"]) for e in run.events("fault.open")}
        cut = labelled(**of, step="cut")
        self.assertEqual(metrics["shearpin_injections_total", cut], len(windows))
        self.assertEqual(metrics["shearpin_windows_total", cut], len(windows))
        self.assertEqual(metrics["shearpin_window_open", cut], 0)
        samples = run.events("probe.up", "probe.down")
        gateway = labelled(**of, probe="gateway")
        self.assertEqual(metrics["shearpin_probe_latency_seconds_count", gateway], len(samples))
        self.assertAlmostEqual(metrics["shearpin_probe_latency_seconds_sum", gateway],
                               sum(e["data"]["latency_ns"] for e in samples) / 1e9, places=6)
        self.assertEqual(metrics["shearpin_probe_up", gateway], samples[-1]["type"] == "probe.up")
        recoveries = [p["recovery_ns"] for s in run.document("results.json")["steps"] for p in s["probes"]]
        recovery = labelled(**of, step="cut", probe="gateway")
        self.assertEqual(metrics["shearpin_recovery_seconds_count", recovery], len(recoveries))
        self.assertAlmostEqual(metrics["shearpin_recovery_seconds_sum", recovery], sum(recoveries) / 1e9, places=6)
        self.assertEqual(metrics["shearpin_expectations_total", labelled(**of, result="pass")],
                         len(run.events("expect.pass")))
        self.assertEqual(metrics["shearpin_runs_total", labelled(**of, outcome="pass")], 1)
        self.assertEqual(metrics["shearpin_run_active", labelled(**of)], 0)
        self.assertEqual(metrics["shearpin_ring_lost_total", labelled(**of)], 0)
        return packets

    def send_until_over(self, run):
        sender = self.lab.socket(self.lab.here, V4, UDP)
        self.lab.listen(self.lab.there, V4, PORT)

        def send():
            try:
                sender.sendto(b"tick", (THERE[V4], PORT))
            except OSError:
                pass
            return not run.running()

        wait_until(send, "the end of the run")


class File(MetricsTest):
    def test_equals_the_evidence(self):
        path = os.path.join(self.lab.folder, "shearpin.prom")
        run = self.lab.run(self.scenario(), "--metrics-file", path)
        self.send_until_over(run)
        self.assert_ended(run, 0)
        packets = self.check_run(self.written(path), run)
        self.assertGreater(packets["cut", "front", "dropped"], 0)
        self.assertEqual([n for n in os.listdir(self.lab.folder) if n.startswith("shearpin.prom")], ["shearpin.prom"])

    def test_written_while_it_runs(self):
        """Within the first seconds the window is open; the file is whole whenever it is read."""
        path = os.path.join(self.lab.folder, "shearpin.prom")
        run = self.lab.run(self.hold(), "--metrics-file", path)
        run.opened()
        cut = labelled(scenario="counted", step="cut")
        wait_until(lambda: self.written(path).get(("shearpin_window_open", cut)) == 1, "the open window")
        self.assertEqual(run.stop(), 130)
        last = self.written(path)
        self.assertEqual(last["shearpin_window_open", cut], 0)
        self.assertEqual(last["shearpin_runs_total", labelled(scenario="counted", outcome="interrupted")], 1)

    def test_no_place(self):
        path = os.path.join(self.lab.folder, "missing", "shearpin.prom")
        run = self.lab.run(self.scenario(), "--metrics-file", path)
        self.assert_ended(run, 3)
        self.assertIn(path, run.stderr)
        self.assertFalse(os.path.exists(run.out))


class Server(MetricsTest):
    def test_serves(self):
        run = self.lab.run(self.hold(), "--metrics", f"127.0.0.1:{METRICS}")
        run.opened()
        cut = labelled(scenario="counted", step="cut")
        wait_until(lambda: self.served().get(("shearpin_window_open", cut)) == 1, "the open window")
        status, headers, text = self.get()
        self.assertEqual((status, headers["Content-Type"]), (200, "text/plain; version=0.0.4; charset=utf-8"))
        self.check_format(text)
        self.assertEqual(parse(text)["shearpin_injections_total", cut], 1)
        self.assertEqual(parse(text)["shearpin_run_active", labelled(scenario="counted")], 1)
        self.assertEqual(self.get(method="HEAD")[2], "")
        for path, method, expected in (("/other", "GET", 404), ("/metrics", "POST", 405)):
            with self.assertRaises(urllib.error.HTTPError) as raised:
                self.get(path, method=method)
            self.assertEqual(raised.exception.code, expected)
        self.assertEqual(run.stop(), 130)

    def test_packets_are_counted_while_the_window_is_open(self):
        receiver = self.lab.socket(self.lab.there, V4, UDP, PORT)
        sender = self.lab.socket(self.lab.here, V4, UDP)
        run = self.lab.run(self.hold(), "--metrics", f"127.0.0.1:{METRICS}")
        run.opened()
        for _ in range(100):
            sender.sendto(b"tick", receiver.getsockname()[:2])

        def look():
            metrics = self.served()
            return 100 == sum(value for (name, labels), value in metrics.items() if name == "shearpin_packets_total")

        wait_until(look, "100 packets")
        self.assertEqual(run.stop(), 130)

    def test_addresses(self):
        run = self.lab.run(self.hold(), "--metrics", f":{METRICS}")
        run.opened()
        for address in ("127.0.0.1", "[::1]", HERE[V4], f"[{HERE[V6]}]"):
            self.assertEqual(self.get(address=address)[0], 200, address)
        self.assertEqual(run.stop(), 130)

    def test_bad_addresses(self):
        for address in ("9469", "localhost:9469", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "::1:9469", "[::1:9469", "1.2.3.4:9 "):
            with self.subTest(address):
                run = self.lab.run(self.scenario(), "--metrics", address)
                self.assert_ended(run, 2)
                self.assertFalse(os.path.exists(run.out))

    def test_port_in_use(self):
        with self.lab.here:
            taken = self.lab.keep(socket.create_server(("127.0.0.1", METRICS)))
        before = self.lab.state()
        run = self.lab.run(self.scenario(), "--metrics", f"127.0.0.1:{METRICS}")
        self.assert_ended(run, 3)
        self.assertIn("Address already in use", run.stderr)
        self.assertFalse(os.path.exists(run.out))
        self.assert_untouched(before)
        taken.close()

    def test_suite(self):
        """One endpoint, and one file, for all of its scenarios."""
        folder = os.path.join(self.lab.folder, "drills")
        os.mkdir(folder)
        self.lab.write(self.scenario(name="first"), "drills/a.yaml")
        self.lab.write(self.hold() | {"name": "second"}, "drills/b.yaml")
        path, out = os.path.join(self.lab.folder, "shearpin.prom"), self.lab.new_out()
        self.lab.listen(self.lab.there, V4, PORT)
        run = self.lab.start("run", folder, "--gap", "0s", "--out", out, "--metrics", f"127.0.0.1:{METRICS}",
                             "--metrics-file", path, out=out)
        run.out = os.path.join(out, "02-second")
        run.opened()
        metrics = self.served()
        self.assertEqual(metrics["shearpin_runs_total", labelled(scenario="first", outcome="pass")], 1)
        self.assertEqual(metrics["shearpin_run_active", labelled(scenario="second")], 1)
        self.assertEqual(run.stop(), 130)
        run.out = os.path.join(out, "01-first")
        metrics = self.written(path)
        self.check_run(metrics, run, "first")
        self.assertEqual(metrics["shearpin_runs_total", labelled(scenario="second", outcome="interrupted")], 1)


@unittest.skipUnless(shutil.which("prometheus"), "needs prometheus")
class Scraped(MetricsTest):
    """By a Prometheus in the same namespace."""

    def start_prometheus(self):
        config = self.lab.write({"global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"},
                                 "scrape_configs": [{"job_name": "shearpin",
                                                     "static_configs": [{"targets": [f"127.0.0.1:{METRICS}"]}]}]},
                                "prometheus.yml")
        folder = os.path.join(self.lab.folder, "prometheus")

        def die_with_parent():
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)

        with self.lab.here, open(os.path.join(self.lab.folder, "prometheus.log"), "wb") as log:
            process = subprocess.Popen(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}",
                                        f"--web.listen-address=127.0.0.1:{PROMETHEUS}"],
                                       stdout=log, stderr=log, preexec_fn=die_with_parent)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

    def query(self, text):
        """[({label: value}, value)]; None: it doesn't answer yet."""
        try:
            answer = json.loads(self.get(f"/api/v1/query?query={urllib.parse.quote(text)}", PROMETHEUS)[2])
        except OSError:
            return None
        return [(r["metric"], float(r["value"][1])) for r in answer["data"]["result"]]

    def test_scraped(self):
        self.start_prometheus()
        step = {"name": "cut", "at": "0s", "fault": {"drop": True}, "target": "front", "for": HOLD}
        self.lab.listen(self.lab.there, V4, PORT)
        run = self.lab.run(self.scenario(steps=[step]), "--metrics", f"127.0.0.1:{METRICS}")
        run.opened()

        def look():
            found = self.query('shearpin_window_open{scenario="counted"}')
            return found and found[0][1] == 1 and found

        (labels, _), = wait_until(look, "the open window")
        self.assertEqual((labels["step"], labels["job"]), ("cut", "shearpin"))
        wait_until(lambda: self.query('histogram_quantile(0.95, sum by (le) (shearpin_probe_latency_seconds_bucket))'),
                   "a percentile of the latency")
        (_, injections), = self.query("shearpin_injections_total")
        self.assertEqual(injections, 1)
        self.assertEqual(run.stop(), 130)


if __name__ == "__main__":
    unittest.main()
