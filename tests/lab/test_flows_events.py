# SPDX-License-Identifier: BSD-2-Clause
"""The observer's events: what happens to a connection is in the log, in order, with the kernel's times."""
import errno
import os
import socket
import struct
import unittest

from again import Again
from flows import conn_events, endpoint, flow_of, scenario, story
from lab import DEVICE, FAMILIES, HERE, PEER_DEVICE, THERE, UDP, V4, V6, LabTest, name_of, now_ns, wait_until
from web import is_acknowledged

PORT, NEXT_PORT, CLOSED_PORT = 4000, 4001, 4009
NEVER = {"at": "300s", "for": "1s"}
TCP_CLOSE_WAIT = 8            # netinet/tcp.h
TCP_INFO_RETRANSMITS = 2      # where linux/tcp.h has tcpi_retransmits
TCP_INFO_TOTAL_RETRANS = 100  # ... tcpi_total_retrans
LINGER_NONE = struct.pack("ii", 1, 0)
OUT, IN = "out", "in"


def watch(target=None, **step):
    """A scenario that does nothing for as long as a test lasts."""
    return scenario({"t": target or {"proto": "tcp", "remote_port": [PORT, CLOSED_PORT]}},
                    [{"name": "never", "target": "t", "fault": {"drop": True}, **(step or NEVER)}], recovery="0s")


class ObserverTest(Again, LabTest):
    def observe(self, *args, **step):
        """A run that observes, and that no fault is at work in."""
        run = self.lab.run(watch(*args, **step))
        run.wait_event("baseline.end")
        return run

    def finish(self, run):
        """The events of a run that is ended now."""
        self.assertEqual(run.stop(), 130, run.stderr)
        events = run.events()
        self.assertFalse([e for e in events if e["type"] == "lost"])
        return events

    def told(self, run, flow, what):
        """Once the log says it about the flow."""
        return wait_until(lambda: [s for s in story(run.events(), flow) if s[0] == what], f"{flow}: {what}")[0]

    def assert_story(self, events, flow, expected):
        self.assertEqual([s[0] for s in story(events, flow)], expected)

    def send(self, sender, receiver, data):
        """The times before it is sent, and when it has arrived."""
        before = now_ns()
        sender.sendall(data)
        received = b""
        while len(received) < len(data):
            received += receiver.recv(65536)
        return before, now_ns()

    def be_patient(self):
        """From now on TCP sends nothing again after a few milliseconds: tail loss probes (RFC 8985)."""
        for space in (self.lab.here, self.lab.there):
            space.call("sh", "-c", "echo 0 >/proc/sys/net/ipv4/tcp_early_retrans")


