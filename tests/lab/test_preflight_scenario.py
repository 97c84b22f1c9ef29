# SPDX-License-Identifier: BSD-2-Clause
"""A scenario's own checks, in runs and in `preflight`, and targets that stand for the first of several that is reached."""
import errno
import json
import os
import signal
import socket
import unittest

import changing
import lab
from lab import DEVICE, FAMILIES, HOLD, PEER_DEVICE, THERE, V4, V6, LabTest, name_of

OPEN, CLOSED, OTHER = 7100, 7101, 7102
NOBODY = {V4: "10.77.0.99", V6: "fd77::99"}  # on the link; no host has them
NO_ROUTE = {V4: "192.0.2.9", V6: "2001:db8::9"}
SECRET = "7pence-in-the-jar"

# An /etc of its own; $PWD/hosts has the names.
NAMES = ("unshare", "--mount", "sh", "-euc",
         'mount -t tmpfs none /etc; echo "hosts: files" > /etc/nsswitch.conf; ln -s "$PWD/hosts" /etc/hosts; exec "$@"', "sh")


def at(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class Case(LabTest):
    def setUp(self):
        super().setUp()
        for address in NOBODY.values():
            self.lab.here.call("ip", "neigh", "replace", address, "lladdr", "02:00:00:00:77:99", "dev", DEVICE)
        self.before = self.lab.state()

    def scenario(self, **changes):
        scenario = {"version": 1, "name": "asked", "interface": DEVICE, "recovery": "0s",
                    "targets": {"server": {"proto": "tcp", "remote": THERE[V4], "remote_port": OPEN}},
                    "steps": [{"name": "cut", "at": "0s", "fault": {"drop": True}, "target": "server", "for": "50ms"}]}
        scenario.update(changes)
        return {key: value for key, value in scenario.items() if value is not None}

    def run_to_end(self, scenario, *words, status=0, **options):
        run = self.lab.run(scenario, *words, **options)
        self.assert_ended(run, status)
        return run

    def refused(self, scenario, *texts, **options):
        """With exit status 3, before anything was touched; returns what was said."""
        run = self.run_to_end(scenario, status=3, **options)
        for text in ("refused, nothing was touched", *texts):
            self.assertIn(text, run.stderr)
        self.assertFalse(os.path.exists(run.out))
        self.assert_untouched(self.before)
        return run.stderr

    def findings(self, run):
        return [(e["data"]["check"], e["data"]["result"], e["data"]["detail"]) for e in run.events("preflight")]

    def preflight(self, scenario, *words, status=0, **options):
        """{name: [(result, detail, remedy)]}"""
        done = self.lab.call("preflight", "--json", self.lab.write(scenario), *words, **options)
        self.assertEqual(done.status, status, done.stdout + done.stderr)
        found = {}
        for c in json.loads(done.stdout)["checks"]:
            self.assertTrue(c["remedy"] or c["result"] in ("PASS", "SKIP"), c)
            found.setdefault(c["name"], []).append((c["result"], c["detail"], c["remedy"]))
        return found


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
        ]

    def asked(self, check):
        return self.scenario(preflight=[check], probes={
            "missing": {"file": "not/there", "every": "100ms"},
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
                words = "no route leads there, or a router or firewall says so" if family == V4 else "a local firewall forbids it"
                self.assertRegex(found[2][1], f"({words}|no route leads there, or a router or firewall says so)")

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


class AnyOf(Case):
    def targets(self, **groups):
        """`front` is the first of them."""
        return {**groups, "front": {"any_of": list(groups), "timeout": "60s"}}

    def group(self, address, port, **more):
        return {"proto": "tcp", "remote": address, "remote_port": port, **more}

    def holding(self, targets, fault=None, **changes):
        return self.scenario(targets=targets, steps=[
            {"name": "cut", "at": "0s", "fault": fault or {"refuse": "tcp-reset"}, "target": "front", "for": HOLD}], **changes)

    def test_the_first_that_is_reached(self):
        for family in FAMILIES:
            address = THERE[family]
            self.lab.listen(self.lab.there, family, OPEN)
            self.lab.listen(self.lab.there, family, OTHER)
            with self.subTest(name_of(family)):
                scenario = self.holding(
                    self.targets(group1=self.group(address, CLOSED), group2=self.group(address, [CLOSED, OPEN]),
                                 group3=self.group(address, OTHER)),
                    probes={"door": {"tcp": {"target": "front"}, "every": "100ms", "timeout": "60s"}},
                    preflight=[{"probe": "door"}])
                told = f"group2 is reached ({at(address, OPEN)}); group1: {at(address, CLOSED)} connection refused"
                found = self.preflight(scenario)
                self.assertEqual(found["front"], [("PASS", told, None)])
                self.assertEqual([found["probe"][0][0], found["probe door"][0][0], found["target front"][0][0]], ["PASS"] * 3)
                run = self.lab.run(scenario)
                run.opened()
                self.assertEqual(self.findings(run), [("front", "pass", told), ("probe", "pass", "door is healthy")])
                self.assertIn(told, run.stdout)
                run.wait_event("probe.down")
                self.assertEqual(self.lab.try_connect(self.lab.here, family, OPEN), errno.ECONNREFUSED)
                self.assertEqual(self.lab.try_connect(self.lab.here, family, OTHER), 0)
                self.assertEqual(run.stop(), 130)
                plan = run.document("plan.json")
                front = next(t for t in plan["targets"] if t["name"] == "front")
                bits = 32 if family == V4 else 128
                self.assertEqual((front["remote"], front["remote_port"], front["proto"], front["any_of"]),
                                 ([f"{address}/{bits}"], [str(OPEN), str(CLOSED)], "tcp", ["group1", "group2", "group3"]))
                self.assert_untouched(self.before)

    def test_none_is_reached(self):
        scenario = self.holding(self.targets(group1=self.group(THERE[V4], CLOSED), group2=self.group(NO_ROUTE[V4], OPEN),
                                             group3=self.group(THERE[V6], CLOSED)),
                                preflight=[{"file": "not/there"}])
        told = (f"none of its alternatives is reached: group1: {at(THERE[V4], CLOSED)} connection refused; "
                f"group2: {at(NO_ROUTE[V4], OPEN)} Network is unreachable; "
                f"group3: {at(THERE[V6], CLOSED)} connection refused")
        self.refused(scenario, f"[FAIL] front: {told}", "remedy: start one of them", "[FAIL] file: not/there",
                     "2 of the scenario's checks failed")
        found = self.preflight(scenario, status=3)
        self.assertEqual([c[:2] for c in found["front"]], [("FAIL", told)])
        self.assertNotIn("policy", found)

    def test_a_timeout(self):
        scenario = self.holding(self.targets(group1=self.group(NOBODY[V4], OPEN)))
        scenario["targets"]["front"]["timeout"] = "50ms"
        self.refused(scenario, f"group1: {at(NOBODY[V4], OPEN)} timed out after 50ms")

    def test_what_is_not_picked_is_not_needed(self):
        """Neither its route, nor its owner, nor its name."""
        self.lab.listen(self.lab.there, V4, OPEN)
        with open(os.path.join(self.lab.folder, "hosts"), "w", encoding="ascii") as f:
            f.write("127.0.0.1 localhost\n")
        named = {"proto": "tcp", "host": "nowhere.test", "remote_port": OPEN}
        for other, told in ((self.group(NO_ROUTE[V4], OPEN), "Network is unreachable"),
                            (self.group(THERE[V4], CLOSED, cgroup="/shearpin-no-such-cgroup"), "connection refused"),
                            (named, "nowhere.test has no address")):
            with self.subTest(told):
                scenario = self.holding(self.targets(group1=other, group2=self.group(THERE[V4], OPEN)), interface=None)
                found = self.preflight(scenario, wrapper=NAMES)
                self.assertEqual(found["front"][0][0], "PASS")
                run = self.lab.run(scenario, wrapper=NAMES)
                run.opened()
                self.assertIn(told, self.findings(run)[0][2])
                self.assertEqual(self.lab.try_connect(self.lab.here, V4, OPEN), errno.ECONNREFUSED)
                self.assertEqual(run.stop(), 130)
                self.assert_untouched(self.before)

    def test_names_are_followed(self):
        """What the name of the picked one gains later, the target gains."""
        hosts = os.path.join(self.lab.folder, "hosts")

        def put(*addresses):
            with open(hosts + ".new", "w", encoding="ascii") as f:
                f.write("".join(f"{address} api.test\n" for address in addresses))
            os.rename(hosts + ".new", hosts)

        second = "10.77.0.3"
        self.lab.there.call("ip", "addr", "add", f"{second}/24", "dev", PEER_DEVICE)
        listener = self.lab.keep(self.lab.there.socket(V4, lab.TCP))
        listener.bind(("", OPEN))
        listener.listen(64)
        put(THERE[V4])
        scenario = self.holding(self.targets(group1=self.group(THERE[V4], CLOSED),
                                             group2={"proto": "tcp", "host": "api.test", "remote_port": OPEN}))
        run = self.lab.run(scenario, wrapper=NAMES)
        run.opened()
        put(THERE[V4], second)
        lab.wait_until(lambda: [e for e in run.events("target.resolved")
                                if e["target"] == "front" and e["data"]["added"] == [second]], "it has joined")
        self.assertEqual(self.connect(second), errno.ECONNREFUSED)
        self.assertEqual(run.stop(), 130)
        self.assertEqual(self.lab.call("verify", run.out).status, 0)

    def connect(self, address):
        with self.lab.here.socket(V4, lab.TCP) as s:
            s.settimeout(lab.PATIENCE_S)
            return s.connect_ex((address, OPEN))

    def test_hooks_are_chosen_by_what_is_picked(self):
        """One direction, and an owner whom XDP does not see."""
        self.lab.listen(self.lab.there, V4, OPEN)
        for more, hooks in (({"direction": "in"}, ["xdp"]), ({"direction": "out"}, ["tc-egress"]),
                            ({"direction": "in", "cgroup": "/"}, ["tc-ingress"])):
            with self.subTest(more=more):
                scenario = self.scenario(targets=self.targets(group=self.group(THERE[V4], OPEN, **more)))
                scenario["steps"][0]["target"] = "front"
                if "cgroup" in more:
                    more["cgroup"] = changing.own_cgroup() if hasattr(changing, "own_cgroup") else "/"
                run = self.run_to_end(scenario, "--hook", "xdp")
                self.assertEqual([h["hook"] for h in run.document("plan.json")["rules"][0]["hooks"]], hooks)

    def test_policy(self):
        """What is picked must be allowed, and so must what could have been."""
        self.lab.listen(self.lab.there, V4, OPEN)
        path = self.lab.write({"version": 1, "forbid": ["192.0.2.0/24"]}, "policy.yaml")
        self.run_to_end(self.scenario(targets=self.targets(server=self.group(THERE[V4], OPEN))), "--policy", path)
        scenario = self.holding(self.targets(group1=self.group(NO_ROUTE[V4], OPEN), group2=self.group(THERE[V4], OPEN)))
        run = self.run_to_end(scenario, "--policy", path, status=3)
        self.assertIn("192.0.2.9/32 overlaps the forbidden 192.0.2.0/24", run.stderr)
        self.assert_untouched(self.before)

    def test_plan(self):
        scenario = self.holding(self.targets(group1=self.group(THERE[V4], CLOSED), group2=self.group(THERE[V4], OPEN)))
        done = self.lab.call("plan", self.lab.write(scenario))
        self.assertEqual(done.status, 0, done.stderr)
        self.assertRegex(done.stdout, r"front +the first that accepts a connection within 1m: group1, group2\n")


class Needs(Case):
    """What `preflight` finds out about changes and offloads."""

    def setUp(self):
        super().setUp()
        os.mkdir(os.path.join(self.lab.folder, "var"))
        self.lab.listen(self.lab.there, V4, OPEN)

    def preflight(self, *words, **options):
        return super().preflight(*words, wrapper=changing.WRAPPER, **options)

    def step(self, **what):
        return [{"name": "change", "at": "0s", **what}]

    def test_changes(self):
        path = os.path.join(self.lab.folder, "state", "state.json")
        file = self.scenario(steps=self.step(file={"path": path, "truncate": "0B"}))
        found = self.preflight(file, status=3)
        self.assertEqual(found["changes"][0][0], "FAIL")
        self.assertIn(path, found["changes"][0][1])
        os.mkdir(os.path.dirname(path))
        with open(path, "w", encoding="ascii") as f:
            f.write("{}")
        found = self.preflight(file)
        self.assertEqual(found["changes"], [("PASS", "as far as can be told, the 1 step can be done", None)])
        self.assertEqual(found["undo journal"][0][0], "PASS")
        with open(path, encoding="ascii") as f:
            self.assertEqual(f.read(), "{}")

    def test_link(self):
        self.lab.here.call("ip", "link", "add", "spare0", "type", "veth", "peer", "name", "spare1")
        self.lab.here.call("ip", "link", "set", "spare0", "up")
        found = self.preflight(self.scenario(steps=self.step(link="spare0", **{"for": "1s"})))
        self.assertEqual(found["changes"][0][0], "PASS")
        found = self.preflight(self.scenario(steps=self.step(link="spare9", **{"for": "1s"})), status=3)
        self.assertEqual(found["changes"][0][0], "FAIL")
        self.assertIn("spare9", found["changes"][0][1])

    def test_link_of_the_operator(self):
        found = self.preflight(self.scenario(steps=self.step(link=DEVICE, **{"for": "1s"})), "--protect", THERE[V4],
                               status=3)
        self.assertIn(("FAIL", "name another interface, or come in another way"),
                      [(result, remedy) for result, _, remedy in found["changes"]])

    def test_offloads_that_merge_segments(self):
        self.lab.here.call("ethtool", "-K", DEVICE, "gro", "on", "gso", "on", "tso", "on")
        target = {"proto": "tcp", "remote": THERE[V4], "remote_port": OPEN}

        def look(fault, *words, **more):
            return self.preflight(self.scenario(
                targets={"server": {**target, **more}},
                steps=[{"name": "bad", "at": "0s", "fault": fault, "target": "server", "for": "1s"}]), *words).get("offloads")

        [(result, detail, remedy)] = look({"loss": "5%"})
        self.assertEqual(result, "WARN")
        self.assertIn("(gro, tso, gso)", detail)
        self.assertIn(f"ethtool -K {DEVICE} gro off tso off gso off", remedy)
        self.assertIn("(gro)", look({"corrupt": "5%"}, direction="in")[0][1])
        self.assertIn("(tso, gso)", look({"reorder": "5%", "delay": "10ms"}, direction="out")[0][1])
        self.assertIsNone(look({"drop": True}))
        self.assertIsNone(look({"loss": "5%"}, proto="udp"))
        [(result, detail, remedy)] = look({"drop": True}, "--hook", "xdp")
        self.assertEqual(result, "WARN")
        self.assertIn("takes GSO from its peer", detail)
        self.assertIn("leave --hook xdp away", remedy)
        self.lab.here.call("ethtool", "-K", DEVICE, "gro", "off", "gso", "off", "tso", "off")
        self.assertIsNone(look({"loss": "5%"}))


if __name__ == "__main__":
    unittest.main()
