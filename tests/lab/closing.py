# SPDX-License-Identifier: BSD-2-Clause
"""Tests about the end of connections."""
import select
import socket

from again import Again
from lab import HOLD, LabTest

PORT, NEXT_PORT = 4000, 4001
S = 1_000_000_000
ESTABLISHED = 1  # <net/tcp_states.h>
TCP_STATE, TCP_RETRANSMITS = 0, 2  # bytes of struct tcp_info: the state, timeouts in a row so far
PARTS = ("passed", "dropped", "reset", "refused", "delayed", "duplicated", "altered", "suppressed")


def info(s, which):
    return s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[which]


def nothing_to_read(s):
    return not select.select([s], [], [], 0)[0]


class ClosingTest(Again, LabTest):
    def inject(self, fault, *words, hold=HOLD, **options):
        run = self.lab.inject(*fault.split(), "--proto", "tcp", *words, "--for", hold, **options)
        run.opened()
        return run

    def end(self, run):
        """Stop it; what its window has counted, which adds up."""
        self.assertEqual(run.stop(), 130, run.stderr)
        return self.counted(run)

    def counted(self, run):
        counters = run.counters()
        self.assertEqual(counters["matched"], sum(counters[part] for part in PARTS))
        self.assertEqual(counters["failed"], 0)
        verified = self.lab.call("verify", run.out)
        self.assertEqual(verified.status, 0, verified.stdout + verified.stderr)
        return counters

    def close_sockets(self):
        for s in self.lab.sockets:
            s.close()
