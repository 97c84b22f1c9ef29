# SPDX-License-Identifier: BSD-2-Clause
"""The commands from outside: help, options, plan, report, namespaces by name, and what goes to which stream."""
import json
import os
import shlex
import subprocess
import unittest

from datagrams import send_numbers
from lab import DEVICE, HERE, HOLD, THERE, UDP, V4, LabTest

PORT = 4000
COMMANDS = ("run", "rehearse", "inject", "plan", "preflight", "status", "watch", "clear", "report", "verify", "lab")
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
SCENARIO = {
    "version": 1, "name": "commands", "seed": 7, "interface": DEVICE, "recovery": "0s",
    "vars": {"hold": "50ms", "port": str(PORT)},
    "targets": {"t": {"proto": "udp", "remote": THERE[V4], "remote_port": "$(port)"}},
    "steps": [{"name": "cut", "at": "0s", "fault": {"drop": True}, "target": "t", "for": "$(hold)",
               "repeat": {"times": 2, "every": "100ms"}}]}


class Help(LabTest):
    def test_help(self):
        whole = self.lab.call("--help")
        self.assertEqual((whole.status, whole.stderr), (0, ""))
        for command in COMMANDS:
            self.assertRegex(whole.stdout, rf"(?m)^  {command} ")
            texts = []
            for words in ((command, "--help"), (command, "-h"), ("help", command)):
                with self.subTest(words):
                    done = self.lab.call(*words, wrapper=NOBODY)
                    self.assertEqual((done.status, done.stderr), (0, ""))
                    self.assertTrue(done.stdout.startswith(f"Usage: shearpin {command}"), done.stdout)
                    self.assertIn("--help", done.stdout)
                    self.assertLessEqual(max(map(len, done.stdout.splitlines())), 100)
                    texts.append(done.stdout)
            self.assertEqual(len(set(texts)), 1)

    def test_examples_of_inject(self):
        """They work as they stand, where a route leads to what they name."""
        self.lab.here.call("ip", "route", "add", "default", "dev", DEVICE)
        examples = [shlex.split(line)[1:] for line in self.lab.call("inject", "--help").stdout.splitlines()
                    if line.startswith("  shearpin inject ")]
        self.assertGreaterEqual(len(examples), 3)
        for words in examples:
            with self.subTest(words):
                out = self.lab.new_out()
                run = self.lab.start(*words, "--out", out, out=out)
                run.opened()
                self.assertIn(run.stop(), (0, 130))

    def test_help_to_a_full_disk(self):
        """Output that can't be written is no success."""
        done = self.lab.call("--help", wrapper=("sh", "-c", 'exec "$@" >/dev/full', "sh"))
        self.assertNotEqual(done.status, 0)

    def test_unknown_option(self):
        for words, meant in ((("run", "x.yaml", "--intreface", "eth0"), "--interface"),
                             (("inject", "drop", "--fro"), "--for"), (("plan", "x.yaml", "--jsno"), "--json"),
                             (("report", "x", "--fromat", "md"), "--format"),
                             (("status", "--jsn"), "--json"), (("clear", "--hlp"), "--help"),
                             (("lab", "--kep"), "--keep"), (("preflight", "--jsom"), "--json")):
            with self.subTest(words):
                done = self.lab.call(*words)
                self.assertEqual((done.status, done.stdout), (2, ""))
                self.assertIn(f"did you mean {meant}?", done.stderr)

    def test_unknown_command(self):
        done = self.lab.call("injekt")
        self.assertEqual((done.status, done.stdout), (2, ""))
        self.assertIn("did you mean `inject`?", done.stderr)

    def test_option_without_its_argument(self):
        done = self.lab.call("inject", "drop", "--for")
        self.assertEqual((done.status, done.stdout), (2, ""))
        self.assertIn("--for needs an argument", done.stderr)

    def test_superfluous_word(self):
        for words in (("run", "a", "b"), ("plan", "a", "b"), ("status", "a"), ("clear", "a"), ("report", "a", "b")):
            with self.subTest(words):
                self.assertEqual(self.lab.call(*words).status, 2)


