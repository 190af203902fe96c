"""Waiting for what others do, never for oneself, and ending what was begun, losing no error.

Which executions the running code belongs to is read from the stack: the engine's functions have
what they run, or make for, in a variable `running`, and what they close in `closing`.
"""

import asyncio
import contextvars
import inspect
import traceback
from collections.abc import Awaitable, Callable, Collection, Coroutine, Generator, Iterable
from contextvars import ContextVar
from itertools import product
from types import AsyncGeneratorType
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeAlias, TypeVar
from weakref import ref

from msgspec import Struct

from flows.engine.errors import Abandoned, DependencyCycle, EngineError, InvalidDefinition, worst
from flows.engine.extension import Outcome
from flows.engine.nodes import ways

if TYPE_CHECKING:
    from flows.engine.context import Life
    from flows.engine.streams import Stream

T = TypeVar("T")

#: The states of a context, and of a scope before and in between. Only the first is false.
OPEN: Final = ""
CLOSING: Final = "closing"
CLOSED: Final = "closed"

End: TypeAlias = Literal["idle", "made", "closed"]
OnClose: TypeAlias = Callable[[Outcome], Awaitable[None] | None]
#: The rest of a generator that has yielded its value.
Undo: TypeAlias = AsyncGeneratorType[Any, None]
#: What a generator gives that does not yield.
ENDED: Final = object()

#: The executions, innermost first, in which code that a task runs was begun by another task.
#: Tasks inherit it; what has ended is passed over, so nobody has to put back what was there.
MARKED: ContextVar[tuple["ref[Life]", ...]] = ContextVar("flows_engine_marked", default=())


class Rest(Struct, eq=False):
    """What most contexts never have."""

    spawned: "dict[asyncio.Task[Any], None]" = {}
    nested: "dict[Life, None]" = {}
    callbacks: list[OnClose] = []
    #: Those who make what it waits for.
    waits_for: "list[Life]" = []
    #: What others wait for: that nothing runs in it, that what it makes is made, that it is closed.
    ends: "dict[End, asyncio.Future[None]]" = {}
    #: Who reads the items, if it is the execution of a stream.
    reader: "Stream[Any] | None" = None


class Work(Generic[T]):
    """A flow that runs beside; await it for its result. Cancelling who awaits cancels no work."""

    def __init__(self, context: "Life", coroutine: Coroutine[Any, Any, T]) -> None:
        # What spawned it does not wait for it, so it starts as nobody's part.
        ambient = contextvars.copy_context()
        ambient.run(MARKED.set, ())
        self._task = asyncio.get_running_loop().create_task(coroutine, context=ambient)
        self._spawned = context.more().spawned
        self._spawned[self._task] = None
        self._task.add_done_callback(self._ended)

    def __await__(self) -> Generator[Any, Any, T]:
        yield from asyncio.wait([self._task]).__await__()
        self._spawned.pop(self._task, None)
        return self._task.result()

    def _ended(self, task: "asyncio.Task[T]") -> None:
        if task.cancelled() or task.exception() is None:
            self._spawned.pop(task, None)


# -- who runs in what, and waits for whom ---------------------------------------------------------


def on_the_stack(variable: str) -> "list[Life]":
    """What the engine's functions that are being run have in `variable`, innermost first."""
    frames = (frame for frame, _ in traceback.walk_stack(inspect.currentframe()))
    ours = (each.f_locals for each in frames if each.f_globals.get("__package__") == __package__)
    return [names[variable] for names in ours if variable in names]


def marked() -> "list[Life]":
    """The executions that tasks were told of and that still run, innermost first."""
    return [each for kept in MARKED.get() if (each := kept()) and each.state != CLOSED]


def mark(context: "Life") -> None:
    """Let the tasks that are begun from here know that they belong to `context`."""
    MARKED.set(tuple(ref(each) for each in dict.fromkeys([context, *marked()])))


def enclosing() -> "list[Life]":
    """What the running code belongs to and has not ended, innermost first; then what it closes."""
    found = [*on_the_stack("running"), *on_the_stack("closing"), *marked()]
    return list(dict.fromkeys(found))


