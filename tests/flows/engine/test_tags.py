"""Tags: T1 to T4."""

from typing import Any

import pytest

from flows.engine import (
    Context,
    Flow,
    Handle,
    InvalidDefinition,
    MissingDependency,
    Scope,
    Tag,
    atom,
    every,
    flow,
    maybe,
    need,
    preset,
    resource,
)

word = Tag[str]("word", default="default")
number = Tag[int | None]("number")


@flow(tags=[word("flow")])
async def read(
    ctx: Context[None], *, word: str = need(word), words: list[str] = every(word)
) -> tuple[str, list[str]]:
    return word, words


async def test_t1_precedence() -> None:
    """Execution, context, parent context, scope, flow, default: the first that binds wins."""

    @flow
    async def bare(ctx: Context[None], *, word: str = need(word)) -> str:
        return word

    async with Scope() as scope:
        assert await scope.run(bare) == "default"
        assert await scope.run(read) == ("flow", ["flow"])
    async with Scope(tags=[word("scope")]) as scope:
        assert await scope.run(read) == ("scope", ["scope", "flow"])
        async with scope.create_context(word("parent")) as parent:
            async with parent.create_context() as ctx:
                assert (await ctx.exec(read))[0] == "parent"
            async with parent.create_context(word("context")) as ctx:
                assert (await ctx.exec(read))[0] == "context"
                assert await ctx.exec(read, tags=[word("exec")]) == (
                    "exec",
                    ["exec", "context", "parent", "scope", "flow"],
                )


async def test_t1_bound_twice() -> None:
    """Bound twice at one level, the last wins; `every` gives it first."""
    async with Scope() as scope:
        tags = [word("one"), word("two")]
        assert await scope.run(read, tags=tags) == ("two", ["two", "one", "flow"])


async def test_t2_need() -> None:
    """`need` of an unbound tag raises before the body runs, and says where."""
    ran: list[str] = []

    @resource
    def below(*, number: int | None = need(number)) -> int | None:
        return number

    @flow
    async def direct(ctx: Context[None], *, number: int | None = need(number)) -> None:
        ran.append("direct")

    @atom
    def other() -> int:
        return 1

    @flow
    async def indirect(
        ctx: Context[None], *, other: int = need(other), below: int | None = need(below)
    ) -> None:
        ran.append("indirect")

    async with Scope(presets=[preset(other, 1)]) as scope:
        with pytest.raises(MissingDependency, match="direct -> number") as caught:
            await scope.run(direct)
        assert caught.value.node is number
        assert caught.value.path == ("direct", "number")
        with pytest.raises(MissingDependency, match="indirect -> below -> number"):
            await scope.run(indirect)
        async with scope.create_context() as ctx:
            with pytest.raises(MissingDependency, match="provides number"):
                await ctx.resolve(number)
            with pytest.raises(MissingDependency, match="provides below -> number"):
                await ctx.resolve(below)
    assert ran == []


async def test_t2_maybe_and_every() -> None:
    """`maybe` gives the default or None, `every` an empty list; None is a value."""

    @flow
    async def ask(
        ctx: Context[None],
        *,
        one: int | None = maybe(number),
        two: str | None = maybe(word),
        all_numbers: list[int | None] = every(number),
        all_words: list[str] = every(word),
    ) -> tuple[Any, ...]:
        return one, two, all_numbers, all_words

    @flow
    async def insist(ctx: Context[None], *, number: int | None = need(number)) -> int | None:
        return number

    async with Scope() as scope:
        assert await scope.run(ask) == (None, "default", [], [])
        assert await scope.run(ask, tags=[number(3)]) == (3, "default", [3], [])
        assert await scope.run(insist, tags=[number(None)]) is None


async def test_t2_in_atoms() -> None:
    """The same in atoms, of what the scope binds."""

    @atom
    def ask(
        *,
        one: int | None = maybe(number),
        two: str = need(word),
        words: list[str] = every(word),
        numbers: list[int | None] = every(number),
    ) -> tuple[Any, ...]:
        return one, two, words, numbers

    async with Scope(tags=[word("a"), word("b")]) as scope:
        assert await scope.resolve(ask) == (None, "b", ["b", "a"], [])


async def test_t3_nested_but_not_siblings() -> None:
    """Tags of an execution are seen by what it nests, not by its siblings."""

    @flow
    async def inner(ctx: Context[None], *, word: str = need(word)) -> str:
        return word

    @flow
    async def outer(ctx: Context[None], *, inner: Handle[None, str] = need(inner)) -> str:
        return await inner()

    async with Scope() as scope, scope.create_context() as ctx:
        assert await ctx.exec(outer, tags=[word("mine")]) == "mine"
        assert await ctx.exec(outer) == "default"


async def test_t4_tags_that_carry_flows() -> None:
    """A tag that carries a flow gives a handle, with `need`, `maybe` and `every`."""

    @flow
    async def one(ctx: Context[int]) -> int:
        return ctx.input + 1

    @flow
    async def two(ctx: Context[int]) -> int:
        return ctx.input + 2

    role = Tag[Flow[int, int]]("role")

    @flow
    async def delegates(
        ctx: Context[int],
        *,
        role: Handle[int, int] = need(role),
        perhaps: Handle[int, int] | None = maybe(role),
        roles: list[Handle[int, int]] = every(role),
    ) -> list[int]:
        assert perhaps is not None
        return [await role(ctx.input), await perhaps(0), *[await each(0) for each in roles]]

    async with Scope(tags=[role(one)]) as scope:
        assert await scope.run(delegates, 10) == [11, 1, 1]
        assert await scope.run(delegates, 10, tags=[role(two)]) == [12, 2, 2, 1]


async def test_t4_not_in_atoms() -> None:
    """An atom cannot run flows, so a tag that carries one is refused there."""
    role = Tag[Any]("role", default=read)

    @atom
    def bad(*, role: Any = need(role)) -> int:
        return 1

    async with Scope() as scope:
        with pytest.raises(InvalidDefinition, match=r"bad\(role\): role carries a flow"):
            await scope.resolve(bad)


async def test_an_unbound_tag_for_a_bound_one() -> None:
    """A tag without a value where a bound one belongs is refused, and says how to bind it."""
    with pytest.raises(InvalidDefinition, match=r"<tag word>: is no bound tag.*tag\(value\)"):
        Scope(tags=[word])  # type: ignore[list-item]
