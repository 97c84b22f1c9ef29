# SPDX-License-Identifier: BSD-2-Clause
"""The evidence: whole, in order, chained, and equal to what the sockets saw to the packet. And the budgets."""
import collections
import hashlib
import json
import os
import unittest

from again import Again
from datagrams import drain, gather_numbers, make_room, send_numbers
from lab import DEVICE, HERE, HOLD, THERE, UDP, V4, V6, LabTest, wait_until

PORT, NEXT_PORT = 4000, 4001
PARTS = ("passed", "dropped", "reset", "refused", "delayed", "duplicated", "altered", "suppressed")
COUNTERS = ("matched", *PARTS, "bytes", "flows", "untracked", "failed", "idle_reset")
PARAMETERS = ["duration_sec", "target_ip", "ports", "disconnect_mode", "iface", "delay_ms", "jitter_ms", "loss_percent"]
UDP_HEADERS = {V4: 28, V6: 48}


class EvidenceTest(Again, LabTest):
    def check_log(self, run):
        """Whole lines, no gap, in the order of time, each chained to the one before."""
        with open(run.path("events.jsonl"), "rb") as f:
            data = f.read()
        self.assertTrue(data.endswith(b"\n"))
        previous, last, offset = "0" * 64, 0, set()
        for seq, line in enumerate(data.splitlines(), 1):
            event = json.loads(line)
            keys = [k for k in event if k != "late"]
            order = ["seq", "ts_ns", "mono_ns", "type", "step", "instance", "target", "flow", "data", "prev"]
            self.assertEqual(keys, [k for k in order if k in keys])
            self.assertEqual(event["seq"], seq)
            self.assertEqual(event["prev"], previous)
            previous = hashlib.sha256(line).hexdigest()
            if event["type"] == "clock":
                offset.add(event["data"]["offset_ns"])
            if not event.get("late"):
                self.assertGreaterEqual(event["mono_ns"], last)
                last = event["mono_ns"]
        events = run.events()
        self.assertEqual((events[0]["type"], events[-1]["type"]), ("run.start", "run.end"))
        for event in events:
            if event["seq"] > 2:
                self.assertIn(event["ts_ns"] - event["mono_ns"], offset)

    def check_balance(self, run):
        for close in run.events("fault.close"):
            data = close["data"]
            self.assertEqual(data["matched"], sum(data[part] for part in PARTS))
            if data["first_hit_ns"] is not None:
                self.assertGreaterEqual(data["first_hit_ns"], data["opens_ns"])
                self.assertLess(data["last_hit_ns"], data["closes_ns"])
            ends = [e["data"] for e in run.events("flow.end")
                    if (e["step"], e["instance"], e["target"]) == (close["step"], close["instance"], close["target"])]
            self.assertEqual(data["matched"], sum(e["packets_in"] + e["packets_out"] for e in ends))
            self.assertEqual(data["bytes"], sum(e["bytes"] for e in ends))
        end = run.events("run.end")[0]["data"]
        self.assertEqual((end["balanced"], end["lost"]), (True, 0))

    def check_results(self, run):
        """results.json says what the log says."""
        results = run.document("results.json")
        self.assertEqual(results["exit"], run.wait())
        self.assertEqual((results["complete"], results["balanced"], results["incomplete"]), (True, True, []))
        closes = {(e["step"], e["instance"], e["target"]): e for e in run.events("fault.close")}
        self.assertEqual({(s["step"], s["instance"], s["target"]) for s in results["steps"]}, set(closes))
        for step in results["steps"]:
            close = closes[step["step"], step["instance"], step["target"]]
            for name in COUNTERS:
                self.assertEqual(step[name], close["data"][name], name)
            self.assertEqual((step["opened_ns"], step["closed_ns"]), (close["data"]["opens_ns"], close["mono_ns"]))
        with open(run.path("report.md"), encoding="utf-8") as f:
            report = f.read()
        self.assertEqual(report.splitlines()[0], "# Reconnect Fault Injection Result")
        for section in ("Metadata", "Summary", "Scenario Matrix", "Acceptance", "Logs and Evidence"):
            self.assertIn(f"\n## {section}\n", report)

    def check_fault_events(self, run, windows):
        """The narrow log, as its reader reads it."""
        with open(run.path("fault_events.jsonl"), encoding="utf-8") as f:
            lines = [json.loads(line) for line in f]
        applied, pairs = {}, 0
        for line in lines:
            self.assertEqual(list(line)[:6], ["ts_ns", "mode", "scenario", "phase", "execute", "parameters"])
            self.assertEqual(list(line["parameters"]), PARAMETERS)
            self.assertTrue(all(isinstance(v, str) for v in line["parameters"].values()))
            self.assertIs(line["execute"], True)
            if line["phase"] == "apply":
                self.assertNotIn(line["scenario"], applied)
                applied[line["scenario"]] = line["ts_ns"]
            else:
                self.assertGreater(line["ts_ns"], applied.pop(line["scenario"]))
                pairs += 1
        self.assertEqual((applied, pairs), ({}, windows))

    def check(self, run, windows):
        self.check_log(run)
        self.check_balance(run)
        self.check_results(run)
        self.check_fault_events(run, windows)


