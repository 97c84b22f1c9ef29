# SPDX-License-Identifier: BSD-2-Clause
"""Bulk TCP of a flow that the observer follows and no fault hits, against no shearpin at all. What is observed stands between two
without; the figure is the median of the rounds.

usage: bench_observer.py (as root; SHEARPIN: the program, otherwise build/shearpin). The exit status is 1 if a figure is beyond
its limit.
"""
import contextlib
import statistics
import sys

from bench_line import PORT, iperf3, judge, new_lab, raise_limits
from lab import DEVICE, FAMILIES, THERE, name_of

ROUNDS = 21  # a second's throughput varies by a tenth
LEAST = 0.97


@contextlib.contextmanager
def observed(lab, family):
    """A run whose window is far away; the observer must have seen the transfer."""
    run = lab.run({"version": 1, "name": "observer", "interface": DEVICE,
                   "targets": {"t": {"proto": "tcp", "remote": THERE[family], "remote_port": PORT}},
                   "steps": [{"name": "cut", "at": "1h", "fault": {"drop": True}, "target": "t", "for": "1s"}]})
    run.wait_event("baseline.end")
    yield
    if run.stop() != 130:
        sys.exit(f"FAIL  shearpin: {run.stderr}")
    seen = sum(e["data"].get("bytes_out", 0) for e in run.events("conn.closed", "conn.reset", "conn.open"))
    if seen < 100_000_000:
        sys.exit(f"FAIL  the observer has seen {seen} bytes of the transfer")


def main():
    good = True
    for family in FAMILIES:
        bare, watched, ratios = [], [], []
        for _ in range(ROUNDS):
            with new_lab() as lab:
                raise_limits(lab)
                first = iperf3(lab, family, PORT)
                with observed(lab, family):
                    watched.append(iperf3(lab, family, PORT))
                last = iperf3(lab, family, PORT)
            bare += [first, last]
            ratios.append(watched[-1] / ((first + last) / 2))
        print(f"      bulk TCP, {name_of(family)}: {statistics.median(watched):.1f} Gbit/s observed, "
              f"{statistics.median(bare):.1f} without shearpin")
        good &= judge(f"bulk TCP, observed, {name_of(family)}", statistics.median(ratios), LEAST, "of the bare link's",
                      least=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
