# SPDX-License-Identifier: BSD-2-Clause
"""Targets by owner: of two who talk with the same server, only the one that the target names is hit."""
import errno
import os
import select
import signal
import socket
import sys
import threading
import unittest

from cgroups import Actor, Group
from lab import DEVICE, FAMILIES, HOLD, PATIENCE_S, TCP, THERE, UDP, V4, V6, LabTest, name_of, wait_until

PORT, NEXT_PORT = 4000, 4001


def received(s, seconds=0.0):
    """What has come so far, or comes within a time."""
    if not select.select([s], [], [], seconds)[0]:
        return None
    return s.recv(4096)


class OwnerTest(LabTest):
    def group(self, above=None, name=None):
        group = Group(above, name)
        self.addCleanup(group.close)
        return group

    def hold(self, *words, port=PORT, side="--remote-port"):
        run = self.lab.inject(*words, side, str(port), "--for", HOLD)
        run.opened()
        return run

    def connect_in(self, group, listener):
        """A new connection whose client is made in a cgroup, or in that of the test."""
        if not group:
            return self.lab.connect(listener)[0]
        with group:
            return self.lab.connect(listener)[0]

    def assert_cut(self, sender, receiver, after):
        """What one sends does not arrive, though what another socket sent later did."""
        sender.send(b"lost")
        self.assert_echo(*after)
        self.assertIsNone(received(receiver))


