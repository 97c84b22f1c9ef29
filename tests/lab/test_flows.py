# SPDX-License-Identifier: BSD-2-Clause
"""Detection and recovery from the packets, beside what the clients saw themselves.

A client's own times are taken after it was woken up, which may be late. What it reads carries the kernel's stamp of the
packet, which is not; and of an error it knows two times that it came between. The observer's times agree with these.
"""
import contextlib
import errno
import os
import re
import unittest

from again import Again
from flows import FAR_DEVICE, MS, S, EchoServer, RetryingClient, Road, conn_events, endpoint, scenario, windows
from lab import DEVICE, FAMILIES, THERE, V4, LabTest, name_of

PORT = 4000
CLOSE_NS = 1 * MS
LATE_NS = int(Again.LATE_S * S)
TIMES = 3
LOOK = 0.0002


def targets(families, **more):
    return {name_of(family).lower(): {"proto": "tcp", "remote": THERE[family], "remote_port": PORT, **more}
            for family in families}


def drill(fault, families=FAMILIES, hold="250ms", every="600ms", times=TIMES, **more):
    names = targets(families)
    return scenario(names, [{"name": "cut", "target": list(names), "fault": fault, "at": "0s", "for": hold,
                             "repeat": {"times": times, "every": every}}],
                    baseline="300ms", recovery="5s", **more)


