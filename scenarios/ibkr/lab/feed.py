#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The data plane's producer: market data from the gateway into the message broker, a redis stream whose entries have the ticks' own
numbers. It goes on with the number behind the last one that it has, on the gateway's side after a lost connection, on the broker's by
what waits in its buffer, and says ten times a second in a file how it is."""
import asyncio
import collections
import contextlib
import os
import sys
import time

import redis.exceptions

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../common"))
from labworld import set_name  # noqa: E402

from broker import STREAM, keep_broker, last_number  # noqa: E402
from wire import arguments, connection, keep, receive, replace, say, send  # noqa: E402

SILENCE_S = 1.5
BUFFER = 100_000
MISBEHAVIOURS = {"no-backoff": "always waits the shortest time", "slow-recovery": "waits a minute before it connects again",
                 "no-recovery": "does not connect again", "no-timeout": "waits for answers for ever",
                 "no-backfill": "does not ask for what it has missed", "no-buffer": "keeps nothing while the broker is away",
                 "cascade": "ends when the broker is lost"}


class Feed:
    def __init__(self, args):
        self.args = args
        self.buffer = collections.deque(maxlen=BUFFER)
        self.news = asyncio.Event()
        self.known = asyncio.Event()  # that, or that there is none:
        self.last = None              # number of the last tick that there is
        self.sent = 0                 # to the broker
        self.from_gateway = self.to_broker = False

    async def session(self, retry):
        try:
            async with connection(self.args.gateway, self.args.market, self.args.connection_timeout) as (reader, writer):
                send(writer, type="subscribe", after=None if self.args.misbehave == "no-backfill" else self.last)
                while True:
                    tick = await asyncio.wait_for(receive(reader), SILENCE_S)
                    retry.reset()
                    self.from_gateway = True
                    self.last = tick["seq"]
                    if self.to_broker or self.args.misbehave != "no-buffer":
                        self.buffer.append(tick)
                    self.news.set()
        finally:
            self.from_gateway = False

    async def follow(self):
        await self.known.wait()
        await keep("market", self.args, self.session)

    async def publish(self, broker):
        """As long as the broker takes it. What is there already is refused by its number."""
        while True:
            await self.news.wait()
            self.news.clear()
            while self.buffer:
                batch = list(self.buffer)[:200]
                pipe = broker.pipeline(transaction=False)
                for tick in batch:
                    pipe.xadd(STREAM, tick, id=f"{tick['seq']}-0", maxlen=200_000)
                for answer in await pipe.execute(raise_on_error=False):
                    if isinstance(answer, Exception) and "equal or smaller" not in str(answer):
                        raise answer
                self.to_broker = True
                self.sent = batch[-1]["seq"]
                for _ in batch:
                    self.buffer.popleft()

    async def use(self, broker, retry):
        if self.last is None:  # a new process goes on from what the broker has
            with contextlib.suppress(redis.exceptions.ResponseError):
                self.last = await last_number(broker)
        self.known.set()
        retry.reset()
        self.to_broker = True
        self.news.set()
        await self.publish(broker)

    def on_lost(self, reason):
        self.to_broker = False
        say("broker_lost", buffered=len(self.buffer), reason=repr(reason))
        if self.args.misbehave == "no-buffer":
            self.buffer.clear()

    async def produce(self):
        answer_s = None if self.args.misbehave == "no-timeout" else self.args.request_timeout
        await keep_broker("broker", self.args, answer_s, self.use, self.on_lost)

    async def tell(self):
        while True:
            replace(self.args.status, {"timestamp": time.time(), "ok": self.from_gateway and self.to_broker, "gateway": self.from_gateway,
                                       "broker": self.to_broker, "last": self.last, "sent": self.sent, "buffered": len(self.buffer)})
            await asyncio.sleep(0.1)

    async def run(self):
        await asyncio.gather(self.follow(), self.produce(), self.tell())


def main():
    parser = arguments(__doc__, MISBEHAVIOURS)
    parser.add_argument("--market", metavar="PORT", type=int, required=True)
    parser.add_argument("--status", metavar="FILE", required=True)
    set_name("feed")
    asyncio.run(Feed(parser.parse_args()).run())


if __name__ == "__main__":
    main()
