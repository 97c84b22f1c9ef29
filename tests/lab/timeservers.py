# SPDX-License-Identifier: BSD-2-Clause
"""Network time in a lab: a minimal server and client (RFC 4330) that both go by this machine's clock, and chronyd."""
import collections
import os
import re
import socket
import struct
import subprocess
import threading
import time

from lab import UDP, V6, wait_until

PORT = 123
CLIENT, SERVER = 4 << 3 | 3, 4 << 3 | 4
ERA = 2_208_988_800  # seconds from 1900 to 1970
PACKET = struct.Struct(">BBbbIII4Q")
SECOND_NS = 1_000_000_000

# All in ns: what the client finds the server's clock ahead by, and by how much that may be wrong.
Reading = collections.namedtuple("Reading", "offset error")


def time_ns():
    return time.clock_gettime_ns(time.CLOCK_REALTIME)


def to_ntp(ns):
    return (ns // SECOND_NS + ERA) << 32 | (ns % SECOND_NS << 32) // SECOND_NS


def to_ns(ntp):
    return ((ntp >> 32) - ERA) * SECOND_NS + ((ntp & 0xFFFFFFFF) * SECOND_NS >> 32)


class Server:
    """Answers at one address until it is closed; `stratum` 0 makes the answer a kiss-o'-death."""

    def __init__(self, lab, space, family, stratum=2, port=PORT):
        self.stratum = stratum
        self.socket = lab.socket(space, family, UDP, port)
        self.socket.settimeout(0.05)
        self.closed = False
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while not self.closed:
            try:
                question, client = self.socket.recvfrom(1000)
            except TimeoutError:
                continue
            received = to_ntp(time_ns())
            if len(question) >= PACKET.size:
                self.socket.sendto(self.answer(question, received), client)

    def answer(self, question, received):
        kiss = int.from_bytes(b"RATE", "big")
        return PACKET.pack(question[0] & 0x38 | 4, self.stratum, 6, -20, 16, 16, 0x7F000001 if self.stratum else kiss,
                           received - (1 << 32), PACKET.unpack_from(question)[-1], received, to_ntp(time_ns()))

    def close(self):
        self.closed = True
        self.thread.join()
        self.socket.close()


class Chronyd:
    """Serves this machine's time at both addresses of a side, and leaves the clock alone."""

    def __init__(self, lab, space):
        path = os.path.join(lab.folder, "chronyd")
        os.mkdir(path, 0o700)
        with open(os.path.join(path, "conf"), "w", encoding="ascii") as f:
            f.write(f"local stratum 2\nallow all\ncmdport 0\nbindcmdaddress /\npidfile {path}/pid\n")
        with space, open(os.path.join(path, "log"), "wb") as log:
            self.process = subprocess.Popen(["chronyd", "-x", "-d", "-u", "root", "-f", f.name], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        try:
            wait_until(lambda: self.answers(lab, space), "chronyd answers")
        except AssertionError:
            self.close()
            raise

    @staticmethod
    def answers(lab, space):
        s = lab.socket(space, V6, UDP)
        s.settimeout(1)
        s.connect((lab.address(space, V6), PORT))
        try:
            return ask(s)
        except (TimeoutError, ConnectionRefusedError):
            return None
        finally:
            s.close()

    def close(self):
        self.process.kill()
        self.process.wait()


def chronyd_offset(lab, space, address):
    """What chronyd finds the clock wrong by, in s; it leaves the clock alone."""
    with space:
        done = subprocess.run(["chronyd", "-Q", "-u", "root", "-t", "30", f"server {address} iburst maxsamples 1", "cmdport 0",
                               "bindcmdaddress /", f"pidfile {lab.folder}/client.pid"], capture_output=True, text=True,
                              check=False)
    found = re.search(r"System clock wrong by (-?[0-9.]+) seconds", done.stderr)
    if not found:
        raise AssertionError(f"chronyd has ended with {done.returncode}: {done.stderr}")
    return float(found.group(1))


def ask(client):
    """One question on a connected socket."""
    sent = time_ns()
    client.send(PACKET.pack(CLIENT, 0, 0, 0, 0, 0, 0, 0, 0, 0, to_ntp(sent)))
    while True:
        answer = PACKET.unpack(client.recv(1000)[:PACKET.size])
        arrived = time_ns()
        if to_ntp(sent) == answer[8]:
            break
    received, answered = to_ns(answer[9]), to_ns(answer[10])
    delay = (arrived - sent) - (answered - received)
    return Reading(((received - sent) + (answered - arrived)) // 2, delay // 2 + 1)
