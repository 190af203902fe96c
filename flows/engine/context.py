"""A context: one request's or one execution's lifetime."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar, overload

from flows.engine.bindings import Bound, Level, level
from flows.engine.closing import ENDED, NOTHING, OnClose, Rest, Undo, Work, release, runs_in, settle
from flows.engine.errors import Closed, EngineError, worst
from flows.engine.nodes import Atom, Flow, Node, Resource, Tag
from flows.engine.parsing import Unparsed
from flows.engine.streams import Stream
from flows.engine.waiting import CLOSED, CLOSING, OPEN, from_within, mark, telling

if TYPE_CHECKING:
    from flows.engine.handle import Handle
    from flows.engine.scope import Scope

T = TypeVar("T")
InputT = TypeVar("InputT", covariant=True)
I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741


class Context(Generic[InputT]):
    """One request's lifetime (a boundary), or one execution's. The engine's own from `scope` on."""

    # No __init__: with one it would take twice as long to make, and two are made for each request.
    # Slots, all of them stored: whether tags are bound or not makes nothing else slower.
    __slots__ = (
        *("input", "above", "scope", "boundary", "flow", "state", "active", "values", "ledger"),
        *("rest", "called", "tags", "opening", "__weakref__"),
    )
    input: InputT
    above: "Context[Any] | None"
    scope: "Scope"
    #: The boundary of an execution; None for a boundary.
    boundary: "Context[Any] | None"
    #: None for a boundary, and while nodes are resolved.
    flow: Flow[Any, Any] | None
    state: Literal[0, 1, 2]
    #: How many executions run in it.
    active: int
    #: Resources by node; while one is being made, its maker, which has it as `opening`.
    values: dict[Any, Any] | None
    ledger: list[Undo] | None
    rest: Rest | None
    called: str | None
    tags: Level | None
    #: The atom or resource that is being made for it at the moment.
    opening: Node | None

    def __repr__(self) -> str:
        return f"<context {self.name}>"

    @property
    def name(self) -> str:
        """The flow's name, unless the execution was given another; a boundary is a `context`."""
        return self.called or (self.flow.name if self.flow is not None else "context")

    @property
    def parent(self) -> "Context[Any] | None":
        """What it is in: an execution, or a boundary, which has a parent if it is nested."""
        if self.boundary is not None:
            # Who reaches for what is around may close it, also by a task of its own.
            mark(self)
        return self.above

    # -- opening what is below it ----------------------------------------------------------------

    def create_context(self, *tags: Bound) -> "Context[None]":
        """A boundary within this one, with resources of its own; Closed if this is closed."""
        self.require_open()
        nested = blank(self.scope, self)
        nested.tags = level(tags)
        self.scope.hooks.opened(nested)
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
        child: Context[Any] = Context()
        child.input = input
        child.flow = flow
        child.above = self
        child.scope = scope = self.scope
        child.boundary = self.boundary or self
        child.state = child.active = 0
        child.values = child.ledger = child.rest = child.opening = None
        child.called = name
        child.tags = level(tags) if tags else None
        begin = scope.begin
        return begin(child, self)

    def exec_raw(
        self, flow: Flow[Any, O], raw: Any, *, tags: Iterable[Bound] = (), name: str | None = None
    ) -> Coroutine[Any, Any, O]:
        """The same with an input that is parsed first; InvalidInput if it cannot be."""
        return self.exec(flow, Unparsed(raw), tags=tags, name=name)

    def stream(
        self, flow: Flow[I, AsyncIterator[O]], input: I, *, tags: Iterable[Bound] = ()
    ) -> Stream[O]:
        """Read a streaming flow: `async with ctx.stream(flow, input) as items`."""
        context = blank(self.scope, self, input)
        context.boundary, context.flow, context.tags = self.boundary or self, flow, level(tags)
        return Stream(context)

    def stream_raw(
        self, flow: Flow[Any, AsyncIterator[O]], raw: Any, *, tags: Iterable[Bound] = ()
    ) -> Stream[O]:
        """The same with an input that is parsed first; InvalidInput if it cannot be."""
        return self.stream(flow, Unparsed(raw), tags=tags)

    @overload
    def spawn(
        self, flow: Flow[None, O], input: None = None, *, tags: Iterable[Bound] = ()
    ) -> Work[O]: ...
    @overload
    def spawn(self, flow: Flow[I, O], input: I, *, tags: Iterable[Bound] = ()) -> Work[O]: ...
    def spawn(
        self, flow: Flow[Any, Any], input: Any = None, *, tags: Iterable[Bound] = ()
    ) -> Work[Any]:
        """Run a flow in a task that ends with this context: cancelled and joined at its close.

        The result can be awaited. An error that nobody awaited fails the close.
        """
        self.require_open()
        return Work(self, self.exec(flow, input, tags=tags))

    # -- what belongs to it ----------------------------------------------------------------------

    @overload
    async def resolve(self, node: "Tag[Flow[I, O]]") -> "Handle[I, O]": ...
    @overload
    async def resolve(self, node: Flow[I, O]) -> "Handle[I, O]": ...
    @overload
    async def resolve(self, node: Atom[T] | Resource[T] | Tag[T]) -> T: ...
    @telling("maker")
    async def resolve(self, node: Node) -> Any:
        """What a flow that ran here would get for `need(node)`."""
        self.require_open()
        maker = blank(self.scope, self)
        mark(maker)
        self.active += 1
        try:
            return await self.scope.value(node, self, maker)
        finally:
            maker.state = CLOSED
            self.active -= 1
            self.stir()

    def on_close(self, callback: OnClose) -> None:
        """Call back with the outcome when this closes, before its resources are released."""
        self.require_open()
        self.more().callbacks.append(callback)

    def require_open(self) -> None:
        """Raise Closed unless new work may begin."""
        if self.state != OPEN:
            raise Closed(f"The context of {self.name}")

    def more(self) -> Rest:
        """What most contexts never have."""
        if self.rest is None:
            self.rest = Rest()
        return self.rest

    # -- its end ---------------------------------------------------------------------------------

    def close(self, error: BaseException | None = None) -> Coroutine[Any, Any, None]:
        """End it as failed with `error`, or well. Raises what fails in closing, not `error`.

        A second close is harmless; it waits for the first. EngineError from within an execution
        or spawned work of this context, which would wait for itself.
        """
        return self.ended(error, from_within(self) if self.state == OPEN else None)

    async def ended(self, error: BaseException | None, refusal: EngineError | None) -> None:
        """Close it, or wait until whoever closes it is done; or raise the refusal."""
        if refusal is not None:
            raise refusal
        if self.state == OPEN:
            await self.shut(error)
        elif self.state == CLOSING and not runs_in(type(self).shut, self):
            await asyncio.wait([self.closed()])

    async def shut(self, error: BaseException | None) -> None:
        """Close it if it is open; raises what there is in the end, if that is not `error`."""
        if self.state:
            return
        self.state = CLOSING
        final = error
        if self.rest is not None or self.active:
            final = await settle(self, final)
        ledger = self.ledger
        while ledger:  # `release_all`, without further calls where all goes well
            undo = ledger.pop()
            try:
                if final is not None or await anext(undo, ENDED) is not ENDED:
                    await release(undo, final)
            except BaseException as later:
                final = worst(final, later)
        if self.scope.tells:
            final = self.scope.hooks.closed(self, final)
        self.state = CLOSED
        self.values = None
        if self.boundary is None:
            (self.scope.contexts if self.above is None else self.above.more().nested).pop(self, 0)
        if self.rest is not None and self.rest.closed is not None:
            self.rest.closed.set_result(None)
        if final is not None and final is not error:
            raise final

    async def fail(self, error: BaseException) -> BaseException:
        """Close after a failure; what to raise then: `error`, or what is worse."""
        try:
            await self.shut(error)
        except BaseException as worse:
            return worse
        return error

    def stir(self) -> None:
        """An execution in it has ended: tell who waits for it to be idle."""
        idle = self.rest.idle if self.rest is not None and not self.active else None
        if idle is not None and not idle.done():
            idle.set_result(None)

    def closed(self) -> "asyncio.Future[None]":
        """Done once it is closed."""
        rest = self.more()
        rest.closed = rest.closed or asyncio.get_running_loop().create_future()
        return rest.closed

    async def __aenter__(self) -> Self:
        if self.state:
            self.require_open()
        return self

    def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Awaitable[None]:
        if self.state or self.active or self.rest is not None:
            return self.close(error)
        if self.ledger or self.scope.tells or self.above is not None:
            return self.shut(error)
        self.state = CLOSED
        del self.scope.contexts[self]
        return NOTHING


def blank(scope: "Scope", above: Context[Any] | None = None, input: Any = None) -> Context[Any]:
    """A context in which nothing has happened yet: of no flow, so a boundary."""
    made: Context[Any] = Context()
    made.input, made.above, made.scope = input, above, scope
    made.boundary = made.flow = made.values = made.ledger = made.rest = None
    made.called = made.tags = made.opening = None
    made.state = made.active = 0
    return made
