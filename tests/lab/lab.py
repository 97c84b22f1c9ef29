# SPDX-License-Identifier: BSD-2-Clause
"""The universe of a test: two network namespaces joined by a veth pair, and shearpin at work in one of them.

Importing this moves the test process into a mount namespace of its own with an empty /run and /sys/fs/bpf. Network
namespaces are held by descriptors, not by names. So nothing of a test outlives its process, however it ends.

`here` is the host that shearpin runs on, `there` the one it talks to. A socket belongs to the namespace that it was
made in, whoever uses it: one test process plays both hosts.
"""
import collections
import ctypes
import errno
import fcntl
import json
import os
import platform
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../scenarios/common"))
import labworld  # noqa: E402
from labworld import CLONE_NEWNET, CLONE_NEWNS, MS_PRIVATE, MS_REC, OWN_NETNS, libc  # noqa: E402

SHEARPIN = os.path.abspath(os.environ.get("SHEARPIN", "build/shearpin"))
PATIENCE_S = 120  # a test that waits longer fails instead of hanging
HOLD = "300s"    # a window that the test ends itself

V4, V6 = socket.AF_INET, socket.AF_INET6
FAMILIES = (V4, V6)
TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
HERE = {V4: "10.77.0.1", V6: "fd77::1"}
THERE = {V4: "10.77.0.2", V6: "fd77::2"}
DEVICE, PEER_DEVICE = "test0", "peer0"

MS_BIND, MNT_DETACH = 0x1000, 2


def check(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def mount(kind, where, options=None):
    check(libc.mount(b"none", where.encode(), kind.encode(), 0, options.encode() if options else None))


def name_of(family):
    return "IPv4" if family == V4 else "IPv6"


def now_ns():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def wait_until(condition, what, seconds=PATIENCE_S):
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.002)


class Spawner:
    """Starts programs that are no descendants of the test process: shearpin never cuts a connection that one of its
    ancestors owns, and the test process owns them all."""

    def __init__(self):
        self.channel, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.lock = threading.Lock()
        middle = os.fork()
        if not middle:
            if not os.fork():
                self.channel.close()
                os.setsid()
                self.serve(far)
            os._exit(0)
        far.close()
        os.waitpid(middle, 0)

    def ask(self, **request):
        with self.lock:
            self.channel.send(json.dumps(request).encode())
            answer = json.loads(self.channel.recv(65536))
        if "error" in answer:
            raise OSError(answer["error"])
        return answer

    @staticmethod
    def start(request):
        def enter():
            with open(request["netns"], "rb") as ns:
                check(libc.setns(ns.fileno(), CLONE_NEWNET))

        with open(request["out"], "wb") as out, open(request["err"], "wb") as err:
            return subprocess.Popen(request["argv"], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                    env=request["env"], cwd=request["cwd"], preexec_fn=enter)

    @classmethod
    def serve(cls, channel):
        """Until the test process is gone; then what it has started goes, too."""
        children = {}
        try:
            while data := channel.recv(65536):
                request = json.loads(data)
                try:
                    if "pid" in request:
                        answer = {"status": children.pop(request["pid"]).wait()}
                    else:
                        child = cls.start(request)
                        children[child.pid] = child
                        answer = {"pid": child.pid}
                except (OSError, subprocess.SubprocessError) as e:
                    answer = {"error": str(e)}
                channel.send(json.dumps(answer).encode())
        except OSError:
            pass
        for child in children.values():
            child.kill()
            child.wait()
        libc.umount2(scratch.encode(), MNT_DETACH)
        os.rmdir(scratch)


def make_root_a_mount():
    """In a chroot "/" is a directory like any other; unshare(1) and ip-netns(8) want it to be where a mount begins."""
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        for line in f:
            check(libc.mount(b"none", os.fsencode(line.split()[4]), None, MS_PRIVATE, None))
    where = os.getcwd()
    check(libc.mount(b"/", b"/mnt", None, MS_BIND | MS_REC, None))
    os.chroot("/mnt")
    os.chdir(where)


