# SPDX-License-Identifier: BSD-2-Clause
"""The delay line in user space: how exact, how fast, how lossless, and what it costs those who don't use it. What is compared
is measured in turns within one run; a figure is the median of the rounds.

usage: bench_line.py [NAME...] (as root; SHEARPIN: the program, otherwise build/shearpin; BENCH_LOAD: bench_load, otherwise
build/tests/bench/bench_load). The exit status is 1 if a figure is beyond its limit. NAME: only these measurements, of
those in MEASUREMENTS.
"""
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
from bent import Path  # noqa: E402
from lab import FAMILIES, HOLD, THERE, V4, V6, Lab, name_of, now_ns, wait_until  # noqa: E402

BENCH_LOAD = os.path.abspath(os.environ.get("BENCH_LOAD", "build/tests/bench/bench_load"))
PORT, NEXT_PORT = 4000, 4001
US, MS = 1_000, 1_000_000


def judge(what, value, limit, unit, least=False, places=3):
    good = value >= limit if least else value <= limit
    print(f"{'PASS' if good else 'FAIL'}  {what}: {value:.{places}f} {unit}, expected at {'least' if least else 'most'} "
          f"{limit:.{places}f} {unit}", flush=True)
    return good


def percentile(values, percent):
    """Nearest rank."""
    return sorted(values)[max(-(-len(values) * percent // 100), 1) - 1]


def load(lab, kind, *words, family=V4, port=PORT):
    """What bench_load prints: lists of numbers."""
    text = lab.here.call(BENCH_LOAD, kind, lab.there.path, THERE[family], str(port), *map(str, words),
                         pass_fds=(lab.there.fd,))
    return [[int(word) for word in line.split()] for line in text.splitlines()]


@contextlib.contextmanager
def shearpin(lab, *words, port=PORT):
    """A run at work on PORT; its counters and its line are there afterwards."""
    run = lab.inject(*words, "--remote-port", str(port), "--delay-backend", "user", "--for", HOLD)
    run.opened()
    found = {}
    yield found
    if run.stop() != 130:
        sys.exit(f"FAIL  shearpin: {run.stderr}")
    found.update(run.counters(), line=run.events("line")[0]["data"])


@contextlib.contextmanager
def new_lab():
    lab = Lab()
    try:
        yield lab
    finally:
        lab.close()


def constant():
    """The error of a delay: what a round trip takes beyond it and beyond the median of one without shearpin, which begins
    after the same sleep. That sleep is what the error is compared with."""
    delay, rounds, count = 50 * MS, 5, 60
    good = True
    for family in FAMILIES:
        errors, sleeps, bare, late = [], [], [], []
        for _ in range(rounds):
            with new_lab() as lab:
                bare += [t for t, _ in load(lab, "trips", count // 3, 0, delay, family=family)]
                with shearpin(lab, "delay=50ms", "--direction", "out") as found:
                    trips = load(lab, "trips", count, 0, delay, family=family)
                late.append(found["receipt"]["late"]["p99_ns"])
                errors += [t - delay for t, _ in trips]
                sleeps += [t for _, t in trips]
        if min(errors) < 0:
            sys.exit("FAIL  a round trip was shorter than the delay")
        usual = percentile(bare, 50)
        p50, p99 = ((percentile(errors, p) - usual) / MS for p in (50, 99))
        sleep = percentile(sleeps, 99) / MS
        name = f"round trip through delay=50ms, {name_of(family)}"
        print(f"      {name}: {percentile(errors, 50) / MS:.3f} ms p50 and {percentile(errors, 99) / MS:.3f} p99 beyond the delay; "
              f"without shearpin {usual / MS:.3f} and {percentile(bare, 99) / MS:.3f}; a sleep is {sleep:.3f} late at p99, the "
              f"line by its receipt {statistics.median(late) / MS:.3f}")
        good &= judge(f"{name}: error p50", p50, 0.2, "ms")
        good &= judge(f"{name}: error p99", p99, sleep + 1, "ms")
    return good


def uniform_distance(times, low, high):
    """Kolmogorov and Smirnov: how far the sample's distribution is from the uniform one."""
    times = sorted(times)
    n = len(times)
    expected = [min(max((t - low) / (high - low), 0), 1) for t in times]
    return max(max((i + 1) / n - e, e - i / n) for i, e in enumerate(expected))


def jitter():
    """One datagram a flow, so that none waits for another to keep the order."""
    count, gap = 4000, 500 * US
    delay, spread = 250 * MS, 30 * MS
    good = True
    for family in FAMILIES:
        means, distances = [], []
        for _ in range(3):
            with new_lab() as lab, shearpin(lab, "delay=250ms", "jitter=30ms", "--direction", "out"):
                times = [t for t, in load(lab, "flows", count, gap, family=family)]
            means.append(abs(statistics.fmean(times) - delay))
            distances.append(uniform_distance(times, delay - spread, delay + spread))
        name = f"delay=250ms jitter=30ms, {name_of(family)}, {count} flows"
        good &= judge(f"{name}: mean off by", statistics.median(means) / MS, 1, "ms")
        good &= judge(f"{name}: Kolmogorov-Smirnov distance from the uniform distribution (1 %)",
                      statistics.median(distances), 1.628 / count ** 0.5, "", places=4)
    return good


def neighbour():
    """The next port, while there is a run, against no shearpin at all."""
    good = True
    for family in FAMILIES:
        ratios, bare, beside = [], [], []
        with new_lab() as lab:
            def trip():
                return statistics.median(t for t, _ in load(lab, "trips", 4000, 0, 0, family=family, port=NEXT_PORT))
            for _ in range(9):
                bare.append(trip())
                with shearpin(lab, "delay=50ms"):
                    beside.append(trip())
                ratios.append(beside[-1] / bare[-1])
        good &= judge(f"the next port's round trip, {name_of(family)}: {statistics.median(beside) / US:.1f} us, "
                      f"{statistics.median(bare) / US:.1f} us without shearpin", statistics.median(ratios), 1.05, "times")
    return good


def flood():
    """100,000 datagrams a second."""
    count, gap = 200_000, 10 * US
    good = True
    for words in (("--realtime",), ()):
        for family in FAMILIES:
            for _ in range(3):
                with new_lab() as lab:
                    with shearpin(lab, "delay=50ms", "--direction", "out", "--proto", "udp", *words) as found:
                        (arrived, reordered, twice, took), = load(lab, "flood", count, gap, family=family)
                lost, receipt, line = count - arrived, found["receipt"], found["line"]
                counted = receipt["lost"] + receipt["full"]
                stale = receipt["stale"]
                told = sum(line[key] for key in ("device_dropped", "memory_full", "write_failed")) + receipt["full"]
                name = f"100,000 packets/s, {name_of(family)}{', --realtime' if words else ''}"
                offered = count / took * 1e9
                print(f"      {name}: {offered:.0f} packets/s offered, {lost} lost, {counted} counted by the receipt, "
                      f"{told} by the line's devices and memory; {stale} passed undelayed")
                good &= judge(f"{name}: offered", offered, 95_000, "packets/s", least=True, places=0)
                good &= judge(f"{name}: twice", twice, 0, "packets", places=0)
                if not stale:  # packets that pass a line without a sign of life overtake those that it holds
                    good &= judge(f"{name}: reordered", reordered, 0, "packets", places=0)
                good &= judge(f"{name}: lost and not counted", abs(lost - counted), 0, "packets", places=0)
                if words:
                    good &= judge(f"{name}: passed undelayed", stale, 0, "packets", places=0)
                    good &= judge(f"{name}: lost", lost, 0, "packets", places=0)
    return good


def raise_limits(lab):
    """Buffers that hold what a fast TCP has under way."""
    for space in (lab.here, lab.there):
        for name in ("tcp_rmem", "tcp_wmem"):
            space.call("sh", "-c", f"echo 4096 262144 134217728 > /proc/sys/net/ipv4/{name}")


def iperf3(lab, family, port):
    """Gbit/s as the receiver sees them, in one second."""
    with lab.there:
        server = subprocess.Popen(["iperf3", "-s", "-1", "-p", str(port)], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
    try:
        listening = f":{port}"
        wait_until(lambda: listening in lab.there.call("ss", "-Hltn"), "iperf3")
        text = lab.here.call("iperf3", "-c", THERE[family], "-p", str(port), "-t", "1", "-J")
        return json.loads(text)["end"]["sum_received"]["bits_per_second"] / 1e9
    finally:
        server.kill()
        server.wait()


def bulk():
    """TCP with its GSO packets through the line, beside it on the same interface, and with no shearpin at all. What is
    beside it stands between two without."""
    good = True
    for family in FAMILIES:
        bare, through, beside, ratios = [], [], [], []
        for i in range(21):  # a second's throughput varies by a tenth
            with new_lab() as lab:
                raise_limits(lab)
                first = iperf3(lab, family, NEXT_PORT)
                with shearpin(lab, "delay=1ms", "--proto", "tcp"):
                    beside.append(iperf3(lab, family, NEXT_PORT))
                last = iperf3(lab, family, NEXT_PORT)
                bare += [first, last]
                if i < 7:
                    with shearpin(lab, "delay=1ms", "--proto", "tcp"):
                        through.append(iperf3(lab, family, PORT))
                ratios.append(beside[-1] / ((first + last) / 2))
        usual, slowed, ratio = (statistics.median(values) for values in (bare, through, ratios))
        print(f"      bulk TCP, {name_of(family)}: {usual:.1f} Gbit/s without shearpin, {slowed:.1f} through delay=1ms, "
              f"{statistics.median(beside):.1f} beside it")
        good &= judge(f"bulk TCP through delay=1ms, {name_of(family)}", slowed, min(5, 0.3 * usual), "Gbit/s", least=True,
                      places=1)
        good &= judge(f"bulk TCP on the next port, {name_of(family)}", ratio, 0.95, "of the bare link's", least=True)
    return good


def killed():
    """From SIGKILL, with 10,000 packets in the line, to the first packet that passes at once."""
    held = 10_000
    good = True
    for attach in ("tcx", "clsact"):
        worst = []
        for family in (V4, V6) * 3:
            with new_lab() as lab:
                run = lab.inject("delay=10s", "--remote-port", str(PORT), "--delay-backend", "user", "--attach", attach,
                                 "--for", HOLD)
                run.opened()
                paths = [Path(lab, family, way, source=20000 + n) for n, way in enumerate(("out", "in"))]
                for path in paths:
                    path.send(held // len(paths))
                    if path.more():
                        sys.exit("FAIL  packets are not held")
                start = now_ns()
                run.signal(signal.SIGKILL)
                for path in paths:
                    def passes(p=path):
                        p.sender.send(b"free")
                        return b"free" in p.more()
                    wait_until(passes, "traffic is normal")
                worst.append((now_ns() - start) / MS)
                run.wait()
                wait_until(lambda: not any(link["ifname"].startswith("spline") for link in lab.links()), "nothing is left")
        good &= judge(f"SIGKILL with {held} packets in the line, {attach}: normal traffic after "
                      f"{statistics.median(worst):.1f} ms, at the latest", max(worst), 100, "ms", places=1)
    return good


MEASUREMENTS = {f.__name__: f for f in (constant, jitter, neighbour, flood, bulk, killed)}


def main():
    # As in bench_reset.py: the observer is kept from waiting for a CPU; what it observes has been forked already.
    passed = True
    for name in sys.argv[1:] or MEASUREMENTS:
        passed &= MEASUREMENTS[name]()
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
