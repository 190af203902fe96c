"""The keeper: one per process. Once a second it looks after every open connection.

Whether the peer reads and answers, whether there is anything to say to it, and whether it may still
be here. Nothing is timed per connection: a timer for each costs more than a look at all.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection
from typing import Protocol

import structlog

from flows.errors import Unavailable
from sessions_app.auth import Identity
from sessions_app.close_codes import Close

logger = structlog.get_logger(__name__)

#: How often the keeper looks, in seconds: so fast a revoked credential reaches its sockets.
LOOK_EVERY = 1.0

#: Protocol, section 4: every so many seconds a client is told the heads of what it watches.
PING_SECONDS = 25.0


class Kept(Protocol):
    """A connection, as far as the keeper is concerned."""

    identity: Identity
    #: When it is to be told the heads next, on the loop's clock.
    ping_at: float

    def look(self, now: float) -> None:
        """Close it if its peer is dead or idle."""
        ...

    def ping(self) -> None:
        """Tell the heads of what it watches."""
        ...

    def close_with(self, why: Close) -> None:
        """Close it."""
        ...


class Keeper:
    """The open connections of this process, and the one task that looks after them."""

    def __init__(
        self, ask: Callable[[Collection[Identity]], Awaitable[dict[Identity, Close]]]
    ) -> None:
        self.connections: set[Kept] = set()
        self._ask = ask
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.get_running_loop().create_task(self._look_forever())

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def add(self, connection: Kept) -> None:
        """Look after `connection` from now on; its first ping comes at a random time."""
        now = asyncio.get_running_loop().time()
        connection.ping_at = now + random.uniform(0, PING_SECONDS)  # noqa: S311
        self.connections.add(connection)

    def remove(self, connection: Kept) -> None:
        """Look after it no more."""
        self.connections.discard(connection)

    async def look(self, now: float) -> None:
        """Look at every connection once, at `now` on the loop's clock."""
        for connection in tuple(self.connections):
            connection.look(now)
            if now >= connection.ping_at:
                connection.ping_at = now + PING_SECONDS
                connection.ping()
        await self._close_taken_back()

    async def _close_taken_back(self) -> None:
        identities = {each.identity for each in self.connections}
        if not identities:
            return
        try:
            verdicts = await self._ask(identities)
        except Unavailable:
            return  # the next look asks again
        for connection in tuple(self.connections):
            if (why := verdicts.get(connection.identity)) is not None:
                connection.close_with(why)

    async def _look_forever(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self.look(loop.time())
            except Exception:
                # One look that fails must not be the last.
                logger.exception("look_failed")
