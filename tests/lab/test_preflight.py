# SPDX-License-Identifier: BSD-2-Clause
"""`preflight`: what it finds in good and bad hosts and scenarios, and that it touches nothing."""
import ctypes
import json
import os
import re
import struct
import unittest

import lab
from lab import ATTACH_TCX_INGRESS, ATTACH_XDP, DEVICE, HERE, THERE, V4, V6

PORT = 7000
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
LINE = re.compile(r"\[(PASS|WARN|FAIL|SKIP)\] ([^:]+): (.+)")
HOST_CHECKS = ["root", "capabilities", "kernel", "BTF", "BPF JIT", "ring buffer", "bpf_loop", "tc programs",
               "idle connections", "XDP", "delay line (user space)",
               "delay line (in the kernel)", "memory", "limits", "run directory", "other runs"]

BPF_PROG_LOAD, BPF_LINK_CREATE = 5, 28
PROG_TYPE_SCHED_CLS, PROG_TYPE_XDP = 3, 6
XDP_PASS, TCX_NEXT = 2, -1
XDP_FLAGS_SKB_MODE = 2


def attach_program(kind, where, interface, result, flags=0):
    """A program that only returns `result`, on an interface as long as the two descriptors live."""
    instructions = struct.pack("BBhi", 0xb7, 0, 0, result) + struct.pack("BBhi", 0x95, 0, 0, 0)
    code = ctypes.create_string_buffer(instructions, len(instructions))
    licence = ctypes.create_string_buffer(b"GPL")
    program, _ = lab.bpf(BPF_PROG_LOAD, struct.pack("IIQQIIQII16s", kind, 2, ctypes.addressof(code),
                                                    ctypes.addressof(licence), 0, 0, 0, 0, 0, b"neighbour"))
    lab.check(program)
    link, _ = lab.bpf(BPF_LINK_CREATE, struct.pack("IIII", program, interface, where, flags))
    lab.check(link)
    return program, link


class PreflightTest(lab.LabTest):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.lab.call, "clear")

    def scenario(self, **changes):
        scenario = {"version": 1, "name": "flight", "interface": DEVICE, "baseline": "1s",
                    "targets": {"server": {"proto": "tcp", "remote": THERE[V4], "remote_port": PORT}},
                    "probes": {"server": {"tcp": f"{THERE[V4]}:{PORT}", "every": "100ms", "timeout": "60s"}},
                    "steps": [{"name": "cut", "at": "0s", "fault": {"reset": "both"}, "target": "server",
                               "for": "1s"}]}
        scenario.update(changes)
        return self.lab.write({key: value for key, value in scenario.items() if value is not None})

    def checks(self, *words, status, **options):
        """[(name, result, detail, remedy)]; every check that is no PASS or SKIP has a remedy."""
        done = self.lab.call("preflight", "--json", *words, **options)
        self.assertEqual(done.status, status, done.stdout + done.stderr)
        document = json.loads(done.stdout)
        self.assertEqual(document["ok"], status == 0)
        found = [(c["name"], c["result"], c["detail"], c["remedy"]) for c in document["checks"]]
        for name, result, detail, remedy in found:
            if result in ("WARN", "FAIL"):
                self.assertTrue(remedy, f"{name}: {detail}")
        return found

    def bad(self, *words, status=3, **options):
        """Those that are no PASS."""
        return [c for c in self.checks(*words, status=status, **options) if c[1] != "PASS"]

    def assert_one(self, found, name, result, *texts):
        self.assertEqual([c[:2] for c in found], [(name, result)], found)
        for text in texts:
            self.assertIn(text, found[0][2] + "\n" + found[0][3])


