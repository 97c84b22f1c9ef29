#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Stands in for the market maker: quotes both sides around the book's middle, once a tick.

A tick asks for the open orders, waits for the answer at most --budget-ms, goes on with what it has, and hands new quotes to its two
sides, which place them in the background. So the network's time is the tick's only up to the budget. Open orders are compared with its
own when they come, early or late. The book comes in over WebSocket; names are looked up once a tick, and the exchange's time twice, beside
it. After 429 and 503 it waits as told, or twice as long each time; an order that went wrong keeps its side from quoting until orders are
compared, on the next tick. It stops quoting while a guard has a reason not to: book_stale, orders_stale, ws_lag, clock_skew.

On its port: /metrics; /tick, which carries out a dry tick (no orders) and says with 200 or 503 whether it kept its deadline; /health."""
import argparse
import asyncio
import collections
import contextlib
import json
import os
import random
import sys
import time

import websockets

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../common"))
from labworld import set_name  # noqa: E402

from http1 import Client, Failed, serve  # noqa: E402
from lookups import LookupFailed, address_of, clock_offset  # noqa: E402
from metrics import Metrics  # noqa: E402

FIRST_WAIT_S, LONGEST_WAIT_S, TRIES = 0.1, 2.0, 5
REQUEST_S, CONNECT_S, LOOKUP_S = 3.0, 0.5, 0.4
WS_SILENCE_S, WS_PING_S, WS_FIRST_WAIT_S, WS_LONGEST_WAIT_S = 0.7, 0.5, 0.05, 0.4
BOOK_STALE_S, GAP_S, SKEW_MS, WAY_S = 1.5, 0.5, 50, 0.02
STALE_TICKS, RATE_OF = 10, 10
STORM = 20  # requests at once of the misbehaviour `storm`
LATE_TICKS = 2  # of the misbehaviour `late-reconcile`

MISBEHAVIOURS = {
    "blocking": "a tick waits for its answer, however long that takes",
    "long-ticks": "the same",
    "waits-for-acks": "a tick waits until its orders are acknowledged",
    "gives-up": "a quote that is refused is not tried again",
    "no-retry": "the side whose quote is refused stops for good",
    "storm": f"what is refused is asked for again {STORM} times at once, on new connections",
    "cancel-storm": f"whenever something is refused, {STORM} cancels are sent at once",
    "no-backoff": "what is refused is asked for again without a pause",
    "no-reconnect": "a lost feed is not connected again",
    "lag-stays": "the buffer that evens out the feed's lag grows, and never shrinks",
    "no-gap": "the feed's lag is not measured",
    "no-fallback": "an address that can't be looked up is given up for good",
    "looks-up-once": "addresses are looked up at the start alone",
    "no-guard": "the exchange's clock is not looked at",
    "skew-stays": "the skew is noticed, and for good",
    "no-reconcile": "orders are not compared",
    "late-reconcile": f"orders are compared {LATE_TICKS} ticks after one went wrong",
}


class Refused(Exception):
    """The exchange says that it did nothing."""


class Unknown(Exception):
    """It may have been carried out."""


class Names:
    """Addresses, and the last good ones for when there is no answer."""

    def __init__(self, bot):
        self.bot, self.addresses = bot, {}

    async def look_up(self, name):
        try:
            self.addresses[name] = await address_of(name, self.bot.args.resolver, LOOKUP_S)
        except LookupFailed as e:
            if self.bot.misbehave == "no-fallback":
                self.addresses.pop(name, None)
            self.bot.metrics.add("mm_dns_fallbacks_total")
            self.bot.say("warn", "dns_fallback", name=name, error=e, address=self.addresses.get(name, "none"))

    async def find(self, name):
        if name not in self.addresses:
            raise OSError(f"no address of {name}")
        return self.addresses[name]


class Rest:
    """Everything that is asked of the exchange goes through here, and waits when the exchange says so."""

    def __init__(self, bot):
        self.bot = bot
        self.client = Client(lambda: bot.names.find(bot.args.rest_name), bot.args.rest_name, bot.args.rest_port,
                             lambda: bot.metrics.add("mm_reconnect_attempts_total", kind="rest"))
        self.failures = 0
        self.until = 0.0

    def held(self):
        return time.monotonic() < self.until

    def back_off(self, status, retry_after):
        if self.bot.misbehave == "no-backoff":
            return
        self.failures += 1
        wait = float(retry_after) if retry_after else min(FIRST_WAIT_S * 2 ** (self.failures - 1), LONGEST_WAIT_S) * random.uniform(0.9, 1.1)
        if self.bot.misbehave != "storm":
            self.until = max(self.until, time.monotonic() + wait)
        self.bot.say("warn", "backoff", status=status, failures=self.failures, wait_ms=round(wait * 1000))

    async def storm(self, *request):
        """Answers or not."""
        await asyncio.gather(*(self.send(*request, fresh=True) for _ in range(STORM)), return_exceptions=True)

    async def send(self, kind, method, path, body=None, fresh=False):
        self.bot.metrics.add("mm_requests_total", kind=kind)
        return await self.client.request(method, path, body, timeout_s=REQUEST_S, connect_timeout_s=CONNECT_S, fresh=fresh)

    async def call(self, kind, method, path, body=None):
        """What stands in the answer; Refused or Unknown."""
        while self.held():
            await asyncio.sleep(self.until - time.monotonic())
        try:
            status, headers, data = await self.send(kind, method, path, body)
        except Failed as e:
            self.bot.say("warn", "no_answer", kind=kind, error=e)
            self.back_off(0, None)
            raise Unknown(str(e)) from e
        if status < 300:
            self.failures = 0
            return json.loads(data)
        if status == 504:
            self.bot.say("warn", "timed_out_there", kind=kind)
            raise Unknown("status 504")
        self.back_off(status, headers.get("retry-after"))
        if self.bot.misbehave == "storm":
            await self.storm(kind, method, path, body)
        if self.bot.misbehave == "cancel-storm":
            await self.storm("cancel", "POST", "/api/cancel", {"id": "all"})
        raise Refused(f"status {status}")


class OpenOrders:
    """As the exchange has them; asked for at most once at a time."""

    def __init__(self, bot, kind):
        self.bot, self.kind = bot, kind
        self.task = None
        self.orders, self.asked = None, 0.0

    def ask(self):
        """A task, or None while the exchange wants to be left alone."""
        if self.task is None or self.task.done():
            self.task = None if self.bot.rest.held() else asyncio.create_task(self.fetch())
        return self.task

    async def fetch(self):
        asked = time.monotonic()
        with contextlib.suppress(Refused, Unknown):
            answer = await self.bot.rest.call(self.kind, "GET", "/api/openOrders")
            self.orders, self.asked = {order["id"]: order for order in answer}, asked
            if self is self.bot.live:
                self.bot.reconcile(self.orders, asked)


class Side:
    """One quote, placed and replaced."""

    def __init__(self, bot, name):
        self.bot, self.name = bot, name
        self.order = None  # that the exchange has, as far as is known
        self.price = self.task = None
        self.number = 0
        self.changed = 0.0
        self.doubtful = None  # the first tick since the last comparison with an order that went wrong
        self.stopped = False

    def busy(self):
        return self.task is not None and not self.task.done()

    def put(self, price):
        self.price = price
        if not self.busy() and not self.stopped:
            self.task = asyncio.create_task(self.place())

    async def place(self):
        """Until it is acknowledged or may have been; a newer price takes the place of an older one."""
        good = None
        for attempt in range(1, TRIES + 1):
            try:
                await self.place_once()
                good = True
            except Refused as e:
                good = False
                self.doubt()
                if self.bot.misbehave == "no-retry":
                    self.stopped = True
                if self.bot.misbehave in ("gives-up", "no-retry"):
                    break
                self.bot.say("info", "retry", kind="place", attempt=attempt, reason=e)
                continue
            except Unknown:
                good = None
                self.doubt()
            break
        self.changed = time.monotonic()
        if good is not None:
            self.bot.count_quote(good)

    def doubt(self):
        if self.doubtful is None:
            self.doubtful = self.bot.ticks

    async def place_once(self):
        self.number += 1
        number = f"{self.name}-{self.number}"
        await self.bot.rest.call("place", "POST", "/api/order",
                                 {"id": number, "side": self.name, "price": self.price, "replaces": self.order})
        self.order = number


class Feed:
    """The book over WebSocket, connected again when it is lost or silent."""

    def __init__(self, bot):
        self.bot = bot
        self.book, self.came = None, 0.0
        self.connected = False
        self.gaps = collections.deque()  # (when, ms) of the last GAP_S
        self.buffer_ms = 0.0

    def gap_ms(self):
        while self.gaps and self.gaps[0][0] < time.monotonic() - GAP_S:
            self.gaps.popleft()
        return max((ms for _, ms in self.gaps), default=0.0)

    def take(self, book):
        gap = (time.time_ns() - book["sent_ns"]) / 1e6
        if self.bot.misbehave == "no-gap":
            gap = 0.0
        if self.bot.misbehave == "lag-stays":
            gap = self.buffer_ms = max(self.buffer_ms, gap)
        self.book, self.came = book, time.monotonic()
        self.gaps.append((self.came, gap))
        self.bot.metrics.observe("mm_ws_gap_ms", max(gap, 0.0))

    async def session(self):
        args = self.bot.args
        address = await self.bot.names.find(args.ws_name)
        ws = await websockets.connect(f"ws://{args.ws_name}:{args.ws_port}/ws", host=address, port=args.ws_port,
                                      open_timeout=CONNECT_S, close_timeout=0.1, ping_interval=WS_PING_S, ping_timeout=None)
        self.connected = True
        self.bot.say("info", "ws_connected")
        try:
            while True:
                self.take(json.loads(await asyncio.wait_for(ws.recv(), WS_SILENCE_S)))
                self.failures = 0
        finally:
            ws.transport.abort()

    async def follow(self):
        self.failures = 0
        while True:
            try:
                await self.session()
            except (OSError, asyncio.TimeoutError, websockets.WebSocketException) as e:
                self.bot.say("warn", "ws_lost", error=str(e) or "silence")
            self.connected = False
            if self.bot.misbehave == "no-reconnect":
                return
            await asyncio.sleep(min(WS_FIRST_WAIT_S * 2 ** self.failures, WS_LONGEST_WAIT_S))
            self.failures += 1
            self.bot.metrics.add("mm_reconnect_attempts_total", kind="ws")


class Clock:
    """By how much the exchange's is ahead; two answers that say so in a row make a skew, or end it."""

    def __init__(self, bot):
        self.bot = bot
        self.offset_ms = 0.0
        self.skewed = self.before = False

    async def check(self):
        try:
            offset, way = await clock_offset(self.bot.args.time_server, LOOKUP_S)
        except LookupFailed:
            return
        if way > WAY_S:
            return
        self.offset_ms = offset * 1000
        skewed = abs(self.offset_ms) > SKEW_MS and self.bot.misbehave != "no-guard"
        if skewed == self.before and not (self.skewed and self.bot.misbehave == "skew-stays"):
            self.skewed = skewed
        self.before = skewed


