"""The graph of what flows need, as data and as a check."""

from collections.abc import Iterable, Iterator, Set
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct

from flows.engine.bindings import level
from flows.engine.errors import DependencyCycle, MissingDependency
from flows.engine.kinds import is_atom, is_flow, is_resource, is_tag
from flows.engine.nodes import MISSING, Flow, Node, Tag, ways
from flows.engine.presets import Given

if TYPE_CHECKING:
    from flows.engine.plan import Plans


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
    nodes: dict[Node, None] = dict.fromkeys(flows)
    todo = list(nodes)
    edges: dict[tuple[str, str], None] = {}
    for node in todo:
        for needed in node.needs.values():
            edges[node.name, needed.name] = None
            if needed not in nodes:
                nodes[needed] = None
                todo.append(needed)
    return Graph(tuple((each.name, each.kind) for each in nodes), tuple(edges))


class Place(NamedTuple):
    """A node, and the flow whose own tags it can read, if any."""

    node: Node
    owner: Flow[Any, Any] | None


def check(flow: Flow[Any, Any], plans: "Plans", provided: Set[Tag[Any]]) -> None:
    """Raise if `flow`, or a flow that it can call, could not run where `provided` is bound.

    Handles are followed. A ring of flows is recursion; any other ring is a cycle.
    """
    below: dict[Place, list[Place]] = {}

    def look(way: tuple[Place, ...]) -> list[Place]:
        below[way[-1]] = list(_below(way, plans, provided))
        return below[way[-1]]

    start = plans.target(flow)
    for place, way in ways(Place(start, start), look).items():
        if not is_flow(place.node):
            for each, back in ways(place, lambda way: below[way[-1]]).items():
                if place in below[each]:
                    raise DependencyCycle(
                        tuple(each.node.name for each in (*way, *back[1:], place))
                    )


def _below(way: tuple[Place, ...], plans: "Plans", provided: Set[Tag[Any]]) -> Iterator[Place]:
    """What is needed at the end of `way`; MissingDependency at the first that nothing provides."""
    place, route = way[-1], tuple(each.node.name for each in way)
    for want in place.node.wants:
        found = plans.stand_in(want.node)
        if isinstance(found, Given):
            continue
        if found.kind == "port":
            raise MissingDependency(found, (*route, found.name))
        if is_tag(found):
            found = _bound(found, place, plans, provided)
            if found is MISSING and want.how == "need":
                raise MissingDependency(want.node, (*route, want.node.name))
        if is_flow(found):
            target = plans.target(found)
            yield Place(target, target)
        elif is_atom(found) or is_resource(found):
            per_exec = is_resource(found) and found.per == "exec"
            yield Place(found, place.owner if per_exec else None)


def _bound(tag: Tag[Any], place: Place, plans: "Plans", provided: Set[Tag[Any]]) -> Any:
    """The value of a tag as far as it is known beforehand; None where it is known to have one."""
    if tag in provided and not is_atom(place.node):
        return None
    own = level(place.owner.tags) if place.owner is not None else None
    for bound in (plans.tags, own or {}):
        if tag in bound:
            return bound[tag][0]
    return tag.default
