# SPDX-License-Identifier: BSD-2-Clause
"""What `preflight` finds out about changes, and about what an interface's offloads mean for a scenario's faults."""
import os
import unittest

import changing
from asked import OPEN, Case
from lab import DEVICE, THERE, V4


class Needs(Case):
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

    def test_a_check_that_fails_comes_before_changes(self):
        """The file stays as it is, and the undo journal has nothing."""
        path = os.path.join(self.lab.folder, "state.json")
        with open(path, "w", encoding="ascii") as f:
            f.write("{}")
        before = os.stat(path)
        self.refused(self.scenario(steps=self.step(file={"path": path, "truncate": "0B"}), preflight=[{"file": "not/there"}]),
                     "[FAIL] file: not/there", wrapper=changing.WRAPPER)
        self.assertEqual((os.stat(path).st_size, os.stat(path).st_mtime_ns), (before.st_size, before.st_mtime_ns))
        left = [name for _, _, names in os.walk(os.path.join(self.lab.folder, "var")) for name in names]
        self.assertEqual(left, [])

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
