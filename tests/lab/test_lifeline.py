# SPDX-License-Identifier: BSD-2-Clause
"""The operator's own session: a run that would cut it is refused, and nothing is touched."""
import os
import sys
import unittest

from lab import HERE, HOLD, TCP, THERE, V4, V6, LabTest, wait_until

PORT, NEXT_PORT = 4000, 4001
# Connects, and then becomes the parent of the program that is given.
OWNER = """
import socket, subprocess, sys
kept = socket.create_connection((sys.argv[1], int(sys.argv[2])))
sys.exit(subprocess.run(sys.argv[3:]).returncode)
"""


class LifelineTest(LabTest):
    def setUp(self):
        super().setUp()
        self.before = self.lab.state()

    def assert_refused(self, run, *words):
        self.assert_ended(run, 3)
        self.assertIn("refused, nothing was touched", run.stderr)
        for word in words:
            self.assertIn(word, run.stderr)
        self.assertFalse(os.path.exists(run.out), "there is a run directory")
        self.assert_untouched(self.before)

    def assert_accepted(self, run):
        self.assert_ended(run, 0)

    def inject(self, *words, port=PORT, fault="reset=both", **options):
        return self.lab.inject(fault, "--remote-port", str(port), "--for", "10ms", *words, **options)


class Ancestors(LifelineTest):
    def owned(self, family, port, fault="reset=both", *words):
        """An ancestor of shearpin owns a connection to PORT, while the fault is for `port`."""
        lab = self.lab
        lab.listen(lab.there, family, PORT)
        wrapper = (sys.executable, "-c", OWNER, THERE[family], str(PORT))
        return self.inject(*words, port=port, fault=fault, wrapper=wrapper)

    def test_refused(self):
        for family in (V4, V6):
            with self.subTest(family):
                self.assert_refused(self.owned(family, PORT), "ancestors", THERE[family], f"port {PORT}", "rule 0",
                                    "narrow the target")

    def test_whatever_the_fault(self):
        for fault in ("drop", "loss=1%", "loss=every:100", "refuse=tcp-reset", "refuse=icmp-port", "reset=remote"):
            with self.subTest(fault):
                self.assert_refused(self.owned(V4, PORT, fault))
                self.lab.sockets.pop().close()

    def test_share_and_percent_do_not_help(self):
        """A connection that this seed would spare is the operator's all the same."""
        for words in (("--share", "0.001%"), ("percent=0.001%",)):
            with self.subTest(words):
                self.assert_refused(self.owned(V4, PORT, "reset=both", *words))
                self.lab.sockets.pop().close()

    def test_other_port_is_fine(self):
        self.assert_accepted(self.owned(V4, NEXT_PORT))

    def test_own_program_is_fine(self):
        """The test's own connections are nobody's ancestor's."""
        self.lab.connect(self.lab.listen(self.lab.there, V4, PORT))
        self.assert_accepted(self.inject())

    def test_incoming(self):
        """An operator who has come in on a port that the target names as local."""
        lab = self.lab
        server = ("import socket, subprocess, sys\n"
                  "s = socket.create_server((sys.argv[1], int(sys.argv[2])))\n"
                  "kept = s.accept()\n"
                  "sys.exit(subprocess.run(sys.argv[3:]).returncode)")
        out = lab.new_out()
        run = lab.start("inject", "drop", "--local-port", str(PORT), "--for", HOLD, "--interface", "test0", "--out", out,
                        out=out, wrapper=(sys.executable, "-c", server, HERE[V4], str(PORT)))
        client = lab.keep(self.reach(run))
        self.assert_refused(run, f"with {client.getsockname()[0]}")

    def reach(self, run):
        """A connection to the server, once it listens."""
        def look():
            self.assertTrue(run.running(), "the server has ended")
            s = self.lab.there.socket(V4, TCP)
            if not s.connect_ex((HERE[V4], PORT)):
                return s
            s.close()
            return None

        return wait_until(look, "the server listens")


class Ssh(LifelineTest):
    def connection(self, remote, remote_port, local, local_port):
        return {"SSH_CONNECTION": f"{remote} {remote_port} {local} {local_port}"}

    def test_remote_port(self):
        for family in (V4, V6):
            with self.subTest(family):
                run = self.inject(**self.connection(THERE[family], PORT, HERE[family], 22))
                self.assert_refused(run, "SSH connection", THERE[family])

    def test_local_port(self):
        run = self.lab.inject("drop", "--local-port", "22", "--for", "10ms",
                              **self.connection(THERE[V4], 51000, HERE[V4], 22))
        self.assert_refused(run, "SSH connection")

    def test_everything(self):
        run = self.lab.inject("drop", "--anything", "--for", "10ms",
                              **self.connection(THERE[V4], 51000, HERE[V4], 22))
        self.assert_refused(run, "SSH connection")

    def test_later_step(self):
        """Any window of any step, however far away."""
        run = self.lab.run({"version": 1, "name": "later", "interface": "test0",
                            "targets": {"a": {"remote_port": NEXT_PORT}, "b": {"proto": "tcp", "local_port": 22}},
                            "steps": [{"name": "one", "at": "0s", "fault": {"drop": True}, "target": "a", "for": "1s"},
                                      {"name": "two", "at": "1h", "fault": {"drop": True}, "target": ["a", "b"],
                                       "for": "1s"}]},
                           **self.connection(THERE[V4], 51000, HERE[V4], 22))
        self.assert_refused(run, "rule 2", "step two", "target b")

    def test_not_hit(self):
        for environment in (self.connection(THERE[V4], NEXT_PORT, HERE[V4], 22),
                            {"SSH_CONNECTION": "nonsense"}, {"SSH_CONNECTION": ""}):
            with self.subTest(environment):
                self.assert_accepted(self.inject("--proto", "tcp", **environment))


class Protect(LifelineTest):
    def test_hit(self):
        for word, family in ((THERE[V4], V4), (f"{THERE[V4]}:{PORT}", V4), (THERE[V6], V6), (f"[{THERE[V6]}]", V6),
                             (f"[{THERE[V6]}]:{PORT}", V6)):
            with self.subTest(word):
                run = self.inject("--protect", "192.0.2.1", "--protect", word, "--remote", THERE[family])
                self.assert_refused(run, "--protect", THERE[family])

    def test_local_port_on_their_side(self):
        """The port may be on either side."""
        run = self.lab.inject("drop", "--local-port", str(PORT), "--for", "10ms", "--protect", f"{THERE[V4]}:{PORT}")
        self.assert_refused(run)

    def test_not_hit(self):
        for word in ("10.77.0.3", f"{THERE[V4]}:{NEXT_PORT}", f"[{THERE[V6]}]:{PORT}"):
            with self.subTest(word):
                self.assert_accepted(self.inject("--protect", word, "--remote", THERE[V4], "--local-port", "5000"))

    def test_direction(self):
        """A target that only takes what comes in still hits the peer."""
        self.assert_refused(self.inject("--protect", THERE[V4], "--direction", "in", fault="drop"))

    def test_malformed(self):
        for word in ("nonsense", "10.77.0.2:", "10.77.0.2:70000", "10.77.0.2:x", "[fd77::2", "[fd77::2]x", "[]:1", ""):
            with self.subTest(word):
                run = self.inject("--protect", word)
                self.assertIn(run.wait(), (2, 3))
                self.assertIn("--protect", run.stderr)
                self.assertFalse(os.path.exists(run.out))
                self.assert_untouched(self.before)


if __name__ == "__main__":
    unittest.main()