class Host(PreflightTest):
    def test_this_host(self):
        before = self.lab.state()
        found = self.checks(status=0)
        self.assertEqual([c[0] for c in found], HOST_CHECKS)
        for name, result, detail, _ in found:
            if name != "other runs":
                self.assertEqual(result, "PASS", f"{name}: {detail}")
        self.assert_untouched(before)

    def test_lines(self):
        done = self.lab.call("preflight")
        *lines, summary = done.stdout.splitlines()
        self.assertEqual([LINE.fullmatch(line).group(2) for line in lines], HOST_CHECKS)
        self.assertEqual(summary, "16 passed, 0 warned, 0 failed, 0 skipped: ready")
        self.assertEqual(done.stderr, "")

    def test_clsact_can_be_asked_for(self):
        detail = {c[0]: c[2] for c in self.checks("--attach", "clsact", status=0)}["tc programs"]
        self.assertIn("clsact; after a kill an inert stub stays until the next start or `shearpin clear`", detail)

    def test_without_root(self):
        found = {c[0]: c for c in self.checks(status=3, wrapper=NOBODY)}
        self.assertEqual(found["root"][1], "FAIL")
        self.assertIn("sudo", found["root"][3])
        self.assertEqual(found["capabilities"][1], "FAIL")
        self.assertIn("CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_NET_RAW missing", found["capabilities"][2])
        self.assertEqual({found[name][1] for name in ("kernel", "BTF", "memory")}, {"PASS"})
        self.assertEqual({found[name][1] for name in ("BPF JIT", "ring buffer", "bpf_loop", "programs")}, {"SKIP"})

    def test_root_without_capabilities(self):
        found = {c[0]: c for c in self.checks(
            status=3, wrapper=("setpriv", "--bounding-set=-net_admin,-net_raw,-sys_admin,-bpf",
                               "--inh-caps=-net_admin,-net_raw,-sys_admin,-bpf"))}
        self.assertEqual(found["root"][1], "PASS")
        self.assertEqual(found["capabilities"][1:3], ("FAIL", "CAP_BPF, CAP_NET_ADMIN, CAP_NET_RAW missing"))
        self.assertEqual({found[name][1] for name in ("BPF JIT", "tc programs")}, {"FAIL"})

    def test_file_size_limit(self):
        [found] = self.bad(wrapper=("prlimit", "--fsize=1000000"), status=0)
        self.assertEqual(found[:2], ("limits", "WARN"))
        self.assertIn("no larger than 1000000 bytes", found[2])

    def test_full_disk(self):
        where = os.path.join(self.lab.folder, "small")
        os.mkdir(where)
        lab.mount("tmpfs", where, "size=64k")
        self.addCleanup(lab.libc.umount2, where.encode(), 2)
        self.assert_one(self.bad(wrapper=("env", "-C", where)), "run directory", "FAIL", "0 MiB free", "--out")

    def test_no_place_for_records(self):
        self.assert_one(self.bad(wrapper=("unshare", "-m", "sh", "-c", 'mount -t tmpfs -o ro none /run && exec "$@"', "sh")),
                        "other runs", "FAIL", "can't be recorded in /run/shearpin: Read-only file system", "mount")

    def test_dead_run(self):
        run = self.lab.inject("drop", "--for", lab.HOLD, "--remote", THERE[V4])
        run.opened()
        run.kill()
        self.assert_one(self.bad(status=0), "other runs", "WARN", "1 was killed", "shearpin clear")

    def test_usage(self):
        for words in (("--interface", "x"), ("--set", "a=b"), ("--hook", "tx"), ("--attach", "glue"), ("a", "b")):
            done = self.lab.call("preflight", *words)
            self.assertEqual((done.status, done.stdout), (2, ""), words)
            self.assertIn("Usage: shearpin preflight", done.stderr)


