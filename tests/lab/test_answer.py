# SPDX-License-Identifier: BSD-2-Clause
"""answer: new connections of a target are taken to a responder of shearpin's own, in the clear and in TLS; everything else
goes where it was meant to go."""
import contextlib
import http.client
import os
import signal
import socket
import ssl
import subprocess
import unittest

import chance
from again import Again
from certificates import Authority
from cgroups import Actor, Group
from lab import DEVICE, FAMILIES, HERE, HOLD, TCP, THERE, V4, V6, LabTest, is_there, kernel_objects, libc, now_ns, \
    wait_until
from meets import meets
from web import Nginx, quoted

PORT, NEXT_PORT, TLS_PORT = 8080, 8081, 8443
NAME = "api.lab.test"
REAL = (200, "orders\n")
BUSY = {"status": 429, "headers": {"Retry-After": "30"}, "body": "slow down\n"}
SEED = 7
COUNT = 60
S = 1_000_000_000


class AnswerTest(Again, LabTest):
    def setUp(self):
        super().setUp()
        self.world = None
        self.server = None
        self.addCleanup(lambda: self.server and self.server.close())

    def serve(self, tls=False):
        """nginx on the other side; with TLS, a certificate that `world` has signed."""
        if tls:
            self.world = Authority(self.lab.folder, "world")
        self.server = Nginx(self.lab, self.lab.there, (PORT, NEXT_PORT),
                            tls=(TLS_PORT, *self.world.sign("real", NAME)) if tls else None)

    def scenario(self, answer, hold=HOLD, **more):
        fault = {"answer": answer, **more.pop("fault", {})}
        target = {"proto": "tcp", "remote": [THERE[f] for f in FAMILIES], "remote_port": [PORT, TLS_PORT]}
        step = {"name": "busy", "at": "0s", "fault": fault, "target": "api", "for": hold, **more.pop("step", {})}
        return {"version": 1, "name": "answer", "seed": SEED, "interface": DEVICE,
                "targets": {"api": {**target, **more.pop("target", {})}}, "steps": [step], **more}

    def begin(self, answer, **more):
        run = self.lab.run(self.scenario(answer, **more))
        run.opened()
        return run

    @contextlib.contextmanager
    def client(self, family, port=PORT, space=None):
        """An HTTP client with a connection of its own, which it keeps."""
        space = space or self.lab.here
        connection = http.client.HTTPConnection(THERE[family], port)
        with space.socket(family, TCP) as s:
            s.settimeout(60)
            s.connect((THERE[family], port))
            connection.sock = s
            yield connection

    @staticmethod
    def ask(client, path="/api/orders"):
        client.request("GET", path)
        response = client.getresponse()
        return response.status, response.read().decode()

    def ask_once(self, family, port=PORT, space=None):
        with self.client(family, port, space) as client:
            return self.ask(client)

    def curl(self, *words):
        """Exit code, standard output, the message."""
        with self.lab.here:
            done = subprocess.run(["curl", "-sS", "--max-time", "60", *words], capture_output=True, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode().strip()

    def secure(self, family, *words, path="/api/orders"):
        return self.curl("--resolve", f"{NAME}:{TLS_PORT}:{THERE[family]}", *words, f"https://{NAME}:{TLS_PORT}{path}")

    def assert_counts(self, run, altered, passed=0, **more):
        counters = run.counters()
        expected = {"matched": altered + passed, "altered": altered, "passed": passed, "flows": altered, "failed": 0,
                    "suppressed": 0, "untracked": 0, "bytes": 0, **more}
        self.assertEqual({key: counters[key] for key in expected}, expected)
        self.assertTrue(run.events("run.end")[0]["data"]["balanced"])
        self.assertEqual(len(run.events("conn.answered")), altered)


class InTheClear(AnswerTest):
    def test_clients(self):
        """Status, headers, body; the connection is kept; everything else is answered by the real server."""
        self.serve()
        before = self.lab.state()
        with self.client(V4) as old:
            self.assertEqual(self.ask(old), REAL)
            run = self.begin(BUSY, probes={"web": {"tcp": f"{THERE[V4]}:{PORT}", "every": "100ms"}})
            self.assertEqual(self.ask(old), REAL, "a connection from before")
            for family in FAMILIES:
                base = f"http://{quoted(THERE[family])}:{PORT}/api/"
                status, out, err = self.curl("-D", "-", base + "a", base + "b")
                self.assertEqual((status, err), (0, ""))
                self.assertEqual(out.count("HTTP/1.1 429 Too Many Requests\r\n"), 2)
                self.assertEqual(out.count("Retry-After: 30\r\n"), 2)
                self.assertEqual(out.count("slow down\n"), 2)
                with self.client(family) as client:
                    for _ in range(3):
                        self.assertEqual(self.ask(client), (429, BUSY["body"]))
                    self.assertEqual(client.sock.getpeername()[:2], (THERE[family], PORT))
                self.assertEqual(self.ask_once(family, NEXT_PORT), REAL, "another port")
                self.assertEqual(self.ask_once(family, PORT, self.lab.there), REAL, "another namespace")
            status, _, err = self.curl("--fail", "--output", "/dev/null", f"http://{THERE[V4]}:{PORT}/api/")
            meets("answer: 429", "curl --fail", f"exit {status}: {err}")
            with self.client(V4) as client:
                meets("answer: 429", "python http.client", f"status {self.ask(client)[0]}")
            self.assertEqual(run.stop(), 130)
            self.assertEqual(self.ask(old), REAL)
        for family in FAMILIES:
            self.assertEqual(self.ask_once(family), REAL)
        self.assert_counts(run, 6, requests=12)
        answered = run.events("conn.answered")
        self.assertEqual([e["flow"] for e in answered],
                         [f"?>{quoted(THERE[f])}:{PORT}/tcp" for f in (V4, V4, V6, V6, V4, V4)])
        self.assertEqual([e["data"]["index"] for e in answered], [0, 1, 0, 1, 2, 3])
        self.assertEqual({(e["step"], e["instance"], e["target"], e["data"]["status"]) for e in answered},
                         {("busy", 1, "api", 429)})
        self.assertEqual(answered[0]["data"]["process"]["comm"], "curl")
        self.assertEqual(answered[1]["data"]["process"]["pid"], os.getpid())
        self.assert_untouched(before)

    def test_sockets(self):
        """IPv4 on sockets of both families, bound to an address; one that is bound to an interface can't be taken."""
        self.serve()
        run = self.begin(BUSY)
        for family, own, other in ((V4, HERE[V4], THERE[V4]), (V6, HERE[V6], THERE[V6]),
                                   (V6, None, f"::ffff:{THERE[V4]}"), (V6, f"::ffff:{HERE[V4]}", f"::ffff:{THERE[V4]}")):
            with self.subTest(f"{own} to {other}"), self.lab.here.socket(family, TCP) as s:
                if own:
                    s.bind((own, 0))
                s.connect((other, PORT))
                self.assertEqual(s.getpeername()[:2], (other, PORT))
                s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                self.assertTrue(s.recv(4096).startswith(b"HTTP/1.1 429 "))
        with self.lab.here.socket(V4, TCP) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, DEVICE.encode())
            s.connect((THERE[V4], PORT))
            s.sendall(b"GET /api/ HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertTrue(s.recv(4096).startswith(b"HTTP/1.1 200 "))
        self.assertEqual(run.stop(), 130)
        self.assert_counts(run, 4, 1, failed=1, requests=4)

    def test_socket_again(self):
        """A socket that was taken, and then connects elsewhere, says where it is."""
        self.serve()
        run = self.begin(503)
        with self.lab.here.socket(V4, TCP) as s:
            s.connect((THERE[V4], PORT))
            self.assertEqual(s.getpeername(), (THERE[V4], PORT))
            self.assertEqual(libc.connect(s.fileno(), bytes(16), 16), 0)  # AF_UNSPEC: disconnect
            s.connect((THERE[V4], NEXT_PORT))
            self.assertEqual(s.getpeername(), (THERE[V4], NEXT_PORT))
        self.assertEqual(run.stop(), 130)
        self.assert_counts(run, 1, requests=0)

    def test_inject(self):
        """From the command line, for a name, a status alone."""
        self.serve()
        run = self.lab.inject("answer=503", "--remote", THERE[V4], "--remote-port", str(PORT), "--for", HOLD)
        run.opened()
        self.assertEqual(self.ask_once(V4), (503, ""))
        self.assertEqual(run.stop(), 130)
        self.assertEqual(self.ask_once(V4), REAL)
        self.assert_counts(run, 1, requests=1)


class InTLS(AnswerTest):
    def test_clients(self):
        """With the operator's certificate; who doesn't trust it is told so by TLS, as ever."""
        self.serve(tls=True)
        operator = Authority(self.lab.folder, "operator")
        certificate, key = operator.sign("answer", NAME)
        trusted, strange = ("--cacert", operator.certificate), ("--cacert", self.world.certificate)
        self.assertEqual(self.secure(V4, *strange), (0, "orders\n", ""))
        run = self.begin({**BUSY, "certificate": certificate, "key": key})
        for family in FAMILIES:
            status, out, err = self.secure(family, "-D", "-", *trusted)
            self.assertEqual((status, err), (0, ""))
            self.assertTrue(out.startswith("HTTP/1.1 429 Too Many Requests\r\n"), out)
            self.assertIn("\r\nRetry-After: 30\r\n", out)
            self.assertTrue(out.endswith("\r\n\r\nslow down\n"), out)
            with self.client(family, TLS_PORT) as client:
                context = ssl.create_default_context(cafile=operator.certificate)
                with context.wrap_socket(client.sock, server_hostname=NAME) as client.sock:
                    for _ in range(2):
                        self.assertEqual(self.ask(client), (429, BUSY["body"]))
        self.distrust(strange, self.world.certificate)
        self.assertEqual(run.stop(), 130)
        self.assertEqual(self.secure(V4, *strange), (0, "orders\n", ""))
        self.assert_counts(run, 7, requests=6)

    def distrust(self, strange, certificate):
        status, _, err = self.secure(V4, *strange)
        meets("answer: {status: 429, certificate: ...}", "curl that does not trust the certificate",
              f"exit {status}: {err.splitlines()[0]}")
        with self.client(V4, TLS_PORT) as client:
            with self.assertRaises(ssl.SSLCertVerificationError) as raised:
                ssl.create_default_context(cafile=certificate).wrap_socket(client.sock, server_hostname=NAME)
            meets("answer: {status: 429, certificate: ...}", "python ssl that does not trust the certificate",
                  f"SSLCertVerificationError: {raised.exception.verify_message}")
        with self.lab.here:
            done = subprocess.run(["openssl", "s_client", "-connect", f"{THERE[V4]}:{TLS_PORT}", "-verify_return_error",
                                   "-CAfile", certificate], capture_output=True, text=True, check=False, input="")
        line = next(line for line in done.stderr.splitlines() if line.startswith("verify error"))
        meets("answer: {status: 429, certificate: ...}", "openssl s_client -verify_return_error",
              f"exit {done.returncode}: {line}")

    def test_refused(self):
        """What is wrong with a certificate is told before anything is touched."""
        operator = Authority(self.lab.folder, "operator")
        certificate, key = operator.sign("answer", NAME)
        before = self.lab.state()
        for files, message in (
                (("none.pem", key), "can't read the certificate none.pem: No such file or directory"),
                ((certificate, "none.pem"), "can't read the key none.pem: No such file or directory"),
                ((key, key), f"{key} holds no certificate in PEM form"),
                ((certificate, operator.path + ".key"),
                 f"the key in {operator.path}.key is not that of the certificate in {certificate}")):
            with self.subTest(message):
                run = self.lab.run(self.scenario({"status": 503, "certificate": files[0], "key": files[1]}))
                self.assert_ended(run, 3)
                self.assertIn(message, run.stderr)
                self.assertFalse(os.path.exists(run.out))
        self.assert_untouched(before)


class Shares(AnswerTest):
    def outcomes(self, run, count=COUNT):
        """Of so many connections for each family, in turn: which were taken."""
        taken = {family: [] for family in FAMILIES}
        for _ in range(count):
            for family in FAMILIES:
                taken[family].append(self.ask_once(family) != REAL)
        self.assertEqual(run.stop(), 130)
        return taken

    def drawn(self, family, what, percent, count=COUNT):
        flow = chance.flow_hash("::", 0, THERE[family], PORT, chance.TCP)
        return [chance.draw(chance.rule_seed(SEED), what, flow, 0, i) < chance.threshold(percent) for i in range(count)]

    def test_percent(self):
        """Of a percentage those are taken that the seed says."""
        self.serve()
        taken = self.outcomes(self.begin(503, fault={"percent": "40%"}))
        for family in FAMILIES:
            self.assertEqual(taken[family], self.drawn(family, chance.TAKEN, 40))
        count = sum(map(sum, taken.values()))
        self.assertIn(count, range(20, 80))
        run = self.lab.runs[-1]
        self.assert_counts(run, count, 2 * COUNT - count, requests=count)
        for family in FAMILIES:
            told = [e["data"]["index"] for e in run.events("conn.answered") if e["flow"].startswith(f"?>{quoted(THERE[family])}")]
            self.assertEqual(told, [i for i, hit in enumerate(taken[family]) if hit])

    def test_verify(self):
        """The log has each of them, and the seed draws them again; one that is told as another is found."""
        self.serve()
        self.outcomes(self.begin(503, fault={"percent": "40%"}, target={"share": "70%"}, evidence="packets"), 20)
        run = self.lab.runs[-1]
        done = self.lab.call("verify", run.out)
        self.assertEqual(done.status, 0, done.stdout)
        self.assertRegex(done.stdout, r"PASS packets: [1-9]\d* packets in the log, as many as were counted")
        self.assertRegex(done.stdout, r"PASS connections: [1-9]\d* connections, .* are as the seed draws them")
        plan = os.path.join(run.out, "plan.json")
        with open(plan, encoding="utf-8") as f:
            text = f.read()
        with open(plan, "w", encoding="utf-8") as f:
            f.write(text.replace('"percent":"40%"', '"percent":"5%"'))
        done = self.lab.call("verify", run.out)
        self.assertEqual(done.status, 1, done.stdout)
        self.assertIn("is told as answered, and its lot says that it isn't", done.stdout)

    def test_share(self):
        """Who is none of the share of the target does not count."""
        self.serve()
        taken = self.outcomes(self.begin(503, target={"share": "50%"}))
        for family in FAMILIES:
            self.assertEqual(taken[family], self.drawn(family, chance.SHARE, 50))
        self.assert_counts(self.lab.runs[-1], sum(map(sum, taken.values())))

    def test_budget(self):
        """Connections beyond the budget go to the real server."""
        self.serve()
        run = self.begin(503, limits={"flows": 2})
        self.assertEqual([self.ask_once(V4) for _ in range(2)], [(503, "")] * 2)
        self.assertEqual(self.ask_once(V4), REAL)
        self.assert_ended(run, 4)
        self.assert_counts(run, 2, matched=3, suppressed=1)

    def test_owner(self):
        """Only what a cgroup, or a process, connects."""
        self.serve()
        with self.lab.here:
            actor = Actor()
        self.addCleanup(actor.end)
        ask = f"with socket.create_connection(({THERE[V6]!r}, {PORT})) as c:\n" \
              " c.sendall(b'GET /api/ HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n'); answer = c.recv(12)"
        group = Group()
        self.addCleanup(group.close)
        run = self.begin(503, target={"cgroup": group.path})
        with group:
            taken = self.lab.here.socket(V4, TCP)
        with taken:
            taken.connect((THERE[V4], PORT))
            taken.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertTrue(taken.recv(4096).startswith(b"HTTP/1.1 503 "))
        self.assertEqual(self.ask_once(V4), REAL)
        self.assertEqual(run.stop(), 130)
        self.assert_counts(run, 1, requests=1)
        run = self.begin(503, target={"pid": actor.pid})
        self.assertEqual(actor.do(ask), b"HTTP/1.1 503")
        self.assertEqual(self.ask_once(V6), REAL)
        self.assertEqual(run.stop(), 130)
        self.assert_counts(run, 1, requests=1)


class Ends(AnswerTest):
    def expect_end(self, client):
        """End of file, or a reset; and when it came."""
        try:
            self.assertEqual(client.sock.recv(4096), b"")
        except ConnectionResetError:
            pass
        return now_ns()

    def test_window(self):
        """At the end of each window kept connections end, and the very next request is answered by the real server."""
        self.serve()
        run = self.lab.run(self.scenario(BUSY, hold="1s", step={"repeat": {"times": 2, "every": "2s"}}))
        for count in (1, 2):
            window = run.opened(count)["data"]
            with self.client(V4) as client, self.client(V6) as other:
                for kept in (client, other):
                    self.assertEqual(self.ask_until(kept, window["closes_ns"]), (429, BUSY["body"]))
                self.assertGreaterEqual(self.expect_end(client), window["closes_ns"])
                self.expect_end(other)
                if count == 1:
                    for family in FAMILIES:
                        with self.client(family) as client:
                            self.assertEqual(self.ask_until(client, window["opens_ns"] + 2 * S), REAL)
        self.assert_ended(run, 0)
        for index in range(2):
            counters = run.counters(index)
            self.assertEqual([counters[k] for k in ("matched", "altered", "requests", "failed")], [2, 2, 2, 0])
        self.assertEqual([(e["instance"], e["data"]["index"]) for e in run.events("conn.answered")],
                         [(1, 0), (1, 0), (2, 0), (2, 0)])

    def ask_until(self, client, end):
        """A request and its answer, before that time."""
        try:
            answer = self.ask(client)
        except (http.client.HTTPException, ConnectionError) as e:
            answer = e
        self.in_time(now_ns() < end, "the answer comes before the next change")
        return answer

    def time_kept(self):
        """How long a new connection is kept once the responder has answered on it; None: it has not."""
        with self.client(V4) as client:
            try:
                if self.ask(client) == REAL:
                    return None
            except (http.client.HTTPException, ConnectionError):
                return None  # the window has closed before the request came
            answered = now_ns()
            return self.expect_end(client) - answered

    def test_short_windows(self):
        """Their connections end with them, and not with a later window, also if the responder has not seen them open."""
        self.serve()
        run = self.lab.run(self.scenario(503, hold="40ms", step={"repeat": {"times": 40, "every": "1500ms"}}))
        kept = []
        while len(kept) < 4:
            self.assertTrue(run.running(), run.stderr)
            time = self.time_kept()
            if time is not None:
                kept.append(time)
        self.assertLess(max(kept), S)
        self.assertEqual(run.stop(), 130)

    def test_killed(self):
        """The kernel ends all of it: kept connections, and the hooks."""
        self.serve()
        run = self.begin(503)
        links = {o for o in kernel_objects(run.pid) if o[0] == "link"}
        self.assertGreaterEqual(len(links), 4)  # the hooks; where there is no tcx, its stub has none
        with self.client(V4) as client:
            self.assertEqual(self.ask(client), (503, ""))
            run.signal(signal.SIGKILL)
            self.assertEqual(run.wait(), -signal.SIGKILL)
            for family in FAMILIES:
                self.assertEqual(self.ask_once(family), REAL)
            self.expect_end(client)
        wait_until(lambda: not any(is_there(*o) for o in links), "the links are gone")
        run.forget()

    def test_stopped(self):
        """A stopped process answers nobody for long: the kernel leaves connections to the real server."""
        self.serve()
        run = self.begin(503)
        self.assertEqual(self.ask_once(V4), (503, ""))
        run.freeze()
        stopped = now_ns()
        wait_until(lambda: now_ns() > stopped + 2 * S, "the kernel has missed it for longer than a second")
        self.assertEqual([self.ask_once(family) for family in FAMILIES], [REAL] * 2)
        run.signal(signal.SIGCONT)
        wait_until(lambda: self.ask_once(V4) == (503, ""), "the responder answers")
        self.assertEqual(run.stop(), 130)
        counters = run.counters()
        self.assertGreaterEqual(counters["failed"], 2)
        self.assertEqual(counters["passed"], counters["failed"])
        self.assertEqual(counters["matched"], counters["passed"] + counters["altered"])


if __name__ == "__main__":
    unittest.main()
