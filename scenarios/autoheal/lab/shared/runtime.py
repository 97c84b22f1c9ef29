# SPDX-License-Identifier: BSD-2-Clause
"""What the programs of the runtime have in common: settings, files that are replaced whole, heartbeats, logs. Paths are relative to the
folder that a program is started in."""
import contextlib
import datetime
import fcntl
import json
import os
import time

STOP, FLAGS = "STOP.TXT", "shared_data/global_flags.json"
ALERT = "shared_data/alerts/state_bus_invalid.json"
HEALTH, HEAL = "logs/health/health_v2.json", "shared_data/autoheal_state.json"
DEFAULTS = {
    "rest": "testnet.binance.vision:443", "stream": "ws://stream.testnet.binance.vision:9443/ws/btcusdt@trade", "symbol": "BTCUSDT",
    "check_s": 15, "fresh_s": 60, "heartbeat_stale_s": 120, "latency_ms": 1500, "rest_timeout_s": 5,
    "verify_s": 90, "backoff_s": [15, 30, 60, 120, 300], "window_s": 600, "silence_s": 5, "reconnect_max_s": 8,
    "signature_ttl_s": 120, "breaker_window_s": 60, "breaker_open_s": 120, "misbehave": "",
}
with open("config/runtime.json", encoding="utf-8") as _file:
    settings = {**DEFAULTS, **json.load(_file)}


def misbehaves(name):
    return settings["misbehave"] == name


def write_text(path, text):
    """The whole of it or nothing."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    draft = f"{path}.{os.getpid()}.tmp"
    with open(draft, "w", encoding="utf-8") as f:
        f.write(text)
    os.replace(draft, path)


def write_json(path, value):
    write_text(path, json.dumps(value))


def read_json(path, default=None):
    """`default` if it is not there or broken."""
    try:
        with open(path, encoding="utf-8") as f:
            return json.load(f)
    except (OSError, ValueError):
        return default


@contextlib.contextmanager
def locked(path):
    """Against the runtime's other programs."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(f"{path}.lock", "a", encoding="utf-8") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def heartbeat(service, status, **more):
    write_json(f"shared_data/{service}.heartbeat.json",
               {"timestamp": int(time.time()), "service": service, "pid": os.getpid(), "status": status, **more})


def write_pid(service):
    write_text(f"shared_data/{service}.pid", f"{os.getpid()}\n")


def log(name, text, level="INFO"):
    os.makedirs("logs", exist_ok=True)
    with open(f"logs/{name}.log", "a", encoding="utf-8") as f:
        f.write(f"{datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='milliseconds')} {level} {text}\n")


class Glass:
    """The misbehaviour `fragile`: a program that ends when anything is not well any more."""

    def __init__(self):
        self.was_well = False

    def look(self):
        if not misbehaves("fragile"):
            return
        well = read_json(HEALTH, {}).get("dor", False) and not os.path.exists(ALERT)
        if self.was_well and not well:
            os._exit(1)
        self.was_well = well


def in_failsafe():
    return os.path.exists(STOP) or bool(read_json(FLAGS, {}).get("failsafe_active"))
