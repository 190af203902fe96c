"""The graph of what flows need: as data, with nodes swapped in one scope, and as a check."""

from collections.abc import AsyncIterator, Iterable, Iterator, Set
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar, overload

from msgspec import Struct

from flows.engine.definitions import Body, Items, replace_body
from flows.engine.errors import DependencyCycle, InvalidDefinition, MissingDependency
from flows.engine.nodes import (
    MISSING,
    Atom,
    Flow,
    Node,
    Resource,
    is_flow,
    is_tag,
    level,
    tagged,
    ways,
)

if TYPE_CHECKING:
    from flows.engine.plan import Plans

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741


class Graph(Struct, frozen=True):
    """Nodes as (name, kind) and edges as (from, to), names both, in the order they are met."""

    nodes: tuple[tuple[str, str], ...]
    edges: tuple[tuple[str, str], ...]

    def to_mermaid(self) -> str:
        """The graph as a Mermaid flowchart."""
        ids = {name: f"n{index}" for index, (name, _) in enumerate(self.nodes)}
        lines = [f'    {ids[name]}["{name} ({kind})"]' for name, kind in self.nodes]
        lines += [f"    {ids[source]} --> {ids[target]}" for source, target in self.edges]
        return "\n".join(["flowchart LR", *lines, ""])


def graph(flows: Iterable[Flow[Any, Any]]) -> Graph:
    """What `flows` need, directly or not, handles followed, as it is declared."""
    starts: list[Node] = list(flows)
    nodes = ways(starts, lambda way: way[-1].needs.values())
    edges = dict.fromkeys(
        (node.name, below.name) for node in nodes for below in node.needs.values()
    )
    return Graph(tuple((each.name, each.kind) for each in nodes), tuple(edges))


class Preset(NamedTuple):
    """A node, and what stands in for it: a value, another node, or an async function."""

    node: Node
    replacement: Any


class Given(NamedTuple):
    """A value that was preset."""

    value: Any


#: What stands in for each preset node in the end.
Substitutes: TypeAlias = dict[Node, Node | Given]


@overload
def preset(
    node: Flow[I, AsyncIterator[O]], replacement: Flow[I, AsyncIterator[O]] | Items[I, O]
) -> Preset: ...
@overload
def preset(node: Flow[I, O], replacement: Flow[I, O] | Body[I, O]) -> Preset: ...
@overload
def preset(node: Atom[T], replacement: T | Atom[T]) -> Preset: ...
@overload
def preset(node: Resource[T], replacement: T | Resource[T]) -> Preset: ...
def preset(node: Node, replacement: Any) -> Preset:
    """Let `replacement` stand in for `node`: in the scope that is given this.

    A node replaces a node of its kind. Anything else replaces an atom, a port or a resource as its
    value, also None and functions; an async function of the same shape replaces a flow, whose
    parsing stays in force.
    """
    return Preset(node, replacement)


def substitutes(presets: Iterable[Preset]) -> Substitutes:
    """What the presets come to, the last of a node winning. InvalidDefinition if they cannot."""
    chosen = {node: _checked(node, replacement) for node, replacement in presets}
    return {node: _final([node], chosen) for node in chosen}


def _final(way: list[Node], chosen: Substitutes) -> Node | Given:
    found = chosen[way[-1]]
    if isinstance(found, Given) or found not in chosen:
        return found
    if found in way:
        ring = " -> ".join(each.name for each in [*way, found])
        raise InvalidDefinition(f"preset({way[0].name}, …)", f"the presets form a ring: {ring}")
    return _final([*way, found], chosen)


def _checked(node: Node, replacement: Any) -> Node | Given:
    kinds: list[type[Node]] = [Atom, Resource, Flow]
    kind = next((each for each in kinds if isinstance(node, each)), None)
    if kind is None:
        reason = "only an atom, port, resource or flow can be preset"
    elif replacement is node:
        reason = "it would stand in for itself"
    elif not isinstance(replacement, Node):
        if not is_flow(node):
            return Given(replacement)
        if iscoroutinefunction(replacement) or isasyncgenfunction(replacement):
            return replace_body(node, replacement)
        reason = "a flow is replaced by a flow or an async function"
    elif not isinstance(replacement, kind):
        reason = f"{node.name} is a {node.kind}, {replacement.name} a {replacement.kind}"
    elif is_flow(node) and node.shape is not replacement.shape:
        reason = "one of the two flows streams and the other does not"
    elif node.per != replacement.per:
        reason = f"{node.name} is made per {node.per}, {replacement.name} per {replacement.per}"
    else:
        return replacement
    raise InvalidDefinition(f"preset({getattr(node, 'name', repr(node))}, …)", reason)


class Place(NamedTuple):
    """A node, and the flow whose own tags it can read, if any."""

    node: Node
    owner: Flow[Any, Any] | None


def check(flows: Iterable[Flow[Any, Any]], plans: "Plans", provided: Set[Node]) -> None:
    """Raise if one of `flows`, or a flow that they can call, could not run with `provided` bound.

    Handles are followed. A ring of flows is recursion; any other ring is a cycle.
    """
    below: dict[Place, list[Place]] = {}

    def look(way: tuple[Place, ...]) -> list[Place]:
        below[way[-1]] = list(_below(way, plans, provided))
        return below[way[-1]]

    targets = [plans.target(flow) for flow in flows]
    for place, way in ways([Place(each, each) for each in targets], look).items():
        if not is_flow(place.node):
            for each, back in ways([place], lambda way: below[way[-1]]).items():
                if place in below[each]:
                    ring = (*way, *back[1:], place)
                    raise DependencyCycle(tuple(each.node.name for each in ring))


def _below(way: tuple[Place, ...], plans: "Plans", provided: Set[Node]) -> Iterator[Place]:
    """What is needed at the end of `way`; MissingDependency at the first that nothing provides."""
    place, route = way[-1], tuple(each.node.name for each in way)
    for want in place.node.wants:
        found = plans.stand_in(want.node)
        if isinstance(found, Given):
            continue
        if found.per:
            if found.function is None:
                raise MissingDependency(found, (*route, found.name))
            yield Place(found, place.owner if found.per == "exec" else None)
            continue
        values: list[Any] = [found]
        if is_tag(found):
            known = [plans.tags, (level(place.owner.tags) if place.owner else None) or {}]
            if found in provided and place.node.per != "scope":
                known.insert(0, {found: (None,)})
            value = tagged(want, known)
            if value is MISSING:
                raise MissingDependency(found, (*route, found.name))
            values = value if want.how == "every" else [value]
        targets = [plans.target(each) for each in values if is_flow(each)]
        yield from (Place(each, each) for each in targets)
