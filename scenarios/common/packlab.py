# SPDX-License-Identifier: BSD-2-Clause
"""A lab for a pack of scenarios: `shearpin lab PACK` starts scenarios/PACK/lab/run, which is a class like this, and main():

    class Lab(Pack):
        HOST = "gateway"
        PLACE = {"front": "10.1.0.2"}
        SETTINGS = {"hold": "3s"}
        MISBEHAVE = {"no-recovery": ("disconnect", 1, "never recovered")}

        def build(self):
            front, gateway = self.world.host("front"), self.world.host("gateway")
            self.world.network(1, gateway, front)                  # 10.1.0.1 and 10.1.0.2
            redis(front, port=6379)
            front.python("front", "front.py", "--port", 40001, ready=lambda: gateway.connects("10.1.0.2", 40001))
            gateway.python("gateway", "gateway.py", *(["--no-recovery"] if self.misbehave == "no-recovery" else []))

    main(Lab, __file__)

The lab is built, `shearpin run` carries out the pack's scenarios in it, and its exit status is the lab's. Nothing outside of the lab
is touched, and nothing of it is left (labworld.py). Scenarios are carried out in the lab's folder: relative paths begin there."""
import argparse
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import labstate
from labservices import dnsmasq, nginx, postgres, postgres_url, prometheus, redis  # noqa: F401
from labworld import (FOLDER, LabError, World, enter_world, find_program, process_state, python_with, set_name,  # noqa: F401
                      wait_until, write_file)

INTERRUPTED, REFUSED, HOST_FAILED, USAGE = 130, 3, 5, 2


class Pack:
    """What a pack says of its lab. `self.world` is its World, `self.misbehave` what --misbehave says (or None), `self.full` whether
    --full is there: a stand-in whose times are shortened has its system's own then."""

    HOST = ""         # the host that shearpin acts in; "": each scenario says it (`container`, `netns`)
    PLACE = {}        # --set K=V of every drill in the lab: its addresses
    SETTINGS = {}     # more of them, which shorten the drill; --full goes without
    GAP = None        # between two scenarios of the shortened drill; None: as shearpin has it
    ENVIRONMENT = {}  # of shearpin
    ARGUMENTS = ()    # more of them for `shearpin run`
    MISBEHAVE = {}    # name: (glob of scenarios, exit status, words that a report of the run must have[, more SETTINGS])
    LOGS = ()         # files of the lab's folder, as globs, that are kept beside the programs' output, in OUT/lab
    FILES = ()        # that scenarios change, as globs in the lab's folder; nobody else may write them meanwhile
    SETTLE_S = 60     # for the system under test to be as it was, once what --kill leaves behind is cleared
    KILL = ()         # (scenario, step) pairs: --kill kills shearpin while a window of that step is open

    def __init__(self, world, misbehave, full):
        self.world, self.misbehave, self.full = world, misbehave, full

    def build(self):
        """Make hosts, networks, services and stand-ins; on return the system under test is healthy."""
        raise NotImplementedError

    def settled(self):
        """Is the system under test healthy again? Asked after --kill."""
        return True


def is_opening(event):
    """Of a program's window: when the program has ended, or it might be killed before it has done anything."""
    if event["type"] == "step.start":
        return event.get("data", {}).get("kind") != "exec"
    return event["type"] in ("fault.open", "step.exit")


