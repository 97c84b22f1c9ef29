# SPDX-License-Identifier: BSD-2-Clause
"""Name servers of a lab: dnsmasq as the authority of a zone, or as a forwarder; DNS messages as they are; and
/etc/resolv.conf of the programs that the test process starts, which has a mount namespace of its own."""
import os
import socket
import struct
import subprocess

from lab import FAMILIES, MS_BIND, THERE, UDP, V4, check, libc, wait_until

ZONE = "lab.test"
HOSTS = ("api", "www", "other")  # of the zone; their addresses are those of `there`
PORT = 53
A, AAAA = 1, 28
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5
QR, RD, RA, AD, CD = 0x8000, 0x0100, 0x0080, 0x0020, 0x0010


def wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split(".") if label) + b"\0"


def question(name, ident=0x2357, kind=A, flags=RD, extra=b""):
    """A query (RFC 1035, 4.1), with one additional record if `extra` is one."""
    header = struct.pack(">6H", ident, flags, 1, 0, 0, 1 if extra else 0)
    return header + wire(name) + struct.pack(">2H", kind, 1) + extra


# RFC 6891, with a client's cookie (RFC 7873)
OPT = struct.pack(">BHHIHHH8s", 0, 41, 1232, 0x8000, 12, 10, 8, b"shearpin")


def rcode(message):
    return message[3] & 15


class Daemon:
    """dnsmasq in a namespace, which answers at these addresses and at no other."""

    def __init__(self, lab, space, addresses, *words, port=PORT):
        argv = ["setpriv", "--pdeathsig", "KILL", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null",
                "--no-resolv", "--no-hosts", "--pid-file=", "--user=root", "--bind-interfaces", "--log-facility=-",
                f"--port={port}", *words, *(f"--listen-address={address}" for address in addresses)]
        self.space, self.port, self.address = space, port, addresses[0]
        with space, open(os.path.join(lab.folder, f"dnsmasq.{port}"), "wb") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_until(self.answers, "dnsmasq answers")
        except AssertionError:
            self.close()
            raise

    def answers(self):
        family = socket.AF_INET6 if ":" in self.address else V4
        with self.space.socket(family, UDP) as s:
            s.settimeout(0.1)
            try:
                s.connect((self.address, self.port))
                s.send(question("version.bind", kind=16)[:-2] + b"\0\3")
                return s.recv(1000)
            except (TimeoutError, ConnectionRefusedError):
                return None

    def close(self):
        self.process.kill()
        self.process.wait()


def authority(lab, space, addresses, port=PORT):
    """Of ZONE and all its names."""
    records = [f"--host-record={host}.{ZONE},{THERE[FAMILIES[0]]},{THERE[FAMILIES[1]]}" for host in HOSTS]
    return Daemon(lab, space, addresses, f"--local=/{ZONE}/", "--local-ttl=600", *records, port=port)


def forwarder(lab, space, addresses, upstream):
    return Daemon(lab, space, addresses, f"--server={upstream}", "--cache-size=1000")


_mounted = {}


def _put(path, text):
    """For this process and its children, the file has that text."""
    if path not in _mounted:
        mine = f"/run/test.{os.path.basename(path)}"
        where = os.path.realpath(path)
        if not os.path.exists(where):  # a link into /run, which is empty here
            os.makedirs(os.path.dirname(where), exist_ok=True)
            with open(where, "wb"):
                pass
        with open(mine, "wb"):
            pass
        check(libc.mount(mine.encode(), where.encode(), None, MS_BIND, None))
        _mounted[path] = mine
    with open(_mounted[path], "w", encoding="ascii") as f:
        f.write(text)


def use_resolver(address, seconds=20):
    """From here on programs ask that server, once, wait so long, and have no other source of names."""
    _put("/etc/resolv.conf", f"nameserver {address}\noptions timeout:{seconds} attempts:1\n")
    _put("/etc/nsswitch.conf", "hosts: dns\n")
