"""Flows: F1 to F10."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Annotated, Any, Literal, NamedTuple, NewType, Protocol, TypedDict

import pytest
from msgspec import Meta, Raw, Struct

from flows.engine import (
    Closed,
    Context,
    EngineError,
    Extension,
    Handle,
    InvalidDefinition,
    InvalidInput,
    MissingDependency,
    Outcome,
    Scope,
    Tag,
    atom,
    every,
    flow,
    maybe,
    need,
    resource,
    typed,
)


class Say(Struct, forbid_unknown_fields=True):
    text: str

    def __post_init__(self) -> None:
        if self.text == "bad":
            raise ValueError("Expected no bad words - at `$.text`")


class Nested(Struct):
    say: list[Say]


@flow
async def say(ctx: Context[Say]) -> str:
    """Say it again.

    Loudly.
    """
    return ctx.input.text.upper()


async def test_f1_the_order_of_an_execution() -> None:
    """Parse, dependencies, body, close of the child: all before the value is returned."""
    log: list[str] = []

    def parse(raw: str) -> str:
        log.append("parse")
        return raw

    @resource(per="exec")
    def dependency() -> Iterator[int]:
        log.append("open")
        yield 1
        log.append("release")

    @flow(parse=parse)
    async def story(ctx: Context[str], *, dependency: int = need(dependency)) -> str:
        log.append("body")
        ctx.on_close(lambda outcome: log.append("close"))
        return ctx.input

    async with Scope() as scope, scope.create_context() as ctx:
        assert await ctx.exec_raw(story, "raw") == "raw"
        log.append("returned")
    assert log == ["parse", "open", "body", "close", "release", "returned"]


async def test_f2_a_value_is_not_parsed() -> None:
    """`exec` takes a value as it is; `exec_raw` and `run_raw` make it of raw data."""

    @flow
    async def same(ctx: Context[Say]) -> Say:
        return ctx.input

    value = Say("x")
    async with Scope() as scope:
        assert await scope.run(same, value) is value
        assert await scope.run_raw(same, {"text": "x"}) == value
        assert await scope.run_raw(same, Raw(b'{"text": "x"}')) == value


async def test_f2_a_value_of_another_type() -> None:
    """A value of another type is an InvalidInput that names both types."""
    async with Scope() as scope:
        with pytest.raises(InvalidInput) as caught:
            await scope.run(say, {"text": "x"})  # type: ignore[misc]
    error = caught.value
    assert (error.flow, error.path, error.reason) == ("say", "$", "Expected `Say`, got `dict`")


class Row(TypedDict):
    a: int


class Pair(NamedTuple):
    a: int


class Shaped(Protocol):
    a: int


Id = NewType("Id", int)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (int | None, [1, None], ["x"]),
        (list[int], [[1]], [(1,)]),
        (Annotated[str, Meta(max_length=3)], ["abc"], [1]),
        (Literal["a", 1], ["a", 1], [1.5]),
        (float, [1.5, 1], ["1"]),
        (Id, [1], ["x"]),
        (Row, [{"a": 1}], [[]]),
        (Pair, [Pair(1)], [1]),
        (Shaped, [object()], []),
        (Any, [object()], []),
        (None, [None], [0]),
    ],
)
async def test_f2_types_that_are_no_classes(kind: Any, good: list[Any], bad: list[Any]) -> None:
    """Whatever can be told of a type at run time is checked, and nothing beyond."""

    async def body(ctx: Any) -> Any:
        return ctx.input

    body.__annotations__["ctx"] = Context[kind]
    given = flow(body)
    async with Scope() as scope:
        for value in good:
            assert await scope.run(given, value) is value
        for value in bad:
            with pytest.raises(InvalidInput):
                await scope.run(given, value)


@pytest.mark.parametrize(
    ("raw", "path", "reason"),
    [
        ({"text": 3}, "$.text", "Expected `str`, got `int`"),
        ({}, "$.text", "Object missing required field `text`"),
        ({"text": "x", "colour": 1}, "$.colour", "Object contains unknown field `colour`"),
        ([], "$", "Expected `object`, got `array`"),
        ({"text": "bad"}, "$.text", "Expected no bad words"),
        (Raw(b'{"text": 3}'), "$.text", "Expected `str`, got `int`"),
        (Raw(b"{"), "$", "Input data was truncated"),
    ],
)
async def test_f3_a_parse_failure(raw: Any, path: str, reason: str) -> None:
    """Raw data that is wrong is an InvalidInput with flow, path and reason."""
    async with Scope() as scope:
        with pytest.raises(InvalidInput) as caught:
            await scope.run_raw(say, raw)
    error = caught.value
    assert (error.flow, error.path, error.reason) == ("say", path, reason)
    assert str(error) == f"say: {reason} - at `{path}`"


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ({"say": [{"text": "x"}, {"text": "bad"}]}, "$.say[1].text"),
        ({"say": [{}]}, "$.say[0].text"),
        ({"say": [{"text": 1}]}, "$.say[0].text"),
    ],
)
def test_f3_paths_of_parts(raw: Any, path: str) -> None:
    """The path leads to the very part, also where a part's own check names one."""
    with pytest.raises(InvalidInput) as caught:
        typed(Nested)(raw)
    assert ("Nested", path) == (caught.value.flow, caught.value.path)


