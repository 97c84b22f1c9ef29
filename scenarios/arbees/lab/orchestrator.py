#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Stands in for orchestrator_rust: gives the games to the shards, and looks after them by their heartbeats. A shard that is silent for too
long is dead, and its games go to another one; one that has been restarted gets its games again; a game that it should not have is taken
away. The system monitor tells of the worst in critical_alerts.log.

usage: orchestrator.py NAME OPTION..."""
import asyncio
import json
import os
import time

import psycopg2

from service import HEARTBEATS, Bus, Database, arguments, beat, now, say, together

DB_THRESHOLD = 3
SETTLE_HEARTBEATS = 3  # so many later a game that was assigned must be in the shard's heartbeats
RESYNC_S = 0.5  # from a new process' first heartbeat until its games are sent
LOOKS = 20  # within a service's time-out


class Alerts:
    """critical_alerts.log: at most one alert of a type in a while."""

    def __init__(self, args):
        self.args = args
        self.last = {}

    def send(self, kind, **facts):
        rare = self.args.misbehave != "alert-storm"
        if rare and time.monotonic() - self.last.get(kind, float("-inf")) < self.args.rate_limit:
            say("INFO", f"Rate limit: Skipping alert of type '{kind}' (sent recently)")
            return
        self.last[kind] = time.monotonic()
        say("INFO", f"Sending critical alert: {kind}")
        if self.args.misbehave != "no-alert":
            with open(self.args.alerts, "a", encoding="utf-8") as f:
                f.write(f"{now()} | {kind} | {json.dumps({'type': kind, **facts, 'timestamp': now()})}\n")


class Service:
    def __init__(self, name):
        self.name = name
        self.seen = time.monotonic()
        self.dead = False
        self.process = None
        self.is_shard = False
        self.games = {}  # game: when it was assigned

    def alive(self):
        return self.is_shard and not self.dead


class Orchestrator:
    def __init__(self, args):
        self.args = args
        self.services = {}
        self.waiting = [f"NBA-{number:03}" for number in range(1, args.games + 1)]
        self.alerts = Alerts(args)
        self.bus = Bus(args, [HEARTBEATS], self.heartbeat)
        self.database = Database(args)
        self.resyncs = set()
        self.beats = 0

    def shards(self):
        return [service for service in self.services.values() if service.is_shard]

    # Heartbeats

    def heartbeat(self, message):
        name = message["instance_id"]
        service = self.services.setdefault(name, Service(name))
        process = (message["process_id"], message["started_at"])
        self.beats += 1
        if service.process not in (None, process):
            self.restarted(service, process)
        service.process, service.seen, service.is_shard = process, time.monotonic(), "games" in message
        if service.dead:
            service.dead = False
            say("INFO", f"Service {name} recovered (heartbeat resumed)")
        if service.is_shard and name not in self.resyncs:
            self.compare(service, set(message["games"]))

    def restarted(self, service, process):
        say("WARN", f"Detected restart: game_shard:{service.name} (old_start={service.process[1]}, new_start={process[1]})")
        say("INFO", f"Assignment circuit breaker of {service.name} reset")
        if service.is_shard:
            self.resyncs.add(service.name)
            asyncio.get_running_loop().call_later(RESYNC_S, self.resync, service)

    def resync(self, service):
        self.resyncs.discard(service.name)
        if self.args.misbehave == "no-resync":
            return
        say("INFO", f"Resending {len(service.games)} game assignments to shard {service.name}")
        for game in service.games:
            self.send(service, "add_game", game)
        say("INFO", f"Resync complete: {service.name}")

    def compare(self, service, reported):
        """What the shard has with what it should have. What was sent to it a moment ago, or while it was not listening, may be missing."""
        patience = time.monotonic() - SETTLE_HEARTBEATS * self.args.heartbeat
        for game, since in service.games.items():
            if game not in reported and since < patience and self.args.misbehave not in ("no-resync", "removes-all"):
                say("WARN", f"Game {game} missing from shard {service.name} heartbeat report")
                self.send(service, "add_game", game)
        zombies = sorted(reported - set(service.games))
        if zombies and self.args.misbehave != "keeps-zombies":
            say("WARN", f"Zombie games detected on shard {service.name}: {json.dumps(zombies)}")
            for game in zombies:
                say("INFO", f"Removing zombie game {game} from shard {service.name}")
                self.send(service, "remove_game", game)
            if self.args.misbehave == "removes-all":
                for game in service.games:
                    self.send(service, "remove_game", game)

    # Games

    def send(self, service, kind, game):
        if game in service.games:
            service.games[game] = time.monotonic()
        self.bus.publish(f"shard:{service.name}:command", type=kind, game_id=game)

    def assign(self, game, service):
        service.games[game] = time.monotonic()
        self.send(service, "add_game", game)
        if self.args.misbehave == "duplicate-assignments":
            for other in self.shards():
                other.games[game] = time.monotonic()
                self.send(other, "add_game", game)

    def emptiest(self):
        return min((service for service in self.shards() if service.alive()), key=lambda service: len(service.games), default=None)

    def assign_waiting(self):
        if len(self.shards()) < self.args.shards:
            return
        while self.waiting and self.emptiest():
            self.assign(self.waiting.pop(0), self.emptiest())

    def move(self, game, old, new):
        say("INFO", f"Reassigning game {game} from {old.name} to {new.name}")
        del old.games[game]
        self.send(old, "remove_game", game)
        self.assign(game, new)

    def balance(self):
        """Games go back to a shard that has come back."""
        alive = [service for service in self.shards() if service.alive() and service.name not in self.resyncs]
        if len(alive) < 2 or self.args.misbehave == "duplicate-assignments":
            return
        alive.sort(key=lambda service: len(service.games))
        while len(alive[-1].games) > len(alive[0].games) + 1:
            self.move(next(iter(alive[-1].games)), alive[-1], alive[0])

    def bury(self, service, age):
        service.dead = True
        say("WARN", f"Service {service.name} marked as Dead (last heartbeat {age:.0f} seconds ago)")
        if self.args.misbehave == "not-reassigned":
            return
        for game in list(service.games):
            other = self.emptiest()
            if not other:
                say("ERROR", f"No healthy shards available to reassign game {game} from {service.name}")
                if self.args.misbehave == "forgets-games":
                    del service.games[game]
                continue
            self.move(game, service, other)

    async def check_services(self):
        """Only what is silent while the bus is up, and has been for long enough, is dead."""
        while True:
            await asyncio.sleep(self.args.timeout / LOOKS)
            if not self.bus.up():
                continue
            for service in list(self.services.values()):
                age = time.monotonic() - max(service.seen, self.bus.up_since)
                if age >= self.args.timeout and not service.dead:
                    self.bury(service, age)
            self.assign_waiting()
            self.balance()

    # The system monitor

    async def monitor(self):
        while True:
            await asyncio.sleep(self.args.monitor)
            shards, alive = self.shards(), [service for service in self.shards() if service.alive()]
            games = sum(len(service.games) for service in shards)
            say("INFO", f"System monitor: game count {games}, {len(alive)} of {len(shards)} shards healthy, {self.beats} heartbeat messages")
            if shards and not alive:
                say("WARN", f"CRITICAL: All {len(shards)} game shards are unhealthy!")
                self.alerts.send("all_shards_unhealthy", total_shards=len(shards))
            if not self.bus.up() or self.args.misbehave == "false-alarm":
                say("ERROR", "CRITICAL: Redis health check failed: not connected")
                self.alerts.send("redis_connectivity", reason="not connected")
            discovery = self.services.get("market_discovery")
            if discovery and discovery.dead:
                say("ERROR", "CRITICAL: No market discovery services available!")
                self.alerts.send("no_market_discovery")

    async def check_database(self):
        failures = 0
        while True:
            try:
                await self.database.execute("SELECT 1")
                if failures and self.args.misbehave != "no-db-recovery":
                    say("INFO", f"Database connection recovered after {failures} failures")
                failures = 0
            except psycopg2.Error as e:
                failures += 1
                text = str(e).strip().replace("\n", " ")
                say("ERROR", f"Database health check failed (attempt {failures}/{DB_THRESHOLD}): {text}")
                if self.args.misbehave == "crash-on-db-failure":
                    raise
                if failures >= DB_THRESHOLD:
                    say("ERROR", f"CRITICAL: Database health check failed {failures} times in a row!")
                    self.alerts.send("database_connectivity", reason=text)
                if self.args.misbehave == "no-db-recovery":
                    await asyncio.Event().wait()
            await asyncio.sleep(self.args.db_interval)

    async def run(self):
        os.makedirs(os.path.dirname(self.args.alerts) or ".", exist_ok=True)
        await together(self.bus.keep(), self.check_services(), self.monitor(), self.check_database(), beat(self.bus, self.args))


async def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--games", type=int, default=12)
    parser.add_argument("--shards", type=int, default=2, help="to be there before games are assigned")
    parser.add_argument("--timeout", type=float, default=60.0, help="of a service without heartbeats")
    parser.add_argument("--monitor", type=float, default=30.0, help="seconds between two looks of the system monitor")
    parser.add_argument("--db-interval", type=float, default=30.0)
    parser.add_argument("--alerts", default="/var/log/arbees/critical_alerts.log")
    parser.add_argument("--rate-limit", type=float, default=300.0)
    await Orchestrator(parser.parse_args()).run()


if __name__ == "__main__":
    asyncio.run(main())