def enter_own_mounts():
    check(libc.unshare(CLONE_NEWNS))
    if libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
        make_root_a_mount()
    mount("tmpfs", "/run", "mode=755")
    if os.path.isdir("/sys/fs/bpf"):
        mount("bpf", "/sys/fs/bpf")


if os.geteuid() == 0:
    enter_own_mounts()
    scratch = tempfile.mkdtemp(prefix="shearpin-test-")
    os.chmod(scratch, 0o755)
    mount("tmpfs", scratch, "mode=755")
    spawner = Spawner()


class Namespace(labworld.Namespace):
    """A new one, without a name."""

    FAILED = AssertionError

    def __init__(self):
        with open(OWN_NETNS, "rb") as own:
            check(libc.unshare(CLONE_NEWNET))
            self.fd = os.open(OWN_NETNS, os.O_RDONLY | os.O_CLOEXEC)
            check(libc.setns(own.fileno(), CLONE_NEWNET))
        super().__init__(f"/proc/{os.getpid()}/fd/{self.fd}")

    def socket(self, family, kind):
        with self:
            return socket.socket(family, kind)

    def close(self):
        os.close(self.fd)


# The bpf system call, for asking what is left: linux/bpf.h.
SYS_BPF = {"x86_64": 321, "aarch64": 280}.get(platform.machine())
BPF_PROG_GET_FD_BY_ID, BPF_PROG_QUERY = 13, 16
BPF_PROG_LOAD, BPF_LINK_CREATE, BPF_PROG_TYPE_XDP = 5, 28, 6
BPF_OBJ_GET_INFO_BY_FD, PROG_NAME = 15, 64  # the place of the name in struct bpf_prog_info
GET_NEXT_ID = {"prog": 11, "map": 12, "link": 31}
ATTACH_XDP, ATTACH_TCX_INGRESS, ATTACH_TCX_EGRESS = 37, 46, 47


def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes, 128)
    return libc.syscall(SYS_BPF, command, buffer, 128), buffer.raw


def kernel_objects(pid):
    """What a process holds in the kernel: {("prog", id), ("link", id), ("map", id)}."""
    found = set()
    folder = f"/proc/{pid}/fdinfo"
    for fd in os.listdir(folder):
        try:
            with open(os.path.join(folder, fd), encoding="ascii") as f:
                fields = [line.split() for line in f]
        except OSError:
            continue
        found |= {(words[0][:-4], int(words[1])) for words in fields
                  if words and words[0] in ("prog_id:", "map_id:", "link_id:")}
    return found


def is_there(kind, number):
    """Without a descriptor of it: the kernel empties an array of programs in a work item when its last user closes it, and who
    opens and closes the array while that is pending leaves it a reference that nobody gives back (prog_array_map_clear() of
    kernel/bpf/arraymap.c, Linux 6.18)."""
    result, answer = bpf(GET_NEXT_ID[kind], struct.pack("II", number - 1, 0))
    return result == 0 and struct.unpack_from("I", answer, 4)[0] == number


def program_name(number):
    """None: it is gone."""
    fd, _ = bpf(BPF_PROG_GET_FD_BY_ID, struct.pack("II", number, 0))
    if fd < 0:
        return None
    info = ctypes.create_string_buffer(PROG_NAME + 16)
    bpf(BPF_OBJ_GET_INFO_BY_FD, struct.pack("=IIQ", fd, len(info), ctypes.addressof(info)))
    os.close(fd)
    return info.raw[PROG_NAME:].split(b"\0")[0].decode()


def query_tcx(index, where):
    """How many tcx programs an interface has; negative: this kernel has no tcx (before 6.6)."""
    result, answer = bpf(BPF_PROG_QUERY, struct.pack("IIIIQI", index, where, 0, 0, 0, 0))
    return struct.unpack_from("I", answer, 24)[0] if result == 0 else -1


LOOPBACK = 1
TCX = query_tcx(LOOPBACK, ATTACH_TCX_INGRESS) >= 0


