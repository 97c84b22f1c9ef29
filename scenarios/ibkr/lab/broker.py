# SPDX-License-Identifier: BSD-2-Clause
"""The message broker as producer and consumer see it: a redis stream, and the way back to it."""
import asyncio
import contextlib
import sys

import redis.asyncio
import redis.exceptions

from wire import keep, words_of

STREAM = "ticks"


async def last_number(broker):
    """Of the stream's ticks; redis.exceptions.ResponseError: there is no stream."""
    return int((await broker.xinfo_stream(STREAM))["last-generated-id"].split(b"-")[0])


async def keep_broker(name, args, answer_s, use, on_lost=lambda reason: None):
    """use(broker, retry) with a client that is connected, again and again; it ends with the connection. An answer takes at most so long."""
    async def session(retry):
        broker = redis.asyncio.Redis(host=args.broker, port=args.broker_port, socket_connect_timeout=args.connection_timeout,
                                     socket_timeout=answer_s)
        try:
            await broker.ping()
            await use(broker, retry)
        except (OSError, asyncio.TimeoutError, redis.exceptions.RedisError) as e:
            on_lost(words_of(e))
            if args.misbehave == "cascade":
                sys.exit("uncaught: the broker is lost")
            with contextlib.suppress(Exception):
                await broker.connection_pool.disconnect()
            raise

    await keep(name, args, session, redis.exceptions.RedisError)