class Bot:
    def __init__(self, args):
        self.args, self.misbehave = args, args.misbehave
        self.tick_s = args.tick_ms / 1000
        self.log = open(args.log, "a", encoding="utf-8", buffering=1)
        self.metrics = Metrics()
        self.names, self.rest, self.feed, self.clock = Names(self), Rest(self), Feed(self), Clock(self)
        self.live, self.dry = OpenOrders(self, "open_orders"), OpenOrders(self, "dry_tick")
        self.sides = [Side(self, "bid"), Side(self, "ask")]
        self.ticks = self.misses = 0
        self.tick_ms = 0.0
        self.quotes = collections.deque(maxlen=RATE_OF)
        self.told = []
        for kind in ("ws", "rest"):
            self.metrics.add("mm_reconnect_attempts_total", 0, kind=kind)
        for kind in ("unknown_order", "missing_order"):
            self.metrics.add("mm_reconcile_discrepancies_total", 0, type=kind)
        for kind in ("place", "cancel", "open_orders", "dry_tick"):
            self.metrics.add("mm_requests_total", 0, kind=kind)
        for name in ("mm_ticks_total", "mm_deadline_misses_total", "mm_dns_fallbacks_total"):
            self.metrics.add(name, 0)
        self.metrics.set("mm_partial_fail_rate", 0.0)

    def say(self, level, event, **words):
        text = "".join(f" {key}={str(value).replace(' ', '_')}" for key, value in words.items())
        self.log.write(f"ts_ns={time.time_ns()} level={level} app=mm-bot event={event}{text}\n")

    # Guards

    def guards(self):
        now = time.monotonic()
        reasons = {"book_stale": now - self.feed.came > BOOK_STALE_S,
                   "orders_stale": now - self.live.asked > STALE_TICKS * self.tick_s + REQUEST_S,
                   "ws_lag": self.feed.gap_ms() > self.args.gap_limit_ms,
                   "clock_skew": self.clock.skewed}
        return [name for name, holds in reasons.items() if holds]

    def quoting(self):
        return not self.guards() and not any(side.stopped for side in self.sides)

    # Orders

    def count_quote(self, good):
        self.quotes.append(good)
        self.metrics.set("mm_partial_fail_rate", self.quotes.count(False) / len(self.quotes))

    def discrepancy(self, kind, order, ticks):
        self.metrics.add("mm_reconcile_discrepancies_total", type=kind)
        self.say("warn", "reconcile_discrepancy", type=kind, order=order, ticks=ticks)

    async def cancel(self, order):
        with contextlib.suppress(Refused, Unknown):
            await self.rest.call("cancel", "POST", "/api/cancel", {"id": order})

    def reconcile(self, orders, asked):
        """With what the exchange has; of a side that has placed an order since it was asked, that says nothing."""
        for side in self.sides:
            late = side.doubtful is not None and self.ticks < side.doubtful + LATE_TICKS
            if side.busy() or side.changed > asked or self.misbehave == "no-reconcile" or self.misbehave == "late-reconcile" and late:
                continue
            ticks = 0 if side.doubtful is None else self.ticks - side.doubtful
            side.doubtful = None
            unknown = [number for number in orders if number.startswith(f"{side.name}-") and number != side.order]
            for number in unknown:
                self.discrepancy("unknown_order", number, ticks)
            if side.order and side.order not in orders:
                self.discrepancy("missing_order", side.order, ticks)
                side.order = unknown.pop() if unknown else None
            for number in unknown:
                asyncio.create_task(self.cancel(number))

    def quote(self):
        if not self.feed.book or self.guards():
            return
        for side, price in zip(self.sides, (self.feed.book["bid"] - 5, self.feed.book["ask"] + 5)):
            if side.doubtful is None or self.misbehave == "no-reconcile":
                side.put(price)

    # Ticks

    async def tick(self, dry=False):
        """Milliseconds, and whether it kept its deadline."""
        begin = time.monotonic()
        task = (self.dry if dry else self.live).ask()
        if task:
            await asyncio.wait([task], timeout=None if self.misbehave in ("blocking", "long-ticks") else self.args.budget_ms / 1000)
        if not dry:
            self.quote()
            tasks = [side.task for side in self.sides if side.busy()]
            if tasks and self.misbehave == "waits-for-acks":
                await asyncio.wait(tasks)
        ms = (time.monotonic() - begin) * 1000
        return ms, ms <= self.args.deadline_ms and self.names_known()

    def names_known(self):
        return {self.args.rest_name, self.args.ws_name} <= set(self.names.addresses)

    async def ticking(self):
        """At a steady pace; a tick that takes longer than a period delays the next one."""
        due = time.monotonic()
        while True:
            self.ticks += 1
            self.tick_ms, kept = await self.tick()
            self.misses += not kept
            self.metrics.observe("mm_tick_total_ms", self.tick_ms)
            self.metrics.add("mm_ticks_total")
            self.metrics.add("mm_deadline_misses_total", not kept)
            due = max(due + self.tick_s, time.monotonic())
            await asyncio.sleep(due - time.monotonic())

    @staticmethod
    async def steadily(what, every_s):
        while True:
            await asyncio.gather(what(), asyncio.sleep(every_s))

    async def look_up_names(self):
        if self.misbehave == "no-fallback" and self.ticks and not self.names_known():
            return
        await asyncio.gather(*map(self.names.look_up, (self.args.rest_name, self.args.ws_name)))

    # What it says of itself

    def status(self):
        return {"timestamp": time.time(), "tick": self.ticks, "tick_ms": round(self.tick_ms, 1), "deadline_misses": self.misses,
                "quoting": self.quoting(), "guards": self.guards(),
                "ws": {"connected": self.feed.connected, "gap_ms": round(self.feed.gap_ms(), 1)},
                "clock": {"offset_ms": round(self.clock.offset_ms, 1)},
                "orders": {side.name: side.order for side in self.sides}}

    async def keep_status(self):
        while True:
            draft = f"{self.args.status}.new"
            with open(draft, "w", encoding="utf-8") as f:
                json.dump(self.status(), f)
            os.replace(draft, self.args.status)
            guards = self.guards()
            if guards != self.told:
                self.told = guards
                self.say("warn" if guards else "info", "guards", reasons=",".join(guards) or "none")
            await asyncio.sleep(0.1)

    async def handle(self, _, path, __):
        if path == "/metrics":
            return 200, self.metrics.text()
        if path == "/tick":
            ms, kept = await self.tick(dry=True)
            return 200 if kept else 503, {"tick_ms": round(ms, 1), "kept_deadline": kept}
        if path == "/health":
            return 200 if self.quoting() else 503, self.status()
        return 404, {"error": "no such path"}

    async def run(self):
        await self.look_up_names()
        await serve(self.handle, "0.0.0.0", self.args.port)
        jobs = [self.feed.follow(), self.steadily(self.clock.check, self.tick_s / 2), self.ticking(), self.keep_status()]
        if self.misbehave != "looks-up-once":
            jobs.append(self.steadily(self.look_up_names, self.tick_s))
        await asyncio.gather(*jobs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0],
                                     epilog="misbehaviours: " + "; ".join(f"{name}: {text}" for name, text in MISBEHAVIOURS.items()))
    for name in ("resolver", "time-server", "rest-name", "ws-name", "log", "status"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("rest-port", "ws-port", "port", "tick-ms", "budget-ms", "deadline-ms", "gap-limit-ms"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--misbehave", choices=MISBEHAVIOURS)
    set_name("mm-bot")
    asyncio.run(Bot(parser.parse_args()).run())


if __name__ == "__main__":
    main()
