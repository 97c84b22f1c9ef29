# SPDX-License-Identifier: BSD-2-Clause
"""What the recovery reporter of the CTP reconnect drill makes of `fault_events.jsonl` and a probe log: its rules as
documented, written anew. It reads both forms of the log.

usage: ctp_reader.py FAULT_EVENTS PROBE_LOG...
"""
import collections
import json
import math
import re
import sys

FORMS = (re.compile(r'^\[health\] ts_ns=(\d+) state=(\w+)$'),
         re.compile(r'^ts_ns=(\d+) .*\bevent=health_status state="(\w+)"$'))

# Times are CLOCK_REALTIME nanoseconds; `recovery` is in seconds, None: not recovered.
Sample = collections.namedtuple("Sample", "scenario parameters apply clear recovery unhealthy")


def read_windows(path):
    """[(scenario, parameters, apply, clear)]: an apply and the clear that follows it under the same name. A second apply
    takes the place of the first; lines that were not executed don't count; a broken line is an error."""
    applied, found = {}, []
    with open(path, encoding="utf-8") as f:
        for line in f:
            event = json.loads(line)
            if not event["execute"]:
                continue
            name = event["scenario"]
            if event["phase"] == "apply":
                applied[name] = event
            elif name in applied:
                start = applied.pop(name)
                found.append((name, start["parameters"], start["ts_ns"], event["ts_ns"]))
    return found


def read_health(lines):
    """[(time, healthy)] in the order of the lines; lines of other kinds are left out."""
    found = []
    for line in lines:
        for form in FORMS:
            match = form.match(line.rstrip("\n"))
            if match and match[2] in ("healthy", "unhealthy"):
                found.append((int(match[1]), match[2] == "healthy"))
    return found


def samples(windows, health):
    found = []
    for name, parameters, apply, clear in windows:
        back = [ts for ts, healthy in health if healthy and ts >= clear]
        found.append(Sample(name, parameters, apply, clear, (back[0] - clear) / 1e9 if back else None,
                            any(not healthy and apply <= ts <= clear for ts, healthy in health)))
    return found


def p99(values):
    """Nearest rank."""
    return sorted(values)[math.ceil(0.99 * len(values)) - 1]


def meets(found, target):
    """P99 below the target, and every sample recovered."""
    return bool(found) and all(s.recovery is not None for s in found) and p99([s.recovery for s in found]) < target


def read_files(paths):
    for path in paths:
        with open(path, encoding="utf-8", errors="replace") as f:
            yield from f


def main(events, *logs):
    found = samples(read_windows(events), read_health(read_files(logs)))
    for s in found:
        recovered = "not recovered" if s.recovery is None else f"{s.recovery:.6f} s"
        print(f"{s.scenario:12} {recovered:14} {'unhealthy was seen' if s.unhealthy else 'unhealthy was not seen'}")
    values = [s.recovery for s in found if s.recovery is not None]
    print(f"{len(found)} samples, P99 {p99(values):.6f} s" if values else f"{len(found)} samples, no P99")


if __name__ == "__main__":
    main(*sys.argv[1:])