class Plan(LabTest):
    def test_needs_no_privilege(self):
        path = self.lab.write(SCENARIO)
        done = self.lab.call("plan", path, wrapper=NOBODY)
        self.assertEqual((done.status, done.stderr), (0, ""))
        for word in ("commands", "cut", "50ms", str(PORT)):
            self.assertIn(word, done.stdout)
        done = self.lab.call("plan", path, "--json", "--set", "port=5000", wrapper=NOBODY)
        self.assertEqual((done.status, done.stderr), (0, ""))
        plan = json.loads(done.stdout)
        self.assertEqual(plan["targets"][0]["remote_port"], ["5000"])
        self.assertEqual(plan["seed"], 7)

    def test_is_what_run_does(self):
        path = self.lab.write(SCENARIO)
        planned = json.loads(self.lab.call("plan", path, "--json").stdout)
        run = self.lab.run(SCENARIO)
        self.assert_ended(run, 0)
        done = run.document("plan.json")
        planned.pop("source")
        done.pop("source")
        self.assertEqual(planned, done)

    def test_evidence(self):
        """The options win over the file, and mean the same in each command."""
        words = ("--evidence", "packets", "--capture")
        plans = [json.loads(self.lab.call("plan", self.lab.write(SCENARIO), *words, "--json").stdout)]
        for start in (lambda: self.lab.run(dict(SCENARIO, evidence="flows"), *words),
                      lambda: self.lab.inject("drop", "--for", "50ms", "--remote-port", str(PORT), *words)):
            run = start()
            self.assert_ended(run, 0)
            plans.append(run.document("plan.json"))
        for plan in plans:
            self.assertEqual((plan["evidence"], plan["capture"]), ("packets", True))
        run = self.lab.run(dict(SCENARIO, evidence="packets", capture=True), "--evidence", "flows")
        self.assert_ended(run, 0)
        plan = run.document("plan.json")
        self.assertEqual((plan["evidence"], plan["capture"]), ("flows", True))

    def test_meanings(self):
        answer = {"status": 429, "headers": {"Retry-After": "30"}, "body": "slow down", "certificate": "c.pem", "key": "k.pem"}
        targets = {"api": {"proto": "tcp", "host": ["api.example.com", "b.example.com"], "remote_port": 8080},
                   "feeder": {"unit": "feeder.service"}}
        steps = [{"name": "5xx", "at": "0s", "fault": {"http": 503, "paths": ["/a", "/b/*"]}, "target": "api", "for": "1s"},
                 {"name": "storm", "at": "5s", "fault": {"answer": answer, "percent": "25%"}, "target": "api", "for": "1s"},
                 {"name": "lag", "at": "9s", "fault": {"stall": True}, "target": "feeder", "for": "1s"},
                 {"name": "skew", "at": "12s", "clock": "-1.5s", "for": "2s"}]
        path = self.lab.write(dict(SCENARIO, targets=targets, steps=steps, container="feeder_1"))
        done = self.lab.call("plan", path, wrapper=NOBODY)
        self.assertEqual((done.status, done.stderr), (0, ""))
        for text in ("  container  feeder_1: in its network namespace\n",
                     "tcp, what api.example.com,b.example.com resolve to when the run starts, and later in it, remote port 8080",
                     ", only of unit feeder.service, both directions\n",
                     "http=503 paths=/a,/b/* on api\n", "answer=429 percent=25% on api\n", "stall=true on feeder\n",
                     "the clock of this host goes back by 1.5s, and returns at the closing\n",
                     "       connect     a connection is taken where it is opened; the rule touches no packet\n",
                     "  storm     status 429, Retry-After: 30, a body of 9 bytes; in TLS, with c.pem and k.pem\n"):
            self.assertIn(text, done.stdout)

    def delaying(self, **fault):
        return self.lab.write(dict(SCENARIO, steps=[dict(SCENARIO["steps"][0], fault=fault)]))

    def test_delay_backend(self):
        done = self.lab.call("plan", self.delaying(rate="1mbit"))
        self.assertEqual((done.status, done.stderr), (0, ""))
        self.assertIn("  delay backend   user: `rate` needs bursts taken apart", done.stdout)
        done = self.lab.call("plan", self.delaying(delay="5ms"), "--delay-backend", "user")
        self.assertIn("  delay backend   user: it was asked for\n", done.stdout)
        done = self.lab.call("plan", self.lab.write(SCENARIO), "--delay-backend", "fq")
        self.assertEqual(done.status, 0)
        self.assertNotIn("delay backend", done.stdout)

    def test_delay_backend_that_cannot_be(self):
        for fault, key in (({"rate": "1mbit"}, "rate"), ({"corrupt": "1%"}, "corrupt")):
            for words in ((), ("--json",)):
                with self.subTest(key + " ".join(words)):
                    done = self.lab.call("plan", self.delaying(**fault), "--delay-backend", "fq", *words)
                    self.assertEqual(done.status, 3)
                    self.assertIn(f"a run would be refused: fq was asked for, but `{key}` needs", done.stderr)


