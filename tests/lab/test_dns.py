# SPDX-License-Identifier: BSD-2-Clause
"""dns: what resolvers and the programs behind them meet, with dnsmasq as the server that is asked."""
import os
import socket
import subprocess
import threading
import unittest

import chance
from lab import FAMILIES, HERE, HOLD, TCP, THERE, UDP, V4, V6, LabTest, name_of
from meets import meets
from resolvers import (A, AAAA, AD, CD, NOERROR, NXDOMAIN, OPT, PORT, QR, RA, RD, REFUSED, SERVFAIL, ZONE, authority,
                       forwarder, question, rcode, use_resolver)

API, WWW, OTHER = (f"{host}.{ZONE}" for host in ("api", "www", "other"))
NEXT_PORT = 5300
HTTP_PORT = 8080
FAULTS = {"nxdomain": NXDOMAIN, "servfail": SERVFAIL, "refused": REFUSED}
GETADDRINFO = {"nxdomain": socket.EAI_NONAME, "servfail": socket.EAI_AGAIN, "refused": socket.EAI_AGAIN,
               "timeout": socket.EAI_AGAIN}
EAI_NAMES = {getattr(socket, name): name for name in ("EAI_NONAME", "EAI_AGAIN")}


class DnsTest(LabTest):
    def setUp(self):
        super().setUp()
        self.server = authority(self.lab, self.lab.there, [THERE[f] for f in FAMILIES])
        self.addCleanup(self.server.close)

    def fault(self, kind, *words, port=("--remote-port", str(PORT))):
        run = self.lab.inject(f"dns={kind}", *words, *port, "--for", HOLD)
        run.opened()
        return run

    def end(self, run, **expected):
        """Stop it; the counters balance, and are as expected."""
        self.assertEqual(run.stop(), 130, run.stderr)
        counters = run.counters()
        self.assertEqual(counters["matched"], sum(counters[name] for name in (
            "passed", "dropped", "reset", "refused", "delayed", "duplicated", "altered", "suppressed")))
        self.assertEqual(counters["failed"], 0)
        for name, value in expected.items():
            self.assertEqual(counters[name], value, name)
        return counters

    def socket(self, family, source=0, port=PORT):
        s = self.lab.socket(self.lab.here, family, UDP, source)
        s.connect((THERE[family], port))
        return s

    def ask(self, family, message, **options):
        s = self.socket(family, **options)
        s.send(message)
        answer = s.recv(1000)
        s.close()
        return answer

    def program(self, *argv):
        with self.lab.here:
            return subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                                  env={**os.environ, "LC_ALL": "C"})

    def dig(self, name, *words, server=THERE[V4]):
        """Its exit status and standard output."""
        done = self.program("dig", f"@{server}", name, "A", "+tries=1", "+retry=0", "+time=20", *words)
        return done.returncode, done.stdout


