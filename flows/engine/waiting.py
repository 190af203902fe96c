"""Waiting for what somebody else is making, without ever waiting for oneself."""

import asyncio
import inspect
import traceback
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Final, TypeVar
from weakref import ref

from flows.engine.errors import DependencyCycle, EngineError
from flows.engine.nodes import ways

if TYPE_CHECKING:
    from flows.engine.context import Context
    from flows.engine.scope import Scope

#: The states of a context.
OPEN: Final = 0
CLOSING: Final = 1
CLOSED: Final = 2

F = TypeVar("F", bound=Callable[..., Any])

#: The executions, innermost first, in which code that a task runs was begun by another task.
#: Tasks inherit it; what has ended is passed over, so nobody has to put back what was there.
MARKED: ContextVar[tuple["ref[Context[Any]]", ...]] = ContextVar("flows_engine_marked", default=())

#: The functions whose frames tell what is run or made, and the variable that has it.
FRAMES: dict[CodeType, str] = {}


def telling(variable: str) -> Callable[[F], F]:
    """A decorator for a function that runs or makes for the context in `variable`."""

    def note(function: F) -> F:
        plain: Callable[..., Any] = function
        assert isinstance(plain, FunctionType)  # noqa: S101
        FRAMES[plain.__code__] = variable
        return function

    return note


def mark(context: "Context[Any]") -> None:
    """Let the tasks that are begun from here know that they belong to `context`."""
    others = [
        kept
        for kept in MARKED.get()
        if (each := kept()) and each.state != CLOSED and each is not context
    ]
    MARKED.set((ref(context), *others))


def enclosing() -> "list[Context[Any]]":
    """The executions that the running code belongs to and that still run, innermost first."""
    stack = [frame for frame, _ in traceback.walk_stack(inspect.currentframe())]
    found = [each.f_locals[FRAMES[each.f_code]] for each in stack if each.f_code in FRAMES]
    marked = [each for kept in MARKED.get() if (each := kept()) and each.state != CLOSED]
    return list(dict.fromkeys([*found, *marked]))


def from_within(whole: "Context[Any] | Scope") -> EngineError | None:
    """What to raise if the running code belongs to `whole`: closing it would wait for itself.

    To be called when the close is asked for: it may be awaited by a task that knows of nothing.
    """
    for frame in enclosing():
        above: Context[Any] | None = frame
        while above is not None:
            if above is whole or above.scope is whole:
                return EngineError(f"{whole!r} cannot be closed from within {frame!r}")
            above = above.above
    return None


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


async def until(end: "asyncio.Future[Any]") -> BaseException | None:
    """Wait for a future or task to end whatever happens; the cancellation that came meanwhile."""
    cancelled: BaseException | None = None
    while not end.done():
        try:
            await asyncio.wait([end])
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled
