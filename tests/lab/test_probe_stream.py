# SPDX-License-Identifier: BSD-2-Clause
"""Stream probes against senders that the test plays: each message is counted once, whatever it is carried by, and what a fault
drops is what the probe misses."""
import contextlib
import re
import socket
import unittest

from again import Again
from lab import DEVICE, HERE, HOLD, THERE, UDP, V4, V6, LabTest, wait_until
from web import quoted

PORT = 5000
BEFORE, DURING = 40, 500


def line(number):
    return f"tick seq={number} price=1\n".encode()


class StreamTest(Again, LabTest):
    @staticmethod
    def scenario(probe, fault=None, **more):
        return {"version": 1, "name": "feed", "seed": 7, "interface": DEVICE,
                "targets": {"feed": {"remote": [THERE[V4], THERE[V6]], "direction": "both"}},
                "probes": {"feed": {"every": "20ms", "timeout": "60s", "silence": "60s",
                                    **({} if "binary" in probe else {"number": "seq=([0-9]+)"}), **probe}},
                "baseline": HOLD, "recovery": HOLD,
                "steps": [{"name": "cut", "at": "0s", "fault": fault or {"drop": True}, "target": "feed", "for": "1s"}], **more}

    def look(self, **probe):
        """In a baseline without an end."""
        return self.lab.run(self.scenario(probe))

    def wait_sample(self, run, **data):
        """One with these data."""
        def look():
            running = run.running()
            found = [e for e in run.events("probe.up", "probe.down")
                     if all(e["data"].get(key) == value for key, value in data.items())]
            if not found:
                self.assertTrue(running, run.stderr)
            return found and found[0]

        return wait_until(look, f"a sample with {data}; there are {run.events('probe.up', 'probe.down')[-2:]}")

    def accept(self, listener):
        connection = self.lab.keep(listener.accept()[0])
        connection.settimeout(60)
        return connection

    def assert_alone(self, run):
        """Nothing of the probe's own is told as the system's."""
        self.assertEqual([e["type"] for e in run.events() if e["type"].startswith("conn.")], [])


class Tcp(StreamTest):
    def check(self, family):
        """Two connections, and between them three messages that nobody has received."""
        listener = self.lab.listen(self.lab.there, family, PORT)
        run = self.look(stream=f"tcp://{quoted(THERE[family])}:{PORT}", subscribe="feed\n")
        connection = self.accept(listener)
        self.assertEqual(connection.recv(100), b"feed\n")
        text = b"".join(map(line, range(1, 101)))
        connection.sendall(text[:1003])
        connection.sendall(text[1003:] + b"level=info no number\n" + line(999)[:-1])  # not ended: it does not count
        first = self.wait_sample(run, detail="100 received, 0 missing, 0 twice, 0 late")
        self.assertEqual((first["type"], first["data"]["value"]), ("probe.up", 1))
        self.assertNotIn("latency_ns", first["data"])
        connection.close()
        down = self.wait_sample(run, error="closed")
        self.assertEqual(down["type"], "probe.down")
        connection = self.accept(listener)
        self.assertEqual(connection.recv(100), b"feed\n")
        connection.sendall(b"".join(map(line, [*range(104, 201), 102, 150])))
        last = self.wait_sample(run, detail="199 received, 2 missing, 1 twice, 1 late, 2 connections")
        self.assertEqual((last["type"], last["data"]["value"]), ("probe.up", 198 / 200))
        self.assertEqual(run.stop(), 130)
        self.assert_alone(run)

    def test_ipv4(self):
        self.check(V4)

    def test_ipv6(self):
        self.check(V6)

    def test_refused(self):
        """Until somebody listens, and says something."""
        run = self.look(stream=f"tcp://{THERE[V4]}:{PORT}")
        self.assertEqual(self.wait_sample(run, error="refused")["type"], "probe.down")
        listener = self.lab.listen(self.lab.there, V4, PORT)
        connection = self.accept(listener)
        connection.sendall(line(7))
        self.assertEqual(self.wait_sample(run, detail="1 received, 0 missing, 0 twice, 0 late")["type"], "probe.up")
        self.assertEqual(run.stop(), 130)

    def test_silence(self):
        listener = self.lab.listen(self.lab.there, V4, PORT)
        run = self.look(stream=f"tcp://{THERE[V4]}:{PORT}", silence="300ms")
        connection = self.accept(listener)
        never = self.wait_sample(run, error="silent")
        self.assertNotIn("value", never["data"])
        connection.sendall(line(1))
        up = run.wait_event("probe.up")
        self.assertTrue(up["data"]["changed"])
        self.wait_sample(run, error="silent", value=1)
        connection.sendall(line(2))
        self.wait_sample(run, detail="2 received, 0 missing, 0 twice, 0 late")
        self.assertEqual(run.stop(), 130)

    def test_completeness(self):
        listener = self.lab.listen(self.lab.there, V4, PORT)
        run = self.look(stream=f"tcp://{THERE[V4]}:{PORT}", complete="95%")
        connection = self.accept(listener)
        connection.sendall(b"".join(map(line, [*range(1, 95), 100])))
        self.assertEqual(self.wait_sample(run, value=0.95)["type"], "probe.up")
        connection.sendall(line(102))
        self.assertEqual(self.wait_sample(run, error="incomplete")["data"]["value"], 96 / 102)
        connection.sendall(line(99))
        self.assertEqual(self.wait_sample(run, value=97 / 102)["type"], "probe.up")
        self.assertEqual(run.stop(), 130)


