"""Which value of a tag holds where.

Execution, context, parent context, scope, flow, default: the first of them that binds it. A flow's
own tags come after the scope's, so that they can be overridden from outside.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from flows.engine.nodes import Level, Missing, Tag

if TYPE_CHECKING:
    from flows.engine.context import Context


def levels(context: "Context[Any]") -> Iterator[Level]:
    """The bindings that hold in a context, nearest first."""
    above: Context[Any] | None = context
    while above is not None:
        if above.tags is not None:
            yield above.tags
        above = above.parent
    if context.scope.tags is not None:
        yield context.scope.tags
    if context.flow is not None and context.flow.own is not None:
        yield context.flow.own


def nearest(context: "Context[Any]", tag: Tag[Any]) -> Any | Missing:
    """The value of a tag, else its default, else MISSING."""
    for bound in levels(context):
        if tag in bound:
            return bound[tag][0]
    return tag.default


def all_of(context: "Context[Any]", tag: Tag[Any]) -> list[Any]:
    """All values that are bound to a tag, nearest first."""
    return [value for bound in levels(context) for value in bound.get(tag, ())]
