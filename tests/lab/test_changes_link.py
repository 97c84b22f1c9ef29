# SPDX-License-Identifier: BSD-2-Clause
"""Steps that set an interface down: addresses, neighbours and routes of both families are there again, however the run ends."""
import json
import signal
import time
import unittest

from changing import WRAPPER, ChangeTest
from lab import DEVICE, PATIENCE_S, THERE, V4, V6, wait_until

LINK = "link7"
PEER_LINK = "peer7"
ADDRESSES = [("10.78.0.1/24", ()), ("10.78.0.9/24", ()), ("10.79.0.1/30", ("noprefixroute",)),
             ("fd78::1/64", ("nodad",)), ("fd78::9/64", ("nodad",)), ("fd79::1/48", ("nodad", "noprefixroute")),
             ("fd7a::1/64", ()), ("2001:db8:78::1/128", ("nodad", "metric", "77"))]
ROUTES = ["10.80.0.0/16 via 10.78.0.2", "10.80.0.0/16 via 10.78.0.3 metric 7", "default via 10.78.0.2 metric 500",
          "10.81.0.0/16 via 10.80.1.1 onlink mtu 1300", "10.82.0.1 scope link src 10.78.0.9",
          "10.83.0.0/16 via 10.78.0.2 table 77 proto static", "10.84.0.0/16 via inet6 fd78::2",
          "10.85.0.0/24 nexthop via 10.78.0.2 weight 3 nexthop via 10.78.0.3 weight 1",
          "fd80::/32 via fd78::2", "fd80::/32 via fd78::3 metric 7", "default via fd78::2 metric 500 pref high",
          "fd81::/64 via fd78::2 src fd78::9", "fd82::1/128 table 77 proto static mtu 1400", "fe81::/64 metric 9",
          "fd83::/64 nexthop via fd78::2 weight 3 nexthop via fd78::3 weight 1"]
NEIGHBOURS = ["10.78.0.2 lladdr 02:00:00:00:78:02 nud permanent", "fd78::2 lladdr 02:00:00:00:78:02 nud permanent",
              "proxy 10.78.0.200", "proxy fd78::200"]


class LinkTest(ChangeTest):
    """An interface beside the lab's own, with all kinds of things on it."""

    DETECTS = False  # whether another host has an address, for a second before it counts

    def setUp(self):
        super().setUp()
        here = self.lab.here
        here.call("ip", "link", "add", LINK, "type", "veth", "peer", "name", PEER_LINK, "netns", self.lab.there.path)
        self.lab.there.call("ip", "link", "set", PEER_LINK, "up")
        if not self.DETECTS:
            here.call("sysctl", "-qw", f"net.ipv6.conf.{LINK}.accept_dad=0")
        here.call("ip", "link", "set", LINK, "up")
        lines = [f"addr add {address} dev {LINK} {' '.join(words)}" for address, words in ADDRESSES]
        here.call("ip", "-batch", "-", input="\n".join(lines))
        wait_until(lambda: "tentative" not in here.call("ip", "addr", "show", "dev", LINK) and
                   "linkdown" not in here.call("ip", "route", "show", "table", "all"), "the interface is ready")
        for route in ROUTES:
            family = "-6" if route.split(" nexthop")[0].count(":") and "inet6" not in route or "via fd" in route else "-4"
            here.call("ip", family, "route", "add", *route.replace("nexthop via", f"nexthop dev {LINK} via").split(),
                      *(() if "nexthop" in route else ("dev", LINK)))
        for neighbour in NEIGHBOURS:
            here.call("ip", "neigh", "replace", *neighbour.split(), "dev", LINK)
        self.settled = self.look()

    def look(self):
        """All that there is, in the kernel's own order."""
        call = self.lab.here.call
        addresses = json.loads(call("ip", "-j", "addr"))
        for link in addresses:
            link.pop("operstate", None)
        neighbours = sorted(line for family in ("-4", "-6") for words in ((), ("proxy",))
                            for line in call("ip", family, "neigh", "show", *words).split("\n")
                            if "PERMANENT" in line or "proxy" in line)
        routes = [sorted(json.dumps(r, sort_keys=True) for r in json.loads(call("ip", family, "-j", "route", "show", "table", "all")))
                  for family in ("-4", "-6")]
        return addresses, neighbours, routes, call("ip", "rule")

    def down(self, **more):
        run = self.change({"link": LINK, "for": "300s", **more})
        run.wait_event("step.start")
        self.assertFalse(self.is_up())
        return run

    def is_up(self):
        link, = json.loads(self.lab.here.call("ip", "-j", "link", "show", LINK))
        return "UP" in link["flags"]

    def assert_as_before(self):
        """The kernel's own addresses come with the carrier, and count a moment later."""
        deadline = time.monotonic() + PATIENCE_S
        while self.look() != self.settled and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual(self.look(), self.settled)


