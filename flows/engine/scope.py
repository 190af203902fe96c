"""A scope: the application's lifetime."""

import asyncio
from collections.abc import Coroutine, Iterable
from types import TracebackType
from typing import Any, Final, Self, TypeVar, overload

from flows.engine.atoms import Atoms
from flows.engine.closing import runs_in, until, worst
from flows.engine.context import Context
from flows.engine.errors import Closed, EngineError, InvalidDefinition
from flows.engine.execution import perform, run
from flows.engine.extension import Extension
from flows.engine.graph import check
from flows.engine.hooks import Hooks
from flows.engine.nodes import (
    CLOSING as CLOSED_CONTEXT,
)
from flows.engine.nodes import (
    MISSING,
    Atom,
    Bound,
    Flow,
    Missing,
    Node,
    Tag,
    Want,
    is_atom,
    is_flow,
    is_resource,
    is_tag,
    level,
)
from flows.engine.presets import Given, Preset, substitutes
from flows.engine.resources import home_of, supply
from flows.engine.waiting import enclosing
from flows.engine.wiring import Plan, Wirings, reader
from flows.engine.work import abandon, merged

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741

NEW: Final = "not been entered"
STARTING: Final = "starting"
OPEN: Final = "open"
CLOSING: Final = "closing"
RELEASING: Final = "releasing"
CLOSED: Final = "closed"


