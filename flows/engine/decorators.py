"""The decorators that make nodes of functions."""

import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from typing import Any, Protocol, TypeVar, overload

from flows.engine.context import Context
from flows.engine.definitions import define_atom, define_flow, define_resource
from flows.engine.nodes import Atom, Bound, Flow, Per, Resource

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741


@overload
def atom(factory: Callable[[], AsyncIterator[T]], /) -> Atom[T]: ...
@overload
def atom(factory: Callable[[], Iterator[T]], /) -> Atom[T]: ...
@overload
def atom(factory: Callable[[], Coroutine[Any, Any, T]], /) -> Atom[T]: ...
@overload
def atom(factory: Callable[[], T], /) -> Atom[T]: ...
def atom(factory: Callable[..., Any], /) -> Atom[Any]:
    """A value made once per scope, when first needed.

    By a function, an async function, or a generator of either kind that yields once: what follows
    the `yield` is the clean-up, when the scope closes. InvalidDefinition if it cannot work.
    """
    return define_atom(factory)


class MakesResource(Protocol):
    """A decorator like `resource`."""

    @overload
    def __call__(self, factory: Callable[[], AsyncIterator[T]], /) -> Resource[T]: ...
    @overload
    def __call__(self, factory: Callable[[], Iterator[T]], /) -> Resource[T]: ...
    @overload
    def __call__(self, factory: Callable[[], Coroutine[Any, Any, T]], /) -> Resource[T]: ...
    @overload
    def __call__(self, factory: Callable[[], T], /) -> Resource[T]: ...


@overload
def resource(factory: Callable[[], AsyncIterator[T]], /) -> Resource[T]: ...
@overload
def resource(factory: Callable[[], Iterator[T]], /) -> Resource[T]: ...
@overload
def resource(factory: Callable[[], Coroutine[Any, Any, T]], /) -> Resource[T]: ...
@overload
def resource(factory: Callable[[], T], /) -> Resource[T]: ...
@overload
def resource(*, per: Per = "context") -> MakesResource: ...
def resource(factory: Callable[..., Any] | None = None, /, *, per: Per = "context") -> Any:
    """A value made once per context, or with `per="exec"` once per execution.

    What follows a generator's `yield` runs when that ends: after success, or with the error thrown
    in at the `yield`. InvalidDefinition if it cannot work.
    """
    if factory is not None:
        return define_resource(factory, per)

    def define(factory: Callable[..., Any]) -> Resource[Any]:
        return define_resource(factory, per)

    return define


class MakesFlow(Protocol):
    """A decorator like `flow`."""

    @overload
    def __call__(
        self, body: Callable[[Context[I]], AsyncIterator[O]], /
    ) -> Flow[I, AsyncIterator[O]]: ...
    @overload
    def __call__(self, body: Callable[[Context[I]], Coroutine[Any, Any, O]], /) -> Flow[I, O]: ...


@overload
def flow(body: Callable[[Context[I]], AsyncIterator[O]], /) -> Flow[I, AsyncIterator[O]]: ...
@overload
def flow(body: Callable[[Context[I]], Coroutine[Any, Any, O]], /) -> Flow[I, O]: ...
@overload
def flow(
    *,
    name: str | None = None,
    parse: Callable[[Any], Any] | None = None,
    tags: Iterable[Bound] = (),
    faults: Iterable[type[Exception]] = (),
) -> MakesFlow: ...
def flow(
    body: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    parse: Callable[[Any], Any] | None = None,
    tags: Iterable[Bound] = (),
    faults: Iterable[type[Exception]] = (),
) -> Any:
    """A typed operation: `async def f(ctx: Context[I], *, dep: T = need(node)) -> O`.

    An async generator makes a streaming flow. `parse` makes the input of raw data (`typed` of its
    annotation, if not given), `tags` are bound for want of others, `faults` are the exceptions by
    which it refuses. InvalidDefinition if it cannot work.
    """

    def define(body: Callable[..., Any]) -> Flow[Any, Any]:
        # Annotations that were postponed may name what is local to where the flow is defined.
        frame = inspect.currentframe()
        for _ in range(depth):
            frame = frame and frame.f_back
        names = frame.f_locals if frame else {}
        return define_flow(
            body, name=name, parse=parse, tags=tuple(tags), faults=tuple(faults), names=names
        )

    depth = 1 if body is None else 2
    return define if body is None else define(body)
