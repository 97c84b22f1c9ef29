# SPDX-License-Identifier: BSD-2-Clause
"""What all services of the stand-in have: a log, a bus that comes back by itself (Redis pub/sub), a database with retries, alerts."""
import argparse
import asyncio
import contextlib
import json
import os
import random
import select
import sys
import time
from datetime import datetime, timezone

import psycopg2

MISBEHAVIOURS = ("no-backoff", "constant-backoff", "no-reconnect", "breaker-stays-closed", "no-heartbeat", "not-reassigned",
                 "duplicate-assignments", "no-resync", "forgets-games", "keeps-zombies", "removes-all", "stops-alone", "no-alert",
                 "alert-storm", "false-alarm", "crash-on-redis-failure", "crash-on-db-failure", "no-db-recovery", "no-retry",
                 "dirty-database", "panic", "mute")
HEARTBEATS = "health:heartbeats"
CONNECT_S, HAMMER_S, LARGEST = 5.0, 0.005, 1 << 20
SOON_S = 0.5  # after a heartbeat that nobody took
RETRIES, RETRY_S = 3, 0.1
RETRIABLE = ("connection", "timeout", "timed out", "could not connect", "broken pipe", "deadlock detected", "terminating")


def now():
    return datetime.now(timezone.utc).isoformat()


def say(level, text):
    if "mute" in sys.argv:
        return
    print(f"[{now()} {level:<5} {os.path.splitext(os.path.basename(sys.argv[0]))[0]}] {text}", flush=True)


def duration(seconds):
    """As Rust's Debug has it."""
    ms = round(seconds * 1000)
    return f"{ms / 1000:g}s" if ms >= 1000 else f"{ms}ms"


def arguments(description):
    """Those of every service; the defaults are Arbees' own."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("name")
    parser.add_argument("--redis", default="127.0.0.1", help="address; port 6379")
    parser.add_argument("--database", help="of libpq")
    parser.add_argument("--base-delay", type=float, default=1.0, help="REDIS_RECONNECT_BASE_DELAY_MS, in seconds")
    parser.add_argument("--max-delay", type=float, default=60.0)
    parser.add_argument("--jitter", type=float, default=0.1)
    parser.add_argument("--max-failures", type=int, default=10, help="in a row, after which the circuit breaker opens")
    parser.add_argument("--pause", type=float, default=60.0, help="for which it stays open")
    parser.add_argument("--heartbeat", type=float, default=10.0)
    parser.add_argument("--db-timeout", type=float, default=30.0)
    parser.add_argument("--misbehave", choices=MISBEHAVIOURS)
    return parser


class Resp:
    """A connection to Redis."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, address):
        return cls(*await asyncio.wait_for(asyncio.open_connection(address, 6379, limit=LARGEST), CONNECT_S))

    def send(self, *words):
        parts = [f"*{len(words)}\r\n".encode()]
        for word in words:
            data = word.encode()
            parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
        self.writer.write(b"".join(parts))

    async def receive(self):
        """The next reply; ConnectionError at the end, or if it is an error."""
        try:
            line = (await self.reader.readuntil(b"\r\n"))[:-2]
            kind, rest = line[:1], line[1:]
            if kind == b"*":
                return [await self.receive() for _ in range(int(rest))]
            if kind == b"$":
                return (await self.reader.readexactly(int(rest) + 2))[:-2].decode() if int(rest) >= 0 else None
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as e:
            raise ConnectionError("end of stream") from e
        if kind == b"-":
            raise ConnectionError(rest.decode())
        return rest.decode()

    def close(self):
        self.writer.transport.abort()


