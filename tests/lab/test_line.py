# SPDX-License-Identifier: BSD-2-Clause
"""The delay line never outlives its owner or its window, and nothing that happens to its host breaks it."""
import os
import signal
import threading
import unittest

from bent import MS, NEXT_PORT, PORT, SOURCE, BentTest, Path
from datagrams import NUMBER
from lab import (DEVICE, FAMILIES, PEER_DEVICE, TCX, THERE, V4, V6, is_there, kernel_objects, now_ns, records,
                 wait_until)

HELD = 10_000
ATTACHMENTS = ("tcx", "clsact") if TCX else ("clsact",)


class LineTest(BentTest):
    def setUp(self):
        super().setUp()
        self.before = self.lab.state()

    def hold(self, *words, count=HELD, delay="50s"):
        """A run with so many packets in its line, and the paths that they went."""
        run = self.begin(f"delay={delay}", "--proto", "udp", *words)
        paths = self.each_path()
        for path in paths:
            path.send(count // len(paths))
        for path in paths:
            self.assertEqual(path.more(), [])
        return run, paths

    @staticmethod
    def passes(path):
        path.sender.send(b"free")
        return b"free" in path.more()

    def assert_gone(self, objects):
        wait_until(lambda: not any(is_there(*o) for o in objects), "the kernel has let go of programs, maps and links")


    @staticmethod
    def without_free(path, count):
        """The numbers, once there are so many; before them may come what passes() has sent last."""
        found = []

        def look():
            found.extend(NUMBER.unpack(data)[0] for data in path.more() if data != b"free")
            return len(found) >= count

        wait_until(look, f"{count} datagrams")
        return found


class Killed(LineTest):
    def check(self, *words):
        run, paths = self.hold(*words)
        self.assertTrue(self.line_devices())
        objects = {o for o in kernel_objects(run.pid) if o[0] != "map"}
        run.kill()
        for path in paths:
            wait_until(lambda p=path: self.passes(p), "traffic is normal")
        wait_until(lambda: not self.line_devices(), "the line's devices are gone")
        if "clsact" in words or not TCX:
            self.assert_ended(self.lab.start("clear"), 0)
        self.assert_gone(objects)
        self.assertEqual(self.lab.state(), self.before)
        self.assertEqual(records(), [f"{run.pid}.json"] if "clsact" not in words and TCX else [])
        run.forget()
        for path in paths:  # what was held is lost with its owner
            self.assertEqual([data for data in path.more() if data != b"free"], [])

    def test_killed(self):
        self.check()

    def test_killed_with_clsact(self):
        self.check("--attach", "clsact")

    def test_rate(self):
        """A line with two TAPs."""
        self.check("rate=1gbit", "corrupt=1%")


class Stopped(LineTest):
    def test_heartbeat(self):
        """A line whose owner stands still frees the traffic; when it goes on, packets are delayed again."""
        for attach in ATTACHMENTS:
            with self.subTest(attach):
                run = self.begin("delay=100ms", "--proto", "udp", "--delay-backend", "user", "--attach", attach)
                with Path(self.lab, V4) as path, Path(self.lab, V6, "in") as back:
                    run.freeze()
                    for p in (path, back):
                        wait_until(lambda q=p: self.passes(q), "packets pass")
                    for p in (path, back):  # from now on all of them, at once
                        p.send(100)
                        self.assertEqual(sorted(self.without_free(p, 100)), list(range(100)))
                    run.signal(signal.SIGCONT)

                    def is_slow():
                        before = now_ns()
                        path.sender.send(b"slow")
                        wait_until(lambda: b"slow" in path.more(), "the packet")
                        return now_ns() - before >= 100 * MS

                    wait_until(is_slow, "packets are delayed again")
                self.assertEqual(run.stop(), 130)
                counters = run.counters()
                self.assertGreaterEqual(counters["receipt"]["stale"], 200)
                self.assertEqual(counters["passed"], counters["receipt"]["stale"])
                self.assertGreater(counters["delayed"], 0)
                self.assertTrue(run.events("run.end")[0]["data"]["balanced"])


class Ended(LineTest):
    """Whatever ends a run, what was held arrives: no packet is lost, no packet comes twice, none out of order."""

    def assert_arrived(self, run, paths):
        counters = self.finish(run, stop=False)
        for path in paths:
            self.assertEqual(path.numbers(HELD // len(paths)), list(range(HELD // len(paths))))
            self.assertEqual(path.more(), [])
        self.assert_counters(counters, delayed=HELD)
        self.assertEqual(counters["receipt"]["returned"], HELD)
        line = run.events("line")[0]["data"]
        self.assertEqual(line["backend"], "user")
        self.assertGreater(line["held_max"], 0)
        self.assert_untouched(self.before)
        return counters["receipt"]

    def test_signal(self):
        for attach in ATTACHMENTS:
            with self.subTest(attach):
                run, paths = self.hold("--delay-backend", "user", "--attach", attach)
                run.signal(signal.SIGTERM)
                self.assert_arrived(run, paths)
                for path in paths:
                    path.close()

    def test_clear(self):
        run, paths = self.hold("--delay-backend", "user")
        self.assert_ended(self.lab.start("clear"), 0)
        self.assert_arrived(run, paths)

    def test_window(self):
        """At the closing everything is let go, and told of as clipped; nothing of the fault comes later."""
        lab = self.lab
        step = {"name": "slow", "at": "0s", "fault": {"delay": "50s"}, "target": "t", "for": "1s"}
        run = lab.run({"version": 1, "name": "end", "interface": DEVICE, "steps": [step], "recovery": "300s",
                       "probes": {"never": {"tcp": f"{THERE[V4]}:{NEXT_PORT}"}},
                       "targets": {"t": {"proto": "udp", "remote_port": PORT}}})
        closes = run.opened()["data"]["closes_ns"]
        paths = self.each_path()
        for path in paths:
            path.send(500)
        self.in_time(now_ns() < closes, "all is sent in the window")
        for path in paths:
            self.assertEqual(path.numbers(500), list(range(500)))
        self.assertGreaterEqual(now_ns(), closes)
        run.wait_event("fault.close")
        counters = run.counters()
        self.assert_counters(counters, delayed=2000, matched=2000, cut=False)
        receipt = counters["receipt"]
        self.assertEqual((receipt["clipped"], receipt["returned"], receipt["lost"]), (2000, 2000, 0))
        for path in paths:
            path.send(100)
            self.assertEqual(path.numbers(600)[500:], list(range(100)))
        self.assertEqual(run.stop(), 130)
        self.assertEqual(run.counters(), counters)
        self.assert_untouched(self.before)


class Refused(LineTest):
    """The host is not fit for the line: exit 3, the remedy, and nothing is touched."""

    def assert_refused(self, run, *words):
        self.assert_ended(run, 3)
        for word in words:
            self.assertIn(word, run.stderr)
        self.assertFalse(os.path.exists(run.out), "there is a run directory")
        self.assertEqual(self.lab.state(), self.before)

    def inject(self, *words, **options):
        return self.lab.inject(*words, "--remote-port", str(PORT), "--for", "10ms", **options)

    def test_interface_of_a_line(self):
        """A line's own TAP is no target; the run that it belongs to goes on."""
        run = self.begin("delay=10ms")
        device, *_ = (name for name in self.line_devices() if name.startswith("spline"))
        self.before = self.lab.state()
        self.assert_refused(self.inject("drop", interface=device), device)
        self.assert_refused(self.inject("delay=1ms", interface=device), device)
        with Path(self.lab, V4) as path:
            path.send(10)
            self.assertEqual(path.numbers(10), list(range(10)))
        self.finish(run)

    def preflight(self, *words, **options):
        step = {"name": "slow", "at": "0s", "fault": {"delay": "1ms"}, "target": "t", "for": "10ms"}
        path = self.lab.write({"version": 1, "name": "p", "interface": DEVICE, "steps": [step],
                               "targets": {"t": {"proto": "udp", "remote_port": PORT}}})
        return self.lab.call("preflight", path, *words, **options)

    def test_without_tun(self):
        """The device file is hidden from shearpin alone, in a mount namespace of its own."""
        wrapper = ("unshare", "--mount", "sh", "-c", "mount -t tmpfs none /dev/net && exec \"$@\"", "sh")
        self.assert_refused(self.inject("delay=1ms", wrapper=wrapper), "there is no /dev/net/tun")
        done = self.preflight(wrapper=wrapper)
        self.assertEqual(done.status, 3)
        self.assertIn("modprobe tun", done.stdout)
        # A fault without a line needs none.
        self.assert_ended(self.inject("loss=1%", wrapper=wrapper), 0)

    def test_kernel_without_fq(self):
        """preflight knows whether it works."""
        done = self.preflight("--delay-backend", "fq")
        run = self.inject("delay=1ms", "--delay-backend", "fq")
        if done.status:
            self.assertEqual(done.status, 3)
            self.assertIn("sch_fq", done.stdout)
            self.assert_refused(run, "sch_fq")
        else:
            self.assert_ended(run, 0)
            self.assertEqual(run.events("line")[0]["data"]["backend"], "fq")
            self.assertEqual(self.lab.state(), self.before)

    def test_beyond_the_horizon(self):
        for words in (("delay=61s",), ("delay=40s", "jitter=30s"), ("reorder=percent=1%,by=61s",)):
            with self.subTest(words):
                run = self.inject(*words)
                self.assert_ended(run, 2)
                self.assertIn("60s", run.stderr)
                self.assertEqual(self.lab.state(), self.before)


class Host(LineTest):
    """What happens to the host while the line is at work."""

    def test_taken_name(self):
        """Somebody else's interface has the name: the line takes another one."""
        here = self.lab.here
        here.call("ip", "link", "add", "spline0", "type", "veth", "peer", "name", "spline1")
        self.before = self.lab.state()
        run = self.begin("delay=10ms", "rate=1gbit")
        self.assertEqual(len(self.line_devices()), 4)
        with Path(self.lab, V4) as path:
            path.send(10)
            self.assertEqual(path.numbers(10), list(range(10)))
        self.finish(run)
        self.assert_untouched(self.before)

    def test_two_runs(self):
        """Each has a line of its own."""
        lab = self.lab
        lab.here.call("ip", "link", "add", "test1", "type", "veth", "peer", "name", "peer1", "netns", lab.there.path)
        first = self.begin("delay=20ms")
        second = self.begin("delay=20ms", interface="test1")
        self.assertGreaterEqual(len(self.line_devices()), 2)
        with Path(lab, V4) as path:
            path.send(10)
            self.assertEqual(path.numbers(10), list(range(10)))
        self.finish(first)
        self.assertEqual(second.stop(), 130)

    def flip(self, commands, done):
        """Go through the commands again and again."""
        while not done.is_set():
            for space, words in commands:
                space.call(*words)
                if done.wait(0.02):
                    return

    def under_change(self, *commands):
        """Bulk TCP, in both directions, while the interface changes: whole, and the counters balance."""
        lab = self.lab
        for direction in ("out", "in"):
            with self.subTest(direction):
                run = self.begin("delay=5ms")
                done = threading.Event()
                changer = threading.Thread(target=self.flip, args=(commands, done))
                changer.start()
                try:
                    for family in FAMILIES:
                        listener = lab.listen(lab.there, family, PORT)
                        (client, server), = lab.connect(listener)
                        self.assert_bulk(*((client, server) if direction == "out" else (server, client)), 20_000_000)
                        for s in (client, server, listener):
                            s.close()
                finally:
                    done.set()
                    changer.join()
                self.assertEqual(run.stop(), 130)
                self.assertTrue(run.events("run.end")[0]["data"]["balanced"])
                self.assert_counters(run.counters(), failed=0)

    def test_mtu(self):
        lab = self.lab
        self.under_change(*((space, ("ip", "link", "set", device, "mtu", mtu)) for mtu in ("1400", "9000", "1500")
                            for space, device in ((lab.here, DEVICE), (lab.there, PEER_DEVICE))))

    def test_offloads(self):
        lab = self.lab
        self.under_change(*((space, ("ethtool", "-K", device, *(word for name in names for word in (name, state))))
                            for names in (("tso", "gso"), ("tx",), ("gro",)) for state in ("off", "on")
                            for space, device in ((lab.here, DEVICE), (lab.there, PEER_DEVICE))))

    def test_interface_down_and_up(self):
        """What is held while the interface is down is lost as on any interface that is down; afterwards packets are
        delayed again."""
        here = self.lab.here
        run = self.begin("delay=100ms", "--proto", "udp")
        with Path(self.lab, V4) as path, Path(self.lab, V4, "in", source=SOURCE + 1) as back:
            path.send(100)
            back.send(100)
            here.call("ip", "link", "set", DEVICE, "down")
            here.call("ip", "link", "set", DEVICE, "up")
            mac = "02:00:00:00:77:02"
            here.call("ip", "neigh", "replace", THERE[V4], "lladdr", mac, "dev", DEVICE, "nud", "permanent")
            wait_until(lambda: "linkdown" not in here.call("ip", "route"), "the carrier")
            for p in (path, back):
                wait_until(lambda q=p: self.passes(q), "packets pass")
                before = now_ns()
                p.sender.send(b"slow")
                wait_until(lambda q=p: b"slow" in q.more(), "the packet")
                self.assertGreaterEqual(now_ns() - before, 100 * MS)
        self.assertEqual(run.stop(), 130)
        counters = run.counters()
        self.assertTrue(run.events("run.end")[0]["data"]["balanced"])
        self.assert_counters(counters, delayed=counters["matched"])
        self.assertGreaterEqual(counters["matched"], 204)


if __name__ == "__main__":
    unittest.main()
