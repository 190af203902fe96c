"""Redis, as the channel layer uses it: whether it answers, and may ring."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from typing import Any

from asgiref.sync import async_to_sync
from channels_redis.utils import create_pool, decode_hosts
from django.core.checks import CheckMessage, Error, Warning
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from sessions_app.checks.doorbell import CORE, PUBSUB

#: In seconds: who takes longer to answer is not there.
PATIENCE = 3

#: What the channel layer needs, by its own documentation.
OLDEST = 5


def examine_redis(layer: Mapping[str, Any]) -> Iterator[CheckMessage]:
    """What is wrong with each Redis that `layer`, from the settings, names; nothing is kept."""
    if layer.get("BACKEND") not in (CORE, PUBSUB):
        return
    config = layer.get("CONFIG", {})
    for host in decode_hosts(config.get("hosts")):
        # As the layer does it, so that what works here works there.
        client = Redis.from_pool(create_pool(host))
        kwargs = client.connection_pool.connection_kwargs
        # Never the address itself: a password may be in it.
        where = f"Redis at {kwargs.get('path') or kwargs.get('host')}:{kwargs.get('port', '')}"
        yield from async_to_sync(_examine)(client, where, config.get("prefix", "asgi"))


async def _examine(client: Redis, where: str, prefix: str) -> list[CheckMessage]:
    try:
        async with asyncio.timeout(PATIENCE), client:
            return [*await _may_ring(client, where, prefix), *await _version(client, where)]
    except AuthenticationError:
        hint = "REDIS_URL needs its user and password: redis://user:password@host:port/0."
        return [Error(f"{where} does not let us in.", hint=hint, id="sessions_app.E056")]
    except (RedisError, OSError, TimeoutError) as error:
        return [
            Error(
                f"{where} cannot be reached: {_why(error)}.",
                hint="Start it, or correct REDIS_URL. Until then, what other processes commit "
                "comes a second later.",
                id="sessions_app.E055",
            )
        ]


async def _may_ring(client: Redis, where: str, prefix: str) -> list[CheckMessage]:
    channel = f"{prefix}.doctor"
    try:
        async with client.pubsub() as listening:
            await listening.subscribe(channel)
            await client.publish(channel, b"")
            # The first that comes is that it listens; a refusal comes in its place.
            await listening.get_message(timeout=PATIENCE)
    except NoPermissionError:
        hint = f"ACL SETUSER … &{prefix}* +publish +subscribe +unsubscribe"
        return [
            Error(f"{where} does not let us publish.", hint=hint, id="sessions_app.E056"),
        ]
    return []


async def _version(client: Redis, where: str) -> list[CheckMessage]:
    try:
        told = str((await client.info("server")).get("redis_version", ""))
    except NoPermissionError:
        return []  # Whoever gives so little knows what they run.
    return version_found(told, where)


def version_found(told: str, where: str) -> list[CheckMessage]:
    """Whether a Redis of that version is too old."""
    number = re.match(r"\d+", told)
    if number is None or int(number[0]) >= OLDEST:
        return []
    hint = f"Install Redis {OLDEST} or later: the channel layer needs it."
    return [Warning(f"{where} is version {told}.", hint=hint, id="sessions_app.W057")]


def _why(error: Exception) -> str:
    return str(error).strip().rstrip(".") or "it does not answer"
