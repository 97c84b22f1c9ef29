# SPDX-License-Identifier: BSD-2-Clause
"""Cgroups (v2) of a test's own, and processes that do what the test says."""
import ast
import os
import socket
import tempfile

from lab import PATIENCE_S, TCP, UDP, mount, scratch


def mount_point():
    """Where cgroup2 is mounted; if nowhere, it is mounted for this test alone."""
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        for line in f:
            words = line.split()
            if words[words.index("-") + 1] == "cgroup2":
                return words[4]
    where = os.path.join(scratch, "cgroup2")
    os.mkdir(where)
    mount("cgroup2", where)
    return where


MOUNT = mount_point() if os.geteuid() == 0 else None


def own_path():
    with open("/proc/self/cgroup", encoding="utf-8") as f:
        return next(line[3:].rstrip("\n") for line in f if line.startswith("0::"))


class Group:
    """A cgroup below another, or below the one that the test began in. A socket belongs to the cgroup of the process that
    makes it for good: `with group:` makes some in it."""

    home = own_path() if MOUNT else None

    def __init__(self, above=None, name=None):
        parent = above.path if above else self.home.rstrip("/")
        if name:
            self.path = f"{parent}/{name}"
            os.mkdir(MOUNT + self.path)
        else:
            self.path = tempfile.mkdtemp(prefix="shearpin-test-", dir=MOUNT + parent + "/")[len(MOUNT):]
        self.directory = MOUNT + self.path

    @staticmethod
    def enter(path, pid=0):
        with open(f"{MOUNT}{path}/cgroup.procs", "w", encoding="ascii") as f:
            f.write(str(pid))

    def __enter__(self):
        self.enter(self.path)
        return self

    def __exit__(self, *_):
        self.enter(self.home)

    def close(self):
        try:
            os.rmdir(self.directory)
        except FileNotFoundError:
            pass



class Actor:
    """A process that makes sockets and calls on them, in the network namespace that the test is in just now."""

    def __init__(self, **sockets):
        self.channel, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.settimeout(PATIENCE_S)
        self.ended = False
        self.pid = os.fork()
        if not self.pid:
            try:
                self.channel.close()
                self.serve(far, sockets)
            finally:
                os._exit(0)
        far.close()

    @staticmethod
    def serve(channel, sockets):
        names = {"socket": socket, "s": sockets, "TCP": TCP, "UDP": UDP}
        while script := channel.recv(65536):
            try:
                exec(script, names)  # pylint: disable=exec-used
                answer = names.get("answer")
            except OSError as e:
                answer = e.errno
            channel.send(repr(answer).encode())

    def do(self, script):
        """Have it run a script, in which `s` is its dictionary of sockets; what that sets `answer` to, or an error number."""
        self.channel.send(script.encode())
        return ast.literal_eval(self.channel.recv(65536).decode())

    def end(self):
        if not self.ended:
            self.ended = True
            self.channel.shutdown(socket.SHUT_RDWR)  # later actors have it, too
            self.channel.close()
            os.waitpid(self.pid, 0)
