# SPDX-License-Identifier: BSD-2-Clause
"""half_open: an end goes, and the other one does not learn of it."""
import os
import socket
import struct
import subprocess
import unittest

from closing import ESTABLISHED, NEXT_PORT, PORT, TCP_RETRANSMITS, TCP_STATE, ClosingTest, info, nothing_to_read
from databases import POSTGRES, PSQL, REDIS, REDIS_CLI, Postgres, Redis
from lab import DEVICE, FAMILIES, HOLD, THERE, V4, V6, name_of, wait_until
from meets import meets

WORDS = os.urandom(10_000)  # less than a first flight
ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends RST


class HalfOpen(ClosingTest):
    def check(self, family, outwards):
        """One end closes; the other learns nothing of it until the window has closed."""
        lab = self.lab
        listener, next_listener = (lab.listen(lab.there, family, port) for port in (PORT, NEXT_PORT))
        pair, bystander = lab.connect(listener)[0], lab.connect(next_listener)[0]
        closer, reader = pair if outwards else pair[::-1]
        run = self.inject("half_open=true", "--remote-port", str(PORT))
        self.assert_echo(*pair)
        closer.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        closer.sendall(WORDS)
        closer.shutdown(socket.SHUT_WR)  # in one segment with the words, which offloads make a large one
        received = b""
        while len(received) < len(WORDS):
            received += reader.recv(1 << 20)
        self.assertEqual(received, WORDS)
        wait_until(lambda: info(closer, TCP_RETRANSMITS) >= 2, "the FIN is sent again and again")
        self.assertTrue(nothing_to_read(reader))
        self.assertEqual(info(reader, TCP_STATE), ESTABLISHED)
        reader.sendall(b"more")  # it may still talk
        self.assertEqual(closer.recv(100), b"more")
        bystander[0].close()
        self.assertEqual(bystander[1].recv(1), b"")
        counters = self.end(run)
        self.assertGreaterEqual(counters["altered"], 1)
        self.assertGreaterEqual(counters["dropped"], 2)
        self.assertEqual(reader.recv(1), b"", "after the window it ends")

    def test_fin_with_offloads(self):
        self.check(V4, True)
        self.close_sockets()
        self.check(V6, False)

    def test_fin_without_offloads(self):
        self.lab.offloads(False)
        self.check(V6, True)
        self.close_sockets()
        self.check(V4, False)

    def test_beside_slow_close(self):
        """A FIN that comes with payload is taken off it, and does not come behind it, held by the other fault."""
        lab = self.lab
        step = {"at": "0s", "target": "t", "for": HOLD}
        for family, slow_first in zip(FAMILIES, (True, False)):
            with self.subTest(name_of(family)):
                client, server = lab.connect(lab.listen(lab.there, family, PORT))[0]
                steps = [{"name": "slow", "fault": {"slow_close": "10ms"}, **step}, {"name": "gone", "fault": {"half_open": True}, **step}]
                run = lab.run({"version": 1, "name": "both", "interface": DEVICE, "recovery": "0s",
                               "targets": {"t": {"proto": "tcp", "remote_port": PORT}}, "steps": steps[::1 if slow_first else -1]})
                run.opened(2)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
                client.sendall(b"last words")
                client.shutdown(socket.SHUT_WR)
                self.assertEqual(server.recv(100), b"last words")
                wait_until(lambda: info(client, TCP_RETRANSMITS) >= 2 or not nothing_to_read(server), "the FIN is sent again")
                self.assertTrue(nothing_to_read(server))
                self.end(run)
                altered = {e["step"]: e["data"]["altered"] for e in run.events("fault.close")}
                self.assertEqual(altered["slow"], 0)
                self.assertGreaterEqual(altered["gone"], 1)
                self.close_sockets()

    def test_rst(self):
        """Neither the RST of an end that gives up arrives, nor those that answer who still talks to it."""
        lab = self.lab
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                listener = lab.listen(lab.there, family, PORT)
                client, server = lab.connect(listener)[0]
                run = self.inject("half_open=true", "--remote-port", str(PORT))
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
                client.close()
                server.sendall(b"who is there?")
                wait_until(lambda s=server: info(s, TCP_RETRANSMITS) >= 2, "no answer")
                self.assertEqual(info(server, TCP_STATE), ESTABLISHED)
                self.assertTrue(nothing_to_read(server))
                self.assertGreaterEqual(self.end(run)["dropped"], 3)
                with self.assertRaises(ConnectionResetError):
                    server.recv(1)
                listener.close()

    @unittest.skipUnless(REDIS and REDIS_CLI, "there is no redis")
    def test_redis(self):
        """A client that was killed stays on the server's list."""
        lab = self.lab
        redis = Redis(lab, lab.there, PORT)
        self.addCleanup(redis.close)
        run = self.inject("half_open=true", "--remote-port", str(PORT))
        with lab.here:
            client = subprocess.Popen(["redis-cli", "-h", THERE[V4], "-p", str(PORT)], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE)
        client.stdin.write(b"client setname drill\n")
        client.stdin.flush()
        self.assertEqual(client.stdout.readline(), b"OK\n")
        client.kill()
        client.communicate()
        # Its FIN is sent again behind the first: by then the server would know.
        wait_until(lambda: self.closing_here(), "the FIN is on its way")
        self.assertIn("name=drill", redis.ask("client", "list"))
        self.assertGreater(self.end(run)["dropped"], 0)
        wait_until(lambda: "name=drill" not in redis.ask("client", "list"), "after the window the client is gone")
        meets("half_open: true", "redis-server, whose client was killed",
              "CLIENT LIST shows the client until the window closes")

    def closing_here(self):
        """Connections whose FIN was sent again."""
        return "timer:(on," in self.lab.here.call("ss", "-tnoH", "state", "fin-wait-1")

    @unittest.skipUnless(POSTGRES and PSQL, "there is no PostgreSQL")
    def test_psql(self):
        """The server is gone, and the client does not know: its next query waits until its patience ends."""
        lab = self.lab
        postgres = Postgres(lab, lab.there, PORT)
        self.addCleanup(postgres.close)
        run = self.inject("half_open=true", "--remote-port", str(PORT))
        with lab.here:
            client = subprocess.Popen([PSQL, "-XAt", postgres.url(tcp_user_timeout=1000)], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        client.stdin.write("select 1;\n")
        client.stdin.flush()
        self.assertEqual(client.stdout.readline(), "1\n")
        postgres.close()
        _, messages = client.communicate("select 2;\n", timeout=60)
        self.assertEqual(client.returncode, 2)
        self.assertGreater(self.end(run)["dropped"], 0)
        meets("half_open: true", "psql (tcp_user_timeout=1000), whose server was killed",
              "exit 2: " + messages.splitlines()[0])


if __name__ == "__main__":
    unittest.main()
