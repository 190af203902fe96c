"""Which kind a node is of, in a way that type checkers follow."""

from typing import Any, TypeGuard

from flows.engine.nodes import Atom, Flow, Resource, Tag


def is_atom(node: object) -> TypeGuard[Atom[Any]]:
    """Whether it is an atom or a port."""
    return isinstance(node, Atom)


def is_resource(node: object) -> TypeGuard[Resource[Any]]:
    """Whether it is a resource."""
    return isinstance(node, Resource)


def is_tag(node: object) -> TypeGuard[Tag[Any]]:
    """Whether it is a tag."""
    return isinstance(node, Tag)


def is_flow(node: object) -> TypeGuard[Flow[Any, Any]]:
    """Whether it is a flow."""
    return isinstance(node, Flow)
