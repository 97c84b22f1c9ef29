# SPDX-License-Identifier: BSD-2-Clause
"""Ways for packets, slowed by tc netem or by shearpin, and how long packets take on them. In virtual time a measured
microsecond is one, however busy the host is: tests/vm/run."""
import gc
import os
import random
import socket
import struct
import time

from datagrams import NUMBER, drain, make_room
from lab import DEVICE, HOLD, PEER_DEVICE, TCP, UDP, now_ns, wait_until

PORT, NEIGHBOUR = 4000, 4001  # ports there: the slowed one, and the one beside it
SOURCE = 5000
PATIENCE = struct.pack("ll", 60, 0)
MSG_TRUNC = 0x20  # TCP: throw the data away unread


class Bare:
    """Nothing in the way."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Netem:
    """The words of tc netem on both interfaces: each slows what it sends."""

    def __init__(self, lab, *words):
        self.devices = (lab.here, DEVICE), (lab.there, PEER_DEVICE)
        self.words = words

    def __enter__(self):
        for space, device in self.devices:
            space.call("tc", "qdisc", "add", "dev", device, "root", "netem", "limit", "100000", *self.words)
        return self

    def __exit__(self, *_):
        for space, device in self.devices:
            space.call("tc", "qdisc", "del", "dev", device, "root")


class Shearpin:
    """A run that slows PORT, in both directions."""

    def __init__(self, lab, backend, *words, protocol="udp"):
        self.lab = lab
        self.words = (*words, "--direction", "both", "--proto", protocol, "--remote-port", str(PORT),
                      "--delay-backend", backend, "--for", HOLD)
        self.backend = backend
        self.run = self.counters = self.line = None

    def __enter__(self):
        self.run = self.lab.inject(*self.words)
        self.run.opened()
        return self

    def __exit__(self, *error):
        status = self.run.stop()
        if error[0] is None:
            assert status == 130, f"{status}: {self.run.stderr}"
            self.counters = self.run.counters()
            self.line = self.run.events("line")[0]["data"]


class Way:
    """Datagrams between here and there's PORT (or another), in one direction."""

    def __init__(self, lab, family, direction, port=PORT, source=SOURCE):
        here, there = lab.socket(lab.here, family, UDP, source), lab.socket(lab.there, family, UDP, port)
        for s in (here, there):
            s.setblocking(True)  # without a poll() before each call
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, PATIENCE)
            make_room(s)
        self.sender, self.receiver = (here, there) if direction == "out" else (there, here)
        self.sender.connect(self.receiver.getsockname()[:2])
        self.receiver.connect(self.sender.getsockname()[:2])

    def __enter__(self):
        gc.collect()
        gc.disable()
        return self

    def __exit__(self, *_):
        gc.enable()
        self.sender.close()
        self.receiver.close()

    def times(self, count):
        """How long each of so many datagrams takes, one at a time, in ns. The pauses keep them from falling into step with
        what the machine's one processor does regularly."""
        found = []
        pauses = random.Random(1)
        for n in range(count):
            time.sleep(pauses.random() / 100)
            data = NUMBER.pack(n)
            sent = now_ns()
            self.sender.send(data)
            got = self.receiver.recv(64)
            found.append(now_ns() - sent)
            assert got == data, f"number {n}: {got}"
        return found

    def round_trips(self, count):
        """The same for there and back."""
        found = []
        for n in range(count):
            sent = now_ns()
            self.sender.send(NUMBER.pack(n))
            self.receiver.send(self.receiver.recv(64))
            self.sender.recv(64)
            found.append(now_ns() - sent)
        return found

    def burst(self, count):
        """The numbers of so many datagrams sent at once, in the order in which they arrive."""
        for n in range(count):
            self.sender.send(NUMBER.pack(n))
        found = []

        def all_there():
            found.extend(NUMBER.unpack(data)[0] for data, _ in drain(self.receiver))
            return len(found) >= count

        wait_until(all_there, f"{count} datagrams")
        return found


def raise_limits(lab):
    """Buffers that hold what a fast TCP has under way in a long line."""
    for space in (lab.here, lab.there):
        with space:
            for name in ("tcp_rmem", "tcp_wmem"):
                with open(f"/proc/sys/net/ipv4/{name}", "w", encoding="ascii") as f:
                    f.write("4096 262144 134217728")


def bulk(lab, family, size):
    """How long TCP takes to bring so many bytes from here to there, in ns, from connect() to the last byte."""
    listener = lab.listen(lab.there, family, PORT)
    started = now_ns()
    pid = os.fork()
    if not pid:
        try:
            client = lab.socket(lab.here, family, TCP)
            client.connect(listener.getsockname()[:2])
            part = bytes(1 << 18)
            for _ in range(0, size, len(part)):
                client.sendall(part)
            client.shutdown(socket.SHUT_WR)
            os._exit(0 if client.recv(1) == b"" else 1)
        finally:
            os._exit(1)
    server = listener.accept()[0]
    server.setblocking(True)
    buffer = bytearray(1 << 20)
    got = 0
    while part := server.recv_into(buffer, len(buffer), MSG_TRUNC):
        got += part
    took = now_ns() - started
    server.close()
    listener.close()
    assert os.waitpid(pid, 0)[1] == 0, "the sender failed"
    assert got == size, f"{got} of {size} bytes"
    return took
