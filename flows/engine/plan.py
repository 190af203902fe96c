"""How a node's function gets its arguments in one scope: worked out once, when first needed."""

from collections.abc import Callable, Iterator
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct

from flows.engine.bindings import Level, level
from flows.engine.context import Context
from flows.engine.errors import DependencyCycle, InvalidDefinition, MissingDependency
from flows.engine.handle import Handle
from flows.engine.kinds import is_atom, is_flow, is_resource, is_tag
from flows.engine.nodes import MISSING, Atom, Flow, How, Node, Resource, Shape, Tag, Want, ways
from flows.engine.parsing import accepted
from flows.engine.presets import Given, Substitutes
from flows.engine.streams import until_left
from flows.engine.waiting import enclosing

if TYPE_CHECKING:
    from flows.engine.execution import Opening

#: Reads what may differ from one context to the next: a tag or a handle.
Read: TypeAlias = Callable[[Context[Any]], Any]


class Plan(Struct, eq=False):
    """How one node is made, or run."""

    node: Node
    #: What makes it, what never changes of its arguments (preset values and, once they are made,
    #: atoms), and it with those for defaults.
    original: Callable[..., Any]
    fixed: dict[str, Any]
    function: Callable[..., Any]
    atoms: list[tuple[str, Atom[Any]]]
    resources: list[tuple[str, Resource[Any]]]
    reads: list[tuple[str, Read]]
    #: An async generator whose arguments never change, and that no extension sees.
    is_quick: bool
    #: What inputs need no closer look.
    accepts: type[Any] | tuple[type[Any], ...]
    #: Whether a flow's result may turn out to be a stream: its annotation does not tell.
    vets: bool
    #: Whether its function takes nothing that differs from call to call.
    is_plain: bool = False
    #: What is opened before it in each context, dependencies first.
    opens: "list[Opening]" = []
    #: What a flow's function is called with, by position, and what is read into which place.
    template: list[Any] = []
    places: list[tuple[int, Read]] = []


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


def placed(plan: Plan) -> list[str]:
    """Have a flow's function take its arguments by position; the parameters in their order.

    To copy a list and to call with it is cheaper than to call with a dictionary.
    """
    function = plan.function
    varying = [name for name, _ in (*plan.resources, *plan.reads)]
    if isinstance(function, FunctionType):
        names = list(function.__code__.co_varnames[: function.__code__.co_argcount])
        if set(names).issuperset(varying):
            given = function.__defaults__ or ()
            plan.template = [*([None] * (len(names) - len(given))), *given]
            return names
    plan.function = partial(_by_name, function, varying)
    plan.template = [None, *varying]
    return ["", *varying]


