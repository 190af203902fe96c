"""Swapping nodes in one scope."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar, overload

from flows.engine.errors import InvalidDefinition
from flows.engine.nodes import (
    Atom,
    Flow,
    Node,
    Resource,
    is_atom,
    is_flow,
    is_resource,
)

if TYPE_CHECKING:
    from flows.engine.context import Context

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741


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
    node: Flow[I, AsyncIterator[O]],
    replacement: "Flow[I, AsyncIterator[O]] | Callable[[Context[I]], AsyncIterator[O]]",
) -> Preset: ...
@overload
def preset(
    node: Flow[I, O], replacement: "Flow[I, O] | Callable[[Context[I]], Coroutine[Any, Any, O]]"
) -> Preset: ...
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
    chosen = {each.node: _checked(each) for each in presets}
    return {node: _final(node, chosen) for node in chosen}


def _final(node: Node, chosen: Substitutes) -> Node | Given:
    seen = [node]
    found = chosen[node]
    while not isinstance(found, Given) and found in chosen:
        if found in seen:
            ring = " -> ".join(each.name for each in [*seen, found])
            raise InvalidDefinition(f"preset({node.name}, …)", f"the presets form a ring: {ring}")
        seen.append(found)
        found = chosen[found]
    return found


def _checked(given: Preset) -> Node | Given:
    node, replacement = given
    subject = f"preset({getattr(node, 'name', repr(node))}, …)"
    if not (is_atom(node) or is_resource(node) or is_flow(node)):
        raise InvalidDefinition(subject, "only an atom, port, resource or flow can be preset")
    if replacement is node:
        raise InvalidDefinition(subject, "it would stand in for itself")
    if is_flow(node):
        return _checked_flow(subject, node, replacement)
    if not isinstance(replacement, Node):
        return Given(replacement)
    if is_atom(node) and is_atom(replacement):
        return replacement
    if is_resource(node) and is_resource(replacement):
        if node.per == replacement.per:
            return replacement
        raise InvalidDefinition(
            subject, f"{node.name} is made per {node.per}, {replacement.name} per {replacement.per}"
        )
    raise InvalidDefinition(
        subject, f"{node.name} is a {node.kind}, {replacement.name} a {replacement.kind}"
    )


def _checked_flow(subject: str, flow: Flow[Any, Any], replacement: Any) -> Node:
    from flows.engine.definitions import replace_body

    if is_flow(replacement):
        if replacement.streaming is flow.streaming:
            return replacement
        raise InvalidDefinition(subject, "one of the two flows streams and the other does not")
    if iscoroutinefunction(replacement) or isasyncgenfunction(replacement):
        return replace_body(flow, replacement)
    raise InvalidDefinition(subject, "a flow is replaced by a flow or an async function")
