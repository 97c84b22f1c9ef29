#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Stands in for ARES: watches the feeder's price, and has no opinion of it."""
import time

from shared.runtime import heartbeat, read_json, write_pid

HEARTBEAT_S = 0.5


def main():
    write_pid("ares")
    while True:
        heartbeat("ares", "ok", price=read_json("shared_data/feeder.heartbeat.json", {}).get("price"))
        time.sleep(HEARTBEAT_S)


if __name__ == "__main__":
    main()