class Tree(Struct):
    below: "list[Tree]" = []


@pytest.mark.parametrize("raw", [Raw(b'{"below":[' * 100_000), b"nested"])
async def test_f3_nested_too_deeply(raw: Any) -> None:
    """Raw data that is nested deeper than can be decoded is an InvalidInput of the whole."""
    if raw == b"nested":
        raw = {}
        for _ in range(100_000):
            raw = {"below": [raw]}

    @flow
    async def count(ctx: Context[Tree]) -> None: ...

    async with Scope() as scope:
        with pytest.raises(InvalidInput) as caught:
            await scope.run_raw(count, raw)
    assert (caught.value.path, caught.value.reason) == ("$", "Nested too deeply")


@pytest.mark.parametrize(
    ("error", "reason"), [(ValueError("odd - at `$.x`"), "odd"), (KeyError(), "KeyError")]
)
async def test_f3_a_parser_of_ones_own(error: Exception, reason: str) -> None:
    """Whatever a flow's own parser raises is an InvalidInput caused by it."""

    def parse(raw: object) -> Say:
        raise error

    @flow(parse=parse)
    async def odd(ctx: Context[Say]) -> None: ...

    async with Scope() as scope:
        with pytest.raises(InvalidInput) as caught:
            await scope.run_raw(odd, 1)
    assert (caught.value.flow, caught.value.reason) == ("odd", reason)
    assert caught.value.__cause__ is error


async def test_f3_nothing_runs_and_extensions_see_it() -> None:
    """After a parse failure neither dependencies nor the body run; extensions see the error."""
    log: list[object] = []

    class Sees(Extension):
        async def wrap_exec(self, call: Any, next: Any) -> Any:
            try:
                return await next()
            except InvalidInput as error:
                log.append((call.name, call.raw, call.input, error.path))
                raise

    @atom
    def dependency() -> int:
        log.append("dependency")
        return 1

    @flow
    async def story(ctx: Context[Say], *, dependency: int = need(dependency)) -> None:
        log.append("body")

    async with Scope(extensions=[Sees()]) as scope:
        with pytest.raises(InvalidInput):
            await scope.run_raw(story, {"text": 1})
    assert log == [("story", {"text": 1}, None, "$.text")]


async def test_f4_the_same_error() -> None:
    """An error that the body raises reaches the caller as the same object."""
    error = LookupError("body")

    @flow
    async def fails(ctx: Context[None]) -> None:
        raise error

    async with Scope() as scope:
        with pytest.raises(LookupError) as caught:
            await scope.run(fails)
    assert caught.value is error


async def test_f5_handles() -> None:
    """A handle's flow is untouched until it is called; each call is an execution of its own."""
    log: list[object] = []

    @atom
    def costly() -> int:
        log.append("costly")
        return 1

    @flow
    async def inner(ctx: Context[int], *, costly: int = need(costly)) -> int:
        log.append(ctx)
        return ctx.input + costly

    @flow
    async def outer(ctx: Context[None], *, inner: Handle[int, int] = need(inner)) -> list[int]:
        assert log == []
        assert repr(inner) == "<handle inner>"
        return [await inner(1), await inner(2)]

    async with Scope() as scope:
        assert await scope.run(outer) == [2, 3]
    _, one, two = log
    assert isinstance(one, Context)
    assert isinstance(two, Context)
    assert one is not two
    assert one.parent is two.parent
    assert (one.name, one.parent and one.parent.name) == ("inner", "outer")


async def test_f5_a_handle_after_its_context() -> None:
    """A handle used after its context has closed raises Closed."""
    kept: list[Handle[None, None]] = []

    @flow
    async def inner(ctx: Context[None]) -> None: ...

    @flow
    async def outer(ctx: Context[None], *, inner: Handle[None, None] = need(inner)) -> None:
        kept.append(inner)

    async with Scope() as scope:
        await scope.run(outer)
        with pytest.raises(Closed, match="outer"):
            await kept[0]()


class NoSignature:
    """Callable, but nothing tells how."""

    __signature__ = "nonsense"

    def __call__(self) -> None: ...


