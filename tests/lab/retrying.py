# SPDX-License-Identifier: BSD-2-Clause
"""A client as an operator has it: it keeps one connection, sends a request every so often and reads the answer, and when
the connection is lost it tries again in its own way. It writes down what it sees, one JSON object a line, with
CLOCK_MONOTONIC nanoseconds. It knows nothing of shearpin.

usage: retrying.py '{"host": ADDRESS, "port": N, "retry": KIND, ...}' (DEFAULTS has the other keys)

    connect    before, after: connect() was called and had returned; error: its number, 0: connected; late: nanoseconds that it
               was called behind its time
    answer     first: of its connection; sent: before its request was sent; arrived: the kernel's stamp of its packet;
               at: it had been read
    noticed    error: its number, 0: end of file, ETIMEDOUT: no answer in time; quiet: there was no error yet; at: there was
    closed     before, after: close()
"""
import contextlib
import ctypes
import errno
import itertools
import json
import os
import random
import select
import signal
import socket
import struct
import sys
import time

DEFAULTS = {
    "retry": "constant",     # constant, linear, exponential, immediate, storm
    "first": 0.5,            # seconds
    "factor": 2.0,           # exponential
    "step": 0.2,             # linear
    "cap": 3600.0,
    "rate": 500,             # storm: connects a second
    "jitter": 0.0,           # a share, to both sides
    "seed": 1,
    "at_once": True,         # the first try after a connection was lost
    "request_every": 0.05,
    "requests": 0,           # on one connection; 0: no end
    "answer_within": 60.0,
    "connect_within": 60.0,
    "look": 0.02,            # how long to sleep between two looks for an answer
    "comm": "retrying",
    "bind": None,            # a local address
}
PR_SET_PDEATHSIG, PR_SET_NAME, PR_SET_TIMERSLACK = 1, 15, 29
SO_TIMESTAMPNS = 35
TIMESPEC = struct.Struct("@ll")
S = 1_000_000_000


def now_ns():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def realtime_offset():
    """CLOCK_REALTIME minus CLOCK_MONOTONIC; the closest of some looks at both."""
    looks = []
    for _ in range(5):
        before, real, after = now_ns(), time.clock_gettime_ns(time.CLOCK_REALTIME), now_ns()
        looks.append((after - before, real - (before + after) // 2))
    return min(looks)[1]


def receive(s):
    """Data, and when the kernel got it from the device."""
    data, extra, _, _ = s.recvmsg(65536, 64)
    for level, kind, value in extra:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, ns = TIMESPEC.unpack(value)
            return data, seconds * S + ns - realtime_offset()
    return data, None


def waits(settings):
    """Seconds to wait, one after the other."""
    draw = random.Random(settings["seed"])
    if settings["at_once"]:
        yield 0
    due = now_ns()
    for n in itertools.count():
        if settings["retry"] == "storm":
            due += S // settings["rate"]
            yield max(due - now_ns(), 0) / S
            continue
        base = {"constant": lambda: settings["first"],
                "linear": lambda n=n: settings["first"] + n * settings["step"],
                "exponential": lambda n=n: settings["first"] * settings["factor"] ** min(n, 64),
                "immediate": lambda: 0}[settings["retry"]]()
        yield min(base, settings["cap"]) * (1 + settings["jitter"] * draw.uniform(-1, 1))


class Client:
    def __init__(self, settings):
        self.settings = settings
        self.family = socket.AF_INET6 if ":" in settings["host"] else socket.AF_INET
        self.socket = None
        self.quiet = 0
        self.late = 0

    @staticmethod
    def note(what, **more):
        print(json.dumps({"what": what, **more}), flush=True)

    def connect(self):
        self.socket = s = socket.socket(self.family, socket.SOCK_STREAM)
        s.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.settings["bind"]:
            s.bind((self.settings["bind"], 0))
        s.settimeout(self.settings["connect_within"])
        before = self.quiet = now_ns()
        error = s.connect_ex((self.settings["host"], self.settings["port"]))
        self.note("connect", before=before, after=now_ns(), error=errno.ETIMEDOUT if error == errno.EAGAIN else error,
                  late=self.late)
        s.setblocking(False)
        return not error

    def close(self):
        before = now_ns()
        self.socket.close()
        self.note("closed", before=before, after=now_ns())

    def readable(self, until):
        """Whether there is something to read before that time; looks so often that the time of its coming is known."""
        while True:
            look = now_ns()
            left = (until - look) / S
            if left <= 0:
                return False
            if select.select([self.socket], [], [], min(left, self.settings["look"]))[0]:
                return True
            self.quiet = look

    def exchange(self, first):
        """A request and its answer, and the time until the next request is due."""
        sent = now_ns()
        self.socket.send(struct.pack("!Q", sent))
        if not self.readable(sent + int(self.settings["answer_within"] * S)):
            raise TimeoutError(errno.ETIMEDOUT, "no answer")
        before = now_ns()
        data, arrived = receive(self.socket)
        if not data:
            raise EOFError
        self.note("answer", first=first, sent=sent, arrived=arrived, at=now_ns())
        self.quiet = before
        if self.readable(sent + int(self.settings["request_every"] * S)) and not self.socket.recv(65536):
            raise EOFError

    def talk(self):
        """Until the connection is lost, or has done its work; whether there was an answer."""
        for n in itertools.count():
            if n and n == self.settings["requests"]:
                return True
            try:
                self.exchange(n == 0)
            except EOFError:
                error = 0
            except OSError as e:
                error = e.errno
            else:
                continue
            self.note("noticed", error=error, quiet=self.quiet, at=now_ns())
            return n > 0

    def wait(self, seconds):
        due = now_ns() + int(seconds * S)
        time.sleep(seconds)
        self.late = now_ns() - due

    def run(self):
        schedule = waits({**self.settings, "at_once": True})
        while True:
            self.wait(next(schedule))
            if self.connect() and self.talk():
                schedule = waits(self.settings)
            self.close()


def go_first(settings):
    """What it sleeps between tries is its own, and not a busy machine's; but it must not keep a CPU for itself."""
    if settings["retry"] != "immediate":
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def main():
    settings = {**DEFAULTS, **json.loads(sys.argv[1])}
    parent = os.getppid()
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    libc.prctl(PR_SET_NAME, settings["comm"].encode())
    libc.prctl(PR_SET_TIMERSLACK, 1)
    if os.getppid() != parent:
        return
    go_first(settings)
    # The kernel stamps packets as long as there is a socket that wants it, and begins a little later.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        Client(settings).run()


if __name__ == "__main__":
    main()
