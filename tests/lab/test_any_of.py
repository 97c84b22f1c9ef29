# SPDX-License-Identifier: BSD-2-Clause
"""Targets that stand for the first of several that is reached."""
import errno
import os
import unittest

import cgroups
import lab
from asked import CLOSED, NOBODY, NO_ROUTE, OPEN, OTHER, Case, at
from lab import FAMILIES, HOLD, PEER_DEVICE, THERE, V4, V6, name_of

# An /etc of its own; $PWD/hosts has the names.
NAMES = ("unshare", "--mount", "sh", "-euc",
         'mount -t tmpfs none /etc; echo "hosts: files" > /etc/nsswitch.conf; '
         'echo "multi on" > /etc/host.conf; ln -s "$PWD/hosts" /etc/hosts; exec "$@"', "sh")


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
        group = cgroups.Group()
        self.addCleanup(group.close)
        for more, hooks in (({"direction": "in"}, ["xdp"]), ({"direction": "out"}, ["tc-egress"]),
                            ({"direction": "in", "cgroup": group.path}, ["tc-ingress"])):
            with self.subTest(more=more):
                scenario = self.scenario(targets=self.targets(group=self.group(THERE[V4], OPEN, **more)))
                scenario["steps"][0]["target"] = "front"
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


if __name__ == "__main__":
    unittest.main()
