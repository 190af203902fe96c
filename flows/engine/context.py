"""A context: one request's or one execution's lifetime."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeAlias, TypeVar, overload

from flows.engine.closing import (
    CLOSED,
    OPEN,
    End,
    OnClose,
    Rest,
    Undo,
    Work,
    from_within,
    mark,
    on_the_stack,
    shut,
)
from flows.engine.errors import Closed, EngineError
from flows.engine.nodes import Atom, Bound, Flow, Level, Node, Resource, Tag, level
from flows.engine.parsing import Unparsed
from flows.engine.streams import Handle, Stream

if TYPE_CHECKING:
    from flows.engine.scope import Scope

T = TypeVar("T")
InputT = TypeVar("InputT", covariant=True)
I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741

Tags: TypeAlias = Iterable[Bound]


class Nothing:
    """What is awaited where there is nothing to await: at no cost."""

    __await__ = iter(()).__iter__


NOTHING: Final[Awaitable[None]] = Nothing()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


class Life:
    """What has work in it, and ends: a scope, a request's boundary, or an execution."""

    # No __init__: with one it would take twice as long to make, and two are made for each request.
    __slots__ = (
        *("scope", "above", "boundary", "flow", "state", "active", "values", "ledger", "rest"),
        *("tags", "opening", "among", "__weakref__"),
    )
    scope: "Scope"
    #: What it is in: in the end, a scope.
    above: Any
    #: The boundary of an execution, and of what makes nodes only; None for a boundary.
    boundary: Any
    #: None for a boundary, and for what makes nodes without a flow.
    flow: Flow[Any, Any] | None
    state: str
    #: How many executions run in it.
    active: int
    #: What is made in it, by node; while something is being made, its maker.
    values: dict[Any, Any] | None
    ledger: list[Undo] | None
    rest: Rest | None
    tags: Level | None
    #: What it is making at the moment.
    opening: Node | None
    #: Of a boundary: those that are open beside it.
    among: "dict[Life, None]"
    name = "scope"

    def __repr__(self) -> str:
        return f"<context {self.name}>"

    def lineage(self) -> "Iterator[Life]":
        """This one and all that it is in, up to its scope."""
        above: Life | None = self
        while above is not None:
            yield above
            above = above.above

    def create_context(self, *tags: Bound) -> "Context[None]":
        """A boundary within this one, with resources of its own; Closed if this is closed."""
        scope = self.scope
        if self.state or scope.guarded:
            self.require_open()
        nested: Context[None] = Context()
        nested.scope, nested.above = scope, self
        nested.state, nested.active = OPEN, 0
        nested.input = nested.boundary = nested.flow = nested.called = nested.opening = None
        nested.values = nested.ledger = nested.rest = None
        nested.tags = level(tags) if tags else None
        if scope.tells:
            scope.hooks.opened(nested)
        nested.among = among = (self.rest or self.more()).nested
        among[nested] = None
        return nested

    def child(
        self, flow: Flow[Any, Any] | None = None, input: Any = None, tags: Tags = ()
    ) -> "Context[Any]":
        """An execution in this, in which nothing has happened yet."""
        child: Context[Any] = Context()
        child.input, child.flow, child.above, child.scope = input, flow, self, self.scope
        child.boundary = self.boundary or self
        child.state, child.active = OPEN, 0
        child.values = child.ledger = child.rest = child.called = child.opening = None
        child.tags = level(tags) if tags else None
        return child

    def require_open(self) -> None:
        """Raise Closed unless new work may begin."""
        if self.state:
            subject = "The scope" if self.above is None else f"The context of {self.name}"
            raise Closed(f"{subject}, which is {self.state},")
        self.scope.refuse_another_loop()

    def more(self) -> Rest:
        """What most contexts never have."""
        if self.rest is None:
            self.rest = Rest()
        return self.rest

    def end(self, error: BaseException | None = None) -> Coroutine[Any, Any, None]:
        """Close it; EngineError from within, where that would wait for itself."""
        within = self in on_the_stack("closing")
        return self._ended(error, None if within else from_within(self), within=within)

    async def _ended(
        self, error: BaseException | None, refusal: EngineError | None, *, within: bool
    ) -> None:
        if self.state == CLOSED or within:
            return  # also for one of its own clean-ups
        if refusal is not None:
            raise refusal
        if self.state == OPEN:
            await shut(self, error)
        else:
            await asyncio.wait([self.until("closed")])

    def until(self, end: End) -> "asyncio.Future[None]":
        """Done once that has come."""
        ends = self.more().ends
        return ends.get(end) or ends.setdefault(end, asyncio.get_running_loop().create_future())

    def tell(self, end: End, failure: BaseException | None = None) -> None:
        """Let those who wait for it go on; a failure is theirs, a cancellation is not."""
        waiting = self.rest.ends.pop(end, None) if self.rest is not None else None
        if waiting is not None and isinstance(failure, Exception):
            waiting.set_exception(failure)
            waiting.exception()  # whoever waits may be gone
        elif waiting is not None:
            waiting.set_result(None)

    def leave(self) -> None:
        """An execution in it has ended."""
        self.active -= 1
        if self.rest is not None and self.rest.ends and not self.active:
            self.tell("idle")

    def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> Awaitable[None]:
        if self.state or self.active or self.rest is not None:
            return self.end(error)
        if self.ledger or self.scope.tells:
            return shut(self, error)
        self.state = CLOSED
        self.among.pop(self, None)
        return NOTHING


