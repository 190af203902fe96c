"""A scope: the application's lifetime."""

import asyncio
import contextvars
import sys
from collections.abc import Coroutine, Iterable
from functools import partial
from typing import Any, Final, Self, TypeAlias, TypeVar, overload

from flows.engine.closing import CLOSED, CLOSING, OPEN, fail, join, mark, shut, until_made
from flows.engine.context import Context, Life, Tags
from flows.engine.errors import Closed, EngineError, InvalidDefinition, worst
from flows.engine.execution import home_of, make, maker_of, open_in, perform, surround
from flows.engine.extension import Extension, Hooks, Outcome
from flows.engine.graph import Given, Preset, check, substitutes
from flows.engine.nodes import Atom, Bound, Flow, Node, Tag, Want, is_flow, is_tag, level
from flows.engine.parsing import Unparsed
from flows.engine.plan import Plan, Plans, read

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741

Extensions: TypeAlias = Iterable[Extension]

NEW: Final = "not been entered"
STARTING: Final = "starting"
RELEASING: Final = "releasing"


class Scope(Life):
    """The application's lifetime: `async with Scope(presets=…, tags=…, extensions=…) as scope`.

    Its atoms are made when first needed and cleaned up when it closes. It belongs to the event loop
    in which it is entered.
    """

    def __init__(
        self,
        *,
        presets: Iterable[Preset] = (),
        tags: Tags = (),
        extensions: Iterable[Extension] = (),
    ) -> None:
        self._extensions = tuple(extensions)
        self.hooks = Hooks(self._extensions)
        self.tells = self.hooks.tells
        # It is what all its contexts are in, and its values are the atoms'.
        self.scope = self.boundary = self
        self.above = self.flow = self.ledger = self.rest = self.opening = None
        self.state, self.active, self.tags = NEW, 0, level(tags)
        self.known: dict[Any, Any] = {}
        self.values = self.known
        watched = bool(self.hooks.wrap_resolve)
        self.plans = Plans(substitutes(presets), self.tags, watched=watched)
        #: The plans of flows that have been run, and what is run instead to go round them.
        self.ready: dict[Flow[Any, Any] | None, Plan] = {}
        #: How an execution is begun: with extensions around it or without.
        self.begin = surround if self.hooks.encloses else perform
        #: Whether each use is looked at: the loop is in debug mode.
        self.guarded = False
        #: What will release the atoms, in the contextvars in which they were made.
        self._atoms: list[tuple[Life, contextvars.Context]] = []

    # -- what runs in it -------------------------------------------------------------------------

    @overload
    async def run(self, flow: Flow[None, O], input: None = None, *, tags: Tags = ()) -> O: ...
    @overload
    async def run(self, flow: Flow[I, O], input: I, *, tags: Tags = ()) -> O: ...
    async def run(self, flow: Flow[Any, Any], input: Any = None, *, tags: Tags = ()) -> Any:
        """One request: a boundary with `tags`, one execution, a close."""
        boundary = self.create_context(*tags)
        self.active += 1
        try:
            result = await boundary.exec(flow, input)
            await shut(boundary, None)
        except BaseException as error:
            raise await fail(boundary, error)  # noqa: B904 - the same, or with it as context
        else:
            return result
        finally:
            self.leave()

    def run_raw(self, flow: Flow[Any, O], raw: Any, *, tags: Tags = ()) -> Coroutine[Any, Any, O]:
        """The same with an input that is parsed first; InvalidInput if it cannot be."""
        return self.run(flow, Unparsed(raw), tags=tags)

    async def resolve(self, node: Atom[T]) -> T:
        """The value of an atom, made if it is not there yet."""
        if self.state not in (STARTING, CLOSING):
            self.require_open()
        if getattr(node, "per", None) != "scope":
            raise InvalidDefinition(repr(node), "is no atom: a context resolves it")
        value: T = await self.value(node, self, self)
        return value

    def check(
        self, flows: Iterable[Flow[Any, Any]], *, provided: Iterable[Tag[Any] | Bound] = ()
    ) -> None:
        """Raise MissingDependency or DependencyCycle if one of `flows` could not run.

        `provided` are the tags that contexts and executions will bind. The scope need not be open.
        """
        tags = {each.tag if isinstance(each, Bound) else each for each in provided}
        check(flows, self.plans, tags)

    # -- for contexts ----------------------------------------------------------------------------

    async def prepare(self, node: Node) -> Plan:
        """The plan of a flow or resource, once the atoms that it needs are made."""
        plan = self.plans.of(node)
        if plan.is_ready:
            return plan
        parts = [each for node, each in plan.below.items() if node.per != "scope"] + [plan]
        values = await self.atoms([atom for part in parts for atom in part.atoms.values()])
        opens: list[tuple[Node, Plan, bool, str]] = []
        for part in parts:
            part.bind({name: values[atom] for name, atom in part.atoms.items()})
            part.atoms = {}
            if part.node.per:
                names = [name for name, each in plan.resources.items() if each is part.node]
                lasting = part.node.per == "context"
                opens += ((part.node, part, lasting, name) for name in names or ("",))
        plan.opens, plan.is_plain, plan.is_ready = opens, not (opens or plan.reads), True
        if is_flow(node) and not node.streaming and node.replaces is None:
            self.ready[node] = plan
        return plan

    async def atoms(self, atoms: Iterable[Node]) -> dict[Any, Any]:
        """The values of atoms; those that are not there yet are made, at the same time."""
        values = self.known
        missing = [each for each in atoms if each not in values or maker_of(each, values)]
        if missing:
            makers = [maker_of(each, values) or self._begin(each) for each in missing]
            try:
                await until_made(makers)
            except asyncio.CancelledError:
                stopped = any(each.until("made").cancelled() for each in makers)
                if stopped and self.state == RELEASING:
                    raise Closed("The scope") from None
                raise
        return values

    def _begin(self, atom: Node) -> Life:
        # In a context of the scope's, not of who happens to be the first to ask.
        maker, plan, ambient = self.child(), self.plans.of(atom), self._ambient.copy()
        task = self._loop.create_task(self._make(plan, maker, ambient), context=ambient)
        # Whoever waits sees the error; without waiters, the next use meets it again.
        task.add_done_callback(lambda task: None if task.cancelled() else task.exception())
        self.known[atom] = maker
        maker.opening = atom
        maker.more().ends["made"] = task
        return maker

    async def _make(self, plan: Plan, running: Context[Any], ambient: contextvars.Context) -> None:
        mark(running)
        try:
            self._atoms.append((await make(self, plan, running), ambient))
        except BaseException:
            del self.known[plan.node]
            raise
        finally:
            running.state = CLOSED
            running.opening = None

    async def value(self, node: Node, context: Life, maker: Life) -> Any:
        """What `need(node)` gives in a context."""
        if is_tag(node) or is_flow(node):
            return read(Want(node.name, "need", node), context)
        found = self.plans.stand_in(node)
        if isinstance(found, Given):
            return found.value
        if found.per == "scope":
            return (await self.atoms([found]))[found]
        value: Any = None
        for resource, part, _, _ in (await self.prepare(found)).opens:
            value = await open_in(home_of(resource, context), part, maker)
        return value

    # -- its beginning and end -------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self.state is not NEW:
            raise EngineError(f"A scope is entered once, and this one is {self.state or 'open'}")
        self._loop = asyncio.get_running_loop()
        self.begun = sys.get_asyncgen_hooks().firstiter
        self._ambient = contextvars.copy_context()
        self.state = STARTING
        self.more().callbacks.append(self._release)
        for extension in self._extensions:
            try:
                await extension.start(self)
            except BaseException as error:
                self.state = OPEN
                raise await fail(self, error)  # noqa: B904 - the same, or with it as context
            # Callbacks are called in reverse: atoms end first.
            self.more().callbacks.insert(-1, partial(_stop, extension, self))
        self.state = OPEN
        self.guarded = self._loop.get_debug()
        return self

    def close(self) -> Coroutine[Any, Any, None]:
        """Wait for runs, close contexts as cancelled, clean up atoms, stop extensions.

        All of it happens even if some of it fails; the first error is raised. A second close is
        harmless; it waits for the first.
        """
        if self.state in (NEW, STARTING):
            self.state = OPEN
        return self.end()

    async def _release(self, outcome: Outcome) -> None:
        """Give up the atoms that are being made, clean up those that are, the last first.

        Clean-ups are resumed whatever has failed: an atom has no outcome.
        """
        self.state = RELEASING
        makers = [maker_of(each, self.known) for each in self.known]
        making = [each.until("made") for each in makers if each is not None]
        error = await join(making, outcome.error, given_up)
        while self._atoms:
            holder, ambient = self._atoms.pop()
            try:
                await self._loop.create_task(shut(holder, None), context=ambient)
            except BaseException as later:
                error = worst(error, later)
        if error is not None and error is not outcome.error:
            raise error

    def refuse_another_loop(self) -> None:
        """Raise in any other event loop than the scope's."""
        if asyncio.get_running_loop() is not self._loop:
            raise EngineError("A scope belongs to one event loop; this one was entered in another")


def given_up(task: asyncio.Future[None]) -> bool:
    """Whether the making of an atom ended because the scope does."""
    return task.cancelled() or isinstance(task.exception(), Closed)


async def _stop(extension: Extension, scope: Scope, outcome: Outcome) -> None:
    await extension.stop(scope)
