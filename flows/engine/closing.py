"""Ending what was begun: every clean-up runs, nothing goes on, and no error is lost."""

import asyncio
import contextlib
import contextvars
import inspect
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from functools import partial
from types import AsyncGeneratorType, FunctionType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from msgspec import Struct, field

from flows.engine.errors import Abandoned, InvalidDefinition, worst
from flows.engine.extension import Outcome
from flows.engine.waiting import CLOSING, MARKED, until

if TYPE_CHECKING:
    from flows.engine.context import Context
    from flows.engine.streams import Stream

T = TypeVar("T")

OnClose = Callable[[Outcome], Awaitable[None] | None]

#: What a generator gives that does not yield.
ENDED: Final = object()


class Nothing:
    """What is awaited where there is nothing to await: at no cost."""

    __await__ = iter(()).__iter__


NOTHING: Final[Awaitable[None]] = Nothing()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


#: The rest of a generator that has yielded its value.
Undo: TypeAlias = AsyncGeneratorType[Any, None]


async def driven(generator: Generator[Any, None, None]) -> AsyncGenerator[Any, None]:
    """A plain generator as an asynchronous one."""
    step = partial(next, generator)
    with contextlib.closing(generator), contextlib.suppress(StopIteration):
        while True:
            value = step()
            step = partial(next, generator)
            try:
                yield value
            except BaseException as thrown:
                step = partial(generator.throw, thrown)


async def release(undo: Undo, error: BaseException | None) -> None:
    """Throw `error` into a generator that has yielded its value, or give it up if it yields again.

    Raises what fails anew.
    """
    if error is not None:
        trace = error.__traceback__
        try:
            await undo.athrow(error)
        except StopAsyncIteration:
            return  # swallowed: its own affair, what failed has failed
        except BaseException as raised:
            # Python replaces a thrown Stop(Async)Iteration by a RuntimeError caused by it.
            if raised is not error and raised.__cause__ is not error:
                raise
            error.__traceback__ = trace
            return
    await undo.aclose()
    raise InvalidDefinition(undo.__name__, "yields twice: what it yields once is its value")


async def release_all(ledger: list[Undo], error: BaseException | None) -> BaseException | None:
    """Run all clean-ups, the last first, whatever happens; the error there is in the end.

    From the first failure on it is a failing close for those that remain.
    """
    while ledger:
        undo = ledger.pop()
        try:
            if error is not None or await anext(undo, ENDED) is not ENDED:
                await release(undo, error)
        except BaseException as later:
            error = worst(error, later)
    return error


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
    idle: "asyncio.Future[None] | None" = None
    closed: "asyncio.Future[None] | None" = None
    #: Who reads the items, if it is the execution of a stream.
    reader: "Stream[Any] | None" = None

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
        ambient.run(MARKED.set, ())
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
        cancelled = await until(self._task)
        if self._task.cancelled() or self._seen:
            return cancelled
        return worst(self._task.exception(), cancelled)


async def settle(context: "Context[Any]", error: BaseException | None) -> BaseException | None:
    """End what runs in a closing context and tell its callbacks; the error there is then."""
    rest = context.more()
    spawned = list(rest.spawned)
    for work in spawned:
        work.cancel()
    for work in spawned:
        error = worst(error, await work.joined())
    while context.active:
        rest.idle = asyncio.get_running_loop().create_future()
        error = worst(error, await until(rest.idle))
    for nested in reversed(list(rest.nested)):
        error = worst(error, await abandon(nested))
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
    if context.state == CLOSING:
        return await until(context.closed())
    gone = Abandoned()
    final = await context.fail(gone)
    return gone.failure if final is gone else final


def runs_in(function: Callable[..., Any], owner: object) -> bool:
    """Whether the caller was called, directly or not, by `function` of `owner`."""
    assert isinstance(function, FunctionType)  # noqa: S101
    return any(
        frame.f_code is function.__code__ and frame.f_locals.get("self") is owner
        for frame, _ in traceback.walk_stack(None)
    )