class Udp(StreamTest):
    def test_subscription(self):
        """It is sent again and again; the answers come to the port that it came from."""
        server = self.lab.socket(self.lab.there, V4, UDP, PORT)
        run = self.look(stream=f"udp://{THERE[V4]}:{PORT}", subscribe="feed please")
        for number in range(1, 6):
            data, client = server.recvfrom(100)
            self.assertEqual(data, b"feed please")
            server.sendto(line(number), client)
        self.wait_sample(run, detail="5 received, 0 missing, 0 twice, 0 late")
        server.sendto(line(8), client)
        server.sendto(line(6), client)
        server.sendto(line(6), client)
        self.wait_sample(run, detail="8 received, 1 missing, 1 twice, 1 late", value=7 / 8)
        server.close()
        self.assertEqual(self.wait_sample(run, error="refused")["type"], "probe.down")
        self.assertEqual(run.stop(), 130)
        self.assert_alone(run)

    def wait_bound(self, run, family, port=PORT):
        """The probe listens: nobody else can."""
        def look():
            with contextlib.closing(self.lab.here.socket(family, UDP)) as s:
                try:
                    s.bind((HERE[family], port))
                except OSError:
                    return True
            self.assertTrue(run.running(), run.stderr)
            return False

        wait_until(look, "the probe listens")

    def test_binary(self):
        run = self.look(stream=f"udp-listen://[{HERE[V6]}]:{PORT}", binary=True)
        self.wait_bound(run, V6)
        sender = self.lab.socket(self.lab.there, V6, UDP)
        for number in (2 ** 63, 2 ** 63 + 1, 2 ** 63 + 4):
            sender.sendto(number.to_bytes(8, "big") + b"payload", (HERE[V6], PORT))
        sender.sendto(b"short", (HERE[V6], PORT))
        self.wait_sample(run, detail="3 received, 2 missing, 0 twice, 0 late", value=0.6)
        self.assertEqual(run.stop(), 130)

    def test_port_in_use(self):
        """It takes nothing away from who has the port."""
        holder = self.lab.socket(self.lab.here, V4, UDP, PORT)
        run = self.look(stream=f"udp-listen://{HERE[V4]}:{PORT}")
        self.wait_sample(run, error="Address already in use")
        holder.close()
        sender = self.lab.socket(self.lab.there, V4, UDP)
        self.wait_bound(run, V4)
        sender.sendto(line(1), (HERE[V4], PORT))
        self.wait_sample(run, detail="1 received, 0 missing, 0 twice, 0 late")
        self.assertEqual(run.stop(), 130)

    def test_group(self):
        """A multicast group is joined, and shared with others on this host."""
        group = "239.7.7.7"
        for space, device in ((self.lab.here, DEVICE), (self.lab.there, "peer0")):
            space.call("ip", "route", "add", "239.0.0.0/8", "dev", device)
        other = self.lab.keep(self.lab.here.socket(V4, UDP))
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((group, PORT))
        run = self.look(stream=f"udp-listen://{group}:{PORT}")
        sender = self.lab.socket(self.lab.there, V4, UDP)

        def is_heard():
            sender.sendto(line(1), (group, PORT))
            self.assertTrue(run.running(), run.stderr)
            return run.events("probe.up")

        wait_until(is_heard, "the probe hears the group")
        self.assertEqual(run.stop(), 130)

    def test_what_a_fault_drops(self):
        """Every fifth datagram of the window is lost, and just these are missing. Then it is silent until the last one comes, again and
        again."""
        loss = {"loss": {"every": 5}}
        run = self.lab.run(self.scenario({"stream": f"udp-listen://{HERE[V4]}:{PORT}", "silence": "500ms"}, baseline="300ms",
                                         targets={"feed": {"proto": "udp", "remote": THERE[V4], "direction": "in"}},
                                         steps=[{"name": "thin", "at": "0s", "fault": loss, "target": "feed", "for": "2s"}]))
        self.wait_bound(run, V4)
        sender = self.lab.socket(self.lab.there, V4, UDP)
        for number in range(BEFORE):
            sender.sendto(line(number), (HERE[V4], PORT))
        run.opened()
        for number in range(BEFORE, BEFORE + DURING):
            sender.sendto(line(number), (HERE[V4], PORT))
        run.wait_event("fault.close")
        dropped = run.counters()["dropped"]
        self.in_time(dropped == DURING // 5, "all of them in the window")
        self.assertEqual(self.wait_sample(run, error="silent")["type"], "probe.down")
        wait_until(lambda: sender.sendto(line(BEFORE + DURING), (HERE[V4], PORT)) and not run.running(), "the recovery")
        self.assert_ended(run, 0)
        last = run.events("probe.up", "probe.down")[-1]["data"]
        distinct = BEFORE + DURING + 1 - dropped
        received, twice = map(int, re.fullmatch(f"([0-9]+) received, {dropped} missing, ([0-9]+) twice, 0 late", last["detail"]).groups())
        self.assertEqual(received - twice, distinct)
        self.assertEqual(last["value"], distinct / (distinct + dropped))
        results = run.document("results.json")
        self.assertTrue(results["complete"])
        self.assertEqual(results["probes"][0]["latency_baseline"]["samples"], 0)


if __name__ == "__main__":
    unittest.main()
