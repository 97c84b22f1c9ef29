# SPDX-License-Identifier: BSD-2-Clause
"""More packets than the ring buffers hold while nobody reads them, and more than is read at once: nothing is lost silently."""
import json
import signal
import unittest

from bent import PORT, BentTest
from lab import HOLD, THERE, UDP, V4, V6, wait_until
from pcapng import Capture


def count_packets(lines):
    """Without reading each: they are very many."""
    return sum(b'"type":"packet"' in line for line in lines)


class OverflowTest(BentTest):
    def inject(self, *words):
        run = self.lab.inject("drop", "--proto", "udp", "--remote-port", str(PORT), "--for", HOLD, *words)
        run.opened()
        return run

    def pour(self, family, count, size=0):
        s = self.lab.keep(self.lab.here.socket(family, UDP))
        s.connect((THERE[family], PORT))
        send, data = s.send, bytes(size)
        for _ in range(count):
            send(data)
        return s

    def check_report(self, run, complete):
        verified = self.lab.call("verify", run.out)
        self.assertEqual(verified.status, 0 if complete else 1, verified.stdout)
        self.assertEqual(run.document("results.json")["complete"], complete)
        with open(run.path("report.md"), encoding="utf-8") as f:
            self.assertEqual("INCOMPLETE" in f.readline(), not complete)


class Sleeping(OverflowTest):
    def test_evidence(self):
        count = 750_000  # of 96 bytes each, in a ring buffer of 64 MB
        run = self.inject("--evidence", "packets")
        run.freeze()
        self.pour(V6, count)
        run.signal(signal.SIGCONT)
        self.assertEqual(run.stop(), 130)
        lines = run.lines()
        told = [json.loads(line)["data"] for line in lines if b'"type":"lost"' in line]
        lost = sum(data["count"] for data in told)
        self.assertGreater(lost, 0)
        self.assertEqual(count_packets(lines) + lost, count)
        for data in told:
            self.assertLess(data["from_ns"], data["to_ns"])
        results, end = run.document("results.json"), json.loads(lines[-1])["data"]
        self.assertEqual((results["outcome"], results["exit"]), ("interrupted", 130))
        self.assertEqual((end["balanced"], end["lost"], results["lost"]), (True, lost, lost))
        step, = results["steps"]
        self.assertEqual((step["matched"], step["dropped"], results["balanced"]), (count, count, True))
        self.check_report(run, False)

    def test_capture(self):
        """The results rest on the events, which are complete."""
        count = 50_000  # of some 2 KB each, in a ring buffer of 64 MB
        run = self.inject("--capture")
        run.freeze()
        self.pour(V4, count, 1400)
        run.signal(signal.SIGCONT)
        self.assertEqual(run.stop(), 130)
        told = run.events("capture")[0]["data"]
        self.assertEqual(run.counters()["dropped"], count)
        self.assertGreater(told["lost"], 0)
        self.assertEqual(told["packets"] + told["lost"], count)
        capture = Capture(run.path("capture.pcapng"))
        self.assertEqual(len(capture.packets), told["packets"])
        statistics, = capture.statistics
        self.assertEqual((statistics.received, statistics.lost, statistics.delivered), (count, told["lost"], told["packets"]))
        end = run.events("run.end")[0]["data"]
        self.assertEqual((end["balanced"], end["lost"]), (True, 0))
        results = run.document("results.json")
        self.assertEqual((results["captured"], results["capture_lost"]), (told["packets"], told["lost"]))
        self.assertTrue(any("capture.pcapng" in note and str(told["lost"]) in note for note in results["notes"]))
        self.check_report(run, True)


class Busy(OverflowTest):
    def test_signal(self):
        """It ends the faults while packets pour in, and nothing is missing from the log."""
        run = self.inject("--evidence", "packets")
        receiver = self.lab.socket(self.lab.there, V4, UDP, PORT)
        receiver.setblocking(False)
        sent = 100_000
        s = self.pour(V4, sent)
        run.signal(signal.SIGINT)

        def passes():
            nonlocal sent
            s.send(b"*")
            sent += 1
            try:
                return receiver.recv(10) == b"*"
            except BlockingIOError:
                return False

        wait_until(passes, "the fault is over")
        self.assertEqual(run.wait(), 130)
        counters = run.counters()
        self.assertTrue(100_000 <= counters["dropped"] < sent)
        self.assertEqual(count_packets(run.lines()), counters["dropped"])
        self.assertEqual(run.events("run.end")[0]["data"]["lost"], 0)
        self.check_report(run, True)


if __name__ == "__main__":
    unittest.main()
