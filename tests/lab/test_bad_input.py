# SPDX-License-Identifier: BSD-2-Clause
"""Bad input changes nothing: the right exit status, a message that names the place, and not a trace on the host."""
import os
import re
import sys
import unittest

from lab import DEVICE, HOLD, LabTest

PORT = 4000
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")

HEAD = """version: 1
name: bad
targets:
  t: {proto: tcp, remote_port: 4000}
"""
STEP = """steps:
  - {name: s, at: 0s, fault: {drop: true}, target: t, for: 1s}
"""


def step(text):
    return f"{HEAD}steps:\n  - {{{text}}}\n"


def target(text):
    return f"version: 1\nname: bad\ntargets:\n  t: {{{text}}}\n{STEP}"


BOMB = "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
    f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi"))

# name: (text, the place, what the message must speak of)
MISTAKES = {
    "unknown key": (f"{HEAD}{STEP}sead: 7\n", "7:1", "unknown key of a scenario `sead`, did you mean `seed`?"),
    "unknown key in a step": (step("name: s, at: 0s, fault: {drop: true}, target: t, for: 1s, forr: 1s"), None, "forr"),
    "unknown fault": (step("name: s, at: 0s, fault: {dorp: true}, target: t, for: 1s"), "6:31", "did you mean `drop`?"),
    "wrong type": (f"version: 1\nname: bad\ntargets: [a, b]\n{STEP}", "3:10", "targets"),
    "no mapping": ("- just\n- a list\n", "1:1", "mapping"),
    "empty file": ("", None, "empty"),
    "comment only": ("# nothing\n", None, "empty"),
    "bomb": (BOMB, None, "anchor"),
    "missing target": (step("name: s, at: 0s, fault: {drop: true}, target: nobody, for: 1s"), "6:52", "nobody"),
    "no target": (step("name: s, at: 0s, fault: {drop: true}, for: 1s"), "6:5", "a step needs `target`"),
    "two targets of a name": ("version: 1\nname: bad\ntargets:\n  t: {remote_port: 1}\n  t: {remote_port: 2}\n" + STEP,
                              "5:3", "t"),
    "two steps of a name": (HEAD + STEP + "  - {name: s, at: 5s, fault: {drop: true}, target: t, for: 1s}\n",
                            "7:12", "s"),
    "port 70000": (target("remote_port: 70000"), "4:20", "70000"),
    "port 0": (target("remote_port: 0"), "4:20", "1-65535"),
    "port range backwards": (target("remote_port: 90-80"), "4:20", "90-80"),
    "for 0s": (step("name: s, at: 0s, fault: {drop: true}, target: t, for: 0s"), "6:60", "0s"),
    "for without a unit": (step("name: s, at: 0s, fault: {drop: true}, target: t, for: 10"), "6:60", "duration"),
    "negative at": (step("name: s, at: -1s, fault: {drop: true}, target: t, for: 1s"), "6:19", "-1s"),
    "negative for": (step("name: s, at: 0s, fault: {drop: true}, target: t, for: -1s"), "6:60", "-1s"),
    "more than 100 %": (step("name: s, at: 0s, fault: {loss: 101%}, target: t, for: 1s"), "6:37", "101%"),
    "percent without the sign": (step("name: s, at: 0s, fault: {loss: 5}, target: t, for: 1s"), "6:37", "%"),
    "prefix with host bits": (target("remote: 10.1.0.2/16"), "4:15", "10.1.0.0/16"),
    "IPv6 prefix with host bits": (target('remote: "fd00::1/64"'), "4:15", "fd00::/64"),
    "a name of a host": (target("remote: example.com"), "4:15", "example.com"),
    "neither address nor port": (target("proto: tcp"), "4:3", "anything"),
    "whole internet": (target("remote: 0.0.0.0/0"), None, "anything"),
    "two documents": (f"{HEAD}{STEP}---\n{HEAD}{STEP}", None, "document"),
    "unknown variable": (f"{HEAD}{STEP}description: $(nobody)\n", "7:14", "nobody"),
    "no signal": (step("name: s, at: 0s, signal: {pid: 77}, for: 1s"), "6:31", "a signal needs `kill`"),
    "no time": (step("name: s, link: eth9"), "6:5", "a step needs `at`"),
    "in a circle": (step("name: s, after: s, link: eth9"), "6:22", "leads back"),
    "no such phase": (f"{HEAD}phases: [{{name: a, for: 1m}}]\nsteps: [{{name: s, at: 0s, link: eth9, phases: b}}]\n", "6:47",
                      "unknown phase b"),
    "a matrix of nothing": (f"{HEAD}{STEP}matrix: {{hold: [1s, 2s]}}\n", "7:10", "unknown variable hold"),
    "two meanings": (step("name: s, at: 0s, fault: {stall: true, limit: 5KB}, target: t, for: 1s"), "6:44",
                     "`limit` beside `stall`"),
    "no name": (step("name: s, at: 0s, fault: {dns: nxdomain, names: a..b}, target: t, for: 1s"), "6:53", "empty label"),
    "HTTPS": (target("remote_port: 443").replace("{drop: true}", "{http: 503}"), None, "expected `answer`"),
    "no certificate": (step("name: s, at: 0s, fault: {answer: {status: 503, key: k}}, target: t, for: 1s"), "6:53",
                       "`key` without `certificate`"),
    "an address as a name": (target("host: 10.1.0.2"), "4:13", "expected addresses in `remote`"),
    "two owners": (target("pid: 7, unit: a.service"), None, "`pid` beside `unit`"),
    "a clock that stays": (step("name: s, at: 0s, clock: +0s, for: 1s"), "6:30", "does not move the clock"),
    "jitter above delay": (step("name: s, at: 0s, fault: {delay: 5ms, jitter: 6ms}, target: t, for: 1s"), "6:51",
                           "more than `delay: 5ms`"),
    "rate of 0": (step("name: s, at: 0s, fault: {rate: 0bit}, target: t, for: 1s"), "6:37", "more than 0bit"),
    "beyond the horizon": (step("name: s, at: 0s, fault: {delay: 61s}, target: t, for: 1s"), "6:38", "60s at most"),
    "correlation": (step("name: s, at: 0s, fault: {loss: 5%, loss_correlation: 101%}, target: t, for: 1s"), "6:59",
                    "0% to 100%"),
    "windows that overlap themselves": (step("name: s, at: 0s, fault: {drop: true}, target: t, for: 2s, "
                                             "repeat: {times: 2, every: 1s}"), None, "every"),
    "no expression": (f"{HEAD}{STEP}probes: {{p: {{log: x, healthy: '(', unhealthy: y}}}}\n", "7:31", "regular expression"),
    "an objective about nobody": (f"{HEAD}{STEP}slo: [{{recovery_p99: 1s, target: u}}]\n", "7:34", "unknown target u"),
    "an objective that cannot be": (f"{HEAD}{STEP}slo: [{{availability: 99%}}]\n", "7:8", "without `probes`"),
    "tabs": (f"{HEAD}\tsteps: []\n", None, ""),
    "no YAML": ("{{{{\n", None, ""),
    "binary": (b"\0\1\2\3" * 100, None, ""),
    "not UTF-8": (HEAD.encode() + b"description: \xff\xfe\n" + STEP.encode(), "5:14", "UTF-8"),
    "10 MB": (f"{HEAD}{STEP}# {'x' * (10 << 20)}\n", None, "larger than 1048576 bytes"),
    "deep": ("[" * 10000 + "]" * 10000, None, ""),
}


