"""Releasing what was acquired: every clean-up runs, and no error is lost."""

import asyncio
import traceback
from collections.abc import Callable, Generator
from types import FunctionType
from typing import Any, Final, Never, Protocol

from flows.engine.errors import InvalidDefinition

#: What a generator gives that does not yield.
ENDED: Final = object()


class Undo(Protocol):
    """The rest of a generator that has yielded its value."""

    __name__: str

    async def __anext__(self) -> Any: ...
    async def athrow(self, error: BaseException, /) -> Any: ...
    async def aclose(self) -> None: ...


class Plain:
    """A plain generator, driven like an asynchronous one."""

    __slots__ = ("__name__", "generator")

    def __init__(self, generator: Generator[Any, Any, Any], name: str) -> None:
        self.generator = generator
        self.__name__ = name

    async def __anext__(self) -> Any:
        try:
            return next(self.generator)
        except StopIteration:
            raise StopAsyncIteration from None

    async def athrow(self, error: BaseException, /) -> Any:
        try:
            return self.generator.throw(error)
        except StopIteration:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        self.generator.close()


async def release(undo: Undo, error: BaseException | None) -> None:
    """Run a clean-up: on after its `yield`, or with `error` thrown in. Raises what fails anew."""
    ended = await anext(undo, ENDED) is ENDED if error is None else await _thrown(undo, error)
    if not ended:
        await refuse(undo)


async def refuse(undo: Undo) -> Never:
    """Give up a generator that yields a second time."""
    await undo.aclose()
    raise InvalidDefinition(undo.__name__, "yields twice: what it yields once is its value")


async def _thrown(undo: Undo, error: BaseException) -> bool:
    trace = error.__traceback__
    try:
        await undo.athrow(error)
    except StopAsyncIteration:
        return True  # swallowed: its own affair, what failed has failed
    except BaseException as raised:
        # Python replaces a thrown Stop(Async)Iteration by a RuntimeError caused by it.
        if raised is not error and raised.__cause__ is not error:
            raise
        error.__traceback__ = trace
        return True
    return False


async def release_all(ledger: list[Undo], error: BaseException | None) -> BaseException | None:
    """Run all clean-ups, the last first, whatever happens; the error there is in the end.

    From the first failure on it is a failing close for those that remain.
    """
    while ledger:
        try:
            await release(ledger.pop(), error)
        except BaseException as later:
            error = worst(error, later)
    return error


class Abandoned(asyncio.CancelledError):
    """The cancellation of what somebody left open: it is raised to nobody, its failures are."""

    def __init__(self) -> None:
        super().__init__("left open")
        self.failure: BaseException | None = None


def worst(first: BaseException | None, later: BaseException) -> BaseException:
    """Which of two errors to raise: the first with a note, or a cancellation with its context."""
    if first is None or later is first:
        return later
    if isinstance(first, Abandoned):
        first.failure = worst(first.failure, later)
        return first
    if isinstance(first, Exception) and not isinstance(later, Exception):
        later.__context__ = first
        return later
    if not isinstance(later, asyncio.CancelledError):
        first.add_note("While closing, this failed too:\n" + _as_text(later))
    return first


def _as_text(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)).rstrip()


async def until(done: asyncio.Event) -> BaseException | None:
    """Wait for `done` whatever happens; the cancellation that came meanwhile."""
    cancelled: BaseException | None = None
    while not done.is_set():
        try:
            await done.wait()
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled


def runs_in(function: Callable[..., Any], owner: object) -> bool:
    """Whether the caller was called, directly or not, by `function` of `owner`."""
    assert isinstance(function, FunctionType)  # noqa: S101
    return any(
        frame.f_code is function.__code__ and frame.f_locals.get("self") is owner
        for frame, _ in traceback.walk_stack(None)
    )
