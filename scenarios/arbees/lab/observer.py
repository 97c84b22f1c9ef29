#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Stands in for a service of Arbees that lives by the bus alone, as market_discovery_rust and signal_processor_rust: it listens, and sends
heartbeats.

usage: observer.py NAME OPTION..."""
import asyncio

from service import Bus, arguments, beat, together


async def main():
    args = arguments(__doc__.splitlines()[0]).parse_args()
    bus = Bus(args, ["orchestrator:market_assignments"], lambda message: None)
    await together(bus.keep(), beat(bus, args, shard_type="other"))


if __name__ == "__main__":
    asyncio.run(main())