class ScenarioFile(LabTest):
    def setUp(self):
        super().setUp()
        self.before = self.lab.state()

    def test_mistakes(self):
        """Each with `run`, as root; a mistake is found before anything is touched."""
        for name, (text, place, word) in MISTAKES.items():
            with self.subTest(name):
                run = self.lab.run(text, "--interface", DEVICE)
                self.assert_ended(run, 2)
                self.assertEqual(run.stdout, "")
                self.assertFalse(os.path.exists(run.out))
                self.check_message(run.stderr, place, word)
        self.assert_untouched(self.before)

    def check_message(self, text, place, word):
        file = re.escape(os.path.join(self.lab.folder, "scenario.yaml"))
        lines = text.splitlines()
        self.assertTrue(lines)
        self.assertLess(len(text), 20000)
        for line in lines:
            self.assertRegex(line, f"^(?:{file}|[0-9]+ more|and [0-9]+|shearpin)")
        self.assertTrue(any(re.match(f"{file}(:{place or '[0-9]+:[0-9]+'}|): ", line) for line in lines), text)
        if place:
            self.assertIn(f":{place}: ", text)
        self.assertIn(word, text)

    def test_without_privilege(self):
        """Mistakes are found, and plans are made, before any privilege is used."""
        for name in ("unknown key", "port 70000", "bomb"):
            text, place, word = MISTAKES[name]
            for command in ("run", "plan"):
                with self.subTest(f"{name} {command}"):
                    done = self.lab.call(command, self.lab.write(text), wrapper=NOBODY)
                    self.assertEqual((done.status, done.stdout), (2, ""))
                    self.check_message(done.stderr, place, word)

    def test_no_such_file(self):
        for path, word in (("nowhere.yaml", "No such file"), (self.lab.folder, "no scenario in this folder")):
            run = self.lab.start("run", path, "--out", "out")
            self.assert_ended(run, 2)
            self.assertIn(path, run.stderr)
            self.assertIn(word, run.stderr)
        self.assert_untouched(self.before)

    def test_unreadable(self):
        path = self.lab.write(HEAD + STEP)
        os.chmod(path, 0)
        done = self.lab.call("plan", path, wrapper=NOBODY)
        self.assertEqual(done.status, 2)
        self.assertIn("Permission denied", done.stderr)

    def test_endless(self):
        done = self.lab.call("plan", "/dev/zero")
        self.assertEqual(done.status, 2)
        self.assertIn("/dev/zero", done.stderr)


