"""The decorators that make nodes of functions, and refuse what cannot work."""

import inspect
import sys
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, get_args, get_origin, overload

from msgspec.structs import replace

from flows.engine.context import Context, Tags
from flows.engine.errors import OUTLIVES, InvalidDefinition
from flows.engine.nodes import (
    Atom,
    Flow,
    Marker,
    Node,
    Resource,
    Shape,
    Want,
    is_flow,
    is_tag,
    read,
)
from flows.engine.parsing import typed

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741

#: What makes a value other than a plain function: an async one, or a generator of either kind.
Factory: TypeAlias = Callable[[], AsyncIterator[T] | Iterator[T] | Coroutine[Any, Any, T]]
Body: TypeAlias = Callable[[Context[I]], Coroutine[Any, Any, O]]
Parse: TypeAlias = Callable[[Any], Any]
Faults: TypeAlias = Iterable[type[Exception]]
Items: TypeAlias = Callable[[Context[I]], AsyncIterator[O]]


class MakesResource(Protocol):
    """A decorator like `resource`."""

    @overload
    def __call__(self, factory: Factory[T], /) -> Resource[T]: ...
    @overload
    def __call__(self, factory: Callable[[], T], /) -> Resource[T]: ...


class MakesFlow(Protocol):
    """A decorator like `flow`."""

    @overload
    def __call__(self, body: Items[I, O], /) -> Flow[I, AsyncIterator[O]]: ...
    @overload
    def __call__(self, body: Body[I, O], /) -> Flow[I, O]: ...


@overload
def atom(factory: Factory[T], /) -> Atom[T]: ...
@overload
def atom(factory: Callable[[], T], /) -> Atom[T]: ...
def atom(factory: Callable[[], Any], /) -> Atom[Any]:
    """A value made once per scope, when first needed.

    By a function, an async function, or a generator of either kind that yields once: what follows
    the `yield` is the clean-up, when the scope closes. InvalidDefinition if it cannot work.
    """
    return Atom(**_made(factory, "scope"))


@overload
def resource(factory: Factory[T], /) -> Resource[T]: ...
@overload
def resource(factory: Callable[[], T], /) -> Resource[T]: ...
@overload
def resource(*, per: Literal["context", "exec"] = "context") -> MakesResource: ...
def resource(factory: Callable[[], Any] | None = None, /, *, per: str = "context") -> Any:
    """A value made once per context, or with `per="exec"` once per execution.

    What follows a generator's `yield` runs when that ends: after success, or with the error thrown
    in at the `yield`. InvalidDefinition if it cannot work.
    """

    def define(factory: Callable[[], Any]) -> Resource[Any]:
        if per not in ("context", "exec"):
            raise InvalidDefinition(_name(factory), f"`per` is 'context' or 'exec', not {per!r}")
        return Resource(**_made(factory, per))

    return define if factory is None else define(factory)


def _made(factory: Callable[[], Any], per: str) -> dict[str, Any]:
    """The fields of an atom or resource."""
    name = _name(factory)
    wants = tuple(_want(name, each) for each in _signature(factory).parameters.values())
    for parameter, _, node in wants:
        if per == "scope" and (is_flow(node) or node.per not in ("", per)):
            rule = f"is a {node.kind}, and an atom needs atoms and tags only"
        elif per == "context" and node.per == "exec":
            rule = (
                f"is made once per execution, {name} once per context: it would outlive what it"
                " needs; make both of the same"
            )
        else:
            continue
        raise InvalidDefinition(f"{name}({parameter})", f"{node.name} {rule}")
    return {
        "name": name, "function": factory, "shape": _shape(factory), "wants": wants, "per": per,
    }  # fmt: skip


