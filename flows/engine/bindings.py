"""Tags that are bound to values."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from flows.engine.errors import InvalidDefinition

if TYPE_CHECKING:
    from flows.engine.nodes import Tag


class Bound(NamedTuple):
    """A tag with the value it is bound to."""

    tag: "Tag[Any]"
    value: Any


#: One level of bindings: the values of each tag, the last bound first.
Level: TypeAlias = Mapping["Tag[Any]", tuple[Any, ...]]


def level(bindings: Iterable[Bound]) -> Level | None:
    """The bindings of one level, None if there are none."""
    values: dict[Tag[Any], tuple[Any, ...]] = {}
    for binding in bindings:
        if not isinstance(binding, Bound):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidDefinition(repr(binding), "is no bound tag; bind one with `tag(value)`")
        values[binding.tag] = (binding.value, *values.get(binding.tag, ()))
    return values or None
