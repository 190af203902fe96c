"""The decorators that make nodes of functions, and refuse what cannot work."""

import inspect
import sys
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from typing import Any, Protocol, TypeVar, get_args, get_origin, overload

from msgspec.structs import replace

from flows.engine.bindings import Bound
from flows.engine.context import Context
from flows.engine.errors import OUTLIVES, InvalidDefinition
from flows.engine.kinds import is_resource, is_tag
from flows.engine.markers import Marker, read
from flows.engine.nodes import Atom, Flow, Node, Per, Resource, Shape, Tag, Want
from flows.engine.parsing import accepted, typed

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741


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


class MakesFlow(Protocol):
    """A decorator like `flow`."""

    @overload
    def __call__(
        self, body: Callable[[Context[I]], AsyncIterator[O]], /
    ) -> Flow[I, AsyncIterator[O]]: ...
    @overload
    def __call__(self, body: Callable[[Context[I]], Coroutine[Any, Any, O]], /) -> Flow[I, O]: ...


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
    name = _name(factory)
    wants = tuple(
        _want(name, each, (Atom, Tag), ", and an atom needs atoms and tags only")
        for each in _parameters(factory)
    )
    return Atom(name, function=factory, shape=_shape(factory), wants=wants)


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

    def define(factory: Callable[..., Any]) -> Resource[Any]:
        name = _name(factory)
        if per not in ("context", "exec"):
            raise InvalidDefinition(name, f"`per` is 'context' or 'exec', not {per!r}")
        wants = tuple(_want(name, each) for each in _parameters(factory))
        for parameter, _, node in wants:
            if is_resource(node) and node.per == "exec" != per:
                raise InvalidDefinition(
                    f"{name}({parameter})",
                    f"{node.name} is made once per execution, {name} once per context: it would"
                    " outlive what it needs; make both of the same",
                )
        return Resource(name, function=factory, shape=_shape(factory), wants=wants, per=per)

    return define if factory is None else define(factory)


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
        shape, called = _shape(body), _name(body)
        if shape not in (Shape.ASYNC, Shape.ASYNC_GENERATOR):
            raise InvalidDefinition(called, "a flow is an async function or an async generator")
        first, *rest = _with_context(called, body)
        wants = tuple(_want(called, each) for each in rest)
        # Annotations that were postponed may name what is local to where the flow is defined.
        names = sys._getframe(depth).f_locals  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        input_type = _input(called, first, _evaluated(body, first.annotation, names))
        return Flow(
            name or called,
            function=body,
            shape=shape,
            wants=wants,
            body=body,
            input_type=input_type,
            output_type=_output(body, names, streaming=shape is Shape.ASYNC_GENERATOR),
            parse=parse or typed(input_type),
            accepts=accepted(input_type),
            streaming=shape is Shape.ASYNC_GENERATOR,
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


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise InvalidDefinition(repr(function), "is no function whose parameters show") from error


def _with_context(name: str, function: Callable[..., Any]) -> list[inspect.Parameter]:
    given = _parameters(function)
    if not given or given[0].kind not in (given[0].POSITIONAL_ONLY, given[0].POSITIONAL_OR_KEYWORD):
        raise InvalidDefinition(name, "a flow takes its context first: `ctx: Context[…]`")
    return given


def _want(
    name: str, given: inspect.Parameter, kinds: tuple[type[Node], ...] = (Node,), rule: str = ""
) -> Want:
    """What one parameter says is needed; `rule` explains why a node is not of `kinds`."""
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
    if not isinstance(node, kinds):
        raise InvalidDefinition(subject, f"{node.name} is a {node.kind}{rule}")
    return Want(given.name, how, node)


def _input(name: str, given: inspect.Parameter, annotation: Any) -> Any:
    """The `I` of `ctx: Context[I]`."""
    if get_origin(annotation) is not Context:
        raise InvalidDefinition(
            f"{name}({given.name})", "tells not what the flow takes: annotate it `Context[…]`"
        )
    return get_args(annotation)[0]


def _output(function: Callable[..., Any], names: Mapping[str, Any], *, streaming: bool) -> Any:
    """What the flow is annotated to return; Any where it is not."""
    annotation = inspect.signature(function).return_annotation
    if annotation is inspect.Signature.empty:
        return Any
    output = _evaluated(function, annotation, names)
    plain = get_origin(output) or output
    if not streaming and isinstance(plain, type) and issubclass(plain, AsyncIterator):
        raise InvalidDefinition(_name(function), OUTLIVES)
    return types.NoneType if output is None else output


def _evaluated(function: Callable[..., Any], annotation: Any, names: Mapping[str, Any]) -> Any:
    """An annotation that was written or postponed as text, as what it means."""
    if not isinstance(annotation, str):
        return annotation
    module = sys.modules.get(function.__module__)
    try:
        # The text is the program's own source.
        return eval(annotation, {**vars(module or types), **names})  # noqa: S307
    except Exception as error:
        raise InvalidDefinition(
            _name(function), f"its annotation `{annotation}` has no meaning"
        ) from error