class Lab:
    """A pack in its world, with the arguments of the command line."""

    def __init__(self, kind, folder, args):
        self.kind, self.folder, self.args = kind, folder, args
        self.name = os.path.basename(folder)
        self.shearpin = shearpin_path(folder)
        self.child = None
        self.interrupted = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.on_signal)
        self.world = World(os.path.join(folder, "lab"))
        self.pack = kind(self.world, args.misbehave, args.full)
        self.pack.build()

    def on_signal(self, number, _):
        self.interrupted = number
        if self.child and self.child.poll() is None and not self.args.kill:
            self.child.send_signal(number)
        else:
            sys.exit(INTERRUPTED)

    # The drill

    def words(self, only, out):
        pack, args = self.pack, self.args
        settings = {**pack.PLACE, **({} if args.full else {**pack.SETTINGS, **misbehaviour(self.kind, args.misbehave)[3]})}
        settings.update(item.partition("=")[::2] for item in args.set)
        words = [self.shearpin, "run", self.folder, "--allow-exec", "--keep-going", "--out", out, *(["--netns", pack.HOST] if pack.HOST else [])]
        for key, value in settings.items():
            words += ["--set", f"{key}={value}"]
        for pattern in only:
            words += ["--only", pattern]
        if pack.GAP and not args.full:
            words += ["--gap", pack.GAP]
        return [*words, *pack.ARGUMENTS]

    def start(self, only, out, **options):
        self.child = subprocess.Popen(self.words(only, out), stdin=subprocess.DEVNULL, cwd=self.world.folder,
                                      env={**os.environ, **self.pack.ENVIRONMENT}, **options)

    def run_suite(self, only, out):
        """shearpin's exit status."""
        self.start(only, out)
        status = self.child.wait()
        if os.path.isdir(out):
            self.keep_logs(os.path.join(out, "lab"))
        return 128 - status if status < 0 else status

    def keep_logs(self, folder):
        os.makedirs(folder, exist_ok=True)
        for pattern in ("log/*", *self.pack.LOGS):
            for path in glob.glob(os.path.join(self.world.folder, pattern)):
                if os.path.isfile(path) and os.path.getsize(path):
                    shutil.copy(path, folder)

    def hold(self):
        """Until Ctrl-C."""
        print(f"\nThe lab stays until Ctrl-C; its hosts are {', '.join(self.world.hosts)}. From another terminal:\n"
              f"  nsenter --all --target {self.args.outer_pid}    into the lab's world, whose folder is {self.world.folder}\n"
              f"  nsenter --net=/run/netns/{self.pack.HOST or next(iter(self.world.hosts))}    from there onto that host", flush=True)
        signal.pause()

    # kill -9 in the middle

    def events(self, out):
        for path in glob.glob(os.path.join(out, "**", "events.jsonl"), recursive=True):
            with open(path, encoding="utf-8") as f:
                for line in f:
                    if line.endswith("\n"):
                        yield json.loads(line)

    def is_open(self, step, out):
        if self.child.poll() is not None:
            raise LabError(f"shearpin has ended with {self.child.returncode} before a window of `{step}` was open")
        return any(is_opening(event) and event.get("step", "").partition(" (")[0] == step for event in self.events(out))

    def kill_everything(self):
        """Of shearpin, its guard included: stopped first, or the one would see the other's end."""
        targets = [pid for pid in labstate.pids() if labstate.of_program(pid, self.shearpin)]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in targets:
                os.kill(pid, number)
            if number == signal.SIGSTOP:
                wait_until(lambda: all(process_state(pid) in ("", "Z", "T") for pid in targets), "shearpin stands still")
        self.child.wait()
        return len(targets)

    def clear(self):
        done = subprocess.run([self.shearpin, "clear"], capture_output=True, text=True, check=False, cwd="/")
        print("".join(f"    {line}\n" for line in (done.stdout + done.stderr).splitlines()), end="", flush=True)
        return [] if done.returncode == 0 else [f"`shearpin clear` exits with {done.returncode}"]

    def settle(self, before):
        """What differs once there was time for the system under test to come back."""
        deadline = time.monotonic() + self.pack.SETTLE_S
        while True:
            found = before.differences(labstate.State(self.world, self.pack.FILES))
            if not self.pack.settled():
                found.append("the system under test is not healthy")
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.2)

    def kill_in(self, number, scenario, step, out):
        out = os.path.join(out, f"{number}-{scenario}")
        print(f"{scenario}: kill -9 while `{step}` is open", flush=True)
        before = labstate.State(self.world, self.pack.FILES)
        with open(os.path.join(self.world.folder, "log", "kill.log"), "ab") as log:
            self.start([scenario], out, stdout=log, stderr=log)
        wait_until(lambda: self.is_open(step, out), f"a window of `{step}` is open", every=0.05)
        count = self.kill_everything()
        left = labstate.State(self.world, self.pack.FILES)
        print(f"    killed: {count}; left behind: {'; '.join(before.differences(left)) or 'nothing'}")
        problems = self.clear()
        after = labstate.State(self.world, self.pack.FILES)
        problems += [f"after clear: {text}" for text in before.differences(after) if text.split(":")[0] in before.files]
        problems += self.settle(before)
        for text in problems:
            print(f"    DIFFERS {text}")
        print("    as before" if not problems else "    not as before", flush=True)
        return not problems

    def kill_all(self, out):
        good = [self.kill_in(i, *pair, out) for i, pair in enumerate(self.pack.KILL, 1)]
        print(f"{sum(good)} of {len(good)} as before")
        return 0 if good and all(good) else 1


