# SPDX-License-Identifier: BSD-2-Clause
"""What the stand-ins have in common: a JSON document a line, files that are whole or not there, and the way back to a peer."""
import argparse
import asyncio
import contextlib
import json
import os
import time


async def receive(reader):
    """The next message; ConnectionError if the other end hangs up or sends something else."""
    try:
        return json.loads(await reader.readuntil(b"\n"))
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as e:
        raise ConnectionError("end of stream") from e


def send(writer, **message):
    writer.write(json.dumps(message).encode() + b"\n")


def replace(path, document):
    """A whole file or none."""
    draft = f"{path}.new"
    with open(draft, "w", encoding="utf-8") as f:
        json.dump(document, f)
    os.replace(draft, path)


def say(event, **words):
    print(f"ts_ns={time.time_ns()} event={event}", *(f"{key}={value}" for key, value in words.items()), flush=True)


def arguments(description, misbehaviours):
    """A parser of what producer and orchestrator are both told: where things are, and the runbook's chaos_config."""
    parser = argparse.ArgumentParser(description=description.partition("\n")[0],
                                     epilog="misbehaviours: " + "; ".join(f"{name}: {text}" for name, text in misbehaviours.items()))
    for name in ("gateway", "broker"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--broker-port", type=int, default=6379)
    parser.add_argument("--misbehave")
    for name, seconds in (("base-retry-delay", 1), ("max-retry-delay", 30), ("connection-timeout", 10), ("request-timeout", 5)):
        parser.add_argument(f"--{name}", metavar="S", type=float, default=seconds)
    parser.add_argument("--max-retry-attempts", metavar="N", type=int, default=5)
    return parser


LONG_WAITS = {"slow-recovery": 60, "no-recovery": 1e9}


class Retry:
    """Waits that double, up to a longest one; after so many attempts without success it says so, and goes on with the longest."""

    def __init__(self, name, args):
        self.name, self.args = name, args
        self.failures = 0

    def reset(self):
        self.failures = 0

    async def wait(self, reason):
        args = self.args
        delay = min(args.base_retry_delay * 2 ** self.failures, args.max_retry_delay)
        self.failures += 1
        if self.failures == args.max_retry_attempts + 1:
            say("retries_exhausted", link=self.name, attempts=args.max_retry_attempts)
        if self.failures > args.max_retry_attempts:
            delay = max(delay, args.max_retry_delay)
        if args.misbehave == "no-backoff":
            delay = args.base_retry_delay
        delay = LONG_WAITS.get(args.misbehave, delay)
        say("retry", link=self.name, attempt=self.failures, wait_s=f"{delay:.3f}", reason=repr(reason))
        await asyncio.sleep(delay)


def words_of(error):
    return str(error) or ("timed out" if isinstance(error, asyncio.TimeoutError) else type(error).__name__)


@contextlib.asynccontextmanager
async def connection(address, port, timeout_s):
    """Its reader and writer; asyncio.TimeoutError or OSError. It is gone at the block's end."""
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(address, port, limit=1 << 20), timeout_s)
    except asyncio.TimeoutError:
        say("connection_timed_out", peer=f"{address}:{port}", after_s=timeout_s)
        raise
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def keep(name, args, session, *errors):
    """session(retry) again and again, each until its connection is lost; `errors` say so, too."""
    retry = Retry(name, args)
    while True:
        try:
            await session(retry)
        except (OSError, asyncio.TimeoutError, *errors) as e:
            await retry.wait(words_of(e))
