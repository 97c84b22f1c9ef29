# SPDX-License-Identifier: BSD-2-Clause
"""HTTP/1.1 between the stand-ins: a server, and a client that keeps its connections. Bodies have a Content-Length, and are JSON unless
they are text already."""
import asyncio
import contextlib
import json

LARGEST = 1 << 20


class Failed(Exception):
    """No answer: the connection was not made, was lost, or took too long."""


async def read_message(reader):
    """The words of the first line, the headers in lower case, and the body; ConnectionError if the other end is gone."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        length = int(headers.get("content-length", "0"))
        if not 0 <= length <= LARGEST:
            raise ConnectionError(f"a body of {length} bytes")
        return head[0].split(" ", 2), headers, await reader.readexactly(length)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as e:
        raise ConnectionError("end of stream") from e


def encode(first_line, body, *headers):
    data = body.encode() if isinstance(body, str) else b"" if body is None else json.dumps(body).encode()
    return "\r\n".join([first_line, f"Content-Length: {len(data)}", *headers, "", ""]).encode() + data


async def serve(handler, address, port):
    """`handler(method, path, body)` is awaited for (status, body)."""
    async def connection(reader, writer):
        with contextlib.suppress(ConnectionError):
            while True:
                (method, path, _), headers, data = await read_message(reader)
                status, body = await handler(method, path, json.loads(data) if data else None)
                writer.write(encode(f"HTTP/1.1 {status} {'OK' if status < 300 else 'Error'}", body))
                await writer.drain()
                if headers.get("connection", "").lower() == "close":
                    break
        writer.close()

    return await asyncio.start_server(connection, address, port)


class Client:
    """`find()` is awaited for the server's address, whenever there is a connection to make."""

    def __init__(self, find, name, port, on_connect):
        self.find, self.name, self.port, self.on_connect = find, name, port, on_connect
        self.idle = []

    async def connect(self, timeout_s):
        self.on_connect()
        return await asyncio.wait_for(asyncio.open_connection(await self.find(), self.port), timeout_s)

    def take_idle(self):
        while self.idle:
            reader, writer = self.idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.transport.abort()
        return None

    async def exchange(self, method, path, body, fresh, connect_timeout_s):
        reader, writer = (None if fresh else self.take_idle()) or await self.connect(connect_timeout_s)
        keep = False
        try:
            writer.write(encode(f"{method} {path} HTTP/1.1", body, f"Host: {self.name}:{self.port}"))
            words, headers, data = await read_message(reader)
            keep = not fresh and headers.get("connection", "").lower() != "close"
            return int(words[1]), headers, data
        finally:
            if keep:
                self.idle.append((reader, writer))
            else:
                writer.transport.abort()

    async def request(self, method, path, body=None, *, timeout_s, connect_timeout_s, fresh=False):
        """Status, headers and body; Failed. `fresh`: on a connection of its own."""
        try:
            return await asyncio.wait_for(self.exchange(method, path, body, fresh, connect_timeout_s), timeout_s)
        except asyncio.TimeoutError as e:
            raise Failed("timed out") from e
        except OSError as e:
            raise Failed(str(e) or type(e).__name__) from e