def shearpin_path(folder):
    path = os.environ.get("SHEARPIN") or os.path.join(folder, "../../build/shearpin")
    found = shutil.which(path)
    if not found:
        raise LabError(f"there is no shearpin at {path}: start this lab with `shearpin lab {os.path.basename(folder)}`")
    return os.path.realpath(found)


def scenarios(folder):
    return sorted(os.path.splitext(os.path.basename(path))[0] for path in glob.glob(os.path.join(folder, "*.yaml")))


def misbehaviour(kind, name):
    """Its row, whole."""
    row = kind.MISBEHAVE.get(name, ("", 0, ""))
    return (*row, {}) if len(row) == 3 else row


def print_list(kind, folder):
    """With tabs between the words."""
    for name in scenarios(folder):
        print("scenario", name, sep="\t")
    for name in kind.MISBEHAVE:
        print("misbehave", name, *misbehaviour(kind, name)[:3], sep="\t")
    for scenario, step in kind.KILL:
        print("kill", scenario, step, sep="\t")


def choose_out(name):
    stem = os.path.join("runs", time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + f"-lab-{name}")
    return next(path for n in range(1, 1000) if not os.path.exists(path := stem if n == 1 else f"{stem}-{n}"))


def parse(kind, folder):
    name = os.path.basename(folder)
    parser = argparse.ArgumentParser(prog=f"shearpin lab {name}", allow_abbrev=False,
                                     description=f"The drills of scenarios/{name} in a lab of their own. The exit status is shearpin's.")
    parser.add_argument("--only", metavar="GLOB", action="append", default=[], help="only these scenarios")
    parser.add_argument("--set", metavar="K=V", action="append", default=[], help="give a variable of the scenarios another value")
    parser.add_argument("--full", action="store_true", help="the runbook's own durations, not the lab's shortened ones")
    parser.add_argument("--out", metavar="DIR", help="the run directory (default: runs/<UTC time>-lab-" + name + ")")
    parser.add_argument("--misbehave", metavar="WHAT", help="a stand-in behaves badly, and the drill must fail: "
                        + ", ".join(kind.MISBEHAVE))
    parser.add_argument("--kill", action="store_true", help="kill -9 shearpin in the middle of faults, clear, and compare: exit 0 if "
                        "all is as before")
    parser.add_argument("--keep", action="store_true", help="leave the lab running after the drill, until Ctrl-C")
    parser.add_argument("--list", action="store_true", help="name the scenarios and misbehaviours")
    args = parser.parse_args()
    if args.misbehave and args.misbehave not in kind.MISBEHAVE:
        parser.error(f"there is no misbehaviour `{args.misbehave}`; there is {', '.join(kind.MISBEHAVE)}")
    if any("=" not in item for item in args.set):
        parser.error("--set takes K=V")
    return args


def carry_out(kind, folder, args, out):
    lab = Lab(kind, folder, args)
    if args.kill:
        return lab.kill_all(out)
    only = args.only or [pattern for pattern in misbehaviour(kind, args.misbehave)[:1] if pattern]
    status = lab.run_suite(only, out)
    if args.keep and not lab.interrupted:
        lab.hold()
    return status


def main(kind, script):
    folder = os.path.dirname(os.path.dirname(os.path.realpath(script)))
    args = parse(kind, folder)
    if args.list:
        print_list(kind, folder)
        return
    if os.geteuid():
        print(f"shearpin lab {os.path.basename(folder)}: needs root, to make network namespaces and load BPF programs", file=sys.stderr)
        sys.exit(REFUSED)
    out = os.path.abspath(args.out or choose_out(os.path.basename(folder)))
    try:
        args.outer_pid = enter_world()
        os.makedirs(os.path.dirname(out), exist_ok=True)
        status = carry_out(kind, folder, args, out)
    except LabError as e:
        print(f"shearpin lab {os.path.basename(folder)}: {e}", file=sys.stderr)
        status = HOST_FAILED
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # with threads that wait for programs