class Detecting(LinkTest):
    DETECTS = True

    def test_window(self):
        """Routes of an address are there at once, without the second that the kernel would look for others that have it."""
        run = self.change({"link": LINK, "for": "500ms"})
        self.assert_ended(run, 0)
        self.assertIn("fd81::/64", self.lab.here.call("ip", "-6", "route"))
        self.assert_as_before()


class Windows(LinkTest):
    def test_window(self):
        run = self.change({"link": LINK, "for": "500ms"})
        self.assert_ended(run, 0)
        self.assert_as_before()
        self.assertEqual(self.undos(run), [("step 1", "taken back", None)])
        data = run.events("step.start")[0]["data"]
        self.assertEqual((data["kind"], data["interface"]), ("link", LINK))
        self.assertEqual((data["addresses"], data["neighbours"]), (len(ADDRESSES) + 1, len(NEIGHBOURS)))

    def test_flapping(self):
        run = self.change({"link": LINK, "for": "100ms", "repeat": {"times": 5, "every": "400ms"}})
        self.assert_ended(run, 0)
        self.assert_as_before()

    def test_cut(self):
        run = self.down()
        run.stop()
        self.assert_ended(run, 130)
        self.assert_as_before()

    def test_the_run_s_own(self):
        """The programs of the run stay on it."""
        run = self.change({"link": DEVICE, "for": "500ms"})
        self.assert_ended(run, 0)
        self.assert_as_before()

    def test_somebody_sets_it_up(self):
        """What is missing is put back all the same."""
        run = self.down()
        self.lab.here.call("ip", "link", "set", LINK, "up")
        run.stop()
        self.assert_ended(run, 130)
        self.assert_as_before()

    def test_renamed(self):
        call = self.lab.here.call
        run = self.down()
        call("ip", "link", "set", LINK, "name", "other7")
        run.stop()
        self.assert_ended(run, 130)
        self.assertEqual(self.undos(run), [("step 1", "taken back", None)])
        self.assertIn("UP", json.loads(call("ip", "-j", "link", "show", "other7"))[0]["flags"])

    def test_one_way_of_two(self):
        """Routes that lead through another interface, too."""
        call = self.lab.here.call
        for route, mine, other in (("10.86.0.0/24", "10.78.0.2", THERE[V4]), ("fd86::/64", "fd78::2", THERE[V6])):
            call("ip", "route", "add", route, "nexthop", "via", mine, "dev", LINK, "weight", "3",
                 "nexthop", "via", other, "dev", DEVICE)
        self.settled = self.look()
        run = self.down()
        run.stop()
        self.assert_ended(run, 130)
        self.assert_as_before()

    def test_somebody_puts_all_back(self):
        run = self.down()
        other = self.lab.call("clear", wrapper=WRAPPER)  # a live run's journal is left alone
        self.assertEqual(other.status, 0, other.stderr)
        self.assertFalse(self.is_up())
        self.lab.here.call("ip", "link", "del", LINK)
        run.stop()
        self.assert_ended(run, 130)
        self.assertEqual(self.undos(run), [("step 1", "not needed", "the interface is gone")])


class Killed(LinkTest):
    def test_guard(self):
        self.kill(self.down())
        self.assert_as_before()

    def test_clear(self):
        """From another namespace."""
        self.inhabit()
        self.kill_all(self.down())
        self.assertFalse(self.is_up())
        for changed in (True, False):
            done = self.lab.call("clear", "--json", wrapper=("unshare", "--net", *WRAPPER))
            self.assertEqual(done.status, 0, done.stderr)
            self.assertEqual([u["result"] for u in json.loads(done.stdout)["undo"]], ["taken back"] * changed)
            self.assert_as_before()
        self.assertEqual(self.journals(), [])

    def test_nobody_knows_the_way(self):
        self.kill_all(self.down())
        done = self.lab.call("clear", wrapper=("unshare", "--net", *WRAPPER))
        self.assertEqual(done.status, 5, done.stderr)
        self.assertIn(f"can't take back the interface {LINK}, which was set down: "
                      "its network namespace is not found any more", done.stdout)
        self.assertEqual(self.clear(), [("taken back", None)])
        self.assert_as_before()

    def test_after_a_boot(self):
        self.kill_all(self.down())
        name, = [name for name in self.journals() if name.endswith(".jsonl")]
        with open(self.path(f"var/undo/{name}"), "r+b") as f:
            f.seek(f.read().index(b'"boot_id":"') + len(b'"boot_id":"'))
            f.write(b"00000000")
        self.assertEqual(self.clear(), [("not needed", "this host has been booted since")])
        self.assertFalse(self.is_up())

    def test_stopped(self):
        run = self.down(**{"for": "1s"})
        run.freeze()
        wait_until(self.is_up, "the guard has set it up")
        run.signal(signal.SIGCONT)
        self.assert_ended(run, 0)
        self.assert_as_before()


