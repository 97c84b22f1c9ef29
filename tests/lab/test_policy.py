# SPDX-License-Identifier: BSD-2-Clause
"""Policies: what they refuse, that a refusal touches nothing, and that the host's own always counts."""
import errno
import os
import unittest

from lab import DEVICE, HERE, THERE, V4, V6, LabTest

PORT = 4000
ETC = "/etc/shearpin/policy.yaml"
# An /etc of its own, so that the machine's policy has no say here. The first argument is a script that fills it.
PLACE_AND_RUN = 'mount -t tmpfs none /etc; mkdir /etc/shearpin; eval "$1"; shift; exec "$@"'
NOTHING = ":"


def policy(*lines):
    return "\n".join(("version: 1", *lines, ""))


class PolicyTest(LabTest):
    def setUp(self):
        super().setUp()
        self.before = self.lab.state()
        self.policies = 0

    def place(self, script):
        return ("unshare", "--mount", "sh", "-euc", PLACE_AND_RUN, "sh", script)

    def host(self, text):
        """A wrapper that makes this the host's policy."""
        return self.place(f"cp '{self.write(text)}' {ETC}")

    def write(self, text):
        self.policies += 1
        return self.lab.write(text, f"policy{self.policies}.yaml")

    def with_policies(self, texts):
        """--policy options, and the files that they name."""
        paths = [self.write(text) for text in texts]
        return [word for path in paths for word in ("--policy", path)], paths

    def start(self, texts, *words, wrapper=None, **options):
        """A fault for PORT of the other side, unless the words say otherwise, under policies."""
        given, self.paths = self.with_policies(texts)
        words = words or ("--remote", THERE[V4])
        return self.lab.inject("refuse=tcp-reset", "--proto", "tcp", "--remote-port", str(PORT), *words, *given,
                               *(() if "--for" in words else ("--for", "300s")),
                               wrapper=wrapper or self.place(NOTHING), **options)

    def assert_refused(self, run, *expected):
        status = run.wait()
        self.assertEqual((status, run.stdout), (3, ""), run.stderr)
        for text in expected:
            self.assertIn(text, run.stderr)
        self.assertIn("refused, nothing was touched", run.stderr)
        self.assertFalse(os.path.exists(run.out))
        self.assert_untouched(self.before)

    def assert_refuses(self, text, expected, *words, **options):
        run = self.start([text], *words, **options)
        self.assert_refused(run, f"{self.paths[0]}:{expected}")

    def assert_acts(self, run):
        run.opened()
        self.lab.listen(self.lab.there, V4, PORT)
        self.assert_errno(self.lab.try_connect(self.lab.here, V4, PORT), errno.ECONNREFUSED)
        self.assertEqual(run.stop(), 130)
        self.assert_errno(self.lab.try_connect(self.lab.here, V4, PORT), 0)
        self.assert_untouched(self.before)


class Rules(PolicyTest):
    def test_a_policy_that_is_kept(self):
        self.assert_acts(self.start([policy("interfaces: [eth0, \"test*\"]", "allow: [10.77.0.0/24, \"fd77::/64\"]",
                                            "forbid: [10.77.0.3, 10.78.0.0/16]", "longest_window: 300s",
                                            "protect: [10.77.0.9, \"[fd77::9]:22\"]")]))

    def test_interface_of_the_command_line(self):
        self.assert_refuses(policy("interfaces: [eth0, \"tes?\"]"),
                            f"2: the run acts on {DEVICE}, which is not among the `interfaces`")

    def test_interface_of_the_route(self):
        self.assert_refuses(policy("interfaces: eth0"),
                            f"2: the run acts on {DEVICE}, which is not among the `interfaces`", interface=None)

    def test_outside_what_is_allowed(self):
        self.assert_refuses(policy("allow:", "  - 10.77.0.0/31", "  - \"fd77::/64\""),
                            "2: target target: 10.77.0.2/32 is not within any prefix of `allow`")

    def test_a_wider_prefix_than_allowed(self):
        self.assert_refuses(policy("allow: \"fd77::/64\""),
                            "2: target target: fd77::/63 is not within any prefix of `allow`",
                            "--remote", f"{THERE[V6]},fd77::/63")

    def test_forbidden(self):
        self.assert_refuses(policy("forbid:", "  - 10.76.0.0/16", "  - 10.77.0.2"),
                            "4: target target: 10.77.0.0/24 overlaps the forbidden 10.77.0.2/32",
                            "--remote", "10.77.0.0/24")

    def test_ports_alone_are_every_address(self):
        for rule, expected in (("allow: 0.0.0.0/0", "2: target target names no remote address"),
                               ("forbid: 192.0.2.0/24", "the forbidden 192.0.2.0/24 too")):
            with self.subTest(rule):
                run = self.start([policy(rule)], "--local-port", "4001")
                self.assert_refused(run, f"{self.paths[0]}:2: ", expected)

    def test_longest_window(self):
        self.assert_refuses(policy("longest_window: 299s"),
                            "2: step refuse: a window of 5m, the longest is 4m59s")

    def test_windows_without_a_gap(self):
        self.assert_refuses(policy("longest_window: 60s"),
                            "2: step refuse: 3 windows without a gap between them last 1m30s",
                            "--remote", THERE[V4], "--for", "30s", "--repeat", "3/30s")

    def test_protected(self):
        self.assert_refuses(policy("protect:", "  - 10.77.0.9", f"  - {THERE[V4]}:{PORT}"),
                            f"4 protects, traffic with {THERE[V4]} port {PORT}")

    def test_protected_beside_the_option(self):
        run = self.start([policy("protect: 10.77.0.9")], "--remote", THERE[V4], "--protect", THERE[V4])
        self.assert_refused(run, f"--protect with {THERE[V4]}")

    def test_a_scenario_names_its_lines(self):
        scenario = "\n".join((
            "version: 1", "name: t", f"interface: {DEVICE}",
            "targets:",
            f"  front: {{proto: tcp, remote: {THERE[V4]}}}",
            f"  unused: {{proto: tcp, remote: {HERE[V4]}}}",
            "steps:",
            "  - {name: first, at: 0s, fault: {drop: true}, target: front, for: 1s}",
            "  - {name: second, at: 5s, fault: {drop: true}, target: front, for: 3s}", ""))
        for rule, expected in (("forbid: 10.77.0.1", "target unused (line 6 of the scenario): 10.77.0.1/32 overlaps"),
                               ("longest_window: 2s", "step second (line 9 of the scenario): a window of 3s")):
            with self.subTest(rule):
                given, paths = self.with_policies([policy(rule)])
                run = self.lab.run(scenario, *given, wrapper=self.place(NOTHING))
                self.assert_refused(run, f"{paths[0]}:2: {expected}")