class Context(Life, Generic[InputT]):
    """One request's lifetime (a boundary), or one execution's. The engine's own from `scope` on."""

    __slots__ = ("called", "input")
    input: InputT
    called: str | None

    @property
    def name(self) -> str:  # type: ignore[override]
        """The flow's name, unless the execution was given another; a boundary is a `context`."""
        return self.called or (self.flow.name if self.flow is not None else "context")

    @property
    def parent(self) -> "Context[Any] | None":
        """What it is in: an execution, or a boundary, which has a parent if it is nested."""
        if self.boundary is not None:
            # Who reaches for what is around may close it, also by a task of its own.
            mark(self)
        return None if self.above is self.scope else self.above

    @overload
    def exec(
        self, flow: Flow[None, O], input: None = None, *, tags: Tags = (), name: str | None = None
    ) -> Coroutine[Any, Any, O]: ...
    @overload
    def exec(
        self, flow: Flow[I, O], input: I, *, tags: Tags = (), name: str | None = None
    ) -> Coroutine[Any, Any, O]: ...
    def exec(
        self, flow: Flow[Any, Any], input: Any = None, *, tags: Tags = (), name: str | None = None
    ) -> Coroutine[Any, Any, Any]:
        """Run a flow in a child context and give what it returns; the child is closed by then."""
        child: Context[Any] = Context()  # as `child` would, without the call
        child.input, child.flow, child.above = input, flow, self
        child.scope = self.scope
        child.boundary = self.boundary or self
        child.state, child.active = OPEN, 0
        child.values = child.ledger = child.rest = child.opening = None
        child.called = name
        child.tags = level(tags) if tags else None
        begin = self.scope.begin
        return begin(child, self)

    def exec_raw(
        self, flow: Flow[Any, O], raw: Any, *, tags: Tags = (), name: str | None = None
    ) -> Coroutine[Any, Any, O]:
        """The same with an input that is parsed first; InvalidInput if it cannot be."""
        return self.exec(flow, Unparsed(raw), tags=tags, name=name)

    def stream(self, flow: Flow[I, AsyncIterator[O]], input: I, *, tags: Tags = ()) -> Stream[O]:
        """Read a streaming flow: `async with ctx.stream(flow, input) as items`."""
        return Stream(self.child(flow, input, tags))

    def stream_raw(
        self, flow: Flow[Any, AsyncIterator[O]], raw: Any, *, tags: Tags = ()
    ) -> Stream[O]:
        """The same with an input that is parsed first; InvalidInput if it cannot be."""
        return self.stream(flow, Unparsed(raw), tags=tags)

    @overload
    def spawn(self, flow: Flow[None, O], input: None = None, *, tags: Tags = ()) -> Work[O]: ...
    @overload
    def spawn(self, flow: Flow[I, O], input: I, *, tags: Tags = ()) -> Work[O]: ...
    def spawn(self, flow: Flow[Any, Any], input: Any = None, *, tags: Tags = ()) -> Work[Any]:
        """Run a flow in a task that ends with this context: cancelled and joined at its close.

        The result can be awaited. An error that nobody awaited fails the close.
        """
        self.require_open()
        return Work(self, self.exec(flow, input, tags=tags))

    @overload
    async def resolve(self, node: "Tag[Flow[I, O]]") -> Handle[I, O]: ...
    @overload
    async def resolve(self, node: Flow[I, O]) -> Handle[I, O]: ...
    @overload
    async def resolve(self, node: Atom[T] | Resource[T] | Tag[T]) -> T: ...
    async def resolve(self, node: Node) -> Any:
        """What a flow that ran here would get for `need(node)`."""
        self.require_open()
        running = self.child()
        mark(running)
        self.active += 1
        try:
            return await self.scope.value(node, self, running)
        finally:
            running.state = CLOSED
            self.leave()

    def on_close(self, callback: OnClose) -> None:
        """Call back with the outcome when this closes, before its resources are released."""
        self.require_open()
        self.more().callbacks.append(callback)

    def close(self, error: BaseException | None = None) -> Coroutine[Any, Any, None]:
        """End it as failed with `error`, or well. Raises what fails in closing, not `error`.

        A second close is harmless; it waits for the first. EngineError from within an execution
        or spawned work of this context, which would wait for itself.
        """
        return self.end(error)

    async def __aenter__(self) -> Self:
        if self.state:
            self.require_open()
        return self
