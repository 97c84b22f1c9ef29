# SPDX-License-Identifier: BSD-2-Clause
"""slow_close: the last word comes at once, the end of the connection when it is time."""
import http.server
import os
import socket
import subprocess
import threading
import unittest

from closing import NEXT_PORT, PORT, S, ClosingTest, nothing_to_read
from lab import PATIENCE_S, THERE, V4, V6, now_ns, wait_until
from meets import meets

LATE = 2  # seconds
MS = 1_000_000
SHORT = 500 * MS
WORDS = os.urandom(10_000)  # less than a first flight


class SlowClose(ClosingTest):
    def read_words(self, s):
        data = b""
        while len(data) < len(WORDS):
            part = s.recv(1 << 20)
            self.assertTrue(part, "end of file")
            data += part
        self.assertEqual(data, WORDS)

    @staticmethod
    def close(closer):
        """The last words and a FIN in one segment, which offloads make a large one; the time before."""
        closer.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        closer.sendall(WORDS)
        closed = now_ns()
        closer.shutdown(socket.SHUT_WR)
        return closed

    def pair(self, listener, outwards):
        """Who closes, and who reads."""
        client, server = self.lab.connect(listener)[0]
        return (client, server) if outwards else (server, client)

    def assert_delayed(self, run):
        counters = self.end(run)
        self.assertEqual(counters["delayed"] + counters["passed"], counters["matched"])
        self.assertEqual(counters["receipt"]["stale"], 0)
        self.assertGreater(counters["delayed"], 0)

    def check(self, family, outwards):
        """While the end is held, the words have come, and all of a connection to another port."""
        lab = self.lab
        listener, next_listener = (lab.listen(lab.there, family, port) for port in (PORT, NEXT_PORT))
        (closer, reader), (other, next_reader) = (self.pair(x, outwards) for x in (listener, next_listener))
        run = self.inject("slow_close=50s", "--remote-port", str(PORT))
        self.close(closer)
        self.read_words(reader)
        self.close(other)
        self.read_words(next_reader)
        self.assertEqual(next_reader.recv(1), b"", "another port")
        self.assertTrue(nothing_to_read(reader), "the end has come")
        self.assert_delayed(run)
        self.assertEqual(reader.recv(1), b"")
        self.check_time(listener, outwards)

    def check_time(self, listener, outwards):
        closer, reader = self.pair(listener, outwards)
        run = self.inject(f"slow_close={SHORT // MS}ms", "--remote-port", str(PORT))
        closed = self.close(closer)
        self.read_words(reader)
        self.assertEqual(reader.recv(1), b"")
        self.assertGreaterEqual(now_ns() - closed, SHORT)
        self.assert_delayed(run)

    def test_with_offloads(self):
        self.check(V4, True)
        self.check_again(V6, False)

    def test_without_offloads(self):
        self.lab.offloads(False)
        self.check(V6, True)
        self.check_again(V4, False)

    def check_again(self, family, outwards):
        self.close_sockets()
        self.check(family, outwards)

    def test_nothing_is_held_beyond_the_window(self):
        lab = self.lab
        client, server = lab.connect(lab.listen(lab.there, V4, PORT))[0]
        run = self.inject("slow_close=50s", "--remote-port", str(PORT), hold="1s")
        server.close()
        closes = run.opened()["data"]["closes_ns"]
        self.in_time(now_ns() < closes, "the FIN is sent in the window")
        self.assertEqual(client.recv(1), b"")
        self.assertGreaterEqual(now_ns(), closes)
        self.assert_ended(run, 0)
        self.assertGreater(self.counted(run)["delayed"], 0)

    def test_curl(self):
        """Where the end of the connection is the end of the document (HTTP/1.0), curl waits for it."""
        served = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # pylint: disable=invalid-name
                self.send_response(200)
                if self.path == "/long":
                    self.send_header("Content-Length", "8")
                self.end_headers()
                self.wfile.write(b"document")
                served.append(self.path)

            def log_message(self, *_):
                pass

        with self.lab.there:
            server = http.server.ThreadingHTTPServer((THERE[V4], PORT), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        url = f"http://{THERE[V4]}:{PORT}/"
        run = self.inject(f"slow_close={LATE}s", "--remote-port", str(PORT))
        begun = now_ns()
        self.assertEqual(self.lab.here.call("curl", "-sS", url), "document")
        self.assertGreaterEqual(now_ns() - begun, LATE * S)
        self.assert_delayed(run)
        run = self.inject("slow_close=50s", "--remote-port", str(PORT))
        with self.lab.here, subprocess.Popen(["curl", "-sS", url], stdout=subprocess.PIPE, text=True) as waiting:
            self.assertEqual(self.lab.here.call("curl", "-sS", url + "long"), "document")
            self.assertIsNone(waiting.poll())
            wait_until(lambda: served.count("/") == 2, "the other request")
            self.assert_delayed(run)
            self.assertEqual(waiting.communicate(timeout=PATIENCE_S)[0], "document")
            self.assertEqual(waiting.returncode, 0)
        meets(f"slow_close: {LATE}s", "curl, a document that ends with the connection", f"exit 0, {LATE} s later")
        meets(f"slow_close: {LATE}s", "curl, a document with Content-Length", "exit 0, at once")


if __name__ == "__main__":
    unittest.main()
