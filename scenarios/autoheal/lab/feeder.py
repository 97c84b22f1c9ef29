#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Stands in for the feeder: follows the exchange's trades over a WebSocket, says in its heartbeat when it had the last one, and connects
again when the stream ends or is silent."""
import asyncio
import json
import os
import time

import websockets

from shared.runtime import Glass, heartbeat, log, misbehaves, settings, write_pid

CONNECT_S = 2.0
SHORTEST_S = 0.25
HEARTBEAT_S = 0.25


class Feeder:
    def __init__(self):
        self.status, self.price, self.last_tick = "connecting", None, 0.0

    async def beat(self):
        glass = Glass()
        while True:
            glass.look()
            heartbeat("feeder", self.status, last_tick=self.last_tick, price=self.price)
            await asyncio.sleep(HEARTBEAT_S)

    async def follow(self):
        """One connection, until it is lost."""
        async with websockets.connect(settings["stream"], open_timeout=CONNECT_S, close_timeout=0, ping_interval=None) as socket:
            log("feeder", "WS stream connected")
            while True:
                trade = json.loads(await asyncio.wait_for(socket.recv(), settings["silence_s"]))
                self.price, self.last_tick, self.status = float(trade["p"]), time.time(), "ok"

    async def keep(self):
        wait = SHORTEST_S
        while True:
            try:
                await self.follow()
            except (OSError, asyncio.TimeoutError, websockets.WebSocketException, ValueError) as e:
                log("feeder", f"WS stream lost: {e or type(e).__name__}", "WARN")
            if self.status == "ok":
                wait = SHORTEST_S
                if misbehaves("no-recovery"):
                    await asyncio.Event().wait()
            self.status = "reconnecting"
            await asyncio.sleep(wait)
            wait = min(2 * wait, settings["reconnect_max_s"])

    async def run(self):
        beats = asyncio.create_task(self.beat())
        await asyncio.gather(beats, self.keep())


def main():
    if misbehaves("feeder-does-not-start-again") and os.path.exists("shared_data/feeder.pid"):
        raise SystemExit("feeder: a stale lock")
    write_pid("feeder")
    asyncio.run(Feeder().run())


if __name__ == "__main__":
    main()
