# SPDX-License-Identifier: BSD-2-Clause
"""evidence: packets. An event for each packet that a rule did not pass, and their sums are its counters."""
import collections
import json
import unittest

import chance
from bent import DIRECTIONS, MS, NEXT_PORT, PORT, SOURCE, BentTest, Path, flow
from datagrams import send_numbers
from lab import DEVICE, FAMILIES, HERE, HOLD, THERE, UDP, V4, V6, name_of, wait_until

HIT = ("dropped", "reset", "refused", "delayed", "duplicated", "altered")
UDP_HEADERS = {V4: 28, V6: 48}


def window(event):
    return event["step"], event["instance"], event["target"]


class PacketTest(BentTest):
    def inject(self, *words):
        run = self.lab.inject(*words, "--remote-port", str(PORT), "--for", HOLD, "--evidence", "packets")
        run.opened()
        return run

    def check(self, run):
        """The packets' events, which agree with the counters of every window and of every flow."""
        packets = run.events("packet")
        closes = {window(e): e for e in run.events("fault.close")}
        self.assertEqual({window(e) for e in packets} - set(closes), set())
        for key, close in closes.items():
            mine = [e for e in packets if window(e) == key]
            self.check_window([e["data"] for e in mine], close["data"])
            self.check_flows(mine, [e for e in run.events("flow.end") if window(e) == key])
            for e in mine:
                self.assertTrue(close["data"]["opens_ns"] <= e["mono_ns"] <= close["data"]["closes_ns"])
        end = run.events("run.end")[0]["data"]
        self.assertEqual((end["balanced"], end["lost"], run.events("lost")), (True, 0, []))
        verified = self.lab.call("verify", run.out)
        self.assertEqual(verified.status, 0, verified.stdout)
        return packets

    def check_window(self, packets, counters):
        sums = collections.Counter({verdict: 0 for verdict in HIT})
        for data in packets:
            sums[data["verdict"]] += data["segments"]
            self.assertEqual(data["rule"], counters["rule"])
            if data["verdict"] in ("dropped", "reset", "refused"):
                self.assertEqual(data["delay_ns"], 0)
        self.assertEqual(sums, {verdict: counters[verdict] for verdict in HIT})

    def check_flows(self, packets, ends):
        """The indices of a flow's packets are those of different segments, of so many as it had."""
        indices, hits = collections.defaultdict(list), collections.Counter()
        for e in packets:
            data = e["data"]
            indices[e["flow"], data["direction"]] += range(data["index"], data["index"] + data["segments"])
            hits[e["flow"]] += data["segments"]
        for e in ends:
            self.assertEqual(hits.pop(e["flow"], 0), e["data"]["hits"])
            for direction in DIRECTIONS:
                found = indices.pop((e["flow"], direction), [])
                self.assertEqual(len(found), len(set(found)))
                self.assertTrue(all(i < e["data"][f"packets_{direction}"] for i in found))
        self.assertEqual((hits, indices), ({}, {}))


class Datagrams(PacketTest):
    COUNT = 500

    def matched(self):
        shown, = json.loads(self.lab.call("status", "--json").stdout)["runs"]
        return sum(rule["matched"] for rule in shown["rules"])

    def send(self, family):
        """From here and from there; a packet's decision may come after its send()."""
        with Path(self.lab, family) as path:
            path.send(self.COUNT)
            send_numbers(path.receiver, (HERE[family], SOURCE), range(self.COUNT))
            wait_until(lambda: self.matched() >= 2 * self.COUNT, "each packet's decision")

    def test_drop(self):
        for family in FAMILIES:
            for hook in ("tc", "xdp"):
                with self.subTest(f"{name_of(family)} {hook}"):
                    run = self.inject("drop", "--proto", "udp", "--hook", hook)
                    self.send(family)
                    self.assertEqual(run.stop(), 130)
                    packets = [e["data"] for e in self.check(run)]
                    self.assertEqual(sum(p["bytes"] for p in packets), run.counters()["bytes"])
                    self.assertEqual({p["bytes"] for p in packets}, {UDP_HEADERS[family] + 4})
                    self.assertEqual(collections.Counter((p["direction"], p["hook"], p["segments"]) for p in packets),
                                     {("out", "tc-egress", 1): self.COUNT,
                                      ("in", "xdp" if hook == "xdp" else "tc-ingress", 1): self.COUNT})
                    for direction in DIRECTIONS:
                        self.assertEqual(sorted(p["index"] for p in packets if p["direction"] == direction),
                                         list(range(self.COUNT)))

    def test_bent(self):
        for family in FAMILIES:
            for words, verdict, delay in ((("delay=20ms",), "delayed", 20 * MS), (("duplicate=100%",), "duplicated", 0),
                                          (("corrupt=100%",), "altered", 0),
                                          (("duplicate=100%", "delay=3ms"), "duplicated", 3 * MS)):
                with self.subTest(f"{name_of(family)} {words}"):
                    run = self.inject(*words, "--proto", "udp")
                    self.send(family)
                    self.assertEqual(run.stop(), 130)
                    packets = self.check(run)
                    self.assertEqual({(e["data"]["verdict"], e["data"]["delay_ns"]) for e in packets}, {(verdict, delay)})
                    self.assertEqual(len(packets), 2 * self.COUNT)

    def test_refuse(self):
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                run = self.inject("refuse=icmp-port", "--proto", "udp", "--direction", "out")
                s = self.lab.socket(self.lab.here, family, UDP, SOURCE)
                send_numbers(s, (THERE[family], PORT), range(100))
                self.assertEqual(run.stop(), 130)
                self.assertEqual([e["data"]["verdict"] for e in self.check(run)], ["refused"] * 100)
                s.close()

    def test_seed(self):
        """The indices of the lost are those that the seed draws."""
        count = 3000
        for family in FAMILIES:
            for direction, number in DIRECTIONS.items():
                with self.subTest(f"{name_of(family)} {direction}"):
                    run = self.inject("loss=20%", "--seed", "7", "--proto", "udp", "--direction", direction)
                    expected = sorted(chance.lost(7, 20, flow(family), number, count))
                    with Path(self.lab, family, direction) as path:
                        path.send(count)
                        path.gather(count - len(expected))
                        wait_until(lambda run=run, n=len(expected): len(run.events("packet")) >= n, "each event")
                    self.assertEqual(run.stop(), 130)
                    self.assertEqual(sorted(e["data"]["index"] for e in self.check(run)), expected)


