# SPDX-License-Identifier: BSD-2-Clause
"""A fault never outlives its owner, and nothing of a run is left."""
import errno
import json
import os
import re
import signal
import unittest

from again import Again
from datagrams import NUMBER, gather_numbers
from lab import (ATTACH_TCX_INGRESS, ATTACH_XDP, DEVICE, FAMILIES, HOLD, TCX, THERE, UDP, V4, LabTest,
                 attach_xdp_pass, is_there, kernel_objects, libc, mount, now_ns, records, wait_until)

PORT, NEXT_PORT = 4000, 4001
NUMBERS = 20
ATTACHMENTS = ("tcx", "clsact") if TCX else ("clsact",)


def scenario(**more):
    return {"version": 1, "name": "lifetime", "interface": DEVICE,
            "targets": {"t": {"remote_port": PORT}},
            "steps": [{"name": "cut", "at": "0s", "fault": {"drop": True}, "target": "t", "for": HOLD}], **more}


class LifetimeTest(Again, LabTest):
    def setUp(self):
        super().setUp()
        lab = self.lab
        self.listeners = [lab.listen(lab.there, family, PORT) for family in FAMILIES]
        self.before = lab.state()

    def assert_gone(self, objects):
        self.assertGreater(len([kind for kind, _ in objects if kind == "prog"]), 1, objects)
        wait_until(lambda: not any(is_there(*o) for o in objects), "programs, maps and links are gone")

    def assert_each_arrives(self):
        """The very first datagrams, both ways."""
        lab = self.lab
        for family in FAMILIES:
            far, near = lab.socket(lab.there, family, UDP, PORT), lab.socket(lab.here, family, UDP)
            for sender, receiver in ((near, far), (far, near)):
                for n in range(NUMBERS):
                    sender.sendto(NUMBER.pack(n), receiver.getsockname()[:2])
                found = gather_numbers(receiver, NUMBERS)
                self.assertEqual({port: sorted(numbers) for port, numbers in found.items()},
                                 {sender.getsockname()[1]: list(range(NUMBERS))})
            for s in (far, near):
                s.close()

    def assert_normal(self):
        self.assert_each_arrives()
        for listener in self.listeners:
            client, server = self.lab.connect(listener)[0]
            self.assert_echo(client, server)

    def assert_dropping(self):
        self.assert_errno(self.lab.try_connect(self.lab.here, V4, PORT, 0.1), errno.ETIMEDOUT)


class Killed(LifetimeTest):
    def behind_stubs(self, run):
        """The programs that only the stubs' array leads to, once their owner is gone."""
        shown = "".join(self.lab.here.call("tc", "filter", "show", "dev", DEVICE, side) for side in ("ingress", "egress"))
        stubs = {("prog", int(number)) for number in re.findall(r" id (\d+)", shown)}
        return {o for o in kernel_objects(run.pid) if o[0] == "prog"} - stubs

    @staticmethod
    def wait_until_inert(programs):
        """The kernel empties the stubs' array a moment after the owner's end."""
        wait_until(lambda: not any(is_there(*o) for o in programs), "the stubs are inert")

    def kill(self, run):
        objects = kernel_objects(run.pid)
        self.assertEqual([o for o in objects if not is_there(*o)], [])
        behind = set() if TCX else self.behind_stubs(run)
        run.signal(signal.SIGKILL)
        self.assertEqual(run.wait(), -signal.SIGKILL)
        self.wait_until_inert(behind)
        self.assert_normal()
        # The record stays, without its lock; the next reader takes it away.
        self.assertEqual(records(), [f"{run.pid}.json"])
        if not TCX:
            self.assert_ended(self.lab.start("clear"), 0)
        self.assert_gone(objects)
        self.assertEqual(self.lab.state(), self.before)
        run.forget()

    def test_in_the_baseline(self):
        run = self.lab.run(scenario(baseline="60s"))
        run.wait_event("run.start")
        self.assert_normal()
        self.kill(run)

    def test_while_a_window_is_open(self):
        for words in (("drop",), ("reset=both",), ("refuse=icmp-port",), ("loss=50%",)):
            with self.subTest(words[0]):
                run = self.lab.inject(*words, "--remote-port", str(PORT), "--for", HOLD)
                run.opened()
                if words[0] == "drop":
                    self.assert_dropping()
                self.kill(run)

    def test_at_xdp(self):
        run = self.lab.inject("drop", "--hook", "xdp", "--remote-port", str(PORT), "--for", HOLD)
        run.opened()
        self.assert_dropping()
        self.kill(run)

    def test_between_repeats(self):
        run = self.lab.inject("drop", "--remote-port", str(PORT), "--for", "50ms", "--repeat", "10/60s")
        run.wait_event("fault.close")
        self.assert_normal()
        self.kill(run)

    def test_with_clsact(self):
        """Where there are no links, an inert stub may stay; the next run takes it away."""
        self.lab.take_turn()
        run = self.lab.inject("drop", "--remote-port", str(PORT), "--for", HOLD, "--attach", "clsact")
        run.opened()
        self.assert_dropping()
        behind = self.behind_stubs(run)
        run.signal(signal.SIGKILL)
        self.assertEqual(run.wait(), -signal.SIGKILL)
        self.wait_until_inert(behind)
        self.assert_normal()
        run = self.lab.inject("drop", "--remote-port", str(PORT), "--for", "10ms", "--attach", "clsact")
        self.assert_ended(run, 0)
        self.assertEqual(self.lab.state(), self.before)

    def test_next_run_starts(self):
        """The interface is free again at once."""
        run = self.lab.inject("drop", "--remote-port", str(PORT), "--for", HOLD)
        run.opened()
        second = self.lab.inject("drop", "--remote-port", str(PORT), "--for", "10ms")
        self.assert_ended(second, 3)
        self.assertIn(f"another run has the interface {DEVICE}", second.stderr)
        self.kill(run)
        self.assert_ended(self.lab.inject("drop", "--remote-port", str(PORT), "--for", "10ms"), 0)


