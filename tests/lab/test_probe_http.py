# SPDX-License-Identifier: BSD-2-Clause
"""HTTP probes against nginx, with and without TLS, and against servers that misbehave: what each makes of a sample, that none
keeps the others waiting, and that their connections are no part of the evidence."""
import contextlib
import os
import socket
import threading
import unittest

import resolvers
from again import Again
from certificates import Authority
from lab import DEVICE, HOLD, THERE, V4, V6, LabTest, wait_until
from traffic import Beside
from web import Nginx, quoted

PORT, TLS_PORT, OTHER_PORT = 8080, 8443, 4000
HOST = "api.lab.test"
MIB = 1 << 20
RST = b"\x01\0\0\0\0\0\0\0"  # struct linger: on, 0 s


def at(path, family=V4, port=PORT, scheme="http"):
    return f"{scheme}://{quoted(THERE[family])}:{port}{path}"


class Odd(Beside):
    """A server that does something to each connection, and counts them; `requests` is what they have sent."""

    def __init__(self, lab, port, act):
        super().__init__()
        self.act, self.requests, self.count = act, [], 0
        self.listener = lab.listen(lab.there, V4, port)
        self.kept = []

    def run(self):
        self.listener.settimeout(0.05)
        while not self.halt:
            with contextlib.suppress(OSError):
                connection = self.listener.accept()[0]
                self.count += 1
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def stop(self):
        super().stop()
        for connection in self.kept:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def serve(self, connection):
        self.kept.append(connection)
        connection.settimeout(60)
        with contextlib.suppress(OSError):
            self.act(self, connection)

    def receive(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            part = connection.recv(65536)
            if not part:
                return
            data += part
        self.requests.append(data)

    @staticmethod
    def say(*pieces):
        """Read a request, answer with these, hang up."""
        def act(server, connection):
            server.receive(connection)
            for piece in pieces:
                connection.sendall(piece)
            connection.close()
        return act

    @staticmethod
    def be_silent(_server, _connection):
        pass

    @staticmethod
    def reset(server, connection):
        server.receive(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
        connection.close()

    @staticmethod
    def reset_early(_server, connection):
        """In the middle of a handshake."""
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
        connection.close()

    @staticmethod
    def never_end(server, connection):
        server.receive(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not server.halt:
            connection.sendall(b"more " * 10000)


class HttpTest(Again, LabTest):
    def setUp(self):
        super().setUp()
        self.server = None
        self.addCleanup(lambda: self.server and self.server.close())

    def serve(self, tls=None):
        self.server = Nginx(self.lab, self.lab.there, (PORT,), tls=tls)

    def odd(self, act, port=OTHER_PORT):
        server = Odd(self.lab, port, act)
        server.start()
        self.addCleanup(server.stop)
        return server

    @staticmethod
    def scenario(probes, target, **more):
        for probe in probes.values():
            probe.setdefault("every", "50ms")
            probe.setdefault("timeout", "60s")
        return {"version": 1, "name": "web", "seed": 7, "interface": DEVICE,
                "targets": {"api": {"proto": "tcp", "remote": [THERE[V4], THERE[V6]], "remote_port": target}},
                "probes": probes, "baseline": HOLD,
                "steps": [{"name": "cut", "at": "0s", "fault": {"reset": "both"}, "target": "api", "for": "500ms"}], **more}

    def look(self, **probes):
        """In a baseline without an end: the first sample of each."""
        run = self.lab.run(self.scenario(probes, PORT))
        return run, {name: self.sample(run, name) for name in probes}

    @staticmethod
    def samples(run, name):
        return [e for e in run.events("probe.up", "probe.down") if e["data"]["probe"] == name]

    def sample(self, run, name, number=1):
        def look():
            running = run.running()
            found = self.samples(run, name)
            if len(found) < number:
                self.assertTrue(running, run.stderr)
            return found[number - 1] if len(found) >= number else None

        return wait_until(look, f"sample {number} of {name}")

    def assert_up(self, event, status=200):
        self.assertEqual((event["type"], event["data"]["value"]), ("probe.up", status), event)
        self.assertNotIn("error", event["data"])

    def assert_down(self, event, error, detail=None):
        self.assertEqual((event["type"], event["data"]["error"]), ("probe.down", error), event)
        if detail:
            self.assertIn(detail, event["data"]["detail"])


class Answers(HttpTest):
    def test_status_and_body(self):
        self.serve()
        run, seen = self.look(
            ok={"http": at("/health")}, v6={"http": at("/health", V6)}, empty={"http": at("/empty")},
            moved={"http": at("/moved")}, missing={"http": at("/nowhere")},
            expected={"http": at("/nowhere"), "expect_status": 404}, other={"http": at("/health"), "expect_status": 204},
            matches={"http": at("/health"), "expect_body": "^healthy$"},
            differs={"http": at("/health"), "expect_body": "^sick"})
        self.assert_up(seen["ok"])
        self.assert_up(seen["v6"])
        self.assert_up(seen["empty"], 204)
        self.assert_up(seen["moved"], 302)
        self.assert_down(seen["missing"], "status 404")
        self.assert_up(seen["expected"], 404)
        self.assert_down(seen["other"], "status 200")
        self.assert_up(seen["matches"])
        self.assert_down(seen["differs"], "the body doesn't match", "healthy\n")
        for event in seen.values():
            self.assertGreater(event["data"]["latency_ns"], 0)
        self.assertEqual(run.stop(), 130)

    def test_request(self):
        """What is sent, over a connection of its own for each sample; nothing of it comes from the environment."""
        server = self.odd(Odd.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
        run = self.lab.run(self.scenario({"api": {"http": at("/a?b=c", port=OTHER_PORT), "headers": {
            "Host": "front.test", "X-Key": "s3cret", "X-Empty": ""}}}, PORT),
            http_proxy=at("/", port=1), HTTP_PROXY=at("/", port=1), ALL_PROXY=at("/", port=1))
        self.assert_up(self.sample(run, "api", 3))
        self.assertEqual(run.stop(), 130)
        lines = server.requests[0].decode().split("\r\n")
        self.assertEqual(lines[0], "GET /a?b=c HTTP/1.1")
        self.assertTrue({"Host: front.test", "X-Key: s3cret", "X-Empty:"} <= set(lines), lines)
        self.assertTrue(any(line.startswith("User-Agent: shearpin/") for line in lines), lines)
        told = len(self.samples(run, "api"))
        self.assertIn(server.count, (told, told + 1))  # one was under way
        self.assertEqual(len(server.requests), server.count)
        self.assertNotIn("s3cret", str(run.document("plan.json")))

    def test_secret(self):
        """What a variable brings into a header stands nowhere in the run directory, and in no other setting is anything left out."""
        web = {"http": at("/", port=PORT), "headers": {"X-Key": "Bearer $(token)"}}
        scenario = self.scenario({"api": web}, PORT)
        for words in (("--set", "token=s3cret"), ("--set=token=s3cret",)):
            with self.subTest(words):
                run = self.lab.run({**scenario, "vars": {"token": "none", "tok": "none"}}, *words, "--set", "tok=told")
                self.sample(run, "api", 1)
                self.assertEqual(run.stop(), 130)
                command = run.events("run.start")[0]["data"]["command"]
                self.assertEqual([word for word in command if "tok" in word],
                                 [word.replace("s3cret", "...") for word in words if "tok" in word] + ["tok=told"])
                for name in os.listdir(run.out):
                    with open(run.path(name), "rb") as f:
                        self.assertNotIn(b"s3cret", f.read(), name)

    def test_no_answer(self):
        for port, act in enumerate((Odd.reset, Odd.say(), Odd.say(b"hello\n"), Odd.reset_early,
                                    Odd.say(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")), start=OTHER_PORT):
            self.odd(act, port)
        run, seen = self.look(
            closed={"http": at("/", port=1)}, reset={"http": at("/", port=OTHER_PORT)},
            nothing={"http": at("/", port=OTHER_PORT + 1)}, other={"http": at("/", port=OTHER_PORT + 2)},
            early={"http": at("/", port=OTHER_PORT + 3, scheme="https"), "insecure": True},
            short={"http": at("/", port=OTHER_PORT + 4)})
        self.assert_down(seen["closed"], "refused")
        self.assert_down(seen["reset"], "reset")
        self.assert_down(seen["nothing"], "closed without an answer")
        self.assert_down(seen["other"], "no HTTP")
        self.assert_down(seen["early"], "reset")
        self.assert_down(seen["short"], "the answer is cut short")
        self.assertEqual(run.stop(), 130)

    def test_long_answer(self):
        """The first MiB counts."""
        self.odd(Odd.never_end)
        last, behind = b"." * (MIB - 5) + b"last.", b"." * MIB + b"behind"
        for port, body in enumerate((last, behind), start=OTHER_PORT + 1):
            self.odd(Odd.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body), port)
        run, seen = self.look(endless={"http": at("/", port=OTHER_PORT), "expect_body": "more"},
                              last={"http": at("/", port=OTHER_PORT + 1), "expect_body": "last"},
                              behind={"http": at("/", port=OTHER_PORT + 2), "expect_body": "behind"})
        self.assert_up(seen["endless"])
        self.assert_up(seen["last"])
        self.assert_down(seen["behind"], "the body doesn't match", "....")
        self.assertEqual(run.stop(), 130)

    def test_silence(self):
        """A server that accepts and says nothing, and one that does not even accept: both time out, and the other probes keep
        their raster meanwhile."""
        self.serve()
        self.odd(Odd.be_silent)
        self.lab.there.call("nft", "table inet holes { chain c { type filter hook input priority 0; "
                            f"tcp dport {OTHER_PORT + 1} drop; }}; }}")
        run = self.lab.run(self.scenario({
            "mute": {"http": at("/", port=OTHER_PORT), "every": "20ms", "timeout": "400ms"},
            "hole": {"http": at("/", port=OTHER_PORT + 1), "every": "20ms", "timeout": "400ms"},
            "api": {"http": at("/health"), "every": "20ms"}}, PORT))
        for name in ("mute", "hole"):
            first, second = self.sample(run, name), self.sample(run, name, 2)
            self.assert_down(first, "timeout")
            self.assertGreaterEqual(first["data"]["latency_ns"], 400_000_000)
            between = [e for e in self.samples(run, "api") if first["mono_ns"] < e["mono_ns"] < second["mono_ns"]]
            self.assertGreater(len(between), 10)
        self.assertEqual(run.stop(), 130)


class Names(HttpTest):
    def test_name(self):
        """It is looked up for each sample; the look-up belongs to the sample, and to nobody's flows."""
        self.serve()
        resolvers.use_resolver(THERE[V4])
        server = resolvers.authority(self.lab, self.lab.there, (THERE[V4],))
        self.addCleanup(server.close)
        run = self.lab.run(self.scenario(
            {"api": {"http": f"http://{HOST}:{PORT}/health"}, "nobody": {"http": f"http://nobody.lab.test:{PORT}/"}}, PORT, targets={
                "api": {"proto": "tcp", "remote": THERE[V4], "remote_port": PORT},
                "dns": {"proto": "udp", "remote": THERE[V4], "remote_port": 53}}))
        self.assert_up(self.sample(run, "api", 2))
        self.assert_down(self.sample(run, "nobody"), "Name or service not known")
        self.assertEqual(run.stop(), 130)
        self.assertEqual([e for e in run.events() if e["type"].startswith("conn.")], [])

    def test_silent_resolver(self):
        """Only its own probe waits for it, and that no longer than its timeout."""
        self.serve()
        resolvers.use_resolver(THERE[V4])
        hole = self.lab.socket(self.lab.there, V4, socket.SOCK_DGRAM, 53)
        run = self.lab.run(self.scenario({"name": {"http": f"http://{HOST}:{PORT}/", "timeout": "300ms", "every": "20ms"},
                                          "api": {"http": at("/health"), "every": "20ms"}}, PORT))
        first, second = self.sample(run, "name"), self.sample(run, "name", 2)
        self.assert_down(first, "timeout")
        self.assert_down(second, "timeout")
        between = [e for e in self.samples(run, "api") if first["mono_ns"] < e["mono_ns"] < second["mono_ns"]]
        self.assertGreater(len(between), 5)
        self.assertEqual(run.stop(), 130)
        hole.setblocking(False)
        ports = set()
        with contextlib.suppress(BlockingIOError):
            while True:
                ports.add(hole.recvfrom(2048)[1][1])
        self.assertLessEqual(len(ports), 2)  # one look-up at a time: A and AAAA


class Tls(HttpTest):
    def test_certificates(self):
        world, stranger = Authority(self.lab.folder, "world"), Authority(self.lab.folder, "stranger")
        self.serve(tls=(TLS_PORT, *world.sign("real", HOST, THERE[V4])))
        good = at("/health", port=TLS_PORT, scheme="https")
        run, seen = self.look(
            ok={"http": good, "ca": world.certificate}, system={"http": good}, blind={"http": good, "insecure": True},
            stranger={"http": good, "ca": stranger.certificate},
            name={"http": at("/health", V6, TLS_PORT, "https"), "ca": world.certificate},
            lost={"http": good, "ca": "no.pem"}, plain={"http": at("/health", port=PORT, scheme="https"), "insecure": True},
            wrong={"http": at("/health", port=TLS_PORT)})
        self.assert_up(seen["ok"])
        self.assert_up(seen["blind"])
        for name in ("system", "stranger", "name"):
            self.assert_down(seen[name], "certificate")
        self.assertIn("subject name", seen["name"]["data"]["detail"])
        self.assert_down(seen["lost"], "the authorities' certificates can't be read", "no.pem")
        self.assert_down(seen["plain"], "TLS handshake")
        self.assert_down(seen["wrong"], "status 400")
        self.assert_up(self.sample(run, "ok", 3))  # what was read of the file is kept
        self.assertEqual(run.stop(), 130)


class Drill(HttpTest):
    def test_drill(self):
        """A whole one: its probe's connections are cut, and nothing but the probe tells of them."""
        self.serve()
        probes = {"api": {"http": at("/health"), "every": "20ms"}}
        run = self.lab.run(self.scenario(probes, PORT, baseline="500ms", recovery=HOLD, slo=[
            {"recovery_max": HOLD}, {"detection_max": HOLD}, {"probe_p95": "60s", "probe": "api"}]))
        self.assert_ended(run, 1)
        results = run.document("results.json")
        self.assertEqual([s["pass"] for s in results["slo"]], [True, True, False])  # an unhealthy sample is longer than any
        probe = results["steps"][0]["probes"][0]
        self.assertIsNotNone(probe["detection_ns"])
        self.assertIsNotNone(probe["recovery_ns"])
        told = [e["data"]["latency_ns"] for e in self.samples(run, "api") if e["mono_ns"] < results["steps"][0]["opened_ns"]]
        before = results["probes"][0]["latency_baseline"]
        self.assertEqual(before["samples"], len(told))
        self.assertIn(before["p95_ns"], told)
        hits = run.events("flow.hit")
        self.in_time(hits, "a connection in the window")
        self.assertTrue(all(e["data"]["probe"] for e in hits), hits)
        self.assertEqual([e["type"] for e in run.events() if e["type"].startswith("conn.")], [])
        self.assertEqual(results["paths"], [])
        self.assertTrue(results["complete"])


if __name__ == "__main__":
    unittest.main()
