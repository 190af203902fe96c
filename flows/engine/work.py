"""Spawned work, and waiting for whatever still runs when a context closes."""

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from msgspec import Struct, field

from flows.engine.closing import Abandoned, until, worst
from flows.engine.extension import Outcome
from flows.engine.nodes import CLOSING, OPEN
from flows.engine.waiting import CURRENT, until_done

if TYPE_CHECKING:
    from flows.engine.context import Context

T = TypeVar("T")

OnClose = Callable[[Outcome], Awaitable[None] | None]


class Rest(Struct, eq=False):
    """What most contexts never have."""

    spawned: "dict[Work[Any], None]" = field(default_factory=dict["Work[Any]", None])
    nested: "dict[Context[Any], None]" = field(default_factory=dict["Context[Any]", None])
    callbacks: list[OnClose] = field(default_factory=list[OnClose])
    #: Those who wait for what is being opened, and whom that waits for in turn.
    waiters: list[asyncio.Future[Exception | None]] = field(
        default_factory=list[asyncio.Future[Exception | None]]
    )
    waits_for: "list[Context[Any]]" = field(default_factory=list["Context[Any]"])
    idle: asyncio.Event | None = None
    closed: asyncio.Event | None = None

    def wake(self, failure: BaseException | None) -> None:
        """Tell those who wait for what was being opened. A cancellation is not theirs."""
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(failure if isinstance(failure, Exception) else None)


class Work(Generic[T]):
    """A flow that runs beside; await it for its result. Cancelling who awaits cancels no work."""

    def __init__(self, context: "Context[Any]", coroutine: Coroutine[Any, Any, T]) -> None:
        self._seen = False
        self._spawned = context.more().spawned
        self._spawned[self] = None
        # What spawned it does not wait for it, so it starts as nobody's part.
        ambient = contextvars.copy_context()
        ambient.run(CURRENT.set, None)
        self._task = asyncio.get_running_loop().create_task(coroutine, context=ambient)
        self._task.add_done_callback(self._ended)

    def __await__(self) -> Generator[Any, Any, T]:
        yield from asyncio.wait([self._task]).__await__()
        self._seen = True
        self._spawned.pop(self, None)
        return self._task.result()

    def _ended(self, task: "asyncio.Task[T]") -> None:
        if task.cancelled() or task.exception() is None:
            self._spawned.pop(self, None)

    def cancel(self) -> None:
        """Ask it to end."""
        self._task.cancel()

    async def joined(self) -> BaseException | None:
        """Wait for its end, whatever happens; its error, if nobody has awaited it."""
        cancelled = await until_done(self._task)
        if self._task.cancelled() or self._seen:
            return cancelled
        failure = self._task.exception()
        return failure if cancelled is None or failure is None else worst(failure, cancelled)


async def settle(context: "Context[Any]", error: BaseException | None) -> BaseException | None:
    """End what runs in a closing context and tell its callbacks; the error there is then."""
    rest = context.more()
    spawned = list(rest.spawned)
    for work in spawned:
        work.cancel()
    for work in spawned:
        error = merged(error, await work.joined())
    while context.active:
        rest.idle = asyncio.Event()
        error = merged(error, await until(rest.idle))
    for nested in reversed(list(rest.nested)):
        error = merged(error, await abandon(nested))
    while rest.callbacks:
        try:
            answer = rest.callbacks.pop()(Outcome.of(error))
            if inspect.isawaitable(answer):
                await answer
        except BaseException as later:
            error = worst(error, later)
    return error


async def abandon(context: "Context[Any]") -> BaseException | None:
    """Close what somebody left open, as cancelled; what failed in it."""
    if context.state == OPEN:
        gone = Abandoned()
        final = await context.shut(gone)
        return gone.failure if final is gone else final
    return await until(context.closing()) if context.state == CLOSING else None


def merged(error: BaseException | None, later: BaseException | None) -> BaseException | None:
    """The worst of two errors, of which each may be none."""
    return error if later is None else worst(error, later)
