# SPDX-License-Identifier: BSD-2-Clause
"""refuse: what connect() and a connected UDP socket meet; established connections live on."""
import errno
import select
import socket
import unittest

from lab import FAMILIES, HOLD, TCP, UDP, V4, V6, LabTest, name_of

PORT, NEXT_PORT = 4000, 4001
# What Linux makes of the ICMP errors: icmp_err_convert[] in net/ipv4/icmp.c, tab_unreach[] in net/ipv6/icmp.c.
EXPECTED = {
    "icmp-port": {V4: errno.ECONNREFUSED, V6: errno.ECONNREFUSED},
    "icmp-host": {V4: errno.EHOSTUNREACH, V6: errno.EHOSTUNREACH},
    "icmp-admin": {V4: errno.EHOSTUNREACH, V6: errno.EACCES},
}
# type and code as a socket with RECVERR sees them; RFC 792, RFC 1812, RFC 4443
ICMP = {
    "icmp-port": {V4: (3, 3), V6: (1, 4)},
    "icmp-host": {V4: (3, 1), V6: (1, 3)},
    "icmp-admin": {V4: (3, 13), V6: (1, 1)},
}
IP_RECVERR, IPV6_RECVERR = 11, 25


class RefuseTest(LabTest):
    def sides(self):
        """(where the asking end is, how the target names the port)"""
        return ((self.lab.here, "--remote-port"), (self.lab.there, "--local-port"))

    def refuse(self, kind, option, proto, *words):
        run = self.lab.inject(f"refuse={kind}", "--proto", proto, option, str(PORT), "--for", HOLD, *words)
        run.opened()
        return run


class Connections(RefuseTest):
    def connections(self, kind, errors):
        lab = self.lab
        for asking, option in self.sides():
            answering = lab.other(asking)
            listeners = {(f, p): lab.listen(answering, f, p) for f in FAMILIES for p in (PORT, NEXT_PORT)}
            established = {f: lab.connect(listeners[f, PORT], 3) for f in FAMILIES}
            run = self.refuse(kind, option, "tcp")
            for family in FAMILIES:
                with self.subTest(f"{kind} {name_of(family)} {option}"):
                    # veth delivers the answer while connect() still holds the socket; IPv6 then takes notice only of
                    # the one to the next SYN, a second later.
                    self.assert_errno(lab.try_connect(asking, family, PORT), errors[family])
                    self.assert_errno(lab.try_connect(asking, family, NEXT_PORT), 0)
                    for client, server in established[family]:
                        self.assert_echo(client, server, b"x" * 100000)
                    with self.assertRaises(BlockingIOError):
                        listeners[family, PORT].setblocking(False)
                        listeners[family, PORT].accept()
            self.assertEqual(run.stop(), 130)
            counters = run.counters()
            self.assertGreaterEqual(counters["refused"], 2)
            self.assertEqual(counters["matched"], counters["refused"] + counters["passed"])
            self.assertEqual(counters["failed"], 0)
            for family in FAMILIES:
                self.assert_errno(lab.try_connect(asking, family, PORT), 0)
            for s in listeners.values():
                s.close()

    def test_tcp_reset(self):
        self.connections("tcp-reset", {V4: errno.ECONNREFUSED, V6: errno.ECONNREFUSED})

    def test_tcp_reset_without_offloads(self):
        self.lab.offloads(False)
        self.connections("tcp-reset", {V4: errno.ECONNREFUSED, V6: errno.ECONNREFUSED})

    def test_icmp_port(self):
        self.connections("icmp-port", EXPECTED["icmp-port"])

    def test_icmp_host(self):
        self.connections("icmp-host", EXPECTED["icmp-host"])

    def test_icmp_admin(self):
        self.connections("icmp-admin", EXPECTED["icmp-admin"])

    def test_icmp_without_offloads(self):
        self.lab.offloads(False)
        self.connections("icmp-port", EXPECTED["icmp-port"])


