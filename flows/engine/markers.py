"""How a function says what it needs: the default of a keyword-only parameter."""

from typing import TYPE_CHECKING, Any, Never, TypeVar, overload

from flows.engine.errors import MissingDependency
from flows.engine.nodes import Atom, Flow, How, Node, Resource, Tag

if TYPE_CHECKING:
    from flows.engine.handle import Handle

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741


class Marker:
    """Stands for a dependency until the engine gives it. Whatever else is done with it raises."""

    __slots__ = ("_how", "_node")

    def __init__(self, how: How, node: Node) -> None:
        object.__setattr__(self, "_how", how)
        object.__setattr__(self, "_node", node)

    def __repr__(self) -> str:
        return f"{read(self)[0]}({getattr(read(self)[1], 'name', read(self)[1])})"

    def _fail(self, *_: object, **__: object) -> Never:
        node = read(self)[1]
        raise MissingDependency(node, (node.name,))

    def __getattr__(self, name: str) -> Never:
        self._fail()

    # Python looks these up on the class, past __getattr__.
    __setattr__ = __delattr__ = __call__ = __await__ = __bool__ = __len__ = _fail
    __iter__ = __next__ = __aiter__ = __anext__ = __contains__ = __reversed__ = _fail
    __getitem__ = __setitem__ = __delitem__ = __enter__ = __exit__ = _fail
    __aenter__ = __aexit__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _fail
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = _fail
    __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = _fail
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = __matmul__ = _fail
    __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = __neg__ = __pos__ = __abs__ = _fail
    __invert__ = __int__ = __float__ = __index__ = __str__ = __format__ = __bytes__ = _fail
    __hash__ = _fail


def read(marker: Marker) -> tuple[How, Node]:
    """What a marker says."""
    how: How = object.__getattribute__(marker, "_how")
    node: Node = object.__getattribute__(marker, "_node")
    return how, node


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
