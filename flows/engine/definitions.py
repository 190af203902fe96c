"""Reading functions: which shape they have, what they need, what cannot work."""

import inspect
import sys
import types
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import Any, TypeVar, get_args, get_origin

from flows.engine.context import Context
from flows.engine.errors import InvalidDefinition
from flows.engine.markers import Marker, read
from flows.engine.nodes import (
    Atom,
    Bound,
    Flow,
    Node,
    Per,
    Resource,
    Shape,
    Tag,
    Want,
    is_resource,
    is_tag,
)
from flows.engine.parsing import accepted, typed

T = TypeVar("T")

EVERYTHING = (Atom, Tag, Resource, Flow)


def name_of(function: Callable[..., Any]) -> str:
    """What a function is called, also one that is an object."""
    return getattr(function, "__name__", type(function).__name__)


def shape_of(function: Callable[..., Any]) -> Shape:
    """Which of the four shapes a function has."""
    if inspect.isasyncgenfunction(function):
        return Shape.ASYNC_GENERATOR
    if inspect.iscoroutinefunction(function):
        return Shape.ASYNC
    return Shape.GENERATOR if inspect.isgeneratorfunction(function) else Shape.PLAIN


def define_atom(function: Callable[..., Any]) -> Atom[Any]:
    """An atom; it may need atoms and tags."""
    name = name_of(function)
    wants = wants_of(name, parameters(function), (Atom, Tag), "an atom needs atoms and tags only")
    return Atom(name, function, shape_of(function), wants)


def define_resource(function: Callable[..., Any], per: Per) -> Resource[Any]:
    """A resource; one per context cannot need one per execution."""
    name = name_of(function)
    if per not in ("context", "exec"):
        raise InvalidDefinition(name, f"`per` is 'context' or 'exec', not {per!r}")
    wants = wants_of(name, parameters(function), EVERYTHING, "")
    for want in wants:
        if is_resource(want.node) and want.node.per == "exec" != per:
            raise InvalidDefinition(
                f"{name}({want.name})",
                f"{want.node.name} is made once per execution, {name} once per context: it would"
                " outlive what it needs; make both of the same",
            )
    return Resource(name, function, shape_of(function), wants, per)


def define_flow(
    function: Callable[..., Any],
    *,
    name: str | None,
    parse: Callable[[Any], Any] | None,
    tags: tuple[Bound, ...],
    faults: tuple[type[Exception], ...],
    names: Mapping[str, Any],
) -> Flow[Any, Any]:
    """A flow; `names` are those that annotations may use beside the module's."""
    called = name_of(function)
    streaming = shape_of(function) is Shape.ASYNC_GENERATOR
    if not streaming and shape_of(function) is not Shape.ASYNC:
        raise InvalidDefinition(called, "a flow is an async function or an async generator")
    first, rest = context_and_rest(called, parameters(function))
    wants = wants_of(called, rest, EVERYTHING, "")
    input_type = input_of(called, function, first, names)
    output_type = output_of(called, function, names, streaming=streaming)
    return Flow(
        name or called,
        function,
        wants,
        input_type=input_type,
        output_type=output_type,
        parse=parse or typed(input_type),
        accepts=accepted(input_type),
        streaming=streaming,
        tags=tuple(tags),
        faults=tuple(faults),
        summary=(inspect.getdoc(function) or "").partition("\n")[0],
    )


def replace_body(flow: Flow[Any, Any], function: Callable[..., Any]) -> Flow[Any, Any]:
    """`flow` with another body: of the same shape, with markers or with the same parameters."""
    called = name_of(function)
    if shape_of(function) is not flow.shape:
        raise InvalidDefinition(
            called, f"{flow.name} is an {flow.shape.value}, what replaces it must be one too"
        )
    _, rest = context_and_rest(called, parameters(function))
    given = {want.name: want for want in flow.wants}
    wants = (
        given[each.name]
        if each.default is each.empty and each.name in given
        else want_of(called, each, EVERYTHING, "")
        for each in rest
    )
    return Flow(
        flow.name,
        function,
        tuple(wants),
        input_type=flow.input_type,
        output_type=flow.output_type,
        parse=flow.parse,
        accepts=flow.accepts,
        streaming=flow.streaming,
        tags=flow.tags,
        faults=flow.faults,
        summary=flow.summary,
        replaces=flow.replaces or flow,
    )


def parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of a function."""
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise InvalidDefinition(repr(function), "is no function whose parameters show") from error


def context_and_rest(
    name: str, given: list[inspect.Parameter]
) -> tuple[inspect.Parameter, list[inspect.Parameter]]:
    """A flow's first parameter, which is its context, and the others."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if not given or given[0].kind not in positional:
        raise InvalidDefinition(name, "a flow takes its context first: `ctx: Context[…]`")
    return given[0], given[1:]


def wants_of(
    name: str, given: list[inspect.Parameter], kinds: tuple[type[Node], ...], rule: str
) -> tuple[Want, ...]:
    """What the parameters say is needed; `rule` explains why a node is not of `kinds`."""
    return tuple(want_of(name, each, kinds, rule) for each in given)


def want_of(name: str, given: inspect.Parameter, kinds: Collection[type[Node]], rule: str) -> Want:
    """What one parameter says is needed."""
    subject = f"{name}({given.name})"
    if given.kind is not inspect.Parameter.KEYWORD_ONLY:
        raise InvalidDefinition(subject, "a dependency is a keyword-only parameter: put it after *")
    if type(given.default) is not Marker:
        raise InvalidDefinition(subject, "says not what it needs: give it a default `need(…)`")
    how, node = read(given.default)
    if not isinstance(node, Node):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidDefinition(subject, f"{node!r} is no atom, port, resource, tag or flow")
    if how != "need" and not is_tag(node):
        raise InvalidDefinition(subject, f"`{how}` is for tags, and {node.name} is a {node.kind}")
    if not isinstance(node, tuple(kinds)):
        raise InvalidDefinition(subject, f"{node.name} is a {node.kind}, and {rule}")
    return Want(given.name, how, node)


def input_of(
    name: str,
    function: Callable[..., Any],
    given: inspect.Parameter,
    names: Mapping[str, Any],
) -> Any:
    """The `I` of `ctx: Context[I]`."""
    annotation = evaluated(name, function, given.annotation, names)
    if get_origin(annotation) is not Context:
        raise InvalidDefinition(
            f"{name}({given.name})", "tells not what the flow takes: annotate it `Context[…]`"
        )
    return get_args(annotation)[0]


def output_of(
    name: str, function: Callable[..., Any], names: Mapping[str, Any], *, streaming: bool
) -> Any:
    """What the flow is annotated to return; Any where it is not."""
    annotation = inspect.signature(function).return_annotation
    if annotation is inspect.Signature.empty:
        return Any
    output = evaluated(name, function, annotation, names)
    if not streaming and is_iterator(output):
        raise InvalidDefinition(
            name,
            "returns an async iterator, which would outlive its context: make it an async"
            " generator (`yield` the items)",
        )
    return types.NoneType if output is None else output


def is_iterator(annotation: Any) -> bool:
    """Whether it stands for async iterators."""
    plain = get_origin(annotation) or annotation
    return isinstance(plain, type) and issubclass(plain, AsyncIterator)


def evaluated(
    name: str, function: Callable[..., Any], annotation: Any, names: Mapping[str, Any]
) -> Any:
    """An annotation that was written or postponed as text, as what it means."""
    if not isinstance(annotation, str):
        return annotation
    module = sys.modules.get(function.__module__)
    try:
        # The text is the program's own source.
        return eval(annotation, {**vars(module or types), **names})  # noqa: S307
    except Exception as error:
        raise InvalidDefinition(name, f"its annotation `{annotation}` has no meaning") from error
