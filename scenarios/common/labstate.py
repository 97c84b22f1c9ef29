# SPDX-License-Identifier: BSD-2-Clause
"""What a lab is like at one time, to tell what a run has left behind: files, network, processes, clock."""
import glob
import hashlib
import json
import os
import stat
import time

from labworld import process_state

CLOCK_TOLERANCE_NS = 50_000_000
HERE = os.path.dirname(os.path.realpath(__file__))
# Of `ip -j`: what the kernel or time changes.
PASSING = {"preferred_life_time", "valid_life_time", "operstate", "stats", "stats64", "expires", "ageing_timer", "flags"}
QUESTIONS = (("link", ["ip", "-d", "-j", "link"]), ("addresses", ["ip", "-j", "addr"]),
             ("routes", ["ip", "-j", "route", "show", "table", "all"]),
             ("IPv6 routes", ["ip", "-6", "-j", "route", "show", "table", "all"]),
             ("rules", ["ip", "-j", "rule"]), ("qdiscs", ["tc", "-j", "qdisc"]))


def file_state(path):
    """Bytes, owner, mode, time of change and extended attributes; None: it is not there."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    state = {"kind": stat.S_IFMT(status.st_mode), "mode": oct(stat.S_IMODE(status.st_mode)), "owner": (status.st_uid, status.st_gid),
             "size": status.st_size, "mtime_ns": status.st_mtime_ns}
    if stat.S_ISREG(status.st_mode):
        with open(path, "rb") as f:
            state["sha256"] = hashlib.sha256(f.read()).hexdigest()
        state["attributes"] = {name: os.getxattr(path, name).hex() for name in sorted(os.listxattr(path))}
    return state


def files(folder, patterns):
    paths = {path for pattern in patterns for path in glob.glob(os.path.join(folder, pattern), recursive=True)}
    paths |= {os.path.join(folder, pattern) for pattern in patterns if not glob.has_magic(pattern)}
    return {os.path.relpath(path, folder): file_state(path) for path in sorted(paths)}


def lasting(value):
    """Without what passes; an interface that is up has its flag."""
    if isinstance(value, list):
        return sorted((lasting(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    if isinstance(value, dict):
        kept = {key: lasting(item) for key, item in value.items() if key not in PASSING and not key.endswith("_timer")}
        if "ifname" in value and "flags" in value:
            kept["up"] = "UP" in value["flags"]
        return kept
    return value


def network(host):
    return {f"{host.name}: {what}": lasting(json.loads(host.call(*argv) or "[]")) for what, argv in QUESTIONS}


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return [os.fsdecode(word) for word in f.read().split(b"\0")[:-1]]
    except (FileNotFoundError, ProcessLookupError):
        return []


def of_program(pid, path):
    """Does the process run this very file?"""
    try:
        return os.path.samefile(f"/proc/{pid}/exe", path)
    except OSError:
        return False


def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def processes(words=3):
    """The lab's own: {the beginning of the command line: whether one of them is stopped}. Those that retitle themselves
    (PostgreSQL's) count as one."""
    found = {}
    for pid in pids():
        line, state = command_line(pid), process_state(pid)
        if not line or pid in (1, os.getpid()) or state in ("", "Z"):
            continue
        key = " ".join(line[:words]) if ":" not in line[0] else line[0].partition(":")[0]
        found[key] = found.get(key, False) or state in ("T", "t")
    return found


def clock_offset_ns():
    return time.clock_gettime_ns(time.CLOCK_REALTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def in_words(before, after):
    """What differs between two states, without what does not."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
        return ", ".join(f"{key} was {before.get(key)}, is {after.get(key)}" for key in keys)
    if isinstance(before, list) and isinstance(after, list):
        gone, new = ([item for item in one if item not in other] for one, other in ((before, after), (after, before)))
        if len(gone) == len(new) == 1 and isinstance(gone[0], dict):
            return in_words(gone[0], new[0])
        return f"gone {gone}, new {new}"
    return f"was {before}, is {after}"


class State:
    def __init__(self, world, patterns):
        self.files = files(world.folder, patterns)
        self.network = {key: value for host in world.hosts.values() for key, value in network(host).items()}
        self.processes = processes()
        self.clock_offset_ns = clock_offset_ns()

    def differences(self, later):
        """In words, one for each."""
        found = []
        for mine, other in ((self.files, later.files), (self.network, later.network)):
            found += [f"{key}: {in_words(mine.get(key), other.get(key))}" for key in sorted({*mine, *other})
                      if mine.get(key) != other.get(key)]
        found += [f"process gone: {key}" for key in self.processes if key not in later.processes]
        found += [f"process stopped: {key}" for key, stopped in later.processes.items() if stopped]
        moved = later.clock_offset_ns - self.clock_offset_ns
        if abs(moved) > CLOCK_TOLERANCE_NS:
            found.append(f"clock: off by {moved / 1e9:+.3f} s")
        return found
