# SPDX-License-Identifier: BSD-2-Clause
"""reset: both ends, idle connections included, and nobody else."""
import errno
import select
import signal
import socket
import unittest

import chance
from again import Again
from lab import DEVICE, FAMILIES, HOLD, PATIENCE_S, V4, V6, LabTest, name_of, now_ns, wait_until
from traffic import Traffic

PORT, NEXT_PORT = 4000, 4001


class Both(LabTest):
    """How soon it comes is measured by `make bench`."""

    def check(self, family, offloads):
        lab = self.lab
        lab.offloads(offloads)
        listener, next_listener = (lab.listen(lab.there, family, port) for port in (PORT, NEXT_PORT))
        idle, active = lab.connect(listener, 100), lab.connect(listener, 100)
        bystanders = lab.connect(next_listener, 20)
        with Traffic(active + bystanders, idle) as traffic:
            run = lab.inject("reset=both", "--proto", "tcp", "--remote-port", str(PORT), "--for", HOLD)
            opens = run.opened()["data"]["opens_ns"]
            victims = {s for pair in idle + active for s in pair}
            wait_until(lambda: victims <= set(traffic.ended), "all 400 ends know")
            self.assert_errno(lab.try_connect(lab.here, family, PORT), errno.ECONNREFUSED)
            wait_until(lambda: all(traffic.exchanged(client, opens, now_ns()) for client, _ in bystanders),
                       "the bystanders' answers")
            self.assertEqual(run.stop(), 130)
            self.assert_errno(lab.try_connect(lab.here, family, PORT), 0, "the very next connection")
        self.assertEqual({number for number, _ in traffic.ended.values()}, {errno.ECONNRESET})
        self.assertEqual(set(traffic.ended), victims, "someone else was reset")
        self.assertGreater(min(at for _, at in traffic.ended.values()), opens, "before the window")
        self.check_evidence(run)
        self.check_closing(family)

    def check_closing(self, family):
        """A window that closes by itself."""
        lab = self.lab
        run = lab.inject("reset=both", "--proto", "tcp", "--remote-port", str(PORT), "--for", "50ms")
        closes = run.opened()["data"]["closes_ns"]
        wait_until(lambda: now_ns() >= closes, "the closing")
        self.assert_errno(lab.try_connect(lab.here, family, PORT), 0, "the very next connection")
        self.assert_ended(run, 0)

    def check_evidence(self, run):
        counters = run.counters()
        # The refused connection may have got the port of one that was reset: then it is the same flow.
        self.assertIn(counters["flows"], (200, 201))
        self.assertGreaterEqual(counters["idle_reset"], 100)
        self.assertEqual(counters["refused"], 1)
        self.assertEqual(counters["matched"], counters["reset"] + counters["refused"])
        self.assertEqual(counters["failed"], 0)
        hits = run.events("flow.hit")
        self.assertEqual(len({e["flow"] for e in hits}), counters["flows"])
        self.assertEqual(len(hits), counters["flows"])

    def test_ipv4(self):
        self.check(V4, True)

    def test_ipv6(self):
        self.check(V6, True)

    def test_ipv4_without_offloads(self):
        self.check(V4, False)

    def test_ipv6_without_offloads(self):
        self.check(V6, False)


class Directions(LabTest):
    """shearpin on the server's side, and bulk transfers."""

    def test_incoming_connections(self):
        lab = self.lab
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                pairs = lab.connect(lab.listen(lab.here, family, PORT), 20)
                with Traffic(pairs[:10], pairs[10:]) as traffic:
                    run = lab.inject("reset=both", "--proto", "tcp", "--local-port", str(PORT), "--for", HOLD)
                    run.opened()
                    wait_until(lambda: len(traffic.ended) == 40, "all ends know")
                    self.assert_errno(lab.try_connect(lab.there, family, PORT), errno.ECONNREFUSED)
                    self.assertEqual(run.stop(), 130)
                self.assertEqual({number for number, _ in traffic.ended.values()}, {errno.ECONNRESET})
                self.assert_errno(lab.try_connect(lab.there, family, PORT), 0)

    def check_bulk(self, family):
        """A sender of large segments and a receiver that reads nothing, so that much is under way."""
        lab = self.lab
        client, server = lab.connect(lab.listen(lab.there, family, PORT))[0]
        client.setblocking(False)
        sent, ended = 0, {}

        def receive():
            try:
                return server.recv(1 << 20)
            except OSError as e:
                ended["server"] = e.errno
                return b""

        def send():
            nonlocal sent
            for _ in range(100):
                try:
                    sent += client.send(b"x" * 65536)
                except BlockingIOError:
                    if "server" not in ended:  # an error is told once
                        receive()
                except OSError as e:
                    ended["client"] = e.errno
                    return True
            return False

        self.assertFalse(send())
        run = lab.inject("reset=both", "--proto", "tcp", "--remote-port", str(PORT), "--for", HOLD)
        wait_until(send, "the sender knows")
        while "server" not in ended and receive():
            pass
        self.assertEqual(ended, {"client": errno.ECONNRESET, "server": errno.ECONNRESET})
        self.assertEqual(run.stop(), 130)
        self.assertEqual(run.counters()["failed"], 0)

    def test_bulk(self):
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                self.check_bulk(family)

    def test_bulk_without_offloads(self):
        self.lab.offloads(False)
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                self.check_bulk(family)