class Plain(ObserverTest):
    """Connections that no fault has to do with."""

    def check_outgoing(self, family):
        lab = self.lab
        self.be_patient()
        listener = lab.listen(lab.there, family, PORT)
        run = self.observe()
        client = lab.socket(lab.here, family, socket.SOCK_STREAM)
        connect = [now_ns()]
        client.connect((THERE[family], PORT))
        connect.append(now_ns())
        server, flow = listener.accept()[0], flow_of(client)
        out = self.send(client, server, b"q" * 100)
        back = self.send(server, client, b"a" * 3000)
        out_again = self.send(client, server, b"q" * 50)
        hang_up = [now_ns()]
        client.close()
        self.assertEqual(server.recv(1), b"")
        server.close()
        self.told(run, flow, "closed")
        hang_up.append(now_ns())
        events = self.finish(run)

        self.assert_story(events, flow, ["attempt", "established", "first_data", "first_data", "fin", "closed"])
        attempt, established, asked, answered, fin, closed = story(events, flow)
        self.assertEqual({e["target"] for e in events if e.get("flow") == flow}, {"t"})
        self.assertFalse([e for e in events if e.get("flow") == flow and ("step" in e or "instance" in e)])
        for (_, at, _), (before, after) in zip((attempt, established, asked, answered, fin, closed),
                                               (connect, connect, out, back, hang_up, hang_up)):
            self.assertTrue(before <= at <= after, (before, at, after))
        self.assertEqual(attempt[2]["opener"], OUT)
        self.assertNotIn("verdict", attempt[2])
        self.assertEqual(attempt[2]["process"]["pid"], os.getpid())
        self.assertEqual({k: established[2][k] for k in ("opener", "attempt_ns", "syns")},
                         {"opener": OUT, "attempt_ns": attempt[1], "syns": 1})
        for (_, _, data), direction in ((asked, OUT), (answered, IN)):
            self.assertEqual((data["direction"], data["opener"], data["established_ns"]),
                             (direction, OUT, established[1]))
        for _, _, data in fin, closed:
            self.assertEqual(data["by"], "local")
        summary = closed[2]
        self.assertEqual({k: summary[k] for k in ("opener", "attempt_ns", "established_ns", "first_out_ns", "first_in_ns",
                                                  "syns", "bytes_out", "bytes_in", "resent_out", "resent_in")},
                         {"opener": OUT, "attempt_ns": attempt[1], "established_ns": established[1],
                          "first_out_ns": asked[1], "first_in_ns": answered[1],
                          "syns": 1, "bytes_out": 150, "bytes_in": 3000, "resent_out": 0, "resent_in": 0})
        self.assertTrue(out_again[0] <= summary["last_out_ns"] <= out_again[1])
        self.assertEqual(summary["gap_out_ns"], summary["last_out_ns"] - asked[1])
        # SYN, ACK, two requests and FIN at least; SYN-ACK, the answer and FIN.
        self.assertGreaterEqual(summary["packets_out"], 5)
        self.assertGreaterEqual(summary["packets_in"], 3)
        self.assertEqual(summary["process"]["pid"], os.getpid())

    def test_ipv4(self):
        self.check_outgoing(V4)

    def test_ipv6(self):
        self.check_outgoing(V6)

    def check_incoming(self, family):
        lab = self.lab
        listener = lab.listen(lab.here, family, PORT)
        run = self.observe({"proto": "tcp", "local_port": PORT})
        client = lab.socket(lab.there, family, socket.SOCK_STREAM)
        client.connect((HERE[family], PORT))
        server = listener.accept()[0]
        flow = flow_of(server)
        self.send(client, server, b"q")
        self.send(server, client, b"a")
        server.close()
        self.assertEqual(client.recv(1), b"")
        client.close()
        self.told(run, flow, "closed")
        events = self.finish(run)
        self.assert_story(events, flow, ["attempt", "established", "first_data", "first_data", "fin", "closed"])
        attempt, established, asked, answered, fin, closed = (s[2] for s in story(events, flow))
        self.assertEqual([d["opener"] for d in (attempt, established, asked, answered, fin, closed)], [IN] * 6)
        self.assertEqual((asked["direction"], answered["direction"]), (IN, OUT))
        self.assertEqual((fin["by"], closed["by"]), ("local", "local"))

    def test_incoming(self):
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                self.check_incoming(family)

    def test_the_remote_end_hangs_up(self):
        lab = self.lab
        listener = lab.listen(lab.there, V4, PORT)
        run = self.observe()
        (client, server), = lab.connect(listener)
        flow = flow_of(client)
        server.close()
        self.assertEqual(client.recv(1), b"")
        self.told(run, flow, "fin")
        self.assertFalse([s for s in story(run.events(), flow) if s[0] == "closed"], "half-closed")
        self.assertEqual(client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0], TCP_CLOSE_WAIT)
        client.close()
        last = self.told(run, flow, "closed")
        events = self.finish(run)
        self.assert_story(events, flow, ["attempt", "established", "fin", "closed"])
        self.assertEqual([s[2]["by"] for s in story(events, flow)[2:]], ["remote", "remote"])
        self.assertEqual((last[2]["first_out_ns"], last[2]["first_in_ns"]), (None, None))

    def check_reset(self, resetter, by):
        lab = self.lab
        listener = lab.listen(lab.there, V4, PORT)
        run = self.observe()
        pair = lab.connect(listener)[0]
        flow = flow_of(pair[0])
        self.send(*pair, b"q")
        s = pair[resetter]
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
        before = now_ns()
        s.close()
        with self.assertRaises(ConnectionResetError):
            pair[1 - resetter].recv(1)
        after = now_ns()
        _, at, data = self.told(run, flow, "reset")
        self.assertTrue(before <= at <= after)
        self.assertEqual(data["by"], by)
        self.assertEqual((data["bytes_out"], data["bytes_in"]), (1, 0))
        self.assert_story(self.finish(run), flow, ["attempt", "established", "first_data", "reset"])

    def test_the_local_end_resets(self):
        self.check_reset(0, "local")

    def test_the_remote_end_resets(self):
        self.check_reset(1, "remote")

    def test_a_closed_port(self):
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                lab = self.lab
                run = self.observe()
                client = lab.socket(lab.here, family, socket.SOCK_STREAM)
                flow = f"{endpoint(*client.getsockname()[:2])}>{endpoint(THERE[family], CLOSED_PORT)}/tcp"
                before = now_ns()
                self.assert_errno(client.connect_ex((THERE[family], CLOSED_PORT)), errno.ECONNREFUSED)
                after = now_ns()
                self.told(run, flow, "refused")
                events = self.finish(run)
                self.assert_story(events, flow, ["attempt", "refused"])
                (_, tried, attempt), (_, ended, refused) = story(events, flow)
                self.assertTrue(before <= tried <= ended <= after)
                self.assertNotIn("verdict", attempt)
                self.assertEqual(refused["by"], "remote")
                self.assertEqual((refused["attempt_ns"], refused["established_ns"], refused["syns"]), (tried, None, 1))
                self.assertEqual(refused["process"]["pid"], os.getpid())

    def test_a_syn_that_waited_for_a_neighbour(self):
        """It is sent by whatever learns the neighbour's address, here ip(8): that is not whose it is."""
        lab = self.lab
        listener = lab.listen(lab.there, V4, PORT)
        neighbour = [THERE[V4], "dev", DEVICE]
        address = lab.here.call("ip", "neigh", "show", *neighbour).split("lladdr ")[1].split()[0]
        lab.there.call("sh", "-c", f"echo 8 >/proc/sys/net/ipv4/conf/{PEER_DEVICE}/arp_ignore")
        lab.here.call("sh", "-c", f"echo 1000 >/proc/sys/net/ipv4/neigh/{DEVICE}/mcast_solicit")  # it goes on asking
        lab.here.call("ip", "neigh", "del", *neighbour)
        run = self.observe()
        client = lab.socket(lab.here, V4, socket.SOCK_STREAM)
        client.setblocking(False)
        self.assertEqual(client.connect_ex((THERE[V4], PORT)), errno.EINPROGRESS)
        lab.here.call("ip", "neigh", "replace", *neighbour, "lladdr", address, "nud", "permanent")
        lab.keep(listener.accept()[0])
        flow = flow_of(client)
        self.told(run, flow, "established")
        attempt = story(self.finish(run), flow)[0]
        self.assertEqual(attempt[0], "attempt")
        self.assertNotIn("process", attempt[2])

    def test_the_same_ports_again(self):
        """A connection that ended, and the next one from the same port to the same port, are two."""
        lab = self.lab
        listener = lab.listen(lab.there, V4, PORT)
        run = self.observe()
        port = None
        for _ in range(3):
            client = lab.socket(lab.here, V4, socket.SOCK_STREAM) if port is None else \
                lab.socket(lab.here, V4, socket.SOCK_STREAM, port)
            port = client.getsockname()[1]
            client.connect((THERE[V4], PORT))
            flow = flow_of(client)
            server = listener.accept()[0]
            self.send(client, server, b"q")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
            client.close()
            with self.assertRaises(ConnectionResetError):
                server.recv(1)
            server.close()
        wait_until(lambda: len([s for s in story(run.events(), flow) if s[0] == "reset"]) == 3, "three resets")
        events = self.finish(run)
        self.assert_story(events, flow, ["attempt", "established", "first_data", "reset"] * 3)
        self.assertEqual([s[2]["bytes_out"] for s in story(events, flow) if s[0] == "reset"], [1, 1, 1])
        self.assertEqual(events_of(events, "conns")[0]["data"], {"seen": 3, "evicted": 0, "untracked": 0})