class CommandLine(LabTest):
    WORDS = (
        (("--for", "1s", "--remote-port", "80"), "missing argument: a fault"),
        (("drop", "--remote-port", "80"), "--for"),
        (("drop", "--for", "0s", "--remote-port", "80"), "--for"),
        (("drop", "--for", "-1s", "--remote-port", "80"), "--for"),
        (("drop", "--for", "10", "--remote-port", "80"), "--for"),
        (("drop", "--for", "1s"), "neither an address nor a port"),
        (("drop", "--for", "1s", "--remote-port", "70000"), "--remote-port: 70000 is no port"),
        (("drop", "--for", "1s", "--local-port", "x"), "--local-port"),
        (("drop", "--for", "1s", "--remote", "10.1.0.2/16"), "10.1.0.0/16"),
        (("drop", "--for", "1s", "--remote", "0.0.0.0/0"), "anything"),
        (("rest=both", "--for", "1s", "--remote-port", "80"), "did you mean `reset`?"),
        (("reset=booth", "--for", "1s", "--remote-port", "80"), "did you mean `both`?"),
        (("loss=101%", "--for", "1s", "--remote-port", "80"), "101%"),
        (("loss=5", "--for", "1s", "--remote-port", "80"), "%"),
        (("drop", "drop", "--for", "1s", "--remote-port", "80"), "drop"),
        (("drop", "loss=5%", "--for", "1s", "--remote-port", "80"), "loss"),
        (("reset=both", "--proto", "udp", "--for", "1s", "--remote-port", "80"), "tcp"),
        (("drop", "--proto", "sctp", "--for", "1s", "--remote-port", "80"), "--proto"),
        (("drop", "--direction", "up", "--for", "1s", "--remote-port", "80"), "--direction"),
        (("drop", "--share", "0%", "--for", "1s", "--remote-port", "80"), "--share"),
        (("drop", "--repeat", "2/500ms", "--for", "1s", "--remote-port", "80"), "--repeat"),
        (("drop", "--seed", "x", "--for", "1s", "--remote-port", "80"), "--seed"),
        (("drop", "--hook", "xpd", "--for", "1s", "--remote-port", "80"), "--hook"),
        (("drop", "--attach", "cls", "--for", "1s", "--remote-port", "80"), "--attach"),
        (("drop", "--meta", "x", "--for", "1s", "--remote-port", "80"), "--meta"),
        (("drop", "--netns", "no-such-namespace", "--for", "1s", "--remote-port", "80"), "no-such-namespace"),
        (("drop", "--fro", "1s"), "did you mean --for?"),
        (("stall=false", "--for", "1s", "--remote-port", "80"), "stall"),
        (("then=fin", "--for", "1s", "--remote-port", "80"), "`then` without `limit` or `rate_limit`"),
        (("drop", "--for", "1s", "--pid", "1"), "--pid"),
        (("drop", "--for", "1s", "--host", "10.1.0.2"), "--host"),
        (("jitter=5ms", "--for", "1s", "--remote-port", "80"), "`jitter` without `delay`"),
        (("loss=gemodel:p=1%", "--for", "1s", "--remote-port", "80"), "a gemodel needs `r`"),
        (("--netem", "delay 10ms ecn", "--for", "1s", "--remote-port", "80"), "--netem, word 3: `ecn`"),
        (("--netem", "delay 10ms", "delay=5ms", "--for", "1s", "--remote-port", "80"), "`delay` is given twice"),
        (("drop", "--evidence", "packet", "--for", "1s", "--remote-port", "80"), "did you mean `packets`?"),
        (("delay=5ms", "--delay-backend", "qf", "--for", "1s", "--remote-port", "80"), "--delay-backend"),
    )

    def test_inject(self):
        before = self.lab.state()
        for words, expected in self.WORDS:
            with self.subTest(" ".join(words)):
                run = self.lab.inject(*words)
                self.assert_ended(run, 2)
                self.assertEqual(run.stdout, "")
                self.assertIn(expected, run.stderr)
                self.assertFalse(os.path.exists(run.out))
        self.assert_untouched(before)


