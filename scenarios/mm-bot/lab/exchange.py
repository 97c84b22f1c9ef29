#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Stands in for the exchange: orders over REST, the book over WebSocket, and the time over SNTP.

usage: exchange.py REST_PORT WS_PORT TIME_PORT READ_MS

REST and WebSocket are for a proxy on the same host. What is read (open orders) takes READ_MS; an order takes 20 ms. The feed has ten
books a second, each with the exchange's time."""
import asyncio
import contextlib
import json
import random
import sys

import websockets

from clock import TimeServer, now_ns
from http1 import serve

ORDER_S, BOOK_S = 0.020, 0.1


class Orders:
    """By client's number; one that replaces another takes its place."""

    def __init__(self, read_s):
        self.read_s = read_s
        self.open = {}

    async def handle(self, method, path, body):
        if (method, path) == ("GET", "/api/openOrders"):
            await asyncio.sleep(self.read_s)
            return 200, list(self.open.values())
        await asyncio.sleep(ORDER_S)
        if (method, path) == ("POST", "/api/order"):
            self.open.pop(body.get("replaces"), None)
            self.open[body["id"]] = {key: body[key] for key in ("id", "side", "price")}
            return 200, {"id": body["id"], "status": "NEW"}
        if (method, path) == ("POST", "/api/cancel"):
            return 200, {"id": body["id"], "status": "CANCELED" if self.open.pop(body["id"], None) else "UNKNOWN"}
        return 404, {"error": "no such path"}


async def send_books(ws, *_):
    number = 0
    with contextlib.suppress(websockets.ConnectionClosed):
        while True:
            number += 1
            price = 50000 + random.randrange(-20, 20)
            await ws.send(json.dumps({"number": number, "sent_ns": now_ns(), "bid": price - 1, "ask": price + 1}))
            await asyncio.sleep(BOOK_S)


async def main(rest_port, ws_port, time_port, read_ms):
    await serve(Orders(read_ms / 1000).handle, "127.0.0.1", rest_port)
    await websockets.serve(send_books, "127.0.0.1", ws_port, ping_interval=None, close_timeout=1)
    await asyncio.get_running_loop().create_datagram_endpoint(TimeServer, ("0.0.0.0", time_port))
    print(f"REST on {rest_port}, WebSocket on {ws_port}, time on {time_port}")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
