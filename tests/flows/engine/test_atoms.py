"""Atoms: A1 to A11."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from flows.engine import (
    Closed,
    Context,
    Extension,
    InvalidDefinition,
    Scope,
    Tag,
    atom,
    flow,
    maybe,
    need,
    resource,
)
from flows.engine.nodes import Node

NOTHING: tuple[int, ...] = ()


async def test_a1_runs_once() -> None:
    """An atom is made on first use, and later uses give the same value."""
    made: list[str] = []

    @atom
    def thing() -> object:
        made.append("thing")
        return object()

    async with Scope() as scope:
        assert made == []
        first = await scope.resolve(thing)
        assert first is await scope.resolve(thing)
    assert made == ["thing"]


async def test_a1_none_is_cached() -> None:
    """An atom whose value is None is made once like any other."""
    made: list[str] = []

    @atom
    async def nothing() -> object:
        made.append("nothing")
        return None

    async with Scope() as scope:
        assert await scope.resolve(nothing) is None
        assert await scope.resolve(nothing) is None
    assert made == ["nothing"]


async def test_a1_four_shapes() -> None:
    """A function, an async function and generators of both kinds make atoms."""
    log: list[str] = []

    @atom
    def plain() -> int:
        return 1

    @atom
    async def slow() -> int:
        return 2

    @atom
    def generator() -> Iterator[int]:
        yield 3
        log.append("generator")

    @atom
    async def async_generator() -> AsyncIterator[int]:
        yield 4
        log.append("async generator")

    async with Scope() as scope:
        nodes = (plain, slow, generator, async_generator)
        assert [await scope.resolve(each) for each in nodes] == [1, 2, 3, 4]
        assert log == []
    assert log == ["async generator", "generator"]


async def test_a2_concurrent_first_uses() -> None:
    """Two concurrent first uses run the factory once and get its value."""
    gate = asyncio.Event()
    made: list[str] = []

    @atom
    async def thing() -> object:
        made.append("thing")
        await gate.wait()
        return object()

    async with Scope() as scope:
        uses = [asyncio.create_task(scope.resolve(thing)) for _ in range(2)]
        await asyncio.sleep(0)
        gate.set()
        one, two = await asyncio.gather(*uses)
    assert one is two
    assert made == ["thing"]


async def test_a2_failures_are_not_cached() -> None:
    """Two concurrent uses get the same error, and the next use runs the factory again."""
    errors = [ValueError("first")]

    @atom
    async def thing() -> int:
        await asyncio.sleep(0)
        if errors:
            raise errors.pop()
        return 1

    error = errors[0]
    async with Scope() as scope:
        uses = [scope.resolve(thing), scope.resolve(thing)]
        assert [error, error] == list[object](await asyncio.gather(*uses, return_exceptions=True))
        assert await scope.resolve(thing) == 1


async def test_a3_a_cancelled_waiter() -> None:
    """Cancelling one waiter, the first, cancels neither the factory nor the other waiter."""
    gate, begun = asyncio.Event(), asyncio.Event()

    @atom
    async def thing() -> int:
        begun.set()
        await gate.wait()
        return 1

    async with Scope() as scope:
        one = asyncio.create_task(scope.resolve(thing))
        await begun.wait()
        two = asyncio.create_task(scope.resolve(thing))
        await asyncio.sleep(0)
        one.cancel()
        with pytest.raises(asyncio.CancelledError):
            await one
        gate.set()
        assert await two == 1


async def test_a4_dependencies_are_made_concurrently() -> None:
    """Two async dependencies are made at the same time: each waits for the other to begin."""
    left, right = asyncio.Event(), asyncio.Event()
    made: list[str] = []

    @atom
    async def shared() -> int:
        made.append("shared")
        await asyncio.sleep(0)
        return 0

    @atom
    async def one(*, shared: int = need(shared)) -> int:
        left.set()
        await right.wait()
        return 1

    @atom
    async def two(*, shared: int = need(shared)) -> int:
        right.set()
        await left.wait()
        return 2

    @atom
    def both(*, one: int = need(one), two: int = need(two)) -> int:
        return one + two

    async with Scope() as scope, asyncio.timeout(5):
        assert await scope.resolve(both) == 3
    assert made == ["shared"]


async def test_a5_a_failing_dependency() -> None:
    """A failing dependency's error is raised as it is, and what depends on it is never run."""
    error = ValueError("dependency")
    ran: list[str] = []
    never = asyncio.Event()

    @atom
    def bad() -> int:
        raise error

    @atom
    async def endless() -> int:
        await never.wait()
        return 1

    @atom
    def dependent(*, endless: int = need(endless), bad: int = need(bad)) -> int:
        ran.append("dependent")
        return bad

    async with Scope() as scope, asyncio.timeout(5):
        with pytest.raises(ValueError, match="dependency") as caught:
            await scope.resolve(dependent)
    assert caught.value is error
    assert ran == []