class Refused(LabTest):
    """Right input that this host or this user can't carry out: exit status 3, and nothing is touched."""

    def setUp(self):
        super().setUp()
        self.before = self.lab.state()

    def refused(self, run, *words):
        self.assert_ended(run, 3)
        self.assertEqual(run.stdout, "")
        self.assertIn("refused, nothing was touched: ", run.stderr)
        self.assertEqual(run.stderr.count("\n"), 1, run.stderr)
        for word in words:
            self.assertIn(word, run.stderr)
        self.assertFalse(os.path.exists(run.out))
        self.assert_untouched(self.before)

    def test_missing_interface(self):
        self.refused(self.lab.inject("drop", "--remote-port", str(PORT), "--for", HOLD, interface="nowhere0"),
                     "no interface nowhere0")

    def test_missing_interface_of_several(self):
        self.refused(self.lab.run({"version": 1, "name": "bad", "interface": [DEVICE, "nowhere0"],
                                   "targets": {"t": {"remote_port": PORT}},
                                   "steps": [{"name": "s", "at": "0s", "fault": {"drop": True}, "target": "t",
                                              "for": "1s"}]}), "nowhere0")

    def test_no_route(self):
        self.refused(self.lab.inject("drop", "--remote", "192.0.2.1", "--for", HOLD, interface=None), "192.0.2.1")

    def test_no_address_for_a_route(self):
        self.refused(self.lab.inject("drop", "--remote-port", str(PORT), "--for", HOLD, interface=None), "--interface")

    def test_no_ethernet(self):
        """A tunnel device carries bare IP."""
        tun = ("import fcntl, os, struct, subprocess, sys\n"
               "fd = os.open('/dev/net/tun', os.O_RDWR)\n"
               "fcntl.ioctl(fd, 0x400454ca, struct.pack('16sH22x', b'tun0', 0x1001))\n"
               "subprocess.run(['ip', 'link', 'set', 'tun0', 'up'], check=True)\n"
               "sys.exit(subprocess.run(sys.argv[1:]).returncode)")
        run = self.lab.inject("drop", "--remote-port", str(PORT), "--for", HOLD, interface="tun0",
                              wrapper=(sys.executable, "-c", tun))
        run.wait()
        self.refused(run, "tun0")

    def test_directory_is_there(self):
        out = self.lab.new_out()
        os.mkdir(out)
        run = self.lab.inject("drop", "--remote-port", str(PORT), "--for", HOLD, out=out)
        self.assert_ended(run, 3)
        self.assertIn("is there already", run.stderr)
        self.assertEqual(os.listdir(out), [])
        self.assert_untouched(self.before)

    def test_no_privilege(self):
        for words in (("inject", "drop", "--remote-port", str(PORT), "--for", HOLD, "--interface", DEVICE),
                      ("run", self.lab.write(f"{HEAD}{STEP}interface: {DEVICE}\n"))):
            with self.subTest(words[0]):
                out = "/tmp/shearpin-of-nobody"
                self.refused(self.lab.start(*words, "--out", out, out=out, wrapper=NOBODY), "root")

    def test_root_without_capabilities(self):
        run = self.lab.inject("drop", "--remote-port", str(PORT), "--for", HOLD,
                              wrapper=("setpriv", "--bounding-set=-all", "--inh-caps=-all"))
        self.refused(run)


if __name__ == "__main__":
    unittest.main()
