# SPDX-License-Identifier: BSD-2-Clause
"""`shearpin verify`: real runs pass, and whatever is done to their evidence afterwards is found and named."""
import contextlib
import hashlib
import json
import os
import random
import re
import select
import shutil
import signal
import unittest

import chance
from again import Again
from datagrams import send_numbers
from lab import DEVICE, HOLD, PATIENCE_S, TCP, THERE, UDP, V4, V6, LabTest, now_ns

PORT = 4000
FLOWS, PACKETS = 6, 200
CHECKS = ["chain", "order", "end", "anchor", "losses", "windows", "balance", "times", "seed"]


def lines_of(path):
    with open(os.path.join(path, "events.jsonl"), "rb") as f:
        return f.read().splitlines(keepends=True)


def put_lines(path, lines):
    with open(os.path.join(path, "events.jsonl"), "wb") as f:
        f.write(b"".join(lines))


def rechain(lines):
    """As somebody would who knows the format: the chain is whole again."""
    made, previous = [], "0" * 64
    for line in lines:
        line = re.sub(rb'"prev":"[0-9a-f]{64}"\}\n$', b'"prev":"%s"}\n' % previous.encode(), line)
        previous = hashlib.sha256(line[:-1]).hexdigest()
        made.append(line)
    return made, previous


class VerifyTest(Again, LabTest):
    runs = 0

    def verify(self, path, *words):
        return self.lab.call("verify", path, *words)

    def checks(self, path, status):
        """{check: (result, detail)}"""
        done = self.verify(path)
        self.assertEqual(done.status, status, done.stdout + done.stderr)
        found = dict()
        for line in done.stdout.splitlines():
            result, name, detail = re.fullmatch(r"(PASS|WARN|FAIL) ([a-z]+): (.*)", line).groups()
            self.assertNotIn(name, found)
            found[name] = (result, detail)
        self.assertEqual("FAIL" in {result for result, _ in found.values()}, status == 1)
        return found

    def assert_passes(self, path, *more):
        found = self.checks(path, 0)
        self.assertEqual({name: result for name, (result, _) in found.items()},
                         dict.fromkeys([*CHECKS, *more], "PASS"), found)
        return found

    def udp_run(self, fault, target=None, **more):
        """A run of a fault on some flows of datagrams, IPv4 and IPv6, always the same ones."""
        lab = self.lab
        self.runs += 1
        first = 20000 + 100 * self.runs
        senders = [(lab.socket(lab.here, family, UDP, first + i), (THERE[family], PORT))
                   for family in (V4, V6) for i in range(FLOWS)]
        steps = [{"name": f"fault {i}", "at": "0s", "fault": f, "target": "t", "for": HOLD} for i, f in enumerate(
            fault if isinstance(fault, list) else [fault])]
        run = lab.run({"version": 1, "name": "verified", "interface": DEVICE, "seed": 77, "recovery": "0s",
                       "targets": {"t": {"proto": "udp", "remote_port": PORT, **(target or {})}}, "steps": steps, **more})
        run.opened()
        for s, address in senders:
            send_numbers(s, address, range(PACKETS))
        self.assertEqual(run.stop(), 130)
        return run


