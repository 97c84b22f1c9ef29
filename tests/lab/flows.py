# SPDX-License-Identifier: BSD-2-Clause
"""Clients that come back, the server that they talk to, and what a run's log says about their connections."""
import json
import os
import select
import signal
import socket
import subprocess
import sys

from lab import DEVICE, FAMILIES, HERE, PEER_DEVICE, V4, V6, Lab, Namespace, name_of, wait_until
from traffic import Beside

RETRYING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "retrying.py")
MS, S = 1_000_000, 1_000_000_000
ROUTER = {V4: "10.78.0.1", V6: "fd78::1"}  # the router's address there
FAR = {V4: "10.78.0.2", V6: "fd78::2"}
FAR_DEVICE = "test1"


class EchoServer(Beside):
    """Sends back what it gets, on every connection to its ports."""

    def __init__(self, lab, space, families, ports):
        super().__init__()
        self.listeners = {}
        self.connections = {}
        self.accepted = []
        self.poll = select.epoll()
        for family in families:
            for port in ports:
                s = lab.listen(space, family, port)
                s.setblocking(False)
                self.listeners[s.fileno()] = s
                self.poll.register(s.fileno(), select.EPOLLIN)

    def stop(self):
        super().stop()
        for s in self.connections.values():
            s.close()
        self.poll.close()

    def accept(self, listener):
        try:
            s, peer = listener.accept()
        except OSError:  # it was reset in the queue
            return
        s.setblocking(False)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.accepted.append(peer[:2])
        self.connections[s.fileno()] = s
        self.poll.register(s.fileno(), select.EPOLLIN)

    def serve(self, s):
        try:
            data = s.recv(65536)
            if data:
                s.sendall(data)
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self.poll.unregister(s.fileno())
        del self.connections[s.fileno()]
        s.close()

    def run(self):
        while not self.halt:
            for fd, _ in self.poll.poll(0.05):
                if fd in self.listeners:
                    self.accept(self.listeners[fd])
                elif fd in self.connections:
                    self.serve(self.connections[fd])


class RetryingClient:
    """retrying.py in a namespace, until the `with` ends."""

    def __init__(self, lab, space, family, port, host=None, **settings):
        self.host, self.port, self.family = host or lab.address(lab.other(space), family), port, family
        self.endpoint = endpoint(self.host, port)
        self.own = lab.address(space, family)
        self.log = os.path.join(lab.folder, f"client-{name_of(family)}-{port}.jsonl")
        self.errors = self.log + ".stderr"
        words = json.dumps({"host": self.host, "port": port, **settings})
        with space, open(self.log, "wb") as out, open(self.errors, "wb") as err:
            self.process = subprocess.Popen([sys.executable, RETRYING, words], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=err)
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        with open(self.errors, encoding="utf-8") as f:
            complaint = f.read()
        if complaint:
            raise AssertionError(complaint)

    def notes(self, *what):
        """The whole lines of its log."""
        with open(self.log, "rb") as f:
            found = [json.loads(line) for line in f.read().split(b"\n")[:-1]]
        return [n for n in found if n["what"] in what] if what else found

    def answers(self):
        """The notes of answers. The kernel needs a moment until it stamps packets: some of the first may have no time."""
        return [n for n in self.notes("answer") if n["arrived"]]

    def wait_answer(self, since_ns=0):
        """Its first answer that came after that time."""
        def look():
            if self.process.poll() is not None:
                self.stop()
                raise AssertionError(f"the client ended with {self.process.returncode}")
            return next((n for n in self.answers() if n["arrived"] > since_ns), None)

        return wait_until(look, "an answer")

    def is_of(self, event):
        """Whether an event is about one of its connections."""
        return event.get("flow", "").endswith(f">{self.endpoint}/tcp")


def endpoint(host, port=None):
    """As the log writes it."""
    host = f"[{host}]" if ":" in host else host
    return host if port is None else f"{host}:{port}"


def flow_of(s):
    """The name of a TCP socket's flow in the log of shearpin beside it."""
    return f"{endpoint(*s.getsockname()[:2])}>{endpoint(*s.getpeername()[:2])}/tcp"


class Road(Lab):
    """Three hosts in a row: `far`, the router `here`, and `there`. shearpin is at work in the router."""

    def __init__(self):
        self.far = Namespace()
        super().__init__()
        self.lay((self.here, FAR_DEVICE, ROUTER), (self.far, PEER_DEVICE, FAR), 78)
        self.here.call("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward; "
                                   "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding")
        for space, gateway in ((self.far, ROUTER), (self.there, HERE)):
            for family in FAMILIES:
                space.call("ip", "-6" if family == V6 else "-4", "route", "add", "default", "via", gateway[family])

    def address(self, space, family):
        return FAR[family] if space is self.far else super().address(space, family)

    def close(self):
        super().close()
        self.far.close()


# What the log says

def conn_events(run, client=None, *types):
    """The conn.* events, all or those of a client."""
    found = [e for e in run.events() if e["type"].startswith("conn.")]
    return [e for e in found if (client is None or client.is_of(e)) and (not types or e["type"] in types)]


def story(events, flow):
    """What happened to a flow, in order: [(type without "conn.", mono_ns, data)]."""
    return [(e["type"].removeprefix("conn."), e["mono_ns"], e["data"]) for e in events
            if e["type"].startswith("conn.") and e["flow"] == flow]


def windows(run):
    """[(opens_ns, closes_ns)] of all windows, in order."""
    found = {(e["data"]["opens_ns"], e["data"]["closes_ns"]) for e in run.events("fault.close")}
    return sorted(found)


def scenario(targets, steps, **more):
    return {"version": 1, "name": "flows", "interface": DEVICE, "targets": targets, "steps": steps, **more}