class ByCgroup(OwnerTest):
    def test_directions(self):
        """Existing connections; those that don't belong go on."""
        lab, group = self.lab, self.group()
        for family in FAMILIES:
            for i, direction in enumerate(("both", "in", "out")):
                with self.subTest(f"{name_of(family)} {direction}"):
                    port = PORT + 20 + i  # what was lost to the run before is still sent again
                    listener = lab.listen(lab.there, family, port)
                    mine, other = self.connect_in(group, listener), self.connect_in(None, listener)
                    self.assert_echo(*mine)
                    run = self.hold("drop", "--cgroup", group.path, "--direction", direction, port=port)
                    for ends, way in ((mine, "out"), (mine[::-1], "in")):
                        if direction in ("both", way):
                            self.assert_cut(*ends, other)
                    if direction == "in":
                        mine[0].send(b"arrives")
                        self.assertEqual(received(mine[1], PATIENCE_S), b"arrives")
                    self.assertEqual(run.stop(), 130)
                    self.assertGreater(run.counters()["dropped"], 0)
                    self.assertEqual(run.counters()["flows"], 1)
                    self.assertEqual({e["flow"].split(">")[0].rsplit(":", 1)[1] for e in run.events("flow.hit")},
                                     {str(mine[0].getsockname()[1])})
                    listener.close()

    def test_the_first_packet_comes_in(self):
        """Nothing has gone out since the start: the socket is looked up."""
        lab, group = self.lab, self.group()
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                listener = lab.listen(lab.there, family, PORT)
                mine, other = self.connect_in(group, listener), self.connect_in(None, listener)
                run = self.hold("drop", "--cgroup", group.path, "--direction", "in")
                self.assert_cut(mine[1], mine[0], other)
                self.assertEqual(run.stop(), 130)
                listener.close()

    def test_reset(self):
        """Idle connections are reset, new ones refused: only those of the cgroup."""
        lab, group = self.lab, self.group()
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                listener = lab.listen(lab.there, family, PORT)
                mine, other = self.connect_in(group, listener), self.connect_in(None, listener)
                run = self.hold("reset=both", "--proto", "tcp", "--cgroup", group.path)
                for s in mine:
                    self.assertTrue(select.select([s], [], [], PATIENCE_S)[0], "it is not reset")
                    self.assert_errno(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), errno.ECONNRESET)
                with group:
                    self.assert_errno(lab.try_connect(lab.here, family, PORT), errno.ECONNREFUSED)
                self.assert_errno(lab.try_connect(lab.here, family, PORT), 0)
                self.assert_echo(*other)
                self.assertEqual(run.stop(), 130)
                self.assertEqual((run.counters()["idle_reset"], run.counters()["refused"]), (1, 1))
                with group:
                    self.assert_errno(lab.try_connect(lab.here, family, PORT), 0)
                listener.close()

    def test_datagrams(self):
        lab, group = self.lab, self.group()
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                server = lab.socket(lab.there, family, UDP, PORT)
                with group:
                    mine = lab.socket(lab.here, family, UDP)
                other = lab.socket(lab.here, family, UDP)
                run = self.hold("drop", "--proto", "udp", "--cgroup", group.path, "--direction", "out")
                mine.sendto(b"mine", (THERE[family], PORT))
                other.sendto(b"other", (THERE[family], PORT))
                self.assertEqual(server.recv(100), b"other")
                self.assertIsNone(received(server))
                self.assertEqual(run.stop(), 130)
                run = self.hold("drop", "--proto", "udp", "--cgroup", group.path, "--direction", "in")
                server.sendto(b"to mine", mine.getsockname())
                server.sendto(b"to other", other.getsockname())
                self.assertEqual(other.recv(100), b"to other")
                self.assertIsNone(received(mine))
                self.assertEqual(run.stop(), 130)
                self.assertEqual(run.counters()["dropped"], 1)
                server.close()

    def test_server(self):
        """A SYN that comes in is its listener's; an accepted connection has the listener's cgroup."""
        lab, group = self.lab, self.group()
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                with group:
                    listener = lab.listen(lab.here, family, PORT)
                other = lab.listen(lab.here, family, NEXT_PORT)
                mine, others = lab.connect(listener)[0], lab.connect(other)[0]
                run = self.hold("refuse=tcp-reset", "--cgroup", group.path, port=f"{PORT},{NEXT_PORT}",
                                side="--local-port")
                self.assert_errno(lab.try_connect(lab.there, family, PORT), errno.ECONNREFUSED)
                self.assert_errno(lab.try_connect(lab.there, family, NEXT_PORT), 0)
                self.assert_echo(*mine)
                self.assertEqual(run.stop(), 130)
                self.assertEqual(run.counters()["refused"], 1)
                run = self.hold("drop", "--cgroup", group.path, port=f"{PORT},{NEXT_PORT}", side="--local-port")
                self.assert_cut(mine[0], mine[1], others)
                self.assert_cut(mine[1], mine[0], others)
                self.assertEqual(run.stop(), 130)
                listener.close()
                other.close()

    def test_nested(self):
        """A cgroup has what those below it have, but nothing of those above and beside it."""
        lab = self.lab
        above = self.group()
        inner, beside = self.group(above, "inner.service"), self.group(above, "beside.service")
        listener = lab.listen(lab.there, V4, PORT)
        pairs = {group: self.connect_in(group, listener) for group in (None, above, inner, beside)}
        for target, hit in ((inner, {inner}), (above, {above, inner, beside})):
            run = self.hold("drop", "--cgroup", target.path, "--direction", "out")
            for group, (client, server) in pairs.items():
                if group in hit:
                    self.assert_cut(client, server, pairs[None])
                else:
                    client.send(b"here")
                    self.assertEqual(received(server, PATIENCE_S), b"here")
            self.assertEqual(run.stop(), 130)
            for group in hit:  # what was sent again
                self.assertEqual(received(pairs[group][1], PATIENCE_S), b"lost")

    def test_both_levels(self):
        """A socket that two targets mean; the observer tells them apart, too."""
        lab = self.lab
        above = self.group()
        inner = self.group(above, "inner.service")
        listener = lab.listen(lab.there, V4, PORT)
        run = lab.run({"version": 1, "name": "levels", "interface": DEVICE, "baseline": "100ms",
                       "targets": {"above": {"cgroup": above.path, "remote_port": PORT},
                                   "inner": {"cgroup": inner.path, "remote_port": PORT},
                                   "all": {"remote_port": PORT}},
                       "steps": [{"name": "slow", "at": "0s", "for": HOLD, "fault": {"loss": {"every": 1000}},
                                  "target": ["above", "inner"]}]})
        run.opened(2)
        ports = {}
        for name, group in (("nobody", None), ("above", above), ("inner", inner)):
            pair = self.connect_in(group, listener)
            self.assert_echo(*pair)
            ports[str(pair[0].getsockname()[1])] = name
        wait_until(lambda: len(run.events("conn.attempt")) >= 3, "the attempts")
        self.assertEqual(run.stop(), 130)
        found = {}
        for e in run.events("conn.attempt"):
            port = e["flow"].split(">")[0].rsplit(":", 1)[1]
            found[ports[port]] = sorted([e["target"], *e.get("data", {}).get("also", [])])
        self.assertEqual(found, {"nobody": ["all"], "above": ["above", "all"], "inner": ["above", "all", "inner"]})
        matched = [c["data"]["matched"] for c in run.events("fault.close")]
        self.assertGreater(matched[0], matched[1])
        self.assertGreater(matched[1], 0)

    def test_gone(self):
        """The cgroup is removed during the run; one of the same name is not meant."""
        lab, group = self.lab, self.group()
        listener = lab.listen(lab.there, V4, PORT)
        run = self.hold("drop", "--cgroup", group.path)
        owner = run.events("target.owner")[0]["data"]
        self.assertEqual((owner["kind"], owner["cgroup"]), ("cgroup", group.path))
        group.close()
        os.mkdir(group.directory)
        run.wait_event("target.gone")
        self.assert_echo(*self.connect_in(group, listener))
        self.assertEqual(run.stop(), 130)
        self.assertEqual(run.counters()["matched"], 0)
        self.assertEqual([e["data"]["id"] for e in run.events("target.gone")], [owner["id"]])