def test_f6_definitions_are_checked() -> None:  # noqa: C901 - a list of what cannot work
    """What cannot work is refused by the decorator, naming the function and the parameter."""
    some = Tag[int]("some")

    @atom
    def value() -> int:
        return 1

    @resource(per="exec")
    def momentary() -> int:
        return 1

    async def unmarked(ctx: Context[None], *, x: int) -> None: ...
    async def defaulted(ctx: Context[None], *, x: int = 3) -> None: ...
    async def positional(ctx: Context[None], x: int = need(value)) -> None: ...
    async def no_node(ctx: Context[None], *, x: Any = need(3)) -> None: ...  # type: ignore[call-overload]
    async def maybe_atom(ctx: Context[None], *, x: Any = maybe(value)) -> None: ...  # type: ignore[call-overload]
    async def every_atom(ctx: Context[None], *, x: Any = every(value)) -> None: ...  # type: ignore[call-overload]
    async def rest(ctx: Context[None], **rest: int) -> None: ...
    async def no_annotation(ctx) -> None: ...  # type: ignore[no-untyped-def]
    async def bare(ctx: Context) -> None: ...  # type: ignore[type-arg]
    async def not_a_context(ctx: int) -> None: ...
    async def nothing() -> None: ...
    async def keyword_only(*, ctx: Context[None]) -> None: ...
    async def unknown(ctx: "Context[Nowhere]") -> None: ...  # type: ignore[name-defined]  # noqa: F821
    def sync(ctx: Context[None]) -> None: ...
    def takes(x: int) -> int:
        return x

    def lasting(*, x: int = need(momentary)) -> int:
        return x

    def wrongly() -> int:
        return 1

    cases: list[tuple[Any, Any, str]] = [
        (flow, unmarked, r"unmarked\(x\): .*need"),
        (flow, defaulted, r"defaulted\(x\)"),
        (flow, positional, r"positional\(x\): .*keyword-only"),
        (flow, no_node, r"no_node\(x\): 3 is no atom"),
        (flow, maybe_atom, r"maybe_atom\(x\): `maybe` is for tags"),
        (flow, every_atom, r"every_atom\(x\): `every` is for tags"),
        (flow, rest, r"rest\(rest\)"),
        (flow, no_annotation, r"no_annotation\(ctx\)"),
        (flow, bare, r"bare\(ctx\)"),
        (flow, not_a_context, r"not_a_context\(ctx\)"),
        (flow, nothing, "nothing: .*context first"),
        (flow, keyword_only, "keyword_only: .*context first"),
        (flow, unknown, r"unknown: .*Context\[Nowhere\]"),
        (flow, sync, "sync: .*async"),
        (atom, takes, r"takes\(x\): .*keyword-only"),
        (atom, NoSignature(), "no function whose parameters show"),
        (resource, lasting, r"lasting\(x\): momentary is made once per execution"),
        (resource(per="day"), wrongly, "`per` is"),  # type: ignore[call-overload]
    ]
    for decorator, function, message in cases:
        with pytest.raises(InvalidDefinition, match=message):
            decorator(function)
    assert some.name == "some"


def test_f6_postponed_annotations() -> None:
    """Annotations written as text may name what is local to where the flow is defined."""

    class Local(Struct):
        x: int

    @flow()
    async def one(ctx: "Context[Local]") -> "Local":
        return ctx.input

    @flow
    async def two(ctx: "Context[Local]") -> "Local":
        return ctx.input

    assert [one.input_type, two.output_type] == [Local, Local]


USES: list[Any] = [
    lambda it: it.title,
    lambda it: it(),
    lambda it: it[0],
    lambda it: bool(it),
    lambda it: len(it),
    lambda it: list(it),
    lambda it: next(it),
    lambda it: 1 in it,
    lambda it: it == 1,
    lambda it: it < 1,
    lambda it: it + 1,
    lambda it: 1 + it,
    lambda it: -it,
    lambda it: f"{it}",
    lambda it: str(it),
    lambda it: int(it),
    lambda it: hash(it),
    lambda it: setattr(it, "x", 1),
    lambda it: it.__enter__(),
    lambda it: it.__await__(),
    lambda it: it.__aiter__(),
    lambda it: it.__aenter__(),
]


@pytest.mark.parametrize("use", USES)
def test_f7_an_escaped_marker(use: Any) -> None:
    """A marker that escaped raises on first use, whatever that is, and names what is missing."""

    @atom
    def sessions() -> int:
        return 1

    marker = need(sessions)
    assert repr(marker) == "need(sessions)"
    with pytest.raises(MissingDependency, match="sessions") as caught:
        use(marker)
    assert caught.value.node is sessions


async def test_f7_the_plain_function() -> None:
    """A flow's body works with explicit arguments, and needs of its context its input only."""

    @atom
    def number() -> int:
        return 1

    @flow
    async def add(ctx: Context[int], *, number: int = need(number)) -> int:
        return ctx.input + number

    assert await add.body(SimpleNamespace(input=1), number=2) == 3
    with pytest.raises(MissingDependency, match="number"):
        await add.body(SimpleNamespace(input=1))