class Refused(LinkTest):
    def refuse(self, *messages, link=LINK, **environment):
        scenario = {"version": 1, "name": "t", "interface": DEVICE,
                    "steps": [{"name": "step 1", "at": "0s", "link": link, "for": "1s"}]}
        self.assert_refused(self.lab.run(scenario, wrapper=WRAPPER, **environment), *messages)
        self.assertEqual(self.look(), self.settled)

    def test_no_interface(self):
        self.refuse("the interface nothing7: there is none", link="nothing7")

    def test_down_already(self):
        self.lab.here.call("ip", "link", "add", "down7", "type", "veth", "peer", "name", "far7")
        self.settled = self.look()
        self.refuse("the interface down7: it is down already", link="down7")

    def test_session(self):
        for family, own, peer in ((V4, "10.78.0.1", "10.78.0.77"), (V6, "fd78::1", "fd90::77")):
            self.refuse("would set link7 down, and cut the operator's SSH connection",
                        SSH_CONNECTION=f"{peer} 50000 {own} 22")
        # Its own address is elsewhere, and so is the way to its peer.
        run = self.change({"link": LINK, "for": "100ms"})
        self.assert_ended(run, 0)

    def test_session_over_a_bridge(self):
        self.lab.here.call("ip", "link", "add", "bridge7", "type", "bridge")
        self.lab.here.call("ip", "link", "set", "bridge7", "up")
        self.lab.here.call("ip", "addr", "add", "10.99.0.1/24", "dev", "bridge7")
        self.lab.here.call("ip", "link", "add", "port7", "type", "veth", "peer", "name", "far7")
        self.lab.here.call("ip", "link", "set", "port7", "master", "bridge7", "up")
        wait_until(lambda: "tentative" not in self.lab.here.call("ip", "addr"), "every address counts")
        self.settled = self.look()
        self.refuse("would set port7 down, and cut the operator's SSH connection", link="port7",
                    SSH_CONNECTION="10.99.0.7 50000 10.99.0.1 22")

    def test_vlan(self):
        try:
            self.lab.here.call("ip", "link", "add", "link", LINK, "name", "vlan7", "type", "vlan", "id", "7")
        except AssertionError as error:
            self.skipTest(f"this kernel has no VLANs: {error}")
        self.lab.here.call("ip", "link", "set", "vlan7", "up")
        wait_until(lambda: "tentative" not in self.lab.here.call("ip", "addr"), "every address counts")
        self.settled = self.look()
        self.refuse("the VLAN vlan7 on it would lose its routes")

    def test_nexthop_objects(self):
        self.lab.here.call("ip", "nexthop", "add", "id", "7", "via", "10.78.0.2", "dev", LINK)
        self.refuse("nexthop objects")

    def test_source_elsewhere(self):
        self.lab.here.call("ip", "-6", "route", "add", "fd95::/64", "dev", DEVICE, "src", "fd78::1")
        self.settled = self.look()
        self.refuse("has one of its addresses as its source")

    def test_policy(self):
        policy = self.path("policy.yaml")
        with open(policy, "w", encoding="ascii") as f:
            f.write(f"version: 1\ninterfaces: [{DEVICE}]\nlongest_window: 5m\n")
        run = self.change({"link": LINK, "for": "1s"}, words=("--policy", policy))
        self.assert_refused(run, f"sets {LINK} down, which is not among the `interfaces`")
        run = self.change({"link": DEVICE}, words=("--policy", policy))
        self.assert_refused(run, "stays until the run ends, the longest window is 5m")


if __name__ == "__main__":
    unittest.main()