class Scenario(PreflightTest):
    def setUp(self):
        super().setUp()
        self.listener = self.lab.listen(self.lab.there, V4, PORT)

    def test_good(self):
        before = self.lab.state()
        found = self.checks(self.scenario(), status=0)
        self.assertEqual([c[0] for c in found], HOST_CHECKS + [
            "scenario", DEVICE, "target server", "policy", "rules", "operator's flows", "probe server"])
        self.assertEqual({c[1] for c in found}, {"PASS"}, found)
        self.assertIn("1 steps, 1 rules, 1 windows", found[len(HOST_CHECKS)][2])
        self.assert_untouched(before)

    def test_routes_decide_on_the_interface(self):
        self.assertIn((DEVICE, "PASS"), [c[:2] for c in self.checks(self.scenario(interface=None), status=0)])

    def test_mistakes(self):
        path = self.scenario(stepz=[])
        for wrapper in ((), NOBODY):
            done = self.lab.call("preflight", path, wrapper=wrapper)
            self.assertEqual((done.status, done.stdout), (2, ""))
            self.assertRegex(done.stderr, rf"{re.escape(path)}:\d+:\d+: .*stepz")

    def test_no_such_file(self):
        done = self.lab.call("preflight", "missing.yaml")
        self.assertEqual((done.status, done.stdout), (2, ""))
        self.assertIn("missing.yaml", done.stderr)

    def test_variables(self):
        path = self.scenario(vars={"port": PORT + 1}, probes={
            "server": {"tcp": f"{THERE[V4]}:$(port)", "every": "100ms", "timeout": "60s"}})
        self.assert_one(self.bad(path), "probe server", "FAIL", f"{THERE[V4]}:{PORT + 1} connection refused")
        self.assertEqual(self.bad(path, "--set", f"port={PORT}", status=0), [])

    def test_missing_interface(self):
        found = self.bad(self.scenario(), "--interface", "wan9")
        self.assertEqual([c[:2] for c in found], [
            ("wan9", "FAIL"), ("target server", "WARN"), ("rules", "SKIP"), ("operator's flows", "SKIP")])
        self.assertEqual(found[0][2:], ("there is no such interface here",
                                        "`ip link` lists the interfaces there are; --interface names another"))

    def test_interface_that_is_down(self):
        self.lab.here.call("ip", "link", "add", "spare0", "type", "veth", "peer", "name", "spare1")
        path = self.scenario(interface=[DEVICE, "spare0"])
        self.assert_one(self.bad(path, status=0), "spare0", "WARN", "is down", "ip link set spare0 up")

    def test_interface_without_carrier(self):
        self.lab.here.call("ip", "link", "add", "spare0", "type", "veth", "peer", "name", "spare1")
        self.lab.here.call("ip", "link", "set", "spare0", "up")
        path = self.scenario(interface=[DEVICE, "spare0"])
        self.assert_one(self.bad(path, status=0), "spare0", "WARN", "no carrier")

    def test_interface_that_is_no_ethernet(self):
        self.lab.here.call("ip", "tuntap", "add", "dev", "point0", "mode", "tun")
        found = self.bad(self.scenario(interface=[DEVICE, "point0"]))
        self.assert_one(found[:1], "point0", "FAIL", "no Ethernet")

    def test_interface_of_another_run(self):
        run = self.lab.inject("drop", "--for", lab.HOLD, "--proto", "udp", "--remote", THERE[V4])
        run.opened()
        found = self.bad(self.scenario())
        self.assertIn(("other runs", "WARN"), [c[:2] for c in found])
        self.assertIn((DEVICE, "FAIL", "another run has this interface"), [c[:3] for c in found])
        self.assertEqual(run.stop(), 130)
        self.assertEqual(self.bad(self.scenario(), status=0), [])

    def test_no_route(self):
        targets = {"server": {"proto": "tcp", "remote": "192.0.2.9", "remote_port": PORT}}
        self.assert_one(self.bad(self.scenario(targets=targets)), "target server", "FAIL",
                        "no route to 192.0.2.9/32: Network is unreachable")
        found = self.bad(self.scenario(targets=targets, interface=None))
        self.assertEqual([c[:2] for c in found], [
            ("interfaces", "FAIL"), ("rules", "SKIP"), ("operator's flows", "SKIP")])
        self.assertIn("no route to 192.0.2.9", found[0][2])

    def test_owners(self):
        targets = {"server": {"proto": "tcp", "remote": THERE[V4], "remote_port": PORT}, "owner": {}}
        steps = [{"name": "slow", "at": "0s", "fault": {"drop": True}, "target": ["server", "owner"], "for": "1s"}]
        for owner, message in (({"pid": 4194304}, "the target owner: there is no process 4194304"),
                               ({"cgroup": "/shearpin-no-such-cgroup"}, "/shearpin-no-such-cgroup")):
            targets["owner"] = owner
            found = self.bad(self.scenario(targets=targets, steps=steps))
            self.assertEqual([c[:2] for c in found], [("owners", "FAIL"), ("operator's flows", "SKIP")])
            self.assertIn(message, found[0][2])

    def test_responder(self):
        answer = {"status": 503}
        step = {"name": "busy", "at": "0s", "fault": {"answer": answer}, "target": "server", "for": "1s"}
        found = self.checks(self.scenario(steps=[step]), status=0)
        self.assertIn(("responder", "PASS"), [c[:2] for c in found])
        answer.update(certificate="missing.pem", key="missing.key")
        found = self.bad(self.scenario(steps=[step]))
        self.assert_one(found, "responder", "FAIL", "missing.pem: No such file or directory")

    def test_route_through_another_interface(self):
        self.lab.here.call("ip", "link", "add", "side0", "type", "veth", "peer", "name", "side1")
        for device in ("side0", "side1"):
            self.lab.here.call("ip", "link", "set", device, "up")
        self.lab.here.call("ip", "route", "add", "192.0.2.0/24", "dev", "side0")
        targets = {"server": {"proto": "tcp", "remote": "192.0.2.9", "remote_port": PORT}}
        self.assert_one(self.bad(self.scenario(targets=targets), status=0), "target server", "WARN",
                        "packets to 192.0.2.9/32 leave through side0, where no rule of it acts")

    def test_namespace(self):
        path = self.scenario()
        elsewhere = ("nsenter", f"--net={self.lab.there.path}")
        self.assertEqual(self.bad(path, "--netns", self.lab.here.path, wrapper=elsewhere, status=0), [])
        self.assertIn((DEVICE, "FAIL"), [c[:2] for c in self.bad(path, wrapper=elsewhere)])
        done = self.lab.call("preflight", path, "--netns", "nowhere")
        self.assertEqual(done.status, 2)
        self.assertIn("nowhere", done.stderr)

    def test_without_root(self):
        path = self.scenario()
        found = {c[0]: c for c in self.checks(path, status=3, wrapper=NOBODY)}
        self.assertEqual({found[name][1] for name in ("scenario", "target server", "probe server")}, {"PASS"})
        self.assertEqual({found[name][1] for name in ("rules", "operator's flows")}, {"SKIP"})
        found = {c[0]: c for c in self.checks(path, "--netns", self.lab.here.path, status=3, wrapper=NOBODY)}
        self.assertEqual(found["network namespace"][1], "SKIP")


