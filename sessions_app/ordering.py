"""In which order the requests of one connection run."""

import asyncio
from collections.abc import Hashable


class Turn:
    """A request's place in the order of its session."""

    __slots__ = ("_group", "_key", "_order")

    def __init__(self, order: "Order", key: Hashable, group: "_Group") -> None:
        self._order = order
        self._key = key
        self._group = group

    @property
    def waits(self) -> bool:
        """Whether there is something that must be over before."""
        return self._group.before is not None

    async def come(self) -> None:
        """Wait until everything that must be over before is over."""
        if self._group.before is not None:
            await self._group.before.wait()
            self._group.before = None  # so that a busy session grows no chain

    def end(self) -> None:
        """It has run."""
        self._group.running -= 1
        if self._group.running == 0:
            self._group.end()
            self._order.forget(self._key, self._group)


class _Group:
    """Requests that may run together: writes, or a single request that is none."""

    __slots__ = ("_over", "before", "running", "writes")

    def __init__(self, *, writes: bool, before: "_Group | None") -> None:
        self.writes = writes
        self.before = before
        self.running = 0
        # Made for who waits: most of the time, nobody does.
        self._over: asyncio.Event | None = None

    async def wait(self) -> None:
        if self.running:
            self._over = self._over or asyncio.Event()
            await self._over.wait()

    def end(self) -> None:
        if self._over is not None:
            self._over.set()


class Order:
    """Requests of one session run in the order in which they came; other sessions do not wait.

    Writes that follow each other need not wait for one another: a write hands itself to the log
    before it first suspends, tasks start in the order in which they were made, and the log keeps
    the order in which it was handed writes. So they share a transaction, and still come in order.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: dict[Hashable, _Group] = {}

    def join(self, key: Hashable, *, writes: bool) -> Turn:
        """The turn of the next request of `key`."""
        group = self._last.get(key)
        if group is None or not (writes and group.writes):
            group = _Group(writes=writes, before=group)
            self._last[key] = group
        group.running += 1
        return Turn(self, key, group)

    def forget(self, key: Hashable, group: _Group) -> None:
        """Drop what is over, so that nothing is left of a session that is quiet."""
        if self._last.get(key) is group:
            del self._last[key]
