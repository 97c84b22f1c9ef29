#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Stands in for Health Check v2: looks at each component and writes health_v2.json. As a program it does so once, prints it, and exits
with 0 if DOR is true."""
import http.client
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../.."))
from orders.inventory_gate import PATH as POSITIONS  # noqa: E402
from shared import state_bus  # noqa: E402
from shared.runtime import HEAL, HEALTH, misbehaves, read_json, settings, write_json  # noqa: E402

COMPONENTS = {"ws_stream": "Feeder", "rest_api": "REST_API", "data_bus": "DataBus", "ares": "ARES", "trader": "Trader",
              "positions": "PositionTracker", "trader_readiness": "Trader Readiness", "autoheal": "Auto-Heal Recovery"}


class Unwell(Exception):
    """The component is there, and not as it should be."""


def alive(service):
    """Its heartbeat."""
    beat = read_json(f"shared_data/{service}.heartbeat.json")
    if not beat:
        raise Unwell("no heartbeat")
    try:
        with open(f"/proc/{beat['pid']}/stat", encoding="utf-8", errors="replace") as f:
            gone = f.read().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        gone = True
    if gone:
        raise Unwell("process is gone")
    if time.time() - beat["timestamp"] > settings["heartbeat_stale_s"]:
        raise Unwell("heartbeat is stale")
    return beat


def ws_stream():
    beat = alive("feeder")
    age = time.time() - beat["last_tick"]
    if beat["status"] != "ok":
        raise Unwell(f"{beat['status']}, last tick {age:.1f} s ago")
    if age > settings["fresh_s"]:
        raise Unwell(f"last tick {age:.1f} s ago")
    return {"age_s": round(age, 3)}


def rest_api():
    host, port = settings["rest"].rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=settings["rest_timeout_s"])
    begin = time.monotonic()
    try:
        connection.request("GET", "/api/v3/ping")
        status = connection.getresponse().status
    except TimeoutError as e:
        raise Unwell("CONN_TIMEOUT") from e
    except (OSError, http.client.HTTPException) as e:
        raise Unwell(f"CONN_ERROR {e}") from e
    finally:
        connection.close()
    if status != 200:
        raise Unwell(f"HTTP {status}")
    latency_ms = 1000 * (time.monotonic() - begin)
    if latency_ms > settings["latency_ms"]:
        raise Unwell(f"HIGH_LATENCY {latency_ms:.0f} ms")
    return {}


def data_bus():
    with state_bus.locked(state_bus.PATH), open(state_bus.PATH, encoding="utf-8") as f:
        wrong = state_bus.mistakes(json.load(f))
    if wrong:
        raise Unwell(", ".join(wrong))
    return {}


def ares():
    return {"status": alive("ares")["status"]}


def trader():
    return {"status": alive("trader")["status"]}


def positions():
    if not isinstance(read_json(POSITIONS), dict):
        raise Unwell("no positions")
    return {}


def trader_readiness():
    status = alive("trader")["status"]
    if status == "SIGNAL_READ_ONLY":
        raise Unwell(status)
    return {"status": status}


def autoheal():
    state = read_json(HEAL, {}).get("state")
    if state in ("failed", "blocked"):
        raise Unwell(state)
    return {"state": state}


def look(probe):
    begin = time.monotonic()
    try:
        result = {"ok": True, "details": probe(), "error": ""}
    except (Unwell, OSError, ValueError, KeyError) as e:
        result = {"ok": False, "details": {}, "error": str(e)}
    if misbehaves("never-unhealthy"):
        return {"ok": True, "details": {}, "error": "", "latency_ms": 1.0}
    return {**result, "latency_ms": round(1000 * (time.monotonic() - begin), 1)}


def check():
    """health_v2.json, written."""
    probes = {name: look(globals()[name]) for name in COMPONENTS}
    failing = [component for name, component in COMPONENTS.items() if not probes[name]["ok"]]
    report = {"timestamp": time.time(), "dor": not failing, "failing_components": failing, "probes": probes,
              "summary": {"total_probes": len(probes), "passed_probes": len(probes) - len(failing), "failed_probes": len(failing),
                          "dor": not failing, "failing_components": failing, "environment": "testnet"}}
    write_json(HEALTH, report)
    return report


if __name__ == "__main__":
    result = check()
    print(json.dumps(result, indent=1))
    sys.exit(not result["dor"])
