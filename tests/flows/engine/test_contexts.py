"""Contexts: C1 to C10."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import pytest

from flows.engine import (
    Closed,
    Context,
    EngineError,
    Extension,
    InvalidDefinition,
    MissingDependency,
    Outcome,
    Resource,
    Scope,
    Tag,
    atom,
    flow,
    need,
    resource,
)
from flows.engine.closing import MARKED

Log = list[Any]


def recorder(log: Log, name: str, *, fails: Exception | None = None) -> Resource[str]:
    """A resource that logs how it ends, and may fail then."""

    @resource
    async def recorded() -> AsyncIterator[str]:
        try:
            yield name
            log.append((name, None))
        except BaseException as error:
            log.append((name, error))
            raise
        finally:
            if fails is not None:
                raise fails

    recorded.name = name
    return recorded


@flow
async def nothing(ctx: Context[None]) -> None: ...


async def test_c1_parents() -> None:
    """`parent` leads from an execution by those around it to the boundary, which has none."""
    seen: list[Context[Any] | None] = []

    @flow
    async def inner(ctx: Context[None]) -> None:
        above: Context[Any] | None = ctx
        while above is not None:
            seen.append(above)
            above = above.parent

    @flow
    async def outer(ctx: Context[None], *, inner: Any = need(inner)) -> None:
        await inner()

    async with Scope() as scope, scope.create_context() as ctx:
        await ctx.exec(outer)
        async with ctx.create_context() as nested:
            assert nested.parent is ctx
    assert [each and each.name for each in seen] == ["inner", "outer", "context"]
    assert seen[-1] is ctx


async def test_c2_the_order_of_closing() -> None:
    """Refuse, cancel spawned work, wait for executions, callbacks, resources, extensions."""
    log: Log = []
    gate, running = asyncio.Event(), asyncio.Event()
    one, two = recorder(log, "one"), recorder(log, "two")

    class Tells(Extension):
        def context_closed(self, ctx: Context[Any], outcome: Outcome) -> None:
            if ctx.parent is None:
                log.append("extension")

    @flow
    async def spawned(ctx: Context[None]) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            log.append("spawned")

    @flow
    async def elsewhere(ctx: Context[None]) -> None:
        running.set()
        await gate.wait()
        log.append("execution")

    async with Scope(extensions=[Tells()]) as scope:
        ctx = scope.create_context()
        await ctx.resolve(one)
        await ctx.resolve(two)
        ctx.on_close(lambda outcome: log.append(("first callback", outcome.ok)))

        async def callback(outcome: Outcome) -> None:
            await asyncio.sleep(0)
            log.append(("second callback", outcome.ok))

        ctx.on_close(callback)
        ctx.spawn(spawned)
        other = asyncio.create_task(ctx.exec(elsewhere))
        await running.wait()
        closing = asyncio.create_task(ctx.close())
        while log != ["spawned"]:  # noqa: ASYNC110 - a few turns of the loop
            await asyncio.sleep(0)
        with pytest.raises(Closed):
            await ctx.exec(nothing)
        gate.set()
        await closing
        await other
    assert log == [
        "spawned",
        "execution",
        ("second callback", True),
        ("first callback", True),
        ("two", None),
        ("one", None),
        "extension",
    ]


@pytest.mark.parametrize("error", [None, ValueError("x"), asyncio.CancelledError()])
async def test_c3_the_block_decides(error: BaseException | None) -> None:
    """What leaves the block decides the outcome: nothing, an error, a cancellation."""
    outcomes: list[Outcome] = []

    async with Scope() as scope:
        with suppress(ValueError, asyncio.CancelledError):
            async with scope.create_context() as ctx:
                ctx.on_close(outcomes.append)
                if error is not None:
                    raise error
    cancelled = isinstance(error, asyncio.CancelledError)
    assert outcomes == [Outcome(ok=error is None, error=error, cancelled=cancelled)]


@pytest.mark.parametrize("error", [ValueError("x"), StopAsyncIteration("x"), StopIteration("x")])
async def test_c4_resources_see_the_outcome(error: Exception) -> None:
    """A resource has the error thrown in at its `yield`, whichever error it is."""
    log: Log = []

    @resource
    def plain() -> Iterator[int]:
        try:
            yield 1
        except BaseException as thrown:
            log.append(thrown)
            raise

    recorded = recorder(log, "async")
    async with Scope() as scope:
        with pytest.raises(type(error)) as caught:  # noqa: PT012
            async with scope.create_context() as ctx:
                await ctx.resolve(plain)
                await ctx.resolve(recorded)
                raise error
    assert caught.value is error
    assert log == [("async", error), error]
    assert getattr(error, "__notes__", []) == []


async def test_c4_swallowing_is_no_success() -> None:
    """A resource that swallows the error does not turn the failure into a success."""
    log: Log = []
    error = ValueError("body")

    @resource
    async def swallows() -> AsyncIterator[int]:
        try:
            yield 1
        except ValueError:
            log.append("swallowed")

    @resource
    def swallows_too() -> Iterator[int]:
        try:
            yield 1
        except ValueError:
            log.append("swallowed too")

    recorded = recorder(log, "before")

    @flow
    async def fails(
        ctx: Context[None],
        *,
        before: str = need(recorded),
        a: int = need(swallows),
        b: int = need(swallows_too),
    ) -> None:
        raise error

    async with Scope() as scope:
        with pytest.raises(ValueError, match="body") as caught:
            await scope.run(fails)
    assert caught.value is error
    assert log == ["swallowed too", "swallowed", ("before", error)]


async def test_c5_a_failed_commit_is_a_failure() -> None:
    """A clean-up that fails on an ok close makes `exec` raise, and the others roll back."""
    log: Log = []
    commit, later = ValueError("commit"), KeyError("later")
    bottom = recorder(log, "bottom")
    middle = recorder(log, "middle", fails=later)
    top = recorder(log, "top", fails=commit)

    @flow
    async def writes(
        ctx: Context[None],
        *,
        bottom: str = need(bottom),
        middle: str = need(middle),
        top: str = need(top),
    ) -> str:
        return "value"

    async with Scope() as scope:
        with pytest.raises(ValueError, match="commit") as caught:
            await scope.run(writes)
    assert caught.value is commit
    assert log == [("top", None), ("middle", commit), ("bottom", commit)]
    assert [note.splitlines()[-1] for note in commit.__notes__] == ["KeyError: 'later'"]


async def test_c5_a_failed_callback_is_a_failure() -> None:
    """A callback that fails makes `close` raise, and the resources roll back."""
    log: Log = []
    error = ValueError("callback")
    recorded = recorder(log, "resource")

    def fails(outcome: Outcome) -> None:
        raise error

    async with Scope() as scope:
        ctx = scope.create_context()
        await ctx.resolve(recorded)
        ctx.on_close(lambda outcome: log.append(outcome.error))
        ctx.on_close(fails)
        with pytest.raises(ValueError, match="callback"):
            await ctx.close()
    assert log == [error, ("resource", error)]


async def test_c5_the_first_error_survives() -> None:
    """On a failing close the first error is raised as it is, with the later ones as notes."""
    log: Log = []
    body, late = ValueError("body"), KeyError("late")
    recorded = recorder(log, "resource", fails=late)

    @resource(per="exec")
    def own() -> Iterator[int]:
        try:
            yield 1
        finally:
            raise LookupError("own")

    @flow
    async def fails(ctx: Context[None], *, r: str = need(recorded), own: int = need(own)) -> None:
        raise body

    async with Scope() as scope:
        with pytest.raises(ValueError, match="body") as caught:
            await scope.run(fails)
    assert caught.value is body
    notes = [note.splitlines()[-1] for note in body.__notes__]
    assert notes == ["LookupError: own", "KeyError: 'late'"]


async def test_c5_a_second_cancellation() -> None:
    """What a cancelled context is cancelled by again while it closes is no other error."""
    begun = asyncio.Event()
    log: Log = []
    below = recorder(log, "below")

    @resource
    async def slow(*, below: str = need(below)) -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            begun.set()
            await asyncio.Event().wait()

    @flow
    async def endless(ctx: Context[None], *, slow: int = need(slow)) -> None:
        await asyncio.Event().wait()

    async with Scope() as scope:
        task = asyncio.create_task(scope.run(endless))
        await asyncio.sleep(0)
        task.cancel("first")
        await begun.wait()
        task.cancel("second")
        with pytest.raises(asyncio.CancelledError, match="first") as caught:
            await task
    assert log == [("below", caught.value)]


@pytest.mark.parametrize("error", [None, ValueError("body")])
async def test_c5_a_resource_that_yields_again(error: Exception | None) -> None:
    """A resource that yields a second time fails the close; it is closed, and the others go on."""
    log: Log = []
    below = recorder(log, "below")

    @resource
    async def twice(*, below: str = need(below)) -> AsyncIterator[int]:
        try:
            yield 1
        except ValueError:
            log.append("caught")
        try:
            yield 2
        finally:
            log.append("closed")

    async with Scope() as scope:
        ctx = scope.create_context()
        await ctx.resolve(twice)
        if error is None:
            with pytest.raises(InvalidDefinition, match="twice: yields twice"):
                async with ctx:
                    pass
        else:
            await ctx.close(error)
            assert "twice: yields twice" in error.__notes__[0]
    assert [each[0] if isinstance(each, tuple) else each for each in log][-2:] == [
        "closed",
        "below",
    ]


async def test_c5_close_with_an_error() -> None:
    """`close(error)` fails the context and does not raise the error; what comes later is a note."""
    log: Log = []
    error = ValueError("given")
    recorded = recorder(log, "resource", fails=KeyError("later"))
    async with Scope() as scope:
        ctx = scope.create_context()
        await ctx.resolve(recorded)
        await ctx.close(error)
    assert log == [("resource", error)]
    assert len(error.__notes__) == 1


@pytest.mark.parametrize("inside", [False, True])
async def test_c5_a_cancellation_on_top(inside: bool) -> None:  # noqa: FBT001
    """A cancellation that arrives while an error is dealt with is raised with it as context."""
    log: Log = []
    error = ValueError("body")
    begun = asyncio.Event()
    bottom = recorder(log, "bottom")

    @resource(per="exec" if inside else "context")
    async def slow(*, bottom: str = need(bottom)) -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            begun.set()
            await asyncio.Event().wait()

    @flow
    async def fails(ctx: Context[None], *, slow: int = need(slow)) -> None:
        raise error

    async with Scope() as scope:
        task = asyncio.create_task(scope.run(fails))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    assert caught.value.__context__ is error
    assert [name for name, _ in log] == ["bottom"]


async def test_c5_a_cancellation_on_top_of_a_block() -> None:
    """The same holds for a block that an error leaves."""
    error = ValueError("block")
    begun = asyncio.Event()

    @resource
    async def slow() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            begun.set()
            await asyncio.Event().wait()

    async def block(scope: Scope) -> None:
        async with scope.create_context() as ctx:
            await ctx.resolve(slow)
            raise error

    async with Scope() as scope:
        task = asyncio.create_task(block(scope))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    assert caught.value.__context__ is error


async def test_c6_cancelled_in_the_middle_of_a_clean_up() -> None:
    """All other clean-ups run when the task is cancelled in the middle of one."""
    log: Log = []
    begun = asyncio.Event()
    bottom, middle = recorder(log, "bottom"), recorder(log, "middle", fails=KeyError("middle"))

    @resource
    async def slow(*, b: str = need(bottom), m: str = need(middle)) -> AsyncIterator[int]:
        yield 1
        begun.set()
        await asyncio.Event().wait()

    @flow
    async def uses(ctx: Context[None], *, slow: int = need(slow)) -> None:
        ctx.on_close(lambda outcome: log.append("callback"))

    async with Scope() as scope:
        task = asyncio.create_task(scope.run(uses))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    assert [each if isinstance(each, str) else each[0] for each in log] == [
        "callback",
        "middle",
        "bottom",
    ]
    assert "middle" in caught.value.__notes__[0]


async def test_c6_cancelled_while_waiting_for_executions() -> None:
    """A close that is cancelled while it waits goes on to the end, then raises."""
    log: Log = []
    gate, running, waiting = asyncio.Event(), asyncio.Event(), asyncio.Event()
    recorded = recorder(log, "resource")

    @flow
    async def elsewhere(ctx: Context[None], *, recorded: str = need(recorded)) -> None:
        running.set()
        await gate.wait()

    @flow
    async def stubborn(ctx: Context[None]) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            waiting.set()
            await gate.wait()

    async with Scope() as scope:
        ctx = scope.create_context()
        ctx.spawn(stubborn)
        other = asyncio.create_task(ctx.exec(elsewhere))
        await running.wait()
        closing = asyncio.create_task(ctx.close())
        await waiting.wait()
        closing.cancel()
        await asyncio.sleep(0)
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await closing
        await other
    assert [name for name, _ in log] == ["resource"]


async def test_c7_concurrent_executions() -> None:
    """Concurrent executions do not block each other; one that fails leaves the others usable."""
    left, right = asyncio.Event(), asyncio.Event()

    @flow
    async def one(ctx: Context[None]) -> int:
        left.set()
        await right.wait()
        return 1

    @flow
    async def two(ctx: Context[None]) -> int:
        right.set()
        await left.wait()
        raise ValueError("two")

    async with Scope() as scope, scope.create_context() as ctx, asyncio.timeout(5):
        first, second = await asyncio.gather(ctx.exec(one), ctx.exec(two), return_exceptions=True)
        assert first == 1
        assert isinstance(second, ValueError)
        assert await ctx.exec(one) == 1


@pytest.mark.parametrize("extended", [False, True])
async def test_c8_a_closed_context(extended: bool) -> None:  # noqa: FBT001
    """A closed context refuses everything and runs nothing; closing it again is harmless."""
    ran: Log = []

    class Logs(Extension):
        async def wrap_exec(self, call: Any, next: Any) -> Any:
            ran.append(call)
            return await next()

    @flow
    async def runs(ctx: Context[None]) -> None:
        ran.append("ran")

    recorded = recorder(ran, "resource")
    async with Scope(extensions=[Logs()] if extended else []) as scope:
        async with scope.create_context() as ctx:
            pass
        with pytest.raises(Closed, match="context"):
            await ctx.exec(runs)
        with pytest.raises(Closed):
            await ctx.resolve(recorded)
        with pytest.raises(Closed):
            ctx.spawn(runs)
        with pytest.raises(Closed):
            ctx.create_context()
        with pytest.raises(Closed):
            ctx.on_close(lambda outcome: None)
        with pytest.raises(Closed):
            async with ctx:
                pass
        await ctx.close()
        await ctx.close(ValueError("late"))
    assert ran == []


async def test_c8_a_second_concurrent_close() -> None:
    """A second close waits for the first, and does not raise what that raises."""
    gate, begun = asyncio.Event(), asyncio.Event()

    @resource
    async def slow() -> AsyncIterator[int]:
        yield 1
        begun.set()
        await gate.wait()
        raise ValueError("first only")

    async with Scope() as scope:
        ctx = scope.create_context()
        await ctx.resolve(slow)
        first = asyncio.create_task(ctx.close())
        await begun.wait()
        second, third = asyncio.create_task(ctx.close()), asyncio.create_task(ctx.close())
        await asyncio.sleep(0)
        assert not second.done()
        third.cancel()
        await asyncio.wait([third])
        gate.set()
        await second
        with pytest.raises(ValueError, match="first only"):
            await first


async def test_c8_closing_from_its_own_clean_up() -> None:
    """A clean-up or callback that closes its own context again is let through."""
    log: Log = []
    async with Scope() as scope:
        ctx = scope.create_context()

        async def again(outcome: Outcome) -> None:
            await ctx.close()
            log.append("again")

        ctx.on_close(again)
        await ctx.close()
    assert log == ["again"]


async def test_c9_closing_what_waits_for_its_clean_up() -> None:
    """A nested context's callback that closes the one around, which waits for it, is told so."""
    async with asyncio.timeout(5), Scope() as scope, scope.create_context() as ctx:
        nested = ctx.create_context()

        async def outer(outcome: Outcome) -> None:
            await ctx.close()

        nested.on_close(outer)
        with pytest.raises(EngineError, match="cannot be closed from within"):
            await nested.close()
        await ctx.exec(nothing)


