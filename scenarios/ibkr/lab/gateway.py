#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Stands in for IBKR behind its gateways: an order port, a market data port, the Client Portal's REST port, and a drop copy.

Market data are numbered; who subscribes says the number that it has, and gets what follows. An order is carried out at once, and once for
each order id: an id that is there already gets error 103. Executions are kept in a file, one a line, and told on the drop copy."""
import argparse
import asyncio
import contextlib
import itertools
import json
import time

from wire import receive, say, send

TICK_S = 0.02
SYMBOLS = ("AAPL", "MSFT", "SPY")
DUPLICATE_ID = 103


class Market:
    """All ticks so far; the number of the first is 1."""

    def __init__(self):
        self.ticks = []
        self.news = asyncio.Condition()

    async def run(self):
        begin = time.monotonic()
        for number in itertools.count(1):
            await asyncio.sleep(max(0, begin + number * TICK_S - time.monotonic()))
            self.ticks.append({"seq": number, "symbol": SYMBOLS[number % 3], "price": 100 + number % 7, "ts": time.time()})
            async with self.news:
                self.news.notify_all()

    async def serve(self, reader, writer):
        hello = await receive(reader)
        at = len(self.ticks) if hello.get("after") is None else hello["after"]
        while True:
            async with self.news:
                await self.news.wait_for(lambda: len(self.ticks) > at)
            for tick in self.ticks[at:at + 200]:
                send(writer, **tick)
                at += 1
            await writer.drain()


class Book:
    def __init__(self, path):
        self.file = open(path, "a", encoding="utf-8", buffering=1)
        self.executions = {}  # order id: execution
        self.positions = {symbol: 0 for symbol in SYMBOLS}
        self.listeners = set()

    def place(self, order):
        execution = {"execution": len(self.executions) + 1, "orderId": order["orderId"], "order": order["orderRef"],
                     "symbol": order["symbol"], "quantity": order["quantity"], "ts": time.time()}
        self.executions[order["orderId"]] = execution
        self.positions[order["symbol"]] += order["quantity"]
        self.file.write(json.dumps(execution) + "\n")
        for writer in self.listeners:
            writer.write(f"execution={execution['execution']} order={order['orderRef']}\n".encode())

    async def serve_orders(self, reader, writer):
        while True:
            message = await receive(reader)
            if message["type"] == "placeOrder" and message["orderId"] in self.executions:
                send(writer, type="error", code=DUPLICATE_ID, orderId=message["orderId"])
            elif message["type"] == "placeOrder":
                self.place(message)
                send(writer, type="orderStatus", orderId=message["orderId"], status="Filled")
            elif message["type"] == "reqExecutions":
                known = [number for number in message["orderIds"] if number in self.executions]
                send(writer, type="execDetails", orderIds=known)
            await writer.drain()

    async def serve_drop_copy(self, reader, writer):
        self.listeners.add(writer)
        try:
            while await reader.read(4096):
                pass
        finally:
            self.listeners.discard(writer)

    async def serve_portal(self, reader, writer):
        """GET /v1/api/portfolio/positions"""
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            found = head.startswith(b"GET /v1/api/portfolio/positions ")
            body = json.dumps(self.positions).encode() if found else b"{}"
            # with the Date that servers send
            writer.write(f"HTTP/1.1 {'200 OK' if found else '404 Not Found'}\r\nDate: {time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime())}\r\n"
                         f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()


def server(serve):
    async def handle(reader, writer):
        try:
            await serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()
    return handle


async def run(args):
    market, book = Market(), Book(args.executions)
    for port, serve in ((args.orders, book.serve_orders), (args.market, market.serve), (args.portal, book.serve_portal),
                        (args.drop_copy, book.serve_drop_copy)):
        await asyncio.start_server(server(serve), "0.0.0.0", port)
    say("listening", orders=args.orders, market=args.market, portal=args.portal, drop_copy=args.drop_copy)
    await market.run()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("orders", "market", "portal", "drop-copy"):
        parser.add_argument(f"--{name}", metavar="PORT", type=int, required=True)
    parser.add_argument("--executions", metavar="FILE", required=True)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