class Drill(EvidenceTest):
    """A drill with probes, overlapping steps, repeats and every kind of fault."""

    def scenario(self, family, **more):
        address = f"[{THERE[V6]}]" if family == V6 else THERE[V4]
        return {
            "version": 1, "name": "evidence", "description": "all at once", "seed": 7, "interface": DEVICE,
            "meta": {"build": "20260211"}, "vars": {"there": THERE[family]},
            "targets": {"front": {"proto": "tcp", "remote": "$(there)", "remote_port": PORT},
                        "feed": {"proto": "udp", "remote": "$(there)", "remote_port": [NEXT_PORT, "5000-5010"]},
                        "other": {"proto": "udp", "remote": "$(there)", "remote_port": 5353}},
            "probes": {"gateway": {"tcp": f"{address}:{PORT}", "every": "20ms", "timeout": "60s"}},
            "baseline": "300ms", "recovery": "60s",
            "steps": [  # the second reset opens when a healthy sample has long been there
                {"name": "cut", "at": "0s", "fault": {"reset": "both"}, "target": "front", "for": "200ms",
                 "repeat": {"times": 2, "every": "1s"}},
                {"name": "thin", "at": "100ms", "fault": {"loss": "20%"}, "target": ["feed", "other"], "for": "600ms"},
                {"name": "deny", "at": "300ms", "fault": {"refuse": "icmp-port"}, "target": "feed", "for": "200ms"}],
            "slo": [{"recovery_max": "60s"}, {"detection_max": "60s", "step": "cut"}], **more}

    def drill(self, family, **more):
        lab = self.lab
        lab.listen(lab.there, family, PORT)
        receiver = lab.socket(lab.there, family, UDP, NEXT_PORT)
        make_room(receiver)
        sender = lab.socket(lab.here, family, UDP)
        run = lab.run(self.scenario(family, **more), "--json", "--meta", "ticket=17")
        sent = 0

        def send():
            nonlocal sent
            try:
                sender.sendto(b"tick", receiver.getsockname()[:2])
            except OSError:  # not connected: the refusals don't come here
                pass
            sent += 1
            return not run.running()

        wait_until(send, "the end of the drill")
        return run, sent, len(drain(receiver))

    def test_drill(self):
        for family in (V4, V6):
            with self.subTest(family):
                run, sent, arrived = self.drill(family)
                self.assert_ended(run, 0)
                self.check(run, 4)
                total = collections.Counter()
                for close in run.events("fault.close"):
                    if close["target"] == "feed":
                        total.update({part: close["data"][part] for part in PARTS})
                self.assertGreater(total["dropped"], 0)
                self.assertGreater(total["refused"], 0)
                self.assertEqual(sent - arrived, total["dropped"] + total["refused"])
                self.assertEqual(json.loads(run.stdout), run.document("results.json"))
                results = run.document("results.json")
                self.assertEqual(results["outcome"], "pass")
                self.assertEqual(results["meta"]["ticket"], "17")
                self.assertEqual([slo["pass"] for slo in results["slo"]], [True, True])
                for step in results["steps"]:
                    if step["step"] == "cut":
                        self.assertIsNotNone(step["probes"][0]["detection_ns"])
                        self.assertFalse(step["probes"][0]["censored"])
                with open(run.path("scenario.yaml"), "rb") as a, open(self.lab.write(self.scenario(family)), "rb") as b:
                    self.assertEqual(a.read(), b.read())
                for s in self.lab.sockets:
                    s.close()

    def test_missed_slo(self):
        run, _, _ = self.drill(V4, slo=[{"detection_max": "1ns"}], steps=[
            {"name": "cut", "at": "0s", "fault": {"reset": "both"}, "target": "front", "for": "200ms"}])
        self.assert_ended(run, 1)
        self.check(run, 1)
        self.assertEqual(run.document("results.json")["outcome"], "slo-missed")

    def test_unhealthy_baseline(self):
        run = self.lab.run(self.scenario(V4))
        self.assert_ended(run, 4)
        self.assertEqual(run.events("fault.open"), [])
        self.assertIn("the probe gateway is not healthy", run.events("abort")[0]["data"]["reason"])
        self.check_log(run)


