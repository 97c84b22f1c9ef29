# SPDX-License-Identifier: BSD-2-Clause
"""Traffic that runs beside a test, with CLOCK_MONOTONIC stamps."""
import bisect
import itertools
import select
import threading

from datagrams import NUMBER, gather_numbers, make_room
from lab import UDP, now_ns

END_OF_FILE = 0  # among error numbers


class Beside(threading.Thread):
    """Something that goes on beside a test, for as long as a `with` lasts: its run() returns soon after `halt` is set."""

    def __init__(self):
        super().__init__(daemon=True)
        self.halt = False

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.halt = True
        self.join()


class Traffic(Beside):
    """TCP: client and server of every active pair bounce a byte; idle pairs say nothing."""

    def __init__(self, active=(), idle=()):
        super().__init__()
        self.ended = {}                                     # socket: (error number, when)
        self.exchanges = {client: [] for client, _ in active}  # when each answer came
        self.sent = {s: [] for pair in active for s in pair}    # before each send() that succeeded
        self.clients = {client.fileno(): client for client, _ in active}
        self.by_fd = {s.fileno(): s for pair in (*active, *idle) for s in pair}
        self.poll = select.epoll()
        for fd, s in self.by_fd.items():
            s.setblocking(False)
            self.poll.register(fd, select.EPOLLIN)

    def stop(self):
        super().stop()
        self.poll.close()

    def over(self, s, number):
        self.ended[s] = number, now_ns()
        self.poll.unregister(s.fileno())

    def send(self, s):
        if s in self.ended:
            return
        before = now_ns()
        try:
            s.send(b"*")
            self.sent[s].append(before)
        except OSError as e:
            self.over(s, e.errno)

    def receive(self, s):
        try:
            data = s.recv(4096)
        except BlockingIOError:
            return
        except OSError as e:
            self.over(s, e.errno)
            return
        if not data:
            self.over(s, END_OF_FILE)
            return
        if s.fileno() in self.clients:
            self.exchanges[s].append(now_ns())
        self.send(s)

    def run(self):
        for client in self.clients.values():
            self.send(client)
        while not self.halt:
            for fd, _ in self.poll.poll(0.02):
                self.receive(self.by_fd[fd])

    def exchanged(self, client, since_ns, until_ns):
        """How many answers came between two times."""
        return sum(since_ns <= at < until_ns for at in self.exchanges[client])


class Stream(Beside):
    """Numbered datagrams from here to there, with stamps before and after each send(): the kernel decided about the
    datagram between the two."""

    def __init__(self, lab, family, ports, period_ns=50_000):
        super().__init__()
        self.receivers = {port: lab.socket(lab.there, family, UDP, port) for port in ports}
        for s in self.receivers.values():
            make_room(s)
        self.sender = lab.socket(lab.here, family, UDP)
        self.period_ns = period_ns
        self.sent = []  # (port, before, after) of every number

    def run(self):
        due = now_ns()
        targets = [(port, s.getsockname()) for port, s in self.receivers.items()]
        for number, (port, address) in enumerate(itertools.cycle(targets)):
            while True:
                before = now_ns()
                if before >= due:
                    break
            self.sender.sendto(NUMBER.pack(number), address)
            self.sent.append((port, before, now_ns()))
            due = max(due + self.period_ns, before - 10 * self.period_ns)
            if self.halt:
                return

    def lost(self, port, expected):
        """The numbers that never came to a port, of which there should be so many."""
        sent = [n for n, (p, _, _) in enumerate(self.sent) if p == port]
        found = gather_numbers(self.receivers[port], len(sent) - expected)
        arrived = [n for numbers in found.values() for n in numbers]
        assert len(arrived) == len(set(arrived)), "duplicates"
        return set(sent) - set(arrived)


def place(intervals, before, after):
    """Where a datagram was sent: the number of the interval [opens, closes) that holds it, None for outside of all,
    False for across an edge. The intervals are in order."""
    i = bisect.bisect_right(intervals, (before, float("inf"))) - 1
    if i >= 0 and before < intervals[i][1]:
        return i if after < intervals[i][1] else False
    return None if i + 1 == len(intervals) or after < intervals[i + 1][0] else False
