"""Swapping nodes in one scope."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import Any, NamedTuple, TypeAlias, TypeVar, overload

from flows.engine.context import Context
from flows.engine.definitions import replace_body
from flows.engine.errors import InvalidDefinition
from flows.engine.kinds import is_atom, is_flow, is_resource
from flows.engine.nodes import Atom, Flow, Node, Resource

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
    replacement: Flow[I, AsyncIterator[O]] | Callable[[Context[I]], AsyncIterator[O]],
) -> Preset: ...
@overload
def preset(
    node: Flow[I, O], replacement: Flow[I, O] | Callable[[Context[I]], Coroutine[Any, Any, O]]
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
    reason = None
    if not (is_atom(node) or is_resource(node) or is_flow(node)):
        reason = "only an atom, port, resource or flow can be preset"
    elif replacement is node:
        reason = "it would stand in for itself"
    elif is_flow(node):
        if is_flow(replacement):
            if replacement.streaming is node.streaming:
                return replacement
            reason = "one of the two flows streams and the other does not"
        elif iscoroutinefunction(replacement) or isasyncgenfunction(replacement):
            return replace_body(node, replacement)
        else:
            reason = "a flow is replaced by a flow or an async function"
    elif not isinstance(replacement, Node):
        return Given(replacement)
    elif is_resource(node) and is_resource(replacement) and node.per != replacement.per:
        reason = f"{node.name} is made per {node.per}, {replacement.name} per {replacement.per}"
    elif is_atom(node) is not is_atom(replacement) or is_resource(node) is not is_resource(
        replacement
    ):
        reason = f"{node.name} is a {node.kind}, {replacement.name} a {replacement.kind}"
    else:
        return replacement
    raise InvalidDefinition(f"preset({getattr(node, 'name', repr(node))}, …)", reason)