class Contending(PacketTest):
    def test_rules(self):
        """Of several rules each has its own events, and its own counters agree."""
        lab = self.lab

        def step(name, target, fault, **more):
            return {"name": name, "at": "0s", "fault": fault, "target": target, "for": HOLD, **more}

        for family in FAMILIES:
            with self.subTest(name_of(family)):
                senders = [lab.socket(lab.here, family, UDP, SOURCE + n) for n in range(3)]
                receivers = [lab.socket(lab.there, family, UDP, port) for port in (PORT, NEXT_PORT)]
                run = lab.run({"version": 1, "name": "contending", "interface": DEVICE, "seed": 7, "evidence": "packets",
                               "recovery": "0s", "targets": {"narrow": {"proto": "udp", "remote_port": PORT},
                                                             "wide": {"proto": "udp", "remote": THERE[family]}},
                               "steps": [step("thin", "narrow", {"loss": "30%"}),
                                         step("slow", "wide", {"delay": "5ms"}, burst={"on": "100ms", "off": "50ms"}),
                                         step("twice", ["narrow", "wide"], {"duplicate": "50%"}),
                                         step("bent", "wide", {"corrupt": "20%"}, **{"for": "200ms"},
                                              repeat={"times": 500, "every": "400ms"}),
                                         step("deny", "narrow", {"refuse": "icmp-port", "percent": "30%"})]})
                names = {f'"step":"{name}"'.encode() for name in ("thin", "slow", "twice", "bent", "deny")}

                def send():
                    for s in senders:
                        for receiver in receivers:
                            try:
                                s.sendto(b"tick", receiver.getsockname()[:2])
                            except OSError:  # of a refusal before
                                pass
                    self.assertTrue(run.running(), run.stderr)
                    told = [line for line in run.lines() if b'"type":"packet"' in line]
                    return all(any(name in line for line in told) for name in names) and len(run.events("fault.close"))

                wait_until(send, "a packet of each step, and a window that has closed")
                self.assertEqual(run.stop(), 130)
                self.check(run)
                for s in senders + receivers:
                    s.close()


class Bulk(PacketTest):
    def test_transfer(self):
        """Of a GSO packet all segments. Where some are lost a sender may soon be down to packets of one."""
        lab = self.lab
        for family in FAMILIES:
            for words, segments in (("loss=5%",), 1), (("delay=1ms",), 2), (("duplicate=10%", "delay=1ms"), 2):
                with self.subTest(f"{name_of(family)} {words}"):
                    listener = lab.listen(lab.there, family, PORT)
                    client, server = lab.connect(listener)[0]
                    run = self.inject(*words, "--seed", "3", "--proto", "tcp")
                    self.assert_bulk(client, server, 4_000_000)
                    self.assertEqual(run.stop(), 130, run.stderr)
                    packets = [e["data"] for e in self.check(run)]
                    self.assertGreaterEqual(max(p["segments"] for p in packets), segments)
                    listener.close()


if __name__ == "__main__":
    unittest.main()
