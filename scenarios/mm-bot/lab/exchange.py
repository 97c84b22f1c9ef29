#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Stands in for the exchange: orders over REST, the book over WebSocket, and the time over SNTP (RFC 4330).

usage: exchange.py REST_PORT WS_PORT TIME_PORT READ_MS

REST and WebSocket are for a proxy on the same host. What is read (open orders) takes READ_MS; an order takes 20 ms. The feed has ten
books a second, each with the exchange's time."""
import asyncio
import contextlib
import json
import random
import struct
import sys
import time

import websockets

from http1 import serve

ORDER_S, BOOK_S = 0.020, 0.1
CLIENT_MODE, SERVER_MODE = 3, 4
ERA = 2_208_988_800  # seconds from 1900 to 1970
PACKET = struct.Struct(">BBbbIII4Q")


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
            await ws.send(json.dumps({"number": number, "sent_ns": time.time_ns(), "bid": price - 1, "ask": price + 1}))
            await asyncio.sleep(BOOK_S)


def ntp_time():
    now = time.time_ns()
    return (now // 10**9 + ERA) << 32 | (now % 10**9 << 32) // 10**9


class TimeServer(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        received = ntp_time()
        if len(data) >= PACKET.size and data[0] & 7 == CLIENT_MODE:
            self.transport.sendto(PACKET.pack(data[0] & 0x38 | SERVER_MODE, 2, 6, -20, 16, 16, 0x7F000001, received - (1 << 32),
                                              PACKET.unpack_from(data)[-1], received, ntp_time()), addr)


async def main(rest_port, ws_port, time_port, read_ms):
    await serve(Orders(read_ms / 1000).handle, "127.0.0.1", rest_port)
    await websockets.serve(send_books, "127.0.0.1", ws_port, ping_interval=None, close_timeout=1)
    await asyncio.get_running_loop().create_datagram_endpoint(TimeServer, ("0.0.0.0", time_port))
    print(f"REST on {rest_port}, WebSocket on {ws_port}, time on {time_port}")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
