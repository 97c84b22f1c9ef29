# SPDX-License-Identifier: BSD-2-Clause
"""ntp: how far clients find a server's clock off while a fault is on. Both sides go by the same clock, so that without one
they find nothing, but for the error that the round trip allows."""
import re
import shutil
import unittest

import chance
from bent import MS, BentTest
from lab import FAMILIES, HERE, HOLD, THERE, UDP, V4, name_of, now_ns
from meets import meets
from timeservers import PORT, Chronyd, Server, ask, chronyd_offset

OTHER_PORT = 1123
SOURCE = 24000
SEED = 7
ROUNDING = 1000  # ns: chronyd fills the bits beyond its clock's precision with noise


class NtpTest(BentTest):
    def serve(self, space, port=PORT, **options):
        for family in FAMILIES:
            self.addCleanup(Server(self.lab, space, family, port=port, **options).close)

    def client(self, family, space=None, port=PORT, source=0):
        space = space or self.lab.here
        s = self.lab.socket(space, family, UDP, source)
        s.connect((self.lab.address(self.lab.other(space), family), port))
        self.addCleanup(s.close)
        return s

    def assert_off(self, client, low, high=None):
        """By ns: between these two."""
        reading = ask(client)
        self.assertGreaterEqual(reading.offset, low - reading.error - ROUNDING)
        self.assertLessEqual(reading.offset, (low if high is None else high) + reading.error + ROUNDING)

    def begin_at(self, side, *words):
        run = self.lab.inject(*words, "--seed", str(SEED), "--proto", "udp", f"--{side}-port", str(PORT), "--for", HOLD)
        run.opened()
        return run


class Offsets(NtpTest):
    def check(self, side):
        servers, clients = (self.lab.there, self.lab.here) if side == "remote" else (self.lab.here, self.lab.there)
        self.serve(servers)
        self.serve(servers, OTHER_PORT)
        each = [self.client(family, clients) for family in FAMILIES]
        others = [self.client(family, clients, OTHER_PORT) for family in FAMILIES]
        for words, offset in (("ntp=+80ms", 80 * MS), ("ntp=-2s", -2000 * MS), ("ntp=+1h", 3_600_000 * MS)):
            run = self.begin_at(side, words)
            for client, other in zip(each, others):
                with self.subTest(f"{words} {name_of(client.family)}"):
                    for _ in range(5):
                        self.assert_off(client, offset)
                    self.assert_off(other, 0)
            self.assert_counters(self.finish(run), matched=20, altered=10, failed=0)
            for client in each:
                self.assert_off(client, 0)

    def test_at_the_client(self):
        self.check("remote")

    def test_at_the_server(self):
        self.check("local")

    def test_without_offloads(self):
        self.lab.offloads(False)
        self.check("remote")

    def test_at_the_server_without_offloads(self):
        self.lab.offloads(False)
        self.check("local")

    def test_percent(self):
        self.serve(self.lab.there)
        run = self.begin_at("remote", "ntp=+80ms", "percent=30%")
        altered = 0
        for family in FAMILIES:
            flow = chance.flow_hash(HERE[family], SOURCE, THERE[family], PORT, chance.UDP)
            hit = chance.hits(SEED, chance.ANSWER, 30, flow, chance.IN, 200)
            client = self.client(family, source=SOURCE)
            for n in range(200):
                self.assert_off(client, 80 * MS if n in hit else 0)
            altered += len(hit)
        self.assert_counters(self.finish(run), altered=altered)

    def test_kiss_of_death(self):
        self.serve(self.lab.there, stratum=0)
        run = self.begin_at("remote", "ntp=+80ms")
        for family in FAMILIES:
            self.assert_off(self.client(family), 0)
        self.assert_counters(self.finish(run), matched=4, altered=0, failed=0)


class Drift(NtpTest):
    SPAN, OVER = 160 * MS, 1000 * MS

    def test_drift(self):
        """From +80 ms to -80 ms within a second, and there it stays."""
        self.serve(self.lab.there)
        clients = [self.client(family) for family in FAMILIES]
        run = self.begin_at("remote", "ntp=+80ms..-80ms over 1s")
        opened = run.opened()["mono_ns"]
        steps = 0
        while now_ns() < opened + self.OVER + 100 * MS or steps <= 4:
            for client in clients:
                before = now_ns() - opened
                reading = ask(client)
                after = now_ns() - opened
                low, high = (80 * MS - self.SPAN * min(since, self.OVER) // self.OVER for since in (after, before))
                self.assertGreaterEqual(reading.offset, low - reading.error - ROUNDING)
                self.assertLessEqual(reading.offset, high + reading.error + ROUNDING)
                steps += 1
        self.assert_counters(self.finish(run), altered=steps)


@unittest.skipUnless(shutil.which("chronyd"), "chronyd is not installed")
class RealChronyd(NtpTest):
    def setUp(self):
        super().setUp()
        self.addCleanup(Chronyd(self.lab, self.lab.there).close)

    def test_server(self):
        clients = [self.client(family) for family in FAMILIES]
        run = self.begin_at("remote", "ntp=-80ms")
        for client in clients:
            for _ in range(5):
                self.assert_off(client, -80 * MS)
        self.assert_counters(self.finish(run), altered=10)
        for client in clients:
            self.assert_off(client, 0)

    def test_client(self):
        """Its own bound of the error is not told; an eighth of the offset is far beyond it."""
        run = self.begin_at("remote", "ntp=+80ms")
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                self.assert_found(family, 0.08)
        meets("ntp: +80ms", "chronyd", "System clock wrong by 0.08 seconds")
        self.finish(run)
        self.assert_found(V4, 0)

    def assert_found(self, family, offset):
        """In one of some tries: a server that has no turn between its stamp and its sending is as far off."""
        found = []
        while len(found) < 5 and not any(abs(f - offset) < 0.01 for f in found):
            found.append(chronyd_offset(self.lab, self.lab.here, THERE[family]))
        self.assertTrue(any(abs(f - offset) < 0.01 for f in found), found)


if __name__ == "__main__":
    unittest.main()