def from_within(whole: "Life") -> EngineError | None:
    """What to raise if the running code belongs to `whole`: closing it would wait for itself.

    To be called when the close is asked for: it may be awaited by a task that knows of nothing.
    """
    for each in enclosing():
        if whole in each.lineage():
            return EngineError(f"{whole!r} cannot be closed from within {each!r}")
    return None


def asking() -> "dict[Life, tuple[str, ...]]":
    """What the running code belongs to and is making something, with the names from there."""
    found: dict[Life, tuple[str, ...]] = {}
    names: tuple[str, ...] = ()
    for each in enclosing():
        if each.opening is not None:
            found[each] = names = (each.opening.name, *names)
        if each.flow is not None:
            names = (each.flow.name, *names)
    return found


async def until_made(makers: "Collection[Life]") -> None:
    """Wait for what others make; raise the first error. Being cancelled cancels none.

    DependencyCycle if one of them waits for what the running code belongs to.
    """
    mine = asking()
    for last, way in ways(makers, lambda way: way[-1].more().waits_for).items():
        if last in mine:
            route = (each.opening.name if each.opening else "?" for each in way)
            raise DependencyCycle((*mine[last], *route))
    ends = [maker.until("made") for maker in makers]
    for each in mine:
        each.more().waits_for += makers
    try:
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for each, maker in product(mine, makers):
            each.more().waits_for.remove(maker)
    for end in ends:
        if end in done:
            end.result()


async def until(end: "asyncio.Future[Any]") -> BaseException | None:
    """Wait for a future or task to end whatever happens; the cancellation that came meanwhile."""
    cancelled: BaseException | None = None
    while not end.done():
        try:
            await asyncio.wait([end])
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled


async def join(
    tasks: "Iterable[asyncio.Future[Any]]",
    error: BaseException | None,
    seen: "Callable[[asyncio.Future[Any]], bool]",
) -> BaseException | None:
    """End tasks, and wait for them; the error there is then, with those that nobody has `seen`."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    for task in tasks:
        cancelled = await until(task)
        if not seen(task):
            error = worst(error, task.exception())
        error = worst(error, cancelled)
    return error


# -- closing --------------------------------------------------------------------------------------


async def shut(closing: "Life", error: BaseException | None) -> None:
    """Close a context if it is open; raises what there is in the end, if that is not `error`."""
    if closing.state:
        return
    closing.state = CLOSING
    final = error
    if closing.rest is not None or closing.active:
        final = await settle(closing, final)
    ledger = closing.ledger
    while ledger:
        undo = ledger.pop()
        try:
            if final is not None or await anext(undo, ENDED) is not ENDED:
                await release(undo, final)
        except BaseException as later:
            final = worst(final, later)
    if closing.scope.tells and (closing.boundary is None) is (closing.flow is None):
        final = closing.scope.hooks.closed(closing, final)
    closing.state = CLOSED
    closing.values = None
    if closing.boundary is None:
        closing.among.pop(closing, None)
    if closing.rest is not None:
        closing.tell("closed")
    if final is not None and final is not error:
        raise final


async def fail(context: "Life", error: BaseException) -> BaseException:
    """Close after a failure; what to raise then: `error`, or what is worse."""
    try:
        await shut(context, error)
    except BaseException as worse:
        return worse
    return error


async def settle(context: "Life", error: BaseException | None) -> BaseException | None:
    """End what runs in a closing context and tell its callbacks; the error there is then."""
    rest = context.more()
    error = await join(
        rest.spawned, error, lambda task: task.cancelled() or task not in rest.spawned
    )
    while context.active:
        error = worst(error, await until(context.until("idle")))
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


async def abandon(context: "Life") -> BaseException | None:
    """Close what somebody left open, as cancelled; what failed in it."""
    if context.state == CLOSING:
        return await until(context.until("closed"))
    gone = Abandoned()
    final = await fail(context, gone)
    return gone.failure if final is gone else final


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
