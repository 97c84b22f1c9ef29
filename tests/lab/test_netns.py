# SPDX-License-Identifier: BSD-2-Clause
"""Where a run takes place: --netns by name, path and process, and --container by what docker and podman say."""
import os
import shutil
import socket
import unittest

from cgroups import Actor
from lab import HOLD, PEER_DEVICE, THERE, V4, LabTest, Namespace

PORT = 4000
# Answers as the client does that it stands in for.
CLIENT = """#!/bin/sh
[ "$*" = "inspect --type=container --format {{.State.Pid}} $ASKED" ] || { echo "asked for $*" >&2; exit 1; }
[ -z "$SAYS" ] || { echo "$SAYS" >&2; exit 1; }
echo "$PROCESS"
"""


class PlaceTest(LabTest):
    """shearpin starts in a namespace that has nothing; the interface that it acts on is one of `there`."""

    def setUp(self):
        super().setUp()
        self.empty = Namespace()
        self.addCleanup(self.empty.close)
        with self.lab.there:
            self.inside = Actor()
        self.addCleanup(self.inside.end)
        self.path = os.path.join(self.lab.folder, "bin")
        os.mkdir(self.path)

    def wrapper(self):
        return (shutil.which("nsenter"), f"--net={self.empty.path}")

    def start(self, *words, **environment):
        out = self.lab.new_out()
        return self.lab.start("inject", "drop", "--local-port", str(PORT), "--interface", PEER_DEVICE, "--for", HOLD,
                              "--out", out, *words, out=out, wrapper=self.wrapper(), **environment)

    def call(self, *words, **environment):
        return self.lab.call(*words, wrapper=self.wrapper(), **environment)

    def client(self, name, **environment):
        """A stand-in for docker or podman; the environment it wants."""
        path = os.path.join(self.path, name)
        with open(path, "w", encoding="ascii") as f:
            f.write(CLIENT)
        os.chmod(path, 0o755)
        return {"PATH": f"{self.path}:/usr/sbin:/usr/bin:/sbin:/bin", "ASKED": "web", **environment}

    def assert_acts_there(self, run):
        server = self.lab.socket(self.lab.there, V4, socket.SOCK_DGRAM, PORT)
        client = self.lab.socket(self.lab.here, V4, socket.SOCK_DGRAM)
        run.opened()
        client.sendto(b"lost", (THERE[V4], PORT))
        run.wait_event("flow.hit")
        self.assertEqual(run.stop(), 130)
        self.assertEqual(run.counters()["dropped"], 1)
        client.sendto(b"arrives", (THERE[V4], PORT))
        self.assertEqual(server.recv(100), b"arrives")
        server.close()


class Netns(PlaceTest):
    def test_process(self):
        self.assert_acts_there(self.start("--netns", str(self.inside.pid)))

    def test_path(self):
        self.assert_acts_there(self.start("--netns", f"/proc/{self.inside.pid}/ns/net"))

    def test_scenario(self):
        """What the scenario says, unless the command line does."""
        lab = self.lab
        scenario = {"version": 1, "name": "place", "netns": self.lab.there.path, "interface": PEER_DEVICE,
                    "targets": {"all": {"local_port": PORT}},
                    "steps": [{"name": "cut", "at": "0s", "for": HOLD, "fault": {"drop": True}, "target": "all"}]}
        self.assert_acts_there(lab.run(scenario, wrapper=self.wrapper()))
        scenario["netns"] = "no-such-namespace"
        run = lab.run(scenario, wrapper=self.wrapper())
        self.assert_ended(run, 2)
        self.assertIn("no-such-namespace", run.stderr)
        self.assert_acts_there(lab.run(scenario, "--netns", lab.there.path, wrapper=self.wrapper()))

    def test_no_process(self):
        gone = Actor()
        gone.end()
        run = self.start("--netns", str(gone.pid))
        self.assert_ended(run, 2)
        self.assertIn(f"/proc/{gone.pid}/ns/net: No such file", run.stderr)


class Container(PlaceTest):
    def test_docker(self):
        run = self.start("--container", "web", **self.client("docker", PROCESS=str(self.inside.pid)))
        self.assert_acts_there(run)

    def test_podman(self):
        run = self.start("--container", "web", **self.client("podman", PROCESS=str(self.inside.pid)))
        self.assert_acts_there(run)

    def test_commands(self):
        """preflight and status understand it, too."""
        environment = self.client("docker", PROCESS=str(self.inside.pid))
        run = self.start("--container", "web", **environment)
        run.opened()
        done = self.call("status", "--container", "web", **environment)
        self.assertEqual((done.status, done.stderr), (0, ""))
        self.assertIn("drop", done.stdout)
        done = self.call("status", "--container", "web", **self.client("docker", PROCESS=str(os.getpid())))
        self.assertNotIn("drop", done.stdout)
        self.assertEqual(run.stop(), 130)
        scenario = self.lab.write({"version": 1, "name": "place", "container": "web", "interface": PEER_DEVICE,
                                   "targets": {"all": {"local_port": PORT}},
                                   "steps": [{"name": "cut", "at": "0s", "for": "1s", "fault": {"drop": True},
                                              "target": "all"}]})
        done = self.call("preflight", scenario, **environment)
        self.assertIn(f"{PEER_DEVICE}: is up", done.stdout, done.stderr)
        self.assertEqual(done.status, 0, done.stdout)

    def check_refused(self, expected, status=3, name="web", **environment):
        run = self.start("--container", name, **environment)
        self.assert_ended(run, status)
        self.assertIn(f"shearpin inject: the container {name}: {expected}", run.stderr)
        self.assertFalse(os.path.exists(run.out))

    def test_refused(self):
        self.check_refused("neither docker nor podman is here to be asked", PATH=self.path)
        self.check_refused("it is not running", **self.client("docker", PROCESS="0"))
        self.check_refused("docker says: No such container: web",
                           **self.client("docker", SAYS="No such container: web"))
        self.check_refused("docker says nonsense, expected the number of its process",
                           **self.client("docker", PROCESS="nonsense"))
        self.check_refused("that is no name or id", status=2, name="--help", **self.client("docker"))

    def test_the_first_that_knows_it(self):
        """docker is there, but has no such container; podman has."""
        self.client("podman")
        path = os.path.join(self.path, "docker")
        with open(path, "w", encoding="ascii") as f:
            f.write("#!/bin/sh\necho no such container >&2; exit 1\n")
        os.chmod(path, 0o755)
        self.assert_acts_there(self.start("--container", "web", **self.client("podman", PROCESS=str(self.inside.pid))))

    def test_one_or_the_other(self):
        run = self.start("--container", "web", "--netns", str(self.inside.pid))
        self.assert_ended(run, 2)
        self.assertIn("expected the one or the other", run.stderr)


if __name__ == "__main__":
    unittest.main()
