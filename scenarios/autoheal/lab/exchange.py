#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Stands in for the exchange: REST with limit orders that nobody fills, and a WebSocket stream of trades.

usage: exchange.py REST_PORT STREAM_PORT

Every order that was asked for is in /api/v3/allOrders, the rejected ones too. A SELL needs a holding, and there is none to begin with."""
import asyncio
import http.server
import json
import sys
import threading
import time
import urllib.parse

import websockets

TICK_S = 0.2
PRICE = 50000.0
INSUFFICIENT_BALANCE = -2010


class Rest(http.server.BaseHTTPRequestHandler):
    orders = []
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path).path
        if path == "/api/v3/ping":
            self.answer(200, {})
        elif path == "/api/v3/ticker/price":
            self.answer(200, {"symbol": "BTCUSDT", "price": f"{PRICE:.8f}"})
        elif path == "/api/v3/allOrders":
            self.answer(200, self.orders)
        else:
            self.answer(404, {"code": -1000, "msg": "no such path"})

    def do_POST(self):
        words = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if self.path != "/api/v3/order":
            self.answer(404, {"code": -1000, "msg": "no such path"})
            return
        asked = dict(urllib.parse.parse_qsl(words))
        status = "REJECTED" if asked["side"] == "SELL" else "NEW"
        order = {"symbol": asked["symbol"], "orderId": len(self.orders) + 1, "side": asked["side"], "price": asked["price"],
                 "origQty": asked["quantity"], "status": status, "time": time.time_ns() // 1_000_000}
        self.orders.append(order)
        print(json.dumps(order))
        if status == "REJECTED":
            self.answer(400, {"code": INSUFFICIENT_BALANCE, "msg": "Account has insufficient balance for requested action."})
        else:
            self.answer(200, order)


async def stream(socket, *_):
    number = 0
    while True:
        number += 1
        await socket.send(json.dumps({"e": "trade", "E": time.time_ns() // 1_000_000, "s": "BTCUSDT", "t": number,
                                      "p": f"{PRICE + number % 7:.8f}", "q": "0.00100000"}))
        await asyncio.sleep(TICK_S)


async def main(rest_port, stream_port):
    rest = http.server.ThreadingHTTPServer(("", rest_port), Rest)
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    async with websockets.serve(stream, None, stream_port, ping_interval=None):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