def events_of(events, *types):
    return [e for e in events if e["type"] in types]


class There(ObserverTest):
    """What was there before, what is there still, and what is none of the plan's business."""

    def test_before_the_observer_and_after_it(self):
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                lab = self.lab
                client, server = lab.connect(lab.listen(lab.there, family, PORT))[0]
                flow = flow_of(client)
                self.send(client, server, b"before")
                run = self.observe()
                self.send(server, client, b"a" * 10)
                self.told(run, flow, "first_data")
                events = self.finish(run)
                self.assert_story(events, flow, ["first_data", "open"])
                (_, at, first), (_, _, last) = story(events, flow)
                self.assertEqual((first["direction"], first["opener"], first["established_ns"]), (IN, None, None))
                self.assertEqual({k: last[k] for k in ("opener", "attempt_ns", "established_ns", "first_in_ns",
                                                       "first_out_ns", "bytes_in", "bytes_out")},
                                 {"opener": None, "attempt_ns": None, "established_ns": None, "first_in_ns": at,
                                  "first_out_ns": None, "bytes_in": 10, "bytes_out": 0})
                self.assertEqual(last["process"]["pid"], os.getpid())

    def test_others_are_not_observed(self):
        """Another port, both ways round, and a connection that is to no target."""
        lab = self.lab
        run = self.observe()
        mine, other = (lab.connect(lab.listen(lab.there, V4, port))[0] for port in (PORT, NEXT_PORT))
        reverse = lab.connect(lab.listen(lab.here, V4, PORT))[0]
        udp = lab.socket(lab.there, V4, UDP, PORT), lab.socket(lab.here, V4, UDP)
        for pair in mine, other, reverse:
            self.send(*pair, b"x")
        udp[1].sendto(b"x", (THERE[V4], PORT))
        self.told(run, flow_of(mine[0]), "first_data")
        events = self.finish(run)
        self.assertEqual({e["flow"] for e in events if e["type"].startswith("conn.")}, {flow_of(mine[0])})
        self.assertEqual(events_of(events, "conns")[0]["data"], {"seen": 1, "evicted": 0, "untracked": 0})

    def test_in_the_baseline(self):
        lab = self.lab
        listener = lab.listen(lab.there, V4, PORT)
        run = self.lab.run({**watch(), "baseline": "300s"})
        run.wait_event("run.start")

        def connect():
            """Until one is observed: the programs are attached some time after the start."""
            lab.connect(listener)
            return run.events("conn.attempt")

        wait_until(connect, "an attempt in the baseline")
        self.finish(run)
        self.assertFalse(run.events("baseline.end"))

    def test_udp(self):
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                lab = self.lab
                run = self.observe({"proto": "udp", "remote_port": PORT})
                server = lab.socket(lab.there, family, UDP, PORT)
                client = lab.socket(lab.here, family, UDP)
                client.connect((THERE[family], PORT))
                flow = flow_of(client).replace("/tcp", "/udp")
                for size in 10, 20:
                    client.send(b"q" * size)
                    server.sendto(b"a", server.recvfrom(100)[1])
                    client.recv(100)
                wait_until(lambda r=run, f=flow: len(story(r.events(), f)) >= 2, "two events")
                events = self.finish(run)
                server.close()
                self.assert_story(events, flow, ["first_data", "first_data", "open"])
                asked, answered, last = (s[2] for s in story(events, flow))
                self.assertEqual((asked["direction"], answered["direction"], asked["opener"]), (OUT, IN, None))
                self.assertEqual({k: last[k] for k in ("opener", "attempt_ns", "syns", "packets_out", "packets_in",
                                                       "bytes_out", "bytes_in", "resent_out", "resent_in")},
                                 {"opener": None, "attempt_ns": None, "syns": 0, "packets_out": 2, "packets_in": 2,
                                  "bytes_out": 30, "bytes_in": 2, "resent_out": 0, "resent_in": 0})

    def test_several_targets(self):
        """A flow belongs to the first target that matches it, and names the others."""
        lab = self.lab
        listener = lab.listen(lab.there, V4, PORT)
        targets = {"all": {"proto": "tcp", "remote": THERE[V4]}, "port": {"proto": "tcp", "remote_port": PORT},
                   "else": {"proto": "tcp", "remote_port": NEXT_PORT}}
        steps = [{"name": name, "target": name, "fault": {"drop": True}, **NEVER} for name in ("port", "all", "else")]
        run = lab.run(scenario(targets, steps, recovery="0s"))
        run.wait_event("baseline.end")
        client, server = lab.connect(listener)[0]
        self.send(client, server, b"x")
        self.told(run, flow_of(client), "first_data")
        found = [e for e in self.finish(run) if e["type"].startswith("conn.")]
        self.assertEqual({(e["target"], tuple(e["data"]["also"])) for e in found}, {("port", ("all",))})
        self.assertEqual(len(found), 4)


