# SPDX-License-Identifier: BSD-2-Clause
"""How clients come back, found out from their packets: back-off, retry storms, and the objectives about them."""
import contextlib
import unittest

from again import Again, once_more
from flows import MS, S, EchoServer, RetryingClient, conn_events, scenario
from lab import FAMILIES, THERE, LabTest, Lab, name_of

# The same clients for both families, each on a port of its own: what they do, and how long their window is.
CLIENTS = {
    "exponential": (4001, {"retry": "exponential", "first": 0.2, "jitter": 0.1}, "3300ms"),
    "plain": (4002, {"retry": "exponential", "first": 0.2}, "3300ms"),
    "capped": (4003, {"retry": "exponential", "first": 0.1, "cap": 0.8, "jitter": 0.1}, "3300ms"),
    "constant": (4004, {"retry": "constant", "first": 0.5}, "3300ms"),
    "linear": (4005, {"retry": "linear", "first": 0.2, "step": 0.2}, "3300ms"),
    "immediate": (4006, {"retry": "immediate"}, "200ms"),
    "storm": (4007, {"retry": "storm", "rate": 500}, "2s"),
}
OBJECTIVES = [
    ({"recovery_p99": "60s", "by": "flow"}, True),
    ({"recovery_max": "1ms", "target": "constant"}, False),
    ({"unrecovered": 0, "by": "flow"}, True),
    ({"detection_max": "60s", "by": "flow"}, True),
    ({"attempts_per_s": 100, "target": "exponential"}, True),
    ({"attempts_per_s": 100, "target": "storm"}, False),
    ({"backoff": "exponential", "factor": "1.9-2.1", "target": "exponential"}, True),
    ({"backoff": "exponential", "factor": "2.2-3", "target": "exponential"}, False),
    ({"backoff": "exponential", "cap": "1s", "target": "capped"}, True),
    ({"backoff": "exponential", "cap": "500ms", "target": "capped"}, False),
    ({"backoff": "constant", "target": "constant"}, True),
    ({"backoff": "exponential", "target": "constant"}, False),
    ({"backoff": "linear", "target": "linear"}, True),
    ({"backoff": "none", "target": "immediate"}, True),
]
LATE_NS = 10 * MS
SEEDS = {family: number for number, family in enumerate(FAMILIES, 1)}


def drill():
    targets = {name: {"proto": "tcp", "remote": list(THERE.values()), "remote_port": port}
               for name, (port, _, _) in CLIENTS.items()}
    steps = [{"name": name, "target": name, "fault": {"reset": "both"}, "at": "0s", "for": hold}
             for name, (_, _, hold) in CLIENTS.items()]
    return scenario(targets, steps, seed=1, baseline="300ms", recovery="60s", slo=[slo for slo, _ in OBJECTIVES])


def peak(times):
    """The most in any second."""
    return max(sum(at <= other < at + S for other in times) for at in times)


