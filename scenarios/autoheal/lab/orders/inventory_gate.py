# SPDX-License-Identifier: BSD-2-Clause
"""Nothing is sold that is not there."""
from shared.runtime import misbehaves, read_json

PATH = "shared_data/positions_snapshot.json"


def validate_order(symbol, side, quantity):
    """(is it allowed, why)"""
    held = read_json(PATH, {}).get(symbol, {}).get("quantity", 0)
    if side == "SELL" and held < quantity and not misbehaves("no-inventory-gate"):
        return False, "SKIP_NO_POSITION"
    return True, "OK"
