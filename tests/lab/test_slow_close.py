# SPDX-License-Identifier: BSD-2-Clause
"""slow_close: the last word comes at once, the end of the connection when it is time."""
import http.server
import os
import socket
import threading
import unittest

from closing import NEXT_PORT, PORT, S, ClosingTest
from lab import THERE, V4, V6, now_ns
from meets import meets

LATE = 2  # seconds
WORDS = os.urandom(10_000)  # less than a first flight


class SlowClose(ClosingTest):
    def read_to_end(self, s):
        """When all of the last words had come, and when the end came."""
        data = b""
        while len(data) < len(WORDS):
            part = s.recv(1 << 20)
            self.assertTrue(part, "end of file")
            data += part
        complete = now_ns()
        self.assertEqual(data, WORDS)
        self.assertEqual(s.recv(1), b"")
        return complete, now_ns()

    def check(self, family, outwards):
        """The last words and a FIN in one segment, which offloads make a large one: the words come at once."""
        lab = self.lab
        listener, next_listener = (lab.listen(lab.there, family, port) for port in (PORT, NEXT_PORT))
        pairs = lab.connect(listener)[0], lab.connect(next_listener)[0]
        run = self.inject(f"slow_close={LATE}s", "--remote-port", str(PORT))
        for delayed, (client, server) in zip((True, False), pairs):
            closer, reader = (client, server) if outwards else (server, client)
            closer.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            closer.sendall(WORDS)
            closed = now_ns()
            closer.shutdown(socket.SHUT_WR)
            complete, ended = self.read_to_end(reader)
            if delayed:
                self.assertLess(complete, closed + LATE * S)
                held = ended - closed
            else:
                self.assertLess(ended, closed + LATE * S, "another port")
        counters = self.end(run)
        self.assertEqual(counters["delayed"] + counters["passed"], counters["matched"])
        if counters["receipt"]["stale"]:
            return  # on a busy machine the delay line's owner did not run for so long that the kernel let packets pass
        self.assertGreater(counters["delayed"], 0)
        self.assertGreaterEqual(held, LATE * S)

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
        self.assertEqual(client.recv(1), b"")
        ended = now_ns()
        self.assertGreaterEqual(ended, run.opened()["data"]["closes_ns"])
        self.assert_ended(run, 0)
        self.assertGreater(self.counted(run)["delayed"], 0)

    def test_curl(self):
        """Where the end of the connection is the end of the document (HTTP/1.0), curl waits for it."""
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # pylint: disable=invalid-name
                self.send_response(200)
                if self.path == "/long":
                    self.send_header("Content-Length", "8")
                self.end_headers()
                self.wfile.write(b"document")

            def log_message(self, *_):
                pass

        with self.lab.there:
            server = http.server.ThreadingHTTPServer((THERE[V4], PORT), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        run = self.inject(f"slow_close={LATE}s", "--remote-port", str(PORT))
        taken = {}
        for path in ("/", "/long"):
            begun = now_ns()
            self.assertEqual(self.lab.here.call("curl", "-sS", f"http://{THERE[V4]}:{PORT}{path}"), "document")
            taken[path] = now_ns() - begun
        self.end(run)
        self.assertGreaterEqual(taken["/"], LATE * S)
        self.assertLess(taken["/long"], LATE * S)
        meets(f"slow_close: {LATE}s", "curl, a document that ends with the connection", f"exit 0, {LATE} s later")
        meets(f"slow_close: {LATE}s", "curl, a document with Content-Length", "exit 0, at once")


if __name__ == "__main__":
    unittest.main()
