"""A street: channel layers of several processes; the doorbell between them can be broken."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from sessions_app.adapters.doorbell import Pace, Said

#: No check but those that a test asks for.
STILL = Pace(check_every=3600, rejoin_every=3600, patience=3600)

#: All that is done again is done again at once.
BUSY = Pace(check_every=0.001, rejoin_every=0.001, patience=0.001)


class Street:
    """Channel layers of several processes, with a doorbell between them that can be broken."""

    def __init__(self) -> None:
        self.groups: dict[str, set[str]] = {}
        self.queues: dict[str, asyncio.Queue[dict[str, Any]]] = {}
        self.broken = False
        self.deaf = False
        #: Cleared: every operation hangs.
        self.answers = asyncio.Event()
        self.answers.set()
        #: So many operations will never be over.
        self.lost = 0
        self.sent: list[dict[str, Any]] = []

    async def _answer(self) -> None:
        if self.lost:
            self.lost -= 1
            await asyncio.Event().wait()
        await self.answers.wait()
        if self.broken:
            raise ConnectionError

    async def new_channel(self) -> str:
        await self._answer()
        name = f"channel-{len(self.queues)}"
        self.queues[name] = asyncio.Queue()
        return name

    async def receive(self, channel: str) -> dict[str, Any]:
        message = await self.queues[channel].get()
        if "broken" in message:
            raise ValueError
        return message

    async def group_add(self, group: str, channel: str) -> None:
        await self._answer()
        self.groups.setdefault(group, set()).add(channel)

    async def group_discard(self, group: str, channel: str) -> None:
        self.groups[group].discard(channel)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        await self._answer()
        self.sent.append(message)
        for channel in () if self.deaf else self.groups.get(group, ()):
            self.queues[channel].put_nowait(message)

    def said(self) -> list[Said]:
        """All that was said, in order."""
        return [
            each
            for message in self.sent
            for each in msgspec.msgpack.decode(message["said"], type=list[Said])
        ]


async def settle() -> None:
    """Let every task run as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nobody tells when it comes true
            await asyncio.sleep(0.001)