class Many(ObserverTest):
    """More flows than there is room for."""

    PORTS, SOCKETS, ROOM = 2000, 40, 65536

    def test_evicted_flows_are_counted(self):
        lab = self.lab
        last = PORT + self.PORTS - 1
        run = self.observe({"proto": "udp", "remote_port": f"{PORT}-{last}", "direction": "out"})
        for _ in range(self.SOCKETS):
            s = lab.socket(lab.here, V4, UDP)
            for port in range(PORT, last + 1):
                s.sendto(b"x", (THERE[V4], port))
        self.assertEqual(run.stop(), 130, run.stderr)
        counts = run.events("conns")[0]["data"]
        sent = self.PORTS * self.SOCKETS
        self.assertEqual(counts["seen"] + counts["untracked"], sent)
        still = len(run.events("conn.open"))
        self.assertLessEqual(still, self.ROOM)
        self.assertEqual(counts["evicted"], counts["seen"] - still)
        lost = sum(e["data"]["count"] for e in run.events("lost"))
        self.assertEqual(len(run.events("conn.first_data")) + lost, sent)


class Sockets(ObserverTest):
    """What TCP sends by itself."""

    KEEP_ALIVE_S = 1

    def keep_alives(self):
        """How many this host has sent."""
        text = self.lab.here.call("cat", "/proc/net/netstat").splitlines()
        names, values = (line.split() for line in text if line.startswith("TcpExt:"))
        return int(dict(zip(names, values))["TCPKeepAlive"])

    def test_keep_alives_are_no_payload(self):
        """Windows open and close meanwhile: the next payload would be an event."""
        lab = self.lab
        targets = {"t": {"proto": "tcp", "remote_port": PORT}, "u": {"proto": "udp", "remote_port": PORT}}
        steps = [{"name": "other", "target": "u", "fault": {"drop": True}, "at": "0s", "for": "100ms",
                  "repeat": {"times": 1000, "every": "200ms"}},
                 {"name": "never", "target": "t", "fault": {"drop": True}, **NEVER}]
        self.be_patient()
        client, server = lab.connect(lab.listen(lab.there, V4, PORT))[0]
        run = lab.run(scenario(targets, steps, recovery="0s"))
        run.wait_event("baseline.end")
        self.send(client, server, b"x")
        self.send(server, client, b"x")
        for option in socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL:
            client.setsockopt(socket.IPPROTO_TCP, option, self.KEEP_ALIVE_S)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        wait_until(lambda: self.keep_alives() >= 2, "two keep-alives")
        run.wait_event("fault.open", len(run.events("fault.open")) + 1)
        events = self.finish(run)
        self.assert_story(events, flow_of(client), ["first_data", "first_data", "open"])
        summary = story(events, flow_of(client))[-1][2]
        self.assertEqual([summary[k] for k in ("bytes_out", "bytes_in", "resent_out", "resent_in")], [1, 1, 0, 0])
        self.assertGreaterEqual(summary["packets_out"], 3)


