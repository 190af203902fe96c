"""What a graph is made of, and how a function says what it needs. Nodes hold no scope's state."""

import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Final,
    Generic,
    Literal,
    NamedTuple,
    Never,
    TypeAlias,
    TypeGuard,
    TypeVar,
    overload,
)

from msgspec import Struct

from flows.engine.errors import InvalidDefinition, MissingDependency

if TYPE_CHECKING:
    from flows.engine.streams import Handle

T = TypeVar("T")
N = TypeVar("N")
I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741
InputT = TypeVar("InputT", contravariant=True)
OutputT = TypeVar("OutputT")


class Missing(Enum):
    """No value: None is one."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING

How: TypeAlias = Literal["need", "maybe", "every"]
Per: TypeAlias = Literal["", "scope", "context", "exec"]


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


class Bound(NamedTuple):
    """A tag with the value it is bound to."""

    tag: "Tag[Any]"
    value: Any


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
    #: What it is made once for, if it is made at all.
    per: Per = ""

    @property
    def needs(self) -> Mapping[str, "Node"]:
        """What it depends on, by parameter."""
        return {want.name: want.node for want in self.wants}

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"


class Atom(Node, Generic[T], eq=False, kw_only=True):
    """A value made once per scope."""

    kind = "atom"
    per: Per = "scope"


class Port(Atom[T], eq=False):
    """An atom without a factory: the composition root must preset it."""

    kind = "port"
    remedy = "it is a port, give the scope a preset of it"


class Resource(Node, Generic[T], eq=False):
    """A value made once per context, or per execution."""

    kind = "resource"


class Tag(Node, Generic[T], eq=False, kw_only=True):
    """A value that travels with a scope, a context or one execution: `tag(value)` binds it."""

    kind = "tag"
    remedy = "it is a tag without a default, bind it on the scope, the context or the execution"
    default: T | Missing = MISSING

    def __call__(self, value: T) -> Bound:
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
    streaming: bool
    tags: tuple[Bound, ...]
    faults: tuple[type[Exception], ...]
    summary: str
    #: The flow whose body this is a preset of.
    replaces: "Flow[Any, Any] | None" = None


def is_tag(node: object) -> TypeGuard[Tag[Any]]:
    """Whether it is a tag, in a way that type checkers follow."""
    return isinstance(node, Tag)


def is_flow(node: object) -> TypeGuard[Flow[Any, Any]]:
    """Whether it is a flow."""
    return isinstance(node, Flow)


#: One level of bindings: the values of each tag, the last bound first.
Level: TypeAlias = Mapping[Tag[Any], tuple[Any, ...]]


def level(bindings: Iterable[Bound]) -> Level | None:
    """The bindings of one level, None if there are none."""
    values: dict[Tag[Any], tuple[Any, ...]] = {}
    for binding in bindings:
        if not isinstance(binding, Bound):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidDefinition(repr(binding), "is no bound tag; bind one with `tag(value)`")
        values[binding.tag] = (binding.value, *values.get(binding.tag, ()))
    return values or None


def tagged(want: Want, levels: Iterable[Level]) -> Any:
    """What is wanted of a tag that is bound at some of `levels`, nearest first; else MISSING."""
    tag = want.node
    assert is_tag(tag)  # noqa: S101 - definitions let nothing else through
    values = [value for bound in levels for value in bound.get(tag, ())]
    if want.how == "every":
        return values
    value = values[0] if values else tag.default
    return None if value is MISSING and want.how == "maybe" else value


def ways(
    starts: Iterable[N], below: Callable[[tuple[N, ...]], Iterable[N]]
) -> dict[N, tuple[N, ...]]:
    """The shortest way from one of `starts` to whatever is `below` the end of a way, as a graph."""
    found: dict[N, tuple[N, ...]] = {start: (start,) for start in starts}
    todo = list(found)
    for each in todo:
        for further in below(found[each]):
            if further not in found:
                found[further] = (*found[each], further)
                todo.append(further)
    return found


class Marker:
    """Stands for a dependency until the engine gives it. Whatever else is done with it raises."""

    __slots__ = ("_said",)

    def __init__(self, how: How, node: Node) -> None:
        object.__setattr__(self, "_said", (how, node))

    def __repr__(self) -> str:
        how, node = read(self)
        return f"{how}({getattr(node, 'name', node)})"


def read(marker: Marker) -> tuple[How, Node]:
    """What a marker says."""
    said: tuple[How, Node] = object.__getattribute__(marker, "_said")
    return said


def _fail(marker: Marker, *_: object, **__: object) -> Never:
    node = read(marker)[1]
    raise MissingDependency(node, (node.name,))


#: What Python looks up on the class.
_SPECIAL: Final = (
    "getattr setattr delattr call await bool len iter next aiter anext contains reversed getitem"
    " setitem delitem enter exit aenter aexit eq ne lt le gt ge neg pos abs invert int float index"
    " str format bytes hash add sub mul truediv floordiv mod pow and or xor matmul lshift rshift"
    " radd rsub rmul rtruediv rfloordiv rmod rpow rand ror rxor rmatmul rlshift rrshift"
)
for _name in re.findall(r"\w+", _SPECIAL):
    setattr(Marker, f"__{_name}__", _fail)


@overload
def need(node: "Tag[Flow[I, O]]") -> "Handle[I, O]": ...
@overload
def need(node: Flow[I, O]) -> "Handle[I, O]": ...
@overload
def need(node: Atom[T] | Resource[T] | Tag[T]) -> T: ...
def need(node: Node) -> Any:
    """The value of an atom, port, resource or tag; a handle of a flow."""
    return Marker("need", node)


@overload
def maybe(tag: "Tag[Flow[I, O]]") -> "Handle[I, O] | None": ...
@overload
def maybe(tag: Tag[T]) -> T | None: ...
def maybe(tag: Node) -> Any:
    """The value of a tag, else its default, else None."""
    return Marker("maybe", tag)


@overload
def every(tag: "Tag[Flow[I, O]]") -> "list[Handle[I, O]]": ...
@overload
def every(tag: Tag[T]) -> list[T]: ...
def every(tag: Node) -> Any:
    """All values that are bound to a tag, nearest first; its default is none of them."""
    return Marker("every", tag)
