# SPDX-License-Identifier: BSD-2-Clause
"""How soon a reset is felt at both ends: by 100 idle connections after the opening of the window, and by 100 busy ones
after their next packet.

usage: bench_reset.py (as root; SHEARPIN: the program, otherwise build/shearpin). The exit status is 1 if a figure is
beyond its limit. ROUNDS runs for each address family; times are CLOCK_MONOTONIC.
"""
import contextlib
import itertools
import os
import select
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
from lab import FAMILIES, HOLD, Lab, name_of, now_ns  # noqa: E402
from traffic import Traffic  # noqa: E402

PORT = 4000
CONNECTIONS = 100
ROUNDS = 5
PATIENCE_NS = 10_000_000_000
IDLE_LIMIT_NS = 50_000_000
PACKET_LIMIT_NS = 1_000_000


def start(lab):
    return lab.inject("reset=both", "--proto", "tcp", "--remote-port", str(PORT), "--for", HOLD)


def idle(lab, pairs):
    """From the opening to the error, at each end."""
    run = start(lab)
    with Traffic((), pairs) as traffic:
        opens = run.opened()["data"]["opens_ns"]
        while len(traffic.ended) < 2 * len(pairs):
            select.select([], [], [], 0.001)
            if now_ns() > opens + PATIENCE_NS:
                sys.exit("FAIL  some idle connections were not reset at all")
    run.stop()
    return [at - opens for _, at in traffic.ended.values()]


class Busy:
    """A connection that sends a byte at a time, and looks what becomes of it."""

    def __init__(self, client, server):
        self.client, self.server = client, server
        self.poll = select.poll()
        for s in (client, server):
            s.setblocking(False)
            self.poll.register(s, select.POLLIN)

    def meet(self):
        """None: the byte came through. Otherwise the times from the packet to the errors of both ends; none if the
        connection had been reset before, as an idle one."""
        sent, errors = now_ns(), {}
        try:
            self.client.send(b"*")
        except OSError:
            return []
        while len(errors) < 2 and now_ns() < sent + PATIENCE_NS:
            for fd, event in self.poll.poll(1000):
                if event & select.POLLERR:
                    errors.setdefault(fd, now_ns() - sent)
                elif fd == self.server.fileno() and not errors:
                    self.server.recv(1)
                    return None
        return list(errors.values()) + [PATIENCE_NS] * (2 - len(errors))


def busy(lab, pairs):
    """From a packet to the error, at each end. The walk over idle connections takes those that it finds first."""
    run = start(lab)
    times, left = [], [Busy(*pair) for pair in pairs]
    deadline = now_ns() + PATIENCE_NS
    for connection in itertools.cycle(list(left)):
        if not left or now_ns() > deadline:
            break
        met = connection.meet() if connection in left else None
        if met is not None:
            left.remove(connection)
            times += met
    run.stop()
    if left:
        sys.exit("FAIL  some busy connections were not reset at all")
    return times


def judge(what, times, limit):
    if not times:
        print(f"FAIL  {what}: nothing was measured")
        return False
    times.sort()
    median, last = times[len(times) // 2], times[-1]
    word = "PASS" if last <= limit else "FAIL"
    print(f"{word}  {what}: {last / 1e6:.2f} ms at the latest, {median / 1e6:.3f} ms median, {len(times)} ends; "
          f"expected at most {limit / 1e6:.1f} ms", flush=True)
    return word == "PASS"


def main():
    passed = True
    # The observer, not what it observes, is kept from waiting for a CPU: the spawner of lab.py has forked already.
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    for family in FAMILIES:
        for measure, what, limit in ((idle, "idle, after the opening", IDLE_LIMIT_NS),
                                     (busy, "busy, after the next packet", PACKET_LIMIT_NS)):
            times = []
            for _ in range(ROUNDS):
                lab = Lab()
                times += measure(lab, lab.connect(lab.listen(lab.there, family, PORT), CONNECTIONS))
                lab.close()
            passed &= judge(f"reset, {name_of(family)} {what}", times, limit)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
