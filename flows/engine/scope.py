"""A scope: the application's lifetime."""

import asyncio
import sys
from collections.abc import Coroutine, Iterable
from types import TracebackType
from typing import Any, Final, Self, TypeVar, overload

from flows.engine.atoms import Atoms
from flows.engine.bindings import Bound, level
from flows.engine.closing import runs_in, settle
from flows.engine.context import Context, blank
from flows.engine.errors import Closed, EngineError, InvalidDefinition, worst
from flows.engine.execution import (
    Opening,
    home_of,
    make_enclosed,
    make_plainly,
    open_in,
    perform,
    surround,
)
from flows.engine.extension import Extension, Hooks
from flows.engine.graph import check
from flows.engine.kinds import is_atom, is_flow, is_resource, is_tag
from flows.engine.nodes import Atom, Flow, Node, Tag, Want
from flows.engine.parsing import Unparsed
from flows.engine.plan import Plan, Plans, bound, placed, reader
from flows.engine.presets import Given, Preset, substitutes
from flows.engine.waiting import from_within

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741

NEW: Final = "not been entered"
STARTING: Final = "starting"
OPEN: Final = "open"
CLOSING: Final = "closing"
RELEASING: Final = "releasing"
ENDED: Final = "closed"


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
        self._extensions = tuple(extensions)
        self.hooks = Hooks(self._extensions)
        self.tells = self.hooks.tells
        watched = bool(self.hooks.wrap_resolve)
        self.plans = Plans(substitutes(presets), level(tags), watched=watched)
        #: The plans of flows that have been run, and what is run instead to go round them.
        self.ready: dict[Flow[Any, Any] | None, Plan] = {}
        #: How an execution is begun, and a node made: with extensions around it or without.
        self.begin = surround if self.hooks.encloses else perform
        self.make = make_enclosed if self.hooks.wrap_resolve else make_plainly
        self.atoms = Atoms(self)
        #: What runs in it, and what was opened in it and is still open.
        self.root = blank(self)
        self.contexts = self.root.more().nested
        #: Whether each use is looked at: the scope is not open, or its loop is in debug mode.
        self.guarded = True
        self._state = NEW
        self._started: list[Extension] = []

    # -- what runs in it -------------------------------------------------------------------------

    def create_context(self, *tags: Bound) -> Context[None]:
        """A boundary: `async with scope.create_context(actor(user)) as ctx`. Always close it."""
        if self.guarded:
            self._require(OPEN)
        made: Context[None] = Context()  # as `blank` would, without the call
        made.scope = self
        made.input = made.above = made.boundary = made.flow = None
        made.values = made.ledger = made.rest = made.called = made.opening = None
        made.state = made.active = 0
        made.tags = level(tags) if tags else None
        if self.tells:
            self.hooks.opened(made)
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
        boundary = blank(self)
        if tags:
            boundary.tags = level(tags)
        if self.hooks.encloses:
            return self._run(boundary, flow, input)
        boundary.active = 1
        context = blank(self, boundary, input)
        context.boundary, context.flow = boundary, flow
        return perform(context, self.root, boundary)

    async def _run(self, boundary: Context[Any], flow: Flow[Any, Any], input: Any) -> Any:
        if self.guarded:
            self.admit(boundary)
        root = self.root
        root.active += 1
        try:
            try:
                if self.tells:
                    self.hooks.opened(boundary)
                result = await boundary.exec(flow, input)
            except BaseException as error:
                raise await boundary.fail(error)  # noqa: B904 - the same, or with it as context
            await boundary.shut(None)
            return result
        finally:
            root.active -= 1
            root.stir()

    def run_raw(
        self, flow: Flow[Any, O], raw: Any, *, tags: Iterable[Bound] = ()
    ) -> Coroutine[Any, Any, O]:
        """The same with an input that is parsed first; InvalidInput if it cannot be."""
        return self.run(flow, Unparsed(raw), tags=tags)

    async def resolve(self, node: Atom[T]) -> T:
        """The value of an atom, made if it is not there yet."""
        self._require(OPEN, STARTING, CLOSING)
        if not is_atom(node):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidDefinition(repr(node), "is no atom: a context resolves it")
        value: T = await self.atoms.value(self.plans.stand_in(node))
        return value

    def check(
        self, flows: Iterable[Flow[Any, Any]], *, provided: Iterable[Tag[Any] | Bound] = ()
    ) -> None:
        """Raise MissingDependency or DependencyCycle if one of `flows` could not run.

        `provided` are the tags that contexts and executions will bind. The scope need not be open.
        """
        tags = {each.tag if isinstance(each, Bound) else each for each in provided}
        for flow in flows:
            check(flow, self.plans, tags)

    # -- for contexts ----------------------------------------------------------------------------

    async def prepare(self, node: Node) -> Plan:
        """The plan of a flow or resource, once the atoms that it needs are made."""
        plan = self.plans.of(node)
        parts = [each for each in self.plans.below(node) if not is_atom(each.node)]
        values = await self.atoms.make([atom for part in parts for _, atom in part.atoms])
        for part in parts:
            part.fixed.update((name, values[atom]) for name, atom in part.atoms)
            part.function, part.atoms = bound(part.original, part.fixed), []
        names = placed(plan) if is_flow(node) else []
        opens: list[Opening] = []
        for part in parts:
            resource = part.node
            if is_resource(resource):
                lasting = resource.per == "context"
                given = [name for name, each in plan.resources if each is resource and names]
                places = [names.index(name) for name in given] or [0]
                opens += ((resource, part, lasting, place) for place in places)
        plan.opens = opens
        plan.places = [(names.index(name), read) for name, read in plan.reads if names]
        plan.is_plain = not (opens or plan.reads)
        if is_flow(node) and not node.streaming and node.replaces is None:
            self.ready[node] = plan
        return plan

    async def value(self, node: Node, context: Context[Any], maker: Context[Any]) -> Any:
        """What `need(node)` gives in a context."""
        if is_tag(node) or is_flow(node):
            return reader(Want(node.name, "need", node))(context)
        found = self.plans.stand_in(node)
        if isinstance(found, Given) or is_atom(found):
            return await self.atoms.value(found)
        assert is_resource(found)  # noqa: S101 - nothing else is left
        value: Any = None
        for resource, part, _, _ in (await self.prepare(found)).opens:
            value = await open_in(home_of(resource, context), part, maker)
        return value

    # -- its beginning and end -------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._state is not NEW:
            raise EngineError(f"A scope is entered once, and this one is {self._state}")
        self._loop = asyncio.get_running_loop()
        self.begun = sys.get_asyncgen_hooks().firstiter
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
        self.guarded = self._loop.get_debug()
        return self

    def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Coroutine[Any, Any, None]:
        return self._end(error)

    def close(self) -> Coroutine[Any, Any, None]:
        """Wait for runs, close contexts as cancelled, clean up atoms, stop extensions.

        All of it happens even if some of it fails; the first error is raised. A second close is
        harmless; it waits for the first.
        """
        return self._end(None)

    def _end(self, error: BaseException | None) -> Coroutine[Any, Any, None]:
        is_open = self._state not in (CLOSING, RELEASING, ENDED)
        return self._ended(error, from_within(self) if is_open else None)

    async def _ended(self, error: BaseException | None, refusal: EngineError | None) -> None:
        if refusal is not None:
            raise refusal
        if self._state is ENDED or runs_in(Scope._shut, self):
            return
        if self._state in (CLOSING, RELEASING):
            await asyncio.wait([self.root.closed()])
            return
        final = await self._shut(error)
        if final is not error and final is not None:
            raise final

    async def _shut(self, error: BaseException | None) -> BaseException | None:
        self._state = CLOSING
        self.guarded = True
        error = await settle(self.root, error)
        self._state = RELEASING
        error = await self.atoms.close(error)
        while self._started:
            try:
                await self._started.pop().stop(self)
            except BaseException as later:
                error = worst(error, later)
        self._state = ENDED
        self.root.closed().set_result(None)
        return error

    def _require(self, *states: str) -> None:
        if self._state not in states:
            raise Closed(f"The scope, which is {self._state},")
        self.refuse_another_loop()

    def admit(self, own: Context[Any] | None) -> None:
        """Raise in another loop; Closed for a new request, with a boundary of its `own`."""
        if own is not None:
            self._require(OPEN)
        self.refuse_another_loop()

    def refuse_another_loop(self) -> None:
        """Raise in any other event loop than the scope's."""
        if asyncio.get_running_loop() is not self._loop:
            raise EngineError("A scope belongs to one event loop; this one was entered in another")