class Backoff(LabTest):
    """One drill; the tests look at what it left."""

    @classmethod
    def setUpClass(cls):
        """Until each client came back in its own time."""
        for number in range(Again.TRIES):
            cls.shared = Lab()
            cls.addClassCleanup(cls.shared.close)
            cls.drill(cls.shared)
            late_ns = cls.latest()
            if late_ns < LATE_NS or number == Again.TRIES - 1:
                break
            once_more(f"{cls.__module__}.{cls.__qualname__}", late_ns / S)

    @classmethod
    def latest(cls):
        """By how much a client was behind its time, at most. The storm makes up for it, and that one does not wait."""
        waiting = [client for (name, _), client in cls.clients.items() if name not in ("storm", "immediate")]
        return max(n["late"] for client in waiting for n in client.notes("connect"))

    @classmethod
    def drill(cls, lab):
        cls.clients = {}
        with contextlib.ExitStack() as stack:
            stack.enter_context(EchoServer(lab, lab.there, FAMILIES, [port for port, _, _ in CLIENTS.values()]))
            for name, (port, settings, _) in CLIENTS.items():
                for family in FAMILIES:
                    client = RetryingClient(lab, lab.here, family, port, seed=SEEDS[family], **settings)
                    cls.clients[name, family] = stack.enter_context(client)
            for client in cls.clients.values():
                client.wait_answer()
            cls.run_of_all = run = lab.run(drill())
            cls.status = run.wait(120)
        cls.results = run.document("results.json") if cls.status in (0, 1) else None

    def setUp(self):
        self.assertEqual(self.status, 1, self.run_of_all.stderr)

    def flow(self, name, family):
        window, = (w for w in self.results["windows"] if w["step"] == name)
        found, = (f for f in window["flows"] if f["path"].endswith(f">{self.clients[name, family].endpoint}/tcp"))
        return window, found

    def for_each(self, name, check):
        for family in FAMILIES:
            with self.subTest(f"{name}, {name_of(family)}"):
                check(self.flow(name, family)[1])

    def check_attempts(self, client, window, flow):
        own = [n for n in client.notes("connect")
               if window["opened_ns"] <= n["after"] and n["before"] <= flow["recovered_at_ns"]]
        attempts = [e["mono_ns"] for e in conn_events(self.run_of_all, client, "conn.attempt")
                    if window["opened_ns"] <= e["mono_ns"] <= flow["recovered_at_ns"]]
        self.assertEqual((flow["attempts"], len(attempts)), (len(own), len(own)))
        self.assertEqual(flow["attempts_at_ns"], attempts[:len(flow["attempts_at_ns"])])
        for at, connect in zip(attempts, own):
            self.assertTrue(connect["before"] <= at <= connect["after"], (at, connect))
        self.assertEqual(flow["refused"], sum(n["error"] != 0 for n in own))
        self.assertEqual(flow["peak_per_s"], peak(attempts))

    def test_attempts_are_the_clients_own(self):
        """As many, and each at a time between the client's own two."""
        for (name, family), client in self.clients.items():
            with self.subTest(f"{name}, {name_of(family)}"):
                self.check_attempts(client, *self.flow(name, family))

    def test_whole(self):
        self.assertFalse(self.run_of_all.events("lost"))
        self.assertEqual((self.results["complete"], self.results["balanced"]), (True, True))

    def test_exponential(self):
        """0.2, 0.4, 0.8 ... s, each with a jitter of 10 %."""
        def check(flow):
            backoff = flow["backoff"]
            self.assertEqual(backoff["kind"], "exponential")
            self.assertTrue(1.9 <= backoff["factor"] <= 2.1, backoff)
            self.assertTrue(backoff["has_jitter"], backoff)
            self.assertFalse(flow["storm"])

        self.for_each("exponential", check)

    def test_exponential_without_jitter(self):
        def check(flow):
            self.assertEqual(flow["backoff"]["kind"], "exponential")
            self.assertTrue(1.9 <= flow["backoff"]["factor"] <= 2.1, flow["backoff"])

        self.for_each("plain", check)

    def test_capped(self):
        """0.1, 0.2, 0.4, 0.8, 0.8, ... s."""
        def check(flow):
            self.assertEqual(flow["backoff"]["kind"], "exponential")
            self.assertTrue(640 * MS <= flow["backoff"]["cap_ns"] <= 960 * MS, flow["backoff"])

        self.for_each("capped", check)

    def test_constant(self):
        def check(flow):
            self.assertEqual(flow["backoff"]["kind"], "constant")
            self.assertTrue(500 * MS <= flow["backoff"]["median_ns"] <= 600 * MS, flow["backoff"])
            self.assertFalse(flow["storm"])

        self.for_each("constant", check)

    def test_linear(self):
        def check(flow):
            self.assertEqual(flow["backoff"]["kind"], "linear")
            self.assertTrue(180 * MS <= flow["backoff"]["step_ns"] <= 220 * MS, flow["backoff"])

        self.for_each("linear", check)

    def test_immediate(self):
        self.for_each("immediate", lambda flow: self.assertEqual(flow["backoff"]["kind"], "none", flow["backoff"]))

    def test_storm(self):
        def check(flow):
            self.assertTrue(flow["storm"])
            self.assertGreater(flow["peak_per_s"], 250)

        self.for_each("storm", check)

    def test_objectives(self):
        found = self.results["slo"]
        self.assertEqual(len(found), len(OBJECTIVES))
        for slo, (written, expected) in zip(found, OBJECTIVES):
            with self.subTest(str(written)):
                self.assertEqual((slo["key"], slo["target"]), (next(iter(written)), written.get("target")))
                self.assertEqual(slo["pass"], expected, slo)
                if slo["target"] and slo["key"] != "attempts_per_s":
                    self.assertEqual(slo["samples"], len(FAMILIES))
        said = {(e["data"]["key"], e["type"]) for e in self.run_of_all.events("slo.pass", "slo.fail")}
        self.assertTrue(said <= {(s["key"], "slo.pass" if s["pass"] else "slo.fail") for s in found})


if __name__ == "__main__":
    unittest.main()
