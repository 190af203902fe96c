"""Something to wait for, at a tenth of what `asyncio.Event` holds: every socket has several."""

import asyncio


class Flag:
    """Set or not; who waits goes on once it is set, also if it is cleared at once.

    An `asyncio.Event` makes a deque for those who might wait, 0.7 KB each.
    """

    __slots__ = ("_is_set", "_waiters")

    def __init__(self, *, is_set: bool = False) -> None:
        self._is_set = is_set
        self._waiters: list[asyncio.Future[None]] | None = None

    def is_set(self) -> bool:
        """Whether nobody would have to wait."""
        return self._is_set

    def set(self) -> None:
        """Let everybody go on."""
        self._is_set = True
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    def clear(self) -> None:
        """Have who comes from now on wait."""
        self._is_set = False

    async def wait(self) -> None:
        """Wait until it is set."""
        if self._is_set:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._waiters is None:
            self._waiters = []
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            # One that was cancelled is left to nobody.
            if self._waiters is not None and waiter in self._waiters:
                self._waiters.remove(waiter)
