# SPDX-License-Identifier: BSD-2-Clause
"""The world of a lab: processes, mounts, network namespaces, programs. Packs take it from packlab.

A lab has a pid, a mount and an IPC namespace of its own, with its own /proc, /run, /dev/shm and /var/lib/shearpin. So its network
namespaces have names that nobody else sees, `shearpin clear` in it meets no other run of the host, a process probe finds the lab's
processes alone, and with the lab's first process the kernel ends and removes all of it, however the lab ends."""
import ctypes
import glob
import json
import os
import pwd
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

PATIENCE_S = 120  # for what takes a moment on a machine that has time
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x8000000, 0x20000000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FOLDER = "/run/lab"
OWN_NETNS = "/proc/thread-self/ns/net"
libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """The lab can't do what it must; the text is for people."""


def checked(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise LabError(f"can't {what}: {os.strerror(number)}")
    return result


def mount(kind, where, options=None):
    os.makedirs(where, exist_ok=True)
    checked(libc.mount(kind.encode(), where.encode(), kind.encode(), 0, options.encode() if options else None),
            f"mount {kind} on {where}")


def make_mounts_private():
    if not libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None):
        return
    # In a chroot "/" need not be a mount.
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        places = [line.split()[4].encode().decode("unicode_escape") for line in f]
    for place in places:
        checked(libc.mount(None, os.fsencode(place), None, MS_PRIVATE, None), f"make {place} private")


def relay_signals(pid):
    """To the process behind this one, from now on."""
    def relay(number, _):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass

    for number in ENDING:
        signal.signal(number, relay)


def exit_status(status):
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def be_first_process(child):
    """Reap what nobody else does, and end with the child; the kernel kills all the others then."""
    relay_signals(child)
    while True:
        pid, status = os.wait()
        if pid == child:
            os._exit(exit_status(status))


def enter_world():
    """Go on in a process of a new world; its number outside of it. The caller's own waits for it, relays signals, and exits with its
    status."""
    checked(libc.unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC), "make a world for the lab (root is needed)")
    alive, held = os.pipe()
    first = os.fork()
    if first:
        os.close(alive)
        relay_signals(first)
        os._exit(exit_status(os.waitpid(first, 0)[1]))
    os.close(held)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if select.select([alive], [], [], 0)[0]:  # the parent had died before
        os._exit(1)
    os.close(alive)
    os.setsid()
    child = os.fork()
    if child:
        be_first_process(child)
    pid = int(os.readlink("/proc/self"))  # of the proc that is mounted outside
    make_mounts_private()
    mount("proc", "/proc")
    for place in ("/run", "/dev/shm", "/var/lib/shearpin"):
        mount("tmpfs", place, "mode=1777" if place == "/dev/shm" else "mode=755")
    os.mkdir(FOLDER, 0o755)
    os.chdir(FOLDER)
    return pid


def set_name(name):
    """What /proc/PID/comm says of the calling program."""
    libc.prctl(PR_SET_NAME, name.encode()[:15])


def wait_until(condition, what, seconds=PATIENCE_S, every=0.02):
    """Its result, once that is true; LabError otherwise."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise LabError(f"not within {seconds} s: {what}")
        time.sleep(every)


def write_file(path, text, mode=0o644):
    """A whole file or none, with its folders; relative to the lab's folder."""
    path = os.path.join(FOLDER, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    draft = f"{path}.{os.getpid()}.new"
    with open(draft, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    os.chmod(draft, mode)
    os.replace(draft, path)
    return path


def process_state(pid):
    """A letter as in ps, "R", "S", "T", "Z"; "": there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


class Program:
    """A program that the lab has started: its output is in log/NAME.log, its number in pid/NAME.pid. Programs do not hear Ctrl-C."""

    def __init__(self, host, name, argv, ready=None, user=None, env=None, executable=None, restart_s=None, cwd=None):
        self.host, self.name, self.argv, self.ready = host, name, [str(word) for word in argv], ready
        self.user, self.env, self.executable, self.restart_s, self.cwd = user, env or {}, executable, restart_s, cwd
        self.process = None
        self.wanted = False
        self.lock = threading.RLock()
        self.log = os.path.join(FOLDER, "log", f"{name}.log")
        self.pidfile = os.path.join(FOLDER, "pid", f"{name}.pid")

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def output(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def spawn(self):
        for path in (self.log, self.pidfile):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        options = {}
        if self.user:
            entry = pwd.getpwnam(self.user)
            options = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        with open(self.log, "ab") as log, self.host:
            self.process = subprocess.Popen(self.argv, executable=self.executable, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, cwd=self.cwd or FOLDER, env={**os.environ, **self.env},
                                            start_new_session=True, **options)
        write_file(self.pidfile, f"{self.process.pid}\n")
        threading.Thread(target=self.look_after, args=(self.process,), daemon=True).start()

    def look_after(self, process):
        """Reap it, and begin anew if it is one that comes back."""
        process.wait()
        if self.restart_s is None:
            return
        time.sleep(self.restart_s)
        with self.lock:
            if self.wanted and self.process is process:
                self.spawn()

    def start(self):
        """And wait until it is ready. Nothing happens if it runs."""
        with self.lock:
            if not self.running():
                self.wanted = True
                self.spawn()
        self.wait_ready()
        return self

    def wait_ready(self):
        def look():
            if not self.running() and self.restart_s is None:
                raise LabError(f"{self.name} has ended:\n{self.output()[-2000:]}")
            return self.ready()

        if self.ready:
            wait_until(look, f"{self.name} is ready")

    def kill(self, number=signal.SIGKILL):
        """A signal; one that comes back does."""
        if self.running():
            self.process.send_signal(number)

    def stop(self, number=signal.SIGTERM):
        """For good; SIGKILL if it does not end."""
        with self.lock:
            self.wanted = False
        self.kill(number)
        try:
            if self.process:
                self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def restart(self):
        self.stop()
        return self.start()


class Namespace:
    """A network namespace, by its path. `with namespace:` puts the calling thread into it."""

    FAILED = LabError  # what call() raises

    def __init__(self, path):
        self.path = path
        self.before = threading.local()

    def __enter__(self):
        stack = self.before.__dict__.setdefault("stack", [])
        with open(self.path, "rb") as there:
            own = os.open(OWN_NETNS, os.O_RDONLY | os.O_CLOEXEC)
            checked(libc.setns(there.fileno(), CLONE_NEWNET), f"enter {self.path}")
        stack.append(own)
        return self

    def __exit__(self, *_):
        own = self.before.stack.pop()
        checked(libc.setns(own, CLONE_NEWNET), "come back")
        os.close(own)

    def call(self, *argv, **options):
        """The standard output of a program that ran inside."""
        with self:
            done = subprocess.run(argv, capture_output=True, text=True, check=False, **options)
        if done.returncode:
            raise self.FAILED(f"{self.path}: {' '.join(argv)}: {done.stderr.strip()}")
        return done.stdout


class Host(Namespace):
    """One with a name and devices."""

    def __init__(self, lab, name):
        super().__init__(f"/run/netns/{name}")
        self.lab, self.name = lab, name
        self.devices = {}  # name: address
        subprocess.run(["ip", "netns", "add", name], check=True)
        self.call("ip", "link", "set", "lo", "up")

    def connects(self, address, port, seconds=1):
        """Is a TCP connection accepted?"""
        with self, socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as s:
            s.settimeout(seconds)
            return s.connect_ex((address, port)) == 0

    def add_address(self, device, address):
        """One more, with its prefix: "10.1.0.12/24"."""
        self.call("ip", "addr", "add", address, "dev", device, *(["nodad"] if ":" in address else []))

    def program(self, name, argv, **options):
        """Start it, and wait until `ready` is true; options as of Program."""
        program = Program(self, name, argv, **options)
        self.lab.programs[name] = program
        return program.start()

    def python(self, name, script, *words, modules=(), **options):
        """A stand-in: a script in the pack's lab folder, and the modules that it needs."""
        return self.program(name, [python_with(*modules), os.path.join(self.lab.scripts, script), *words], **options)


class World:
    """Hosts, the networks between them, their programs, and commands that scenarios may call. `folder` is where shearpin and
    all programs are started, and what relative paths in scenarios mean; `bin` in it comes first in PATH."""

    def __init__(self, scripts):
        self.folder, self.scripts = FOLDER, scripts
        self.hosts, self.programs, self.handlers = {}, {}, {}
        self.ipv6 = os.path.exists("/proc/net/if_inet6")
        self.listener = None
        for name in ("bin", "log", "pid"):
            os.mkdir(os.path.join(FOLDER, name))
        os.environ["PATH"] = ":".join([os.path.join(FOLDER, "bin"), os.environ.get("PATH", "/usr/bin:/bin"), "/usr/sbin", "/sbin"])
        os.environ["PYTHONDONTWRITEBYTECODE"] = os.environ["PYTHONUNBUFFERED"] = "1"
        for name in ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"):
            os.environ.pop(name, None)

    def host(self, name):
        self.hosts[name] = Host(self, name)
        return self.hosts[name]

    def network(self, number, *hosts):
        """10.NUMBER.0.0/24 and fd00:NUMBER::/64: the first host has the address .1 (::1), the next .2, ..., each on its next free
        device eth0, eth1, ... Two hosts are joined by a veth pair, more by a switch. Returns the devices' names."""
        names = []
        for host in hosts:
            names.append(f"eth{len(host.devices)}")
            host.devices[names[-1]] = f"10.{number}.0.{len(names)}"
        if len(hosts) == 2:
            self.cable(hosts[0], names[0], hosts[1], names[1])
        else:
            switch = self.host(f"switch{number}")
            switch.call("ip", "link", "add", "br0", "type", "bridge")
            self.set_up(switch, "br0")
            for i, host in enumerate(hosts):
                self.cable(host, names[i], switch, f"port{i + 1}")
                self.set_up(switch, f"port{i + 1}", "master", "br0")
        for i, host in enumerate(hosts, 1):
            device = names[i - 1]
            self.set_up(host, device)
            host.add_address(device, f"10.{number}.0.{i}/24")
            if self.ipv6:
                host.add_address(device, f"fd00:{number}::{i}/64")
        for host in hosts:
            wait_until(lambda h=host: "linkdown" not in h.call("ip", "route", "show", "table", "all"), "the network is up")
        return names

    @staticmethod
    def set_up(host, device, *words):
        """Without an address of its own making, which would be tentative for a while."""
        host.call("ip", "link", "set", device, "addrgenmode", "none")
        host.call("ip", "link", "set", device, *words, "up")

    @staticmethod
    def cable(near, near_device, far, far_device):
        near.call("ip", "link", "add", near_device, "numtxqueues", "2", "numrxqueues", "2", "type", "veth",
                  "peer", "name", far_device, "netns", far.name)

    # Commands that the lab carries out for scenarios: the lab's own docker-compose, say.

    def command(self, name, handler):
        """An executable of that name in PATH. It gives its arguments to handler(list), in the lab's process, prints the text of
        the (status, text) that comes back, and exits with the status."""
        if not self.listener:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(os.path.join(FOLDER, "control"))
            self.listener.listen(64)
            threading.Thread(target=self.serve, daemon=True).start()
        self.handlers[name] = handler
        here = os.path.dirname(os.path.realpath(__file__))
        write_file(f"bin/{name}", f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {here!r})\nsys.dont_write_bytecode = True\n"
                   f"from labworld import ask\nask({name!r})\n", 0o755)

    def serve(self):
        while True:
            s = self.listener.accept()[0]
            threading.Thread(target=self.answer, args=(s,), daemon=True).start()

    def answer(self, s):
        with s, s.makefile("r", encoding="utf-8") as f:
            name, words = json.loads(f.readline())
            try:
                status, text = self.handlers[name](words)
            except Exception as e:  # pylint: disable=broad-except  # whatever it is, the caller hears of it
                status, text = 1, f"{type(e).__name__}: {e}\n"
            try:
                s.sendall(json.dumps([status, text]).encode())
            except OSError:  # nobody waits for it any more
                pass

    def compose(self, words):
        """A handler: [docker-]compose's stop, start, restart, kill and ps on the lab's programs, by name."""
        verbs = {"stop": Program.stop, "start": Program.start, "restart": Program.restart,
                 "kill": lambda program: (program.stop(signal.SIGKILL))}
        verb, names = (words or ["ps"])[0], words[1:]
        if verb == "ps":
            programs = self.programs.values()
            return 0, "".join(f"{p.name} {'running' if p.running() else 'exited'}\n" for p in programs)
        unknown = [name for name in names if name not in self.programs]
        if verb not in verbs or unknown or not names:
            return 1, f"no such service: {', '.join(unknown)}\n" if unknown else "usage: stop|start|restart|kill NAME..., ps\n"
        for name in names:
            verbs[verb](self.programs[name])
        return 0, ""


def ask(name):
    """In an executable of World.command()."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(os.path.join(FOLDER, "control"))
        s.sendall((json.dumps([name, sys.argv[1:]]) + "\n").encode())
        with s.makefile("r", encoding="utf-8") as f:
            status, text = json.loads(f.read())
    sys.stdout.write(text)
    sys.exit(status)


def python_with(*modules):
    """A python3 that has these modules: this one or, where another comes first in PATH, the system's."""
    for python in (sys.executable, "/usr/bin/python3"):
        wanted = "".join(f"import {name};" for name in modules)
        if not subprocess.run([python, "-c", wanted], stderr=subprocess.DEVNULL, check=False, cwd="/").returncode:
            return python
    raise LabError(f"python3 has no {' or no '.join(modules)}: `tools/setup test` installs what a lab needs")


def find_program(*names):
    """The path of the first that is there; LabError names them. Debian keeps PostgreSQL's out of the path."""
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
    for name in names:
        path = shutil.which(name) or shutil.which(name, path=":".join(folders))
        if path:
            return path
    raise LabError(f"{names[0]} is missing: `tools/setup test` installs it")
