# SPDX-License-Identifier: BSD-2-Clause
"""Targets by name: what they stand for at the start, what they gain while the run lasts, and what must not join them."""
import errno
import json
import os
import signal
import subprocess
import unittest

from again import Again
from lab import DEVICE, PEER_DEVICE, TCP, THERE, UDP, V4, V6, LabTest, wait_until

PORT = 4000
NAME, OTHER_NAME = "api.test", "db.test"
SECOND = {V4: "10.77.0.3", V6: "fd77::3"}  # of the other side, too
THIRD = "10.77.0.4"
DNS_PORT = 53

# An /etc of its own, in which the names of this host are those of a file that the test writes. The first argument is a
# script that adds to it.
ETC_AND_RUN = ('mount -t tmpfs none /etc; echo "hosts: files dns" > /etc/nsswitch.conf; '
               'echo "multi on" > /etc/host.conf; ln -s "$PWD/hosts" /etc/hosts; '
               'ln -s "$PWD/resolv.conf" /etc/resolv.conf; mkdir /etc/shearpin; eval "$1"; shift; exec "$@"')


class HostTest(Again, LabTest):
    def setUp(self):
        super().setUp()
        self.lab.there.call("ip", "addr", "add", f"{SECOND[V4]}/24", "dev", PEER_DEVICE)
        self.lab.there.call("ip", "addr", "add", f"{SECOND[V6]}/64", "dev", PEER_DEVICE, "nodad")
        self.lab.there.call("ip", "addr", "add", f"{THIRD}/24", "dev", PEER_DEVICE)
        listener = self.lab.keep(self.lab.there.socket(V6, TCP))  # for both families
        listener.bind(("::", PORT))
        listener.listen(64)
        self.hosts()
        self.resolver("127.0.0.1")
        self.before = self.lab.state()

    def write(self, name, text):
        """In one step: a reader sees the one or the other."""
        path = os.path.join(self.lab.folder, name)
        with open(path + ".new", "w", encoding="ascii") as f:
            f.write(text)
        os.rename(path + ".new", path)

    def hosts(self, **names):
        """What this host's names stand for from now on: api=[address...], db=[...]"""
        self.write("hosts", "".join(f"{address} {name}.test\n" for name, list_ in names.items() for address in list_))

    def resolver(self, address):
        self.write("resolv.conf", f"nameserver {address}\noptions timeout:30 attempts:1\n")

    def wrapper(self, script=":"):
        return ("unshare", "--mount", "sh", "-euc", ETC_AND_RUN, "sh", script)

    def refuse(self, *words, script=":", **options):
        """New connections to the name are refused, for as long as the run lasts."""
        return self.lab.inject("refuse=tcp-reset", "--proto", "tcp", "--remote-port", str(PORT),
                               *(() if "--host" in words else ("--host", NAME)), "--for", "300s", *words, wrapper=self.wrapper(script), **options)

    def refuse_and_tick(self, *words, interface=DEVICE, script=":", fault=("refuse", "tcp-reset")):
        """The same, or another fault, with windows for nobody that open all the time: the name is looked up at each."""
        scenario = {"version": 1, "name": "t", **({"interface": interface} if interface else {}),
                    "targets": {"target": {"proto": "tcp", "host": NAME, "remote_port": PORT},
                                "nobody": {"proto": "udp", "remote": THERE[V4], "remote_port": 9}},
                    "steps": [{"name": "refuse", "at": "0s", "fault": dict([fault]), "target": "target",
                               "for": "300s"},
                              {"name": "tick", "at": "0s", "fault": {"drop": True}, "target": "nobody", "for": "100ms",
                               "repeat": {"times": 200, "every": "1100ms"}}]}
        run = self.lab.run(scenario, *words, wrapper=self.wrapper(script))
        run.opened()
        return run

    def connect(self, address):
        s = self.lab.here.socket(V6 if ":" in address else V4, TCP)
        s.settimeout(60)
        try:
            return s.connect_ex((address, PORT))
        finally:
            s.close()

    def assert_hit(self, *addresses):
        for address in addresses:
            self.assert_errno(self.connect(address), errno.ECONNREFUSED, address)

    def assert_not_hit(self, *addresses):
        for address in addresses:
            self.assert_errno(self.connect(address), 0, address)

    def resolved(self, run, count):
        event = run.wait_event("target.resolved", count)
        return event["target"], event["data"]

    def told(self, host=NAME, addresses=(), added=(), gone=(), kept=(), left_out=(), error=None):
        return "target", {"host": host, "addresses": list(addresses), "added": list(added), "gone": list(gone),
                          "kept": list(kept), "left_out": list(left_out), "error": error}

    def assert_ends_clean(self, run):
        self.assertEqual(run.stop(), 130, run.stderr)
        self.assert_untouched(self.before)
        self.assertEqual(self.lab.call("verify", run.out).status, 0)

    def assert_refused(self, run, message):
        self.assertEqual(run.wait(), 3, run.stderr)
        self.assertIn(message, run.stderr)
        self.assertIn("refused, nothing was touched", run.stderr)
        self.assertFalse(os.path.exists(run.out))
        self.assert_untouched(self.before)