async def test_a6_atoms_see_the_scope_only() -> None:
    """An atom sees a scope's tags and defaults, whatever the asking context binds."""
    bound, default, unbound = Tag[str]("bound"), Tag[str]("default", default="d"), Tag[str]("x")

    @atom
    def seen(
        *,
        bound: str = need(bound),
        default: str = need(default),
        unbound: str | None = maybe(unbound),
    ) -> tuple[str, str, str | None]:
        return bound, default, unbound

    async with (
        Scope(tags=[bound("scope")]) as scope,
        scope.create_context(bound("c"), default("c"), unbound("c")) as ctx,
    ):
        assert await ctx.resolve(seen) == ("scope", "d", None)


def test_a6_refused_dependencies() -> None:
    """An atom that needs a resource or a flow is refused when it is defined."""

    @resource
    def some_resource() -> int:
        return 1

    @flow
    async def some_flow(ctx: Context[None]) -> int:
        return 1

    with pytest.raises(InvalidDefinition, match=r"bad\(it\).*some_resource is a resource"):

        @atom
        def bad(*, it: int = need(some_resource)) -> int:
            return it

    with pytest.raises(InvalidDefinition, match=r"worse\(it\).*some_flow is a flow"):

        @atom
        def worse(*, it: Any = need(some_flow)) -> int:
            return 1


async def test_a7_reverse_order_of_completion() -> None:
    """Atoms are cleaned up in the reverse order in which they were completed."""
    log: list[str] = []
    gate = asyncio.Event()

    @atom
    async def late() -> AsyncIterator[str]:
        await gate.wait()
        yield "late"
        log.append("late")

    @atom
    async def early() -> AsyncIterator[str]:
        yield "early"
        log.append("early")

    @atom
    def top(*, late: str = need(late), early: str = need(early)) -> Iterator[str]:
        yield "top"
        log.append("top")

    async with Scope() as scope:
        use = asyncio.create_task(scope.resolve(top))
        await scope.resolve(early)
        gate.set()
        await use
    assert log == ["top", "late", "early"]


async def test_a8_failing_clean_ups() -> None:
    """Every clean-up runs; the first error is raised, and the later ones are its notes."""
    log: list[str] = []
    first, second = ValueError("first"), ValueError("second")

    @atom
    def bottom() -> Iterator[int]:
        yield 1
        log.append("bottom")

    @atom
    def middle(*, bottom: int = need(bottom)) -> Iterator[int]:
        yield 2
        log.append("middle")
        raise second

    @atom
    async def top(*, middle: int = need(middle)) -> AsyncIterator[int]:
        yield 3
        log.append("top")
        raise first

    scope = Scope()
    async with scope:
        await scope.resolve(top)
        with pytest.raises(ValueError, match="first") as caught:
            await scope.close()
    assert caught.value is first
    assert [note.splitlines()[-1] for note in first.__notes__] == ["ValueError: second"]
    assert log == ["top", "middle", "bottom"]


async def test_a8_a_generator_yields_once() -> None:
    """A generator that yields a second time, or never, is an error, and the others go on."""
    log: list[str] = []

    @atom
    def fine() -> Iterator[int]:
        yield 1
        log.append("fine")

    @atom
    def twice(*, fine: int = need(fine)) -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            log.append("twice")

    @atom
    async def never() -> AsyncIterator[int]:
        for each in NOTHING:
            yield each

    scope = Scope()
    async with scope:
        await scope.resolve(twice)
        with pytest.raises(InvalidDefinition, match="never: ended without a `yield`"):
            await scope.resolve(never)
        with pytest.raises(InvalidDefinition, match="yields twice"):
            await scope.close()
    assert log == ["twice", "fine"]


