#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The orchestrator: consumes ticks from the broker (data plane), places an order every so often (order plane), and asks the Client Portal
for the account's positions. The planes know nothing of each other.

Orders are numbered. Each is in the book, a file, before it is sent and once it is filled; after a lost connection the gateway is asked
which of the open ones it has, and the others are sent again with the order ids that they had. A new process goes on from the book and
from the last tick in `cursor`. Ticks are told to whoever listens on a local UDP port; ten times a second `health` says how it is."""
import asyncio
import collections
import contextlib
import json
import os
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../common"))
from labworld import set_name  # noqa: E402

from broker import STREAM, keep_broker, last_number  # noqa: E402
from wire import Retry, arguments, connection, keep, receive, replace, say, send, words_of  # noqa: E402

STALE_S = 1.5        # a plane whose last news are older is not healthy
RATE_WINDOW_S = 60
TOO_MANY = 429
MISBEHAVIOURS = {"no-backoff": "always waits the shortest time", "slow-recovery": "waits a minute before it connects again",
                 "no-recovery": "does not connect again",
                 "duplicate-orders": "sends orders again with new ids", "lost-orders": "forgets what is open when a connection is lost",
                 "position-drift": "counts what it has sent again twice", "state-loss": "begins without what it was before",
                 "unclean": "ends at once", "cascade": "ends when the broker is lost", "blind": "always says that it is healthy",
                 "offset-latest": "goes on with the latest tick when it is late",
                 "shared-planes": "places no orders without market data, and takes no market data while orders are open",
                 "no-timeout": "waits for answers for ever", "ignores-429": "asks again at once", "stays-limited": "asks no more after a 429"}


class Orders:
    """The order plane."""

    def __init__(self, args):
        self.args = args
        self.open = collections.OrderedDict()  # order id: order
        self.positions = {}
        self.number = self.next_id = self.filled = 0
        self.connected = False
        self.news = asyncio.Event()
        self.sent_at = collections.deque(maxlen=args.rate_limit)
        self.restore()
        self.book = open(args.book, "a", encoding="utf-8", buffering=1)

    def restore(self):
        if self.args.misbehave == "state-loss":
            return
        with contextlib.suppress(FileNotFoundError):
            with open(self.args.book, encoding="utf-8") as f:
                for event in map(json.loads, f):
                    self.take(event)
            say("state_restored", orders=self.number, open=len(self.open), positions=json.dumps(self.positions).replace(" ", ""))

    def take(self, event):
        """An event of the book."""
        if event["event"] == "sent":
            self.open[event["orderId"]] = event
            self.number = max(self.number, event["order"])
            self.next_id = max(self.next_id, event["orderId"])
        else:
            order = self.open.pop(event["orderId"], None)
            if order:
                self.filled += 1
                self.positions[order["symbol"]] = self.positions.get(order["symbol"], 0) + order["quantity"]

    def write(self, event):
        self.book.write(json.dumps(event) + "\n")
        self.take(event)

    def new(self):
        symbol, quantity = (("AAPL", 2), ("MSFT", 1), ("AAPL", -1), ("SPY", 3))[self.number % 4]
        self.write({"event": "sent", "order": self.number + 1, "orderId": self.next_id + 1, "symbol": symbol, "quantity": quantity,
                    "ts": time.time()})
        self.news.set()

    def fill(self, order_id, again=False):
        order = self.open.get(order_id)
        if order:
            self.write({"event": "filled", "order": order["order"], "orderId": order_id, "ts": time.time()})
            if again and self.args.misbehave == "position-drift":
                self.positions[order["symbol"]] += order["quantity"]

    async def pace(self):
        """Not more than so many a minute, as the venue asks for."""
        if len(self.sent_at) == self.args.rate_limit:
            await asyncio.sleep(max(0, self.sent_at[0] + RATE_WINDOW_S / self.args.speed - time.monotonic()))
        self.sent_at.append(time.monotonic())

    async def answer(self, reader):
        """To a request, within its time."""
        waiting = receive(reader)
        if self.args.misbehave == "no-timeout":
            return await waiting
        try:
            return await asyncio.wait_for(waiting, self.args.request_timeout)
        except asyncio.TimeoutError:
            say("request_timed_out", link="orders", after_s=self.args.request_timeout)
            raise

    async def reconcile(self, reader, writer):
        """What is open may have been filled behind a lost connection."""
        if self.args.misbehave == "duplicate-orders":
            for order_id, order in list(self.open.items()):
                del self.open[order_id]
                self.next_id += 1
                self.open[self.next_id] = {**order, "orderId": self.next_id}
        elif self.open:
            send(writer, type="reqExecutions", orderIds=list(self.open))
            for order_id in (await self.answer(reader))["orderIds"]:
                self.fill(order_id, again=True)
        if self.open:
            say("orders_replayed", count=len(self.open))

    async def session(self, retry):
        timeout_s = None if self.args.misbehave == "no-timeout" else self.args.connection_timeout
        try:
            async with connection(self.args.gateway, self.args.orders, timeout_s) as (reader, writer):
                await self.reconcile(reader, writer)
                self.connected = True
                retry.reset()
                while True:
                    await self.place(reader, writer)
        finally:
            self.connected = False
            if self.args.misbehave == "lost-orders":
                self.open.clear()

    async def place(self, reader, writer):
        """The next order, once there is one."""
        while not self.open:
            self.news.clear()
            await self.news.wait()
        order = next(iter(self.open.values()))
        await self.pace()
        send(writer, type="placeOrder", orderId=order["orderId"], orderRef=order["order"], symbol=order["symbol"],
             quantity=order["quantity"])
        answer = await self.answer(reader)
        if answer["type"] == "error":
            say("error", code=answer["code"], order_id=answer["orderId"])
        self.fill(answer["orderId"])

    async def keep(self):
        await keep("orders", self.args, self.session)

    def oldest_s(self):
        return time.time() - next(iter(self.open.values()))["ts"] if self.open else 0

    def healthy(self):
        return self.connected and self.oldest_s() < STALE_S


class Ticks:
    """The data plane's consumer."""

    def __init__(self, args, orders):
        self.args, self.orders = args, orders
        self.listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.listener.setblocking(False)
        self.number, self.time, self.count = 0, 0.0, 0
        with contextlib.suppress(FileNotFoundError):
            with open(args.cursor, encoding="utf-8") as f:
                self.number = json.load(f)["number"]

    def take(self, tick):
        self.number, self.time = int(tick[b"seq"]), float(tick[b"ts"])
        self.count += 1
        with contextlib.suppress(OSError):  # nobody listens
            self.listener.sendto(b"seq=%d" % self.number, ("127.0.0.1", self.args.ticks))

    async def consume(self, broker, retry):
        retry.reset()
        while True:
            while self.args.misbehave == "shared-planes" and not self.orders.healthy():
                await asyncio.sleep(0.05)
            if self.args.misbehave == "offset-latest" and self.healthy() is False:
                self.number = await last_number(broker)
            found = await broker.xread({STREAM: f"{self.number}-0"}, count=200, block=500)
            for _, tick in found[0][1] if found else []:
                self.take(tick)

    async def keep(self):
        await keep_broker("consumer", self.args, self.args.request_timeout, self.consume)

    def age_s(self):
        return time.time() - self.time

    def healthy(self):
        return self.age_s() < STALE_S