class Start(HostTest):
    def test_all_addresses(self):
        self.hosts(api=[THERE[V4], SECOND[V6], THERE[V6], THERE[V4]], db=[THIRD])
        run = self.refuse()
        run.opened()
        addresses = [THERE[V4], THERE[V6], SECOND[V6]]
        self.assertEqual(self.resolved(run, 1), self.told(addresses=addresses, added=addresses))
        self.assert_hit(*addresses)
        self.assert_not_hit(SECOND[V4], THIRD)
        target = run.document("plan.json")["targets"][0]
        self.assertEqual(target["host"], [NAME])
        self.assertEqual(target["remote"], [f"{THERE[V4]}/32", f"{THERE[V6]}/128", f"{SECOND[V6]}/128"])
        self.assert_ends_clean(run)

    def test_several_names_and_prefixes(self):
        self.hosts(api=[THERE[V4]], db=[SECOND[V4], THERE[V4]])
        run = self.refuse("--host", f"{NAME},{OTHER_NAME}", "--remote", THIRD)
        run.opened()
        self.assertEqual(self.resolved(run, 1), self.told(addresses=[THERE[V4]], added=[THERE[V4]]))
        both = [THERE[V4], SECOND[V4]]
        self.assertEqual(self.resolved(run, 2), self.told(OTHER_NAME, addresses=both, added=both))
        self.assert_hit(THERE[V4], SECOND[V4], THIRD)
        self.assert_not_hit(THERE[V6])
        self.assert_ends_clean(run)

    def test_preflight(self):
        scenario = self.lab.write({"version": 1, "name": "t", "targets": {"t": {"host": NAME, "remote_port": PORT}},
                                   "steps": [{"name": "s", "at": "0s", "fault": {"drop": True}, "target": "t",
                                              "for": "1s"}]})
        for addresses, expected in (
                ([THERE[V4], THERE[V6]], (0, "PASS", "1 looked up, addresses found: 2")),
                ([], (3, "FAIL", f"the host {NAME} of the target t has no address: Temporary failure in name resolution"))):
            self.hosts(api=addresses)
            done = self.lab.call("preflight", scenario, "--json", wrapper=self.wrapper())
            found, = [c for c in json.loads(done.stdout)["checks"] if c["name"] == "names"]
            self.assertEqual((done.status, found["result"], found["detail"]), expected)

    def test_interface_of_the_route(self):
        self.hosts(api=[THERE[V4]])
        run = self.refuse(interface=None)
        run.opened()
        self.assertEqual(run.events("run.start")[0]["data"]["interfaces"], [DEVICE])
        self.assert_ends_clean(run)

    def test_unknown(self):
        self.resolver(THERE[V4])  # nobody listens there
        self.hosts(db=[THERE[V4]])
        self.assert_refused(self.refuse(),
                            f"the host {NAME} of the target target has no address: Temporary failure in name resolution")

    def test_forbidden(self):
        self.hosts(api=[THERE[V4]])
        run = self.refuse(script=f"printf 'version: 1\\nforbid: {THERE[V4]}\\n' > /etc/shearpin/policy.yaml")
        self.assert_refused(run, f"target target: {THERE[V4]}/32 overlaps the forbidden {THERE[V4]}/32")

    def test_protected(self):
        self.hosts(api=[THERE[V4]])
        self.assert_refused(self.refuse("--protect", THERE[V4]), f"would hit --protect with {THERE[V4]}")

    def test_interrupted(self):
        """Ctrl-C counts while the resolver is silent."""
        silent = self.lab.socket(self.lab.there, V4, UDP, DNS_PORT)
        self.resolver(THERE[V4])
        run = self.refuse()
        silent.recv(512)  # it is asking
        run.signal(signal.SIGINT)
        self.assertEqual(run.wait(), 130)
        self.assertIn("interrupted while the names of the targets were looked up", run.stderr)
        self.assertFalse(os.path.exists(run.out))
        self.assert_untouched(self.before)

    def test_plan_asks_nobody(self):
        scenario = self.lab.write({"version": 1, "name": "t", "interface": DEVICE, "recovery": "0s",
                                   "targets": {"t": {"host": NAME, "remote_port": PORT}},
                                   "steps": [{"name": "s", "at": "0s", "fault": {"drop": True}, "target": "t",
                                              "for": "1s"}]})
        done = self.lab.call("plan", scenario, wrapper=self.wrapper())
        self.assertEqual(done.status, 0, done.stderr)


