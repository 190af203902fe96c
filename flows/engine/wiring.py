"""Where each argument of a function comes from: worked out once per scope."""

from collections.abc import Callable, Iterator
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct

from flows.engine.context import Context
from flows.engine.errors import DependencyCycle, InvalidDefinition, MissingDependency
from flows.engine.handles import Handle
from flows.engine.nodes import (
    MISSING,
    Atom,
    Flow,
    Level,
    Node,
    Resource,
    Shape,
    Tag,
    Want,
    is_atom,
    is_flow,
    is_port,
    is_resource,
    is_tag,
)
from flows.engine.parsing import accepted
from flows.engine.presets import Given, Substitutes
from flows.engine.resources import home_of
from flows.engine.tags import all_of, nearest
from flows.engine.waiting import CURRENT

if TYPE_CHECKING:
    from flows.engine.scope import Scope

#: Reads what may differ from one context to the next: a tag or a handle.
Read: TypeAlias = Callable[[Context[Any]], Any]


class Wiring(Struct, eq=False):
    """How a node's function gets its arguments in one scope."""

    node: Node
    #: With what never changes as its defaults: preset values and, once they are made, atoms.
    function: Callable[..., Any]
    #: An async generator whose arguments never change, and that no extension sees.
    is_quick: bool
    atoms: tuple[tuple[str, Atom[Any]], ...]
    #: With each, whether it belongs to the boundary.
    resources: tuple[tuple[str, Resource[Any], bool], ...]
    reads: tuple[tuple[str, Read], ...]
    #: Whether there are arguments that differ from call to call.
    varies: bool

    def arguments(self, context: Context[Any]) -> dict[str, Any]:
        """The arguments of one call; its atoms and resources are made."""
        arguments: dict[str, Any] = {}
        for name, resource, lasting in self.resources:
            home = (context.boundary or context) if lasting else home_of(resource, context)
            arguments[name] = home.made(resource)
        for name, read in self.reads:
            arguments[name] = read(context)
        return arguments


#: A resource to open, whether in the boundary, and as which arguments of the node's.
Opened: TypeAlias = tuple[Resource[Any], Wiring, bool, tuple[str, ...]]


class Recipe(Struct, eq=False):
    """What is made for a node in one scope."""

    wiring: Wiring
    #: Those of everything that is not an atom, the node's own among them.
    parts: tuple[Wiring, ...]
    #: What is opened in each context, dependencies first.
    resources: tuple[Opened, ...]
    #: Whether all atoms are made, and their values in place.
    ready: bool = False

    async def prepare(self, scope: "Scope") -> None:
        """Make the atoms that are needed."""
        values = await scope.atoms.make([atom for part in self.parts for _, atom in part.atoms])
        for part in self.parts:
            made = {name: values[atom] for name, atom in part.atoms}
            part.function, part.atoms = with_defaults(part.function, made), ()
        self.ready = True


class Plan(Struct, eq=False):
    """How a flow is run in one scope."""

    flow: Flow[Any, Any]
    #: What an input must be to need no closer look.
    accepts: type | tuple[type[Any], ...]
    recipe: Recipe
    #: Whether its result may turn out to be a stream: its annotation does not tell.
    vets: bool


def with_defaults(function: Callable[..., Any], values: dict[str, Any]) -> Callable[..., Any]:
    """`function` with the defaults of some parameters replaced: cheaper than to pass them."""
    if not isinstance(function, FunctionType) or not values.keys() <= _keyword_only(function):
        return partial(function, **values) if values else function
    code, outside = function.__code__, function.__globals__
    copy = FunctionType(code, outside, function.__name__, None, function.__closure__)
    copy.__kwdefaults__ = {**(function.__kwdefaults__ or {}), **values}
    return copy


def _keyword_only(function: FunctionType) -> frozenset[str]:
    code = function.__code__
    return frozenset(code.co_varnames[code.co_argcount :][: code.co_kwonlyargcount])