class Lossy(Again, LabTest):
    """Packets that have to be sent again."""

    def exchange(self, client, server, count):
        for n in range(count):
            client.sendall(struct.pack("!I", n))
            self.assertEqual(server.recv(4), struct.pack("!I", n))
            server.sendall(b"a")
            self.assertEqual(client.recv(1), b"a")

    def check_loss(self, family):
        """Requests are lost on their way out; the sender's own count of what it sent again is the observer's."""
        lab = self.lab
        client, server = lab.connect(lab.listen(lab.there, family, PORT))[0]
        run = lab.inject("loss=20%", "--proto", "tcp", "--remote-port", str(PORT), "--direction", "out", "--for", "300s",
                         "--seed", "5")
        opened = run.opened()
        self.exchange(client, server, 60)
        again, = struct.unpack_from("I", client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256),
                                    TCP_INFO_TOTAL_RETRANS)
        self.assertGreater(again, 0, "nothing was lost")
        self.assertEqual(run.stop(), 130)
        events = run.events()
        said = story(events, flow_of(client))
        summary = said[-1][2]
        self.assertEqual(said[-1][0], "open")
        self.assertEqual(summary["resent_out"], again)
        self.assertEqual((summary["bytes_out"], summary["bytes_in"]), (240, 60))
        first = [s for s in said if s[0] == "retransmit"]
        self.assertEqual([s[2]["direction"] for s in first if s[2]["direction"] == OUT], [OUT], "once in a window")
        marked = [e for e in events if e["type"] == "conn.retransmit"]
        self.assertEqual({(e["step"], e["instance"]) for e in marked}, {(opened["step"], 1)})

    def test_loss(self):
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                self.check_loss(family)

    def test_a_stall(self):
        """A connection that outlives a black hole: stalled, then at work again, with the times of the payloads around it."""
        lab = self.lab
        client, server = lab.connect(lab.listen(lab.there, V4, PORT))[0]
        self.exchange(client, server, 3)
        run = lab.run(scenario({"t": {"proto": "tcp", "remote_port": PORT}},
                               [{"name": "hole", "target": "t", "fault": {"drop": True}, "at": "300ms", "for": "500ms"}],
                               recovery="60s"))
        run.wait_event("baseline.end")
        self.exchange(client, server, 3)
        wait_until(lambda: is_acknowledged(server), "the last answer is acknowledged")
        before = now_ns()
        window = run.opened()["data"]
        client.sendall(struct.pack("!I", 0))
        self.in_time(before < window["opens_ns"] and now_ns() < window["closes_ns"], "answers before the window, a request in it")
        self.assertEqual(server.recv(4), struct.pack("!I", 0))
        server.sendall(b"a")
        self.assertEqual(client.recv(1), b"a")
        self.exchange(client, server, 3)
        back = now_ns()
        self.assertEqual(run.wait(), 0, run.stderr)
        said = story(run.events(), flow_of(client))
        stalls = {s[2]["direction"]: s for s in said if s[0] == "stall"}
        self.assertIn(OUT, stalls)
        _, at, data = stalls[OUT]
        self.assertTrue(window["closes_ns"] <= at <= back)
        self.assertTrue(window["opens_ns"] <= data["from_ns"] < window["closes_ns"])
        answers = [s for s in said if s[0] == "data" and s[2]["direction"] == IN]
        self.assertEqual(len(answers), 1)
        _, at, data = answers[0]
        self.assertTrue(window["closes_ns"] <= at <= back)
        self.assertLess(data["from_ns"], window["opens_ns"])

    def test_half_open(self):
        """SYNs into a black hole: one attempt, and each SYN is counted."""
        lab = self.lab
        run = lab.inject("drop", "--proto", "tcp", "--remote-port", str(PORT), "--direction", "out", "--for", "300s")
        opened = run.opened()
        client = lab.socket(lab.here, V4, socket.SOCK_STREAM)
        client.setblocking(False)
        flow = f"{endpoint(*client.getsockname())}>{endpoint(THERE[V4], PORT)}/tcp"
        self.assert_errno(client.connect_ex((THERE[V4], PORT)), errno.EINPROGRESS)
        wait_until(lambda: client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[TCP_INFO_RETRANSMITS], "another SYN")
        client.close()
        self.assertEqual(run.stop(), 130)
        said = story(run.events(), flow)
        self.assertEqual([s[0] for s in said], ["attempt", "open"])
        self.assertEqual(said[0][2]["verdict"], "dropped")
        self.assertGreaterEqual(said[1][2]["syns"], 2)
        self.assertEqual(said[1][2]["established_ns"], None)
        attempt, = conn_events(run, None, "conn.attempt")
        self.assertEqual((attempt["step"], attempt["instance"], attempt["target"]),
                         (opened["step"], 1, opened["target"]))


if __name__ == "__main__":
    unittest.main()
