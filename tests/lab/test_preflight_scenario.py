# SPDX-License-Identifier: BSD-2-Clause
"""A scenario's own checks, in runs and in `preflight`."""
import json
import os
import signal
import unittest

import lab
from asked import CLOSED, NOBODY, NO_ROUTE, OPEN, Case, at
from lab import FAMILIES, HOLD, THERE, V4, V6, name_of

SECRET = "7pence-in-the-jar"


class Checks(Case):
    def setUp(self):
        super().setUp()
        for family in FAMILIES:
            self.lab.listen(self.lab.there, family, OPEN)
        self.there = os.path.join(self.lab.folder, "there.txt")
        with open(self.there, "w", encoding="ascii") as f:
            f.write("there\n")

    def test_pass(self):
        scenario = self.scenario(
            probes={"file": {"file": self.there}, "target": {"tcp": {"target": "server"}, "timeout": "60s"}},
            preflight=[{"reachable": at(THERE[V4], OPEN), "timeout": "60s"},
                       {"reachable": at(THERE[V6], OPEN), "timeout": "60s"},
                       {"reachable": {"target": "server"}, "timeout": "60s"},
                       {"env": ["SHEARPIN_TEST_A", "SHEARPIN_TEST_B"]},
                       {"disk": "1KB", "path": "not/yet"}, {"disk": "1KB"}, {"file": self.there},
                       {"command": ["sh", "true"]}, {"probe": "file"}, {"probe": "target"}])
        environment = {"SHEARPIN_TEST_A": SECRET, "SHEARPIN_TEST_B": SECRET}
        expected = [("reachable", f"{at(THERE[V4], OPEN)} accepts connections"),
                    ("reachable", f"{at(THERE[V6], OPEN)} accepts connections"),
                    ("reachable", f"{at(THERE[V4], OPEN)} accepts connections"),
                    ("environment", "SHEARPIN_TEST_A is set"), ("environment", "SHEARPIN_TEST_B is set"),
                    ("disk", " MB are free in ."), ("disk", f" MB are free in {self.lab.folder}"),
                    ("file", f"{self.there} is there"), ("command", "sh is /"), ("command", "true is /"),
                    ("probe", "file is healthy"), ("probe", "target is healthy")]
        run = self.run_to_end(scenario, **environment)
        found = self.findings(run)
        self.assertEqual([(name, result) for name, result, _ in found], [(name, "pass") for name, _ in expected], found)
        for (_, _, detail), (_, text) in zip(found, expected):
            self.assertIn(text, detail)
        found = self.preflight(scenario, **environment)
        for name, count in (("reachable", 3), ("environment", 2), ("disk", 2), ("file", 1), ("command", 2), ("probe", 2)):
            self.assertEqual([result for result, _, _ in found[name]], ["PASS"] * count)
        self.assert_untouched(self.before)

    def test_words_that_do_not_show(self):
        """What stands in the scenario never acts on the terminal."""
        scenario = self.scenario(preflight=[{"file": "/nowhere/\x1b[31m", "hint": "one\ntwo", "level": "warn"}])
        done = self.lab.call("preflight", self.lab.write(scenario), NO_COLOR="1")
        self.assertIn("[WARN] file: /nowhere/\\033[31m: No such file or directory\n       remedy: one\\ntwo\n", done.stdout)

    def failing(self):
        """(check, its name, what is told, the remedy)"""
        return [
            ({"reachable": at(THERE[V4], CLOSED), "timeout": "60s"}, "reachable",
             f"{at(THERE[V4], CLOSED)}: connection refused (the host is there, and nothing listens", "start the service"),
            ({"reachable": at(THERE[V6], CLOSED), "timeout": "60s"}, "reachable",
             f"{at(THERE[V6], CLOSED)}: connection refused (the host is there, and nothing listens", "start the service"),
            ({"reachable": at(NOBODY[V4], OPEN), "timeout": "50ms"}, "reachable",
             f"{at(NOBODY[V4], OPEN)}: timed out after 50ms (nobody answers", "start the service"),
            ({"reachable": at(NOBODY[V6], OPEN), "timeout": "50ms"}, "reachable",
             f"{at(NOBODY[V6], OPEN)}: timed out after 50ms (nobody answers", "start the service"),
            ({"reachable": at(NO_ROUTE[V4], OPEN)}, "reachable",
             f"{at(NO_ROUTE[V4], OPEN)}: Network is unreachable (no route leads there", "start the service"),
            ({"reachable": at(NO_ROUTE[V6], OPEN)}, "reachable",
             f"{at(NO_ROUTE[V6], OPEN)}: Network is unreachable (no route leads there", "start the service"),
            ({"env": "SHEARPIN_TEST_UNSET"}, "environment", "SHEARPIN_TEST_UNSET is not set", "--preserve-env"),
            ({"env": "SHEARPIN_TEST_EMPTY"}, "environment", "SHEARPIN_TEST_EMPTY is empty", "--preserve-env"),
            ({"disk": "8000000000GB", "path": self.lab.folder}, "disk", "MB are asked for", "make room"),
            ({"file": "not/there"}, "file", "not/there: No such file or directory", "correct the path"),
            ({"command": "shearpin-no-such-program"}, "command", "shearpin-no-such-program is not along PATH", "install it"),
            ({"probe": "missing"}, "probe", "missing is not healthy: ", "see to the system"),
            ({"probe": "log"}, "probe", "log is not healthy: its log is not there", "see to the system"),
            ({"probe": "state"}, "probe", "state is not healthy: .dor is false", "see to the system"),
        ]

    def asked(self, check):
        state = os.path.join(self.lab.folder, "state.json")
        with open(state, "w", encoding="utf-8") as f:
            f.write('{"dor": false}')
        return self.scenario(preflight=[check], probes={
            "missing": {"file": "not/there", "every": "100ms"},
            "state": {"json": state, "where": ".dor", "equals": True, "every": "100ms"},
            "log": {"log": "no.log", "healthy": "up", "unhealthy": "down", "every": "100ms"}})

    def test_fail(self):
        for check, name, text, remedy in self.failing():
            with self.subTest(check=check):
                self.refused(self.asked(check), f"[FAIL] {name}: {text}" if "MB" not in text and name != "disk" else text,
                             f"remedy: {remedy}" if "--" not in remedy else remedy, "1 of the scenario's checks failed",
                             SHEARPIN_TEST_EMPTY="")
        self.refused(self.asked({"file": "not/there", "hint": "the night shift makes it"}),
                     "remedy: the night shift makes it")

    def test_all_that_fail_are_told(self):
        checks = [check for check, *_ in self.failing()]
        said = self.refused({**self.asked(checks[0]), "preflight": checks}, f"{len(checks)} of the scenario's checks failed",
                            SHEARPIN_TEST_EMPTY="")
        for _, name, text, _ in self.failing():
            self.assertIn(text, said)
        self.assertEqual(said.count(".dor is false"), 1)
        found = self.preflight({**self.asked(checks[0]), "preflight": checks}, status=3, SHEARPIN_TEST_EMPTY="")
        for _, name, text, remedy in self.failing():
            self.assertTrue([1 for result, detail, how in found[name]
                             if result == "FAIL" and text in detail and remedy in how], (name, text, found[name]))
        self.assert_untouched(self.before)

    def test_warn(self):
        checks = [{**check, "level": "warn"} for check, *_ in self.failing()] + [{"file": self.there}]
        scenario = {**self.asked(checks[0]), "preflight": checks}
        run = self.run_to_end(scenario, SHEARPIN_TEST_EMPTY="")
        self.assertEqual([result for _, result, _ in self.findings(run)], ["warn"] * (len(checks) - 1) + ["pass"])
        for (_, name, text, _), (check, _, detail) in zip(self.failing(), self.findings(run)):
            self.assertEqual(check, name)
            self.assertIn(text, detail)
            self.assertIn(f"detail={detail}", run.stdout)
        self.assertEqual(len(run.events("fault.open")), 1)
        found = self.preflight(scenario, SHEARPIN_TEST_EMPTY="")
        self.assertEqual({r for name in ("reachable", "environment", "disk", "command") for r, _, _ in found[name]}, {"WARN"})

    def test_clock(self):
        """Whether it is synchronised is this host's affair; both commands say the same of it."""
        scenario = self.scenario(preflight=[{"clock": "synchronised", "level": "warn"}])
        [(name, result, detail)] = self.findings(self.run_to_end(scenario))
        self.assertEqual(name, "clock")
        self.assertRegex(detail, "^synchronised, off by " if result == "pass" else "^not synchronised: ")
        [(shown, _, _)] = self.preflight(scenario)["clock"]
        self.assertEqual(shown, result.upper())

    def test_firewalls(self):
        """Silence, a reset and a message of a router are told apart."""
        for family, program, kind in ((V4, "iptables", "icmp-admin-prohibited"), (V6, "ip6tables", "icmp6-adm-prohibited")):
            for port, verdict in ((8001, ("DROP",)), (8002, ("REJECT", "--reject-with", "tcp-reset")),
                                  (8003, ("REJECT", "--reject-with", kind))):
                self.lab.listen(self.lab.there, family, port)
                self.lab.there.call(program, "-A", "INPUT", "-p", "tcp", "--dport", str(port), "-j", *verdict)
            with self.subTest(name_of(family)):
                address = THERE[family]
                found = self.preflight(self.scenario(preflight=[
                    {"reachable": at(address, 8001), "timeout": "100ms"}, {"reachable": at(address, 8002), "timeout": "60s"},
                    {"reachable": at(address, 8003), "timeout": "60s"}]), status=3)["reachable"]
                self.assertEqual([result for result, _, _ in found], ["FAIL"] * 3)
                self.assertIn("timed out after 100ms (nobody answers", found[0][1])
                self.assertIn("connection refused (the host is there", found[1][1])
                self.assertIn("No route to host (no route leads there, or a router or firewall says so)" if family == V4
                              else "Permission denied (a firewall, here or there, forbids it)", found[2][1])

    def test_values_of_the_environment_are_never_told(self):
        scenario = self.scenario(preflight=[{"env": ["SHEARPIN_TEST_A"]}, {"env": "SHEARPIN_TEST_MISSING", "level": "warn"}])
        metrics = os.path.join(self.lab.folder, "metrics.prom")
        scenario["steps"][0]["for"] = HOLD
        run = self.lab.run(scenario, "--metrics-file", metrics, SHEARPIN_TEST_A=SECRET)
        run.opened()
        told = [self.lab.call("status", "--json").stdout, self.lab.call("plan", self.lab.write(scenario), SHEARPIN_TEST_A=SECRET).stdout]
        for name in lab.records():
            with open(os.path.join("/run/shearpin", name), encoding="utf-8", errors="replace") as f:
                told.append(f.read())
        self.assertEqual(run.stop(), 130)
        told += [run.stdout, run.stderr, json.dumps(self.preflight(scenario, SHEARPIN_TEST_A=SECRET))]
        told.append(self.lab.call("report", run.out).stdout)
        files = [metrics] + [os.path.join(folder, name) for folder, _, names in os.walk(run.out) for name in names]
        self.assertGreater(len(files), 4)
        for path in files:
            with open(path, encoding="utf-8", errors="replace") as f:
                told.append(f.read())
        for text in told:
            self.assertNotIn(SECRET, text)
        self.assertTrue(any("SHEARPIN_TEST_A" in text for text in told))

    def test_exec_probe(self):
        """`preflight` starts programs only where that is allowed."""
        started = os.path.join(self.lab.folder, "started")
        scenario = self.scenario(probes={"program": {"exec": ["touch", started]}}, preflight=[{"probe": "program"}])
        found = self.preflight(scenario, status=3)
        self.assertEqual(found["probe"], [("FAIL", "program starts a program", "allow it: --allow-exec")])
        self.assertFalse(os.path.exists(started))
        self.assertEqual(self.preflight(scenario, "--allow-exec")["probe"], [("PASS", "program is healthy", None)])
        self.assertTrue(os.path.exists(started))
        self.refused(scenario, "--allow-exec allows")

    def test_interrupted(self):
        """While nobody answers."""
        for what in ({"preflight": [{"reachable": at(NOBODY[V4], OPEN), "timeout": "300s"}]},
                     {"preflight": [{"probe": "slow"}],
                      "probes": {"slow": {"tcp": at(NOBODY[V4], OPEN), "timeout": "300s", "every": "300s"}}},
                     {"targets": {"dead": {"proto": "tcp", "remote": NOBODY[V4], "remote_port": OPEN},
                                  "server": {"any_of": ["dead"], "timeout": "300s"}}}):
            with self.subTest(what=what):
                run = self.lab.run(self.scenario(**what))
                lab.wait_until(lambda: "SYN-SENT" in self.lab.here.call("ss", "-Htan"), "it has asked")
                run.signal(signal.SIGINT)
                self.assertEqual(run.wait(), 130, run.stderr)
                self.assertFalse(os.path.exists(run.out))
                self.assert_untouched(self.before)


if __name__ == "__main__":
    unittest.main()