class Datagrams(RefuseTest):
    """Connected UDP sockets: the error comes with the next call."""

    def udp(self, space, family):
        s = self.lab.socket(space, family, UDP)
        if family == V4:
            s.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        else:
            s.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
        s.connect((self.lab.address(self.lab.other(space), family), PORT))
        return s

    def check_error(self, s, expected, icmp):
        """The error number, and the ICMP error behind it."""
        s.send(b"question")
        with self.assertRaises(OSError) as caught:
            s.recv(100)
        self.assert_errno(caught.exception.errno, expected)
        _, ancillary, _, _ = s.recvmsg(100, 512, socket.MSG_ERRQUEUE)
        # struct sock_extended_err: errno, then origin, type, code
        report = ancillary[0][2]
        self.assertEqual((report[5], report[6]), icmp)

    def datagrams(self, kind):
        lab = self.lab
        for asking, option in self.sides():
            answering = lab.other(asking)
            servers = {f: lab.socket(answering, f, UDP, PORT) for f in FAMILIES}
            run = self.refuse(kind, option, "udp")
            for family in FAMILIES:
                with self.subTest(f"{kind} {name_of(family)} {option}"):
                    for _ in range(3):
                        self.check_error(self.udp(asking, family), EXPECTED[kind][family], ICMP[kind][family])
                    self.assertFalse(select.select([servers[family]], [], [], 0)[0], "a datagram came through")
            self.assertEqual(run.stop(), 130)
            self.assertEqual(run.counters()["refused"], 6)
            for family in FAMILIES:
                s = self.udp(asking, family)
                s.send(b"question")
                self.assertEqual(servers[family].recv(100), b"question")
                servers[family].close()

    def test_icmp_port(self):
        self.datagrams("icmp-port")

    def test_icmp_host(self):
        self.datagrams("icmp-host")

    def test_icmp_admin(self):
        self.datagrams("icmp-admin")

    def test_icmp_admin_without_offloads(self):
        self.lab.offloads(False)
        self.datagrams("icmp-admin")

    def test_tcp_reset(self):
        """UDP has no RST: of a target with any protocol its datagrams pass, as `reset` lets them."""
        lab = self.lab
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                server = lab.socket(lab.there, family, UDP, PORT)
                listener = lab.listen(lab.there, family, PORT)
                run = self.refuse("tcp-reset", "--remote-port", "any")
                client = self.udp(lab.here, family)
                client.send(b"question")
                self.assertEqual(server.recv(100), b"question")
                server.sendto(b"answer", client.getsockname())
                self.assertEqual(client.recv(100), b"answer")
                self.assert_errno(lab.try_connect(lab.here, family, PORT), errno.ECONNREFUSED)
                self.assertEqual(run.stop(), 130)
                counters = run.counters()
                self.assertGreaterEqual(counters["refused"], 1)  # its SYN, sent again where nobody heard the answer
                self.assertEqual(counters["passed"], 2)
                server.close()
                listener.close()


class OneWay(LabTest):
    """direction: in or out refuses only what is asked that way."""

    def test_direction(self):
        lab = self.lab
        for direction, refused, free in (("in", lab.there, lab.here), ("out", lab.here, lab.there)):
            with self.subTest(direction):
                listeners = [lab.listen(space, V4, PORT) for space in (lab.here, lab.there)]
                run = lab.inject("refuse=tcp-reset", "--proto", "tcp", "--remote", "10.77.0.2", "--direction", direction,
                                 "--for", HOLD)
                run.opened()
                self.assert_errno(lab.try_connect(refused, V4, PORT), errno.ECONNREFUSED)
                self.assert_errno(lab.try_connect(free, V4, PORT), 0)
                self.assertEqual(run.stop(), 130)
                for s in listeners:
                    s.close()

    def test_percent(self):
        """Of the connections, not of the attempts: a port is refused every time or never."""
        lab = self.lab
        lab.listen(lab.there, V4, PORT)
        run = lab.inject("refuse=tcp-reset", "percent=50%", "--seed", "5", "--remote-port", str(PORT), "--proto", "tcp",
                         "--for", HOLD)
        run.opened()
        results = {}
        for port in range(21000, 21040):
            for _ in range(2):
                s = lab.socket(lab.here, V4, TCP, port)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                results.setdefault(port, []).append(s.connect_ex(("10.77.0.2", PORT)))
                s.close()
        self.assertEqual(run.stop(), 130)
        for port, pair in results.items():
            self.assertEqual(pair[0], pair[1], port)
        refused = sum(pair[0] == errno.ECONNREFUSED for pair in results.values())
        self.assertTrue(8 <= refused <= 32, refused)
        self.assertEqual(run.counters()["refused"], 2 * refused)


if __name__ == "__main__":
    unittest.main()