class Answers(DnsTest):
    def test_bytes(self):
        """The query comes back, with QR, RA and the RCODE set."""
        for kind, code in FAULTS.items():
            run = self.fault(kind)
            count = 0
            for family in FAMILIES:
                for name in (API, "APi.LaB.teST", "no.such.name", "."):
                    for kept, lost, extra in ((RD, 0, b""), (RD | CD, AD, OPT), (0, AD, OPT)):
                        asked = question(name, flags=kept | lost, extra=extra)
                        answered = self.ask(family, asked)
                        with self.subTest(f"{kind} {name_of(family)} {name}"):
                            expected = question(name, flags=QR | RA | kept | code, extra=extra)
                            self.assertEqual(answered, expected)
                            count += 1
            self.end(run, refused=count, matched=count)
            self.assertEqual(rcode(self.ask(V4, question(API))), NOERROR)

    def test_bytes_without_offloads(self):
        self.lab.offloads(False)
        self.test_bytes()

    def test_at_the_server(self):
        """The same, where the server is."""
        server = authority(self.lab, self.lab.here, [HERE[f] for f in FAMILIES])
        self.addCleanup(server.close)
        for offloads in (True, False):
            self.lab.offloads(offloads)
            run = self.fault("servfail", port=("--local-port", str(PORT)))
            for family in FAMILIES:
                s = self.lab.socket(self.lab.there, family, UDP)
                s.connect((HERE[family], PORT))
                s.send(question(API, extra=OPT))
                self.assertEqual(s.recv(1000), question(API, flags=QR | RA | RD | SERVFAIL, extra=OPT))
            self.end(run, refused=2, matched=2)
            s.send(question(API))
            self.assertEqual(rcode(s.recv(1000)), NOERROR)

    def test_on_lo(self):
        """A resolver on the host itself, such as systemd-resolved is."""
        server = authority(self.lab, self.lab.here, ["127.0.0.53", "::1"])
        self.addCleanup(server.close)
        for direction in ("out", "in"):
            port = "--remote-port" if direction == "out" else "--local-port"
            run = self.lab.inject("dns=refused", f"names={API}", port, str(PORT), "--direction", direction,
                                  "--for", HOLD, interface="lo")
            run.opened()
            for family, address in ((V4, "127.0.0.53"), (V6, "::1")):
                s = self.lab.keep(self.lab.here.socket(family, UDP))
                s.settimeout(60)
                s.connect((address, PORT))
                s.send(question(API, extra=OPT))
                self.assertEqual(s.recv(1000), question(API, flags=QR | RA | RD | REFUSED, extra=OPT))
                s.send(question(WWW))
                self.assertEqual(rcode(s.recv(1000)), NOERROR)
            self.end(run, refused=2, matched=4)
            s.send(question(API))
            self.assertEqual(rcode(s.recv(1000)), NOERROR)

    def test_others_untouched(self):
        """Another port of the server, and what is no query."""
        server = authority(self.lab, self.lab.there, [THERE[f] for f in FAMILIES], port=NEXT_PORT)
        self.addCleanup(server.close)
        run = self.fault("nxdomain")
        for family in FAMILIES:
            self.assertEqual(rcode(self.ask(family, question(API), port=NEXT_PORT)), NOERROR)
            # STATUS, which dnsmasq itself refuses.
            self.assertEqual(rcode(self.ask(family, question(API, flags=2 << 11))), REFUSED)
        self.end(run, refused=0, matched=4, passed=4)  # the server's answers, too

    def test_timeout(self):
        """The query is lost; the next, for another name, is not."""
        run = self.fault("timeout", f"names={API}")
        for family in FAMILIES:
            s = self.socket(family)
            s.send(question(API, 1))
            s.send(question(WWW, 2))
            answer = s.recv(1000)
            self.assertEqual((answer[:2], rcode(answer)), (b"\0\2", NOERROR))
        self.end(run, dropped=2, refused=0)
        s.send(question(API, 3))
        answer = s.recv(1000)
        self.assertEqual((answer[:2], rcode(answer)), (b"\0\3", NOERROR))

    def test_names(self):
        run = self.fault("nxdomain", f"names=*.{ZONE},example.org")
        for name, code in ((API, NXDOMAIN), ("a.b.LAB.Test", NXDOMAIN), ("EXAMPLE.org", NXDOMAIN), (ZONE, NOERROR),
                           (f"x{ZONE}", REFUSED), ("www.example.org", REFUSED), ("test", REFUSED)):
            for family in FAMILIES:
                self.assertEqual(rcode(self.ask(family, question(name))), code, name)
        self.end(run, refused=6)

    def test_percent(self):
        """Of the queries; which ones, follows from the seed."""
        seed, percent, count = 11, 50, 40
        run = self.fault("refused", f"percent={percent}%", "--seed", str(seed))
        refused = 0
        for family in FAMILIES:
            for source in range(21000, 21000 + count):
                s = self.socket(family, source)
                flow = chance.flow_hash(HERE[family], source, THERE[family], PORT, chance.UDP)
                for index, kind in enumerate((A, AAAA, A)):
                    s.send(question(API, kind=kind))
                    lot = chance.draw(chance.rule_seed(seed), chance.QUERY, flow, chance.OUT, index)
                    expected = REFUSED if lot < chance.threshold(percent) else NOERROR
                    self.assertEqual(rcode(s.recv(1000)), expected, (source, index))
                    refused += expected == REFUSED
                s.close()
        self.assertTrue(60 <= refused <= 180, refused)
        self.end(run, refused=refused)
        done = self.lab.call("verify", run.out)
        self.assertEqual(done.status, 0, done.stdout + done.stderr)


