#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Stands in for the SimNow fronts: on each port a server that takes a login, answers heartbeats and, on a market data front (its port
ends in 11 to 13), sends ticks.

usage: front.py PORT..."""
import asyncio
import contextlib
import os
import sys
import time

from frames import receive, send

TICK_S = 0.25


def is_market_data(port):
    return port % 100 >= 11


async def send_ticks(writer):
    number = 0
    while True:
        await asyncio.sleep(TICK_S)
        number += 1
        send(writer, kind="tick", instrument="rb2605", number=number, price=3100 + number % 7, ts_ns=time.time_ns())


async def serve(reader, writer):
    ticks = None
    try:
        login = await receive(reader)
        good = login.get("kind") == "login" and login.get("password") == os.environ["CTP_SIM_PASSWORD"]
        send(writer, kind="login", error=0 if good else 3)  # CTP's ErrorID of an illegal login
        if not good:
            return
        if is_market_data(writer.get_extra_info("sockname")[1]):
            ticks = asyncio.create_task(send_ticks(writer))
        while True:
            message = await receive(reader)
            if message.get("kind") == "heartbeat":
                send(writer, kind="heartbeat", number=message["number"])
    except ConnectionError:
        pass
    finally:
        if ticks:
            ticks.cancel()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def main(ports):
    for port in ports:
        await asyncio.start_server(serve, None, port)
    print(f"listening on {', '.join(map(str, ports))}")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main([int(word) for word in sys.argv[1:]]))
