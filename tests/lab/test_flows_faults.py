# SPDX-License-Identifier: BSD-2-Clause
"""What the observer makes of a fault's own doing: packets that do not arrive, feeds, probes, and clients that never come
back."""
import contextlib
import errno
import socket
import unittest

from again import Again
from flows import MS, EchoServer, RetryingClient, conn_events, endpoint, flow_of, scenario, story, windows
from datagrams import gather_numbers, make_room, send_numbers
from lab import FAMILIES, HERE, THERE, UDP, V4, LabTest, name_of, now_ns, wait_until

PORT, NEXT_PORT = 4000, 4001
HOOKS = "tc", "xdp"


class Incoming(Again, LabTest):
    """What a fault keeps from the local end has not arrived, at either hook."""

    def for_each(self, check):
        for hook in HOOKS:
            for family in FAMILIES:
                with self.subTest(f"{hook}, {name_of(family)}"):
                    check(hook, family)

    def begin(self, hook, fault):
        run = self.lab.inject(fault, "--proto", "tcp", "--local-port", str(PORT), "--direction", "in", "--hook", hook,
                              "--for", "300s")
        run.opened()
        return run

    def client(self, family):
        """One of the other host, and its flow's name."""
        client = self.lab.socket(self.lab.there, family, socket.SOCK_STREAM)
        own = endpoint(*client.getsockname()[:2])
        return client, f"{endpoint(HERE[family], PORT)}>{own}/tcp"

    def end(self, run, flow):
        self.assertEqual(run.stop(), 130, run.stderr)
        return story(run.events(), flow)

    def check_refused(self, hook, family):
        listener = self.lab.listen(self.lab.here, family, PORT)
        run = self.begin(hook, "refuse=tcp-reset")
        client, flow = self.client(family)
        before = now_ns()
        self.assert_errno(client.connect_ex((HERE[family], PORT)), errno.ECONNREFUSED)
        after = now_ns()
        said = self.end(run, flow)
        listener.close()
        self.assertEqual([s[0] for s in said], ["attempt", "refused"])
        (_, tried, attempt), (_, ended, refused) = said
        self.assertTrue(before <= tried <= ended <= after)
        self.assertEqual((attempt["opener"], attempt["verdict"]), ("in", "refused"))
        self.assertEqual((refused["opener"], refused["by"], refused["syns"]), ("in", "fault", 1))

    def test_a_refused_connection(self):
        self.for_each(self.check_refused)

    def check_dropped(self, hook, family):
        listener = self.lab.listen(self.lab.here, family, PORT)
        run = self.begin(hook, "drop")
        client, flow = self.client(family)
        client.settimeout(0.2)
        with self.assertRaises(TimeoutError):
            client.connect((HERE[family], PORT))
        client.close()
        said = self.end(run, flow)
        listener.close()
        self.assertEqual([s[0] for s in said], ["attempt", "open"])
        self.assertEqual((said[0][2]["opener"], said[0][2]["verdict"]), ("in", "dropped"))
        self.assertGreaterEqual(said[1][2]["syns"], 1)
        self.assertEqual((said[1][2]["packets_in"], said[1][2]["established_ns"]), (0, None))

    def test_a_dropped_connection(self):
        """Its SYN is an attempt all the same."""
        self.for_each(self.check_dropped)

    def check_payload(self, hook, family):
        listener = self.lab.listen(self.lab.here, family, PORT)
        client, server = self.lab.connect(listener)[0]
        target = {"proto": "tcp", "local_port": PORT, "direction": "in"}
        run = self.lab.run(scenario({"t": target}, [{"name": "hole", "target": "t", "fault": {"drop": True}, "at": "300ms",
                                                     "for": "400ms"}], recovery="1s"), "--hook", hook)
        run.wait_event("baseline.end")
        client.sendall(b"before")
        self.assertEqual(server.recv(200), b"before")
        before, window = now_ns(), run.opened()["data"]
        client.sendall(b"x" * 100)
        self.in_time(before < window["opens_ns"] and now_ns() < window["closes_ns"], "one before the window, one in it")
        self.assertEqual(server.recv(200), b"x" * 100)
        self.assert_ended(run, 0)
        _, closes = windows(run)[0]
        said = story(run.events(), flow_of(server))
        listener.close()
        self.assertEqual([s[0] for s in said], ["first_data", "data", "open"])
        (_, first, _), (_, again, data), (_, _, summary) = said
        self.assertGreaterEqual(again, closes)
        self.assertEqual((data["direction"], data["from_ns"]), ("in", first))
        self.assertEqual((summary["bytes_in"], summary["packets_in"] - summary["resent_in"]), (106, 2))

    def test_dropped_payload(self):
        """It counts once, when it arrives."""
        self.for_each(self.check_payload)


