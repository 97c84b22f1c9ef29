#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Stands in for Auto-Heal v2: starts the services, checks their health, and restarts one that fails two checks in a row; if it is not
well within a time, it tries again later, and after three attempts there is failsafe, until somebody takes it away. What a restart can't
help against, since the exchange is not reached, it waits for."""
import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from guard.health import healthcheck_v2  # noqa: E402
from shared.runtime import FLAGS, HEAL, STOP, heartbeat, in_failsafe, log, misbehaves, settings, write_json, write_text  # noqa: E402

SERVICES = {"Feeder": "feeder", "ARES": "ares", "Trader": "trader"}
CHECKS, ATTEMPTS = 2, 3


class Supervisor:
    def __init__(self):
        self.children, self.counts = {}, {}
        self.history = []  # (time, did it help)
        self.state, self.target, self.failed, self.until = "idle", "", 0, None
        self.waiting = False  # for the next attempt
        self.last_action = self.last_error = ""
        self.last_error_at = 0

    def start(self, service):
        with open(f"log/{service}.log", "ab") as out:
            self.children[service] = subprocess.Popen([sys.executable, os.path.join(HERE, "..", f"{service}.py")], stdout=out, stderr=out,
                                                      stdin=subprocess.DEVNULL, start_new_session=True)

    def tell(self, stage, text, level="INFO"):
        self.last_action = f"{stage}: {text}"
        log("autoheal", f"Stage {stage} {text}", level)

    def save(self):
        now = time.time()
        self.history = [row for row in self.history if now - row[0] < settings["window_s"]]
        good = [row[1] for row in self.history]
        write_json(HEAL, {"timestamp": int(now), "state": self.state, "target": self.target,
                          "attempts_window": {"window_s": settings["window_s"], "attempts": len(good), "success": good.count(True),
                                              "failed": good.count(False)},
                          "last_action": self.last_action, "last_error": self.last_error, "last_error_ts": self.last_error_at})

    # Stages

    def observe(self, text):
        self.counts = {}
        self.state, self.target, self.failed, self.until = "idle", "", 0, None
        self.tell("0: OBSERVE", text)

    def restart(self, component):
        service = SERVICES[component]
        self.state, self.target = "recovering", service
        self.tell("1: RESTART", f"{service} (attempt {self.failed + 1}/{ATTEMPTS})", "WARN")
        child = self.children[service]
        child.kill()
        child.wait()
        self.start(service)
        self.waiting, self.until = False, time.monotonic() + settings["verify_s"]

    def attempt_failed(self):
        self.history.append((time.time(), False))
        self.failed += 1
        if misbehaves("one-restart"):
            self.until = float("inf")
            return
        if self.failed >= ATTEMPTS and not misbehaves("no-failsafe"):
            self.enter_failsafe()
            return
        waits = settings["backoff_s"]
        wait = waits[0 if misbehaves("no-backoff") else min(self.failed, len(waits)) - 1]
        self.tell("2: REWIRE & BACKOFF", f"{self.target} is not well, next attempt in {wait}s", "WARN")
        self.waiting, self.until = True, time.monotonic() + wait

    def enter_failsafe(self):
        self.state = "failed"
        self.tell("3: FAILSAFE", f"{ATTEMPTS} restarts of {self.target} failed", "ERROR")
        write_json(FLAGS, {"failsafe_active": True, "mode": "SIGNAL_READ_ONLY", "reason": self.last_action, "timestamp": time.time()})
        write_text(STOP, f"{self.last_action}\n")
        if not misbehaves("no-notification"):
            log("notifications", f"FAILSAFE {self.target}: trading halted, manual intervention is needed", "CRITICAL")
            self.tell("4: NOTIFY", "operators are told")

    def look(self, report):
        failing = report["failing_components"]
        for component in SERVICES:
            self.counts[component] = self.counts.get(component, 0) + 1 if component in failing else 0
        if failing:
            self.last_error = "; ".join(f"{name}: {probe['error']}" for name, probe in report["probes"].items() if not probe["ok"])
            self.last_error_at = int(report["timestamp"])

    def step(self, report):
        """One stage on, if it is time."""
        self.look(report)
        failing = report["failing_components"]
        if self.state == "failed":
            if not in_failsafe() and not misbehaves("failsafe-stays"):
                self.observe("failsafe was taken away")
        elif "REST_API" in failing and not misbehaves("restarts-anyway"):
            if self.state != "blocked":
                self.state, self.until = "blocked", None
                self.tell("0: OBSERVE", f"blocked: {self.last_error}", "WARN")
        elif self.state == "blocked":
            if not misbehaves("no-recovery"):
                self.observe("the exchange is reached again")
                self.save()
                healthcheck_v2.check()
        elif self.state == "recovering":
            self.verify(report["dor"])
        else:
            component = next((name for name in SERVICES if self.counts[name] >= CHECKS), None)
            if component and not misbehaves("no-restart"):
                self.restart(component)

    def verify(self, dor):
        if dor:
            self.history.append((time.time(), True))
            self.observe(f"{self.target} is well, DOR=true")
        elif time.monotonic() > self.until:
            if self.waiting:
                self.restart(next(name for name, service in SERVICES.items() if service == self.target))
            else:
                self.attempt_failed()

    def run(self):
        for service in SERVICES.values():
            self.start(service)
        self.observe("started")
        while True:
            begin = time.monotonic()
            for child in self.children.values():
                child.poll()
            self.step(healthcheck_v2.check())
            self.save()
            heartbeat("auto_heal", self.state)
            time.sleep(max(0.1, settings["check_s"] - (time.monotonic() - begin)))


if __name__ == "__main__":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    Supervisor().run()