class ByPackets(Again, LabTest):
    """The process stands still: no walk over idle connections helps, the kernel's answer to a segment is all there is."""

    KINDS = {
        "client's data": lambda client, server: client.send(b"*"),
        "server's data": lambda client, server: server.send(b"*"),
        "much data": lambda client, server: client.send(b"*" * 60000),
        "client's FIN": lambda client, server: client.shutdown(socket.SHUT_WR),
        "server's FIN": lambda client, server: server.shutdown(socket.SHUT_WR),
    }

    def check(self, offloads):
        lab = self.lab
        lab.offloads(offloads)
        ports = {("remote_port", lab.there): PORT, ("local_port", lab.here): NEXT_PORT}
        pairs = {(family, side, kind): lab.connect(listener)[0]
                 for family in FAMILIES for side in ports
                 for listener in [lab.listen(side[1], family, ports[side])] for kind in self.KINDS}
        run = lab.run({"version": 1, "name": "packets", "interface": DEVICE,
                       "targets": {key: {"proto": "tcp", key: port} for (key, _), port in ports.items()},
                       "steps": [{"name": "cut", "at": "400ms", "for": HOLD, "fault": {"reset": "both"},
                                  "target": [key for key, _ in ports]}]})
        opens = run.wait_event("baseline.end")["data"]["zero_ns"] + 400_000_000
        run.freeze()
        self.in_time(now_ns() < opens, "the process stands still before the window")
        wait_until(lambda: now_ns() >= opens, "the opening")
        for (family, side, kind), pair in pairs.items():
            with self.subTest(f"{name_of(family)} {side[0]} {kind}"):
                self.KINDS[kind](*pair)
                for s in pair:
                    poll = select.poll()
                    poll.register(s, 0)  # errors are told of all the same
                    poll.poll(PATIENCE_S * 1000)
                    self.assert_errno(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), errno.ECONNRESET)
        for family in FAMILIES:
            for side, port in ports.items():
                self.assert_errno(lab.try_connect(lab.other(side[1]), family, port), errno.ECONNREFUSED)
        run.signal(signal.SIGCONT)
        self.assertEqual(run.stop(), 130)
        closes = [e["data"] for e in run.events("fault.close")]
        self.assertEqual([(c["refused"], c["failed"], c["dropped"], c["passed"]) for c in closes], [(2, 0, 0, 0)] * 2)

    def test_with_offloads(self):
        self.check(True)

    def test_without_offloads(self):
        self.check(False)


class OneEnd(LabTest):
    """local and remote reach just that end."""

    def check(self, ends, family):
        lab = self.lab
        out_listener, in_listener = lab.listen(lab.there, family, PORT), lab.listen(lab.here, family, PORT)
        outgoing, incoming = lab.connect(out_listener, 20), lab.connect(in_listener, 20)
        with Traffic(outgoing[:10] + incoming[:10], outgoing[10:] + incoming[10:]) as traffic:
            run = lab.inject(f"reset={ends}", "--proto", "tcp", "--remote-port", str(PORT), "--for", HOLD)
            run.opened()
            hit = {pair[0 if ends == "local" else 1] for pair in outgoing}
            wait_until(lambda: hit <= set(traffic.ended), f"every {ends} end knows")
            self.check_new(ends, family)
            self.assertEqual(set(traffic.ended), hit, "the other end, or an incoming connection, was reset, too")
            self.assertEqual({number for number, _ in traffic.ended.values()}, {errno.ECONNRESET})
            self.assertEqual(run.stop(), 130)

    def check_new(self, ends, family):
        lab = self.lab
        if ends == "local":
            self.assert_errno(lab.try_connect(lab.here, family, PORT), errno.ECONNREFUSED)
        else:
            self.assert_errno(lab.try_connect(lab.here, family, PORT, 0.3), errno.ETIMEDOUT)
        # Not the target: its port is remote only for those that connect out.
        self.assert_errno(lab.try_connect(lab.there, family, PORT), 0)

    def test_local(self):
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                self.check("local", family)

    def test_remote(self):
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                self.check("remote", family)


class Percent(LabTest):
    """A share of the connections: those that the seed draws, and no others."""

    def test_percent(self):
        lab = self.lab
        listener = lab.listen(lab.there, V4, PORT)
        pairs = lab.connect(listener, 100)
        drawn = {client for client, _ in pairs if self.is_drawn(client, 11, 30)}
        with Traffic((), pairs) as traffic:
            run = lab.inject("reset=both", "percent=30%", "--seed", "11", "--proto", "tcp",
                             "--remote-port", str(PORT), "--for", HOLD)
            run.opened()
            wait_until(lambda: len(traffic.ended) >= 2 * len(drawn), "all drawn know")
            self.assertEqual(run.stop(), 130)
        self.assertEqual({client for client, _ in pairs if client in traffic.ended}, drawn)
        self.assertEqual({server for _, server in pairs if server in traffic.ended},
                         {server for client, server in pairs if client in drawn})
        self.assertEqual(run.counters()["idle_reset"], len(drawn))
        for client, server in pairs:
            if client not in drawn:
                client.setblocking(True)
                server.setblocking(True)
                self.assert_echo(client, server)

    @staticmethod
    def is_drawn(client, seed, percent):
        flow = chance.flow_hash(*client.getsockname(), *client.getpeername(), chance.TCP)
        return chance.draw(chance.rule_seed(seed), chance.FLOW, flow) < chance.threshold(percent)


if __name__ == "__main__":
    unittest.main()