class Ended(LifetimeTest):
    def check(self, run, status, outcome, objects):
        self.assert_ended(run, status)
        self.assert_normal()
        self.assert_gone(objects)
        end = run.events()[-1]
        self.assertEqual((end["type"], end["data"]["outcome"]), ("run.end", outcome))
        self.assertTrue(end["data"]["balanced"])
        self.assertTrue(run.counters()["cut"])
        self.assertEqual(run.document("results.json")["exit"], status)

    def test_signals(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(number.name):
                run = self.lab.inject("drop", "--remote-port", str(PORT), "--for", HOLD)
                run.opened()
                self.assert_dropping()
                objects = kernel_objects(run.pid)
                run.signal(number)
                self.check(run, 130, "interrupted", objects)
                self.assert_untouched(self.before)

    def test_signal_in_the_baseline(self):
        run = self.lab.run(scenario(baseline="60s"))
        run.wait_event("run.start")
        self.assertEqual(run.stop(), 130)
        self.assertEqual(run.events("fault.open", "fault.close"), [])
        self.assert_untouched(self.before)

    def test_window_that_the_process_has_not_seen(self):
        """The kernel opens a window while the process stands still; what it did is told of all the same."""
        lab = self.lab
        step = {"name": "cut", "at": "400ms", "fault": {"drop": True}, "target": "t", "for": HOLD}
        run = lab.run(scenario(steps=[step]))
        opens = run.wait_event("baseline.end")["data"]["zero_ns"] + 400_000_000
        run.freeze()
        self.in_time(now_ns() < opens, "the process stands still before the window")
        wait_until(lambda: now_ns() > opens, "the opening")
        sender = lab.socket(lab.here, V4, UDP)
        for _ in range(10):
            sender.sendto(b"gone", (THERE[V4], PORT))
        run.signal(signal.SIGTERM)
        run.signal(signal.SIGCONT)
        self.assert_ended(run, 130)
        self.assertEqual([e["data"]["opens_ns"] for e in run.events("fault.open")], [opens])
        self.assertEqual((run.counters()["dropped"], run.counters()["cut"]), (10, True))

    def test_natural_end(self):
        """The run waits until a probe finds its server again, which is no sooner than the test says."""
        lab = self.lab
        plan = scenario(recovery=HOLD, probes={"late": {"tcp": f"{THERE[V4]}:{NEXT_PORT}", "every": "20ms"}})
        plan["steps"][0]["for"] = "50ms"
        for attach in ATTACHMENTS:
            with self.subTest(attach):
                run = lab.run(plan, "--attach", attach)
                run.wait_event("fault.close")
                objects = kernel_objects(run.pid)
                listener = lab.listen(lab.there, V4, NEXT_PORT)
                self.assert_ended(run, 0)
                self.assertFalse(run.counters()["cut"])
                self.assert_normal()
                self.assert_gone(objects)
                self.assert_untouched(self.before)
                listener.close()

    def test_others_programs_stay(self):
        """A clsact qdisc and a filter of somebody else's."""
        here = self.lab.here
        here.call("tc", "qdisc", "add", "dev", DEVICE, "clsact")
        here.call("tc", "filter", "add", "dev", DEVICE, "egress", "protocol", "all", "prio", "9", "u32",
                  "match", "u32", "0", "0", "flowid", "1:1")
        before = here.call("tc", "qdisc") + here.call("tc", "filter", "show", "dev", DEVICE, "egress")
        for attach in ATTACHMENTS:
            run = self.lab.inject("drop", "--remote-port", str(PORT), "--for", "50ms", "--attach", attach)
            self.assert_ended(run, 0)
            self.assertEqual(here.call("tc", "qdisc") + here.call("tc", "filter", "show", "dev", DEVICE, "egress"),
                             before)

    def test_others_xdp_program_stays(self):
        """Where XDP is taken, the fault acts at tc."""
        lab = self.lab
        link = attach_xdp_pass(lab.here, DEVICE)
        try:
            run = lab.inject("drop", "--hook", "xdp", "--direction", "in", "--remote-port", str(PORT), "--for", HOLD)
            run.opened()
            self.assert_dropping()
            attached = lab.attached()
            self.assertIn((DEVICE, ATTACH_XDP, 1), attached)
            if TCX:
                self.assertIn((DEVICE, ATTACH_TCX_INGRESS, 1), attached)
            else:
                self.assertIn("sp_stub_in", lab.here.call("tc", "filter", "show", "dev", DEVICE, "ingress"))
            self.assertEqual(run.stop(), 130)
            self.assertEqual(lab.attached(), [(DEVICE, ATTACH_XDP, 1)])
        finally:
            os.close(link)


class HostFails(LifetimeTest):
    def test_interface_deleted(self):
        run = self.lab.inject("drop", "--remote-port", str(PORT), "--for", HOLD)
        run.opened()
        objects = kernel_objects(run.pid)
        self.lab.here.call("ip", "link", "del", DEVICE)
        self.assert_ended(run, 5)
        self.assert_gone(objects)
        self.assertIn(f"the interface {DEVICE} is gone", run.stderr)
        self.assertEqual(run.events()[-1]["data"]["outcome"], "host-failed")
        self.assertEqual(records(), [])

    def test_interface_deleted_with_clsact(self):
        run = self.lab.inject("drop", "--remote-port", str(PORT), "--for", HOLD, "--attach", "clsact")
        run.opened()
        self.lab.here.call("ip", "link", "del", DEVICE)
        self.assert_ended(run, 5)

    def fill(self, size):
        """A run whose directory is on a file system of this size, with flows until it is full."""
        lab = self.lab
        disk = os.path.join(lab.folder, "disk")
        os.mkdir(disk)
        mount("tmpfs", disk, f"size={size}")
        self.addCleanup(libc.umount2, disk.encode(), 2)
        run = lab.inject("drop", "--remote-port", str(PORT), "--for", HOLD, out=os.path.join(disk, "run"))
        run.opened()
        self.assert_dropping()
        objects = kernel_objects(run.pid)
        port = 10000

        def ended():
            nonlocal port
            for port in range(port, min(port + 20, 60000)):
                s = lab.here.socket(V4, UDP)
                s.bind(("", port))
                s.sendto(b"a flow", (THERE[V4], PORT))
                s.close()
            return not run.running()

        wait_until(ended, "the file system is full")
        return run, objects

    def test_full_disk(self):
        run, objects = self.fill("64k")
        self.assert_ended(run, 5)
        self.assertIn("No space left on device", run.stderr)
        self.assert_normal()
        self.assert_gone(objects)
        self.assert_untouched(self.before)
        with open(run.path("events.jsonl"), "rb") as f:
            data = f.read()
        self.assertTrue(data.endswith(b"\n"))
        for line in data.splitlines():
            json.loads(line)

    def test_no_room_for_the_directory(self):
        disk = os.path.join(self.lab.folder, "disk")
        os.mkdir(disk)
        mount("tmpfs", disk, "size=16k,nr_inodes=2")
        self.addCleanup(libc.umount2, disk.encode(), 2)
        run = self.lab.inject("drop", "--remote-port", str(PORT), "--for", HOLD, out=os.path.join(disk, "a", "b"))
        self.assert_ended(run, 5)
        self.assertIn("can't make the run directory", run.stderr)
        self.assert_normal()
        self.assert_untouched(self.before)


if __name__ == "__main__":
    unittest.main()
