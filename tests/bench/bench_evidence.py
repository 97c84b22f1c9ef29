# SPDX-License-Identifier: BSD-2-Clause
"""Evidence of each packet under fire: real datagrams, every one of them hit and an event in the log, at RATE for SECONDS. What
the ring buffer has no room for must be counted, and the report must say INCOMPLETE.

usage: bench_evidence.py (as root; SHEARPIN: the program, otherwise build/shearpin; BENCH_LOAD: bench_load, otherwise
build/tests/bench/bench_load). The exit status is 1 if a figure is beyond its limit. The log, some 380 bytes a packet, is written
under TMPDIR, otherwise /var/tmp, and removed.
"""
import os
import shutil
import signal
import sys
import tempfile
import time

from bench_line import PORT, judge, load, new_lab
from lab import DEVICE, FAMILIES, HOLD, name_of

RATE, SECONDS, SENDERS = 500_000, 10, 2
LONGEST_S = 600  # to write what waits at the end, and the reports
BLOCK = 1 << 20


def processor_s(pid):
    """User and system time of a process so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return [int(ticks) / os.sysconf("SC_CLK_TCK") for ticks in fields[11:13]]


def count_lines(path, kind):
    """Lines that hold a word."""
    count, rest = 0, b""
    with open(path, "rb") as f:
        while block := f.read(BLOCK):
            rest += block
            end = rest.rfind(b"\n") + 1
            count += rest.count(kind, 0, end)
            rest = rest[end:]
    return count


def scenario():
    return {"version": 1, "name": "fire", "interface": DEVICE, "seed": 7, "evidence": "packets", "recovery": "0s",
            "targets": {"t": {"proto": "udp", "remote_port": PORT}},
            "steps": [{"name": "cut", "at": "0s", "fault": {"drop": True}, "target": "t", "for": HOLD}]}


class Fire:
    """What one run has made of it."""

    def __init__(self, family, folder):
        count = RATE * SECONDS
        with new_lab() as lab:
            run = lab.run(scenario(), out=os.path.join(folder, "run"))
            run.opened()
            before = processor_s(run.pid)
            (took,), = load(lab, "pour", count, 1_000_000_000 // RATE, SENDERS, family=family)
            self.user, self.system = (now - then for then, now in zip(before, processor_s(run.pid)))
            stopped = time.monotonic()
            run.signal(signal.SIGINT)
            status = run.wait(LONGEST_S)
            self.ending = time.monotonic() - stopped
            if status != 130:
                sys.exit(f"FAIL  shearpin: {status}, {run.stderr}")
            stopped = time.monotonic()
            self.verified = lab.call("verify", run.out).status
            self.verifying = time.monotonic() - stopped
            log = run.path("events.jsonl")
            self.megabytes = os.path.getsize(log) / 1e6
            self.written = count_lines(log, b'"type":"packet"')
            results = run.document("results.json")
            self.lost, self.complete, self.balanced = results["lost"], results["complete"], results["balanced"]
            self.hit = results["steps"][0]["dropped"]
            self.offered = count / took * 1e9
            self.seconds = took / 1e9
            with open(run.path("report.md"), encoding="utf-8") as f:
                self.says_incomplete = "INCOMPLETE" in f.readline()


def judge_fire(family, fire):
    name = f"{RATE:,} packets/s for {SECONDS} s, {name_of(family)}"
    print(f"      {name}: {fire.offered:,.0f}/s offered, {fire.hit:,} hit, {fire.written:,} events, {fire.lost:,} lost; the "
          f"reader took {fire.user:.1f} s of user and {fire.system:.1f} s of system time in {fire.seconds:.1f} s; a log of "
          f"{fire.megabytes:,.0f} MB; reports {fire.ending:.1f} s after the end; verified in {fire.verifying:.1f} s")
    good = judge(f"{name}: offered", fire.offered, 0.95 * RATE, "packets/s", least=True, places=0)
    good &= judge(f"{name}: hit, but neither in the log nor counted as lost", abs(fire.hit - fire.written - fire.lost), 0,
                  "packets", places=0)
    good &= judge(f"{name}: lost without INCOMPLETE", bool(fire.lost) != fire.says_incomplete or
                  fire.says_incomplete == fire.complete, 0, "runs", places=0)
    good &= judge(f"{name}: verify says otherwise", fire.verified != bool(fire.lost), 0, "runs", places=0)
    return good & judge(f"{name}: out of balance", not fire.balanced, 0, "runs", places=0)


def main():
    good = True
    for family in FAMILIES:
        folder = tempfile.mkdtemp(dir=os.environ.get("TMPDIR", "/var/tmp"))
        try:
            good &= judge_fire(family, Fire(family, folder))
        finally:
            shutil.rmtree(folder)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