class Probes(PreflightTest):
    def probe(self, address, baseline="1s", timeout="60s"):
        return self.scenario(baseline=baseline, probes={"server": {"tcp": address, "timeout": timeout}})

    def test_refused(self):
        for family, address in ((V4, f"{THERE[V4]}:{PORT}"), (V6, f"[{THERE[V6]}]:{PORT}")):
            with self.subTest(lab.name_of(family)):
                self.assert_one(self.bad(self.probe(address)), "probe server", "FAIL",
                                f"{address} connection refused: the host answers, but nothing listens on the port",
                                "start the service, or correct the port")

    def test_timed_out(self):
        """Nobody forwards what goes to this address."""
        self.lab.here.call("ip", "neigh", "replace", "10.77.0.99", "lladdr", "02:00:00:00:77:99", "dev", DEVICE)
        self.assert_one(self.bad(self.probe(f"10.77.0.99:{PORT}", timeout="300ms")), "probe server", "FAIL",
                        f"10.77.0.99:{PORT} timed out: the host is down, a firewall drops the packets",
                        "ping the host")

    def test_unreachable(self):
        self.assert_one(self.bad(self.probe(f"192.0.2.9:{PORT}")), "probe server", "FAIL",
                        f"192.0.2.9:{PORT} unreachable", "ip route get")

    def test_without_a_baseline_it_is_a_warning(self):
        self.assert_one(self.bad(self.probe(f"{THERE[V4]}:{PORT}", baseline="0s"), status=0), "probe server", "WARN",
                        "connection refused")

    def test_side_by_side(self):
        self.lab.here.call("ip", "neigh", "replace", "10.77.0.99", "lladdr", "02:00:00:00:77:99", "dev", DEVICE)
        self.lab.listen(self.lab.there, V4, PORT)
        probes = {f"dead{i}": {"tcp": f"10.77.0.99:{PORT + i}", "timeout": "1s"} for i in range(50)}
        probes["alive"] = {"tcp": f"{THERE[V4]}:{PORT}", "timeout": "60s"}
        started = lab.now_ns()
        found = self.bad(self.scenario(probes=probes))
        self.assertEqual(len(found), 50)
        self.assertLess(lab.now_ns() - started, 50 * 10**9, "one after the other they take no less")

    def test_none(self):
        self.assert_one(self.bad(self.scenario(probes=None, baseline=None), status=0), "probes", "WARN",
                        "the scenario has none")


