"""A context: one request's or one execution's lifetime."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar, overload

from msgspec import Struct

from flows.engine.closing import (
    ENDED,
    Undo,
    refuse,
    release,
    release_all,
    runs_in,
    worst,
)
from flows.engine.errors import Closed
from flows.engine.execution import perform, run
from flows.engine.nodes import (
    CLOSED,
    CLOSING,
    MISSING,
    OPEN,
    Atom,
    Bound,
    Flow,
    Level,
    Node,
    Resource,
    Tag,
    level,
)
from flows.engine.waiting import CURRENT, refuse_from_within
from flows.engine.work import OnClose, Rest, Work, settle

if TYPE_CHECKING:
    from flows.engine.handles import Handle
    from flows.engine.scope import Scope
    from flows.engine.streams import Stream
    from flows.engine.wiring import Wiring

T = TypeVar("T")
InputT = TypeVar("InputT", covariant=True)
I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741


class Context(Struct, Generic[InputT], eq=False, weakref=True):
    """One request's lifetime (a boundary), or one execution's. The engine's own from `scope` on."""

    input: InputT
    parent: "Context[Any] | None"
    scope: "Scope"
    #: The boundary of an execution; None for a boundary.
    boundary: "Context[Any] | None"
    flow: Flow[Any, Any] | None
    called: str | None
    tags: Level | None
    state: Literal[0, 1, 2] = OPEN
    #: How many executions run in it.
    active: int = 0
    #: Resources by node; while one is being made, its maker by its wiring.
    values: "dict[Node | Wiring, Any] | None" = None
    ledger: list[Undo] | None = None
    #: What this execution is making at the moment.
    opening: Node | None = None
    outer: "Token[Context[Any] | None] | None" = None
    rest: Rest | None = None

    def __repr__(self) -> str:
        return f"<context {self.name}>"

    @property
    def name(self) -> str:
        """The flow's name, unless the execution was given another; a boundary is a `context`."""
        return self.called or (self.flow.name if self.flow is not None else "context")

    # -- opening what is below it ----------------------------------------------------------------

    def create_context(self, *tags: Bound) -> "Context[None]":
        """A boundary within this one, with resources of its own; Closed if this is closed."""
        self.require_open()
        nested = self.scope.boundary(self, tags)
        self.more().nested[nested] = None
        return nested

    @overload
    def exec(
        self,
        flow: Flow[None, O],
        input: None = None,
        *,
        tags: Iterable[Bound] = (),
        name: str | None = None,
    ) -> Coroutine[Any, Any, O]: ...
    @overload
    def exec(
        self, flow: Flow[I, O], input: I, *, tags: Iterable[Bound] = (), name: str | None = None
    ) -> Coroutine[Any, Any, O]: ...
    def exec(
        self,
        flow: Flow[Any, Any],
        input: Any = None,
        *,
        tags: Iterable[Bound] = (),
        name: str | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Run a flow in a child context and give what it returns; the child is closed by then."""
        bound = level(tags) if tags else None
        child = Context(input, self, self.scope, self.boundary or self, flow, name, bound)
        return perform(child, self, MISSING) if self.scope.encloses is None else run(child, MISSING)

    def exec_raw(
        self,
        flow: Flow[Any, O],
        raw: Any,
        *,
        tags: Iterable[Bound] = (),
        name: str | None = None,
    ) -> Coroutine[Any, Any, O]:
        """The same with an input that is parsed first; InvalidInput if it cannot be."""
        return run(self.child(flow, None, tags, name), raw)

    def stream(
        self, flow: Flow[I, AsyncIterator[O]], input: I, *, tags: Iterable[Bound] = ()
    ) -> "Stream[O]":
        """Read a streaming flow: `async with ctx.stream(flow, input) as items`."""
        from flows.engine.streams import Stream

        return Stream(self.child(flow, input, tags, None))

    def stream_raw(
        self, flow: Flow[Any, AsyncIterator[O]], raw: Any, *, tags: Iterable[Bound] = ()
    ) -> "Stream[O]":
        """The same with an input that is parsed first; InvalidInput if it cannot be."""
        from flows.engine.streams import Stream

        return Stream(self.child(flow, None, tags, None), raw)

    @overload
    def spawn(
        self, flow: Flow[None, O], input: None = None, *, tags: Iterable[Bound] = ()
    ) -> "Work[O]": ...
    @overload
    def spawn(self, flow: Flow[I, O], input: I, *, tags: Iterable[Bound] = ()) -> "Work[O]": ...
    def spawn(
        self, flow: Flow[Any, Any], input: Any = None, *, tags: Iterable[Bound] = ()
    ) -> "Work[Any]":
        """Run a flow in a task that ends with this context: cancelled and joined at its close.

        The result can be awaited. An error that nobody awaited fails the close.
        """
        self.require_open()
        return Work(self, run(self.child(flow, input, tags, None), MISSING))

    def child(
        self, flow: Flow[Any, Any], input: Any, tags: Iterable[Bound], name: str | None
    ) -> "Context[Any]":
        """The context of an execution that has not begun."""
        bound = level(tags) if tags else None
        return Context(input, self, self.scope, self.boundary or self, flow, name, bound)

    def made(self, resource: Resource[Any]) -> Any:
        """A resource that is open in it."""
        assert self.values is not None  # noqa: S101 - it was opened before
        return self.values[resource]

    def require_open(self) -> None:
        """Raise Closed unless new work may begin."""
        if self.state != OPEN:
            raise Closed(f"The context of {self.name}")

    def more(self) -> Rest:
        """What most contexts never have."""
        if self.rest is None:
            self.rest = Rest()
        return self.rest

    async def fail(self, error: BaseException) -> BaseException:
        """Close after a failure; what to raise then: `error`, or what is worse."""
        return (await self.shut(error) or error) if self.state == OPEN else error

    async def finish(self) -> None:
        """Close after success, and raise what fails in it."""
        if self.state == OPEN and (failure := await self.shut(None)) is not None:
            raise failure

    def leave(self) -> None:
        """An execution in it has ended."""
        self.active -= 1
        if self.rest is not None:
            self.stir()

    def stir(self) -> None:
        """Tell who waits for it to be idle."""
        if self.rest is not None and self.rest.idle is not None and not self.active:
            self.rest.idle.set()

    # -- what belongs to it ----------------------------------------------------------------------

    @overload
    async def resolve(self, node: "Tag[Flow[I, O]]") -> "Handle[I, O]": ...
    @overload
    async def resolve(self, node: Flow[I, O]) -> "Handle[I, O]": ...
    @overload
    async def resolve(self, node: Atom[T] | Resource[T] | Tag[T]) -> T: ...
    async def resolve(self, node: Node) -> Any:
        """What a flow that ran here would get for `need(node)`."""
        self.require_open()
        maker: Context[Any] = Context(None, self, self.scope, None, None, None, None)
        maker.outer = token = CURRENT.set(maker)
        self.active += 1
        try:
            return await self.scope.value(node, self, maker)
        finally:
            maker.state = CLOSED
            CURRENT.reset(token)
            self.leave()

    def on_close(self, callback: OnClose) -> None:
        """Call back with the outcome when this closes, before its resources are released."""
        self.require_open()
        self.more().callbacks.append(callback)

    # -- its end ---------------------------------------------------------------------------------

    async def close(self, error: BaseException | None = None) -> None:
        """End it as failed with `error`, or well. Raises what fails in closing, not `error`.

        A second close is harmless; it waits for the first. EngineError from within an execution
        or spawned work of this context, which would wait for itself.
        """
        if self.state == CLOSED or (self.state == CLOSING and runs_in(type(self).shut, self)):
            return
        if self.state == CLOSING:
            await self.closing().wait()
            return
        refuse_from_within(self)
        final = await self.shut(error)
        if final is not error and final is not None:
            raise final

    async def shut(self, error: BaseException | None) -> BaseException | None:
        """Close an open context and give the error there is in the end: `error` or a worse one."""
        self.state = CLOSING
        if self.rest is not None or self.active:
            error = await settle(self, error)
        if self.ledger:
            error = await release_all(self.ledger, error)
        if self.scope.tells is not None:
            error = self.scope.tells.closed(self, error)
        self.end()
        return error

    def end(self) -> None:
        """Everything in it has ended."""
        self.state = CLOSED
        self.values = None
        if self.boundary is None:
            (self.scope.contexts if self.parent is None else self.parent.more().nested).pop(self, 0)
        if self.rest is not None and self.rest.closed is not None:
            self.rest.closed.set()

    def closing(self) -> asyncio.Event:
        """Set once it is closed."""
        rest = self.more()
        rest.closed = rest.closed or asyncio.Event()
        return rest.closed

    async def __aenter__(self) -> Self:
        if self.state:
            self.require_open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.state or self.active or self.rest is not None or self.scope.tells is not None:
            await self.close(error)
            return
        self.state = CLOSING
        final, ledger = error, self.ledger
        while ledger:  # `release_all`, written out
            undo = ledger.pop()
            try:
                if final is not None:
                    await release(undo, final)
                elif await anext(undo, ENDED) is not ENDED:
                    await refuse(undo)
            except BaseException as later:
                final = worst(final, later)
        self.end()
        if final is not None and final is not error:
            raise final
