# SPDX-License-Identifier: BSD-2-Clause
"""http: what real clients of real servers read while a fault is on, and that nothing else changes."""
import contextlib
import functools
import hashlib
import http.client
import http.server
import os
import re
import socket
import threading
import unittest
import urllib.error
import urllib.request

import chance
from bent import BentTest
from lab import FAMILIES, HERE, HOLD, TCP, THERE, V4, name_of
from meets import meets
from web import Nginx, Scripted, url

PORT, OTHER_PORT = 8080, 8081
SOURCE = 23000
SEED = 7
SMALL, BIG = b"small\n", os.urandom(300_000)


class Http1(http.client.HTTPConnection):
    """A connection of one side to the other, from a fixed port if there is one."""

    def __init__(self, lab, space, family, port=PORT, source=0):
        super().__init__(lab.address(lab.other(space), family), port, timeout=60)
        self.open_socket = functools.partial(lab.socket, space, family, TCP, source)

    def connect(self):
        self.sock = self.open_socket()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.connect((self.host, self.port))

    def get(self, path):
        """Status, reason, body."""
        self.request("GET", path)
        response = self.getresponse()
        return response.status, response.reason, response.read()


class HttpTest(BentTest):
    def serve(self, space, **files):
        server = Nginx(self.lab, space, (PORT, OTHER_PORT), small=SMALL, big=BIG, **files)
        self.addCleanup(server.close)

    def curl(self, space, family, *words, paths, port=PORT):
        """One line for each, on one connection if the server keeps it: status, connections made, bytes."""
        urls = [url(self.lab, self.lab.other(space), family, port, path) for path in paths]
        outputs = [word for _ in urls for word in ("--output", "/dev/null")]
        return space.call("curl", "--silent", "--max-time", "60", "--noproxy", "*", *outputs, "--write-out",
                          "%{http_code} %{num_connects} %{size_download}\\n", *words, *urls).splitlines()

    def begin_at(self, side, *words):
        run = self.lab.inject(*words, "--seed", str(SEED), "--proto", "tcp", f"--{side}-port", str(PORT), "--for", HOLD)
        run.opened()
        return run


