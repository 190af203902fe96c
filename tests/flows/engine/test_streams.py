"""Streams: M1 to M4."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from flows.engine import (
    Call,
    Closed,
    Context,
    EngineError,
    Extension,
    Handle,
    InvalidDefinition,
    InvalidInput,
    Outcome,
    Scope,
    flow,
    need,
    resource,
)

Log = list[Any]


@resource(per="exec")
async def transaction() -> AsyncIterator[Log]:
    log: Log = LOG
    try:
        yield log
        log.append("commit")
    except BaseException as error:
        log.append(type(error).__name__)
        raise


LOG: Log = []
OUTCOMES: list[Outcome] = []


@pytest.fixture(autouse=True)
def clear() -> None:
    LOG.clear()
    OUTCOMES.clear()


@flow
async def count(ctx: Context[int], *, log: Log = need(transaction)) -> AsyncIterator[int]:
    """Count up; fail at 3."""
    ctx.on_close(OUTCOMES.append)
    try:
        for number in range(ctx.input):
            log.append(f"yield {number}")
            if number == 3:
                raise ValueError("three")
            yield number
    finally:
        log.append("end")


@flow
async def plain(ctx: Context[int]) -> int:
    return ctx.input


async def test_m1_reading() -> None:
    """The body runs only as far as it is read; everything ends with the block."""
    async with Scope() as scope, scope.create_context() as ctx:
        async with ctx.stream(count, 2) as items:
            assert LOG == []
            assert await anext(items) == 0
            await asyncio.sleep(0)
            assert LOG == ["yield 0"]
            assert [item async for item in items] == [1]
            assert LOG[-1] == "end"
        assert LOG[-1] == "commit"
    assert [Outcome(ok=True, error=None, cancelled=False)] == OUTCOMES


async def test_m1_by_a_handle_and_from_raw() -> None:
    """A handle streams too, and `stream_raw` parses."""

    @flow
    async def total(
        ctx: Context[int], *, count: Handle[int, AsyncIterator[int]] = need(count)
    ) -> int:
        async with count.stream(ctx.input) as items:
            return sum([item async for item in items])

    async with Scope() as scope, scope.create_context() as ctx:
        assert await ctx.exec(total, 3) == 3
        async with ctx.stream_raw(count, 1) as items:
            assert [item async for item in items] == [0]
        with pytest.raises(InvalidInput, match=r"count: Expected `int`, got `str`"):
            async with ctx.stream_raw(count, "x"):
                pass


async def test_m2_leaving_early() -> None:
    """Leaving early ends the body there and then; the context is cancelled and rolled back."""
    async with Scope() as scope, scope.create_context() as ctx:
        async with ctx.stream(count, 3) as items:
            async for _ in items:
                break
        assert LOG == ["yield 0", "end", "Abandoned"]
        with pytest.raises(Closed):
            await anext(items)
        assert await ctx.exec(plain, 1) == 1
    (outcome,) = OUTCOMES
    assert (outcome.ok, outcome.cancelled) == (False, True)
    assert isinstance(outcome.error, asyncio.CancelledError)


async def test_m2_leaving_by_an_error_or_cancellation() -> None:
    """An error of the reader's, or a cancellation, is the outcome, and goes on to its caller."""
    for error in (KeyError("reader"), asyncio.CancelledError()):
        LOG.clear()
        async with Scope() as scope, scope.create_context() as ctx:
            with pytest.raises(type(error)) as caught:  # noqa: PT012
                async with ctx.stream(count, 3) as items:
                    await anext(items)
                    raise error
            assert caught.value is error
        assert ["yield 0", "end", type(error).__name__] == LOG
        assert OUTCOMES.pop().error is error


async def test_m2_a_reader_that_is_closed() -> None:
    """A generator that reads and is closed leaves early."""

    async def reader(ctx: Context[Any]) -> AsyncIterator[int]:
        async with ctx.stream(count, 3) as items:
            async for item in items:
                yield item

    async with Scope() as scope, scope.create_context() as ctx:
        reading = reader(ctx)
        await anext(reading)
        await reading.aclose()  # type: ignore[attr-defined]
    assert LOG == ["yield 0", "end", "Abandoned"]


async def test_m2_failures_of_leaving_early() -> None:
    """What fails while an early leaver's stream is closed is raised: the first, with notes."""

    @resource(per="exec")
    async def bad() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            raise ValueError("clean-up")

    @flow
    async def items_flow(ctx: Context[None], *, bad: int = need(bad)) -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            raise KeyError("body")

    async with Scope() as scope, scope.create_context() as ctx:
        with pytest.raises(KeyError, match="body") as caught:
            async with ctx.stream(items_flow, None) as items:
                await anext(items)
    assert "clean-up" in caught.value.__notes__[0]


