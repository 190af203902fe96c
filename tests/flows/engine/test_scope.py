"""Scopes: S1 to S7."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from flows.engine import (
    Closed,
    Context,
    DependencyCycle,
    EngineError,
    Extension,
    Flow,
    Handle,
    MissingDependency,
    Outcome,
    Port,
    Scope,
    Tag,
    atom,
    flow,
    need,
    preset,
    resource,
)

Log = list[Any]


class Logs(Extension):
    """Logs its start and stop, and may fail in either."""

    def __init__(self, log: Log, name: str, *fails: str) -> None:
        self.log = log
        self.name = name
        self.fails = fails

    async def start(self, scope: Scope) -> None:
        self.log.append(f"start {self.name}")
        if "start" in self.fails:
            raise ValueError(f"start {self.name}")

    async def stop(self, scope: Scope) -> None:
        self.log.append(f"stop {self.name}")
        if "stop" in self.fails:
            raise ValueError(f"stop {self.name}")


@flow
async def nothing(ctx: Context[None]) -> None: ...


async def test_s1_the_beginning() -> None:
    """Extensions start in order, before anything can run; they may resolve atoms."""
    log: Log = []

    @atom
    def thing() -> int:
        log.append("thing")
        return 1

    class Resolves(Extension):
        async def start(self, scope: Scope) -> None:
            await scope.resolve(thing)
            with pytest.raises(Closed, match="starting"):
                await scope.run(nothing)
            with pytest.raises(Closed):
                scope.create_context()

    scope = Scope(extensions=[Logs(log, "a"), Resolves(), Logs(log, "b")])
    with pytest.raises(Closed, match="not been entered"):
        await scope.run(nothing)
    async with scope:
        assert log == ["start a", "thing", "start b"]


async def test_s1_a_failing_start() -> None:
    """When an extension does not start, those that did are stopped, and atoms are cleaned up."""
    log: Log = []

    @atom
    def thing() -> Iterator[int]:
        yield 1
        log.append("thing")

    class Resolves(Extension):
        async def start(self, scope: Scope) -> None:
            await scope.resolve(thing)

    extensions = [Logs(log, "a", "stop"), Resolves(), Logs(log, "b", "start"), Logs(log, "c")]
    scope = Scope(extensions=extensions)
    with pytest.raises(ValueError, match="start b") as caught:
        await scope.__aenter__()
    assert log == ["start a", "start b", "thing", "stop a"]
    assert "stop a" in caught.value.__notes__[0]
    with pytest.raises(Closed):
        await scope.run(nothing)


async def test_s1_the_end() -> None:
    """Leaving waits for runs, closes contexts as cancelled, then atoms, then extensions."""
    log: Log = []
    gate, running = asyncio.Event(), asyncio.Event()

    @atom
    async def thing() -> AsyncIterator[int]:
        yield 1
        log.append("atom")

    @flow
    async def slow(ctx: Context[None]) -> None:
        running.set()
        await gate.wait()
        await ctx.resolve(thing)
        log.append("run")

    def closed(outcome: Outcome) -> None:
        log.append(("context", outcome.ok, outcome.cancelled))

    async with Scope(extensions=[Logs(log, "a"), Logs(log, "b")]) as scope:
        scope.create_context().on_close(closed)
        run = asyncio.create_task(scope.run(slow))
        await running.wait()
        closing = asyncio.create_task(scope.close())
        await asyncio.sleep(0)
        with pytest.raises(Closed, match="closing"):
            await scope.run(nothing)
        with pytest.raises(Closed):
            scope.create_context()
        gate.set()
        await asyncio.gather(run, closing)
    assert log[2:] == ["run", ("context", False, True), "atom", "stop b", "stop a"]


async def test_s1_a_run_that_outlives_its_cancelled_close() -> None:
    """A close that is cancelled while runs go on waits for them, finishes, then raises."""
    log: Log = []
    gate, running = asyncio.Event(), asyncio.Event()

    @flow
    async def slow(ctx: Context[None]) -> None:
        running.set()
        await gate.wait()
        log.append("run")

    scope = Scope(extensions=[Logs(log, "a")])
    async with scope:
        run = asyncio.create_task(scope.run(slow))
        await running.wait()
        closing = asyncio.create_task(scope.close())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.sleep(0)
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await closing
        await run
    assert log == ["start a", "run", "stop a"]


async def test_s2_close_is_idempotent_and_thorough() -> None:
    """A failing step skips none of the others; closing again is harmless."""
    log: Log = []

    @atom
    def thing() -> Iterator[int]:
        yield 1
        log.append("atom")
        raise KeyError("atom")

    def callback(outcome: Outcome) -> None:
        log.append("context")
        raise LookupError("context")

    async with Scope(extensions=[Logs(log, "a", "stop"), Logs(log, "b", "stop")]) as scope:
        await scope.resolve(thing)
        for _ in range(2):
            scope.create_context().on_close(callback)
        with pytest.raises(LookupError, match="context") as caught:
            await scope.close()
        await scope.close()
    assert log[2:] == ["context", "context", "atom", "stop b", "stop a"]
    assert len(caught.value.__notes__) == 4


async def test_s2_the_blocks_own_error() -> None:
    """An error that leaves the block is raised as it is, with failing steps as notes."""
    error = ValueError("block")
    with pytest.raises(ValueError, match="block") as caught:
        async with Scope(extensions=[Logs([], "a", "stop")]):
            raise error
    assert caught.value is error
    assert len(error.__notes__) == 1


async def test_s2_a_cancelled_close() -> None:
    """A close that is cancelled in the middle of a clean-up runs all the others, then raises."""
    log: Log = []
    begun = asyncio.Event()

    @atom
    def below() -> Iterator[int]:
        yield 1
        log.append("below")

    @atom
    async def slow(*, below: int = need(below)) -> AsyncIterator[int]:
        yield 1
        begun.set()
        await asyncio.Event().wait()

    scope = Scope(extensions=[Logs(log, "a")])
    async with scope:
        await scope.resolve(slow)
        closing = asyncio.create_task(scope.close())
        await begun.wait()
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
    assert log == ["start a", "below", "stop a"]


async def test_s2_concurrent_closes() -> None:
    """A second close waits for the first; one from within a closing step is let through."""
    log: Log = []
    gate, begun = asyncio.Event(), asyncio.Event()

    class Stops(Extension):
        async def stop(self, scope: Scope) -> None:
            await scope.close()
            begun.set()
            await gate.wait()
            log.append("stopped")

    async with Scope(extensions=[Stops()]) as scope:
        first = asyncio.create_task(scope.close())
        await begun.wait()
        second = asyncio.create_task(scope.close())
        await asyncio.sleep(0)
        assert not second.done()
        gate.set()
        await asyncio.gather(first, second)
    assert log == ["stopped"]


async def test_s2_closing_another_scope() -> None:
    """What runs in one scope may close another; work that an execution left behind is no part."""
    gate = asyncio.Event()

    async def closes_later(scope: Scope) -> None:
        await gate.wait()
        await scope.close()

    @flow
    async def leaves(ctx: Context[None]) -> asyncio.Task[None]:
        return asyncio.create_task(closes_later(ctx.scope))

    async with Scope() as scope, asyncio.timeout(5):
        async with Scope() as other:

            @flow
            async def closes(ctx: Context[None]) -> None:
                await other.close()

            await scope.run(closes)
        left = await scope.run(leaves)
        gate.set()
        await left
        with pytest.raises(Closed):
            await scope.run(nothing)


def test_s5_cycles_among_others() -> None:
    """The shortest way round is told, however many ways meet in it."""
    start = Port[int]("start")

    @atom
    def low(*, start: int = need(start)) -> int:
        return start

    @atom
    def left(*, low: int = need(low)) -> int:
        return low

    @atom
    def right(*, low: int = need(low)) -> int:
        return low

    @atom
    def end(*, left: int = need(left), right: int = need(right)) -> int:
        return left + right

    @flow
    async def above(ctx: Context[None], *, end: int = need(end)) -> int:
        return end

    with pytest.raises(DependencyCycle, match="above -> end -> left -> low -> end"):
        Scope(presets=[preset(start, end)]).check([above])


@pytest.mark.parametrize("in_a_task", [False, True])
async def test_s2_closing_from_within(in_a_task: bool) -> None:  # noqa: FBT001
    """Closing a scope from what runs in it raises instead of hanging."""

    @flow
    async def closes(ctx: Context[None]) -> None:
        if in_a_task:
            await asyncio.wait_for(ctx.scope.close(), 5)
        await ctx.scope.close()

    async with Scope() as scope, asyncio.timeout(5):
        with pytest.raises(EngineError, match="cannot be closed from within"):
            await scope.run(closes)
        await scope.run(nothing)


async def test_s2_closing_from_an_atoms_clean_up() -> None:
    """An atom's clean-up that closes the scope, which waits for it, is told so."""
    refused: Log = []

    @atom
    async def thing() -> AsyncIterator[int]:
        yield 1
        with pytest.raises(EngineError, match="cannot be closed from within") as caught:
            await scope.close()
        refused.append(caught.value)

    async with asyncio.timeout(5), Scope() as scope:
        await scope.resolve(thing)
    assert len(refused) == 1


