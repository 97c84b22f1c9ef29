#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Stands in for simnow_probe: logs in to a trading and a market data front, sends heartbeats, and connects again when it loses one of them:
at most 8 tries, the wait doubled from 500 to 8000 ms. Every 1000 ms, and when its health changes, it says in its log how it is: healthy is
that both are logged in.

usage: gateway.py ADDRESS TRADING:MARKET[,TRADING:MARKET...] LOG [MISBEHAVIOUR]

Of several groups it takes the first that accepts a connection. Its password is in CTP_SIM_PASSWORD."""
import argparse
import asyncio
import contextlib
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../common"))
from labworld import set_name  # noqa: E402

from frames import receive, send  # noqa: E402

HEALTH_S = 1.0
TRIES, SHORTEST_S, LONGEST_S = 8, 0.5, 8.0
CONNECT_S = 1.5
HEARTBEAT_S, SILENCE_S = 1.0, 6.0
SLOW_S = 16.0  # between two tries of the misbehaviour `slow-recovery`
MISBEHAVIOURS = ("no-recovery", "slow-recovery", "crash", "never-unhealthy")


class Link:
    """One connection, and the way back to it."""

    def __init__(self, gateway, name, port):
        self.gateway, self.name, self.port = gateway, name, port
        self.up = False
        self.tries = 0

    async def session(self):
        """Until it is lost."""
        connecting = asyncio.open_connection(self.gateway.address, self.port)
        reader, writer = await asyncio.wait_for(connecting, CONNECT_S)
        try:
            send(writer, kind="login", user="000000", password=os.environ["CTP_SIM_PASSWORD"])
            answer = await asyncio.wait_for(receive(reader), SILENCE_S)
            if answer.get("error"):
                raise ConnectionError(f"login refused, ErrorID={answer['error']}")
            self.set_up(True)
            beats = asyncio.create_task(self.beat(writer))
            try:
                while True:
                    self.gateway.take(self, await asyncio.wait_for(receive(reader), SILENCE_S))
            finally:
                beats.cancel()
        finally:
            writer.transport.abort()

    @staticmethod
    async def beat(writer):
        number = 0
        while True:
            number += 1
            send(writer, kind="heartbeat", number=number)
            await asyncio.sleep(HEARTBEAT_S)

    def set_up(self, up):
        if up:
            self.tries = 0
        self.up = up
        self.gateway.tell_change()

    async def keep(self):
        """As long as there are tries left."""
        while True:
            try:
                await self.session()
            except (OSError, asyncio.TimeoutError) as e:
                self.gateway.say(f"level=warn event={self.name}_front_disconnected port={self.port} reason={str(e) or 'timed out'!r}")
            was_up = self.up
            self.set_up(False)
            if was_up:
                self.gateway.on_lost()
            if self.tries == TRIES or self.gateway.misbehave == "no-recovery":
                self.gateway.say(f"level=error event=reconnect_given_up front={self.name} tries={self.tries}")
                return
            wait = SLOW_S if self.gateway.misbehave == "slow-recovery" else min(SHORTEST_S * 2 ** self.tries, LONGEST_S)
            self.tries += 1
            await asyncio.sleep(wait)


class Gateway:
    def __init__(self, address, log, misbehave):
        self.address, self.misbehave = address, misbehave
        self.log = open(log, "a", encoding="utf-8", buffering=1)
        self.links = []
        self.told = None
        self.ticks = 0

    def healthy(self):
        return self.misbehave == "never-unhealthy" or all(link.up for link in self.links)

    def say(self, text):
        self.log.write(f"ts_ns={time.time_ns()} app=simnow_probe {text}\n")

    def tell(self):
        self.log.write(f"[health] ts_ns={time.time_ns()} state={'healthy' if self.healthy() else 'unhealthy'}\n")

    def tell_change(self):
        healthy = self.healthy()
        if healthy != self.told:
            self.told = healthy
            level, state = ("info", "healthy") if healthy else ("warn", "unhealthy")
            self.log.write(f'ts_ns={time.time_ns()} level={level} app=simnow_probe event=health_status state="{state}"\n')

    def take(self, link, message):
        if message.get("kind") == "tick":
            self.ticks += 1
            if self.ticks % 20 == 1:
                self.say(f"level=info event=market_data front={link.name} instrument={message['instrument']} price={message['price']}")

    def on_lost(self):
        if self.misbehave == "crash":
            self.say("level=error event=uncaught_exception what='OnFrontDisconnected'")
            os.abort()

    async def run(self, groups):
        trading, market = await self.choose(groups)
        self.say(f"level=info event=front_chosen trading={trading} market={market}")
        self.links = [Link(self, "trading", trading), Link(self, "market", market)]
        keepers = [asyncio.create_task(link.keep()) for link in self.links]
        while True:
            self.tell()
            await asyncio.sleep(HEALTH_S)
            for keeper in keepers:
                if keeper.done():
                    keeper.result()  # what it has not expected ends the program

    async def choose(self, groups):
        for trading, market in groups:
            with contextlib.suppress(OSError, asyncio.TimeoutError):
                _, writer = await asyncio.wait_for(asyncio.open_connection(self.address, trading), CONNECT_S)
                writer.close()
                return trading, market
        sys.exit("connect failed: no group accepts a connection")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("groups", type=lambda text: [tuple(map(int, pair.split(":"))) for pair in text.split(",")])
    parser.add_argument("log")
    parser.add_argument("misbehave", nargs="?", choices=MISBEHAVIOURS)
    args = parser.parse_args()
    set_name("simnow_probe")
    asyncio.run(Gateway(args.address, args.log, args.misbehave).run(args.groups))


if __name__ == "__main__":
    main()
