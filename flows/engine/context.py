"""A context: one request's or one execution's lifetime."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, Self, TypeVar, overload

from msgspec import Struct, field

from flows.engine.closing import Abandoned, Undo, release_all, runs_in, until
from flows.engine.errors import Closed, EngineError, InvalidDefinition, InvalidInput
from flows.engine.extension import Outcome
from flows.engine.nodes import (
    MISSING, Atom, Bound, Flow, Level, Missing, Node, Resource, Tag, level,
)  # fmt: skip
from flows.engine.parsing import name_of, parsed
from flows.engine.resources import home_of, make
from flows.engine.waiting import CURRENT, enclosing
from flows.engine.work import Work, settle

if TYPE_CHECKING:
    from flows.engine.scope import Scope
    from flows.engine.streams import Stream
    from flows.engine.wiring import Plan, Wiring

T = TypeVar("T")
InputT = TypeVar("InputT", covariant=True)
I = TypeVar("I")  # noqa: E741
HandleI = TypeVar("HandleI", contravariant=True)
O = TypeVar("O")  # noqa: E741
S = TypeVar("S")

OPEN: Final = 0
CLOSING: Final = 1
CLOSED: Final = 2

RETURNS_STREAM: Final = (
    "returns an async iterator, which would outlive its context: make it an async generator"
)

OnClose = Callable[[Outcome], Awaitable[None] | None]


class Rest(Struct, eq=False):
    """What most contexts never have."""

    spawned: "dict[Work[Any], None]" = field(default_factory=dict)
    nested: "dict[Context[Any], None]" = field(default_factory=dict)
    callbacks: list[OnClose] = field(default_factory=list)
    #: Those who wait for what is being opened, and whom that waits for in turn.
    waiters: list[asyncio.Future[Exception | None]] = field(default_factory=list)
    waits_for: "list[Context[Any]]" = field(default_factory=list)
    idle: asyncio.Event | None = None
    closed: asyncio.Event | None = None

    def wake(self, failure: BaseException | None) -> None:
        """Tell those who wait for what was being opened. A cancellation is not theirs."""
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(failure if isinstance(failure, Exception) else None)


class Context(Struct, Generic[InputT], eq=False, weakref=True):
    """One request's lifetime (a boundary), or one execution's within it.

    A struct, for it is made twice a request. What follows `parent` is the engine's own.
    """

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
    #: Resources by node; one that is being made: who makes it, by its wiring.
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

    @property
    def is_closed(self) -> bool:
        """Whether everything in it has ended."""
        return self.state == CLOSED

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
        return self.child(flow, input, tags, name).run(MISSING)

    def exec_raw(
        self,
        flow: Flow[Any, O],
        raw: Any,
        *,
        tags: Iterable[Bound] = (),
        name: str | None = None,
    ) -> Coroutine[Any, Any, O]:
        """The same with an input that is parsed first; InvalidInput if it cannot be."""
        return self.child(flow, None, tags, name).run(raw)

    def stream(
        self,
        flow: Flow[I, AsyncIterator[O]],
        input: I,
        *,
        tags: Iterable[Bound] = (),
        name: str | None = None,
    ) -> "Stream[O]":
        """Read a streaming flow: `async with ctx.stream(flow, input) as items`."""
        from flows.engine.streams import Stream  # noqa: PLC0415

        return Stream(self.child(flow, input, tags, name))

    def stream_raw(
        self,
        flow: Flow[Any, AsyncIterator[O]],
        raw: Any,
        *,
        tags: Iterable[Bound] = (),
        name: str | None = None,
    ) -> "Stream[O]":
        """The same with an input that is parsed first; InvalidInput if it cannot be."""
        from flows.engine.streams import Stream  # noqa: PLC0415

        return Stream(self.child(flow, None, tags, name), raw)

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
        return Work(self, self.child(flow, input, tags, None).run(MISSING))

    def child(
        self, flow: Flow[Any, Any], input: Any, tags: Iterable[Bound], name: str | None
    ) -> "Context[Any]":
        """The context of an execution that has not begun."""
        return Context(
            input,
            self,
            self.scope,
            self.boundary or self,
            flow,
            name,
            level(tags) if tags else None,
        )

    def require_open(self) -> None:
        """Raise Closed unless new work may begin."""
        if self.state != OPEN:
            raise Closed(f"The context of {self.name}")

    def more(self) -> Rest:
        """What most contexts never have."""
        if self.rest is None:
            self.rest = Rest()
        return self.rest

    # -- running a flow in it --------------------------------------------------------------------

    def run(self, raw: Any | Missing) -> Coroutine[Any, Any, Any]:
        """Run this execution from its beginning to its end."""
        if self.scope.hooks is None:
            return self.perform(raw)
        return self.enclose(raw, lambda: self.perform(raw))

    async def perform(self, raw: Any | Missing) -> Any:
        """Parse, make what is needed, call, close."""
        parent = self.parent
        assert parent is not None  # noqa: S101 - only boundaries have none
        token = self.enter(parent)
        try:
            try:
                plan = self.accept(raw)
                recipe = plan.recipe
                if recipe.resources or not recipe.ready:
                    await make(recipe, self, self)
                result = await plan.flow.body(self, **plan.wiring.arguments(self))
                if plan.vets and hasattr(result, "__anext__"):
                    raise InvalidDefinition(plan.flow.name, RETURNS_STREAM)
            except BaseException as error:
                await self.fail(error)
                raise
            if self.is_bare:
                self.state = CLOSED
            else:
                await self.finish()
            return result
        finally:
            CURRENT.reset(token)
            parent.leave()

    async def enclose(self, raw: Any | Missing, core: Callable[[], Awaitable[Any]]) -> Any:
        """Run `core`, which is this execution, with the scope's extensions around it."""
        hooks, parent = self.scope.hooks, self.parent
        if hooks is None:
            return await core()
        assert parent is not None  # noqa: S101
        token = self.enter(parent)
        try:
            try:
                assert self.flow is not None  # noqa: S101
                self.flow = self.scope.wirings.target(self.flow)
                hooks.opened(self)
                result = await hooks.around_exec(self, raw, core)
            except BaseException as error:
                await self.fail(error)
                raise
            await self.finish()
            return result
        finally:
            CURRENT.reset(token)
            parent.leave()

    def enter(self, parent: "Context[Any]") -> "Token[Context[Any] | None]":
        """Begin as an execution in `parent`; Closed if that refuses new work."""
        if self.outer is None:
            parent.require_open()
        self.require_open()
        parent.active += 1
        token = CURRENT.set(self)
        if self.outer is None:
            self.outer = token
        return token

    def accept(self, raw: Any | Missing, *, streaming: bool = False) -> "Plan":
        """The plan by which the flow is run, once it and its input are checked."""
        scope, flow = self.scope, self.flow
        assert flow is not None  # noqa: S101 - only boundaries have none
        plan = scope.plans.get(flow) or scope.plan(flow)
        self.flow = flow = plan.flow
        if flow.streaming is not streaming:
            hint = "streams: `async with ctx.stream(…)` reads it"
            if streaming:
                hint = "is no streaming flow: `await ctx.exec(…)` runs it"
            raise InvalidDefinition(flow.name, hint)
        if raw is not MISSING:
            self.input = parsed(flow, raw)
        elif not isinstance(self.input, flow.accepts):
            given = name_of(type(self.input))
            raise InvalidInput(
                flow.name, "$", f"Expected `{name_of(flow.input_type)}`, got `{given}`"
            )
        return plan

    def leave(self) -> None:
        """An execution in it has ended."""
        self.active -= 1
        if self.rest is not None and self.rest.idle is not None and not self.active:
            self.rest.idle.set()

    @property
    def is_bare(self) -> bool:
        """Whether there is nothing to do when it closes."""
        return (
            self.ledger is None
            and self.rest is None
            and not self.active
            and self.scope.hooks is None
        )

    async def fail(self, error: BaseException) -> None:
        """Close after a failure; raises what is worse than `error`, which is raised by the caller."""
        if self.state == OPEN:
            final = await self.shut(error)
            if final is not error and final is not None:
                raise final

    async def finish(self) -> None:
        """Close after success, and raise what fails in it."""
        if self.state == OPEN and (failure := await self.shut(None)) is not None:
            raise failure

    def value_of(self, resource: Resource[Any]) -> Any:
        """A resource that is open where it belongs."""
        values = home_of(resource, self).values
        assert values is not None  # noqa: S101 - it was opened there
        return values[resource]

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
        if self.state == CLOSED or (self.state == CLOSING and runs_in(Context.shut, self)):
            return
        if self.state == CLOSING:
            await self.closing().wait()
            return
        self.refuse_from_within()
        final = await self.shut(error)
        if final is not error and final is not None:
            raise final

    def refuse_from_within(self) -> None:
        """Raise rather than wait for oneself."""
        for frame in enclosing():
            above: Context[Any] | None = frame
            while above is not None:
                if above is self:
                    raise EngineError(
                        f"{self!r} cannot be closed from within {frame!r}: it would wait for it"
                    )
                above = above.parent

    async def shut(self, error: BaseException | None) -> BaseException | None:
        """Close an open context and give the error there is in the end: `error` or a worse one."""
        self.state = CLOSING
        if self.rest is not None or self.active:
            error = await settle(self, error)
        if self.ledger:
            error = await release_all(self.ledger, error)
        self.state = CLOSED
        self.values = self.ledger = None
        if self.boundary is None:
            self.scope.forget(self)
        if self.scope.hooks is not None:
            error = self.scope.hooks.closed(self, error)
        if self.rest is not None and self.rest.closed is not None:
            self.rest.closed.set()
        return error

    async def abandon(self) -> BaseException | None:
        """Close what somebody left open, as cancelled; what failed in it."""
        if self.state == OPEN:
            gone = Abandoned()
            final = await self.shut(gone)
            return gone.failure if final is gone else final
        return await until(self.closing()) if self.state == CLOSING else None

    def closing(self) -> asyncio.Event:
        """Set once it is closed."""
        rest = self.more()
        rest.closed = rest.closed or asyncio.Event()
        return rest.closed

    async def __aenter__(self) -> Self:
        self.require_open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.state != OPEN or self.active or self.rest is not None:
            await self.close(error)
            return
        final = await self.shut(error)
        if final is not error and final is not None:
            raise final


class Handle(Generic[HandleI, O]):
    """A flow bound to the context that needs it: `await handle(input)` is a full execution."""

    __slots__ = ("_context", "flow")

    def __init__(self, context: Context[Any], flow: Flow[HandleI, O]) -> None:
        self._context = context
        self.flow = flow

    def __repr__(self) -> str:
        return f"<handle {self.flow.name}>"

    @overload
    def __call__(self: "Handle[None, O]", input: None = None) -> Coroutine[Any, Any, O]: ...
    @overload
    def __call__(self, input: HandleI) -> Coroutine[Any, Any, O]: ...
    def __call__(self, input: Any = None) -> Coroutine[Any, Any, O]:
        """Run the flow; Closed once the context has ended."""
        return self._context.exec(self.flow, input)

    def stream(self: "Handle[I, AsyncIterator[S]]", input: I) -> "Stream[S]":
        """Read a streaming flow: `async with handle.stream(input) as items`."""
        return self._context.stream(self.flow, input)
