# SPDX-License-Identifier: BSD-2-Clause
"""Three failures in a while open the circuit of a symbol; after a time it is half open, and what becomes of the next order closes or
opens it."""
import time

from shared.runtime import locked, misbehaves, read_json, settings, write_json

PATH = "shared_data/circuit_breaker.json"
LIMIT = 3
CLOSED, OPEN, HALF_OPEN = "CLOSED", "OPEN", "HALF_OPEN"


def look(circuits, symbol, now):
    circuit = circuits.setdefault(symbol, {"state": CLOSED, "failures": [], "opened_at": None, "last_error": ""})
    circuit["failures"] = [t for t in circuit["failures"] if now - t < settings["breaker_window_s"]]
    if circuit["state"] == OPEN and now - circuit["opened_at"] >= settings["breaker_open_s"] and not misbehaves("breaker-never-resets"):
        circuit["state"] = HALF_OPEN
    return circuit


def change(symbol, act=lambda circuit, now: None):
    """What its circuit is then."""
    with locked(PATH):
        before = read_json(PATH, {})
        circuits, now = read_json(PATH, {}), time.time()
        circuit = look(circuits, symbol, now)
        act(circuit, now)
        if circuits != before:
            write_json(PATH, circuits)
    return circuit


def record_failure(symbol, error):
    """Is the circuit open then?"""
    def act(circuit, now):
        circuit["failures"].append(now)
        circuit["last_error"] = error
        if (circuit["state"] == HALF_OPEN or len(circuit["failures"]) >= LIMIT) and not misbehaves("breaker-never-trips"):
            if circuit["state"] != OPEN:
                circuit["opened_at"] = now
            circuit["state"] = OPEN
    return change(symbol, act)["state"] == OPEN


def record_success(symbol):
    def act(circuit, _):
        if circuit["state"] == HALF_OPEN and not misbehaves("breaker-stays-half-open"):
            circuit.update(state=CLOSED, failures=[], opened_at=None)
    change(symbol, act)


def is_tripped(symbol):
    return change(symbol)["state"] == OPEN


def reset_all():
    with locked(PATH):
        write_json(PATH, {})
