"""How a node's function gets its arguments in one scope: worked out once, when first needed."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from types import FunctionType
from typing import Any, TypeAlias

from msgspec import Struct

from flows.engine.closing import enclosing
from flows.engine.context import Life
from flows.engine.errors import DependencyCycle, InvalidDefinition, MissingDependency
from flows.engine.graph import Given, Substitutes
from flows.engine.nodes import (
    MISSING,
    Flow,
    Level,
    Node,
    Shape,
    Want,
    is_flow,
    level,
    tagged,
    ways,
)
from flows.engine.parsing import accepted
from flows.engine.streams import Handle, until_left

#: Reads what may differ from one context to the next: a tag or a handle.
Read: TypeAlias = Callable[[Any], Any]


class Plan(Struct, eq=False):
    """How one node is made, or run."""

    node: Node
    #: What never changes of its arguments: preset values and, once they are made, atoms.
    fixed: dict[str, Any] = {}
    atoms: dict[str, Node] = {}
    resources: dict[str, Node] = {}
    reads: list[tuple[str, Read]] = []
    #: All that is made for it, dependencies first.
    below: "dict[Node, Plan]" = {}
    #: What runs it, or makes it and releases it: an async generator.
    function: Callable[..., Any] = until_left
    #: Whether its arguments never change, and no extension sees it made.
    is_quick: bool = False
    #: What inputs need no closer look.
    accepts: type[Any] | tuple[type[Any], ...] = ()
    #: Whether a flow's result may turn out to be a stream: its annotation does not tell.
    vets: bool = False
    #: Whether its function takes nothing that differs from call to call.
    is_plain: bool = False
    #: Whether its atoms are made, and what it opens is known.
    is_ready: bool = False
    #: What is opened before it in each context, dependencies first: what resource, by what plan,
    #: whether in the boundary, and as which argument, if any.
    opens: "list[tuple[Node, Plan, bool, str]]" = []

    def bind(self, more: dict[str, Any]) -> None:
        """Fix arguments."""
        node, self.fixed = self.node, {**self.fixed, **more}
        assert node.function is not None  # noqa: S101 - ports are refused before
        function = bound(node.function, self.fixed)
        if is_flow(node):
            self.function = partial(until_left, function) if node.streaming else function
        else:
            self.function = as_async_generator(node, function)


def bound(function: Callable[..., Any], values: dict[str, Any]) -> Callable[..., Any]:
    """`function` with `values` for defaults: cheaper than to pass them each time."""
    known = function.__kwdefaults__ or {} if isinstance(function, FunctionType) else {}
    if not isinstance(function, FunctionType) or not values.keys() <= known.keys():
        return partial(function, **values)
    # A parameter that may be given by position takes less time than one by name alone.
    code, given = function.__code__, {**known, **values}
    count = code.co_argcount + code.co_kwonlyargcount
    flat = code.replace(co_argcount=count, co_kwonlyargcount=0)
    last = tuple(given[name] for name in code.co_varnames[code.co_argcount : count])
    defaults = (*(function.__defaults__ or ()), *last)
    outside, inside = function.__globals__, function.__closure__
    return FunctionType(flat, outside, function.__name__, defaults, inside)


def as_async_generator(node: Node, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of a node, of whatever shape, as an async generator function."""

    async def driven(**arguments: Any) -> AsyncGenerator[Any, None]:
        made = function(**arguments)
        if node.shape is not Shape.GENERATOR:
            yield await made if node.shape is Shape.ASYNC else made
            return
        step = partial(next, made)
        with closing(made), suppress(StopIteration):
            while True:
                value = step()
                step = partial(next, made)
                try:
                    yield value
                except BaseException as thrown:
                    step = partial(made.throw, thrown)

    driven.__name__ = node.name
    return function if node.shape is Shape.ASYNC_GENERATOR else driven


class Plans:
    """The plans of a scope's nodes."""

    def __init__(self, presets: Substitutes, tags: Level | None, *, watched: bool) -> None:
        self.tags: Level = tags or {}
        #: Whether extensions see the making of nodes.
        self._watched = watched
        self._presets = presets
        self._made: dict[Node, Plan] = {}

    def stand_in(self, node: Node) -> Node | Given:
        """What takes the place of `node`: itself, another node, or a value."""
        return self._presets.get(node, node)

    def target(self, flow: Any) -> Flow[Any, Any]:
        """The flow that is run when `flow` is asked for; InvalidDefinition if that is none."""
        found = self.stand_in(flow)
        if is_flow(found):
            return found
        raise InvalidDefinition(repr(flow), "is no flow")

    def of(self, node: Node, *above: Node) -> Plan:
        """The plan of a node that is itself no longer preset, and that what is `above` needs.

        MissingDependency or DependencyCycle if something cannot be made for it. Handles are not
        followed: what a flow needs is made when it is called.
        """
        if node in self._made:
            return self._made[node]
        names = (*(each.name for each in above), node.name)
        if node in above:
            raise DependencyCycle(names)
        if node.function is None:
            raise MissingDependency(node, names)
        plan = Plan(node)
        for want in node.wants:
            found = want.node if is_flow(want.node) else self.stand_in(want.node)
            if isinstance(found, Given):
                plan.fixed[want.name] = found.value
            elif found.per:
                below = self.of(found, *above, node)
                plan.below |= {**below.below, found: below}
                (plan.atoms if found.per == "scope" else plan.resources)[want.name] = found
            elif node.per == "scope":
                plan.fixed[want.name] = self._tag_of_scope(want, names)
            else:
                plan.reads.append((want.name, partial(read, want)))
        if is_flow(node):
            accepts = accepted(node.input_type)
            if object not in accepts:
                plan.accepts = accepts[0] if len(accepts) == 1 else accepts
            plan.vets = object in accepted(node.output_type)
        plan.is_quick = not (plan.resources or plan.reads or self._watched)
        plan.bind({})
        self._made[node] = plan
        return plan

    def _tag_of_scope(self, want: Want, names: tuple[str, ...]) -> Any:
        value = tagged(want, [self.tags])
        if value is MISSING:
            raise MissingDependency(want.node, (*names, want.node.name))
        if is_flow(value):
            raise InvalidDefinition(
                f"{names[-1]}({want.name})",
                f"{want.node.name} carries a flow, which an atom cannot run",
            )
        return value


def levels(context: Life) -> Iterator[Level]:
    """The bindings that hold in a context: execution, context, parent context, scope, flow.

    A flow's own tags come after the scope's, so that they can be overridden from outside.
    """
    for each in context.lineage():
        if each.tags is not None:
            yield each.tags
    if context.flow is not None and context.flow.tags:
        yield level(context.flow.tags) or {}


def read(want: Want, context: Any) -> Any:
    """What is wanted of a tag or a flow in a context; MissingDependency if there is nothing."""
    value: Any = want.node if is_flow(want.node) else tagged(want, levels(context))
    if value is MISSING:
        asking = next(iter(enclosing()), None)
        root = (asking.flow or asking.opening) if asking is not None else None
        plans = context.scope.plans

        def below(way: tuple[Node, ...]) -> Iterator[Node]:
            found = (plans.stand_in(each) for each in way[-1].needs.values())
            return (each for each in found if isinstance(each, Node))

        way = ways([root or want.node], below).get(want.node, (want.node,))
        raise MissingDependency(want.node, tuple(each.name for each in way))
    if want.how == "every":
        return [Handle(context, each) if is_flow(each) else each for each in value]
    return Handle(context, value) if is_flow(value) else value