class Bus:
    """One connection that listens and one that publishes. When either is lost both are made anew, with exponential back-off: a stream
    that ends is the first failure, so that the first try comes at once and the first wait is the second of the row. Behind so many
    failures in a row the circuit breaker opens, for a pause."""

    def __init__(self, args, channels, on_message):
        self.args, self.channels, self.on_message = args, channels, on_message
        self.failures = self.reconnects = 0
        self.publisher = None
        self.up_since = None

    def up(self):
        return self.publisher is not None

    def delay(self, attempt):
        args = self.args
        if args.misbehave == "no-backoff":
            return HAMMER_S
        exponent = 0 if args.misbehave == "constant-backoff" else attempt - 1
        return min(args.base_delay * 2 ** exponent, args.max_delay) * (1 + random.uniform(-args.jitter, args.jitter))

    async def connect(self):
        subscriber = await Resp.open(self.args.redis)
        try:
            for channel in self.channels:
                subscriber.send("SUBSCRIBE", channel)
                await asyncio.wait_for(subscriber.receive(), CONNECT_S)
            publisher = await Resp.open(self.args.redis)
        except BaseException:
            subscriber.close()
            raise
        return subscriber, publisher

    async def listen(self, subscriber):
        while True:
            message = await subscriber.receive()
            if isinstance(message, list) and message[0] == "message":
                self.on_message(json.loads(message[2]))

    @staticmethod
    async def read_on(publisher):
        while True:
            await publisher.receive()

    async def session(self, subscriber, publisher):
        """Until either connection ends."""
        self.publisher, self.up_since = publisher, time.monotonic()
        tasks = [asyncio.create_task(self.listen(subscriber)), asyncio.create_task(self.read_on(publisher))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                with contextlib.suppress(OSError):
                    task.result()
        finally:
            self.publisher = None
            for task in tasks:
                task.cancel()
            subscriber.close()
            publisher.close()

    async def keep(self):
        """Forever."""
        if self.args.misbehave == "panic":
            say("ERROR", "thread 'tokio-runtime-worker' panicked at 'already borrowed'")
        hopeless = self.args.misbehave in ("no-backoff", "breaker-stays-closed")
        while True:
            if self.failures >= self.args.max_failures and not hopeless:
                say("ERROR", f"Circuit breaker OPENED after {self.failures} consecutive failures. Pausing reconnection attempts.")
                await asyncio.sleep(self.args.pause)
                self.failures = 0
            try:
                connections = await self.connect()
            except (OSError, asyncio.TimeoutError) as e:
                self.failures += 1
                wait = self.delay(self.failures)
                say("ERROR", f"Failed to connect (attempt {self.failures}): {e or 'timed out'}. Retrying in {duration(wait)}...")
                await asyncio.sleep(wait)
                continue
            self.failures = 0
            self.reconnects += 1
            say("INFO", f"Successfully connected (total reconnects: {self.reconnects})")
            for channel in self.channels:
                say("INFO", f"Subscribed to {channel}")
            await self.session(*connections)
            self.failures = 1
            say("WARN", "Redis PubSub stream ended, will reconnect...")
            if self.args.misbehave == "crash-on-redis-failure":
                sys.exit("called `Result::unwrap()` on an `Err` value: redis stream ended")
            if self.args.misbehave == "panic":
                say("ERROR", "thread 'tokio-runtime-worker' panicked at 'already borrowed'")
            if self.args.misbehave == "no-reconnect":
                return

    def publish(self, channel, **message):
        """Is it on its way?"""
        if self.publisher:
            self.publisher.send("PUBLISH", channel, json.dumps(message))
        return self.up()


class Database:
    """One connection to PostgreSQL, made when it is needed, and every statement within a time; from any thread, one at a time."""

    def __init__(self, args):
        self.args = args
        self.connection = None
        self.lock = asyncio.Lock()

    def wait(self, deadline):
        while True:
            state = self.connection.poll()
            if state == psycopg2.extensions.POLL_OK:
                return
            files = [self.connection.fileno()]
            left = max(0, deadline - time.monotonic())
            reads = state == psycopg2.extensions.POLL_READ
            if not any(select.select(files if reads else [], [] if reads else files, [], left)):
                raise psycopg2.OperationalError("timeout")

    def execute_now(self, statement, values):
        deadline = time.monotonic() + self.args.db_timeout
        try:
            if not self.connection:
                self.connection = psycopg2.connect(self.args.database, async_=1)
                self.wait(deadline)
            cursor = self.connection.cursor()
            cursor.execute(statement, values)
            self.wait(deadline)
            return cursor.fetchall() if cursor.description else []
        except psycopg2.Error:
            if self.connection:
                self.connection.close()
            self.connection = None
            raise

    async def execute(self, statement, values=()):
        async with self.lock:
            return await asyncio.to_thread(self.execute_now, statement, values)

    async def execute_with_retry(self, statement, values=()):
        for attempt in range(1, RETRIES + 1):
            try:
                return await self.execute(statement, values)
            except psycopg2.Error as e:
                text = str(e).strip().replace("\n", " ")
                retriable = any(word in text.lower() for word in RETRIABLE)
                if self.args.misbehave == "no-retry" or attempt == RETRIES or not retriable:
                    raise
                wait = RETRY_S * 2 ** (attempt - 1)
                say("WARN", f"Database operation failed (attempt {attempt}/{RETRIES}): {text}. Retrying in {wait * 1000:.0f}ms")
                await asyncio.sleep(wait)
        return None


async def beat(bus, args, **facts):
    """Heartbeats; `facts` are values, or functions that have them."""
    identity = {"service": args.name, "instance_id": args.name, "process_id": f"{os.getpid()}-{time.time_ns()}", "started_at": now()}
    while True:
        if args.misbehave == "no-heartbeat" and bus.reconnects > 1:
            return
        sent = bus.publish(HEARTBEATS, **identity, status="healthy", checks={"redis_ok": bus.up()}, timestamp=now(),
                           **{key: value() if callable(value) else value for key, value in facts.items()})
        await asyncio.sleep(args.heartbeat if sent else min(args.heartbeat, SOON_S))


async def together(*coroutines):
    """The first that fails ends the program."""
    await asyncio.gather(*coroutines)
