"""Presets: P1 to P3."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from flows.engine import (
    Context,
    Extension,
    InvalidDefinition,
    InvalidInput,
    MissingDependency,
    Port,
    Scope,
    Tag,
    atom,
    flow,
    need,
    preset,
    resource,
)


@atom
def number() -> int:
    raise AssertionError("preset")


@resource
def thing(*, number: int = need(number)) -> Any:
    return number


@flow
async def story(
    ctx: Context[int], *, number: int = need(number), thing: Any = need(thing)
) -> tuple[int, Any]:
    return number, thing


@flow
async def numbers(ctx: Context[int]) -> AsyncIterator[int]:
    yield ctx.input


async def test_p1_a_value() -> None:
    """A value replaces a node for all that depend on it, and the factory never runs."""
    async with Scope(presets=[preset(number, 7)]) as scope:
        assert await scope.run(story, 0) == (7, 7)
        assert await scope.resolve(number) == 7
        async with scope.create_context() as ctx:
            assert await ctx.resolve(number) == 7


@pytest.mark.parametrize("value", [None, print, lambda: 1])
async def test_p1_any_value(value: Any) -> None:
    """None and functions are values too."""
    port = Port[Any]("port")

    @flow
    async def get(ctx: Context[None], *, port: Any = need(port)) -> Any:
        return port

    async with Scope(presets=[preset(port, value), preset(thing, value)]) as scope:
        assert await scope.run(get) is value
        async with scope.create_context() as ctx:
            assert await ctx.resolve(thing) is value


async def test_p2_a_node() -> None:
    """A node replaces one of its kind, with what it needs itself."""
    word = Tag[int]("word")

    @atom
    def other(*, word: int = need(word)) -> int:
        return word

    @resource
    async def other_thing(*, number: int = need(number)) -> AsyncIterator[Any]:
        yield -number

    presets = [preset(number, other), preset(thing, other_thing)]
    async with Scope(presets=presets, tags=[word(5)]) as scope:
        assert await scope.run(story, 0) == (5, -5)
        assert await scope.resolve(number) == 5


async def test_p2_a_flow_by_a_flow() -> None:
    """A flow replaces a flow, also where it is called by its handle."""

    @flow
    async def outer(ctx: Context[int], *, story: Any = need(story)) -> Any:
        return await story(ctx.input)

    @flow
    async def other(ctx: Context[int]) -> tuple[int, Any]:
        return ctx.input, ctx.name

    async with Scope(presets=[preset(story, other)]) as scope:
        assert await scope.run(outer, 3) == (3, "other")


async def test_p2_a_flow_by_a_function() -> None:
    """An async function replaces a flow's body: parsing and name stay those of the flow."""
    calls: list[Any] = []

    class Calls(Extension):
        async def wrap_exec(self, call: Any, next: Any) -> Any:
            calls.append((call.flow, call.name))
            return await next()

    async def fake(ctx: Context[int]) -> tuple[int, Any]:
        return ctx.input, "fake"

    async def with_marker(ctx: Any, *, it: int = need(number)) -> tuple[int, Any]:
        return ctx.input, it

    async def same_shape(ctx: Any, *, number: int, thing: Any) -> tuple[int, Any]:
        return number, thing

    async with Scope(presets=[preset(story, fake)], extensions=[Calls()]) as scope:
        assert await scope.run(story, 1) == (1, "fake")
        assert await scope.run_raw(story, 2) == (2, "fake")
        with pytest.raises(InvalidInput, match="story: Expected `int`, got `str`"):
            await scope.run_raw(story, "x")
        with pytest.raises(InvalidInput):
            await scope.run(story, "x")  # type: ignore[misc]
    assert calls == [(story, "story")] * 4
    fakes: list[Any] = [with_marker, same_shape]
    for function, expected in zip(fakes, [(1, 4), (4, 4)], strict=True):
        async with Scope(presets=[preset(story, function), preset(number, 4)]) as scope:
            assert await scope.run(story, 1) == expected


async def test_p2_a_streaming_flow() -> None:
    """A streaming flow is replaced by a streaming flow or an async generator."""

    async def fake(ctx: Context[int]) -> AsyncIterator[int]:
        yield -ctx.input

    async with (
        Scope(presets=[preset(numbers, fake)]) as scope,
        scope.create_context() as ctx,
        ctx.stream(numbers, 1) as items,
    ):
        assert [item async for item in items] == [-1]


async def test_p3_the_last_one_wins() -> None:
    """The last preset of a node wins; presets of presets are followed."""

    @atom
    def other() -> int:
        return 1

    presets = [preset(number, 1), preset(number, other), preset(other, 3)]
    async with Scope(presets=presets) as scope:
        assert await scope.resolve(number) == 3


def test_p3_refused_presets() -> None:
    """A preset that cannot work is refused when the scope is made, and says why."""

    @atom
    def other() -> int:
        return 1

    @resource(per="exec")
    def momentary() -> Any:
        return 1

    async def wrong_shape(ctx: Context[int]) -> AsyncIterator[int]:
        yield 1

    async def unmarked(ctx: Context[int], *, x: int) -> tuple[int, Any]:
        return x, x

    async def nothing() -> tuple[int, Any]:
        return 1, 1

    async def wanting(ctx: Context[int]) -> tuple[int, Any]:
        return 1, 1

    tag = Tag[int]("tag")
    cases: list[tuple[list[tuple[Any, Any]], str]] = [
        ([(number, number)], r"preset\(number, …\): it would stand in for itself"),
        ([(story, story)], "stand in for itself"),
        ([(3, 4)], "preset"),
        ([(tag, 4)], r"preset\(tag, …\)"),
        ([(number, other), (other, number)], "ring: number -> other -> number"),
        ([(number, thing)], "number is a atom|number is an atom"),
        ([(number, tag)], "tag"),
        ([(thing, other)], "other"),
        ([(thing, momentary)], "per context, momentary per exec"),
        ([(story, numbers)], "streams"),
        ([(story, wrong_shape)], "async function"),
        ([(story, unmarked)], r"unmarked\(x\)"),
        ([(story, nothing)], "context first"),
        ([(story, 3)], "a flow is replaced by"),
        ([(numbers, wanting)], "async generator"),
    ]
    for pairs, message in cases:
        with pytest.raises(InvalidDefinition, match=message):
            Scope(presets=[preset(node, replacement) for node, replacement in pairs])


async def test_a_preset_port() -> None:
    """A port stands in for a port; the one in the end must be preset."""
    one, two = Port[int]("one"), Port[int]("two")
    async with Scope(presets=[preset(one, two)]) as scope:
        with pytest.raises(MissingDependency, match="two"):
            await scope.resolve(one)
    async with Scope(presets=[preset(one, two), preset(two, 2)]) as scope:
        assert await scope.resolve(one) == 2