@overload
def flow(body: Items[I, O], /) -> Flow[I, AsyncIterator[O]]: ...
@overload
def flow(body: Body[I, O], /) -> Flow[I, O]: ...
@overload
def flow(
    *, name: str | None = None, parse: Parse | None = None, tags: Tags = (), faults: Faults = ()
) -> MakesFlow: ...
def flow(
    body: Callable[..., Any] | None = None, /, *, name: str | None = None,
    parse: Parse | None = None, tags: Tags = (), faults: Faults = (),
) -> Any:  # fmt: skip
    """A typed operation: `async def f(ctx: Context[I], *, dep: T = need(node)) -> O`.

    An async generator makes a streaming flow. `parse` makes the input of raw data (`typed` of its
    annotation, if not given), `tags` are bound for want of others, `faults` are the exceptions by
    which it refuses. InvalidDefinition if it cannot work.
    """

    def define(body: Callable[..., Any]) -> Flow[Any, Any]:
        shape, called = _shape(body), _name(body)
        if shape not in (Shape.ASYNC, Shape.ASYNC_GENERATOR):
            raise InvalidDefinition(called, "a flow is an async function or an async generator")
        first, *rest = _with_context(called, body)
        wants = tuple(_want(called, each) for each in rest)
        # Annotations that were postponed may name what is local to where the flow is defined.
        names = sys._getframe(depth).f_locals  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        context = _evaluated(body, first.annotation, names)
        if get_origin(context) is not Context:
            raise InvalidDefinition(
                f"{called}({first.name})", "tells not what the flow takes: annotate it `Context[…]`"
            )
        output = _evaluated(body, _signature(body).return_annotation, names)
        plain = get_origin(output) or output
        streaming = shape is Shape.ASYNC_GENERATOR
        if not streaming and isinstance(plain, type) and issubclass(plain, AsyncIterator):
            raise InvalidDefinition(called, OUTLIVES)
        return Flow(
            name or called,
            function=body,
            shape=shape,
            wants=wants,
            body=body,
            input_type=get_args(context)[0],
            output_type=output,
            parse=parse or typed(get_args(context)[0]),
            streaming=streaming,
            tags=tuple(tags),
            faults=tuple(faults),
            summary=(inspect.getdoc(body) or "").partition("\n")[0],
        )

    depth = 1 if body is None else 2
    return define if body is None else define(body)


def replace_body(flow: Flow[Any, Any], body: Callable[..., Any]) -> Flow[Any, Any]:
    """`flow` with another body: of the same shape, with markers or with the same parameters."""
    called, given = _name(body), {want.name: want for want in flow.wants}
    if _shape(body) is not flow.shape:
        raise InvalidDefinition(
            called, f"{flow.name} is an {flow.shape.value}, what replaces it must be one too"
        )
    wants = tuple(
        given[each.name]
        if each.default is each.empty and each.name in given
        else _want(called, each)
        for each in _with_context(called, body)[1:]
    )
    return replace(flow, function=body, body=body, wants=wants, replaces=flow.replaces or flow)


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _shape(function: Callable[..., Any]) -> Shape:
    if inspect.isasyncgenfunction(function):
        return Shape.ASYNC_GENERATOR
    if inspect.iscoroutinefunction(function):
        return Shape.ASYNC
    return Shape.GENERATOR if inspect.isgeneratorfunction(function) else Shape.PLAIN


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise InvalidDefinition(repr(function), "is no function whose parameters show") from error


def _with_context(name: str, function: Callable[..., Any]) -> list[inspect.Parameter]:
    given = list(_signature(function).parameters.values())
    if not given or given[0].kind not in (given[0].POSITIONAL_ONLY, given[0].POSITIONAL_OR_KEYWORD):
        raise InvalidDefinition(name, "a flow takes its context first: `ctx: Context[…]`")
    return given


def _want(name: str, given: inspect.Parameter) -> Want:
    """What one parameter says is needed."""
    subject = f"{name}({given.name})"
    if given.kind is not given.KEYWORD_ONLY:
        raise InvalidDefinition(subject, "a dependency is a keyword-only parameter: put it after *")
    if type(given.default) is not Marker:
        raise InvalidDefinition(subject, "says not what it needs: give it a default `need(…)`")
    how, node = read(given.default)
    if not isinstance(node, Node):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidDefinition(subject, f"{node!r} is no atom, port, resource, tag or flow")
    if how != "need" and not is_tag(node):
        raise InvalidDefinition(subject, f"`{how}` is for tags, and {node.name} is a {node.kind}")
    return Want(given.name, how, node)


def _evaluated(function: Callable[..., Any], annotation: Any, names: Mapping[str, Any]) -> Any:
    """What an annotation means, also if it was written or postponed as text."""
    if annotation is inspect.Signature.empty:
        return Any
    if not isinstance(annotation, str):
        return types.NoneType if annotation is None else annotation
    module = sys.modules.get(function.__module__)
    try:
        # The text is the program's own source.
        meaning = eval(annotation, {**vars(module or types), **names})  # noqa: S307
    except Exception as error:
        raise InvalidDefinition(
            _name(function), f"its annotation `{annotation}` has no meaning"
        ) from error
    return types.NoneType if meaning is None else meaning