class GoodRuns(VerifyTest):
    def expect_flows(self, fault, **more):
        run = self.udp_run(fault, **more)
        found = self.assert_passes(run.out, "flows", "receipts")
        self.assertIn(f"{2 * FLOWS} flows' numbers of packets that were hit are as the seed draws them",
                      found["flows"][1])
        self.assertIn("1 windows' receipts are as the seed draws them", found["receipts"][1])

    def test_loss(self):
        self.expect_flows({"loss": "20%"})

    def test_correlated_loss(self):
        self.expect_flows({"loss": "30%", "loss_correlation": "60%"})

    def test_gemodel(self):
        self.expect_flows({"loss": {"gemodel": {"p": "5%", "r": "30%", "bad": "90%", "good": "1%"}}})

    def test_copies_and_order(self):
        self.expect_flows({"delay": "5ms", "duplicate": "10%", "duplicate_correlation": "20%", "corrupt": "5%",
                           "reorder": "25%", "loss": "3%"})

    def test_every(self):
        found = self.assert_passes(self.udp_run({"loss": {"every": 10}}).out, "flows")
        self.assertIn(f"{2 * FLOWS} flows'", found["flows"][1])

    def test_drop(self):
        self.assert_passes(self.udp_run({"drop": True}).out)

    def test_delay(self):
        self.assert_passes(self.udp_run({"delay": "10ms", "jitter": "2ms"}).out)

    def test_share(self):
        run = self.udp_run({"drop": True}, target={"share": "50%"})
        found = self.assert_passes(run.out, "shares")
        self.assertRegex(found["shares"][1], r"^[1-9]\d* flows, by the share of a target, are as the seed draws them$")

    def test_rivals(self):
        """Two rules hit the same packets: whose lots win, the other's hits are fewer than its lots'."""
        run = self.udp_run([{"loss": "30%"}, {"loss": "30%"}])
        found = self.assert_passes(run.out, "flows", "receipts")
        self.assertIn("other rules had a say", found["flows"][1])
        self.assertIn("2 windows' receipts", found["receipts"][1])

    def test_connections(self):
        """A reset of a percentage of connections."""
        lab = self.lab
        pairs = lab.connect(lab.listen(lab.there, V4, PORT), 20)
        drawn = sum(self.is_drawn(client, 3, 50) for client, _ in pairs)
        run = lab.run({"version": 1, "name": "verified", "interface": DEVICE, "seed": 3, "recovery": "0s",
                       "targets": {"t": {"proto": "tcp", "remote_port": PORT}},
                       "steps": [{"name": "cut", "at": "0s", "fault": {"reset": "both", "percent": "50%"}, "target": "t",
                                  "for": "500ms"}]})
        run.opened()
        self.assert_ended(run, 0)
        hit = len(run.events("flow.hit"))
        self.assertTrue(1 <= drawn < len(pairs), drawn)
        self.assertEqual(hit, drawn)
        found = self.assert_passes(run.out, "connections")
        self.assertTrue(found["connections"][1].startswith(f"{hit} connections"), found)

    @staticmethod
    def is_drawn(client, seed, percent):
        flow = chance.flow_hash(*client.getsockname(), *client.getpeername(), chance.TCP)
        return chance.draw(chance.rule_seed(seed), chance.FLOW, flow) < chance.threshold(percent)

    def test_natural_end(self):
        run = self.lab.inject("loss=50%", "--proto", "udp", "--remote-port", str(PORT), "--for", "500ms")
        closes = run.opened()["data"]["closes_ns"]
        send_numbers(self.lab.socket(self.lab.here, V4, UDP), (THERE[V4], PORT), range(100))
        self.in_time(now_ns() < closes, "all is sent in the window")
        self.assert_ended(run, 0)
        self.assert_passes(run.out, "flows", "receipts")

    def test_budget(self):
        """What a budget suppressed was drawn all the same."""
        sender = self.lab.socket(self.lab.here, V4, UDP)
        run = self.lab.run({"version": 1, "name": "budget", "interface": DEVICE, "limits": {"packets": 20},
                            "targets": {"t": {"proto": "udp", "remote_port": PORT}},
                            "steps": [{"name": "thin", "at": "0s", "fault": {"loss": "50%"}, "target": "t", "for": HOLD}]})
        run.opened()
        run.freeze()
        send_numbers(sender, (THERE[V4], PORT), range(200))
        run.signal(signal.SIGCONT)
        self.assert_ended(run, 4)
        found = self.checks(run.out, 0)
        self.assertEqual((found["flows"][0], found["receipts"][0]), ("WARN", "PASS"), found)
        self.assertIn("1 can't be told: GSO packets, answers, payloads, a budget", found["flows"][1])

    def packets_run(self, fault, **more):
        """Every packet that was not passed is in the log, and is checked by itself."""
        run = self.udp_run(fault, evidence="packets", **more)
        hits = sum(e["data"]["hits"] for e in run.events("flow.end"))
        self.assertGreater(hits, 0)
        self.assertEqual(sum(e["data"]["segments"] for e in run.events("packet")), hits)
        return run, hits

    def expect_packets(self, fault, *more):
        run, hits = self.packets_run(fault)
        found = self.assert_passes(run.out, "packets", "lots", *more)
        self.assertEqual(found["packets"][1], f"{hits} packets in the log, as many as were counted")
        return found["lots"][1], hits

    def test_packets_lost(self):
        for fault in ({"loss": "20%"}, {"loss": {"gemodel": {"p": "5%", "r": "30%"}}},
                      {"loss": "30%", "loss_correlation": "60%"}):
            with self.subTest(str(fault)):
                told, hits = self.expect_packets(fault, "flows", "receipts")
                self.assertEqual(told, f"{hits} packets are as the seed draws them")

    def test_packets_bent(self):
        told, hits = self.expect_packets({"delay": "5ms", "duplicate": "10%", "reorder": "25%", "loss": "3%"}, "flows",
                                         "receipts")
        self.assertEqual(told, f"{hits} packets are as the seed draws them")

    def test_packets_every(self):
        told, hits = self.expect_packets({"loss": {"every": 10}}, "flows")
        self.assertEqual(told, f"{hits} packets are as the seed draws them")

    def test_packets_of_a_share(self):
        run, _ = self.packets_run({"loss": "20%"}, target={"share": "50%"})
        self.assert_passes(run.out, "packets", "lots", "shares", "flows", "receipts")

    def test_packets_without_a_lot(self):
        run, hits = self.packets_run({"drop": True})
        self.assertEqual(self.assert_passes(run.out, "packets")["packets"][1],
                         f"{hits} packets in the log, as many as were counted")

    def test_packets_of_rivals(self):
        run, _ = self.packets_run([{"loss": "30%"}, {"delay": "5ms", "duplicate": "30%"}])
        self.assert_passes(run.out, "packets", "lots", "flows", "receipts")

    def bulk_run(self, fault, **more):
        """Megabytes over TCP, both ways, in GSO packets; connections come and go."""
        lab = self.lab
        self.runs += 1
        port = PORT + self.runs
        pairs = lab.connect(lab.listen(lab.there, V4, port), 2)
        run = lab.run({"version": 1, "name": "bulk", "interface": DEVICE, "seed": 9, "recovery": "0s", "evidence": "packets",
                       "targets": {"t": {"proto": "tcp", "remote_port": port}},
                       "steps": [{"name": "bent", "at": "0s", "fault": fault, "target": "t", "for": "300ms",
                                  "repeat": {"times": 600, "every": "400ms"}}], **more})
        deadline = now_ns() + PATIENCE_S * 10**9
        sockets = [s for pair in pairs for s in pair]
        for s in sockets:
            s.setblocking(False)
        while not self.has_seen(run):
            self.assertLess(now_ns(), deadline, "no packets in two windows")
            self.exchange(sockets)
            s = lab.here.socket(V4, TCP)
            s.setblocking(False)
            s.connect_ex((THERE[V4], port))
            select.select([run.pidfd], [], [], 0.01)
            s.close()
        self.assertEqual(run.stop(), 130)
        return run

    @staticmethod
    def has_seen(run):
        """Two windows, and packets in both."""
        lines = run.lines()
        if sum(b'"type":"fault.close"' in line for line in lines) < 2:
            return False
        told = [b'"instance":%d,' % i for i in (1, 2)]
        return all(any(b'"type":"packet"' in line and which in line for line in lines) for which in told)

    @staticmethod
    def exchange(sockets):
        """As much as there is room for; connections that were reset have none."""
        for s in sockets:
            with contextlib.suppress(OSError):
                s.send(bytes(1 << 16))
            with contextlib.suppress(OSError):
                s.recv(1 << 20)

    def test_bulk(self):
        """Nothing that GSO packets, answers, payloads and queues make of it is taken for a mistake."""
        for fault in ({"loss": "5%"}, {"loss": {"every": 20}}, {"reset": "both", "percent": "50%"}, {"reset": "remote"},
                      {"refuse": "icmp-port", "percent": "50%", "loss": "2%"}, {"rate": "20mbit", "loss": "1%"},
                      {"delay": "2ms", "corrupt": "5%", "checksum": "valid", "duplicate": "5%"},
                      {"delay": "2ms", "reorder": "20%", "corrupt": "2%"}):
            with self.subTest(str(fault)):
                run = self.bulk_run(fault)
                packets = len(run.events("packet"))
                self.assertGreater(packets, 0)
                found = self.checks(run.out, 0)
                self.assertEqual([found[name][0] for name in (*CHECKS, "packets")], ["PASS"] * (len(CHECKS) + 1), found)
                told = sum(map(int, re.findall(r"(\d+) (?:packets|can't)", found["lots"][1])))
                self.assertLessEqual(told, packets)
                self.assertGreater(told, 0)

    def test_json(self):
        run = self.udp_run({"loss": "20%"})
        done = self.verify(run.out, "--json")
        self.assertEqual((done.status, done.stderr), (0, ""))
        found = json.loads(done.stdout)
        lines = lines_of(run.out)
        self.assertEqual(list(found), ["run", "result", "lines", "bytes", "head", "checks"])
        self.assertEqual((found["run"], found["result"], found["lines"]), (run.out, "pass", len(lines)))
        self.assertEqual(found["bytes"], sum(map(len, lines)))
        self.assertEqual(found["head"], hashlib.sha256(lines[-1][:-1]).hexdigest())
        self.assertEqual(found["head"], run.document("results.json")["head"])
        self.assertEqual([c["name"] for c in found["checks"]], [*CHECKS, "flows", "receipts"])
        self.assertEqual({c["result"] for c in found["checks"]}, {"pass"})


