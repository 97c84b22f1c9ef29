# SPDX-License-Identifier: BSD-2-Clause
"""limit: exactly so many bytes arrive, whatever is lost, sent again or sent in large pieces, and then the connection ends as
asked for."""
import errno
import os
import re
import socket
import subprocess
import threading
import unittest

from databases import POSTGRES, PSQL, Postgres
from lab import FAMILIES, HOLD, V4, V6, LabTest, name_of
from meets import meets
from web import Nginx, url

PORT, NEXT_PORT = 4000, 4001
AMOUNT, SIZE = 65536, 300_000
DATA = os.urandom(SIZE)
END_OF_FILE = "end of file"


class Sender(threading.Thread):
    """Sends all of it, and waits for what comes of it."""

    def __init__(self, s, data):
        super().__init__(daemon=True)
        self.s, self.data = s, data
        self.met = None
        self.start()

    def run(self):
        try:
            self.s.sendall(self.data)
        except OSError as e:
            self.met = errno.errorcode.get(e.errno, "time out")


def read_end(s, seconds):
    """All that comes, and what comes behind it."""
    data, s_timeout = b"", s.gettimeout()
    s.settimeout(seconds)
    try:
        while True:
            piece = s.recv(1 << 20)
            if not piece:
                return data, END_OF_FILE
            data += piece
    except TimeoutError:
        return data, None
    except OSError as e:
        return data, errno.errorcode[e.errno]
    finally:
        s.settimeout(s_timeout)


class LimitTest(LabTest):
    def limit(self, then, *words, amount=AMOUNT, hold=HOLD):
        run = self.lab.inject(f"limit={amount}B", f"then={then}", *words, "--proto", "tcp",
                              "--remote-port", str(PORT), "--for", hold)
        run.opened()
        return run

    def pair(self, family, port=PORT):
        listener = self.lab.listen(self.lab.there, family, port)
        pair = self.lab.connect(listener)[0]
        listener.close()
        return pair


class Transfers(LimitTest):
    """One way, in either direction; the receiver gets the first bytes, no more and, unless it is reset, no less."""

    def transfer(self, family, then, upload):
        client, server = self.pair(family)
        sender, receiver = (client, server) if upload else (server, client)
        sending = Sender(sender, DATA)
        data, end = self.read_silence(receiver) if then == "drop" else read_end(receiver, 60)
        self.assertTrue(data == DATA[:len(data)], "not the bytes that were sent")
        if then == "reset":
            self.assertLessEqual(len(data), AMOUNT)
            sending.join()
            self.assertIn(sending.met, (None, "ECONNRESET", "EPIPE"))
            self.assertEqual(end, "ECONNRESET")
            if not sending.met:
                self.assertEqual(read_end(sender, 60), (b"", "ECONNRESET"))
        else:
            self.assertEqual(len(data), AMOUNT)
            self.assertEqual(end, END_OF_FILE if then == "fin" else None)
        if then == "fin":
            self.assertEqual(read_end(sender, 60), (b"", END_OF_FILE))
        for s in (sender, receiver):
            s.shutdown(socket.SHUT_RDWR) if then == "drop" else s.close()

    @staticmethod
    def read_silence(s):
        """What should come, however long it takes, and what may come behind it."""
        data = b""
        while len(data) < AMOUNT:
            data += s.recv(AMOUNT - len(data)) or b"end"
        more, end = read_end(s, 0.3)
        return data + more, end

    def check(self, then, family, offloads):
        self.lab.offloads(offloads)
        run = self.limit(then)
        for upload in (False, True):
            with self.subTest(upload=upload):
                self.transfer(family, then, upload)
        other = self.pair(family, NEXT_PORT)
        sending = Sender(other[0], DATA)
        sending.join()
        other[0].shutdown(socket.SHUT_WR)
        self.assertTrue(read_end(other[1], 60) == (DATA, END_OF_FILE), "another port")
        self.assertEqual(run.stop(), 130)
        counters = run.counters()
        self.assertEqual(counters["failed"], 0)
        self.assertEqual(counters["flows"], 2)
        self.assertGreater(counters["reset" if then == "reset" else "altered"], 0)
        self.assert_echo(*self.pair(family))

    def test_reset(self):
        self.check("reset", V4, True)

    def test_reset_without_offloads(self):
        self.check("reset", V6, False)

    def test_fin(self):
        self.check("fin", V6, True)

    def test_fin_without_offloads(self):
        self.check("fin", V4, False)

    def test_drop(self):
        self.check("drop", V4, True)

    def test_drop_without_offloads(self):
        self.check("drop", V6, False)

    def test_drop_in_the_delay_line(self):
        """A GSO packet that was cut enters the line as one segment: none of the others is told as lost there."""
        run = self.limit("drop", "delay=3ms")
        for upload in (False, True):
            with self.subTest(upload=upload):
                self.transfer(V4, "drop", upload)
        self.assertEqual(run.stop(), 130)
        receipt = run.counters()["receipt"]
        self.assertGreater(receipt["entered"], 0)
        self.assertEqual((receipt["entered"], receipt["lost"]), (receipt["returned"], 0))