class Feed(Again, LabTest):
    """A UDP feed that comes in, and the gap that a black hole makes in it."""

    def test_data_gap(self):
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                self.check_gap(family)

    def send(self, run, feeder, family):
        """A datagram each 2 ms, until the run is over; when each was sent."""
        sent = []
        while run.running():
            sent.append(now_ns())
            send_numbers(feeder, (HERE[family], PORT), [len(sent) - 1])
            wait_until(lambda until=sent[-1] + 2 * MS: now_ns() >= until, "2 ms")
        return sent

    def check_gap(self, family):
        lab = self.lab
        feeder = lab.socket(lab.there, family, UDP, NEXT_PORT)
        reader = lab.socket(lab.here, family, UDP, PORT)
        make_room(reader)
        run = lab.run(scenario({"feed": {"proto": "udp", "remote_port": NEXT_PORT}},
                               [{"name": "hole", "target": "feed", "fault": {"drop": True}, "at": "200ms", "for": "300ms"}],
                               recovery="60s", slo=[{"recovery_max": "60s", "by": "flow"}]))
        run.wait_event("baseline.end")
        sent = self.send(run, feeder, family)
        self.assert_ended(run, 0)
        counters = run.counters()
        arrived = sorted(gather_numbers(reader, len(sent) - counters["dropped"])[NEXT_PORT])
        self.assertEqual(len(sent) - len(arrived), counters["dropped"])
        opens, closes = windows(run)[0]
        last = max(n for n in arrived if sent[n] < opens)
        first = min(n for n in arrived if n > last)
        self.check_event(run, family, sent, last, first)
        self.check_results(run, sent, last, first)

    def check_event(self, run, family, sent, last, first):
        opens, closes = windows(run)[0]
        flow = f"{endpoint(HERE[family], PORT)}>{endpoint(THERE[family], NEXT_PORT)}/udp"
        data = [s for s in story(run.events(), flow) if s[0] == "data" and s[1] >= closes]
        _, at, data = data[0]
        self.assertEqual(data["direction"], "in")
        self.assertTrue(sent[first] <= at <= sent[first + 1])
        self.assertTrue(sent[last] <= data["from_ns"] <= sent[last + 1])
        self.assertGreaterEqual(at - data["from_ns"], closes - opens)

    def check_results(self, run, sent, last, first):
        """A path with payload in one direction only is back with that."""
        _, closes = windows(run)[0]
        window, = run.document("results.json")["windows"]
        flow, = window["flows"]
        self.assertTrue(sent[first] <= flow["recovered_at_ns"] <= sent[first + 1])
        self.assertEqual(flow["recovery_ns"], flow["recovered_at_ns"] - closes)
        self.assertTrue(flow["survived"])
        self.assertEqual((flow["notice"], flow["attempts"]), ("none", 0))
        self.assertTrue(sent[first] - sent[last + 1] <= flow["gap_ns"] <= sent[first + 1] - sent[last])


