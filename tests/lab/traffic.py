# SPDX-License-Identifier: BSD-2-Clause
"""TCP connections in use: pairs of sockets, one thread that serves both ends, and what each end met, and when."""
import select
import threading

from lab import now_ns

END_OF_FILE = 0  # among error numbers


class Traffic(threading.Thread):
    """Client and server of every active pair bounce a byte; idle pairs say nothing. Stamps are CLOCK_MONOTONIC."""

    def __init__(self, active=(), idle=()):
        super().__init__(daemon=True)
        self.ended = {}                                     # socket: (error number, when)
        self.exchanges = {client: [] for client, _ in active}  # when each answer came
        self.clients = {client.fileno(): client for client, _ in active}
        self.by_fd = {s.fileno(): s for pair in (*active, *idle) for s in pair}
        self.halt = False
        self.poll = select.epoll()
        for fd, s in self.by_fd.items():
            s.setblocking(False)
            self.poll.register(fd, select.EPOLLIN)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.halt = True
        self.join()
        self.poll.close()

    def over(self, s, number):
        self.ended[s] = number, now_ns()
        self.poll.unregister(s.fileno())

    def send(self, s):
        if s in self.ended:
            return
        try:
            s.send(b"*")
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