class Report(LabTest):
    def setUp(self):
        super().setUp()
        self.ended = self.lab.run(SCENARIO, "--json")
        self.assert_ended(self.ended, 0)

    def read(self, name):
        with open(self.ended.path(name), encoding="utf-8") as f:
            return f.read()

    def test_again(self):
        """The report made again, by anybody who can read the run, is the report."""
        for words, name in (((), "report.md"), (("--format", "md"), "report.md"), (("-f", "json"), "results.json")):
            with self.subTest(words):
                done = self.lab.call("report", self.ended.out, *words, wrapper=NOBODY)
                self.assertEqual((done.status, done.stderr), (0, ""))
                self.assertEqual(done.stdout, self.read(name))
        path = os.path.join(self.lab.folder, "again.md")
        self.assertEqual(self.lab.call("report", self.ended.out, "-o", path), (0, "", ""))
        with open(path, encoding="utf-8") as f:
            self.assertEqual(f.read(), self.read("report.md"))

    def test_moved(self):
        """A run directory may go anywhere."""
        moved = os.path.join(self.lab.folder, "elsewhere")
        os.rename(self.ended.out, moved)
        done = self.lab.call("report", moved)
        self.assertEqual((done.status, done.stderr), (0, ""))
        self.assertTrue(done.stdout.startswith("# Reconnect Fault Injection Result"))

    def test_incomplete(self):
        """A log without its end is told of on the first line."""
        path = self.ended.path("events.jsonl")
        with open(path, "rb") as f:
            lines = f.read().splitlines(True)
        with open(path, "wb") as f:
            f.writelines(lines[:-1])
        done = self.lab.call("report", self.ended.out)
        self.assertNotEqual(done.status, 0)
        self.assertIn("INCOMPLETE", done.stdout.splitlines()[0])
        results = json.loads(self.lab.call("report", self.ended.out, "-f", "json").stdout)
        self.assertFalse(results["complete"])

    def test_no_run(self):
        for path in (self.lab.folder, os.path.join(self.lab.folder, "nowhere")):
            done = self.lab.call("report", path)
            self.assertEqual((done.status, done.stdout), (2, ""))
            self.assertIn(path, done.stderr)


