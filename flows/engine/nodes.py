"""What a graph is made of. Nodes hold no state of any scope."""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, ClassVar, Final, Generic, Literal, NamedTuple, TypeAlias, TypeVar

from msgspec import Struct

from flows.engine.bindings import Bound

T = TypeVar("T")
N = TypeVar("N")
InputT = TypeVar("InputT", contravariant=True)
OutputT = TypeVar("OutputT")


class Missing(Enum):
    """No value: None is one."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING

How: TypeAlias = Literal["need", "maybe", "every"]
Per: TypeAlias = Literal["context", "exec"]


class Shape(Enum):
    """The four ways to make a value."""

    PLAIN = "function"
    ASYNC = "async function"
    GENERATOR = "generator"
    ASYNC_GENERATOR = "async generator"


class Want(NamedTuple):
    """One dependency: the parameter it is given as, how it is wanted, and of what."""

    name: str
    how: How
    node: "Node"


class Named(Struct, eq=False, weakref=True):
    """What has a name; two of them are never equal."""

    name: str


class Node(Named, eq=False, kw_only=True):
    """What can be depended on: `function` makes it from its `wants`."""

    kind: ClassVar[str] = "node"
    remedy: ClassVar[str] = "pass it as a keyword argument"
    function: Callable[..., Any] | None = None
    shape: Shape = Shape.PLAIN
    wants: tuple[Want, ...] = ()

    @property
    def needs(self) -> Mapping[str, "Node"]:
        """What it depends on, by parameter."""
        return {want.name: want.node for want in self.wants}

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"


class Atom(Node, Generic[T], eq=False):
    """A value made once per scope."""

    kind = "atom"


class Port(Atom[T], eq=False):
    """An atom without a factory: the composition root must preset it."""

    kind = "port"
    remedy = "it is a port, give the scope a preset of it"


class Resource(Node, Generic[T], eq=False, kw_only=True):
    """A value made once per context, or per execution."""

    kind = "resource"
    per: Per = "context"


class Tag(Node, Generic[T], eq=False, kw_only=True):
    """A value that travels with a scope, a context or one execution: `tag(value)` binds it."""

    kind = "tag"
    remedy = "it is a tag without a default, bind it on the scope, the context or the execution"
    default: T | Missing = MISSING

    def __call__(self, value: T) -> "Bound":
        """This tag bound to `value`."""
        return Bound(self, value)


class Flow(Node, Generic[InputT, OutputT], eq=False, kw_only=True):
    """A typed operation: what it takes, what it gives, what it needs, how it refuses.

    A streaming flow gives an `AsyncIterator` and is read with `ctx.stream`. `tags` are its own:
    they give way to whatever else is bound.
    """

    kind = "flow"
    body: Callable[..., Any]
    input_type: Any
    output_type: Any
    parse: Callable[[Any], Any]
    #: The classes whose instances count as its input.
    accepts: tuple[type[Any], ...]
    streaming: bool
    tags: tuple[Bound, ...]
    faults: tuple[type[Exception], ...]
    summary: str
    #: The flow whose body this is a preset of.
    replaces: "Flow[Any, Any] | None" = None


def ways(start: N, below: Callable[[tuple[N, ...]], Iterable[N]]) -> dict[N, tuple[N, ...]]:
    """The shortest way from `start` to whatever is `below` the end of a way, nearest first."""
    found: dict[N, tuple[N, ...]] = {start: (start,)}
    todo = [start]
    for each in todo:
        for further in below(found[each]):
            if further not in found:
                found[further] = (*found[each], further)
                todo.append(further)
    return found