async def test_s3_a_closed_scope() -> None:
    """Everything on a closed scope raises Closed; it is entered once."""

    @atom
    def thing() -> int:
        return 1

    async with Scope() as scope:
        pass
    with pytest.raises(Closed):
        await scope.resolve(thing)
    with pytest.raises(Closed):
        await scope.run(nothing)
    with pytest.raises(Closed):
        await scope.run_raw(nothing, None)
    with pytest.raises(Closed):
        scope.create_context()
    with pytest.raises(EngineError, match="entered once"):
        async with scope:
            pass
    never = Scope()
    await never.close()
    with pytest.raises(EngineError, match="entered once"):
        async with never:
            pass


async def test_s3_atoms_while_closing() -> None:
    """Once atoms are being cleaned up, no other can be made."""
    log: Log = []

    @atom
    def other() -> int:
        return 1

    class Asks(Extension):
        async def stop(self, scope: Scope) -> None:
            with pytest.raises(Closed):
                await scope.resolve(other)
            log.append("asked")

    async with Scope(extensions=[Asks()]):
        pass
    assert log == ["asked"]


async def test_s4_run() -> None:
    """`run` is a boundary, one execution and a close; a failure closes it as failed."""
    log: Log = []

    @resource
    async def transaction() -> AsyncIterator[int]:
        try:
            yield 1
            log.append("commit")
        except ValueError as error:
            log.append(error)
            raise

    @flow
    async def story(ctx: Context[bool], *, transaction: int = need(transaction)) -> str:
        assert ctx.parent is not None
        assert ctx.parent.parent is None
        if ctx.input:
            raise ValueError("body")
        return "value"

    async with Scope() as scope:
        assert await scope.run(story, False) == "value"
        with pytest.raises(ValueError, match="body") as caught:
            await scope.run(story, True)
    assert log == ["commit", caught.value]


class Passes(Extension):
    async def wrap_exec(self, call: Any, next: Any) -> Any:
        return await next()


@pytest.mark.parametrize("extensions", [[], [Passes()]])
async def test_s4_the_boundary_of_a_run(extensions: list[Extension]) -> None:
    """Its callbacks come after the execution and before its resources, with the outcome."""
    log: Log = []

    @resource
    async def transaction() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            log.append("released")

    @flow
    async def story(ctx: Context[bool], *, transaction: int = need(transaction)) -> None:
        assert ctx.parent is not None
        ctx.parent.on_close(lambda outcome: log.append(outcome.error))
        ctx.on_close(lambda outcome: log.append("execution"))
        if ctx.input:
            raise ValueError("body")

    async with Scope(extensions=extensions) as scope:
        await scope.run(story, False)
        assert log == ["execution", None, "released"]
        log.clear()
        with pytest.raises(ValueError, match="body") as caught:
            await scope.run(story, True)
    assert log == ["execution", caught.value, "released"]


@pytest.mark.parametrize("extensions", [[], [Passes()]])
@pytest.mark.parametrize("fails", [False, True])
async def test_s4_somebody_closes_the_boundary_of_a_run(
    extensions: list[Extension],
    fails: bool,  # noqa: FBT001
) -> None:
    """Who closes it elsewhere waits for the execution; its resources are there until then."""
    log: Log = []
    closings: list[asyncio.Task[None]] = []

    @resource
    async def transaction() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            log.append("released")

    @flow
    async def story(ctx: Context[None], *, transaction: int = need(transaction)) -> str:
        boundary = ctx.parent
        assert boundary is not None

        async def elsewhere() -> None:
            await boundary.close()
            log.append("closed")

        closings.append(asyncio.create_task(elsewhere(), context=contextvars.Context()))
        with pytest.raises(Closed):  # noqa: PT012
            while True:
                await asyncio.sleep(0)
                await boundary.exec(nothing)
        log.append("body")
        if fails:
            raise ValueError("body")
        return "value"

    async with Scope(extensions=extensions) as scope, asyncio.timeout(5):
        if fails:
            with pytest.raises(ValueError, match="body"):
                await scope.run(story)
        else:
            assert await scope.run(story) == "value"
        await closings[0]
    assert log == ["body", "released", "closed"]


@pytest.mark.parametrize("extensions", [[], [Passes()]])
async def test_s4_a_run_that_is_awaited_too_late(extensions: list[Extension]) -> None:
    """What counts is when it begins, not when it was asked for."""
    log: Log = []

    @flow
    async def story(ctx: Context[None]) -> None:
        log.append("ran")

    async with Scope(extensions=extensions) as scope:
        late = scope.run(story)
    with pytest.raises(Closed):
        await late
    assert log == []


