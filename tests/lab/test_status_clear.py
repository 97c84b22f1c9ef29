# SPDX-License-Identifier: BSD-2-Clause
"""`status` and `clear`: what they tell, what they end, and what they leave alone."""
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import unittest

import lab
from lab import DEVICE, PATIENCE_S, THERE, UDP, V4

PORT = 7000
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
IN_A_TERMINAL = (sys.executable, "-c", "import os, pty, sys\n"
                 "sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))")
# A program whose records nobody else sees, as in a container.
WITH_OWN_RECORDS = ("unshare", "--mount", "sh", "-c",
                    'mkdir -p /run/shearpin && mount -t tmpfs none /run/shearpin && exec "$@"', "sh")


def forget_killed_runs():
    for name in lab.records():
        os.unlink(os.path.join("/run/shearpin", name))


class HostTest(lab.LabTest):
    def setUp(self):
        self.addCleanup(forget_killed_runs)
        super().setUp()

    def cut(self, *words, **options):
        """A run that drops what comes from a port of the other host, with its window open."""
        options.setdefault("interface", DEVICE)
        run = self.lab.inject("drop", "--for", lab.HOLD, "--proto", "udp", "--remote", THERE[V4],
                              "--remote-port", str(PORT), *words, **options)
        run.opened()
        return run

    def status(self, *words, **options):
        done = self.lab.call("status", "--json", *words, **options)
        self.assertEqual(done.status, 0, done.stderr)
        return json.loads(done.stdout)

    def clear(self, **options):
        done = self.lab.call("clear", **options)
        self.assertEqual(done.status, 0, done.stdout + done.stderr)
        return done.stdout

    def path(self):
        """(sender, receiver, address): datagrams from PORT of the other host to here."""
        receiver = self.lab.socket(self.lab.here, V4, UDP)
        return self.lab.socket(self.lab.there, V4, UDP, PORT), receiver, receiver.getsockname()

    def arrives(self, path, seconds):
        """The time until a datagram gets through, or None."""
        sender, receiver, address = path
        receiver.settimeout(0.002)
        started = time.monotonic()
        while True:
            sender.sendto(b"x", address)
            try:
                receiver.recv(16)
                return time.monotonic() - started
            except socket.timeout:
                if time.monotonic() - started >= seconds:
                    return None

    def stubs(self):
        filters = [self.lab.here.call("tc", "filter", "show", "dev", DEVICE, side) for side in ("ingress", "egress")]
        return sum("sp_stub" in line for line in "".join(filters).splitlines())

    def has_clsact(self):
        return "clsact" in self.lab.here.call("tc", "qdisc", "show", "dev", DEVICE)


