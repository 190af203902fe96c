"""The ear for a session's doorbell, on each channel layer."""

import asyncio
from collections.abc import AsyncIterator
from secrets import token_hex
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from channels.layers import InMemoryChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer

from sessions_app.adapters.bell import Bell
from sessions_app.adapters.hub import Layer, group_of
from tests.services import REDIS_URL

SESSION = uuid4()
RING = {"type": "doorbell", "head": 1}


@pytest_asyncio.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
async def layer(request: pytest.FixtureRequest) -> AsyncIterator[Layer]:
    """A channel layer that nobody else uses."""
    if request.param == "memory":
        yield InMemoryChannelLayer()
        return
    redis: Any = RedisPubSubChannelLayer(hosts=[REDIS_URL], prefix=f"test-{token_hex(4)}")
    yield redis
    await redis.flush()


async def rung(bell: Bell, layer: Layer, session_id: object = SESSION) -> bool:
    """Whether it rings, however late, while somebody rings for a session again and again."""
    waiting = asyncio.create_task(bell.wait(60))
    while not waiting.done():
        await layer.group_send(f"session.{session_id}", RING)
        await asyncio.wait([waiting], timeout=0.01)
    return await waiting


async def test_it_rings(layer: Layer) -> None:
    """Whoever waits is woken when something is committed in the session, again and again."""
    bell = Bell(SESSION, layer)
    assert group_of(SESSION) == f"session.{SESSION}"
    assert await rung(bell, layer)
    assert await rung(bell, layer)


async def test_nothing_happens(layer: Layer) -> None:
    """Whoever waits waits no longer than they said; what happens elsewhere wakes nobody."""
    bell = Bell(SESSION, layer)
    await bell.wait(0)
    await layer.group_send(group_of(uuid4()), RING)
    assert not await bell.wait(0.05)
    assert await rung(bell, layer)


class Broken(InMemoryChannelLayer):  # type: ignore[misc]  # Channels has no types
    """A channel layer that is away."""

    broken = True

    async def group_add(self, group: str, channel: str) -> None:
        if self.broken:
            raise ConnectionError
        await super().group_add(group, channel)


async def test_a_broken_layer() -> None:
    """A layer that is away is waited out, and asked again the next time."""
    layer: Any = Broken()
    bell = Bell(SESSION, layer)
    assert not await bell.wait(0.01)
    layer.broken = False
    assert await rung(bell, layer)
