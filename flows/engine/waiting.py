"""Waiting for what somebody else is making, without ever waiting for oneself."""

import asyncio
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any

from flows.engine.errors import DependencyCycle, EngineError
from flows.engine.nodes import CLOSED, ways

if TYPE_CHECKING:
    from flows.engine.context import Context

#: The innermost execution (or making of an atom) that the running code belongs to. Tasks inherit
#: it, so that work an execution hands to a task of its own is known to be its own.
CURRENT: ContextVar["Context[Any] | None"] = ContextVar("flows_engine_current", default=None)


def enclosing() -> "Iterator[Context[Any]]":
    """The executions that the running code belongs to and that still run, innermost first."""
    frame = CURRENT.get()
    while frame is not None:
        if frame.state != CLOSED:
            yield frame
        before = frame.outer.old_value if frame.outer is not None else None
        frame = None if before is Token.MISSING else before


def refuse_from_within(context: "Context[Any]") -> None:
    """Raise if the running code belongs to `context`: closing it would wait for itself."""
    for frame in enclosing():
        above: Context[Any] | None = frame
        while above is not None:
            if above is context:
                raise EngineError(f"{context!r} cannot be closed from within {frame!r}")
            above = above.parent


@contextmanager
def waiting_for(makers: "Iterable[Context[Any]]") -> Generator[None]:
    """Let it be known that what encloses the running code waits for what `makers` make.

    Raises DependencyCycle if one of them waits for it in turn.
    """
    makers = list(makers)
    mine: dict[Context[Any], tuple[str, ...]] = {}
    names: tuple[str, ...] = ()
    for frame in enclosing():
        if frame.opening is not None:
            names = (frame.opening.name, *names)
            mine[frame] = names
        if frame.flow is not None:
            names = (frame.flow.name, *names)
    for maker in makers:
        for last, way in ways(maker, _waited_for).items():
            if last in mine:
                route = (each.opening.name if each.opening else "?" for each in way)
                raise DependencyCycle((*mine[last], *route))
    for frame in mine:
        frame.more().waits_for.extend(makers)
    try:
        yield
    finally:
        for frame in mine:
            for maker in makers:
                frame.more().waits_for.remove(maker)


def _waited_for(way: "tuple[Context[Any], ...]") -> "list[Context[Any]]":
    return way[-1].rest.waits_for if way[-1].rest is not None else []


async def until_opened(maker: "Context[Any]") -> None:
    """Wait until `maker` has opened what it opens; raise what it raised, unless it gave up."""
    waiter: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    with waiting_for([maker]):
        maker.more().waiters.append(waiter)
        failure = await waiter
    if failure is not None:
        raise failure


async def until_made(makings: "dict[asyncio.Task[None], Context[Any]]") -> None:
    """Wait for tasks that make atoms; raise the first error. Being cancelled cancels none."""
    with waiting_for(makings.values()):
        done, _ = await asyncio.wait(makings, return_when=asyncio.FIRST_EXCEPTION)
    for task in makings:
        if task in done:
            task.result()


async def until(done: asyncio.Event) -> BaseException | None:
    """Wait for `done` whatever happens; the cancellation that came meanwhile."""
    cancelled: BaseException | None = None
    while not done.is_set():
        try:
            await done.wait()
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled


async def until_done(task: "asyncio.Task[Any]") -> BaseException | None:
    """Wait for a task whatever happens; the cancellation that came meanwhile."""
    cancelled: BaseException | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled
