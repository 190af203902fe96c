"""Extensions: X1 to X4."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from flows.engine import (
    Call,
    Closed,
    Context,
    Extension,
    Handle,
    InvalidDefinition,
    Outcome,
    Scope,
    atom,
    flow,
    need,
    resource,
)
from flows.engine.nodes import Node

Log = list[Any]
NOTHING: tuple[int, ...] = ()


class Logs(Extension):
    def __init__(self, log: Log, name: str) -> None:
        self.log = log
        self.name = name

    async def wrap_exec(self, call: Call, next: Any) -> Any:
        self.log.append(f"{self.name} before")
        try:
            return await next()
        finally:
            self.log.append(f"{self.name} after")


@flow
async def echo(ctx: Context[int]) -> int:
    return ctx.input


async def test_x1_the_first_is_the_outermost() -> None:
    """The first extension of a scope encloses the second."""
    log: Log = []
    async with Scope(extensions=[Logs(log, "a"), Logs(log, "b")]) as scope:
        await scope.run(echo, 1)
    assert log == ["a before", "b before", "b after", "a after"]


async def test_x1_what_a_call_tells() -> None:
    """`Call` tells flow, input, raw, context, name and kind; the input only once it is parsed."""
    calls: list[tuple[Any, ...]] = []

    class Tells(Extension):
        async def wrap_exec(self, call: Call, next: Any) -> Any:
            before = call.input
            result = await next()
            told = (call.flow, before, call.input, call.raw, call.name, call.streaming)
            calls.append(told)
            assert call.ctx.parent is not None
            return result

    async with Scope(extensions=[Tells()]) as scope:
        await scope.run(echo, 1)
        await scope.run_raw(echo, 2)
    assert calls == [(echo, 1, 1, None, "echo", False), (echo, None, 2, 2, "echo", False)]


async def test_x1_a_failed_commit_is_seen() -> None:
    """`wrap_exec` encloses the close: it sees a commit that fails."""
    seen: Log = []

    class Sees(Extension):
        async def wrap_exec(self, call: Call, next: Any) -> Any:
            try:
                return await next()
            except ValueError as error:
                seen.append(error)
                raise

    @resource(per="exec")
    def commits() -> Iterator[int]:
        yield 1
        raise ValueError("commit")

    @flow
    async def writes(ctx: Context[None], *, commits: int = need(commits)) -> None: ...

    async with Scope(extensions=[Sees()]) as scope:
        with pytest.raises(ValueError, match="commit") as caught:
            await scope.run(writes)
    assert seen == [caught.value]


async def test_x1_changing_the_result() -> None:
    """`wrap_exec` may change the result, raise, or not call `next`: the context closes anyway."""
    log: Log = []
    outcomes: list[Outcome] = []

    class Changes(Extension):
        async def wrap_exec(self, call: Call, next: Any) -> Any:
            match call.input:
                case 1:
                    return await next() + 10
                case 2:
                    raise ValueError("refused")
                case 3:
                    return "instead"
                case 4:
                    await next()
                    return await next()
            with pytest.raises(ZeroDivisionError):
                await next()
            return "saved"

        def context_closed(self, ctx: Context[Any], outcome: Outcome) -> None:
            if ctx.parent is not None:
                outcomes.append(outcome)

    @flow
    async def logs(ctx: Context[int]) -> object:
        log.append(ctx.input)
        return ctx.input // (ctx.input != 5)

    async with Scope(extensions=[Changes()]) as scope:
        assert await scope.run(logs, 1) == 11
        with pytest.raises(ValueError, match="refused"):
            await scope.run(logs, 2)
        assert await scope.run(logs, 3) == "instead"
        with pytest.raises(Closed):
            await scope.run(logs, 4)
        assert await scope.run(logs, 5) == "saved"
    assert log == [1, 4, 5]
    assert [each.ok for each in outcomes] == [True, False, True, True, False]


async def test_x2_wrap_resolve() -> None:
    """`wrap_resolve` is called when a factory runs, after its dependencies, not for made values."""
    log: Log = []

    class Resolves(Extension):
        async def wrap_resolve(self, node: Node, next: Any) -> Any:
            log.append(f"before {node.name}")
            value = await next()
            log.append(f"after {node.name}")
            return value * 10

    @atom
    def one() -> int:
        return 1

    @atom
    async def two(*, one: int = need(one)) -> AsyncIterator[int]:
        yield one + 1
        log.append("clean-up")

    @resource
    def three(*, two: int = need(two)) -> int:
        return two + 1

    @flow
    async def story(ctx: Context[None], *, three: int = need(three)) -> int:
        return three

    async with Scope(extensions=[Resolves()]) as scope, scope.create_context() as ctx:
        assert await ctx.exec(story) == 1110
        assert await ctx.exec(story) == 1110
    names = ["one", "two", "three"]
    assert log == [f"{when} {name}" for name in names for when in ("before", "after")] + [
        "clean-up"
    ]


async def test_x2_a_stream_is_enclosed_as_a_whole() -> None:
    """`wrap_exec` encloses a stream from parsing to close."""
    log: Log = []

    @resource(per="exec")
    def own() -> Iterator[int]:
        log.append("open")
        yield 1
        log.append("release")

    @flow
    async def numbers(ctx: Context[int], *, own: int = need(own)) -> AsyncIterator[int]:
        yield ctx.input
        yield ctx.input + 1

    class Streams(Logs):
        async def wrap_exec(self, call: Call, next: Any) -> Any:
            assert call.streaming
            return await super().wrap_exec(call, next)

    async with (
        Scope(extensions=[Streams(log, "a")]) as scope,
        scope.create_context() as ctx,
        ctx.stream(numbers, 1) as items,
    ):
        async for item in items:
            log.append(item)
    assert log == ["a before", "open", 1, 2, "release", "a after"]


async def test_x2_the_defaults_go_on() -> None:
    """An extension may hand on to the base class, which does nothing."""

    class HandsOn(Extension):
        async def wrap_exec(self, call: Call, next: Any) -> Any:
            return await super().wrap_exec(call, next)

        async def wrap_resolve(self, node: Node, next: Any) -> Any:
            return await super().wrap_resolve(node, next)

    @resource
    def one() -> int:
        return 1

    @flow
    async def get(ctx: Context[None], *, one: int = need(one)) -> int:
        return one

    async with Scope(extensions=[HandsOn()]) as scope:
        assert await scope.run(get) == 1


async def test_x2_a_generator_without_a_yield() -> None:
    """A generator that an extension encloses is told by its name if it yields nothing, or twice."""

    class Passes(Extension):
        async def wrap_resolve(self, node: Node, next: Any) -> Any:
            return await next()

    @resource
    async def empty() -> AsyncIterator[int]:
        for each in NOTHING:
            yield each

    @resource
    def twice() -> Iterator[int]:
        yield 1
        yield 2

    for extensions in ([], [Passes()]):
        async with Scope(extensions=extensions) as scope:
            ctx = scope.create_context()
            with pytest.raises(InvalidDefinition, match="empty: ended without a `yield`"):
                await ctx.resolve(empty)
            await ctx.resolve(twice)
            with pytest.raises(InvalidDefinition, match="twice: yields twice"):
                await ctx.close()


async def test_x2_cancelled_after_the_factory() -> None:
    """What a factory made is released when its extension fails, also if that is cancelled."""
    begun = asyncio.Event()
    log: Log = []

    class Fails(Extension):
        async def wrap_resolve(self, node: Node, next: Any) -> Any:
            await next()
            raise ValueError("extension")

    @resource
    async def slow() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                log.append("released")

    @flow
    async def get(ctx: Context[None], *, slow: int = need(slow)) -> int:
        return slow

    async with Scope(extensions=[Fails()]) as scope:
        task = asyncio.create_task(scope.run(get))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    assert isinstance(caught.value.__context__, ValueError)
    assert log == ["released"]


async def test_x3_opened_and_closed() -> None:
    """Each boundary and execution is told once when it opens and once when it has closed."""
    log: Log = []

    class Tells(Extension):
        def context_opened(self, ctx: Context[Any]) -> None:
            log.append(("opened", ctx.name))

        def context_closed(self, ctx: Context[Any], outcome: Outcome) -> None:
            log.append(("closed", ctx.name, outcome.ok))

    @flow
    async def inner(ctx: Context[None]) -> None:
        raise ValueError("inner")

    @flow
    async def outer(ctx: Context[None], *, inner: Handle[None, None] = need(inner)) -> None:
        with pytest.raises(ValueError, match="inner"):
            await inner()

    async with Scope(extensions=[Tells(), Extension()]) as scope, scope.create_context() as ctx:
        await ctx.exec(outer)
        async with ctx.create_context():
            pass
    assert log == [
        ("opened", "context"),
        ("opened", "outer"),
        ("opened", "inner"),
        ("closed", "inner", False),
        ("closed", "outer", True),
        ("opened", "context"),
        ("closed", "context", True),
        ("closed", "context", True),
    ]


async def test_x3_hooks_that_fail() -> None:
    """A hook that fails fails what it is told of; nothing else is skipped."""
    log: Log = []

    class Fails(Extension):
        def __init__(self, when: str) -> None:
            self.when = when

        def context_opened(self, ctx: Context[Any]) -> None:
            if self.when == "opened" and ctx.parent is not None:
                raise ValueError(self.when)

        def context_closed(self, ctx: Context[Any], outcome: Outcome) -> None:
            if ctx.parent is not None:
                log.append((self.when, outcome.ok))
            if self.when == "closed" and ctx.parent is not None:
                raise ValueError(self.when)

    for when, expected in (("opened", False), ("closed", True)):
        log.clear()
        async with Scope(extensions=[Fails(when), Fails("never")]) as scope:
            with pytest.raises(ValueError, match=when):
                await scope.run(echo, 1)
        assert log == [(when, expected), ("never", expected)]


async def test_x4_without_extensions() -> None:
    """A scope without extensions has no hooks at all, and one pays for what is overridden only."""
    hooks = Scope(extensions=[Extension()]).hooks
    assert (hooks.wrap_exec, hooks.wrap_resolve, hooks.encloses, hooks.tells) == (
        [],
        [],
        False,
        False,
    )
    hooks = Scope(extensions=[Extension(), Logs([], "a")]).hooks
    assert (len(hooks.wrap_exec), hooks.wrap_resolve, hooks.tells) == (1, [], False)