async def test_m3_the_wrong_way() -> None:
    """`exec` of a streaming flow and `stream` of an ordinary one are refused with a hint."""
    async with Scope() as scope, scope.create_context() as ctx:
        with pytest.raises(InvalidDefinition, match=r"count: .*ctx\.stream"):
            await ctx.exec(count, 1)
        with pytest.raises(InvalidDefinition, match=r"plain: .*ctx\.exec"):
            async with ctx.stream(plain, 1):  # type: ignore[arg-type]
                pass
        assert LOG == []


async def test_m4_an_error_half_way() -> None:
    """An error half-way reaches the reader, and fails the context."""
    async with Scope() as scope, scope.create_context() as ctx:
        read: list[int] = []
        with pytest.raises(ValueError, match="three") as caught:  # noqa: PT012
            async with ctx.stream(count, 9) as items:
                async for item in items:
                    read.append(item)  # noqa: PERF401
        assert read == [0, 1, 2]
        assert LOG[-2:] == ["end", "ValueError"]
        assert OUTCOMES[0].error is caught.value


async def test_m4_an_error_that_the_reader_handles() -> None:
    """A reader that handles the error goes on; the stream's context has failed all the same."""
    async with Scope() as scope, scope.create_context() as ctx, ctx.stream(count, 9) as items:
        with pytest.raises(ValueError, match="three"):
            async for _ in items:
                pass
    assert LOG[-1] == "ValueError"
    assert not OUTCOMES[0].ok


async def test_a_failing_commit_of_a_stream() -> None:
    """A commit that fails when a stream has been read is raised as the block ends."""

    @resource(per="exec")
    async def commits() -> AsyncIterator[int]:
        yield 1
        raise ValueError("commit")

    @flow
    async def one(ctx: Context[None], *, commits: int = need(commits)) -> AsyncIterator[int]:
        yield 1

    async with Scope() as scope, scope.create_context() as ctx:
        with pytest.raises(ValueError, match="commit"):
            async with ctx.stream(one, None) as items:
                assert [item async for item in items] == [1]


async def test_a_stream_is_read_once() -> None:
    """A stream whose block has ended cannot be read again."""
    async with Scope() as scope, scope.create_context() as ctx:
        stream = ctx.stream(count, 1)
        async with stream:
            pass
        with pytest.raises(Closed, match="read once"):
            async with stream:
                pass


async def test_waiting_while_a_stream_opens() -> None:
    """What a stream opens may wait, be cancelled while it does, or fail."""
    gate, begun = asyncio.Event(), asyncio.Event()
    how: list[Exception] = []

    @resource(per="exec")
    async def slow() -> AsyncIterator[int]:
        begun.set()
        await gate.wait()
        for error in how:
            raise error
        yield 1

    @flow
    async def one(ctx: Context[None], *, slow: int = need(slow)) -> AsyncIterator[int]:
        yield slow

    async def read(ctx: Context[Any]) -> list[int]:
        async with ctx.stream(one, None) as items:
            return [item async for item in items]

    async with Scope() as scope, scope.create_context() as ctx:
        cancelled, fine = asyncio.create_task(read(ctx)), asyncio.create_task(read(ctx))
        await begun.wait()
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        gate.set()
        assert await fine == [1]
        how.append(ValueError("opening"))
        with pytest.raises(ValueError, match="opening"):
            await read(ctx)


async def test_an_extension_that_does_not_call_next() -> None:
    """An extension cannot stand in for a stream: it is to call `next`."""

    class Skips(Extension):
        async def wrap_exec(self, call: Call, next: Any) -> Any:
            return None

    async with Scope(extensions=[Skips()]) as scope, scope.create_context() as ctx:
        with pytest.raises(EngineError, match=r"did not call a stream's next"):
            async with ctx.stream(count, 1):
                pass


async def test_an_extension_that_calls_next_in_a_task() -> None:
    """A stream's `next` that is awaited in another task fails with words, not by hanging."""

    class Strays(Extension):
        async def wrap_exec(self, call: Call, next: Any) -> Any:
            return await asyncio.create_task(next())

    async with Scope(extensions=[Strays()]) as scope, scope.create_context() as ctx:
        with pytest.raises(RuntimeError, match=r"a stream's next\(\)"):
            async with ctx.stream(count, 1):
                pass
