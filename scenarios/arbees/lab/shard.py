#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Stands in for game_shard_rust: monitors the games that the orchestrator gives it. It writes their states into the database, and says in its
heartbeats which they are.

usage: shard.py NAME OPTION..."""
import asyncio
import time

import psycopg2

from service import HEARTBEATS, Bus, Database, arguments, beat, say, together

HANDOVER_S = 2.0  # in which another shard may take over a game's state
ALONE_S = 2.0  # of the misbehaviour `stops-alone`
STATES = ("INSERT INTO game_states (game_id, shard_id, updated_at) SELECT unnest(%s), %s, clock_timestamp() "
          "ON CONFLICT (game_id, shard_id) DO UPDATE SET updated_at = excluded.updated_at, updates = game_states.updates + 1")
TRADES = ("INSERT INTO paper_trades (game_id, status) SELECT game, 'open' FROM unnest(%s) AS game "
          "WHERE NOT EXISTS (SELECT FROM paper_trades WHERE game_id = game)")
OTHERS = "DELETE FROM game_states WHERE game_id = ANY(%s) AND shard_id <> %s"
DIRT = ("INSERT INTO game_states (game_id, shard_id, updated_at) VALUES ('NBA-000', %s, NOW() - INTERVAL '1 hour')",
        "INSERT INTO paper_trades (game_id, status) VALUES ('NBA-000', %s)")
OWN = "DELETE FROM game_states WHERE game_id = ANY(%s) AND shard_id = %s"


class Shard:
    def __init__(self, args):
        self.args = args
        self.games = set()
        self.taken, self.given_up = set(), {}  # what the database does not know yet; game: when
        self.heard = time.monotonic()  # from the orchestrator
        self.bus = Bus(args, [f"shard:{args.name}:command", *([HEARTBEATS] if args.misbehave == "stops-alone" else [])], self.command)
        self.database = Database(args)

    def command(self, message):
        if "game_id" not in message:
            if message["service"] == "orchestrator":
                self.heard = time.monotonic()
            return
        game = message["game_id"]
        kind = message.get("type") or message.get("command")
        say("INFO", f"{kind}: {game}")
        if kind == "add_game":
            if game not in self.games:
                self.taken.add(game)
            self.games.add(game)
            self.given_up.pop(game, None)
        elif kind == "remove_game":
            self.games.discard(game)
            self.taken.discard(game)
            self.given_up[game] = time.monotonic()

    async def write(self):
        games, taken = sorted(self.games), set(self.taken)
        given_up = [game for game, since in self.given_up.items() if time.monotonic() - since > HANDOVER_S]
        execute = self.database.execute_with_retry
        if games:
            await execute(STATES, (games, self.args.name))
        if taken and self.args.misbehave != "duplicate-assignments":
            await execute(OTHERS, (sorted(taken), self.args.name))
            await execute(TRADES, (sorted(taken),))
        if given_up:
            await execute(OWN, (given_up, self.args.name))
        self.taken -= taken
        for game in given_up:
            self.given_up.pop(game, None)

    async def monitor(self):
        if self.args.misbehave == "dirty-database":
            for statement in DIRT:
                await self.database.execute(statement, (self.args.name,))
        while True:
            try:
                if self.args.misbehave != "stops-alone" or time.monotonic() - self.heard < ALONE_S:
                    await self.write()
            except psycopg2.Error as e:
                say("ERROR", f"Failed to write game states: {str(e).strip()}")
                if self.args.misbehave == "crash-on-db-failure":
                    raise
            await asyncio.sleep(self.args.update)

    async def run(self):
        await together(self.bus.keep(), self.monitor(),
                       beat(self.bus, self.args, shard_id=self.args.name, shard_type="sports", games=lambda: sorted(self.games)))


async def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--update", type=float, default=1.0, help="seconds between two updates of the games' states")
    await Shard(parser.parse_args()).run()


if __name__ == "__main__":
    asyncio.run(main())