async def test_a9_a_failing_factory_releases_its_own() -> None:
    """When a factory fails, its dependencies stay, and what it acquired itself is released."""
    log: list[str] = []

    @atom
    def dependency() -> Iterator[int]:
        yield 1
        log.append("dependency")

    @atom
    async def bad(*, dependency: int = need(dependency)) -> AsyncIterator[int]:
        try:
            raise ValueError("bad")
            yield 1
        finally:
            log.append("bad")

    async with Scope() as scope:
        with pytest.raises(ValueError, match="bad"):
            await scope.resolve(bad)
        assert log == ["bad"]
    assert log == ["bad", "dependency"]


async def test_a9_a_failing_extension_releases_the_value() -> None:
    """When an extension fails after the factory, the value is released before anyone hears."""
    log: list[BaseException | str] = []
    error = ValueError("extension")

    class Fails(Extension):
        async def wrap_resolve(self, node: Node, next: Any) -> Any:
            await next()
            raise error

    @atom
    async def thing() -> AsyncIterator[int]:
        try:
            yield 1
        except ValueError as thrown:
            log.append(thrown)
            raise KeyError("clean-up") from None

    async with Scope(extensions=[Fails()]) as scope:
        with pytest.raises(ValueError, match="extension") as caught:
            await scope.resolve(thing)
        assert caught.value is error
        assert log == [error]
        assert "clean-up" in error.__notes__[0]


async def test_a10_two_scopes() -> None:
    """The same atom has a value of its own in each scope."""

    @atom
    def thing() -> object:
        return object()

    async with Scope() as one, Scope() as two:
        assert await one.resolve(thing) is not await two.resolve(thing)


async def test_a11_outside_the_requesting_context() -> None:
    """A contextvar that a request has set is seen by no factory, sync or async."""
    request = ContextVar("request", default="none")

    @atom
    def plain() -> str:
        return request.get()

    @atom
    async def slow() -> str:
        return request.get()

    async with Scope() as scope:
        request.set("mine")
        assert [await scope.resolve(plain), await scope.resolve(slow)] == ["none", "none"]


async def test_a11_a_clean_up_finds_its_factorys_contextvars() -> None:
    """What a factory has set is still set in its clean-up, so that it can be reset."""
    variable = ContextVar("variable", default="none")
    seen: list[str] = []

    @atom
    async def thing() -> AsyncIterator[int]:
        token = variable.set("set")
        yield 1
        seen.append(variable.get())
        variable.reset(token)

    async with Scope() as scope:
        await scope.resolve(thing)
    assert seen == ["set"]


async def test_an_atom_that_is_cancelled_from_inside() -> None:
    """A cancellation that a factory raises itself is an error like any other."""

    @atom
    async def thing() -> int:
        raise asyncio.CancelledError

    async with Scope() as scope:
        with pytest.raises(asyncio.CancelledError):
            await scope.resolve(thing)


async def test_closing_while_an_atom_is_made() -> None:
    """Closing ends an unfinished factory: who waits gets Closed, what it held is released."""
    log: list[str] = []
    begun = asyncio.Event()

    @atom
    async def thing() -> int:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            log.append("released")
        return 1

    async with Scope() as scope:
        use = asyncio.create_task(scope.resolve(thing))
        await begun.wait()
    with pytest.raises(Closed):
        await use
    assert log == ["released"]


async def test_resolve_takes_atoms() -> None:
    """A scope resolves atoms only; a context resolves the rest."""

    @resource
    def thing() -> int:
        return 1

    async with Scope() as scope:
        with pytest.raises(InvalidDefinition, match="a context resolves it"):
            await scope.resolve(thing)  # type: ignore[arg-type]


async def test_a8_a_close_that_is_cancelled_between_clean_ups() -> None:
    """A cancellation that comes just when a clean-up has ended is raised once all have run."""
    log: list[str] = []
    closing: list[asyncio.Task[None]] = []

    @atom
    def below() -> Iterator[int]:
        yield 1
        log.append("below")

    @atom
    async def above(*, below: int = need(below)) -> AsyncIterator[int]:
        yield 1
        asyncio.get_running_loop().call_soon(closing[0].cancel)

    async with Scope() as scope:
        await scope.resolve(above)
        closing.append(asyncio.create_task(scope.close()))
        with pytest.raises(asyncio.CancelledError):
            await closing[0]
    assert log == ["below"]
