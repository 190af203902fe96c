"""The keeper: one per process. Once a second it looks after every open connection.

Whether the peer reads and answers, whether there is anything to say to it, whether it may still
be here, and whether the log is still the one it was told of. Nothing is timed per connection: a
timer for each costs more than a look at all.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Protocol

import structlog

from flows.errors import Unavailable
from sessions_app.adapters.additions import Addition
from sessions_app.auth import Identity
from sessions_app.close_codes import DRAINING, INTERNAL, RECONNECT, Close
from sessions_app.counts import Distribution
from sessions_app.credentials import Judgement

logger = structlog.get_logger(__name__)

#: How often the keeper looks, in seconds: so fast a revoked credential reaches its sockets.
LOOK_EVERY = 1.0

#: Between which the event loop's delays are told apart, in seconds.
DELAYS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

#: How fast clients are asked to come back elsewhere when this process ends, and how much time
#: they get for it at least and at most, in seconds: the whole stop takes no more than thirty.
RETURNS_PER_SECOND = 100
SHORTEST_WINDOW = 0.5
LONGEST_WINDOW = 15.0

#: How long a drain waits for the last sockets to be gone, in seconds.
LAST_WORDS = 5.0

#: So many sockets are closed at a time, and so long is the pause in between, in seconds.
BATCH = 50
BATCH_PAUSE = 0.05


class Kept(Protocol):
    """A connection, as far as the keeper is concerned."""

    #: As `welcome` told them.
    id: str
    epoch: str
    identity: Identity
    #: When it was opened and when its client last sent something, on the loop's clock.
    opened_at: float
    heard_at: float
    #: When it is to be told the heads next, on the loop's clock.
    ping_at: float
    #: Whether it was told that its login is about to expire.
    warned: bool

    @property
    def watching(self) -> int:
        """How many sessions it watches."""
        ...

    @property
    def observing(self) -> int:
        """How many of them it observes, as staff."""
        ...

    @property
    def lag(self) -> int:
        """How many events it is behind, at most, in one of them."""
        ...

    def look(self, now: float) -> None:
        """Close it if its peer is dead or idle."""
        ...

    def ping(self) -> None:
        """Tell the heads of what it watches."""
        ...

    def close_with(self, why: Close) -> None:
        """Close it."""
        ...

    def stop_observing(self) -> None:
        """Show it nothing more of what it watches by right."""
        ...

    def tell(self, method: str, params: dict[str, object]) -> None:
        """Tell it something."""
        ...

    def tell_added(self, addition: Addition) -> None:
        """Tell it that its user was added to a session, if it wants to hear of that."""
        ...

    async def finish(self, why: Close) -> None:
        """Answer what is in flight, take nothing more, and close it."""
        ...


class Keeper:
    """The open connections of this process, and the one task that looks after them."""

    def __init__(
        self,
        ask: Callable[[Collection[Identity], Collection[Identity]], Awaitable[Judgement]],
        epoch: Callable[[], Awaitable[str]],
        *,
        ping_seconds: float,
    ) -> None:
        #: Protocol, section 4: every so many seconds a client is told the heads of what it watches.
        self.ping_seconds = ping_seconds
        self.connections: set[Kept] = set()
        #: How many of them each user has.
        self.by_user: Counter[str] = Counter()
        #: Whether this process is about to end; it takes no new connections then.
        self.draining = False
        #: How much too late the event loop woke this.
        self.delays = Distribution(DELAYS)
        self._empty = asyncio.Event()
        self._empty.set()
        self._ask = ask
        self._epoch = epoch
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
        connection.ping_at = now + random.uniform(0, self.ping_seconds)  # noqa: S311
        self.connections.add(connection)
        self.by_user[connection.identity.user] += 1
        self._empty.clear()

    def remove(self, connection: Kept) -> None:
        """Look after it no more."""
        self.connections.remove(connection)
        self.by_user -= Counter([connection.identity.user])
        if not self.connections:
            self._empty.set()

    async def look(self, now: float) -> None:
        """Look at every connection once, at `now` on the loop's clock."""
        for connection in tuple(self.connections):
            try:
                self._look_at(connection, now)
            except Exception:
                # One connection that cannot be looked at must not keep the others from it.
                logger.exception("look_failed")
                connection.close_with(INTERNAL)
        await self._compare_epochs()
        await self._judge()

    def _look_at(self, connection: Kept, now: float) -> None:
        connection.look(now)
        if now >= connection.ping_at:
            connection.ping_at = now + self.ping_seconds
            connection.ping()

    def added(self, addition: Addition) -> None:
        """Tell the connections of who was added to a session."""
        if not self.by_user[addition.user]:
            return
        for connection in tuple(self.connections):
            if connection.identity.user == addition.user:
                connection.tell_added(addition)

    async def drain(self) -> None:
        """Send everybody elsewhere, and close those who do not go (protocol, section 8)."""
        self.draining = True
        window = len(self.connections) / RETURNS_PER_SECOND
        window = min(LONGEST_WINDOW, max(SHORTEST_WINDOW, window))
        params: dict[str, object] = {
            "reconnect_in_ms": [0, round(window * 1000)],
            "deadline_ms": round((window + LAST_WORDS) * 1000),
        }
        for connection in tuple(self.connections):
            connection.tell("draining", params)
        await self._until_empty(window)
        left = tuple(self.connections)
        finishing: list[asyncio.Task[None]] = []
        for start in range(0, len(left), BATCH):
            # A batch does not wait for the one before: what hangs would add up.
            batch = left[start : start + BATCH]
            finishing += [asyncio.create_task(each.finish(DRAINING)) for each in batch]
            await asyncio.sleep(BATCH_PAUSE)
        await asyncio.gather(*finishing)
        await self._until_empty(LAST_WORDS)

    async def _until_empty(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), seconds)

    async def _compare_epochs(self) -> None:
        if not self.connections:
            return
        try:
            epoch = await self._epoch()
        except Unavailable:
            return  # the next look asks again
        # All of them each time, not once when it changes: one may have been told just before.
        for connection in tuple(self.connections):
            if connection.epoch != epoch:
                connection.close_with(RECONNECT)

    async def _judge(self) -> None:
        identities = {each.identity for each in self.connections}
        if not identities:
            return
        observers = {each.identity for each in self.connections if each.observing}
        try:
            judgement = await self._ask(identities, observers)
        except Unavailable:
            return  # the next look asks again
        for connection in tuple(self.connections):
            if connection.identity in judgement.lost:
                connection.stop_observing()
            if (why := judgement.close.get(connection.identity)) is not None:
                connection.close_with(why)
            elif (left := judgement.expiring.get(connection.identity)) is None:
                connection.warned = False
            elif not connection.warned:
                connection.warned = True
                connection.tell("auth_expiring", {"in_ms": left})

    async def _look_forever(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LOOK_EVERY
            await asyncio.sleep(LOOK_EVERY)
            self.delays.add(max(0.0, loop.time() - due))
            try:
                await self.look(loop.time())
            except Exception:
                # One look that fails must not be the last.
                logger.exception("look_failed")
