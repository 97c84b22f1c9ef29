#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Stands in for the trader: takes each line that is added to its signals file for an order, and places it over REST if nothing speaks
against it: failsafe, inventory, circuit breaker, a duplicate. While REST is slow or away it goes on with the price that it knows."""
import http.client
import json
import os
import threading
import time
import urllib.parse

from orders import circuit_breaker
from orders.idempotency import check_and_record
from orders.inventory_gate import PATH as POSITIONS, validate_order
from shared.runtime import Glass, heartbeat, in_failsafe, log, misbehaves, read_json, settings, write_pid
from shared.state_bus import get_state_bus

SIGNALS = "shared_data/signals.jsonl"
LOOP_S = 0.1
SAVE_S = 0.5
POLL_S = 0.5
ORDER_S = 10.0
IMPATIENT_S = 0.2
SYMBOL = settings["symbol"]


def request(method, path, seconds, **words):
    """Its answer; OSError or http.client.HTTPException if there is none, ValueError if it is a refusal."""
    host, port = settings["rest"].rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=seconds)
    try:
        connection.request(method, path, urllib.parse.urlencode(words), {"Content-Type": "application/x-www-form-urlencoded"})
        answer = connection.getresponse()
        value = json.loads(answer.read())
        if answer.status != 200:
            raise ValueError(value.get("msg"))
        return value
    finally:
        connection.close()


class Trader:
    def __init__(self):
        self.bus = get_state_bus()
        self.price, self.cached = None, True
        self.offset = os.path.getsize(SIGNALS) if os.path.exists(SIGNALS) else 0
        self.last_save = 0.0

    def poll(self):
        """The price, for as long as there is one."""
        was_slow = False
        while True:
            begin = time.monotonic()
            try:
                self.price = float(request("GET", f"/api/v3/ticker/price?symbol={SYMBOL}", settings["rest_timeout_s"])["price"])
                slow = 1000 * (time.monotonic() - begin) > settings["latency_ms"]
            except (OSError, http.client.HTTPException, ValueError):
                slow = True
            if slow != self.cached:
                log("trader", "REST is slow or away: cached data" if slow else "REST is back")
            self.cached = slow or misbehaves("stays-degraded") and was_slow
            was_slow = was_slow or slow
            time.sleep(POLL_S)

    def mode(self):
        if in_failsafe():
            return "SIGNAL_READ_ONLY"
        if circuit_breaker.is_tripped(SYMBOL):
            return "MONITOR_ONLY"
        return "degraded" if self.cached and not misbehaves("never-degraded") else "ok"

    def new_signals(self):
        try:
            with open(SIGNALS, "rb") as f:
                size = os.fstat(f.fileno()).st_size
                if size < self.offset:
                    self.offset = size
                f.seek(self.offset)
                data = f.read()
        except FileNotFoundError:
            return []
        whole = data[:data.rfind(b"\n") + 1]
        self.offset += len(whole)
        return whole.splitlines()

    @staticmethod
    def obstacle(signal):
        symbol, side, quantity, price = (signal[key] for key in ("symbol", "side", "quantity", "price"))
        if in_failsafe() and not misbehaves("trades-in-failsafe"):
            return "SKIP_FAILSAFE"
        allowed, reason = validate_order(symbol, side, quantity)
        if not allowed:
            return reason
        if circuit_breaker.is_tripped(symbol) and not misbehaves("trades-while-open"):
            return "SKIP_CIRCUIT_OPEN"
        duplicate, signature = check_and_record(symbol, side, quantity, price)
        return f"SKIP_DUPLICATE {signature}" if duplicate else None

    def take(self, line):
        try:
            signal = json.loads(line)
            words = " ".join(str(signal[key]) for key in ("side", "quantity", "symbol", "price"))
            obstacle = self.obstacle(signal)
        except (ValueError, KeyError, TypeError) as e:
            log("trader", f"SIGNAL_INVALID {e!r}", "ERROR")
            return
        if obstacle:
            log("trader", f"{obstacle}: {words}")
            return
        try:
            order = request("POST", "/api/v3/order", IMPATIENT_S if misbehaves("impatient") else ORDER_S, **signal)
        except (OSError, http.client.HTTPException, ValueError) as e:
            log("trader", f"ORDER_FAILED {words}: {e}", "ERROR")
            circuit_breaker.record_failure(signal["symbol"], str(e))
        else:
            log("trader", f"ORDER_PLACED {words} orderId={order['orderId']}")
            circuit_breaker.record_success(signal["symbol"])

    def run(self):
        threading.Thread(target=self.poll, daemon=True).start()
        glass = Glass()
        while True:
            glass.look()
            for line in self.new_signals():
                if not misbehaves("drops-signals"):
                    self.take(line)
            mode = self.mode()
            if time.monotonic() - self.last_save > SAVE_S:
                self.bus.save_state(positions=read_json(POSITIONS, {}), mode=mode)
                self.last_save = time.monotonic()
            heartbeat("trader", mode, price=self.price, cached=self.cached)
            time.sleep(LOOP_S)


if __name__ == "__main__":
    write_pid("trader")
    Trader().run()