class Tampered(VerifyTest):
    """One run, whose evidence is changed in a copy each time."""

    def setUp(self):
        super().setUp()
        self.run_path = self.udp_run({"loss": "20%"}).out
        self.lines = lines_of(self.run_path)
        self.copies = 0

    def copy(self, lines=None):
        self.copies += 1
        path = f"{self.run_path}-{self.copies}"
        shutil.copytree(self.run_path, path)
        if lines is not None:
            put_lines(path, lines)
        return path

    def set_head(self, path, head):
        with open(os.path.join(path, "results.json"), encoding="utf-8") as f:
            results = json.load(f)
        results["head"] = head
        with open(os.path.join(path, "results.json"), "w", encoding="utf-8") as f:
            json.dump(results, f)

    def find(self, kind):
        return next(i for i, line in enumerate(self.lines) if b'"type":"%s"' % kind.encode() in line)

    def edited(self, kind, key, change):
        """The first event of a kind with another number in it, in a log that is chained anew, and vouched for."""
        lines = list(self.lines)
        i = self.find(kind)
        lines[i] = re.sub(rb'("%s":)(\d+)' % key.encode(), lambda m: m[1] + b"%d" % change(int(m[2])), lines[i], count=1)
        self.assertNotEqual(lines[i], self.lines[i])
        lines, head = rechain(lines)
        path = self.copy(lines)
        self.set_head(path, head)
        return path, i + 1

    def test_flipped_bytes(self):
        data = b"".join(self.lines)
        rng = random.Random(5)
        path = self.copy()
        last = len(data) - len(self.lines[-1])
        for at in [0, last, len(data) - 2, *(rng.randrange(len(data)) for _ in range(40))]:
            line = data.count(b"\n", 0, at) + 1
            flipped = bytes([data[at] ^ (1 << rng.randrange(8))])
            put_lines(path, [data[:at] + flipped + data[at + 1:]])
            found = self.checks(path, 1)
            named = found["chain"] if found["chain"][0] == "FAIL" else found["anchor"]
            number = int(re.search(r"line (\d+) \(", named[1])[1])
            alternative = int("or the line after it" in named[1])
            self.assertIn(line, (number, number + alternative), (at, flipped, found))
            byte = sum(map(len, self.lines[:number - 1]))
            if found["chain"][0] == "FAIL":
                self.assertIn(f"byte {byte})", named[1])
            else:
                self.assertEqual(line, len(self.lines))

    def test_cut(self):
        for left in (1, 40, len(self.lines[-1]) - 1):
            path = self.copy([*self.lines[:-1], self.lines[-1][:left]])
            found = self.checks(path, 1)
            whole = len(self.lines) - 1
            self.assertEqual(found["end"], ("FAIL", f"the file ends in the middle of line {whole + 1}: {whole} whole lines, "
                                                    f"up to seq {whole}, are what there is"))
            self.assertEqual(found["chain"][0], "PASS")

    def test_power_cut(self):
        """Nothing but the log itself, up to somewhere: what there is can be checked all the same."""
        path = self.copy([b"".join(self.lines)[:len(b"".join(self.lines)) // 2]])
        os.unlink(os.path.join(path, "results.json"))
        found = self.checks(path, 1)
        self.assertIn("the file ends in the middle of line", found["end"][1])
        self.assertEqual((found["chain"][0], found["anchor"][0]), ("PASS", "WARN"))

    def test_lines_taken_away(self):
        path = self.copy(self.lines[:-3])
        self.assertEqual({name: found[0] for name, found in self.checks(path, 1).items() if found[0] == "FAIL"},
                         {"end": "FAIL", "anchor": "FAIL"})
        found = self.checks(self.copy(self.lines[:4] + self.lines[6:]), 1)
        self.assertIn("before line 5 (seq 7, byte", found["chain"][1])
        self.assertIn("lines are missing, from seq 5 on", found["chain"][1])

    def test_reordered(self):
        i = self.find("flow.hit")
        lines = [*self.lines[:i], self.lines[i + 1], self.lines[i], *self.lines[i + 2:]]
        found = self.checks(self.copy(lines), 1)
        self.assertEqual(found["chain"][0], "FAIL")
        self.assertIn(f"line {i + 1} (seq {i + 2}, byte", found["chain"][1])

    def test_reordered_with_a_new_chain(self):
        i = self.find("flow.hit")
        swapped = [*self.lines[:i], self.lines[i + 3], *self.lines[i + 1:i + 3], self.lines[i], *self.lines[i + 4:]]
        lines = [re.sub(rb'^\{"seq":\d+', b'{"seq":%d' % n, line) for n, line in enumerate(swapped, 1)]
        lines, head = rechain(lines)
        path = self.copy(lines)
        self.set_head(path, head)
        found = self.checks(path, 1)
        self.assertEqual((found["chain"][0], found["anchor"][0], found["order"][0]), ("PASS", "PASS", "FAIL"))
        self.assertIn(f"line {i + 2} (seq {i + 2}, byte", found["order"][1])

    def test_edited_with_a_new_chain(self):
        """Nobody but the seed and the balance can tell."""
        for kind, key, check in (("flow.end", "hits", "flows"), ("fault.close", "dropped", "balance"),
                                 ("fault.close", "hit", "receipts"), ("run.start", "seed", "seed")):
            with self.subTest(f"{kind} {key}"):
                path, line = self.edited(kind, key, lambda n: n + 1)
                found = self.checks(path, 1)
                self.assertEqual([name for name, (result, _) in found.items() if result == "FAIL"], [check], found)
                if check == "flows":
                    self.assertTrue(found[check][1].startswith(f"line {line} (seq {line}, byte "), found)

    def test_packet_edited_with_a_new_chain(self):
        self.run_path = self.udp_run({"loss": "20%"}, evidence="packets").out
        self.lines = lines_of(self.run_path)
        for key, check in (("index", "lots"), ("segments", "packets")):
            with self.subTest(key):
                path, line = self.edited("packet", key, lambda n: n + 1)
                found = self.checks(path, 1)
                self.assertEqual([name for name, (result, _) in found.items() if result == "FAIL"], [check], found)
                if check == "lots":
                    self.assertTrue(found[check][1].startswith(f"line {line} (seq {line}, byte "), found)

    def test_another_seed(self):
        """The plan is not that of the run."""
        path = self.copy()
        name = os.path.join(path, "plan.json")
        with open(name, encoding="utf-8") as f:
            plan = json.load(f)
        plan["seed"] += 1
        with open(name, "w", encoding="utf-8") as f:
            json.dump(plan, f)
        found = self.checks(path, 1)
        self.assertEqual({name for name, (result, _) in found.items() if result == "FAIL"},
                         {"seed", "flows", "receipts"})

    def test_later_version(self):
        path, _ = self.edited("run.start", "format", lambda n: n + 1)
        for command in ("verify", "report"):
            done = self.lab.call(command, path)
            self.assertEqual((done.status, done.stdout), (2, ""), done.stderr)
            self.assertIn("is from a later version of shearpin", done.stderr)
        self.assertIn("its events.jsonl is of format 2, this shearpin reads format 1", self.verify(path).stderr)
        path = self.copy()
        name = os.path.join(path, "plan.json")
        with open(name, encoding="utf-8") as f:
            plan = json.load(f)
        with open(name, "w", encoding="utf-8") as f:
            json.dump(plan | {"version": 2}, f)
        done = self.verify(path)
        self.assertEqual((done.status, done.stdout), (2, ""))
        self.assertIn("its plan.json is of version 2, this shearpin reads version 1", done.stderr)

    def test_no_run(self):
        path = self.copy()
        for name in ("events.jsonl", "plan.json"):
            os.unlink(os.path.join(path, name))
            done = self.verify(path)
            self.assertEqual((done.status, done.stdout), (2, ""))
            self.assertIn(f"not a run directory: it has no {name}", done.stderr)
        self.assertEqual(self.verify(os.path.join(path, "nowhere")).status, 2)
        self.assertEqual(self.lab.call("verify").status, 2)


class Facts(VerifyTest):
    def test_run_start(self):
        """What run.start says of the host is what others say."""
        run = self.lab.inject("drop", "--remote-port", str(PORT), "--for", "50ms")
        self.assert_ended(run, 0)
        data = run.events("run.start")[0]["data"]
        here = self.lab.here
        host = os.uname()
        self.assertEqual((data["kernel"], data["kernel_version"], data["machine"]),
                         (host.release, host.version, host.machine))
        self.assertEqual((data["format"], data["cpus"]), (1, os.cpu_count()))
        self.assertEqual(data["command"][0], "inject")
        device, = data["devices"]
        link, = json.loads(here.call("ip", "-json", "link", "show", "dev", DEVICE))
        self.assertEqual((device["name"], device["mtu"], device["qdisc"]), (DEVICE, link["mtu"], link["qdisc"]))
        shown = dict(re.findall(r"^(\S+): (\S+)", here.call("ethtool", "-i", DEVICE), re.M))
        self.assertEqual(device["driver"], shown["driver"])
        features = dict(re.findall(r"^\s*(\S+): (on|off)", here.call("ethtool", "-k", DEVICE), re.M))
        names = {"rx_checksum": "rx-checksumming", "tx_checksum": "tx-checksumming", "gro": "generic-receive-offload",
                 "gso": "generic-segmentation-offload", "tso": "tcp-segmentation-offload", "lro": "large-receive-offload"}
        self.assertEqual(device["offloads"], {k: features[v] == "on" for k, v in names.items()})
        self.assertEqual(list(data["clock"]), ["synchronised", "offset_ns", "max_error_ns", "error_ns", "tai_s", "source"])
        with open("/sys/devices/system/clocksource/clocksource0/current_clocksource", encoding="ascii") as f:
            self.assertEqual(data["clock"]["source"], f.read().strip())
        self.assertLessEqual({"tc_in", "tc_out"}, set(data["programs"]))
        for tag in data["programs"].values():
            self.assertRegex(tag, r"^[0-9a-f]{16}$")

    def test_the_same_programs_have_the_same_tags(self):
        tags = []
        for _ in range(2):
            run = self.lab.inject("drop", "--remote-port", str(PORT), "--for", "10ms")
            self.assert_ended(run, 0)
            tags.append(run.events("run.start")[0]["data"]["programs"])
        self.assertEqual(tags[0], tags[1])


if __name__ == "__main__":
    unittest.main()