class Counted(EvidenceTest):
    def test_to_the_packet(self):
        """Every datagram that goes into the hole is matched, dropped, weighed and listed with its flow; no other is."""
        lab, count, sources = self.lab, 1000, range(24000, 24007)
        for family in (V4, V6):
            with self.subTest(family):
                receivers = [lab.socket(lab.there, family, UDP, port) for port in (PORT, NEXT_PORT)]
                senders = [lab.socket(lab.here, family, UDP, port) for port in sources]
                for s in receivers:
                    make_room(s)
                run = lab.inject("drop", "--proto", "udp", "--remote-port", str(PORT), "--for", HOLD, "--json")
                run.opened()
                for s in senders:
                    for receiver in receivers:
                        send_numbers(s, receiver.getsockname()[:2], range(count))
                self.assertEqual(run.stop(), 130)
                self.check(run, 1)
                n = count * len(sources)
                counters = run.counters()
                self.assertEqual({name: counters[name] for name in COUNTERS if counters[name]},
                                 {"matched": n, "dropped": n, "bytes": n * (UDP_HEADERS[family] + 4),
                                  "flows": len(sources)})
                address = ("[%s]" if family == V6 else "%s")
                flows = {f"{address % HERE[family]}:{port}>{address % THERE[family]}:{PORT}/udp" for port in sources}
                for kind in ("flow.hit", "flow.end"):
                    self.assertEqual(sorted(e["flow"] for e in run.events(kind)), sorted(flows))
                for e in run.events("flow.end"):
                    self.assertEqual((e["data"]["packets_in"], e["data"]["packets_out"], e["data"]["hits"]),
                                     (0, count, count))
                self.assertEqual([len(drain(s)) for s in receivers], [0, n])
                self.assertEqual(json.loads(run.stdout)["steps"][0]["dropped"], n)
                for s in (*receivers, *senders):
                    s.close()

    def test_hardest_verdict(self):
        """Two rules match: the harder one counts the packet, the other one passes it."""
        lab = self.lab
        sender = lab.socket(lab.here, V4, UDP)
        run = lab.run({"version": 1, "name": "two", "interface": DEVICE,
                       "targets": {"narrow": {"proto": "udp", "remote_port": PORT},
                                   "wide": {"proto": "udp", "remote": "10.77.0.0/24"}},
                       "steps": [{"name": "deny", "at": "0s", "fault": {"refuse": "icmp-port"}, "target": "wide",
                                  "for": HOLD},
                                 {"name": "cut", "at": "0s", "fault": {"drop": True}, "target": "narrow",
                                  "for": HOLD}]})
        run.opened(2)
        send_numbers(sender, (THERE[V4], PORT), range(100))
        send_numbers(sender, (THERE[V4], NEXT_PORT), range(10))
        self.assertEqual(run.stop(), 130)
        counters = {e["step"]: e["data"] for e in run.events("fault.close")}
        self.assertEqual([counters["cut"][k] for k in ("matched", "passed", "dropped")], [100, 0, 100])
        self.assertEqual([counters["deny"][k] for k in ("matched", "passed", "refused")], [110, 100, 10])
        self.check_balance(run)