class Streams(LabTest):
    def test_json(self):
        """One document on standard output, everything else on standard error."""
        for start in (lambda: self.lab.run(SCENARIO, "--json"),
                      lambda: self.lab.inject("drop", "--remote-port", str(PORT), "--for", "10ms", "--json")):
            run = start()
            self.assert_ended(run, 0)
            document = json.loads(run.stdout)
            self.assertEqual((document["outcome"], document["exit"]), ("pass", 0))
            self.assertEqual(os.path.realpath(document["run"]), os.path.realpath(run.out))
            self.assertIn("run.end", run.stderr)
            self.assertNotIn("\x1b", run.stdout + run.stderr)

    def test_json_to_a_full_disk(self):
        """It is not the run directory that is full."""
        run = self.lab.run(SCENARIO, "--json", wrapper=("sh", "-c", 'exec "$@" >/dev/full', "sh"))
        self.assert_ended(run, 5)
        self.assertIn("shearpin run: standard output: No space left on device\n", run.stderr)
        self.assertNotIn("can't make the report", run.stderr)
        self.assertIn("</html>", self.lab.call("report", run.out, "-f", "html").stdout)

    def test_words(self):
        run = self.lab.run(SCENARIO)
        self.assert_ended(run, 0)
        self.assertEqual(run.stderr, "")
        self.assertIn(f"report: {run.out}/report.md", run.stdout)
        self.assertNotIn("\x1b", run.stdout)

    def test_reader_goes_away(self):
        """A closed pipe ends nothing but the output."""
        run = self.lab.inject("drop", "--remote-port", str(PORT), "--for", "300ms",
                              wrapper=("sh", "-c", '"$@" | head -c 1', "sh"))
        run.wait()
        self.assertEqual(run.events()[-1]["type"], "run.end")
        self.assertEqual(run.events()[-1]["data"]["outcome"], "pass")

    def test_closed_streams(self):
        """No file takes the place of a stream that the caller has closed: it would get what is printed."""
        run = self.lab.inject("drop", "--remote-port", str(PORT), "--for", HOLD,
                              wrapper=("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"))
        run.opened()
        self.assertEqual({os.readlink(f"/proc/{run.pid}/fd/{fd}") for fd in range(3)}, {"/dev/null"})
        self.assertEqual(run.stop(), 130)
        done = self.lab.call("report", run.out, wrapper=("sh", "-c", 'exec "$@" >&-', "sh"))
        self.assertNotEqual(done.status, 130)
        self.assertIn("standard output: Bad file descriptor", done.stderr)

    def test_directory_with_a_slash(self):
        """As a shell completes it; of a run, and of a suite."""
        path = self.lab.write({**SCENARIO, "matrix": {"port": [4001, 4002]}})
        for words in (("--set", "port=4003"), ()):
            with self.subTest(words):
                out = self.lab.new_out()
                run = self.lab.start("run", path, *words, "--gap", "0s", "--out", os.path.join(out, "in") + "//", out=out)
                self.assert_ended(run, 0)
                self.assertIn(f"report: {out}/in/report.md\n", run.stdout)

    def test_default_directory(self):
        """runs/<UTC time>-<name>, and a second run within the second gets a number."""
        names = []
        for _ in range(2):
            done = self.lab.call("inject", "drop", "--remote-port", str(PORT), "--for", "10ms", "--interface", DEVICE)
            self.assertEqual(done.status, 0, done.stderr)
            names = os.listdir(os.path.join(self.lab.folder, "runs"))
            for name in names:
                self.assertRegex(name, r"^[0-9]{8}T[0-9]{6}Z-inject(-[0-9]+)?$")
        self.assertEqual(len(names), 2)


class Namespaces(LabTest):
    """--netns, from a namespace that has nothing."""

    def cut(self, where):
        lab = self.lab
        out = lab.new_out()
        run = lab.start("inject", "drop", "--local-port", str(PORT), "--interface", "peer0", "--netns", where,
                        "--for", HOLD, "--out", out, out=out)
        run.opened()
        receiver = lab.socket(lab.there, V4, UDP, PORT)
        send_numbers(lab.socket(lab.here, V4, UDP), receiver.getsockname(), range(10))
        self.assertEqual(run.stop(), 130)
        self.assertEqual(run.counters()["dropped"], 10)
        self.assertEqual([e["flow"].rpartition(":")[2] for e in run.events("flow.end")],
                         [e["flow"].rpartition(":")[2] for e in run.events("flow.hit")])
        self.assertTrue(run.events("flow.hit")[0]["flow"].startswith(f"{THERE[V4]}:{PORT}>{HERE[V4]}:"))
        receiver.close()

    def test_path(self):
        self.cut(self.lab.there.path)

    def test_name(self):
        """As `ip netns` knows it; /run is this test's own."""
        os.makedirs("/run/netns", exist_ok=True)
        with open("/run/netns/there", "w", encoding="ascii"):
            pass
        subprocess.run(["mount", "--bind", self.lab.there.path, "/run/netns/there"], check=True)
        try:
            self.cut("there")
        finally:
            subprocess.run(["umount", "/run/netns/there"], check=True)
            os.unlink("/run/netns/there")


if __name__ == "__main__":
    unittest.main()
