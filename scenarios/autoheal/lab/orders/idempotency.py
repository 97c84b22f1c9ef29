# SPDX-License-Identifier: BSD-2-Clause
"""No order twice: what an order is known by is kept for some time."""
import hashlib
import time

from shared.runtime import locked, misbehaves, read_json, settings, write_json

PATH = "shared_data/runtime/order_sigs.json"


def check_and_record(symbol, side, quantity, price):
    """(is it a duplicate, its signature)"""
    words = f"{symbol}|{side}|{quantity:.8f}|{price:.8f}"
    signature = hashlib.sha256(words.encode()).hexdigest()[:16]
    with locked(PATH):
        now = time.time()
        seen = {key: value for key, value in read_json(PATH, {}).items() if now - value["timestamp"] < settings["signature_ttl_s"]}
        duplicate = signature in seen and not misbehaves("no-idempotency")
        seen.setdefault(signature, {"timestamp": now, "order": words})
        write_json(PATH, seen)
    return duplicate, signature