class Clients(HttpTest):
    """Of nginx; the fault is at the client's host."""

    def setUp(self):
        super().setUp()
        self.serve(self.lab.there)

    def test_curl(self):
        here = self.lab.here
        paths = ["/small", "/health", "/small"]
        run = self.begin_at("remote", "http=503")
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                self.assertEqual(self.curl(here, family, paths=paths), ["503 1 6", "503 0 8", "503 0 6"])
                self.assertEqual(self.curl(here, family, paths=paths[:1], port=OTHER_PORT), ["200 1 6"])
        with self.lab.here, self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(url(self.lab, self.lab.there, V4, PORT, "/small"), timeout=60)
        meets("http: 503", "curl", "status 503, the body as sent, connection kept")
        meets("http: 503", "python3 urllib.request", f"HTTPError: {caught.exception}")
        self.assertEqual(caught.exception.read(), SMALL)
        self.check_fail_option()
        counters = self.finish(run)
        self.assert_counters(counters, altered=2 * 3 + 2, failed=0)
        for family in FAMILIES:
            self.assertEqual(self.curl(here, family, paths=paths[:1]), ["200 1 6"])

    def check_fail_option(self):
        with self.assertRaises(AssertionError) as caught:
            self.lab.here.call("curl", "--fail", "--silent", "--show-error", "--max-time", "60", "--noproxy", "*",
                               url(self.lab, self.lab.there, V4, PORT, "/small"))
        message = re.search(r"curl: \((\d+)\) (.*)", str(caught.exception))
        meets("http: 503", "curl --fail", f"exit {message.group(1)}: {message.group(2)}")

    def test_kept_connections(self):
        """The same connection before, in and after the window: the very next response is right again."""
        connections = [Http1(self.lab, self.lab.here, family) for family in FAMILIES]
        others = [Http1(self.lab, self.lab.here, family, OTHER_PORT) for family in FAMILIES]
        for connection in connections + others:
            self.assertEqual(connection.get("/small"), (200, "OK", SMALL))
        sockets = [connection.sock for connection in connections]
        run = self.begin_at("remote", "http=599")
        for connection, other in zip(connections, others):
            for _ in range(3):
                self.assertEqual(connection.get("/small"), (599, "OK", SMALL))
                self.assertEqual(other.get("/small"), (200, "OK", SMALL))
        meets("http: 599", "python3 http.client", "status 599, reason OK, the body as sent")
        counters = self.finish(run)
        self.assert_counters(counters, altered=6, failed=0)
        for connection in connections + others:
            self.assertEqual(connection.get("/small"), (200, "OK", SMALL))
        self.assertEqual([connection.sock for connection in connections], sockets)

    def check_big(self):
        run = self.begin_at("remote", "http=429")
        for family in FAMILIES:
            with self.subTest(name_of(family)), contextlib.closing(Http1(self.lab, self.lab.here, family)) as connection:
                for _ in range(5):
                    status, _, body = connection.get("/big")
                    self.assertEqual((status, hashlib.sha256(body).digest()), (429, hashlib.sha256(BIG).digest()))
        counters = self.finish(run)
        self.assertGreaterEqual(counters["altered"], 10)  # a packet of several segments counts as these
        self.assertEqual((counters["failed"], counters["flows"]), (0, 2))

    def test_big_bodies(self):
        self.check_big()

    def test_big_bodies_without_offloads(self):
        """A wrong checksum would show: nobody vouches for the packets."""
        self.lab.offloads(False)
        self.check_big()

    def test_chunked(self):
        run = self.begin_at("remote", "http=500")
        for family in FAMILIES:
            lines = self.curl(self.lab.here, family, "--compressed", paths=["/chunked/big", "/chunked/small"])
            self.assertEqual(lines[0][:6], "500 1 ")
            self.assertEqual(lines[1][:6], "500 0 ")
            with contextlib.closing(Http1(self.lab, self.lab.here, family)) as connection:
                connection.request("GET", "/chunked/big", headers={"Accept-Encoding": "gzip"})
                response = connection.getresponse()
                self.assertEqual((response.status, response.headers["Transfer-Encoding"]), (500, "chunked"))
                response.read()
        self.assertEqual(self.finish(run)["failed"], 0)

    def test_percent(self):
        """Exactly the responses that the seed names."""
        run = self.begin_at("remote", "http=500", "percent=30%")
        altered = 0
        for family in FAMILIES:
            flow = chance.flow_hash(HERE[family], SOURCE, THERE[family], PORT, chance.TCP)
            with contextlib.closing(Http1(self.lab, self.lab.here, family, source=SOURCE)) as connection:
                hit = chance.hits(SEED, chance.RESPONSE, 30, flow, chance.IN, 200)
                self.assertEqual([connection.get("/small")[0] for _ in range(200)],
                                 [500 if n in hit else 200 for n in range(200)])
            altered += len(hit)
        self.assert_counters(self.finish(run), altered=altered, failed=0)

    def test_percent_beside_loss(self):
        """A response that is sent again, because another fault has lost it, is what it was."""
        scenario = {
            "version": 1, "name": "lossy", "interface": "test0", "seed": SEED,
            "targets": {"web": {"proto": "tcp", "remote_port": PORT}},
            "steps": [{"name": "status", "at": "0s", "for": HOLD, "fault": {"http": 503, "percent": "50%"}, "target": "web"},
                      {"name": "loss", "at": "0s", "for": HOLD, "fault": {"loss": {"every": 5}}, "target": "web"}]}
        run = self.lab.run(scenario)
        run.opened(2)
        for family in FAMILIES:
            flow = chance.flow_hash(HERE[family], SOURCE, THERE[family], PORT, chance.TCP)
            hit = chance.hits(SEED, chance.RESPONSE, 50, flow, chance.IN, 20)
            with contextlib.closing(Http1(self.lab, self.lab.here, family, source=SOURCE)) as connection:
                self.assertEqual([connection.get("/small")[::2] for _ in range(20)],
                                 [(503 if n in hit else 200, SMALL) for n in range(20)])
        self.assertEqual(run.stop(), 130)
        closed = {event["step"]: event["data"] for event in run.events("fault.close")}
        self.assertGreater(closed["loss"]["dropped"], 0)
        self.assertEqual(closed["status"]["failed"], 0)

    def test_paths(self):
        run = self.begin_at("remote", "http=429", "paths=/api/*,/health")
        asked = {"/api/orders": 429, "/api/orders?open=1": 429, "/health": 429, "/health?deep": 429, "/small": 200,
                 "/healthy": 404, "/API/orders": 404, "/": 403}
        for family in FAMILIES:
            with self.subTest(name_of(family)), contextlib.closing(Http1(self.lab, self.lab.here, family)) as connection:
                for _ in range(2):
                    self.assertEqual({path: connection.get(path)[0] for path in asked}, asked)
        self.assert_counters(self.finish(run), altered=16, failed=0)

    def test_retry_after(self):
        run = self.begin_at("remote", "http=429", "retry_after=30s")
        for family in FAMILIES:
            head = self.lab.here.call("curl", "--include", "--silent", "--max-time", "60", "--noproxy", "*",
                                      url(self.lab, self.lab.there, family, PORT, "/small"))
            self.assertRegex(head, r"^HTTP/1.1 429 OK\n")
            self.assertRegex(head, r"\nRetry-After: 30 *\n")
            self.assertNotRegex(head, r"\nDate:")
            self.assertTrue(head.endswith("\n\nsmall\n"), head)
            with contextlib.closing(Http1(self.lab, self.lab.here, family)) as connection:
                connection.request("GET", "/small")
                response = connection.getresponse()
                self.assertEqual((response.status, response.headers["Retry-After"].strip()), (429, "30"))
                meets("http: 429, retry_after: 30s", "python3 http.client",
                      f"status {response.status}, Retry-After: {response.headers['Retry-After'].strip()}, no Date")
        self.assert_counters(self.finish(run), altered=4, failed=0)

    def test_no_body(self):
        """With another status than 204 or 304 the client would wait for the body: these pass, and are counted."""
        with contextlib.closing(Http1(self.lab, self.lab.here, V4)) as connection:
            connection.request("GET", "/small")
            response = connection.getresponse()
            response.read()
            unchanged = {"If-None-Match": response.headers["ETag"]}
        run = self.begin_at("remote", "http=503")
        for family in FAMILIES:
            with contextlib.closing(Http1(self.lab, self.lab.here, family)) as connection:
                self.assertEqual(connection.get("/empty"), (204, "No Content", b""))
                connection.request("GET", "/small", headers=unchanged)
                response = connection.getresponse()
                self.assertEqual((response.status, response.read()), (304, b""))
                connection.request("HEAD", "/small")
                response = connection.getresponse()
                self.assertEqual((response.status, response.read()), (503, b""))
                self.assertEqual(connection.get("/small"), (503, "OK", SMALL))
        self.assert_counters(self.finish(run), altered=4, failed=4)

    def test_pipelining(self):
        """Of requests that go out in one segment, the first one's response alone is altered; all of them come whole."""
        run = self.begin_at("remote", "http=503")
        for family in FAMILIES:
            client = self.lab.socket(self.lab.here, family, TCP)
            client.connect((self.lab.address(self.lab.there, family), PORT))
            for _ in range(3):
                client.sendall(b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
                got = b""
                while got.count(SMALL) < 3:
                    piece = client.recv(65536)
                    self.assertTrue(piece, "end of file")
                    got += piece
                self.assertEqual(re.findall(rb"HTTP/1.1 (\d+)", got), [b"503", b"200", b"200"])
            client.close()
        self.assertGreaterEqual(self.finish(run)["altered"], 6)


class Servers(HttpTest):
    """The fault is at the server's host: responses leave with checksums that the device completes, and as GSO packets."""

    def setUp(self):
        super().setUp()
        self.serve(self.lab.here)

    def check(self):
        run = self.begin_at("local", "http=503", "retry_after=5s")
        for family in FAMILIES:
            with self.subTest(name_of(family)), contextlib.closing(Http1(self.lab, self.lab.there, family)) as connection:
                for path, expected in (("/small", SMALL), ("/big", BIG), ("/small", SMALL), ("/big", BIG)):
                    connection.request("GET", path)
                    response = connection.getresponse()
                    self.assertEqual((response.status, response.headers["Retry-After"].strip()), (503, "5"))
                    self.assertEqual(response.read(), expected)
                other = Http1(self.lab, self.lab.there, family, OTHER_PORT)
                self.assertEqual(other.get("/small"), (200, "OK", SMALL))
        self.assertEqual(self.finish(run)["failed"], 0)

    def test_nginx(self):
        self.check()

    def test_nginx_without_offloads(self):
        self.lab.offloads(False)
        self.check()

    def test_paths(self):
        run = self.begin_at("local", "http=429", "paths=/api/*")
        for family in FAMILIES:
            with contextlib.closing(Http1(self.lab, self.lab.there, family)) as connection:
                self.assertEqual([connection.get(path)[0] for path in ("/api/orders", "/small", "/api/x")], [429, 200, 429])
        self.assert_counters(self.finish(run), altered=4, failed=0)


class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class OldServers(HttpTest):
    def test_http_1_0(self):
        """python3's own server: HTTP/1.0, a connection for each request, head and body in segments of their own."""
        folder = os.path.join(self.lab.folder, "www")
        os.mkdir(folder)
        with open(os.path.join(folder, "big"), "wb") as f:
            f.write(BIG)
        for family in FAMILIES:
            with self.lab.there:
                kind = type("Server", (http.server.ThreadingHTTPServer,), {"address_family": family})
                server = kind((THERE[family], PORT), functools.partial(Files, directory=folder))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.addCleanup(server.server_close)
            self.addCleanup(server.shutdown)
        run = self.begin_at("remote", "http=502")
        for family in FAMILIES:
            for _ in range(3):
                with contextlib.closing(Http1(self.lab, self.lab.here, family)) as connection:
                    self.assertEqual(connection.get("/big"), (502, "OK", BIG))
        self.assert_counters(self.finish(run), altered=6, failed=0)

    def check(self, pieces, status, *words, body, **expected):
        """What comes in these segments is read with that status and body; `expected` is counted for each response."""
        run = self.begin_at("remote", "http=503", *words)
        for family in FAMILIES:
            server = Scripted(self.lab, self.lab.there, family, PORT, *pieces)
            with contextlib.closing(Http1(self.lab, self.lab.here, family)) as connection:
                for _ in range(2):
                    self.assertEqual(connection.get("/x")[::2], (status, body))
            server.close()
        counters = self.finish(run)
        self.assert_counters(counters, **{key: 4 * count for key, count in expected.items()})

    def test_status_line_in_two_segments(self):
        """It is no response then: passed, and not counted."""
        self.check([b"HTTP/1.1 20", b"0 OK\r\nContent-Length: 4\r\n\r\nbody"], 200, body=b"body", altered=0, failed=0)

    def test_body_like_a_response(self):
        body = b"HTTP/1.1 200 OK\r\n\r\nnot mine"
        self.check([b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body], 503, body=body,
                   altered=1, failed=1)

    def test_retry_after_without_a_date(self):
        self.check([b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"], 200, "retry_after=30s", body=b"body",
                   altered=0, failed=1)

    def test_interim_response(self):
        self.check([b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"], 503, body=b"body",
                   altered=1, failed=0)


if __name__ == "__main__":
    unittest.main()