class ByUnit(OwnerTest):
    def test_unit(self):
        lab, group = self.lab, self.group()
        unit = f"sp{os.getpid()}.service"
        inner = self.group(group, unit)
        listener = lab.listen(lab.there, V4, PORT)
        mine, other = self.connect_in(inner, listener), self.connect_in(group, listener)
        run = self.hold("drop", "--unit", unit)
        self.assert_cut(*mine, other)
        self.assertEqual(run.stop(), 130)
        self.assertEqual(run.events("target.owner")[0]["data"]["cgroup"], inner.path)

    def test_ambiguous(self):
        unit = f"sp{os.getpid()}.service"
        for _ in range(2):
            self.group(self.group(), unit)
        self.assert_ended(run := self.lab.inject("drop", "--unit", unit, "--for", "10ms"), 3)
        self.assertIn("several units", run.stderr)


class ByProcess(OwnerTest):
    CONNECT = "s['old'] = s.get('c'); s['c'] = socket.create_connection({!r}); answer = s['c'].getsockname()[1]"
    SEND = "answer = s['c'].send(b'data')"
    AWAIT = "import select; answer = len(select.select([s['c']], [], [], 60)[0])"

    def actor(self, space=None, **sockets):
        with space or self.lab.here:
            actor = Actor(**sockets)
        self.addCleanup(actor.end)
        return actor

    def client(self, listener):
        """A process with a connection, and the server's end."""
        actor = self.actor()
        actor.do(self.CONNECT.format(listener.getsockname()[:2]))
        server = self.lab.keep(listener.accept()[0])
        return actor, server

    def test_one_of_two(self):
        """Connections that were there, and new ones."""
        lab = self.lab
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                listener = lab.listen(lab.there, family, PORT)
                (mine, my_server), (other, other_server) = self.client(listener), self.client(listener)
                run = self.hold("reset=both", "--proto", "tcp", "--pid", str(mine.pid))
                self.assertTrue(select.select([my_server], [], [], PATIENCE_S)[0], "it is not reset")
                self.assert_errno(my_server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), errno.ECONNRESET)
                self.assertEqual(mine.do(self.AWAIT), 1, "its own end is not reset")
                self.assert_errno(mine.do(self.SEND), errno.ECONNRESET)
                self.assert_errno(mine.do(self.CONNECT.format(listener.getsockname()[:2])), errno.ECONNREFUSED)
                self.assertEqual(other.do(self.SEND), 4)
                self.assertEqual(received(other_server, PATIENCE_S), b"data")
                self.assertGreater(other.do(self.CONNECT.format(listener.getsockname()[:2])), 0)
                self.assertEqual(run.stop(), 130)
                self.assertEqual((run.counters()["idle_reset"], run.counters()["refused"]), (1, 1))
                listener.close()
                mine.end()
                other.end()

    def test_datagrams(self):
        lab = self.lab
        make = "s['c'] = socket.socket(socket.{}, UDP); s['c'].connect({!r}); answer = s['c'].getsockname()"
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                server = lab.socket(lab.there, family, UDP, PORT)
                script = make.format(family.name, server.getsockname()[:2])
                mine, other = self.actor(), self.actor()
                before = mine.do(script)
                run = self.hold("drop", "--proto", "udp", "--pid", str(mine.pid), "--direction", "out")
                mine.do(self.SEND)                            # a socket that was there
                mine.do("s['old'] = s['c']; " + script)
                mine.do(self.SEND)                            # and a new one
                address = other.do(script)
                other.do(self.SEND)
                self.assertEqual(server.recvfrom(100), (b"data", tuple(address)))
                self.assertIsNone(received(server))
                self.assertEqual(run.stop(), 130)
                self.assertEqual(run.counters()["dropped"], 2)
                run = self.hold("drop", "--proto", "udp", "--pid", str(mine.pid), "--direction", "in")
                server.sendto(b"to mine", tuple(before))
                server.sendto(b"to other", tuple(address))
                self.assertEqual(other.do("answer = s['c'].recv(100)"), b"to other")
                self.assertEqual(run.stop(), 130)
                self.assertEqual((run.counters()["dropped"], run.counters()["matched"]), (1, 1))
                server.close()

    def test_server(self):
        """A listener is of the process that made it."""
        lab = self.lab
        make = ("s['l'] = socket.create_server(({!r}, {}), family=socket.{}); "
                "s['l'].settimeout(60); answer = s['l'].fileno()")
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                mine, other = self.actor(), self.actor()
                mine.do(make.format(lab.address(lab.here, family), PORT, family.name))
                other.do(make.format(lab.address(lab.here, family), NEXT_PORT, family.name))
                run = self.hold("refuse=tcp-reset", "--pid", str(mine.pid), port=f"{PORT},{NEXT_PORT}",
                                side="--local-port")
                self.assert_errno(lab.try_connect(lab.there, family, PORT), errno.ECONNREFUSED)
                self.assert_errno(lab.try_connect(lab.there, family, NEXT_PORT), 0)
                self.assertEqual(run.stop(), 130)
                self.assert_errno(lab.try_connect(lab.there, family, PORT), 0)
                mine.end()
                other.end()

    def test_worker(self):
        """Two processes share a listener; a connection is of the one that makes calls on it."""
        lab = self.lab
        listener = lab.listen(lab.here, V4, PORT)
        workers = [self.actor(l=listener) for _ in range(2)]
        run = self.hold("drop", "--pid", str(workers[0].pid), side="--local-port")
        pairs = []
        for worker in workers:
            client = lab.socket(lab.there, V4, TCP)
            client.connect(listener.getsockname())
            worker.do("s['c'] = s['l'].accept()[0]; answer = 0")
            pairs.append((client, worker))
        for client, worker in pairs:
            worker.do(self.SEND)
        self.assertEqual(received(pairs[1][0], PATIENCE_S), b"data")
        self.assertIsNone(received(pairs[0][0]))
        self.assertEqual(run.stop(), 130)
        self.assertEqual(run.counters()["flows"], 1)
        self.assertEqual(received(pairs[0][0], PATIENCE_S), b"data")

    def test_end(self):
        """When the process ends, its rule matches nothing any more, also if another still holds its socket."""
        lab = self.lab
        listener = lab.listen(lab.there, V4, PORT)
        mine, server = self.client(listener)
        run = self.hold("drop", "--pid", str(mine.pid))
        self.assertEqual(run.events("target.owner")[0]["data"]["kind"], "process")
        mine.do(self.SEND)
        os.kill(mine.pid, signal.SIGKILL)
        gone = run.wait_event("target.gone")
        self.assertEqual(gone["data"]["pid"], mine.pid)
        self.assertEqual(received(server, PATIENCE_S), b"data")
        self.assertEqual(run.stop(), 130)
        self.assertGreater(run.counters()["dropped"], 0)


