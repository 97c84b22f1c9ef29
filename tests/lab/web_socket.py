# SPDX-License-Identifier: BSD-2-Clause
"""A WebSocket server that echoes, and a client that says what it meets, one JSON object a line.

usage: web_socket.py server ADDRESS PORT | client URL

    ready      of the server: it listens; of the client: it is connected
    pong       rtt: seconds until the server's answer to a ping
    closed     error: the exception, code: of the close frame, or 1006: there was none (RFC 6455, 7.1.5)

The client pings without end. Both need python3-websockets.
"""
import asyncio
import json
import sys
import time

import websockets


def say(event, **data):
    print(json.dumps({"event": event, **data}), flush=True)


async def echo(connection):
    try:
        async for message in connection:
            await connection.send(message)
    except websockets.ConnectionClosed:
        pass


async def serve(address, port):
    async with websockets.serve(echo, address, int(port), ping_interval=None):
        say("ready")
        await asyncio.Future()


async def keep_pinging(url):
    async with websockets.connect(url, ping_interval=None, open_timeout=None) as connection:
        say("ready")
        try:
            while True:
                begun = time.monotonic()
                await (await connection.ping())
                say("pong", rtt=time.monotonic() - begun)
                await asyncio.sleep(0.02)
        except websockets.ConnectionClosed as e:
            say("closed", error=f"{type(e).__name__}: {e}", code=connection.close_code)


if __name__ == "__main__":
    asyncio.run({"server": serve, "client": keep_pinging}[sys.argv[1]](*sys.argv[2:]))