class Wirings:
    """The wirings of a scope's nodes, each made when first asked for."""

    def __init__(self, presets: Substitutes, tags: Level, *, watched: bool = False) -> None:
        self.tags = tags
        #: Whether extensions see the making of nodes.
        self._watched = watched
        self._presets = presets
        self._made: dict[Node, Wiring] = {}

    def stand_in(self, node: Node) -> Node | Given:
        """What takes the place of `node`: itself, another node, or a value."""
        return self._presets.get(node, node)

    def target(self, flow: Flow[Any, Any]) -> Flow[Any, Any]:
        """The flow that is run when `flow` is asked for; InvalidDefinition if that is none."""
        found = self.stand_in(flow)
        if is_flow(found):
            return found
        raise InvalidDefinition(repr(flow), "is no flow")

    def plan(self, flow: Flow[Any, Any]) -> Plan:
        """How `flow` is run; MissingDependency or DependencyCycle if it cannot be."""
        target = self.target(flow)
        accepts = target.accepts if target is flow and not flow.streaming else ()
        fast = accepts[0] if len(accepts) == 1 else accepts
        return Plan(target, fast, self.recipe(target), object in accepted(target.output_type))

    def recipe(self, node: Node) -> Recipe:
        """What is made for a node; MissingDependency or DependencyCycle if it cannot be."""
        parts = tuple(part for part in self.below(node) if not is_atom(part.node))
        wiring = self.of(node)
        opened: list[Opened] = []
        for part in parts:
            resource = part.node
            if is_resource(resource):
                names = tuple(name for name, each, _ in wiring.resources if each is resource)
                opened.append((resource, part, resource.per == "context", names))
        return Recipe(wiring, parts, tuple(opened))

    def of(self, node: Node) -> Wiring:
        """The wiring of a node that is itself no longer preset."""
        if node not in self._made:
            self._made[node] = self._wire(node)
        return self._made[node]

    def below(self, root: Node) -> list[Wiring]:
        """Everything that is made for `root`, dependencies first, `root` last.

        Handles are not followed: what a flow needs is made when it is called.
        """
        done: dict[Node, Wiring] = {}
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
        routes: dict[Node, tuple[str, ...]] = {root: (root.name,)}
        todo = [root]
        for node in todo:
            for want in node.wants:
                found = self.stand_in(want.node)
                if isinstance(found, Node) and found not in routes:
                    routes[found] = (*routes[node], found.name)
                    todo.append(found)
        return routes.get(goal, (goal.name,))

    def _makes(self, node: Node, names: tuple[str, ...]) -> Iterator[Node]:
        if is_port(node):
            raise MissingDependency(node, names)
        try:
            wiring = self.of(node)
        except MissingDependency as error:  # of an atom, which reads its tags once
            raise MissingDependency(error.node, (*names, error.node.name)) from None
        # In the order in which they are declared.
        made: dict[str, Node] = dict(wiring.atoms)
        made.update((name, resource) for name, resource, _ in wiring.resources)
        return iter([made[want.name] for want in node.wants if want.name in made])

    def _wire(self, node: Node) -> Wiring:
        fixed: dict[str, Any] = {}
        atoms: list[tuple[str, Atom[Any]]] = []
        resources: list[tuple[str, Resource[Any], bool]] = []
        reads: list[tuple[str, Read]] = []
        for want in node.wants:
            found = want.node if is_flow(want.node) else self.stand_in(want.node)
            if isinstance(found, Given):
                fixed[want.name] = found.value
            elif is_atom(found):
                atoms.append((want.name, found))
            elif is_resource(found):
                resources.append((want.name, found, found.per == "context"))
            elif is_atom(node):
                fixed[want.name] = self._tag_of_scope(want, node)
            else:
                reads.append((want.name, reader(want)))
        function = node.function
        assert function is not None  # noqa: S101 - ports are refused before
        varies = bool(resources or reads)
        is_quick = node.shape is Shape.ASYNC_GENERATOR and not varies and not self._watched
        return Wiring(
            node,
            with_defaults(function, fixed),
            is_quick,
            tuple(atoms),
            tuple(resources),
            tuple(reads),
            varies,
        )

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
    tag: Tag[Any] = node
    if how == "every":
        return lambda context: [_given(context, value) for value in all_of(context, tag)]

    def read(context: Context[Any]) -> Any:
        value = nearest(context, tag)
        if value is not MISSING:
            return _given(context, value)
        if how == "maybe":
            return None
        asking = CURRENT.get()
        root = (asking.flow or asking.opening) if asking is not None else None
        route = (tag.name,) if root is None else context.scope.wirings.route(root, tag)
        raise MissingDependency(tag, route)

    return read


def _given(context: Context[Any], value: Any) -> Any:
    return Handle(context, value) if is_flow(value) else value
