"""Only type-checked. Lines that end in `# wrong` must be errors, those in `# follows` may be."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from typing import Any, assert_type

from msgspec import Struct

from flows.engine import (
    Atom,
    Context,
    Flow,
    Handle,
    Port,
    Resource,
    Scope,
    Tag,
    atom,
    every,
    flow,
    maybe,
    need,
    preset,
    resource,
    typed,
)


class Say(Struct):
    text: str


class Base: ...


class Derived(Base): ...


# -- nodes ---------------------------------------------------------------------------------------


@atom
def plain() -> int:
    return 1


@atom
async def slow() -> int:
    return 1


@atom
def generated() -> Iterator[int]:
    yield 1


@atom
def generated_in_full() -> Generator[int, None, None]:
    yield 1


@atom
async def async_generated() -> AsyncIterator[int]:
    yield 1


@atom
async def async_generated_in_full() -> AsyncGenerator[int, None]:
    yield 1


@atom
def function() -> Callable[[], int]:
    return lambda: 1


assert_type(plain, Atom[int])
assert_type(slow, Atom[int])
assert_type(generated, Atom[int])
assert_type(generated_in_full, Atom[int])
assert_type(async_generated, Atom[int])
assert_type(async_generated_in_full, Atom[int])
assert_type(function, Atom[Callable[[], int]])


@resource
def thing(*, plain: int = need(plain)) -> int:
    return plain


@resource(per="exec")
async def momentary() -> AsyncIterator[str]:
    yield "x"


@resource()
async def lasting() -> str:
    return "x"


assert_type(thing, Resource[int])
assert_type(momentary, Resource[str])
assert_type(lasting, Resource[str])

port = Port[Base]("port")
derived = Port[Derived]("derived")
word = Tag[str]("word", default="x")
wrong_default = Tag[str]("word", default=3)  # wrong
wrong_per = resource(per="day")  # wrong
needs_a_value: Atom[str] = plain  # wrong
invariant: Atom[Base] = derived  # wrong

# -- flows ---------------------------------------------------------------------------------------


@flow
async def say(
    ctx: Context[Say],
    *,
    plain: int = need(plain),
    thing: int = need(thing),
    port: Base = need(port),
    upcast: Base = need(derived),
    word: str = need(word),
    perhaps: str | None = maybe(word),
    words: list[str] = every(word),
) -> str:
    return ctx.input.text


@flow(faults=(ValueError,), name="other", tags=[word("x")])
async def nothing(ctx: Context[None]) -> int:
    return 1


@flow
async def numbers(ctx: Context[Say]) -> AsyncIterator[int]:
    yield 1


@flow(name="more")
async def more_numbers(ctx: Context[Say]) -> AsyncIterator[int]:
    yield 1


role = Tag[Flow[Say, str]]("role")


@flow
async def delegates(
    ctx: Context[Say],
    *,
    say: Handle[Say, str] = need(say),
    nothing: Handle[None, int] = need(nothing),
    numbers: Handle[Say, AsyncIterator[int]] = need(numbers),
    role: Handle[Say, str] = need(role),
    maybe_role: Handle[Say, str] | None = maybe(role),
    roles: list[Handle[Say, str]] = every(role),
) -> str:
    assert_type(await say(ctx.input), str)
    assert_type(await nothing(), int)
    assert_type(await role(Say("x")), str)
    await say("x")  # wrong
    await say()  # wrong
    async with numbers.stream(ctx.input) as items:
        async for item in items:
            assert_type(item, int)
    async with say.stream(ctx.input) as _:  # wrong
        pass
    return await say(ctx.input)


assert_type(say, Flow[Say, str])
assert_type(nothing, Flow[None, int])
assert_type(numbers, Flow[Say, AsyncIterator[int]])
assert_type(more_numbers, Flow[Say, AsyncIterator[int]])
assert_type(need(say), Handle[Say, str])
assert_type(need(port), Base)


@flow  # wrong
async def no_context(x: int) -> None: ...


@flow  # follows
async def wrong_atom(ctx: Context[Say], *, x: str = need(plain)) -> None: ...  # wrong


@flow  # follows
async def wrong_resource(ctx: Context[Say], *, x: str = need(thing)) -> None: ...  # wrong


@flow  # follows
async def wrong_port(ctx: Context[Say], *, x: Derived = need(port)) -> None: ...  # wrong


@flow  # follows
async def wrong_tag(ctx: Context[Say], *, x: int = need(word)) -> None: ...  # wrong


@flow  # follows
async def wrong_maybe(ctx: Context[Say], *, x: str = maybe(word)) -> None: ...  # wrong


@flow  # follows
async def wrong_every(ctx: Context[Say], *, x: list[int] = every(word)) -> None: ...  # wrong


@flow  # follows
async def wrong_handle(
    ctx: Context[Say],
    *,
    x: Handle[int, str] = need(say),  # wrong
    y: Handle[Say, int] = need(say),  # wrong
) -> None: ...


@flow
async def no_node(ctx: Context[Say], *, x: int = need(3)) -> None: ...  # wrong


@flow
async def maybe_atom(ctx: Context[Say], *, x: Any = maybe(plain)) -> None: ...  # wrong


# -- running -------------------------------------------------------------------------------------


async def running(scope: Scope, ctx: Context[None]) -> None:
    assert_type(await scope.run(say, Say("x")), str)
    assert_type(await scope.run(nothing), int)
    assert_type(await scope.run_raw(say, {"text": "x"}), str)
    assert_type(await scope.resolve(plain), int)
    assert_type(await ctx.exec(say, Say("x"), tags=[word("x")]), str)
    assert_type(await ctx.exec_raw(nothing, None), int)
    assert_type(await ctx.spawn(say, Say("x")), str)
    assert_type(await ctx.resolve(thing), int)
    assert_type(await ctx.resolve(word), str)
    async with scope.create_context(word("x")) as inner:
        assert_type(inner, Context[None])
    async with ctx.stream(numbers, Say("x")) as items:
        assert_type(await anext(items), int)
    await scope.run(say, {"text": "x"})  # wrong
    await scope.run(say)  # wrong
    await ctx.exec(say, 3)  # wrong
    ctx.spawn(say, 3)  # wrong
    await scope.resolve(thing)  # wrong
    ctx.stream(say, Say("x"))  # wrong
    ctx.stream(numbers, 3)  # wrong
    scope.create_context(word)  # wrong
    assert_type(await scope.run(say, Say("x")), int)  # wrong
    (await scope.run(say, Say("x"))).nonsense()  # wrong


# -- tags, presets, parsers ----------------------------------------------------------------------


async def fake_say(ctx: Context[Say]) -> str:
    return "x"


async def wrong_say(ctx: Context[Say]) -> int:
    return 1


async def wrong_input(ctx: Context[int]) -> str:
    return "x"


async def fake_numbers(ctx: Context[Say]) -> AsyncIterator[int]:
    yield 1


word("x")
word(3)  # wrong
role(say)
role(nothing)  # wrong
preset(plain, 3)
preset(plain, slow)
preset(port, Derived())
preset(thing, 3)
preset(say, fake_say)
preset(say, say)
preset(numbers, fake_numbers)
preset(plain, "x")  # wrong
preset(port, 3)  # wrong
preset(thing, "x")  # wrong
preset(say, nothing)  # wrong
preset(say, wrong_say)  # wrong
preset(say, wrong_input)  # wrong
preset(word, "x")  # wrong
assert_type(typed(int)("3"), int)