class Changes(HostTest):
    def test_address_moves(self):
        """The new one is hit from the next lookup on, the old one stays hit."""
        self.hosts(api=[THERE[V4]])
        run = self.refuse_and_tick()
        self.assert_not_hit(SECOND[V4], SECOND[V6])
        self.hosts(api=[SECOND[V4], SECOND[V6]])
        self.assertEqual(self.resolved(run, 2), self.told(addresses=[SECOND[V4], SECOND[V6]], gone=[THERE[V4]],
                                                          added=[SECOND[V4], SECOND[V6]], kept=[THERE[V4]]))
        self.assert_hit(THERE[V4], SECOND[V4], SECOND[V6])
        self.assert_not_hit(THIRD)
        self.hosts(api=[THERE[V4]])
        self.assertEqual(self.resolved(run, 3), self.told(addresses=[THERE[V4]], gone=[SECOND[V4], SECOND[V6]],
                                                          kept=[SECOND[V4], SECOND[V6]]))
        self.assert_hit(THERE[V4], SECOND[V4], SECOND[V6])
        self.assert_ends_clean(run)

    def test_idle_connections(self):
        """Those to a new address are reset when it joins, with no packet to wait for."""
        self.hosts(api=[THERE[V4]])
        clients = {}
        for address in (SECOND[V4], THIRD):
            client = clients[address] = self.lab.keep(self.lab.here.socket(V4, TCP))
            client.settimeout(60)
            client.connect((address, PORT))
        run = self.refuse_and_tick(fault=("reset", "both"))
        self.hosts(api=[THERE[V4], SECOND[V4]])
        with self.assertRaises(ConnectionResetError):
            clients[SECOND[V4]].recv(1)
        self.assertEqual(run.wait_event("flow.hit")["data"]["idle"], True)
        clients[THIRD].send(b"still there")
        self.assert_ends_clean(run)

    def test_regular(self):
        """Without a window that opens, every 5 s."""
        self.hosts(api=[THERE[V4]])
        run = self.refuse()
        run.opened()
        self.hosts(api=[SECOND[V4]])
        self.assertEqual(self.resolved(run, 2)[1]["added"], [SECOND[V4]])
        first, second = run.events("target.resolved")
        # Asked before the first event, answered before the second; a regular lookup comes no sooner.
        self.assertGreater(second["mono_ns"] - first["mono_ns"], 4_000_000_000)
        self.assert_hit(THERE[V4], SECOND[V4])
        self.assert_ends_clean(run)

    def test_left_out(self):
        """A forbidden address, a protected one, and one that is elsewhere do not join."""
        self.hosts(api=[THERE[V4]])
        forbid = "printf 'version: 1\\nforbid: 10.77.0.3\\n' > /etc/shearpin/policy.yaml"
        run = self.refuse_and_tick("--protect", f"{THIRD}:{PORT}", interface=None, script=forbid)
        self.hosts(api=["127.0.0.9", SECOND[V4], THIRD, THERE[V4], THERE[V6]])
        target, data = self.resolved(run, 2)
        self.assertEqual(target, "target")
        self.assertEqual((data["added"], data["gone"]), ([THERE[V6]], []))
        self.assertEqual([(out["address"], out["reason"]) for out in data["left_out"]], [
            (SECOND[V4], f"/etc/shearpin/policy.yaml:2: target target (line 5 of the scenario): {SECOND[V4]}/32 overlaps "
                         f"the forbidden {SECOND[V4]}/32"),
            (THIRD, f"it would hit --protect with {THIRD} port {PORT}"),
            ("127.0.0.9", "its route leads through lo, which this run is not attached to")])
        self.assert_hit(THERE[V4], THERE[V6])
        self.assert_not_hit(SECOND[V4], THIRD)
        self.assert_ends_clean(run)