class Lossy(LimitTest):
    """With packets lost at the same time, to selective acknowledgements and retransmissions: no byte less, no byte more."""

    def test_loss(self):
        lab = self.lab
        lab.offloads(False)
        run = lab.run({"version": 1, "name": "lossy", "interface": "test0", "seed": 5,
                       "targets": {"far": {"proto": "tcp", "remote_port": PORT}},
                       "steps": [{"name": "limit", "at": "0s", "for": HOLD, "target": "far",
                                  "fault": {"limit": f"{AMOUNT}B", "then": "fin"}},
                                 {"name": "loss", "at": "0s", "for": HOLD, "target": "far",
                                  "fault": {"loss": "6%"}}]})
        run.opened(2)
        for family in FAMILIES:
            for upload in (False, True):
                with self.subTest(name_of(family), upload=upload):
                    client, server = self.pair(family)
                    sender, receiver = (client, server) if upload else (server, client)
                    Sender(sender, DATA)
                    data, end = read_end(receiver, 60)
                    self.assertEqual((len(data), end), (AMOUNT, END_OF_FILE))
                    self.assertTrue(data == DATA[:AMOUNT], "not the bytes that were sent")
        self.assertEqual(run.stop(), 130)
        self.assertGreater(sum(e["data"]["dropped"] for e in run.events("fault.close")), 0)


class Both(LimitTest):
    """Bytes of both directions count, from the window's opening on."""

    def test_sum(self):
        client, server = self.pair(V4)
        self.assert_echo(client, server, b"before" * 1000)
        run = self.limit("fin", amount=1000)
        self.assert_echo(client, server, b"x" * 300)
        client.sendall(b"y" * 300)
        server.sendall(b"z" * 300)
        uploaded, end = read_end(server, 60)
        self.assertEqual(end, END_OF_FILE)
        downloaded, end = read_end(client, 60)
        self.assertEqual(end, END_OF_FILE)
        self.assertEqual((len(uploaded) + len(downloaded), uploaded[:1], downloaded[:1]), (400, b"y", b"z"))
        self.assertEqual(run.stop(), 130)

    def test_idle_connections_live_on(self):
        client, server = self.pair(V6)
        run = self.limit("reset", amount=100)
        self.assert_echo(client, server, b"x" * 50)
        self.assertEqual(run.stop(), 130)
        self.assertEqual(run.counters()["passed"], run.counters()["matched"])
        self.assert_echo(client, server, b"x" * 1000)


class Curl(LimitTest):
    """A download of 300 kB from nginx; the limit counts what comes in, headers included."""

    def setUp(self):
        super().setUp()
        server = Nginx(self.lab, self.lab.there, (PORT, NEXT_PORT), file=DATA)
        self.addCleanup(server.close)

    def get(self, family, port=PORT, seconds=60):
        path = os.path.join(self.lab.folder, "download")
        with self.lab.here:
            done = subprocess.run(["curl", "-sS", "-i", "--noproxy", "*", "--max-time", str(seconds), "-o", path,
                                   url(self.lab, self.lab.there, family, port, "/file")],
                                  capture_output=True, text=True, check=False)
        with open(path, "rb") as f:
            return done.returncode, re.sub(r"curl: \(\d+\) |after \d+ milliseconds.*| with \d+ .*", "", done.stderr).strip(), \
                len(f.read())

    def check(self, then, sizes, seconds=60):
        run = self.limit(then, "--direction", "in")
        results = []
        for family in FAMILIES if then != "drop" else (V4,):
            status, message, size = self.get(family, seconds=seconds)
            while size < min(sizes) and seconds < 60:  # curl gave up before the limit was reached: more time
                seconds *= 4
                status, message, size = self.get(family, seconds=seconds)
            self.assertIn(size, sizes)
            results.append(f"exit {status}: {message}")
            self.assertEqual(self.get(family, NEXT_PORT)[0], 0)
        self.assertEqual(results, results[:1] * len(results))
        meets(f"limit: 64KiB, then: {then}", "curl, a download of 300 kB", results[0])
        self.assertEqual(run.stop(), 130)
        for family in FAMILIES:
            self.assertEqual(self.get(family)[0], 0, "the very next request")

    def test_reset(self):
        self.check("reset", range(AMOUNT + 1))

    def test_fin(self):
        self.check("fin", [AMOUNT])

    def test_drop(self):
        self.check("drop", [AMOUNT], 1)


@unittest.skipUnless(POSTGRES and PSQL, "needs PostgreSQL")
class Psql(LimitTest):
    """A result of 300 kB."""

    def setUp(self):
        super().setUp()
        self.postgres = Postgres(self.lab, self.lab.there, PORT)
        self.addCleanup(self.postgres.close)

    def ask(self, **options):
        with self.lab.here:
            done = subprocess.run([PSQL, "-XAt", self.postgres.url(**options), "-c", "select repeat('x', 300000)"],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        return done.returncode, " ".join(done.stderr.split())

    def check(self, then, client, **options):
        run = self.limit(then)
        status, message = self.ask(**options)
        self.assertNotEqual(status, 0)
        meets(f"limit: 64KiB, then: {then}", client, f"exit {status}: {message}")
        self.assertEqual(run.stop(), 130)
        self.assertEqual(self.ask(), (0, ""))

    def test_ends(self):
        self.check("reset", "psql, a result of 300 kB")
        self.check("fin", "psql, a result of 300 kB")
        self.check("drop", "psql (keepalives_idle=1, keepalives_count=2), a result of 300 kB",
                   keepalives_idle=1, keepalives_interval=1, keepalives_count=2)


if __name__ == "__main__":
    unittest.main()