def attach_xdp_pass(space, device):
    """Somebody else's XDP program, which passes everything; returns its link."""
    code = ctypes.create_string_buffer(struct.pack("=BBhiBBhi", 0xb7, 0, 0, 2, 0x95, 0, 0, 0))  # return XDP_PASS
    licence = ctypes.create_string_buffer(b"GPL")
    program, _ = bpf(BPF_PROG_LOAD, struct.pack("=IIQQ", BPF_PROG_TYPE_XDP, 2, ctypes.addressof(code),
                                                ctypes.addressof(licence)))
    check(program)
    with space:
        link, _ = bpf(BPF_LINK_CREATE, struct.pack("=IIII", program, socket.if_nametoindex(device), ATTACH_XDP, 0))
    os.close(program)
    return check(link)


class Ended(AssertionError):
    """shearpin ended before it did what the test waits for."""


Done = collections.namedtuple("Done", "status stdout stderr")


class Run:
    """A shearpin that is at work."""

    def __init__(self, lab, argv, out, environment):
        self.out = out
        self.status = None
        self.frozen = False  # it has been, by the test
        self.messages = [os.path.join(lab.folder, f"{len(lab.runs)}.{name}") for name in ("stdout", "stderr")]
        env = {k: v for k, v in os.environ.items() if k not in ("SSH_CONNECTION", "SSH_CLIENT")}
        env.update(environment)
        self.pid = spawner.ask(argv=argv, netns=lab.here.path, out=self.messages[0], err=self.messages[1],
                               env=env, cwd=lab.folder)["pid"]
        self.pidfd = os.pidfd_open(self.pid)
        lab.runs.append(self)

    def _read(self, index):
        with open(self.messages[index], encoding="utf-8") as f:
            return f.read()

    @property
    def stdout(self):
        return self._read(0)

    @property
    def stderr(self):
        return self._read(1)

    def running(self):
        return self.status is None and not select.select([self.pidfd], [], [], 0)[0]

    def signal(self, number):
        self.frozen |= number == signal.SIGSTOP
        signal.pidfd_send_signal(self.pidfd, number)

    def freeze(self):
        """SIGSTOP; from its return on, the process runs no more."""
        self.signal(signal.SIGSTOP)

        def look():
            with open(f"/proc/{self.pid}/stat", encoding="utf-8") as f:
                return f.read().rsplit(")", 1)[1].split()[0] in "TZ"

        wait_until(look, "the process stands still")

    def wait(self, seconds=PATIENCE_S):
        """Its exit status; negative: the signal that ended it."""
        if self.status is None:
            if not select.select([self.pidfd], [], [], seconds)[0]:
                raise AssertionError(f"shearpin has not ended within {seconds} s")
            self.status = spawner.ask(pid=self.pid)["status"]
        return self.status

    def kill(self):
        """SIGKILL. Stubs stay; the kernel empties the array that they look into a moment later."""
        programs = [o for o in kernel_objects(self.pid)
                    if o[0] == "prog" and not (program_name(o[1]) or "").startswith("sp_stub")]
        self.signal(signal.SIGKILL)
        assert self.wait() == -signal.SIGKILL
        wait_until(lambda: not any(is_there(*o) for o in programs), "the kernel has let go of the programs")

    def stop(self):
        """End it as Ctrl-C does."""
        self.signal(signal.SIGINT)
        return self.wait()

    def path(self, name):
        return os.path.join(self.out, name)

    def document(self, name):
        with open(self.path(name), encoding="utf-8") as f:
            return json.load(f)

    def lines(self):
        """The whole lines of its log so far, as bytes."""
        try:
            with open(self.path("events.jsonl"), "rb") as f:
                return f.read().split(b"\n")[:-1]
        except FileNotFoundError:
            return []

    def events(self, *types):
        found = [json.loads(line) for line in self.lines()]
        return [e for e in found if e["type"] in types] if types else found

    def wait_event(self, kind, count=1):
        """The count-th event of a type, once it is in the log."""
        def look():
            running = self.running()
            found = self.events(kind)
            if len(found) >= count:
                return found[count - 1]
            if not running:
                raise Ended(f"ended with {self.wait()} before {kind} number {count}: {self.stderr}")
            return None

        return wait_until(look, f"{kind} number {count}")

    def opened(self, count=1):
        return self.wait_event("fault.open", count)

    def counters(self, index=0):
        return self.events("fault.close")[index]["data"]

    def forget(self):
        """Take away the record that a killed run leaves."""
        try:
            os.unlink(f"/run/shearpin/{self.pid}.json")
        except FileNotFoundError:
            pass

    def close(self):
        if self.status is None:
            try:
                self.signal(signal.SIGCONT)
                self.signal(signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.wait()
        self.forget()
        os.close(self.pidfd)


class Lab:
    def __init__(self):
        self.runs = []
        self.sockets = []
        self.turn = None
        self.folder = tempfile.mkdtemp(dir=scratch)
        os.chmod(self.folder, 0o755)
        self.here, self.there = Namespace(), Namespace()
        self.join()

    def join(self):
        self.lay((self.here, DEVICE, HERE), (self.there, PEER_DEVICE, THERE), 77)

    def lay(self, near, far, number):
        """A veth pair between two hosts, each a namespace, a device and addresses."""
        macs = f"02:00:00:00:{number}:01", f"02:00:00:00:{number}:02"
        near[0].call("ip", "link", "add", near[1], "address", macs[0], "numtxqueues", "2", "numrxqueues", "2",
                     "type", "veth", "peer", "name", far[1], "address", macs[1], "netns", far[0].path)
        for (space, device, own), (_, _, other), mac in ((near, far, macs[1]), (far, near, macs[0])):
            lines = ["link set lo up", f"link set {device} addrgenmode none", f"link set {device} up"]
            for family, bits in ((V4, 24), (V6, 64)):
                nodad = " nodad" if family == V6 else ""
                lines += [f"addr add {own[family]}/{bits} dev {device}{nodad}",
                          f"neigh replace {other[family]} lladdr {mac} dev {device} nud permanent"]
            space.call("ip", "-batch", "-", input="\n".join(lines))
        for space, _, own in (near, far):
            wait_until(lambda s=space, o=own: self.is_up(s, o), "the carrier")

    @staticmethod
    def is_up(space, own):
        """The kernel notices a carrier when it finds the time; only then the addresses have their routes."""
        routes = space.call("ip", "route", "show", "table", "all")
        return "linkdown" not in routes and all(f"local {own[family]} " in routes for family in FAMILIES)

    def close(self):
        for run in self.runs:
            run.close()
        for s in self.sockets:
            s.close()
        self.here.close()
        self.there.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.turn:
            self.turn.close()

    def offloads(self, on):
        state = "on" if on else "off"
        for space, device in ((self.here, DEVICE), (self.there, PEER_DEVICE)):
            space.call("ethtool", "-K", device, *(word for name in ("tx", "tso", "gso", "gro")
                                                  for word in (name, state)))

    # Sockets

    def keep(self, s):
        self.sockets.append(s)
        return s

    def socket(self, space, family, kind, port=0):
        """Bound to the address of its side, with time to wait, but not for ever."""
        s = self.keep(space.socket(family, kind))
        s.settimeout(PATIENCE_S)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((self.address(space, family), port))
        return s

    def address(self, space, family):
        return (HERE if space is self.here else THERE)[family]

    def other(self, space):
        return self.there if space is self.here else self.here

    def listen(self, space, family, port):
        s = self.socket(space, family, TCP, port)
        s.listen(1024)
        return s

    def connect(self, listener, count=1):
        """[(client, server)] of new connections from the other side."""
        family = listener.family
        side = self.here if listener.getsockname()[0] == THERE[family] else self.there
        pairs = []
        for _ in range(count):
            client = self.socket(side, family, TCP)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.connect(listener.getsockname()[:2])
            server = self.keep(listener.accept()[0])
            server.settimeout(PATIENCE_S)
            pairs.append((client, server))
        return pairs

    def try_connect(self, space, family, port, seconds=PATIENCE_S):
        """0, or the error number that connect() gives; ETIMEDOUT also if it hasn't come after the given time."""
        s = self.socket(space, family, TCP)
        s.settimeout(seconds)
        result = s.connect_ex((self.address(self.other(space), family), port))
        s.close()
        return errno.ETIMEDOUT if result == errno.EAGAIN else result

    # shearpin

    def take_turn(self):
        """Until the lab's end. `clear` sweeps all namespaces of the host, those of other tests, too: it and whoever wants the
        inert stubs of a killed run to stay take turns."""
        if self.turn is None:
            self.turn = open(__file__, "rb")  # pylint: disable=consider-using-with
            fcntl.flock(self.turn, fcntl.LOCK_EX)

    def start(self, *words, out=None, wrapper=(), **environment):
        """shearpin with these words; `wrapper` goes before it."""
        if words[:1] == ("clear",):
            self.take_turn()
        return Run(self, [*wrapper, SHEARPIN, *words], out, environment)

    def call(self, *words, **options):
        """Start it, and wait for its end."""
        run = self.start(*words, **options)
        status = run.wait()
        return Done(status, run.stdout, run.stderr)

    def new_out(self):
        return os.path.join(self.folder, f"run{len(self.runs)}")

    def inject(self, *words, interface=DEVICE, **options):
        out = options.pop("out", None) or self.new_out()
        where = ("--interface", interface) if interface else ()
        return self.start("inject", *words, *where, "--out", out, out=out, **options)

    def write(self, scenario, name="scenario.yaml"):
        """A scenario file; a dictionary is written as JSON, which is YAML."""
        path = os.path.join(self.folder, name)
        with open(path, "wb") as f:
            text = json.dumps(scenario, indent=1) if isinstance(scenario, dict) else scenario
            f.write(text.encode() if isinstance(text, str) else text)
        return path

    def run(self, scenario, *words, **options):
        out = options.pop("out", None) or self.new_out()
        return self.start("run", self.write(scenario), *words, "--out", out, out=out, **options)

    # What there is

    def links(self):
        return json.loads(self.here.call("ip", "-details", "-json", "link"))

    def attached(self):
        """Programs on the interfaces of `here`, as (interface, where, how many)."""
        found = [(link["ifname"], ATTACH_XDP, 1) for link in self.links() if "xdp" in link]
        with self.here:
            for index, device in socket.if_nameindex():
                for where in (ATTACH_TCX_INGRESS, ATTACH_TCX_EGRESS):
                    count = query_tcx(index, where)
                    if count > 0:
                        found.append((device, where, count))
        return found

    def state(self):
        """All that a run could leave in its namespace."""
        links = self.links()
        exists = any(link["ifname"] == DEVICE for link in links)
        return {
            "attached": self.attached(),
            "links": sorted((link["ifname"], link["mtu"], link["txqlen"],
                             "UP" in link["flags"], link["promiscuity"]) for link in links),
            "qdiscs": self.here.call("tc", "qdisc"),
            "filters": [self.here.call("tc", "filter", "show", "dev", DEVICE, side)
                        for side in ("ingress", "egress") if exists],
            "offloads": self.here.call("ethtool", "-k", DEVICE) if exists else "",
            "rules": self.here.call("ip", "rule") + self.here.call("ip", "route", "show", "table", "all"),
            "pins": os.listdir("/sys/fs/bpf") if os.path.isdir("/sys/fs/bpf") else [],
        }


def records():
    """The host's records of runs."""
    try:
        return os.listdir("/run/shearpin")
    except FileNotFoundError:
        return []


@unittest.skipIf(os.geteuid() != 0, "needs root")
class LabTest(unittest.TestCase):
    """A test with a lab of its own."""

    maxDiff = None
    KIND = Lab

    def setUp(self):
        self.lab = self.KIND()
        self.addCleanup(self.lab.close)

    def assert_errno(self, number, expected, message=""):
        self.assertEqual(errno.errorcode.get(number, number), errno.errorcode.get(expected, expected), message)

    def assert_ended(self, run, status):
        self.assertEqual(run.wait(), status, run.stderr + run.stdout)

    def assert_untouched(self, before):
        """Everything is as it was, and there is no record of a run."""
        self.assertEqual(self.lab.state(), before)
        self.assertEqual(records(), [])

    def assert_echo(self, client, server, data=b"shear pin"):
        for sender, receiver in ((client, server), (server, client)):
            sender.sendall(data)
            received = b""
            while len(received) < len(data):
                part = receiver.recv(len(data) - len(received))
                self.assertTrue(part, "end of file")
                received += part
            self.assertEqual(received, data)