async def test_c9_a_second_close_from_within() -> None:
    """So is an execution that closes a boundary which somebody else is closing."""
    running, gate = asyncio.Event(), asyncio.Event()

    @flow
    async def closes(ctx: Context[None]) -> None:
        running.set()
        await gate.wait()
        assert ctx.parent is not None
        await ctx.parent.close()

    async with asyncio.timeout(5), Scope() as scope:
        ctx = scope.create_context()
        execution = asyncio.create_task(ctx.exec(closes))
        await running.wait()
        closing = asyncio.create_task(ctx.close())
        await asyncio.sleep(0)
        gate.set()
        await closing
        with pytest.raises(EngineError, match="cannot be closed from within"):
            await execution


async def test_c8_resolving_in_a_closing_step() -> None:
    """A callback may resolve what is not of its own context, and is told what is missing there."""
    word = Tag[str]("word")
    seen: Log = []

    @atom
    async def thing() -> int:
        return 1

    async with Scope() as scope, scope.create_context() as other:

        async def callback(outcome: Outcome) -> None:
            seen.append(await scope.resolve(thing))
            with pytest.raises(MissingDependency, match="provides word:"):
                await other.resolve(word)

        async with scope.create_context() as ctx:
            ctx.on_close(callback)
    assert seen == [1]


async def test_c9_spawned_work_is_awaited() -> None:
    """Spawned work runs beside, and its result or error can be awaited, more than once."""

    @flow
    async def double(ctx: Context[int]) -> int:
        if not ctx.input:
            raise ValueError("zero")
        return 2 * ctx.input

    async with Scope() as scope, scope.create_context() as ctx:
        work = ctx.spawn(double, 3)
        assert await work == 6
        assert await work == 6
        failing = ctx.spawn(double, 0)
        with pytest.raises(ValueError, match="zero"):
            await failing


async def test_c9_spawned_work_is_cancelled_at_close() -> None:
    """Work is registered before `spawn` returns, and cancelled and joined also on an ok close."""
    log: Log = []

    @flow
    async def endless(ctx: Context[None]) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            log.append("ended")

    async with Scope() as scope:
        async with scope.create_context() as ctx:
            ctx.spawn(endless)
        assert log == []
        async with scope.create_context() as ctx:
            ctx.spawn(endless)
            await asyncio.sleep(0)
        assert log == ["ended"]


async def test_c9_cancelling_who_awaits() -> None:
    """Cancelling who awaits spawned work does not cancel the work."""
    gate = asyncio.Event()

    @flow
    async def slow(ctx: Context[None]) -> int:
        await gate.wait()
        return 1

    async with Scope() as scope, scope.create_context() as ctx:
        work = ctx.spawn(slow)

        async def wait() -> int:
            return await work

        waiter = asyncio.create_task(wait())
        await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.wait([waiter])
        gate.set()
        assert await work == 1


async def test_c9_unawaited_errors() -> None:
    """Errors in spawned work that nobody awaited fail the close: the first, with a note."""
    log: Log = []
    recorded = recorder(log, "resource")

    @flow
    async def fails(ctx: Context[str]) -> None:
        raise ValueError(ctx.input)

    async with Scope() as scope:
        with pytest.raises(ValueError, match="one") as caught:  # noqa: PT012
            async with scope.create_context() as ctx:
                await ctx.resolve(recorded)
                ctx.spawn(fails, "one")
                ctx.spawn(fails, "two")
                await asyncio.sleep(0)
    assert log == [("resource", caught.value)]
    assert "two" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    "how", ["execution", "nested", "task", "gathered", "helper", "spawned", "stream", "resolve"]
)
async def test_c9_closing_from_within(how: str) -> None:  # noqa: C901
    """Closing a boundary from within what runs in it raises instead of hanging."""

    @flow
    async def closes(ctx: Context[None]) -> None:
        assert ctx.parent is not None
        top = ctx
        while top.parent is not None:
            top = top.parent
        if how == "task":
            await asyncio.wait_for(top.close(), 5)
        if how == "gathered":
            refused = await asyncio.gather(top.close(), return_exceptions=True)
            assert isinstance(refused[0], EngineError)
            raise refused[0]
        if how == "helper":

            async def helper() -> None:
                await top.close()

            await asyncio.wait_for(helper(), 5)
        await top.close()

    @flow
    async def nested(ctx: Context[None], *, closes: Any = need(closes)) -> None:
        async with ctx.create_context() as inner:
            await inner.exec(closes_flow)

    closes_flow = closes

    @flow
    async def streams(ctx: Context[None]) -> AsyncIterator[int]:
        yield 1

    @resource
    async def wrong() -> int:
        await ctx.close()
        return 1

    async with Scope() as scope, scope.create_context() as ctx, asyncio.timeout(5):
        with pytest.raises(EngineError, match="cannot be closed from within"):  # noqa: PT012
            match how:
                case "execution" | "task" | "gathered" | "helper":
                    await ctx.exec(closes)
                case "nested":
                    await ctx.exec(nested)
                case "spawned":
                    await ctx.spawn(closes)
                case "resolve":
                    await ctx.resolve(wrong)
                case _:
                    async with ctx.stream(streams, None):
                        await ctx.close()
        await ctx.exec(nothing)


