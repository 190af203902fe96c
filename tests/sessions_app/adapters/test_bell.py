"""The ear for a session's doorbell, on each channel layer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from channels.layers import InMemoryChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer

from flows.events import Event
from sessions_app.adapters.bell import Bell
from sessions_app.adapters.doorbell import NODES, Doorbell, Layer, Noted, Pace
from tests.services import REDIS_URL

SESSION = uuid4()
ELSEWHERE = uuid4()


def event_of(session_id: UUID) -> Event:
    return Event(
        session_id=session_id, seq=1, kind="message_sent", actor="ann", at="t", data={"text": "Hi"}
    )


@pytest_asyncio.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
async def layer(request: pytest.FixtureRequest) -> AsyncIterator[Layer]:
    """A channel layer that nobody else uses."""
    if request.param == "memory":
        yield InMemoryChannelLayer()
        return
    redis: Any = RedisPubSubChannelLayer(hosts=[REDIS_URL], prefix=f"test-{token_hex(4)}")
    yield redis
    await redis.flush()


@asynccontextmanager
async def ringing(layer: Layer) -> AsyncIterator[Doorbell]:
    """The doorbell of another process."""
    bell = Doorbell(layer, node="another", hear=lambda *_: None, pace=Pace())
    bell.start()
    try:
        yield bell
    finally:
        await bell.close()


async def rung(bell: Bell, other: Doorbell) -> bool:
    """Whether it rings, however late, while somebody rings for the session again and again."""
    waiting = asyncio.create_task(bell.wait(60))
    while not waiting.done():
        other.committed(SESSION, [event_of(SESSION)])
        await asyncio.wait([waiting], timeout=0.01)
    return await waiting


async def test_it_rings(layer: Layer) -> None:
    """Whoever waits is woken when something is committed in the session, again and again."""
    bell = Bell(SESSION, layer)
    async with ringing(layer) as other:
        assert await rung(bell, other)
        assert await rung(bell, other)


async def test_nothing_happens(layer: Layer) -> None:
    """Whoever waits waits no longer than they said; what happens elsewhere wakes nobody."""
    bell = Bell(SESSION, layer)
    async with ringing(layer) as other:
        assert await rung(bell, other)
        while await bell.wait(0.05):
            pass
        other.committed(ELSEWHERE, [event_of(ELSEWHERE)])
        other.say(Noted(SESSION, "frame", None))
        assert not await bell.wait(0.05)
        assert await rung(bell, other)


async def test_what_is_not_understood(layer: Layer) -> None:
    """What another version says may be of the session: whoever waits looks."""
    bell = Bell(SESSION, layer)
    waiting = asyncio.create_task(bell.wait(60))
    while not waiting.done():
        await layer.group_send(NODES, {"type": "doorbell", "head": 1})
        await asyncio.wait([waiting], timeout=0.01)
    assert await waiting


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
    async with ringing(layer) as other:
        assert await rung(bell, other)