def middle(values):
    """Of differences."""
    return sorted(values)[len(values) // 2]


def off(at, low, high):
    """How far a time is outside of an interval."""
    return max(low - at, at - high, 0)


def of_path(run, is_it):
    """What the results say of a path, with the opening and closing, for each window that hit it and that it is back from. A
    client that has no turn for a whole window, on a busy machine, is not hit."""
    results = run.document("results.json")
    return [(f, (w["opened_ns"], w["closed_ns"])) for w in sorted(results["windows"], key=lambda w: w["opened_ns"])
            for f in w["flows"] if is_it(f["path"]) and f["hit"] and not f["censored"]]


class Told:
    """A run's log and results, for one client's path."""

    def __init__(self, run, client):
        self.run, self.client = run, client
        self.events = conn_events(run, client)
        self.hits = [e for e in run.events("flow.hit") if client.is_of(e)]
        found = of_path(run, lambda path: path.endswith(f">{client.endpoint}/tcp"))
        self.flows, self.windows = [flow for flow, _ in found], [window for _, window in found]

    def after(self, opens, kind):
        """The first event of a type from an opening on."""
        return next(e for e in self.events if e["type"] == kind and e["mono_ns"] >= opens)


class Agreement(Again, LabTest):
    """Clients that come back soon, and windows that follow each other."""

    @contextlib.contextmanager
    def clients(self, families=FAMILIES, space=None, server=None, **settings):
        """Of the server in `there`, in `here` if nothing else is said; with an answer each."""
        lab = self.lab
        lab.offloads(True)  # with GRO a packet is stamped where the observer sees it
        settings = {"retry": "constant", "first": 0.03, "jitter": 0.2, "request_every": 0.02, "look": LOOK, **settings}
        with contextlib.ExitStack() as stack:
            server = server or lab.there
            stack.enter_context(EchoServer(lab, server, families, [PORT]))
            found = [stack.enter_context(RetryingClient(lab, space or lab.here, family, PORT,
                                                        host=lab.address(server, family), **settings))
                     for family in families]
            for client in found:
                client.wait_answer()
            yield found

    def finished(self, run, clients, status=0):
        """Once each client has an answer after the last window: what the log says about it."""
        self.assert_ended(run, status)
        self.assertFalse(run.events("lost"))
        self.assertTrue(run.document("results.json")["complete"])
        self.assertTrue(run.document("results.json")["balanced"])
        self.assertEqual({e["data"]["failed"] for e in run.events("fault.close")}, {0})
        verified = self.lab.call("verify", run.out)
        self.assertEqual(verified.status, 0, verified.stdout + verified.stderr)
        for client in clients:
            client.wait_answer(windows(run)[-1][1])
            client.stop()
        return [Told(run, client) for client in clients]

    def assert_close(self, differences):
        """Of times: a packet, or the loader that sends a reset, may have to wait for a busy machine, but none for long."""
        self.assertLessEqual(middle(differences), CLOSE_NS, differences)
        self.assertLessEqual(max(differences), LATE_NS, differences)

    def assert_most(self, found, run):
        """Of the windows."""
        self.assertGreater(len(found), len(windows(run)) // 2)

    @staticmethod
    def incoming_drill():
        """Of connections to the server's port, from wherever."""
        return scenario({"self": {"proto": "tcp", "local_port": PORT}},
                        [{"name": "cut", "target": "self", "fault": {"reset": "both"}, "at": "0s", "for": "250ms",
                          "repeat": {"times": TIMES, "every": "600ms"}}], baseline="300ms", recovery="5s")

    def check_incoming(self, run, clients, process):
        """What the observer sees come in the client has sent, and what goes out it gets."""
        self.finished(run, clients)
        results = run.document("results.json")
        self.assertEqual(len(results["paths"]), len(clients))
        for client in clients:
            with self.subTest(client.host):
                path, = (p for p in results["paths"] if p["path"] == f"{client.endpoint}<{endpoint(client.own)}/tcp")
                self.assertTrue(path["incoming"])
                self.assertRegex(path["process"] or "", process or "^$")
                flows = of_path(run, lambda name, path=path: name == path["path"])
                self.assert_most(flows, run)
                for flow, (opens, closes) in flows:
                    self.check_incoming_flow(client, flow, opens, closes)

    def check_incoming_flow(self, client, flow, opens, closes):
        tried = [n for n in client.notes("connect") if opens <= n["after"] and n["before"] <= flow["recovered_at_ns"]]
        self.assertEqual(flow["attempts"], len(tried))
        for at, connect in zip(flow["attempts_at_ns"], tried):
            self.assertTrue(connect["before"] <= at <= connect["after"])
        answer = next(n for n in client.answers() if n["arrived"] >= closes)
        self.assertEqual(flow["recovered_at_ns"], closes + flow["recovery_ns"])
        self.assertTrue(answer["sent"] <= flow["recovered_at_ns"] <= answer["arrived"] + CLOSE_NS)
        self.assertEqual(flow["notice"], "reset")

    def check_attempts(self, told):
        """Every attempt lies inside one connect() of the client, and every connect() has one."""
        attempts = [e["mono_ns"] for e in told.events if e["type"] == "conn.attempt"]
        connects = [n for n in told.client.notes("connect") if told.windows[0][0] <= n["after"]
                    and n["before"] <= attempts[-1]]
        attempts = [at for at in attempts if at >= connects[0]["before"]]
        self.assertEqual(len(attempts), len(connects))
        for at, connect in zip(attempts, connects):
            self.assertTrue(connect["before"] <= at <= connect["after"], (at, connect))
        return attempts

    def check_counts(self, told, attempts):
        """The results count those from a window's opening to the recovery."""
        for flow, (opens, _) in zip(told.flows, told.windows):
            inside = [at for at in attempts if opens <= at <= flow["recovered_at_ns"]]
            self.assertEqual((flow["attempts"], flow["attempts_at_ns"]), (len(inside), inside))

    def check_recovery(self, told):
        """The first answer that came after a window closed, by the kernel's stamp."""
        self.assert_most(told.flows, told.run)
        differences = []
        for flow, (opens, closes) in zip(told.flows, told.windows):
            answer = min((n for n in told.client.answers() if n["arrived"] >= closes), key=lambda n: n["arrived"])
            recovered = closes + flow["recovery_ns"]
            self.assertEqual((flow["recovered_at_ns"], flow["recovery_after_inject_ns"]), (recovered, recovered - opens))
            self.assertTrue(answer["sent"] <= recovered <= answer["at"], (answer, flow))
            self.assertTrue(answer["first"])
            event, = (e for e in told.events if e["seq"] == flow["recovered_seq"])
            self.assertEqual((event["type"], event["data"]["direction"], event["mono_ns"]),
                             ("conn.first_data", "in", recovered))
            differences.append(abs(answer["arrived"] - recovered))
        self.assert_close(differences)

    def check_noticed(self, told, notice, bounds):
        """The notice, between two times of the client's own; never behind the later one."""
        differences = []
        for flow, (opens, _), (low, high) in zip(told.flows, told.windows, bounds):
            self.assertEqual(flow["notice"], notice, [e for e in told.events + told.hits if opens <= e["mono_ns"] <= high])
            self.assertEqual(flow["detection_ns"], flow["noticed_at_ns"] - opens)
            self.assertLessEqual(flow["noticed_at_ns"], high)
            differences.append(off(flow["noticed_at_ns"], low, high))
        self.assert_close(differences)

    @staticmethod
    def within(told, notes, low="before"):
        """The first note of each window."""
        return [next(n for n in notes if opens <= n.get("at", n.get("after")) and n[low] < closes)
                for opens, closes in told.windows]


class Local(Agreement):
    """shearpin on the client's host."""

    def test_reset(self):
        with self.clients() as clients:
            run = self.lab.run(drill({"reset": "both"}))
            for told in self.finished(run, clients):
                with self.subTest(told.client.host):
                    self.check_recovery(told)
                    errors = self.within(told, told.client.notes("noticed"), "quiet")
                    self.assertEqual({n["error"] for n in errors}, {errno.ECONNRESET})
                    self.check_noticed(told, "reset", [(n["quiet"], n["at"]) for n in errors])
                    resets = self.by_type(told, "conn.reset")
                    self.assertEqual({e["data"]["by"] for e in resets}, {"fault"})
                    self.assertGreaterEqual(len(resets), len(told.windows))
                    self.check_counts(told, self.check_attempts(told))

    @staticmethod
    def by_type(told, kind):
        return [e for e in told.events if e["type"] == kind]

    def test_refuse(self):
        """A client that connects for every few requests: the established connection lives on, the next is refused."""
        with self.clients(requests=3) as clients:
            run = self.lab.run(drill({"refuse": "tcp-reset"}))
            for told in self.finished(run, clients):
                with self.subTest(told.client.host):
                    self.check_recovery(told)
                    refused = [n for n in told.client.notes("connect") if n["error"] == errno.ECONNREFUSED]
                    first = [next(n for n in refused if n["after"] >= opens) for opens, _ in told.windows]
                    self.check_noticed(told, "refused", [(n["before"], n["after"]) for n in first])
                    self.assertEqual(len(self.by_type(told, "conn.refused")), len(refused))
                    self.assertEqual({e["data"]["by"] for e in self.by_type(told, "conn.refused")}, {"fault"})
                    self.check_counts(told, self.check_attempts(told))

    def test_drop(self):
        """A client that waits 100 ms for an answer, and 50 ms for a connection."""
        with self.clients(answer_within=0.1, connect_within=0.05) as clients:
            run = self.lab.run(drill({"drop": True}, hold="400ms", every="800ms"))
            for told in self.finished(run, clients):
                with self.subTest(told.client.host):
                    self.check_recovery(told)
                    closed = self.within(told, told.client.notes("closed"))
                    self.check_noticed(told, "closed", [(n["before"], n["after"]) for n in closed])
                    fins = [told.after(opens, "conn.fin") for opens, _ in told.windows]
                    self.assertEqual({e["data"]["by"] for e in fins}, {"local"})
                    self.check_attempts(told)
                    for opens, closes in told.windows:
                        self.assertLessEqual({e["data"].get("verdict") for e in self.by_type(told, "conn.attempt")
                                              if opens <= e["mono_ns"] < closes}, {"dropped"})

    def test_a_connection_that_survives(self):
        """Its client waits: it goes on where TCP left off."""
        with self.clients() as clients:
            run = self.lab.run(drill({"drop": True}, hold="300ms", every="1s", times=3))
            for told in self.finished(run, clients):
                with self.subTest(told.client.host):
                    self.assertFalse(self.by_type(told, "conn.attempt"))
                    self.assert_most(told.flows, run)
                    differences = []
                    for flow, (_, closes) in zip(told.flows, told.windows):
                        self.assertTrue(flow["survived"])
                        self.assertEqual((flow["notice"], flow["detection_ns"]), ("none", None))
                        # The answer to the request that was lost and sent again.
                        answer = next(n for n in told.client.answers() if n["arrived"] >= closes)
                        self.assertLess(answer["sent"], closes)
                        differences.append(abs(answer["arrived"] - flow["recovered_at_ns"]))
                    self.assert_close(differences)


class Forwarded(Agreement):
    """shearpin on a router between the client and the server."""

    KIND = Road

    def check(self, interfaces):
        with self.clients(space=self.lab.far) as clients:
            run = self.lab.run({**drill({"reset": "both"}), "interface": interfaces})
            for told in self.finished(run, clients):
                with self.subTest(told.client.host):
                    own = self.lab.address(self.lab.far, told.client.family)
                    self.assertEqual({e["flow"].split(">")[0].rsplit(":", 1)[0].strip("[]") for e in told.events}, {own})
                    self.assertFalse([e for e in told.events if e["data"].get("process")])
                    self.check_recovery(told)
                    errors = self.within(told, told.client.notes("noticed"), "quiet")
                    self.assertEqual({n["error"] for n in errors}, {errno.ECONNRESET})
                    self.check_noticed(told, "reset", [(n["quiet"], n["at"]) for n in errors])
                    self.check_counts(told, self.check_attempts(told))

    def test_on_the_servers_side(self):
        self.check(DEVICE)

    def test_on_both_sides(self):
        self.check([DEVICE, FAR_DEVICE])

    def test_on_the_clients_side(self):
        """There the client is the remote end."""
        with self.clients(space=self.lab.far) as clients:
            run = self.lab.run({**self.incoming_drill(), "interface": FAR_DEVICE})
            self.check_incoming(run, clients, None)


class Server(Agreement):
    """shearpin on the server's host: the clients are the remote ends."""

    def test_reset(self):
        with self.clients(space=self.lab.there, server=self.lab.here) as clients:
            run = self.lab.run(self.incoming_drill())
            self.check_incoming(run, clients, rf".*\[{os.getpid()}\].*")


class Process(Agreement):
    """Which process a connection belongs to."""

    COMM = "sp-trader"

    def test_attempts(self):
        with self.clients(families=[V4], comm=self.COMM) as (client,), own_cgroup(client.pid) as cgroup:
            run = self.lab.run(drill({"reset": "both"}, [V4], times=1))
            told, = self.finished(run, [client])
            attempts = [e["data"] for e in told.events if e["type"] == "conn.attempt"]
            self.assertTrue([a for a in attempts if a.get("verdict") == "refused"], "short-lived ones")
            self.assertTrue([a for a in attempts if "verdict" not in a])
            for attempt in attempts:
                self.assertEqual(attempt["process"], {"pid": client.pid, "comm": self.COMM, "cgroup": cgroup})
            # The connection that was there before the run.
            reset, = (e["data"] for e in told.events if e["type"] == "conn.reset")
            self.assertEqual(reset["opener"], None)
            self.assertEqual((reset["process"]["pid"], reset["process"]["comm"]), (client.pid, self.COMM))
            path, = (p for p in run.document("results.json")["paths"])
            self.assertTrue(re.fullmatch(rf"{self.COMM}\[{client.pid}\] {re.escape(cgroup)}", path["process"]),
                            path["process"])


@contextlib.contextmanager
def own_cgroup(pid):
    """Put a process into a cgroup (v2) of its own; the cgroup's name. Without a hierarchy to write to, the one it is in."""
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        roots = [line.split()[4] for line in f if " - cgroup2 " in line]
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as f:
        before = next((line[3:].rstrip("\n") for line in f if line.startswith("0::")), "/")
    if not roots:
        yield before
        return
    name = f"{before.rstrip('/')}/shearpin-test-{pid}"
    folder = roots[0] + name
    try:
        os.mkdir(folder)
    except OSError:
        yield before
        return
    try:
        with open(folder + "/cgroup.procs", "w", encoding="ascii") as f:
            f.write(str(pid))
        yield name
    finally:
        with contextlib.suppress(ProcessLookupError):
            with open(roots[0] + before.rstrip("/") + "/cgroup.procs", "w", encoding="ascii") as f:
                f.write(str(pid))
                f.flush()
        os.rmdir(folder)


if __name__ == "__main__":
    unittest.main()