class Resolver(HostTest):
    """A real one, on the other side."""

    def setUp(self):
        super().setUp()
        self.process = None
        self.addCleanup(self.stop)
        self.resolver(THERE[V4])

    def serve(self, *addresses):
        self.write("zone", "".join(f"{address} {NAME}\n" for address in addresses))
        if self.process:
            self.process.send_signal(signal.SIGHUP)
            return
        with self.lab.there:
            self.process = subprocess.Popen(
                ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file=",
                 "--user=root", f"--addn-hosts={os.path.join(self.lab.folder, 'zone')}", "--log-facility=-",
                 f"--listen-address={THERE[V4]}", "--bind-interfaces", "--local-ttl=0", "--local=/test/"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self.answers, "dnsmasq answers")

    def answers(self):
        query = bytes.fromhex("abcd01000001000000000000") + b"\3api\4test\0\0\1\0\1"
        s = self.lab.here.socket(V4, UDP)
        s.settimeout(0.2)
        try:
            s.sendto(query, (THERE[V4], DNS_PORT))
            return s.recv(512)[3] & 15 == 0
        except OSError:
            return False
        finally:
            s.close()

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def test_name_that_is_not_there(self):
        self.serve(THERE[V4])
        run = self.lab.inject("drop", "--host", "nowhere.test", "--remote-port", "1", "--for", "1s", wrapper=self.wrapper())
        self.assert_refused(run, "the host nowhere.test of the target target has no address: Name or service not known")

    def test_fails_and_comes_back(self):
        """One event when it begins to fail, and the addresses stay; one when it is back."""
        self.serve(THERE[V4], THERE[V6])
        both = [THERE[V4], THERE[V6]]
        run = self.refuse_and_tick()
        self.assertEqual(self.resolved(run, 1), self.told(addresses=both, added=both))
        self.stop()
        self.assertEqual(self.resolved(run, 2),
                         self.told(addresses=both, error="Temporary failure in name resolution"))
        self.assert_hit(*both)
        self.serve(THERE[V4], SECOND[V4])
        self.assertEqual(self.resolved(run, 3), self.told(
            addresses=[THERE[V4], SECOND[V4]], added=[SECOND[V4]], gone=[THERE[V6]], kept=[THERE[V6]]))
        self.assert_hit(*both, SECOND[V4])
        self.assert_ends_clean(run)

    def wait_for_a_neighbour(self):
        """The run's next question has to; what sends it is ip(8)."""
        here, neighbour = self.lab.here, [THERE[V4], "dev", DEVICE]
        address = here.call("ip", "neigh", "show", *neighbour).split("lladdr ")[1].split()[0]
        self.lab.there.call("sh", "-c", f"echo 8 >/proc/sys/net/ipv4/conf/{PEER_DEVICE}/arp_ignore")
        here.call("sh", "-c", f"echo 1000 >/proc/sys/net/ipv4/neigh/{DEVICE}/mcast_solicit")  # it goes on asking
        here.call("ip", "neigh", "del", *neighbour)
        wait_until(lambda: "INCOMPLETE" in here.call("ip", "neigh", "show", *neighbour), "a question that waits")
        here.call("ip", "neigh", "replace", *neighbour, "lladdr", address, "nud", "permanent")

    def test_own_questions(self):
        """The run's questions are no flows of the system under test; a question of somebody else is one."""
        self.serve(THERE[V4])
        scenario = {"version": 1, "name": "t", "interface": DEVICE,
                    "targets": {"dns": {"proto": "udp", "remote": THERE[V4], "remote_port": DNS_PORT},
                                "target": {"proto": "tcp", "host": NAME, "remote_port": PORT}},
                    "steps": [{"name": "slow", "at": "0s", "fault": {"delay": "1ms"}, "target": "dns", "for": "300s"},
                              {"name": "cut", "at": "0s", "fault": {"drop": True}, "target": "target", "for": "300s"}]}
        run = self.lab.run(scenario, wrapper=self.wrapper())
        run.opened()
        self.wait_for_a_neighbour()
        self.serve(SECOND[V4])
        self.assertEqual(self.resolved(run, 2)[1]["added"], [SECOND[V4]])
        client = self.lab.socket(self.lab.here, V4, UDP, 0)
        client.sendto(bytes.fromhex("abcd01000001000000000000") + b"\3api\4test\0\0\1\0\1", (THERE[V4], DNS_PORT))
        client.recv(512)
        self.assert_ends_clean(run)
        flow = f"{self.lab.address(self.lab.here, V4)}:{client.getsockname()[1]}>{THERE[V4]}:{DNS_PORT}/udp"
        told = {e["flow"] for e in run.events() if e["type"].startswith("conn.")}
        self.assertEqual(told, {flow})
        self.assertEqual(run.events("conns")[0]["data"]["seen"], 1)
        hits = run.events("flow.hit")
        self.assertEqual([e["flow"] for e in hits if not e["data"]["probe"]], [flow])
        self.assertGreaterEqual(len([e for e in hits if e["data"]["probe"]]), 1)

    def test_drill_breaks_the_resolver_itself(self):
        """Lookups hang; the windows close at their time all the same."""
        self.serve(THERE[V4])
        self.resolver(THERE[V4])
        scenario = {"version": 1, "name": "t", "interface": DEVICE, "recovery": "0s",
                    "targets": {"dns": {"proto": "udp", "remote": THERE[V4], "remote_port": DNS_PORT},
                                "target": {"proto": "tcp", "host": NAME, "remote_port": PORT}},
                    "steps": [{"name": "deaf", "at": "0s", "fault": {"drop": True}, "target": "dns", "for": "3s"},
                              {"name": "cut", "at": "1500ms", "fault": {"refuse": "tcp-reset"}, "target": "target",
                               "for": "500ms"}]}
        run = self.lab.run(scenario, wrapper=self.wrapper())
        self.assertEqual(run.wait(), 0, run.stderr)
        deaf, cut = sorted(run.events("fault.close"), key=lambda e: e["step"], reverse=True)
        self.assertGreaterEqual(deaf["data"]["dropped"], 1)
        self.assertEqual((deaf["data"]["cut"], cut["data"]["cut"]), (False, False))
        self.assertEqual(len(run.events("target.resolved")), 1)
        self.assertEqual(self.lab.call("verify", run.out).status, 0)
        self.assert_untouched(self.before)


if __name__ == "__main__":
    unittest.main()