class Clients(DnsTest):
    """What programs make of it."""

    def test_dig(self):
        for kind in FAULTS:
            run = self.fault(kind, f"names={API}")
            for server in THERE.values():
                for words in (("+edns", "+cookie"), ("+noedns",), ("+edns", "+nocookie", "+dnssec")):
                    status, out = self.dig(API, *words, server=server)
                    self.assertEqual(status, 0, out)
                    self.assertIn(f"status: {kind.upper()}", out)
                    self.assertNotRegex(out, "(?i)warning|malformed|mismatch|extra input")
            meets(f"dns: {kind}", "dig", f"status: {kind.upper()}")
            self.assertIn("status: NOERROR", self.dig(WWW)[1])
            self.end(run, refused=6)
            self.assertIn("status: NOERROR", self.dig(API)[1])

    def test_dig_timeout(self):
        run = self.fault("timeout")
        status, out = self.dig(API, "+time=1")
        self.end(run, dropped=1)
        self.assertIn("timed out", out)
        meets("dns: timeout", "dig", f"exit {status}: timed out")

    def test_tcp(self):
        """A query over TCP is reset, the connection with it, whatever the RCODE."""
        for family in FAMILIES:
            run = self.fault("servfail", f"names={API}")
            status, out = self.dig(API, "+tcp", server=THERE[family])
            self.assertIn("connection reset", out)
            self.assertIn("status: NOERROR", self.dig(WWW, "+tcp", server=THERE[family])[1])
            self.end(run, reset=1)
            self.assertIn("status: NOERROR", self.dig(API, "+tcp", server=THERE[family])[1])
        meets("dns: servfail", "dig +tcp", f"exit {status}: connection reset")

    def test_tcp_timeout(self):
        run = self.fault("timeout", f"names={API}")
        clients = []
        for name in (API, WWW):
            s = self.lab.socket(self.lab.here, V4, TCP)
            s.connect((THERE[V4], PORT))
            asked = question(name)
            s.sendall(len(asked).to_bytes(2, "big") + asked)
            clients.append(s)
        self.assertEqual(rcode(clients[1].recv(1000)[2:]), NOERROR)
        clients[0].setblocking(False)
        with self.assertRaises(BlockingIOError):
            clients[0].recv(1000)
        self.assertGreaterEqual(self.end(run, reset=0)["dropped"], 1)
        clients[0].settimeout(60)
        self.assertEqual(rcode(clients[0].recv(1000)[2:]), NOERROR)  # sent again by then

    def getaddrinfo(self, name):
        """The addresses, or the error."""
        with self.lab.here:
            try:
                return sorted(info[4][0] for info in socket.getaddrinfo(name, HTTP_PORT, type=TCP))
            except socket.gaierror as e:
                return e.errno

    def test_getaddrinfo(self):
        """Of glibc, over either family; the answer is not remembered."""
        for family, kind in ((V4, "nxdomain"), (V4, "servfail"), (V4, "refused"), (V4, "timeout"), (V6, "nxdomain")):
            run = self.fault(kind, f"names={API}")
            with self.subTest(f"{kind} {name_of(family)}"):
                use_resolver(THERE[family], 1 if kind == "timeout" else 20)
                found = self.getaddrinfo(API)
                self.assertEqual(EAI_NAMES.get(found, found), EAI_NAMES[GETADDRINFO[kind]])
                use_resolver(THERE[family])
                self.assertEqual(self.getaddrinfo(WWW), sorted(THERE.values()))
                self.end(run)
                self.assertEqual(self.getaddrinfo(API), sorted(THERE.values()))
                meets(f"dns: {kind}", "getaddrinfo()", EAI_NAMES[found])

    def serve(self, listener):
        """One response to each connection."""
        while True:
            try:
                s, _ = listener.accept()
            except OSError:
                return
            with s:
                s.recv(65536)
                s.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nyes")

    def test_curl_and_getent(self):
        listener = self.lab.listen(self.lab.there, V4, HTTP_PORT)
        server = threading.Thread(target=self.serve, args=(listener,))
        server.start()
        self.addCleanup(server.join)
        self.addCleanup(listener.shutdown, socket.SHUT_RDWR)
        curl = ("curl", "-4", "-sS", "--noproxy", "*", "--max-time", "60", f"http://{API}:{HTTP_PORT}/")
        for kind in (*FAULTS, "timeout"):
            run = self.fault(kind, f"names={API}")
            use_resolver(THERE[V4], 1 if kind == "timeout" else 20)
            done = self.program(*curl)
            self.assertEqual(done.stdout, "")
            self.assertEqual(done.stderr, f"curl: (6) Could not resolve host: {API}\n")
            meets(f"dns: {kind}", "curl", f"exit {done.returncode}: Could not resolve host")
            if kind != "timeout":
                done = self.program("getent", "ahosts", API)
                self.assertEqual(done.stdout, "")
                meets(f"dns: {kind}", "getent", f"exit {done.returncode}")
            self.end(run)
            use_resolver(THERE[V4])
            done = self.program(*curl)
            self.assertEqual((done.returncode, done.stdout), (0, "yes"), done.stderr)