class Scope:
    """The application's lifetime: `async with Scope(presets=…, tags=…, extensions=…) as scope`.

    Its atoms are made when first needed and cleaned up when it closes. It belongs to the event loop
    in which it is entered.
    """

    def __init__(
        self,
        *,
        presets: Iterable[Preset] = (),
        tags: Iterable[Bound] = (),
        extensions: Iterable[Extension] = (),
    ) -> None:
        self.tags = level(tags)
        self._extensions = tuple(extensions)
        #: What of the extensions is called when; None costs nothing.
        hooks = Hooks(self._extensions)
        self.encloses = hooks if hooks.wrap_exec or hooks.tells else None
        self.tells = hooks if hooks.tells else None
        self.resolves = hooks if hooks.wrap_resolve else None
        self.wirings = Wirings(
            substitutes(presets),
            self.tags or {},
            watched=self.resolves is not None,
        )
        self.plans: dict[Flow[Any, Any] | None, Plan] = {}
        self.atoms = Atoms(self)
        self.contexts: dict[Context[Any], None] = {}
        self._runs = 0
        self._state = NEW
        #: Whether each use is looked at: the scope is not open, or its loop is in debug mode.
        self._guarded = True
        self._started: list[Extension] = []
        self._idle: asyncio.Event | None = None
        self._closed: asyncio.Event | None = None

    # -- what runs in it -------------------------------------------------------------------------

    def create_context(self, *tags: Bound) -> Context[None]:
        """A boundary: `async with scope.create_context(actor(user)) as ctx`. Always close it."""
        if self._guarded:
            self._require(OPEN)
        made: Context[None] = Context(
            None, None, self, None, None, None, level(tags) if tags else None
        )
        if self.tells is not None:
            self.tells.opened(made)
        self.contexts[made] = None
        return made

    @overload
    def run(
        self, flow: Flow[None, O], input: None = None, *, tags: Iterable[Bound] = ()
    ) -> Coroutine[Any, Any, O]: ...
    @overload
    def run(
        self, flow: Flow[I, O], input: I, *, tags: Iterable[Bound] = ()
    ) -> Coroutine[Any, Any, O]: ...
    def run(
        self, flow: Flow[Any, Any], input: Any = None, *, tags: Iterable[Bound] = ()
    ) -> Coroutine[Any, Any, Any]:
        """One request: a boundary with `tags`, one execution, a close."""
        return self._run(flow, input, MISSING, tags)

    def run_raw(
        self, flow: Flow[Any, O], raw: Any, *, tags: Iterable[Bound] = ()
    ) -> Coroutine[Any, Any, O]:
        """The same with an input that is parsed first; InvalidInput if it cannot be."""
        return self._run(flow, None, raw, tags)

    async def _run(
        self, flow: Flow[Any, Any], input: Any, raw: Any | Missing, tags: Iterable[Bound]
    ) -> Any:
        if self._guarded:
            self._require(OPEN)
        bound = level(tags) if tags else None
        boundary: Context[None] = Context(None, None, self, None, None, None, bound)
        child: Context[Any] = Context(input, boundary, self, boundary, flow, None, None)
        self._runs += 1
        try:
            try:
                if self.encloses is None:
                    result = await perform(child, boundary, raw)
                else:
                    if self.tells is not None:
                        self.tells.opened(boundary)
                    result = await run(child, raw)
            except BaseException as error:
                raise await boundary.fail(error)  # noqa: B904 - the same, or with it as context
            if boundary.ledger or boundary.values or boundary.rest is not None:
                await boundary.__aexit__(None, None, None)
            elif boundary.active or self.tells is not None:
                await boundary.finish()
            else:
                boundary.state = CLOSED_CONTEXT
            return result
        finally:
            self._runs -= 1
            if self._idle is not None and not self._runs:
                self._idle.set()

    async def resolve(self, node: Atom[T]) -> T:
        """The value of an atom, made if it is not there yet."""
        self._require(OPEN, STARTING, CLOSING)
        if not is_atom(node):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidDefinition(repr(node), "is no atom: a context resolves it")
        value: T = await self.atoms.value(self.wirings.stand_in(node))
        return value

    def check(
        self, flows: Iterable[Flow[Any, Any]], *, provided: Iterable[Tag[Any] | Bound] = ()
    ) -> None:
        """Raise MissingDependency or DependencyCycle if one of `flows` could not run.

        `provided` are the tags that contexts and executions will bind. The scope need not be open.
        """
        tags = {each.tag if isinstance(each, Bound) else each for each in provided}
        for flow in flows:
            check(flow, self.wirings, tags)

    # -- for contexts ----------------------------------------------------------------------------

    def boundary(self, parent: Context[Any] | None, tags: Iterable[Bound]) -> Context[None]:
        """An open boundary that nobody has registered."""
        made: Context[None] = Context(
            None, parent, self, None, None, None, level(tags) if tags else None
        )
        if self.tells is not None:
            self.tells.opened(made)
        return made

    def plan(self, flow: Flow[Any, Any]) -> Plan:
        """How a flow is run here, worked out when it is first run."""
        plan = self.plans[flow] = self.wirings.plan(flow)
        return plan

    async def value(self, node: Node, context: Context[Any], maker: Context[Any]) -> Any:
        """What `need(node)` gives in a context."""
        if is_tag(node) or is_flow(node):
            return reader(Want(node.name, "need", node))(context)
        found = self.wirings.stand_in(node)
        if isinstance(found, Given) or is_atom(found):
            return await self.atoms.value(found)
        assert is_resource(found)  # noqa: S101 - nothing else is left
        recipe = self.wirings.recipe(found)
        await supply(recipe, context, maker)
        home = (context.boundary or context) if found.per == "context" else home_of(found, context)
        return home.made(found)

    # -- its beginning and end -------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._state is not NEW:
            raise EngineError(f"A scope is entered once, and this one is {self._state}")
        self._loop = asyncio.get_running_loop()
        self.atoms.open()
        self._state = STARTING
        for extension in self._extensions:
            try:
                await extension.start(self)
            except BaseException as error:
                await self._end(error)
                raise
            self._started.append(extension)
        self._state = OPEN
        self._guarded = self._loop.get_debug()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._end(error)

    async def close(self) -> None:
        """Wait for runs, close contexts as cancelled, clean up atoms, stop extensions.

        All of it happens even if some of it fails; the first error is raised. A second close is
        harmless; it waits for the first.
        """
        await self._end(None)

    async def _end(self, error: BaseException | None) -> None:
        if self._state is CLOSED or runs_in(Scope._shut, self):
            return
        if self._state in (CLOSING, RELEASING):
            self._closed = self._closed or asyncio.Event()
            await self._closed.wait()
            return
        for frame in enclosing():
            if frame.scope is self:
                raise EngineError(f"The scope cannot be closed from within {frame!r}")
        final = await self._shut(error)
        if final is not error and final is not None:
            raise final

    async def _shut(self, error: BaseException | None) -> BaseException | None:
        self._state = CLOSING
        self._guarded = True
        while self._runs:
            self._idle = asyncio.Event()
            error = merged(error, await until(self._idle))
        for context in reversed(list(self.contexts)):
            error = merged(error, await abandon(context))
        self._state = RELEASING
        error = await self.atoms.close(error)
        while self._started:
            try:
                await self._started.pop().stop(self)
            except BaseException as later:
                error = worst(error, later)
        self._state = CLOSED
        if self._closed is not None:
            self._closed.set()
        return error

    def _require(self, *states: str) -> None:
        if self._state not in states:
            raise Closed(f"The scope, which is {self._state},")
        if asyncio.get_running_loop() is not self._loop:
            raise EngineError("A scope belongs to one event loop; this one was entered in another")