class Clients(Again, LabTest):
    @contextlib.contextmanager
    def client(self, **settings):
        with EchoServer(self.lab, self.lab.there, [V4], [PORT]), \
                RetryingClient(self.lab, self.lab.here, V4, PORT, first=0.03, request_every=0.02, **settings) as client:
            client.wait_answer()
            yield client

    def drill(self, **more):
        return scenario({"t": {"proto": "tcp", "remote": THERE[V4], "remote_port": PORT}},
                        [{"name": "cut", "target": "t", "fault": {"reset": "both"}, "at": "100ms", "for": "500ms",
                          "repeat": {"times": 2, "every": "1s"}}], **more)

    def test_probes_are_no_clients(self):
        """The run's own probe of the same port: no path, no attempts, no samples by flow."""
        with self.client() as client:
            run = self.lab.run(self.drill(probes={"port": {"tcp": f"{THERE[V4]}:{PORT}", "every": "50ms", "timeout": "60s"}},
                                          recovery="60s"))
            self.assert_ended(run, 0)
        results = run.document("results.json")
        path, = results["paths"]
        self.assertIn(f"[{client.pid}]", path["process"])
        attempts = conn_events(run, client, "conn.attempt")
        self.assertEqual({e["data"]["process"]["pid"] for e in attempts}, {client.pid})
        self.assertEqual(path["attempts"], len(attempts))
        self.assertTrue(run.events("probe.down"))
        for window in results["windows"]:
            self.assertEqual(len(window["flows"]), 1)

    def test_a_client_that_never_comes_back(self):
        with self.client() as client:
            run = self.lab.run(self.drill(recovery="700ms", slo=[{"unrecovered": 0, "by": "flow"},
                                                                 {"recovery_p50": "10s", "by": "flow"}]))
            closes = run.opened(2)["data"]["closes_ns"]
            wait_until(lambda: len(conn_events(run, client, "conn.reset")) == 2 or not run.running(), "the second reset")
            client.stop()
            self.in_time(now_ns() < closes, "the client ends in the window that it was reset in")
            self.assert_ended(run, 1)
        first, second = (w["flows"][0] for w in sorted(run.document("results.json")["windows"], key=lambda w: w["opened_ns"]))
        self.assertEqual((first["censored"], second["censored"]), (False, True))
        self.assertIsNone(second["recovery_ns"])
        self.assertEqual(second["notice"], "reset")
        unrecovered, median = run.document("results.json")["slo"]
        self.assertEqual((unrecovered["value"], unrecovered["pass"]), (1, False))
        # A percentile hides no window without a value.
        self.assertEqual((median["samples"], median["censored"], median["pass"]), (2, 1, False))

    def abort_for(self, target):
        """Both targets are cut; one of them is back at once, the other not before 2 s are over."""
        quick = {"first": 0.03, "request_every": 0.02, "connect_within": 0.2}
        ports = {"front": PORT, "other": NEXT_PORT}
        steps = [{"name": "cut", "target": ["front", "other"], "fault": {"reset": "both"}, "at": "100ms", "for": "300ms"},
                 {"name": "dead", "target": "other", "fault": {"drop": True}, "at": "200ms", "for": "2s"}]
        with EchoServer(self.lab, self.lab.there, [V4], ports.values()), contextlib.ExitStack() as clients:
            for port in ports.values():
                clients.enter_context(RetryingClient(self.lab, self.lab.here, V4, port, **quick)).wait_answer()
            run = self.lab.run(scenario({name: {"proto": "tcp", "remote": THERE[V4], "remote_port": port} for name, port in ports.items()},
                                        steps, baseline="300ms", recovery="60s", abort=[{"recovery_max": "1s", "target": target}]))
            self.assert_ended(run, 4 if target == "other" else 0)
        return run

    def test_another_target_is_no_reason_to_abort(self):
        self.assertEqual(self.abort_for("front").events("abort"), [])

    def test_a_target_that_is_not_back(self):
        run = self.abort_for("other")
        data = run.events("abort")[0]["data"]
        closes = {e["step"]: e["data"]["closes_ns"] for e in run.events("fault.close")}
        self.assertRegex(data["reason"], "^no recovery from cut #1 after .*, the limit 1s$")
        self.assertEqual(data["since_ns"], closes["cut"] + 1000 * MS)


if __name__ == "__main__":
    unittest.main()
