# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of faults that delay, copy, alter and reorder have in common: numbered datagrams from fixed ports, so that
chance.py knows their flow, and the balance of what a run says about them."""
import contextlib
import hashlib
import os
import socket
import threading

import chance
from again import Again
from datagrams import NUMBER, drain, make_room
from lab import DEVICE, FAMILIES, HERE, HOLD, PATIENCE_S, THERE, UDP, LabTest, now_ns, wait_until

PORT, NEXT_PORT = 4000, 4001
SOURCE = 22000
MS = 1_000_000
VERDICTS = ("passed", "dropped", "reset", "refused", "delayed", "duplicated", "altered", "suppressed")
DIRECTIONS = {"out": chance.OUT, "in": chance.IN}


def flow(family, port=PORT, source=SOURCE):
    """Of a Path."""
    return chance.flow_hash(HERE[family], source, THERE[family], port, chance.UDP)


class Path:
    """Datagrams from a fixed port here to a fixed port there, or back."""

    def __init__(self, lab, family, direction="out", port=PORT, source=SOURCE):
        here, there = lab.socket(lab.here, family, UDP, source), lab.socket(lab.there, family, UDP, port)
        here.connect(there.getsockname()[:2])
        there.connect(here.getsockname()[:2])
        for s in (here, there):
            make_room(s)
        self.sender, self.receiver = (here, there) if direction == "out" else (there, here)
        self.reached, self.times = [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sender.close()
        self.receiver.close()

    def send(self, count, size=0):
        """Numbers from 0 on, each padded to a size; returns the times before and after each."""
        filling = bytes(max(size - NUMBER.size, 0))
        times = []
        for n in range(count):
            before = now_ns()
            self.sender.send(NUMBER.pack(n) + filling)
            times.append((before, now_ns()))
        return times

    def gather(self, count, what="the datagrams"):
        """What has arrived, in its order, once there are so many."""
        def look():
            self.reached += [data for data, _ in drain(self.receiver)]
            return len(self.reached) >= count

        wait_until(look, f"{what}: {count} of them")
        return self.reached

    def numbers(self, count):
        return [NUMBER.unpack_from(data)[0] for data in self.gather(count)]

    def receive_number(self):
        """The next one, as soon as it is there."""
        self.receiver.settimeout(PATIENCE_S)
        return NUMBER.unpack_from(self.receiver.recv(2048))[0]

    def more(self):
        """What has arrived beyond that."""
        return [data for data, _ in drain(self.receiver)]


class BentTest(Again, LabTest):
    def each_path(self):
        """Out and in, IPv4 and IPv6."""
        return [Path(self.lab, family, direction, source=SOURCE + n)
                for family in FAMILIES for n, direction in enumerate(DIRECTIONS)]

    def begin(self, *words, port=PORT, interface=DEVICE):
        run = self.lab.inject(*words, "--remote-port", str(port), "--for", HOLD, interface=interface)
        run.opened()
        return run

    def finish(self, run, stop=True):
        """The counters of its only window; they balance, and the line has lost nothing."""
        self.assertEqual(run.stop() if stop else run.wait(), 130, run.stderr)
        counters = run.counters()
        self.assert_balanced(run, counters)
        return counters

    def assert_balanced(self, run, counters):
        self.assertEqual(counters["matched"], sum(counters[v] for v in VERDICTS))
        end = run.events("run.end")[0]["data"]
        self.assertTrue(end["balanced"])
        receipt = counters.get("receipt") or {}
        for key in ("lost", "full", "stale"):
            self.assertEqual(receipt.get(key, 0), 0, f"{key}: {receipt}")
        self.assertEqual(receipt.get("entered"), receipt.get("returned"))
        for line in run.events("line"):
            for key in ("device_dropped", "memory_full", "write_failed"):
                self.assertEqual(line["data"][key], 0, line)

    def assert_counters(self, counters, **expected):
        self.assertEqual({key: counters[key] for key in expected}, expected)

    def line_devices(self):
        """The interfaces of a delay line, by name."""
        return {link["ifname"]: link for link in self.lab.links() if link["ifname"].startswith("spline")}

    def assert_bulk(self, sender, receiver, size=50_000_000):
        """So many bytes of noise, whole by their SHA-256."""
        data = os.urandom(1 << 20)
        sent, got = hashlib.sha256(), hashlib.sha256()

        def push():
            with contextlib.suppress(OSError):  # the reader tells
                left = size
                while left:
                    part = data[:min(left, len(data))]
                    sender.sendall(part)
                    sent.update(part)
                    left -= len(part)
                sender.shutdown(socket.SHUT_WR)

        pusher = threading.Thread(target=push)
        pusher.start()
        total = 0
        while part := receiver.recv(1 << 20):
            got.update(part)
            total += len(part)
        pusher.join()
        self.assertEqual(total, size)
        self.assertEqual(got.hexdigest(), sent.hexdigest())
