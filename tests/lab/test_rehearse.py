# SPDX-License-Identifier: BSD-2-Clause
"""`rehearse`: windows open on live traffic, what they would hit is counted, and nothing is touched."""
import contextlib
import os
import socket
import unittest

import chance
from datagrams import gather_numbers, send_numbers
from lab import DEVICE, FAMILIES, HOLD, THERE, UDP, V4, LabTest

PORT, COUNT = 4000, 50
LONG = bytes(5000)
HITS = ("dropped", "reset", "refused", "delayed", "duplicated", "altered", "flows", "idle_reset")
FAULT = {"name": "cut", "at": "0s", "fault": {"drop": True}, "target": "t", "for": HOLD}


class Rehearse(LabTest):
    def setUp(self):
        super().setUp()
        self.file = os.path.join(self.lab.folder, "state")
        with open(self.file, "w", encoding="ascii") as f:
            f.write("before")
        self.change = {"name": "gone", "at": "0s", "file": {"path": self.file, "remove": True}}

    def scenario(self, *steps, **more):
        return {"version": 1, "name": "rehearsed", "interface": DEVICE, "baseline": "5m", "recovery": "5m",
                "targets": {"t": {"proto": "udp", "remote": THERE[V4], "remote_port": PORT}}, "steps": steps, **more}

    def rehearse(self, scenario, *words):
        out = self.lab.new_out()
        return self.lab.start("rehearse", self.lab.write(scenario), *words, "--out", out, out=out)

    @contextlib.contextmanager
    def numbers(self, port, space=None):
        """Gives what sends datagrams to a port, of the other side or of that one, each of which must arrive."""
        space = space or self.lab.there
        with self.lab.socket(space, V4, UDP, port) as receiver, self.lab.socket(self.lab.other(space), V4, UDP) as sender:
            def arrive():
                send_numbers(sender, (self.lab.address(space, V4), port), range(COUNT))
                found = gather_numbers(receiver, COUNT)
                self.assertEqual(sorted(n for numbers in found.values() for n in numbers), list(range(COUNT)))

            yield arrive

    def assert_counted(self, counters, suppressed):
        """All that was not passed was suppressed."""
        hits = {name: counters[name] for name in HITS}
        self.assertEqual(hits, dict.fromkeys(HITS, 0))
        self.assertIsNone(counters["first_hit_ns"])
        self.assertEqual(counters["suppressed"], suppressed)
        self.assertEqual(counters["matched"], counters["passed"] + suppressed)

    def assert_file_kept(self):
        with open(self.file, encoding="ascii") as f:
            self.assertEqual(f.read(), "before")

    def test_counts_and_touches_nothing(self):
        """Neither the packets nor what other steps, expectations, objectives and checks are about."""
        before = self.lab.state()
        with self.numbers(PORT) as arrive:
            run = self.rehearse(self.scenario(
                FAULT, self.change,
                {"name": "lost", "with": "cut", "expect": {"counter": "dropped", "step": "cut", "above": 0, "within": "1s"}},
                slo=[{"recovery_max": "1ms"}], abort=[{"file": self.file}], preflight=[{"file": "/no/such/file"}]))
            run.opened()
            arrive()
        self.assertEqual(run.stop(), 130)
        self.assert_counted(run.counters(), COUNT)
        self.assertEqual([step["name"] for step in run.document("plan.json")["steps"]], ["cut"])
        self.assert_file_kept()
        self.assert_untouched(before)

    def test_every_verdict(self):
        """Each fault is the only one that its packets meet."""
        faults = ({"drop": True}, {"loss": "50%"}, {"refuse": "icmp-port"}, {"delay": "30s"}, {"corrupt": "100%"}, {"dns": "timeout"})
        targets = {f"t{i}": {"proto": "udp", "remote_port": PORT + i} for i in range(len(faults))}
        targets["tcp"] = {"proto": "tcp", "remote_port": PORT}
        steps = [dict(FAULT, name=t, target=t, fault=f) for t, f in zip(targets, (*faults, {"reset": "both"}))]
        listener = self.lab.listen(self.lab.there, V4, PORT)
        pair, = self.lab.connect(listener)
        run = self.rehearse(self.scenario(*steps, targets=targets))
        run.opened(len(steps))
        for i in range(len(faults)):
            with self.numbers(PORT + i) as arrive:
                arrive()
        self.assert_echo(*pair)
        self.assert_echo(*self.lab.connect(listener)[0])
        self.assertEqual(run.stop(), 130)
        for event in run.events("fault.close"):
            with self.subTest(event["step"]):
                counters = event["data"]
                self.assert_counted(counters, counters["matched"] - counters["passed"])
                self.assertGreater(counters["suppressed"], 0)
                if event["step"] != "tcp":
                    self.assertEqual(counters["matched"], COUNT)
        self.assertEqual(run.events("flow.hit"), [])
        done = self.lab.call("verify", run.out)
        self.assertEqual(done.status, 0, done.stdout + done.stderr)

    def test_every_hook(self):
        """What comes in, met by one rule, and by two."""
        targets = {"t": {"proto": "udp", "local_port": PORT, "direction": "in"}}
        loss = dict(FAULT, name="thin", fault={"loss": "100%"})
        for hook, name in (("xdp", "xdp"), ("tc", "tc-ingress")):
            for steps in ((FAULT,), (FAULT, loss)):
                with self.subTest(f"{hook} {len(steps)}"), self.numbers(PORT, self.lab.here) as arrive:
                    run = self.rehearse(self.scenario(*steps, targets=targets), "--hook", hook)
                    run.opened(len(steps))
                    arrive()
                    self.assertEqual(run.stop(), 130)
                    self.assertEqual([[h["hook"] for h in rule["hooks"]] for rule in run.document("plan.json")["rules"]],
                                     [[name]] * len(steps))
                    for i in range(len(steps)):
                        self.assert_counted(run.counters(i), COUNT)

    def exchange(self, client, server):
        """There and back, with both ends' goodbyes."""
        self.assert_echo(client, server, LONG)
        for near, far in ((client, server), (server, client)):
            near.shutdown(socket.SHUT_WR)
            self.assertEqual(far.recv(1), b"")
        client.close()
        server.close()

    def test_every_meaning(self):
        """What knows a connection: one that was there, which goes on and ends, and a new one."""
        faults = ({"http": 503}, {"stall": True}, {"limit": "1KB"}, {"limit": "1KB", "then": "fin"}, {"rate_limit": "0/s"},
                  {"disconnects": "100/s"}, {"slow_close": "60s"}, {"half_open": True}, {"mtu": 100, "icmp": True}, {"refuse": "tcp-reset"},
                  {"reset": "local"}, {"answer": {"status": 503}})
        targets = {f"t{i}": {"proto": "tcp", "remote_port": PORT + i} for i in range(len(faults))}
        steps = [dict(FAULT, name=t, target=t, fault=f) for t, f in zip(targets, faults)]
        listeners = [self.lab.listen(self.lab.there, family, PORT + i) for i in range(len(faults)) for family in FAMILIES]
        pairs = [pair for listener in listeners for pair in self.lab.connect(listener)]
        run = self.rehearse(self.scenario(*steps, targets=targets))
        run.opened(len(steps))
        for pair in pairs:
            self.exchange(*pair)
        for listener in listeners:
            self.exchange(*self.lab.connect(listener)[0])
        self.assertEqual(run.stop(), 130)
        for event in run.events("fault.close"):
            counters, fault = event["data"], event["data"]["fault"]
            with self.subTest(str(fault)):
                self.assert_counted(counters, counters["matched"] - counters["passed"])
                self.assertGreater(counters["suppressed"], 0)
                self.assertEqual(counters["failed"], 0)
                if "answer" in fault:
                    self.assertEqual((counters["suppressed"], counters["requests"]), (len(FAMILIES), 0))
        self.assertEqual(run.events("flow.hit", "conn.reset", "conn.refused"), [])
        done = self.lab.call("verify", run.out)
        self.assertEqual(done.status, 0, done.stdout + done.stderr)

    def test_percent_of_connections(self):
        """Only those that the seed draws are counted."""
        seed, percent, listener = 7, 50, self.lab.listen(self.lab.there, V4, PORT)
        for fault in ({"stall": True}, {"slow_close": "60s"}, {"reset": "both"}):
            with self.subTest(str(fault)):
                run = self.rehearse(self.scenario(
                    dict(FAULT, fault={**fault, "percent": f"{percent}%"}), seed=seed,
                    targets={"t": {"proto": "tcp", "remote": THERE[V4], "remote_port": PORT}}))
                run.opened()
                for pair in self.lab.connect(listener, 20):
                    self.assert_echo(*pair)
                self.assertEqual(run.stop(), 130)
                packets = {True: 0, False: 0}
                for event in run.events("flow.end"):
                    local, remote = (end.split(":") for end in event["flow"].removesuffix("/tcp").split(">"))
                    flow = chance.flow_hash(local[0], int(local[1]), remote[0], int(remote[1]), chance.TCP)
                    drawn = chance.draw(chance.rule_seed(seed), chance.FLOW, flow) < chance.threshold(percent)
                    packets[drawn] += event["data"]["packets_in"] + event["data"]["packets_out"]
                self.assertGreater(min(packets.values()), 0)
                self.assert_counted(run.counters(), packets[True])

    def test_phase(self):
        """A phase that is a shadow is a rehearsal, too."""
        with self.numbers(PORT) as arrive:
            run = self.lab.run(self.scenario(FAULT, baseline="0s", phases=[{"name": "p", "for": HOLD, "shadow": True}]))
            run.opened()
            arrive()
        self.assertEqual(run.stop(), 130)
        self.assert_counted(run.counters(), COUNT)

    def test_end(self):
        run = self.rehearse(self.scenario(dict(FAULT, **{"for": "50ms"})))
        self.assert_ended(run, 0)
        self.assertEqual(len(run.events("fault.close")), 1)

    def test_nothing_to_rehearse(self):
        """No success: nothing was rehearsed, and nothing is touched."""
        before = self.lab.state()
        for steps in ((self.change,), (self.change, dict(FAULT, enabled=False))):
            for words in ((), ("--json",)):
                with self.subTest(f"{len(steps)} steps {words}"):
                    run = self.rehearse(self.scenario(*steps), *words)
                    self.assert_ended(run, 2)
                    self.assertEqual(run.stdout, "")
                    self.assertEqual(run.stderr, os.path.join(self.lab.folder, "scenario.yaml") +
                                     ": nothing to rehearse: no step that is on has a fault\n")
                    self.assertFalse(os.path.exists(run.out))
                    self.assert_file_kept()
        self.assert_untouched(before)


if __name__ == "__main__":
    unittest.main()