@pytest.mark.parametrize("which", ["outer", "scope"])
async def test_c9_closing_what_is_around_from_a_clean_up(which: str) -> None:
    """What is around a context that closes waits for it, so its clean-ups cannot close that."""
    async with Scope() as scope, scope.create_context() as outer, asyncio.timeout(5):

        @resource
        async def closes() -> AsyncIterator[int]:
            yield 1
            await (outer if which == "outer" else scope).close()

        nested = outer.create_context()
        await nested.resolve(closes)
        with pytest.raises(EngineError, match="cannot be closed from within <context context>"):
            await nested.close()
        await outer.exec(nothing)


async def test_c9_spawned_work_that_ends_cancelled_at_the_same_moment() -> None:
    """Work that has just ended as cancelled, in the turn of the loop that closes, is no failure."""
    gate = asyncio.Event()

    @flow
    async def gives_up(ctx: Context[None]) -> None:
        await gate.wait()
        raise asyncio.CancelledError

    async with Scope() as scope, asyncio.timeout(5):
        ctx = scope.create_context()
        ctx.spawn(gives_up)
        await asyncio.sleep(0)

        async def close() -> None:
            await gate.wait()
            await ctx.close()

        closing = asyncio.create_task(close())
        await asyncio.sleep(0)
        gate.set()
        await closing


