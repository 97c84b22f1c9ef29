# SPDX-License-Identifier: BSD-2-Clause
"""How soon a sender goes on when a stall is over: from the closing of the window to the next payload at its peer.

usage: bench_stall.py (as root; SHEARPIN: the program, otherwise build/shearpin). The exit status is 1 if a figure is
beyond its limit. One run of WINDOWS windows for each address family; times are CLOCK_MONOTONIC.
"""
import contextlib
import os
import select
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
from lab import FAMILIES, Lab, name_of, now_ns  # noqa: E402
from traffic import Beside  # noqa: E402

PORT = 4000
WINDOWS = 30
WINDOW_MS, EVERY_MS = 300, 500
LIMIT_NS = 10_000_000


class Sender(Beside):
    """As much as the other end takes."""

    def __init__(self, s):
        super().__init__()
        self.s = s
        s.settimeout(0.1)

    def run(self):
        while not self.halt:
            with contextlib.suppress(TimeoutError):
                self.s.send(b"*" * 1000)


def receive(run, s):
    """When each payload came, until the run is over."""
    arrivals = []
    s.setblocking(False)
    poll = select.poll()
    poll.register(s, select.POLLIN)
    while run.running():
        if poll.poll(50):
            arrivals.append(now_ns())
            s.recv(1 << 20)
    return arrivals


def measure(family):
    lab = Lab()
    client, server = lab.connect(lab.listen(lab.there, family, PORT))[0]
    with Sender(client):
        run = lab.run({"version": 1, "name": "stalls", "interface": "test0",
                       "targets": {"far": {"proto": "tcp", "remote_port": PORT, "direction": "in"}},
                       "steps": [{"name": "stall", "at": "100ms", "for": f"{WINDOW_MS}ms", "fault": {"stall": True},
                                  "target": "far", "repeat": {"times": WINDOWS, "every": f"{EVERY_MS}ms"}}]})
        arrivals = receive(run, server)
    times = []
    for close in (e["data"] for e in run.events("fault.close")):
        after = [at for at in arrivals if at >= close["closes_ns"]]
        during = [at for at in arrivals if close["closes_ns"] - WINDOW_MS * 500_000 <= at < close["closes_ns"]]
        if during or not after:
            sys.exit(f"FAIL  a window of {name_of(family)} did not stall the sender, or for ever")
        times.append(after[0] - close["closes_ns"])
    lab.close()
    return times


def main():
    passed = True
    # The observer, not what it observes, is kept from waiting for a CPU: the spawner of lab.py has forked already.
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    for family in FAMILIES:
        times = sorted(measure(family))
        if len(times) != WINDOWS:
            sys.exit(f"FAIL  {len(times)} of {WINDOWS} windows were closed")
        word = "PASS" if times[-1] <= LIMIT_NS else "FAIL"
        passed &= word == "PASS"
        print(f"{word}  stall, {name_of(family)}, the sender goes on: {times[-1] / 1e6:.2f} ms after the closing at the latest, "
              f"{times[WINDOWS // 2] / 1e6:.3f} ms median of {WINDOWS}; expected at most {LIMIT_NS / 1e6:.1f} ms", flush=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