class Budgets(EvidenceTest):
    """limits: the kernel disarms, to the packet."""

    def spend(self, limits, sources, per_flow):
        lab = self.lab
        receiver = lab.socket(lab.there, V4, UDP, PORT)
        make_room(receiver)
        senders = [lab.socket(lab.here, V4, UDP, port) for port in sources]
        run = lab.run({"version": 1, "name": "budget", "interface": DEVICE, "limits": limits,
                       "targets": {"t": {"proto": "udp", "remote_port": PORT}},
                       "steps": [{"name": "cut", "at": "0s", "fault": {"drop": True}, "target": "t", "for": HOLD}]})
        run.opened()
        for s in senders:
            send_numbers(s, (THERE[V4], PORT), range(per_flow))
        self.assert_ended(run, 4)
        self.check_log(run)
        self.check_balance(run)
        self.assertEqual(run.document("results.json")["outcome"], "aborted")
        found = gather_numbers(receiver, per_flow * len(sources) - run.counters()["dropped"])
        return run, {port: found[port] for port in sources}

    def test_packets(self):
        run, found = self.spend({"packets": 100}, (25000,), 300)
        self.assertEqual(found[25000], list(range(100, 300)))
        counters = run.counters()
        self.assertEqual(counters["dropped"], 100)
        self.assertGreater(counters["suppressed"], 0)
        self.assertEqual([e["data"]["limit"] for e in run.events("budget")], ["packets"])
        self.assertTrue(counters["cut"])

    def test_flows(self):
        sources = range(25000, 25020)
        run, found = self.spend({"flows": 5}, sources, 3)
        self.assertEqual(found, {port: [] if port < 25005 else [0, 1, 2] for port in sources})
        self.assertEqual(run.counters()["dropped"], 15)
        self.assertEqual([e["data"]["limit"] for e in run.events("budget")], ["flows"])

    def test_within(self):
        """A limit that is just not reached changes nothing."""
        lab = self.lab
        sender = lab.socket(lab.here, V4, UDP)
        run = lab.run({"version": 1, "name": "budget", "interface": DEVICE, "limits": {"packets": 100, "duration": "1s"},
                       "targets": {"t": {"proto": "udp", "remote_port": PORT}}, "recovery": "0s",
                       "steps": [{"name": "cut", "at": "0s", "fault": {"drop": True}, "target": "t", "for": "1s"}]})
        run.opened()
        send_numbers(sender, (THERE[V4], PORT), range(100))
        self.assert_ended(run, 0)
        self.assertEqual((run.counters()["dropped"], run.counters()["suppressed"]), (100, 0))
        self.assertEqual(run.events("budget"), [])

    def test_duration_too_short(self):
        before = self.lab.state()
        run = self.lab.run({"version": 1, "name": "budget", "interface": DEVICE, "limits": {"duration": "500ms"},
                            "targets": {"t": {"remote_port": PORT}},
                            "steps": [{"name": "cut", "at": "0s", "fault": {"drop": True}, "target": "t", "for": "1s"}]})
        self.assert_ended(run, 2)
        self.assertIn("duration", run.stderr)
        self.assertFalse(os.path.exists(run.out))
        self.assert_untouched(before)


if __name__ == "__main__":
    unittest.main()