async def test_f8_faults() -> None:
    """Faults are ordinary exceptions: documented on the flow, caught by class."""

    class SessionEnded(Exception):
        pass

    @flow(faults=(SessionEnded,))
    async def ends(ctx: Context[None]) -> None:
        raise SessionEnded

    assert ends.faults == (SessionEnded,)
    async with Scope() as scope:
        with pytest.raises(SessionEnded):
            await scope.run(ends)


async def test_f8_what_a_flow_carries() -> None:
    """A flow carries its name, types, faults, summary and needs for the doors."""

    @atom
    def number() -> int:
        return 1

    @flow(name="other")
    async def f(ctx: Context[Say], *, number: int = need(number)) -> int:
        return number

    @flow
    async def untyped(ctx: Context[None]):  # type: ignore[no-untyped-def]
        return 1

    assert (f.name, f.input_type, f.output_type, f.faults) == ("other", Say, int, ())
    assert (f.summary, dict(f.needs)) == ("", {"number": number})
    assert say.summary == "Say it again."
    assert (untyped.input_type, untyped.output_type) == (type(None), Any)
    assert repr(f) == "<flow other>"


async def test_f9_a_returned_stream() -> None:
    """A flow that returns an async iterator is refused: when defined if annotated so, else when
    it does."""

    async def items() -> AsyncIterator[int]:
        yield 1

    with pytest.raises(InvalidDefinition, match=r"annotated.*outlive"):

        @flow
        async def annotated(ctx: Context[None]) -> AsyncIterator[int]:
            return items()

    @flow
    async def hidden(ctx: Context[None]) -> Any:
        return items()

    async with Scope() as scope:
        with pytest.raises(InvalidDefinition, match=r"hidden.*outlive"):
            await scope.run(hidden)


async def test_f10_in_the_callers_task() -> None:
    """An execution runs in the caller's task, and makes none."""
    tasks: list[object] = []

    @resource
    async def dependency() -> AsyncIterator[int]:
        tasks.append(asyncio.current_task())
        yield 1
        tasks.append(asyncio.current_task())

    @flow
    async def here(ctx: Context[None], *, dependency: int = need(dependency)) -> int:
        tasks.append(asyncio.current_task())
        return len(asyncio.all_tasks())

    async with Scope() as scope:
        assert await scope.run(here) == len(asyncio.all_tasks())
    assert tasks == [asyncio.current_task()] * 3


async def test_what_is_no_flow() -> None:
    """Only flows can be executed."""
    async with Scope() as scope:
        with pytest.raises(EngineError, match="is no flow"):
            await scope.run(say.body, Say("x"))  # type: ignore[call-overload]


async def test_an_execution_with_a_name() -> None:
    """An execution can be given a name, for those who watch."""
    names: list[str] = []

    class Names(Extension):
        async def wrap_exec(self, call: Any, next: Any) -> Any:
            names.append(call.name)
            return await next()

        def context_closed(self, ctx: Context[Any], outcome: Outcome) -> None:
            names.append(ctx.name)

    async with Scope(extensions=[Names()]) as scope, scope.create_context() as ctx:
        await ctx.exec(say, Say("x"), name="again")
        assert repr(ctx) == "<context context>"
    assert names == ["again", "again", "context"]


class Passes(Extension):
    async def wrap_exec(self, call: Any, next: Any) -> Any:
        return await next()

    async def wrap_resolve(self, node: Any, next: Any) -> Any:
        return await next()


@pytest.mark.parametrize("extensions", [[], [Passes()]])
async def test_a_dependency_may_have_any_name(extensions: list[Extension]) -> None:
    """What the engine itself calls things is free for parameters, in every shape of function."""

    @atom
    def one() -> int:
        return 1

    @resource
    def two(*, function: int = need(one), plan: int = need(one), wraps: int = need(one)) -> int:
        return function + plan + wraps

    @resource
    def three(*, function: int = need(two), plan: int = need(two)) -> Iterator[int]:
        yield function + plan

    @resource
    async def four(*, wraps: int = need(three), plan: int = need(three)) -> AsyncIterator[int]:
        yield wraps + plan

    @flow
    async def untyped(
        it: Context[None], *, name: int = need(four), body: int = need(four), ctx: int = need(four)
    ) -> Any:
        return name + body + ctx

    @flow
    async def streams(
        it: Context[None], *, body: int = need(four), context: int = need(one)
    ) -> AsyncIterator[int]:
        yield body + context

    async with Scope(extensions=extensions) as scope, scope.create_context() as ctx:
        assert await ctx.exec(untyped) == 36
        async with ctx.stream(streams, None) as items:
            assert [each async for each in items] == [13]
