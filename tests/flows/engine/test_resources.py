"""Resources: R1 to R5."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from flows.engine import (
    Context,
    Extension,
    Handle,
    InvalidDefinition,
    Scope,
    Tag,
    flow,
    need,
    resource,
)
from flows.engine.nodes import Node

Log = list[Any]

NOTHING: tuple[int, ...] = ()


async def test_r1_one_per_boundary() -> None:
    """All executions of a boundary share a resource; a nested boundary has its own."""

    @resource
    def thing() -> object:
        return object()

    @flow
    async def get(ctx: Context[None], *, thing: object = need(thing)) -> object:
        return thing

    async with Scope() as scope, scope.create_context() as ctx:
        one = await ctx.exec(get)
        assert one is await ctx.exec(get)
        assert one is await ctx.resolve(thing)
        async with ctx.create_context() as nested:
            assert one is not await nested.exec(get)
        assert one is not await scope.run(get)


async def test_r1_a_context_is_a_value() -> None:
    """A resource whose value is a context is made once like any other."""

    @resource
    async def other() -> AsyncIterator[Context[None]]:
        async with scope.create_context() as opened:
            yield opened

    @flow
    async def get(ctx: Context[None], *, other: Context[None] = need(other)) -> Context[None]:
        return other

    async with Scope() as scope, scope.create_context() as ctx:
        first = await ctx.exec(get)
        assert await ctx.exec(get) is first
        assert await ctx.resolve(other) is first


async def test_r1_asked_for_concurrently() -> None:
    """Two concurrent executions that ask first get one value."""
    made: Log = []
    gate = asyncio.Event()

    @resource
    async def thing() -> AsyncIterator[object]:
        made.append("thing")
        await gate.wait()
        yield object()

    @flow
    async def get(ctx: Context[None], *, thing: object = need(thing)) -> object:
        return thing

    async with Scope() as scope, scope.create_context() as ctx:
        uses = [asyncio.create_task(ctx.exec(get)) for _ in range(3)]
        await asyncio.sleep(0)
        gate.set()
        one, two, three = await asyncio.gather(*uses)
    assert one is two is three
    assert made == ["thing"]


async def test_r1_the_first_asker_is_cancelled() -> None:
    """If the first asker is cancelled, the others still get the resource, and one only."""
    log: Log = []
    gate = asyncio.Event()

    @resource
    async def thing() -> AsyncIterator[object]:
        log.append("begin")
        await gate.wait()
        value = object()
        yield value
        log.append("release")

    @flow
    async def get(ctx: Context[None], *, thing: object = need(thing)) -> object:
        return thing

    async with Scope() as scope, scope.create_context() as ctx:
        uses = [asyncio.create_task(ctx.exec(get)) for _ in range(4)]
        await asyncio.sleep(0)
        uses[0].cancel()
        uses[3].cancel()
        gate.set()
        zero, one, two, three = await asyncio.gather(*uses, return_exceptions=True)
        assert isinstance(zero, asyncio.CancelledError)
        assert isinstance(three, asyncio.CancelledError)
        assert one is two
    assert log == ["begin", "begin", "release"]


async def test_r1_askers_wait_for_whoever_makes_it() -> None:
    """When the first asker gives up, one of the others makes the resource, and the rest wait."""
    gates = [asyncio.Event(), asyncio.Event()]
    made: Log = []

    @resource
    async def thing() -> object:
        made.append("thing")
        await gates[len(made) - 1].wait()
        return object()

    async with Scope() as scope, scope.create_context() as ctx:
        uses = [asyncio.create_task(ctx.resolve(thing)) for _ in range(4)]
        await asyncio.sleep(0)
        uses[0].cancel()
        while len(made) < 2:  # noqa: ASYNC110 - a few turns of the loop
            await asyncio.sleep(0)
        for _ in range(3):
            await asyncio.sleep(0)
        gates[1].set()
        _, *values = await asyncio.gather(*uses, return_exceptions=True)
    assert len(set(values)) == 1
    assert made == ["thing", "thing"]


async def test_r1_concurrent_askers_of_a_failure() -> None:
    """Concurrent askers of a resource that fails get the same error."""
    error = ValueError("thing")

    @resource
    async def thing() -> int:
        await asyncio.sleep(0)
        raise error

    async with Scope() as scope, scope.create_context() as ctx:
        uses = [ctx.resolve(thing), ctx.resolve(thing)]
        assert [error, error] == list[object](await asyncio.gather(*uses, return_exceptions=True))


async def test_r2_one_per_execution() -> None:
    """A per-exec resource is seen by what an execution nests, not by siblings, and ends with it."""
    log: Log = []

    @resource(per="exec")
    def own() -> Iterator[object]:
        log.append("open")
        yield object()
        log.append("release")

    @flow
    async def inner(ctx: Context[None], *, own: object = need(own)) -> object:
        return own

    @flow
    async def between(ctx: Context[None], *, inner: Handle[None, object] = need(inner)) -> object:
        return await inner()

    @flow
    async def outer(
        ctx: Context[None],
        *,
        own: object = need(own),
        between: Handle[None, object] = need(between),
    ) -> object:
        assert await between() is own
        assert await ctx.resolve(own_node) is own
        log.append("body")
        return own

    own_node = own
    async with Scope() as scope, scope.create_context() as ctx:
        one = await ctx.exec(outer)
        assert log == ["open", "body", "release"]
        assert one is not await ctx.exec(outer)
        assert await ctx.exec(between) is not await ctx.exec(between)


async def test_r3_where_tags_are_read() -> None:
    """A boundary's resource reads the boundary's tags, a per-exec one those of its execution."""
    word = Tag[str]("word")

    @resource
    def lasting(*, word: str = need(word)) -> str:
        return word

    @resource(per="exec")
    def momentary(*, word: str = need(word)) -> str:
        return word

    @flow
    async def both(
        ctx: Context[None], *, lasting: str = need(lasting), momentary: str = need(momentary)
    ) -> tuple[str, str]:
        return lasting, momentary

    async with Scope() as scope:
        async with scope.create_context(word("boundary")) as ctx:
            assert await ctx.exec(both, tags=[word("exec")]) == ("boundary", "exec")
        assert await scope.run(both, tags=[word("run")]) == ("run", "run")


def test_r3_a_lasting_resource_cannot_need_a_momentary_one() -> None:
    """A boundary resource that needs a per-exec one is refused when it is defined."""

    @resource(per="exec")
    def momentary() -> int:
        return 1

    with pytest.raises(InvalidDefinition, match=r"lasting\(x\): momentary is made once per exec"):

        @resource
        def lasting(*, x: int = need(momentary)) -> int:
            return x


async def test_r4_a_failing_factory() -> None:
    """A failing factory fails the execution, and is tried again on the next use."""
    errors = [ValueError("first")]

    @resource
    async def thing() -> int:
        if errors:
            raise errors.pop()
        return 1

    @flow
    async def get(ctx: Context[None], *, thing: int = need(thing)) -> int:
        return thing

    async with Scope() as scope, scope.create_context() as ctx:
        with pytest.raises(ValueError, match="first"):
            await ctx.exec(get)
        assert await ctx.exec(get) == 1


@pytest.mark.parametrize("asked", ["run", "resolve"])
async def test_r4_a_generator_without_a_yield(asked: str) -> None:
    """A resource that yields nothing says so, and is tried again on the next use."""
    tries: Log = []

    @resource
    async def empty() -> AsyncIterator[int]:
        tries.append("try")
        for each in NOTHING:
            yield each

    @flow
    async def get(ctx: Context[None], *, empty: int = need(empty)) -> int:
        return empty

    async with Scope() as scope, scope.create_context() as ctx:
        for _ in range(2):
            with pytest.raises(InvalidDefinition, match="empty: ended without a `yield`"):
                await (ctx.exec(get) if asked == "run" else ctx.resolve(empty))
    assert tries == ["try", "try"]


async def test_r4_concurrent_failures_at_first_use() -> None:
    """Executions that wait for a resource another one fails to make get its error."""
    error = ValueError("thing")

    @resource
    async def thing() -> AsyncIterator[int]:
        await asyncio.sleep(0)
        for _ in ():
            yield 1
        raise error

    @flow
    async def get(ctx: Context[None], *, thing: int = need(thing)) -> int:
        return thing

    async with Scope() as scope, scope.create_context() as ctx:
        uses = [ctx.exec(get), ctx.exec(get)]
        assert [error, error] == list[object](await asyncio.gather(*uses, return_exceptions=True))


@pytest.mark.parametrize("first", ["above", "below"])
async def test_r5_a_dependent_goes_first(first: str) -> None:
    """A resource is released before what it depends on, whichever was asked for first."""
    log: Log = []

    @resource
    async def below() -> AsyncIterator[int]:
        yield 1
        log.append("below")

    @resource
    def above(*, below: int = need(below)) -> Iterator[int]:
        yield below
        log.append("above")

    async with Scope() as scope, scope.create_context() as ctx:
        await ctx.resolve(above if first == "above" else below)
        await ctx.resolve(below if first == "above" else above)
    assert log == ["above", "below"]


async def test_a_resource_with_a_handle() -> None:
    """A resource may need a flow; its handle is bound to the context the resource belongs to."""

    @flow
    async def number(ctx: Context[int]) -> int:
        return ctx.input

    @resource
    async def thing(*, number: Handle[int, int] = need(number)) -> int:
        return await number(3)

    async with Scope() as scope, scope.create_context() as ctx:
        assert await ctx.resolve(thing) == 3
        assert await (await ctx.resolve(number))(4) == 4


async def test_a_resource_needed_twice() -> None:
    """A node that two parameters ask for is given to both."""

    @resource
    def thing() -> object:
        return object()

    @resource
    def above(*, a: object = need(thing), b: object = need(thing)) -> bool:
        return a is b

    @flow
    async def twice(
        ctx: Context[None],
        *,
        a: object = need(thing),
        b: object = need(thing),
        c: bool = need(above),
    ) -> bool:
        return a is b and c

    async with Scope() as scope:
        assert await scope.run(twice)


async def test_a_resource_that_spawns_what_needs_it() -> None:
    """Work that a factory spawns may need the very resource: it waits for it, which is no cycle."""
    contexts: list[Context[Any]] = []

    @resource
    async def thing() -> int:
        contexts[0].spawn(uses_it)
        await asyncio.sleep(0)
        return 1

    @flow
    async def uses_it(ctx: Context[None], *, thing: int = need(thing)) -> None:
        log.append(thing)

    log: Log = []
    async with Scope() as scope, scope.create_context() as ctx:
        contexts.append(ctx)
        assert await ctx.resolve(thing) == 1
        while not log:  # noqa: ASYNC110 - a few turns of the loop
            await asyncio.sleep(0)
    assert log == [1]


async def test_resolving_in_an_extension() -> None:
    """A resource whose making an extension encloses is released like any other."""
    log: Log = []

    class Logs(Extension):
        async def wrap_resolve(self, node: Node, next: Any) -> Any:
            log.append(node.name)
            return await next()

    @resource
    async def thing() -> AsyncIterator[int]:
        yield 1
        log.append("release")

    async with Scope(extensions=[Logs()]) as scope, scope.create_context() as ctx:
        assert await ctx.resolve(thing) == 1
        assert await ctx.resolve(thing) == 1
    assert log == ["thing", "release"]