class Status(HostTest):
    def test_nothing(self):
        for words in ((), ("status",)):
            done = self.lab.call(*words)
            self.assertEqual(done, (0, "no run is active\n", ""))
        self.assertEqual(self.status()["runs"], [])

    def test_run_is_shown(self):
        path = self.path()
        run = self.cut()
        self.assertIsNone(self.arrives(path, 0.05))
        [shown] = self.status()["runs"]
        [rule] = shown["rules"]
        self.assertEqual(shown["pid"], run.pid)
        self.assertEqual(shown["run"], os.path.realpath(run.out))
        self.assertEqual(shown["interfaces"], [DEVICE])
        self.assertIn(shown["attach"], ("tcx", "clsact"))
        self.assertFalse(shown["other_netns"])
        self.assertEqual((shown["phase"], shown["wait"]), ("faults", None))
        self.assertEqual(shown["windows"], {"open": 1, "over": 0, "total": 1})
        self.assertEqual((rule["state"], rule["instance"], rule["times"]), ("open", 1, 1))
        self.assertGreater(rule["left_ns"], 0)
        self.assertLessEqual(rule["left_ns"], 300 * 10**9)
        self.assertGreater(rule["dropped"], 0)
        self.assertEqual(rule["matched"], sum(
            rule[key] for key in ("passed", "dropped", "reset", "refused", "suppressed")))
        for words in ((), ("status",)):
            done = self.lab.call(*words)
            for text in (f"pid {run.pid}", os.path.realpath(run.out), DEVICE, "1 open, 0 over, 0 to come",
                         str(rule["dropped"])):
                self.assertIn(text, done.stdout)
            self.assertNotIn("\033", done.stdout)
            self.assertNotIn("another network namespace", done.stdout)

    def test_windows_follow_the_clock(self):
        scenario = {"version": 1, "name": "windows", "interface": DEVICE,
                    "targets": {"a": {"remote": THERE[V4], "remote_port": 1, "proto": "udp"},
                                "b": {"remote": THERE[V4], "remote_port": 2, "proto": "udp"}},
                    "steps": [{"name": "brief", "at": "0s", "fault": {"drop": True}, "target": ["a", "b"],
                               "for": "100ms", "repeat": {"times": 2, "every": "200ms"}},
                              {"name": "late", "at": "600s", "fault": {"drop": True}, "target": "b", "for": "5s"},
                              {"name": "bursts", "at": "0s", "fault": {"drop": True}, "target": "a",
                               "for": "300s", "burst": {"on": "1ms", "off": "299s"}}]}
        run = self.lab.run(scenario)
        run.wait_event("fault.close", 4)
        [shown] = self.status()["runs"]
        self.assertEqual(shown["windows"], {"open": 1, "over": 4, "total": 6})
        self.assertEqual([(r["step"], r["target"], r["instance"], r["state"], r["over"]) for r in shown["rules"]],
                         [("brief", "a", 2, "over", 2), ("brief", "b", 2, "over", 2), ("late", "b", 1, "waits", 0),
                          ("bursts", "a", 1, "paused", 0)])
        self.assertIn("1 open, 4 over, 1 to come", self.lab.call().stdout)

    def test_a_wait(self):
        scenario = {"version": 1, "name": "waiting", "interface": DEVICE,
                    "targets": {"a": {"remote": THERE[V4], "remote_port": 1, "proto": "udp"}},
                    "steps": [{"name": "before", "at": "0s", "fault": {"drop": True}, "target": "a", "for": "1ms"},
                              {"name": "sign", "at": "1ms", "wait": {"file": "/never/there", "timeout": "300s"}},
                              {"name": "behind", "at": "2ms", "fault": {"drop": True}, "target": "a",
                               "for": "300s"}]}
        run = self.lab.run(scenario)
        run.wait_event("step.start", 2)
        [shown] = self.status()["runs"]
        self.assertEqual((shown["phase"], shown["wait"]), ("wait", "sign"))
        self.assertGreater(shown["left_ns"], 100 * 10**9)
        self.assertEqual(shown["windows"], {"open": 0, "over": 1, "total": 2})
        self.assertEqual([(r["state"], r["left_ns"]) for r in shown["rules"]], [("over", 0), ("waits", 10**6)])
        self.assertIn("wait sign, at most", self.lab.call().stdout)

    def test_counters_of_each_rule(self):
        scenario = {"version": 1, "name": "rules", "interface": DEVICE,
                    "targets": {"one": {"remote": THERE[V4], "remote_port": 1000, "proto": "udp"},
                                "two": {"remote": THERE[V4], "remote_port": 2000, "proto": "udp"}},
                    "steps": [{"name": "cut", "at": "0s", "fault": {"drop": True}, "target": ["one", "two"],
                               "for": "300s"}]}
        run = self.lab.run(scenario)
        run.opened(2)
        sender = self.lab.socket(self.lab.here, V4, UDP)
        for port, count in ((1000, 3), (2000, 5)):
            for _ in range(count):
                sender.sendto(b"x", (THERE[V4], port))
        [shown] = self.status()["runs"]
        self.assertEqual([(r["target"], r["matched"], r["dropped"]) for r in shown["rules"]],
                         [("one", 3, 3), ("two", 5, 5)])

    def test_baseline(self):
        scenario = {"version": 1, "name": "early", "interface": DEVICE, "baseline": "300s",
                    "targets": {"a": {"remote": THERE[V4], "remote_port": 1, "proto": "udp"}},
                    "steps": [{"name": "late", "at": "0s", "fault": {"drop": True}, "target": "a", "for": "1s"}]}
        run = self.lab.run(scenario)
        [shown] = lab.wait_until(lambda: self.status()["runs"], "the run in its baseline")
        self.assertEqual(shown["phase"], "baseline")
        self.assertEqual(shown["rules"][0]["state"], "waits")
        self.assertGreater(shown["left_ns"], 200 * 10**9)
        self.assertIn(f"ended run {run.pid} (early)", self.clear())
        self.assert_ended(run, 130)

    def test_other_namespace(self):
        elsewhere = ("nsenter", f"--net={self.lab.there.path}")
        self.cut()
        [shown] = self.status(wrapper=elsewhere)["runs"]
        self.assertTrue(shown["other_netns"])
        self.assertEqual(shown["rules"][0]["state"], "open")
        self.assertIn("in another network namespace", self.lab.call(wrapper=elsewhere).stdout)
        self.assertEqual(self.status("--netns", self.lab.there.path)["runs"], [])
        self.assertEqual(len(self.status("--netns", self.lab.here.path)["runs"]), 1)

    def test_no_such_namespace(self):
        done = self.lab.call("status", "--netns", "nowhere")
        self.assertEqual((done.status, done.stdout), (2, ""))
        self.assertIn("/run/netns/nowhere: No such file", done.stderr)

    def test_colours_on_a_terminal_only(self):
        self.cut()
        self.assertIn("\033[31mopen", self.lab.call(wrapper=IN_A_TERMINAL, TERM="xterm", NO_COLOR="").stdout)
        for environment in ({"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "dumb", "NO_COLOR": ""}):
            done = self.lab.call(wrapper=IN_A_TERMINAL, **environment)
            self.assertIn("open", done.stdout)
            self.assertNotIn("\033", done.stdout)

    def test_without_root(self):
        run = self.cut()
        done = self.lab.call("status", wrapper=NOBODY)
        self.assertEqual(done.status, 0, done.stderr)
        self.assertIn(f"pid {run.pid}", done.stdout)
        self.assertIn("the counters can't be read: Operation not permitted (use sudo)", done.stdout)

    def test_killed_run(self):
        run = self.cut()
        run.kill()
        done = self.lab.call("status")
        self.assertEqual(done.status, 0)
        self.assertIn(f"removed the record of run {run.pid}, which was killed; nothing of it acts", done.stdout)
        self.assertIn("no run is active", done.stdout)
        self.assertEqual(lab.records(), [])
        self.assertEqual(self.lab.call("status").stdout, "no run is active\n")

    def test_dead_record_stays_without_root(self):
        run = self.cut()
        run.kill()
        done = self.lab.call("status", wrapper=NOBODY)
        self.assertEqual(done.status, 0)
        self.assertIn(f"{run.pid}.json can't be removed: Permission denied", done.stdout)
        self.assertEqual(self.status()["killed"], [run.pid])

    def test_record_that_is_none(self):
        os.makedirs("/run/shearpin", exist_ok=True)
        self.addCleanup(self.clear)
        with open("/run/shearpin/1.json", "w", encoding="ascii") as f:
            f.write('{"name": "half')
            f.flush()
            fcntl.flock(f, fcntl.LOCK_EX)
            done = self.lab.call("status")
            self.assertIn("pid 1: its record /run/shearpin/1.json is none that this version can read", done.stdout)
            self.assertEqual(self.status()["runs"], [{"pid": 1}])
        self.assertEqual(self.status()["killed"], [1])


class Clear(HostTest):
    def test_nothing(self):
        before = self.lab.state()
        self.assertEqual(self.clear(), "nothing to clear\n")
        self.assert_untouched(before)

    def test_one_run_an_interface_until_it_is_cleared(self):
        before = self.lab.state()
        path = self.path()
        run = self.cut()
        again = self.lab.call("inject", "drop", "--for", "1s", "--remote", THERE[V4], "--interface", DEVICE,
                              "--out", os.path.join(self.lab.folder, "again"))
        self.assertEqual(again.status, 3, again.stdout)
        self.assertIn(f"another run has the interface {DEVICE}", again.stderr)
        self.assertIsNone(self.arrives(path, 0.05))
        self.assertEqual(self.clear(), f"ended run {run.pid} (inject)\n")
        self.assertIsNotNone(self.arrives(path, PATIENCE_S))
        self.assert_ended(run, 130)
        self.assertTrue(os.path.exists(run.path("report.md")))
        self.assert_untouched(before)
        self.assertEqual(self.clear(), "nothing to clear\n")

    def test_every_run(self):
        self.lab.here.call("ip", "link", "add", "test1", "type", "veth", "peer", "name", "test2")
        self.addCleanup(self.lab.here.call, "ip", "link", "del", "test1")
        runs = [self.cut(), self.cut(interface="test1")]
        text = self.clear()
        for run in runs:
            self.assertIn(f"ended run {run.pid} (inject)", text)
            self.assert_ended(run, 130)
        self.assertEqual(lab.records(), [])

    def test_document(self):
        run = self.cut()
        done = self.lab.call("clear", "--json")
        document = json.loads(done.stdout)
        self.assertEqual(done.status, 0)
        self.assertEqual(document, {"runs": [{"pid": run.pid, "name": "inject", "run": os.path.realpath(run.out),
                                              "was": "alive", "killed": False, "error": None}],
                                    "stubs": [], "undo": [], "clean": True})
        self.assertIn("ended run", done.stderr)

    def test_run_that_hangs(self):
        path = self.path()
        run = self.cut()
        run.signal(signal.SIGSTOP)
        text = self.clear()
        self.assertIn(f"killed run {run.pid} (inject), which did not end within 5 s", text)
        self.assertIn(f"shearpin report {os.path.realpath(run.out)}", text)
        self.assertEqual(run.wait(), -signal.SIGKILL)
        self.assertIsNotNone(self.arrives(path, PATIENCE_S))
        self.assertEqual(lab.records(), [])

    def test_killed_run(self):
        before = self.lab.state()
        path = self.path()
        run = self.cut()
        run.kill()
        self.assertIsNotNone(self.arrives(path, PATIENCE_S))
        self.assertIn(f"removed the record of run {run.pid} (inject), which was killed", self.clear())
        self.assert_untouched(before)
        self.assertEqual(self.clear(), "nothing to clear\n")

    def test_only_root(self):
        run = self.cut()
        done = self.lab.call("clear", wrapper=NOBODY)
        self.assertEqual((done.status, done.stdout), (3, ""))
        self.assertIn("only root", done.stderr)
        self.assertTrue(run.running())

    def test_other_namespace(self):
        run = self.cut()
        self.assertIn(f"ended run {run.pid}", self.clear(wrapper=("nsenter", f"--net={self.lab.there.path}")))
        self.assert_ended(run, 130)

    def test_process_that_only_has_the_number(self):
        """The owner of the record is another process, as it is when a container shares /run but not the pids."""
        with subprocess.Popen(["sleep", str(PATIENCE_S)]) as bystander:
            self.addCleanup(bystander.kill)
            os.makedirs("/run/shearpin", exist_ok=True)
            with open(f"/run/shearpin/{bystander.pid}.json", "w", encoding="ascii") as f:
                fcntl.flock(f, fcntl.LOCK_EX)
                done = self.lab.call("clear")
            self.assertEqual(done.status, 5)
            self.assertIn("its process is in a container", done.stdout)
            self.assertIsNone(bystander.poll())
            bystander.kill()

    def test_record_that_cannot_be_removed(self):
        run = self.cut()
        run.kill()
        subprocess.run(["mount", "--bind", "-o", "ro", "/run/shearpin", "/run/shearpin"], check=True)
        try:
            subprocess.run(["mount", "-o", "remount,bind,ro", "/run/shearpin"], check=True)
            done = self.lab.call("clear")
        finally:
            subprocess.run(["umount", "/run/shearpin"], check=True)
        self.assertEqual(done.status, 5, done.stdout)
        self.assertIn("can't be removed: Read-only file system", done.stdout)
        self.assertIn(f"removed the record of run {run.pid}", self.clear())


class Clsact(HostTest):
    """As on a kernel without tcx: the stub outlives a killed run, but it is inert."""

    def setUp(self):
        super().setUp()
        self.lab.take_turn()

    def cut(self, *words, **options):
        return super().cut("--attach", "clsact", *words, **options)

    def test_nothing_is_left_by_a_run_that_ends(self):
        before = self.lab.state()
        run = self.cut()
        self.assertEqual(self.stubs(), 2)
        self.assertEqual(run.stop(), 130)
        self.assert_untouched(before)

    def test_traffic_flows_past_the_stub_of_a_killed_run(self):
        path = self.path()
        run = self.cut()
        self.assertIsNone(self.arrives(path, 0.05))
        run.kill()
        sender, receiver, address = path
        sender.sendto(b"the very first", address)
        receiver.settimeout(PATIENCE_S)
        self.assertEqual(receiver.recv(100), b"the very first")
        self.assertEqual(self.stubs(), 2)

    def test_clear_removes_stub_and_qdisc(self):
        before = self.lab.state()
        run = self.cut()
        run.kill()
        self.assertEqual(self.stubs(), 2)
        text = self.clear()
        self.assertIn(f"removed the record of run {run.pid}", text)
        self.assertIn(f"removed the inert stub of a killed run from {DEVICE}\n", text)
        self.assert_untouched(before)
        self.assertEqual(self.clear(), "nothing to clear\n")

    def test_status_points_at_clear(self):
        self.cut().kill()
        self.assertIn("`shearpin clear` removes the inert stub", self.lab.call("status").stdout)
        self.assertIn(f"removed the inert stub of a killed run from {DEVICE}", self.clear())

    def test_next_start_removes_it(self):
        before = self.lab.state()
        path = self.path()
        self.cut().kill()
        run = self.cut()
        self.assertEqual(self.stubs(), 2)
        self.assertIsNone(self.arrives(path, 0.05))
        self.assertEqual(run.stop(), 130)
        self.assertIsNotNone(self.arrives(path, PATIENCE_S))
        self.clear()
        self.assert_untouched(before)

    def add_filter(self):
        self.lab.here.call("tc", "filter", "add", "dev", DEVICE, "ingress", "prio", "9", "protocol", "ip", "u32",
                           "match", "u32", "0", "0", "flowid", "1:1")

    def test_qdisc_of_others_stays(self):
        self.lab.here.call("tc", "qdisc", "add", "dev", DEVICE, "clsact")
        before = self.lab.state()
        self.assertEqual(self.cut().stop(), 130)
        self.assert_untouched(before)
        self.cut().kill()
        self.clear()
        self.assert_untouched(before)

    def test_filter_of_others_in_our_qdisc_stays(self):
        for end in (lab.Run.stop, lab.Run.kill):
            run = self.cut()
            self.add_filter()
            self.assertEqual(self.stubs(), 2)
            end(run)
            self.clear()
            self.assertEqual(self.stubs(), 0)
            self.assertTrue(self.has_clsact())
            self.assertIn("u32", self.lab.here.call("tc", "filter", "show", "dev", DEVICE, "ingress"))
            self.lab.here.call("tc", "qdisc", "del", "dev", DEVICE, "clsact")

    def test_live_stub_stays(self):
        """A run whose record is out of sight, as a container's: its claim protects it."""
        path = self.path()
        self.cut(wrapper=WITH_OWN_RECORDS)
        self.assertEqual(self.clear(), "nothing to clear\n")
        self.assertEqual(self.stubs(), 2)
        self.assertIsNone(self.arrives(path, 0.05))

    def test_named_namespace(self):
        name = f"scl{os.getpid()}"
        subprocess.run(["ip", "netns", "add", name], check=True)
        self.addCleanup(subprocess.run, ["ip", "netns", "del", name], check=True)
        subprocess.run(["ip", "-n", name, "link", "add", "there0", "type", "veth", "peer", "name", "there1"],
                       check=True)
        run = self.cut("--netns", name, interface="there0")
        self.assertEqual(self.status()["runs"][0]["netns_name"], name)
        self.assertIn(f"in another network namespace, {name}", self.lab.call().stdout)
        run.kill()
        self.assertIn(f"removed the inert stub of a killed run from there0 in the network namespace {name}\n",
                      self.clear())
        left = subprocess.run(["tc", "-n", name, "qdisc", "show", "dev", "there0"], check=True,
                              capture_output=True, text=True).stdout
        self.assertNotIn("clsact", left)


if __name__ == "__main__":
    unittest.main()