def _by_name(
    function: Callable[..., Any], names: list[str], context: Context[Any], *values: Any
) -> Any:
    return function(context, **dict(zip(names, values, strict=True)))


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

    def of(self, node: Node) -> Plan:
        """The plan of a node that is itself no longer preset."""
        if node not in self._made:
            self._made[node] = self._make(node)
        return self._made[node]

    def below(self, root: Node) -> list[Plan]:
        """Everything that is made for `root`, dependencies first, `root` last.

        MissingDependency or DependencyCycle if it cannot be. Handles are not followed: what a flow
        needs is made when it is called.
        """
        done: dict[Node, Plan] = {}
        path: dict[Node, Iterator[Node]] = {root: self._makes(root, (root.name,))}
        while path:
            node = next(reversed(path))
            for child in path[node]:
                if child in done:
                    continue
                names = (*(each.name for each in path), child.name)
                if child in path:
                    raise DependencyCycle(names)
                path[child] = self._makes(child, names)
                break
            else:
                del path[node]
                done[node] = self.of(node)
        return list(done.values())

    def route(self, root: Node, goal: Node) -> tuple[str, ...]:
        """The names on the shortest way from `root` down to `goal`."""

        def below(way: tuple[Node, ...]) -> Iterator[Node]:
            for want in way[-1].wants:
                found = self.stand_in(want.node)
                if isinstance(found, Node):
                    yield found

        return tuple(each.name for each in ways(root, below).get(goal, (goal,)))

    def _makes(self, node: Node, names: tuple[str, ...]) -> Iterator[Node]:
        """What is made for a node itself, in the order in which it is declared."""
        if node.kind == "port":
            raise MissingDependency(node, names)
        try:
            plan = self.of(node)
        except MissingDependency as error:  # of an atom, which reads its tags once
            raise MissingDependency(error.node, (*names, error.node.name)) from None
        made: dict[str, Node] = {**dict(plan.atoms), **dict(plan.resources)}
        return iter([made[want.name] for want in node.wants if want.name in made])

    def _make(self, node: Node) -> Plan:
        fixed: dict[str, Any] = {}
        atoms: list[tuple[str, Atom[Any]]] = []
        resources: list[tuple[str, Resource[Any]]] = []
        reads: list[tuple[str, Read]] = []
        for want in node.wants:
            found = want.node if is_flow(want.node) else self.stand_in(want.node)
            if isinstance(found, Given):
                fixed[want.name] = found.value
            elif is_atom(found):
                atoms.append((want.name, found))
            elif is_resource(found):
                resources.append((want.name, found))
            elif is_atom(node):
                fixed[want.name] = self._tag_of_scope(want, node)
            else:
                reads.append((want.name, reader(want)))
        function, vets = node.function, False
        accepts: type[Any] | tuple[type[Any], ...] = ()
        assert function is not None  # noqa: S101 - ports are refused before
        if is_flow(node):
            function = partial(until_left, function) if node.streaming else function
            if object not in node.accepts:
                accepts = node.accepts[0] if len(node.accepts) == 1 else node.accepts
            vets = object in accepted(node.output_type)
        quick = node.shape is Shape.ASYNC_GENERATOR and not (resources or reads or self._watched)
        ready = bound(function, fixed)
        return Plan(node, function, fixed, ready, atoms, resources, reads, quick, accepts, vets)

    def _tag_of_scope(self, want: Want, atom: Node) -> Any:
        tag = want.node
        assert is_tag(tag)  # noqa: S101 - definitions let nothing else through
        bound = self.tags.get(tag, ())
        if want.how == "every":
            return list(bound)
        value = bound[0] if bound else tag.default
        if is_flow(value):
            raise InvalidDefinition(
                f"{atom.name}({want.name})", f"{tag.name} carries a flow, which an atom cannot run"
            )
        if value is MISSING and want.how == "need":
            raise MissingDependency(tag, (tag.name,))
        return None if value is MISSING else value


def reader(want: Want) -> Read:
    """How a tag or a handle is read."""
    _, how, node = want
    if is_flow(node):
        return lambda context: Handle(context, node)
    assert is_tag(node)  # noqa: S101 - definitions let nothing else through
    return partial(_every if how == "every" else _nearest, node, how)


def levels(context: Context[Any]) -> Iterator[Level]:
    """The bindings that hold in a context: execution, context, parent context, scope, flow.

    A flow's own tags come after the scope's, so that they can be overridden from outside.
    """
    above: Context[Any] | None = context
    while above is not None:
        if above.tags is not None:
            yield above.tags
        above = above.above
    yield context.scope.plans.tags
    if context.flow is not None and context.flow.tags:
        yield level(context.flow.tags) or {}


def _every(tag: Tag[Any], how: How, context: Context[Any]) -> list[Any]:
    return [_given(context, value) for bound in levels(context) for value in bound.get(tag, ())]


def _nearest(tag: Tag[Any], how: How, context: Context[Any]) -> Any:
    above: Context[Any] | None = context
    while above is not None:  # the commonest first, as `levels` would
        if above.tags is not None and tag in above.tags:
            return _given(context, above.tags[tag][0])
        above = above.above
    for bound in levels(context):
        if tag in bound:
            return _given(context, bound[tag][0])
    if tag.default is not MISSING:
        return _given(context, tag.default)
    if how == "maybe":
        return None
    asking = next(iter(enclosing()), None)
    root = (asking.flow or asking.opening) if asking is not None else None
    raise MissingDependency(tag, context.scope.plans.route(root, tag) if root else (tag.name,))


def _given(context: Context[Any], value: Any) -> Any:
    return Handle(context, value) if is_flow(value) else value
