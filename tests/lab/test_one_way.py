# SPDX-License-Identifier: BSD-2-Clause
"""drop in one direction: a partition that only one side sees."""
import errno
import socket
import unittest

from closing import NEXT_PORT, PORT, ClosingTest, nothing_to_read
from lab import HOLD, UDP, V4, V6
from meets import meets

TCP_USER_TIMEOUT = 18


class OneWay(ClosingTest):
    def check(self, direction):
        """A request is sent; whose packets are lost decides whether it is carried out."""
        lab = self.lab
        listener = lab.listen(lab.there, V4, PORT)
        client, server = lab.connect(listener)[0]
        bystander = lab.connect(lab.listen(lab.there, V4, NEXT_PORT))[0]
        client.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, 600)
        run = self.inject("drop=true", "--remote-port", str(PORT), "--direction", direction)
        client.sendall(b"request")
        arrives = direction == "in"
        if arrives:
            self.assertEqual(server.recv(100), b"request")
            server.sendall(b"response")
        with self.assertRaises(OSError) as met:
            client.recv(100)
        self.assert_errno(met.exception.errno, errno.ETIMEDOUT)
        if not arrives:
            self.assertTrue(nothing_to_read(server))
        self.check_connect(listener, direction)
        self.assert_echo(*bystander)
        counters = self.end(run)
        self.assertEqual(counters["dropped"], counters["matched"])
        flow = [e["data"] for e in run.events("flow.end")]
        self.assertEqual({bool(f["packets_in"]) for f in flow}, {arrives})
        self.assertEqual({bool(f["packets_out"]) for f in flow}, {not arrives})
        self.assert_echo(*lab.connect(listener)[0])
        return errno.errorcode[met.exception.errno]

    def check_connect(self, listener, direction):
        """connect() fails the same way; in one case the server's kernel has a connection half made."""
        lab = self.lab
        s = lab.socket(lab.here, V4, socket.SOCK_STREAM)
        s.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, 600)
        self.assert_errno(s.connect_ex(listener.getsockname()), errno.ETIMEDOUT)
        s.close()
        half_made = lab.there.call("ss", "-tnH", "state", "syn-recv")
        self.assertEqual(bool(half_made.strip()), direction == "in")

    def test_out(self):
        met = self.check("out")
        meets("drop: true, direction: out", "a client with TCP_USER_TIMEOUT that has sent a request",
              f"{met}; the server has no request")

    def test_in(self):
        met = self.check("in")
        meets("drop: true, direction: in", "a client with TCP_USER_TIMEOUT that has sent a request",
              f"{met}; the server has the request")

    def test_udp(self):
        """Of a question and its answer the one or the other is lost."""
        lab = self.lab
        for direction in ("out", "in"):
            server, client = lab.socket(lab.there, V6, UDP, PORT), lab.socket(lab.here, V6, UDP)
            client.connect(server.getsockname()[:2])
            client.send(b"before")
            address = server.recvfrom(100)[1]
            run = lab.inject("drop=true", "--proto", "udp", "--remote-port", str(PORT), "--direction", direction,
                             "--for", HOLD)
            run.opened()
            client.send(b"question")
            server.sendto(b"answer", address)
            run.wait_event("flow.hit")
            counters = self.end(run)
            self.assertEqual((counters["matched"], counters["dropped"]), (1, 1))
            self.assertEqual(nothing_to_read(server), direction == "out")
            self.assertEqual(nothing_to_read(client), direction == "in")
            server.close()
            client.close()


if __name__ == "__main__":
    unittest.main()