async def test_c9_closing_another_boundary() -> None:
    """From within an execution, a boundary that it does not run in can be closed."""
    async with Scope() as scope:
        other = scope.create_context()

        @flow
        async def closes(ctx: Context[None]) -> None:
            await other.close()

        await scope.run(closes)
        with pytest.raises(Closed):
            await other.exec(nothing)


async def test_c10_nothing_is_left_behind() -> None:
    """A thousand executions and spawned works leave nothing behind in their context."""

    class Thing:
        pass

    kept: list[weakref.ref[Any]] = []

    @resource(per="exec")
    def own() -> Iterator[Thing]:
        thing = Thing()
        kept.append(weakref.ref(thing))
        yield thing

    @flow
    async def uses(ctx: Context[None], *, own: Thing = need(own)) -> None:
        kept.append(weakref.ref(ctx))

    @flow
    async def reaches(ctx: Context[None]) -> None:
        kept.append(weakref.ref(ctx))
        assert [ctx.parent, ctx.parent] == [top, top]
        assert len(MARKED.get()) == 1

    async with Scope() as scope, scope.create_context() as ctx:
        top = ctx
        for _ in range(1000):
            await ctx.exec(uses)
            await ctx.spawn(uses)
            await ctx.exec(reaches)
            async with ctx.create_context():
                pass
        gc.collect()
        assert [each() for each in kept if each() is not None] == []
        rest = ctx.more()
        left = (rest.spawned, rest.nested, rest.callbacks, rest.waits_for, rest.ends)
        assert not any(left)


async def test_nested_contexts_left_open() -> None:
    """A nested context that was left open is closed, as cancelled, with the one around it."""
    log: Log = []
    recorded = recorder(log, "resource", fails=KeyError("clean-up"))
    outcomes: list[Outcome] = []

    async with Scope() as scope:
        with pytest.raises(KeyError, match="clean-up"):  # noqa: PT012
            async with scope.create_context() as ctx:
                nested = ctx.create_context()
                nested.on_close(outcomes.append)
                await nested.resolve(recorded)
                ctx.create_context()
    assert [each.cancelled for each in outcomes] == [True]
    assert [(name, type(error).__mro__[1]) for name, error in log] == [
        ("resource", asyncio.CancelledError)
    ]


async def test_a_nested_context_that_is_closing() -> None:
    """A context waits for a nested one that somebody else is closing."""
    log: Log = []
    gate, begun = asyncio.Event(), asyncio.Event()

    async with Scope() as scope:
        ctx = scope.create_context()
        nested = ctx.create_context()

        async def slow(outcome: Outcome) -> None:
            begun.set()
            await gate.wait()
            log.append("nested")

        nested.on_close(slow)
        ctx.on_close(lambda outcome: log.append("outer"))
        inner = asyncio.create_task(nested.close())
        await begun.wait()
        outer = asyncio.create_task(ctx.close())
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(inner, outer)
    assert log == ["nested", "outer"]


async def test_an_execution_that_leaves_work_behind() -> None:
    """An execution waits, before it returns, for executions that it started in other tasks."""
    log: Log = []

    @flow
    async def beside(ctx: Context[None]) -> None:
        await asyncio.sleep(0)
        log.append("beside")

    @flow
    async def leaves(ctx: Context[None], *, beside: Any = need(beside)) -> None:
        log.append(asyncio.create_task(beside()))
        await asyncio.sleep(0)

    async with Scope() as scope:
        await scope.run(leaves)
    assert log[1:] == ["beside"]