class Refused(OwnerTest):
    """Exit status 3, a reason, and nothing was touched."""

    def check(self, words, *expected):
        before = self.lab.state()
        run = self.lab.inject("drop", *words, "--for", "10ms")
        self.assert_ended(run, 3)
        self.assertIn("refused, nothing was touched", run.stderr)
        for word in expected:
            self.assertIn(word, run.stderr)
        self.assert_untouched(before)

    def test_unknown(self):
        actor = Actor()
        actor.end()
        for words, expected in ((("--cgroup", "/no/such.service"), "there is no cgroup /no/such.service"),
                                (("--unit", "shearpin-no-such.service"), "systemctl status"),
                                (("--pid", str(actor.pid)), f"there is no process {actor.pid}")):
            with self.subTest(words):
                self.check(words, expected)

    def test_thread(self):
        """Its number is none of a process."""
        halt = threading.Event()
        thread = threading.Thread(target=halt.wait)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(halt.set)
        self.check(("--pid", str(thread.native_id)), f"{thread.native_id} is a thread; name its process")

    def test_elsewhere(self):
        """A process whose sockets are in another network namespace."""
        with self.lab.there:
            actor = Actor()
        self.addCleanup(actor.end)
        self.check(("--pid", str(actor.pid)), "another network namespace", f"--netns {actor.pid}")

    def test_protected(self):
        """A peer that must not be hit may be the cgroup's next one."""
        group = self.group()
        self.check(("--cgroup", group.path, "--protect", THERE[V4]), THERE[V4], "narrow the target")
        run = self.lab.inject("drop", "--cgroup", group.path, "--remote", THERE[V4], "--protect", THERE[V6],
                              "--for", "10ms")
        self.assert_ended(run, 0)