class Account:
    """The positions as the Client Portal tells them."""

    def __init__(self, args):
        self.args = args
        self.positions = None
        self.time = 0.0
        self.requests = self.failed = self.limited = 0
        self.is_limited = False

    async def get(self):
        """(status, seconds to wait, body)"""
        async with connection(self.args.gateway, self.args.portal, self.args.connection_timeout) as (reader, writer):
            writer.write(b"GET /v1/api/portfolio/positions HTTP/1.1\r\nHost: portal\r\nAccept: application/json\r\n\r\n")
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            body = await reader.readexactly(int(headers["content-length"]))
            return int(head[0].split()[1]), float(headers.get("retry-after", 1)), body

    async def ask(self):
        """Seconds until the next time."""
        self.requests += 1
        status, wait_s, body = await asyncio.wait_for(self.get(), None if self.args.misbehave == "no-timeout" else self.args.request_timeout)
        self.is_limited = status == TOO_MANY and self.args.misbehave != "ignores-429"
        if status == 200:
            self.positions, self.time = json.loads(body), time.time()
            return self.args.poll
        self.failed += 1
        say("request_refused", status=status, retry_after_s=wait_s)
        if status == TOO_MANY:
            self.limited += 1
            return {"ignores-429": 0.02, "stays-limited": 3600}.get(self.args.misbehave, wait_s)
        return self.args.poll

    async def keep(self):
        retry = Retry("portal", self.args)
        while True:
            try:
                await asyncio.sleep(await self.ask())
                retry.reset()
            except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError) as e:
                self.failed += 1
                if isinstance(e, asyncio.TimeoutError):
                    say("request_timed_out", link="portal", after_s=self.args.request_timeout)
                await retry.wait(words_of(e))

    def healthy(self):
        return not self.is_limited and time.time() - self.time < self.args.poll + STALE_S