class Others(PreflightTest):
    def setUp(self):
        super().setUp()
        self.lab.listen(self.lab.there, V4, PORT)

    def attach(self, *arguments):
        with self.lab.here:
            index = dict((name, number) for number, name in lab.socket.if_nameindex())[DEVICE]
            fds = attach_program(*arguments[:2], index, *arguments[2:])
        for fd in fds:
            self.addCleanup(os.close, fd)

    def test_xdp(self):
        self.attach(PROG_TYPE_XDP, ATTACH_XDP, XDP_PASS, XDP_FLAGS_SKB_MODE)
        before = self.lab.attached()
        self.assert_one(self.bad(self.scenario(), status=0), DEVICE, "WARN",
                        "another's XDP program, neighbour, sees packets before shearpin")
        self.assertEqual(self.lab.attached(), before)

    def test_tcx(self):
        try:
            self.attach(PROG_TYPE_SCHED_CLS, ATTACH_TCX_INGRESS, TCX_NEXT)
        except OSError as e:
            self.skipTest(f"no tcx: {e}")
        found = self.checks(self.scenario(), status=0)
        self.assertIn((DEVICE, "PASS", "neighbour (tcx, ingress) stays behind shearpin's programs", None), found)
        self.assert_one(self.bad(self.scenario(), "--attach", "clsact", status=0), DEVICE, "WARN",
                        "neighbour (tcx, ingress) sees packets before shearpin")

    def add_filter(self, priority):
        self.lab.here.call("tc", "filter", "add", "dev", DEVICE, "egress", "prio", str(priority), "protocol", "ip",
                           "u32", "match", "u32", "0", "0", "flowid", "1:1")

    def test_filters(self):
        self.lab.here.call("tc", "qdisc", "add", "dev", DEVICE, "clsact")
        self.add_filter(9000)
        self.assertEqual(self.bad(self.scenario(), "--attach", "clsact", status=0), [])
        self.add_filter(1)
        found = self.bad(self.scenario(), "--attach", "clsact", status=0)
        self.assertEqual({c[:2] for c in found}, {(DEVICE, "WARN")})
        self.assertIn("u32 (clsact, egress) sees packets before shearpin", found[0][2])

    def test_ingress_qdisc(self):
        self.lab.here.call("tc", "qdisc", "add", "dev", DEVICE, "ingress")
        self.assert_one(self.bad(self.scenario(), "--attach", "clsact"), DEVICE, "FAIL",
                        "its ingress qdisc leaves no place for clsact")
        self.assertEqual(self.lab.run(self.document(), "--attach", "clsact").wait(), 3)

    def document(self):
        with open(self.scenario(), encoding="ascii") as f:
            return json.load(f)

    def test_stub_of_a_killed_run(self):
        self.lab.take_turn()
        run = self.lab.inject("drop", "--for", lab.HOLD, "--proto", "udp", "--remote", THERE[V4],
                              "--attach", "clsact")
        run.opened()
        run.kill()
        details = [c[2] for c in self.checks(self.scenario(), "--attach", "clsact", status=0) if c[0] == DEVICE]
        self.assertIn("a killed run left an inert stub (ingress); the next run removes it", details)


class Operator(PreflightTest):
    def setUp(self):
        super().setUp()
        self.lab.listen(self.lab.there, V4, PORT)

    def test_ssh_connection(self):
        self.assert_one(self.bad(self.scenario(), SSH_CONNECTION=f"{THERE[V4]} {PORT} {HERE[V4]} 22"),
                        "operator's flows", "FAIL", "rule 0 (step cut, target server) would hit", THERE[V4])
        self.assertEqual(self.bad(self.scenario(), SSH_CONNECTION=f"{THERE[V4]} 50022 {HERE[V4]} 22", status=0), [])

    def test_protected_peer(self):
        self.assert_one(self.bad(self.scenario(), "--protect", f"{THERE[V4]}:{PORT}"), "operator's flows", "FAIL",
                        THERE[V4])
        self.assert_one(self.bad(self.scenario(), "--protect", "nonsense"), "operator's flows", "FAIL",
                        "--protect nonsense can't be read")

    def policy(self, **words):
        return self.lab.write({"version": 1, **words}, "policy.yaml")

    def test_policy(self):
        path = self.policy(interfaces=["eth*"])
        self.assert_one(self.bad(self.scenario(), "--policy", path), "policy", "FAIL", f"{path}:", DEVICE)
        self.assertEqual(self.bad(self.scenario(), "--policy", self.policy(interfaces=["test*"]), status=0), [])

    def test_broken_policy(self):
        path = self.policy(interfacez=[])
        done = self.lab.call("preflight", self.scenario(), "--policy", path)
        self.assertEqual(done.status, 3)
        self.assertIn("[FAIL] policy: a policy can't be read or has mistakes", done.stdout)
        self.assertRegex(done.stderr, rf"{re.escape(path)}:\d+:\d+: .*interfacez")


if __name__ == "__main__":
    unittest.main()