database = Port[int]("database")


@resource
def sessions(*, database: int = need(database)) -> int:
    return database


@flow
async def rename_session(ctx: Context[None], *, sessions: int = need(sessions)) -> int:
    return sessions


def test_s5_an_unbound_port() -> None:
    """`check` raises for a port that is not preset, with the path to it, on an unopened scope."""
    with pytest.raises(MissingDependency) as caught:
        Scope().check([nothing, rename_session])
    assert caught.value.node is database
    assert caught.value.path == ("rename_session", "sessions", "database")
    assert "rename_session -> sessions -> database" in str(caught.value)
    Scope(presets=[preset(database, 1)]).check([rename_session])
    Scope(presets=[preset(sessions, 1)]).check([rename_session])


async def test_s5_an_unbound_port_at_run_time() -> None:
    """Running such a flow raises the same, before anything is made."""
    async with Scope() as scope:
        with pytest.raises(MissingDependency, match="rename_session -> sessions -> database"):
            await scope.run(rename_session)
        with pytest.raises(MissingDependency, match="provides database: it is a port"):
            await scope.resolve(database)


def test_s5_a_required_tag() -> None:
    """`check` raises for a tag that nothing will bind; handles are followed."""
    word = Tag[str]("word")

    @resource
    def lasting(*, word: str = need(word)) -> str:
        return word

    @flow
    async def inner(ctx: Context[None], *, lasting: str = need(lasting)) -> None: ...

    @flow
    async def outer(ctx: Context[None], *, inner: Any = need(inner)) -> None: ...

    with pytest.raises(MissingDependency, match="outer -> inner -> lasting -> word"):
        Scope().check([outer])
    Scope().check([outer], provided=[word])
    Scope().check([outer], provided=[word("x")])
    Scope(tags=[word("x")]).check([outer])


def test_s5_tags_that_bind_in_part() -> None:
    """A flow's own tags bind for it and its per-exec resources only; atoms see the scope only."""
    word = Tag[str]("word")

    @resource(per="exec")
    def momentary(*, word: str = need(word)) -> str:
        return word

    @resource
    def lasting(*, word: str = need(word)) -> str:
        return word

    @atom
    def eternal(*, word: str = need(word)) -> str:
        return word

    own = [word("own")]

    @flow(tags=own)
    async def one(
        ctx: Context[None], *, word: str = need(word), momentary: str = need(momentary)
    ) -> None: ...

    @flow(tags=own)
    async def two(ctx: Context[None], *, lasting: str = need(lasting)) -> None: ...

    @flow(tags=own)
    async def three(ctx: Context[None], *, eternal: str = need(eternal)) -> None: ...

    Scope().check([one])
    with pytest.raises(MissingDependency, match="two -> lasting -> word"):
        Scope().check([two])
    with pytest.raises(MissingDependency, match="three -> eternal -> word"):
        Scope().check([three], provided=[word])
    Scope(tags=own).check([one, two, three])


async def test_s5_a_required_tag_of_an_atom_at_run_time() -> None:
    """An atom whose tag the scope does not bind is missed with the whole path."""
    word = Tag[str]("word")

    @atom
    def eternal(*, word: str = need(word)) -> str:
        return word

    @flow
    async def three(ctx: Context[None], *, eternal: str = need(eternal)) -> None: ...

    async with Scope() as scope:
        with pytest.raises(MissingDependency, match="three -> eternal -> word"):
            await scope.run(three, tags=[word("run")])


def test_s5_tags_that_carry_flows() -> None:
    """A flow that a tag carries, by default or on the scope, is checked too."""

    role = Tag[Flow[None, int]]("role", default=rename_session)

    @flow
    async def outer(ctx: Context[None], *, role: Handle[None, int] = need(role)) -> None: ...

    with pytest.raises(MissingDependency, match="outer -> rename_session -> sessions -> database"):
        Scope().check([outer])


def ring() -> tuple[Any, Any, Any]:
    """Two atoms that presets can tie into a ring, and a flow above them."""

    @atom
    def one() -> int:
        return 1

    @atom
    def two(*, one: int = need(one)) -> int:
        return one

    @flow
    async def above(ctx: Context[None], *, two: int = need(two)) -> int:
        return two

    return one, two, above