class Trader:
    def __init__(self, args):
        self.args = args
        self.orders, self.account = Orders(args), Account(args)
        self.ticks = Ticks(args, self.orders)
        self.stopping = False

    def can_trade(self):
        return not self.stopping and (self.args.misbehave != "shared-planes" or self.ticks.healthy())

    async def trade(self):
        while True:
            await asyncio.sleep(self.args.order_every)
            if self.can_trade():
                self.orders.new()

    def health(self):
        blind = self.args.misbehave == "blind"
        orders, ticks, account = self.orders, self.ticks, self.account
        return {"timestamp": time.time(), "pid": os.getpid(),
                "planes": {"data": {"ok": blind or ticks.healthy(), "last": ticks.number, "count": ticks.count, "age_s": round(ticks.age_s(), 3)},
                           "orders": {"ok": blind or orders.healthy(), "connected": orders.connected, "sent": orders.number,
                                      "filled": orders.filled, "open": len(orders.open), "oldest_s": round(orders.oldest_s(), 3)}},
                "account": {"ok": blind or account.healthy(), "rate_limited": account.is_limited, "requests": account.requests,
                            "failed": account.failed, "limited": account.limited},
                "positions": orders.positions}

    def tell(self):
        replace(self.args.cursor, {"number": self.ticks.number})
        replace(self.args.health, self.health())

    async def keep_telling(self):
        while True:
            self.tell()
            await asyncio.sleep(0.1)

    async def stop(self):
        """No new orders; wait for those that are open."""
        if self.args.misbehave == "unclean":
            os._exit(1)
        self.stopping = True
        say("stopping", open=len(self.orders.open))
        until = time.monotonic() + self.args.request_timeout
        while self.orders.open and time.monotonic() < until:
            await asyncio.sleep(0.01)
        self.tell()
        say("clean_shutdown", open=len(self.orders.open))
        os._exit(0)

    async def run(self):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: asyncio.ensure_future(self.stop()))
        await asyncio.gather(self.orders.keep(), self.ticks.keep(), self.account.keep(), self.trade(), self.keep_telling())


def main():
    parser = arguments(__doc__, MISBEHAVIOURS)
    for name in ("orders", "portal", "ticks"):
        parser.add_argument(f"--{name}", metavar="PORT", type=int, required=True)
    for name in ("book", "cursor", "health"):
        parser.add_argument(f"--{name}", metavar="FILE", required=True)
    parser.add_argument("--order-every", metavar="S", type=float, default=1)
    parser.add_argument("--poll", metavar="S", type=float, default=1)
    parser.add_argument("--rate-limit", metavar="N", type=int, default=100, help="orders a minute")
    parser.add_argument("--speed", type=float, default=1, help="minutes are shorter by this factor")
    set_name("trader")
    asyncio.run(run_trader(parser.parse_args()))


async def run_trader(args):
    await Trader(args).run()


if __name__ == "__main__":
    main()