class Broken(PolicyTest):
    def test_every_mistake_is_told(self):
        run = self.start(["version: 1\nforbit: 10.0.0.0/8\nlongest_window: 60\n"])
        path = self.paths[0]
        self.assert_refused(run, "a broken policy allows no run",
                            f"{path}:2:1: unknown key of a policy `forbit`, did you mean `forbid`?\n",
                            f"{path}:3:17: 60 is no duration, expected ")

    def test_of_several_files(self):
        run = self.start([policy("forbid: x"), policy(), policy("allow: y")], "--json", "--remote", THERE[V4])
        self.assert_refused(run, f"{self.paths[0]}:2:9: x is no address", f"{self.paths[2]}:2:8: y is no address")

    def test_a_file_that_is_missing(self):
        missing = os.path.join(self.lab.folder, "missing.yaml")
        run = self.start([], "--remote", THERE[V4], "--policy", missing)
        self.assert_refused(run, f"{missing}: cannot be read: No such file or directory")


class Host(PolicyTest):
    def test_it_counts(self):
        run = self.start([], wrapper=self.host(policy("forbid: 10.77.0.0/16")))
        self.assert_refused(run, f"{ETC}:2: target target: {THERE[V4]}/32 overlaps the forbidden 10.77.0.0/16")

    def test_it_counts_in_a_namespace(self):
        """--netns changes the network, not whose host this is."""
        run = self.start([], "--remote", THERE[V4], "--netns", self.lab.here.path,
                         wrapper=self.host(policy("interfaces: eth0")))
        self.assert_refused(run, f"{ETC}:2: the run acts on {DEVICE}")

    def test_no_option_widens_it(self):
        run = self.start([policy("allow: 0.0.0.0/0")], wrapper=self.host(policy("allow: 10.78.0.0/16")))
        self.assert_refused(run, f"{ETC}:2: ")

    def test_an_option_narrows_it(self):
        run = self.start([policy("allow: 10.77.0.0/24"), policy("allow: 10.78.0.0/16")],
                         wrapper=self.host(policy("allow: 10.0.0.0/8")))
        self.assert_refused(run, f"{self.paths[1]}:2: ")

    def test_what_it_protects(self):
        run = self.start([], wrapper=self.host(policy("", "protect: " + THERE[V4])))
        self.assert_refused(run, f"rule 0 (step refuse, target target) would hit what {ETC}:3 protects, "
                                 f"traffic with {THERE[V4]};")

    def test_kept(self):
        self.assert_acts(self.start([], wrapper=self.host(policy("allow: 10.77.0.0/24"))))

    def test_none(self):
        self.assert_acts(self.start([]))

    def test_broken(self):
        for script, expected in (
                (f"echo 'version: 2' > {ETC}", f"{ETC}:1:10: 2 is no known version, expected 1"),
                (f": > {ETC}", f"{ETC}:1:1: the file is empty"),
                (f"mkdir {ETC}", f"{ETC}: cannot be read: Is a directory"),
                (f"ln -s /nowhere {ETC}", f"{ETC}: cannot be read: No such file or directory"),
                ("rmdir /etc/shearpin; : > /etc/shearpin", f"{ETC}: cannot be read: Not a directory")):
            with self.subTest(script):
                run = self.start([policy()], wrapper=self.place(script))
                self.assert_refused(run, expected, "a broken policy allows no run")


class Usage(PolicyTest):
    def test_help(self):
        for command in ("run", "inject"):
            done = self.lab.call(command, "--help")
            self.assertEqual((done.status, done.stderr), (0, ""))
            self.assertIn("--policy FILE", done.stdout)

    def test_mistakes_in_the_scenario_come_first(self):
        given, _ = self.with_policies([policy("forbid: x")])
        done = self.lab.call("inject", "drop", "--for", "1", "--remote", THERE[V4], *given)
        self.assertEqual(done.status, 2)
        self.assertNotIn("policy", done.stderr)


if __name__ == "__main__":
    unittest.main()