async def test_s5_a_cycle_by_presets() -> None:
    """A cycle is found by `check`, with its path, and when it is run into."""
    one, two, above = ring()

    @atom
    def tied(*, two: int = need(two)) -> int:
        return two

    scope = Scope(presets=[preset(one, tied)])
    with pytest.raises(DependencyCycle) as caught:
        scope.check([above])
    assert caught.value.path == ("above", "two", "tied", "two")
    async with scope, asyncio.timeout(5):
        with pytest.raises(DependencyCycle, match="above -> two -> tied -> two"):
            await scope.run(above)
        with pytest.raises(DependencyCycle, match="two -> tied -> two"):
            await scope.resolve(two)


async def test_s5_a_cycle_through_a_handle() -> None:
    """A resource that calls a flow that needs it is a cycle; flows that call each other are not."""
    handle = Tag[Any]("handle")

    @resource
    async def thing(*, handle: Any = need(handle)) -> int:
        value: int = await handle()
        return value

    @flow
    async def calls(ctx: Context[None], *, thing: int = need(thing)) -> int:
        return thing

    @flow
    async def ping(ctx: Context[int], *, handle: Any = need(handle)) -> int:
        return await handle(ctx.input - 1) if ctx.input else 0

    scope = Scope(tags=[handle(calls)])
    with pytest.raises(DependencyCycle, match="calls -> thing -> calls"):
        scope.check([calls])
    async with scope, asyncio.timeout(5):
        with pytest.raises(DependencyCycle, match="thing -> calls -> thing"):
            await scope.run(calls)

    recursion = Scope(tags=[handle(ping)])
    recursion.check([ping])
    async with recursion:
        assert await recursion.run(ping, 3) == 0


async def test_s6_cycles_at_run_time() -> None:
    """Factories that resolve each other by hand raise DependencyCycle; nothing hangs."""
    scope = Scope()

    @atom
    async def one() -> int:
        await asyncio.sleep(0)
        return await scope.resolve(two)

    @atom
    async def two() -> int:
        await asyncio.sleep(0)
        return await asyncio.wait_for(scope.resolve(one), 5)

    async with scope, asyncio.timeout(5):
        with pytest.raises(DependencyCycle) as caught:
            await scope.resolve(one)
        assert caught.value.path in (("two", "one", "two"), ("one", "two", "one"))
        both = await asyncio.gather(scope.resolve(one), scope.resolve(two), return_exceptions=True)
        assert [type(each) for each in both] == [DependencyCycle] * 2


async def test_s6_cycles_of_resources_at_run_time() -> None:
    """The same for resources that two executions ask for at the same time."""
    boundary = Tag[Any]("boundary")

    @resource
    async def one(*, boundary: Any = need(boundary)) -> Any:
        await asyncio.sleep(0)
        return await boundary().resolve(two)

    @resource
    async def two(*, boundary: Any = need(boundary)) -> Any:
        await asyncio.sleep(0)
        return await boundary().resolve(one)

    @flow
    async def uses_one(ctx: Context[None], *, one: Any = need(one)) -> None: ...

    @flow
    async def uses_two(ctx: Context[None], *, two: Any = need(two)) -> None: ...

    async with Scope() as scope, asyncio.timeout(5):
        ctx: Context[None] = scope.create_context(boundary(lambda: ctx))
        both = await asyncio.gather(ctx.exec(uses_one), ctx.exec(uses_two), return_exceptions=True)
        assert [type(each) for each in both] == [DependencyCycle] * 2
        await ctx.close()


async def test_s6_waiting_is_no_cycle() -> None:
    """Factories that wait for the same atom, also by hand and twice, are no cycle."""
    scope = Scope()
    gate = asyncio.Event()

    @atom
    async def slow() -> int:
        await gate.wait()
        return 1

    @atom
    async def between() -> int:
        gate.set()
        return await scope.resolve(slow)

    @atom
    async def top() -> int:
        return sum(await asyncio.gather(scope.resolve(slow), scope.resolve(between)))

    async with scope, asyncio.timeout(5):
        assert (await scope.resolve(top), await scope.resolve(slow)) == (2, 1)


def test_s7_another_loop() -> None:
    """A scope used from another event loop than its own says so."""
    scope = Scope()

    async def enter() -> None:
        await scope.__aenter__()

    asyncio.run(enter(), debug=True)
    with pytest.raises(EngineError, match="one event loop"):
        asyncio.run(scope.run(nothing), debug=True)


def test_s7_a_context_in_another_loop() -> None:
    """So does a context that is carried to another event loop."""
    contexts: list[Context[None]] = []

    async def enter() -> None:
        contexts.append((await Scope().__aenter__()).create_context())

    asyncio.run(enter(), debug=True)
    with pytest.raises(EngineError, match="one event loop"):
        asyncio.run(contexts[0].exec(nothing), debug=True)