class Operator(OwnerTest):
    """The operator's own connection, as this shell's ancestor has it: the run is refused if it is the target's."""

    # Enters a cgroup, connects, and then becomes the parent of the program that is given.
    OWNER = ("import socket, subprocess, sys\n"
             "open(sys.argv[1], 'w').write('0')\n"
             "kept = socket.create_connection((sys.argv[2], int(sys.argv[3])))\n"
             "sys.exit(subprocess.run(sys.argv[4:]).returncode)")

    def inject(self, family, group, *words):
        procs = f"{group.directory}/cgroup.procs"
        run = self.lab.inject("drop", "--remote-port", str(PORT), "--for", "10ms", *words,
                              wrapper=(sys.executable, "-c", self.OWNER, procs, THERE[family], str(PORT)))
        run.wait()
        return run

    def test_by_cgroup(self):
        mine, other = self.group(), self.group()
        for family in FAMILIES:
            with self.subTest(name_of(family)):
                listener = self.lab.listen(self.lab.there, family, PORT)
                run = self.inject(family, mine, "--cgroup", mine.path)
                self.assert_ended(run, 3)
                self.assertIn("a connection of this shell's ancestors", run.stderr)
                self.assert_ended(self.inject(family, mine, "--cgroup", other.path), 0)
                listener.close()

    def test_by_process(self):
        """The ancestor's connection is known to be its own."""
        with self.lab.here:
            bystander = Actor()
        self.addCleanup(bystander.end)
        self.lab.listen(self.lab.there, V4, PORT)
        self.assert_ended(self.inject(V4, self.group(), "--pid", str(bystander.pid)), 0)


class Evidence(OwnerTest):
    def test_verify(self):
        """The evidence of a run with owners is whole."""
        group = self.group()
        pair = self.connect_in(group, self.lab.listen(self.lab.there, V4, PORT))
        run = self.hold("loss=every:2", "--cgroup", group.path)
        pair[0].send(b"one")
        self.assertEqual(received(pair[1], PATIENCE_S), b"one")
        self.assertEqual(run.stop(), 130)
        done = self.lab.call("verify", run.out)
        self.assertEqual(done.status, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