class Forwarder(DnsTest):
    """A resolver between the client and the server that fails."""

    def setUp(self):
        super().setUp()
        self.between = forwarder(self.lab, self.lab.here, ["127.0.0.1"], THERE[V4])
        self.addCleanup(self.between.close)

    def test_passes_the_failure_on(self):
        for kind in FAULTS:
            run = self.fault(kind, f"names={API}")
            for words in ("+edns", "+noedns"):
                status, out = self.dig(API, words, server="127.0.0.1")
                self.assertEqual(status, 0, out)
            meets(f"dns: {kind}", "dig, through dnsmasq", out[out.index("status:"):].split(",")[0])
            self.assertIn(f"status: {kind.upper()}", out)
            self.assertGreaterEqual(self.end(run)["refused"], 2)
            self.assertIn("status: NOERROR", self.dig(API, server="127.0.0.1")[1])  # it has not been remembered
            # What it knows it says itself, and asks nobody.
            run = self.fault(kind, f"names={API}")
            self.assertIn("status: NOERROR", self.dig(API, server="127.0.0.1")[1])
            self.end(run, matched=0)
            self.forget()

    def forget(self):
        """A new one, which knows nothing."""
        self.between.close()
        self.between = forwarder(self.lab, self.lab.here, ["127.0.0.1"], THERE[V4])
        self.addCleanup(self.between.close)

    def test_over_tcp(self):
        run = self.fault("servfail")
        status, out = self.dig(API, "+tcp", server="127.0.0.1")
        self.assertIn("end of file", out)
        meets("dns: servfail", "dig +tcp, through dnsmasq", f"exit {status}: end of file")
        self.assertGreaterEqual(self.end(run)["reset"], 1)
        self.assertIn("status: NOERROR", self.dig(API, "+tcp", server="127.0.0.1")[1])


if __name__ == "__main__":
    unittest.main()
