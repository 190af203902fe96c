"""How long one request takes: the engine beside hand-written code and other libraries.

The request: the application is open; begin a request, run one operation that needs two made
singletons and one async generator with clean-up, end the request. Every contender does this work
and checks that it was done. Rounds are interleaved; figures are CPU time, medians over rounds.

    python bench/engine.py [--rounds 15] [--requests 4000]
"""

import argparse
import asyncio
import gc
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import dishka
import fastapi
import svcs
import wireup
from fastapi.dependencies.utils import get_dependant, solve_dependencies
from msgspec import Struct

sys.path.insert(0, str(Path(__file__).parent.parent))

from flows.engine import Context, Extension, Scope, atom, flow, need, resource
from flows.engine.plan import Plans

Request = Callable[[], Awaitable[int]]
Contender = AsyncIterator[Request]


class Clock:
    now = 1


class Store:
    rows = 2


class Session:
    """What a request opens and closes."""

    closed = 0


class Input(Struct):
    number: int


async def work(given: Input, clock: Clock, store: Store, session: Session) -> int:
    """The operation, as everybody but the engine calls it."""
    return given.number + clock.now + store.rows


@asynccontextmanager
async def hand_written() -> Contender:
    clock, store, given = Clock(), Store(), Input(3)

    async def request() -> int:
        session = Session()
        try:
            return await work(given, clock, store, session)
        finally:
            Session.closed += 1

    yield request


@asynccontextmanager
async def hand_driven_generator() -> Contender:
    clock, store, given = Clock(), Store(), Input(3)

    async def opened() -> AsyncIterator[Session]:
        yield Session()
        Session.closed += 1

    async def request() -> int:
        generator = opened()
        session = await anext(generator)
        try:
            return await work(given, clock, store, session)
        finally:
            await anext(generator, None)

    yield request


@asynccontextmanager
async def exit_stack() -> Contender:
    clock, store, given = Clock(), Store(), Input(3)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Session]:
        yield Session()
        Session.closed += 1

    async def request() -> int:
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(opened())
            return await work(given, clock, store, session)

    yield request


@atom
def clock() -> Clock:
    return Clock()


@atom
def store() -> Store:
    return Store()


@resource
async def session() -> AsyncIterator[Session]:
    yield Session()
    Session.closed += 1


@flow
async def operation(
    ctx: Context[Input],
    *,
    clock: Clock = need(clock),
    store: Store = need(store),
    session: Session = need(session),
) -> int:
    return ctx.input.number + clock.now + store.rows


@flow
async def atoms_only(
    ctx: Context[Input], *, clock: Clock = need(clock), store: Store = need(store)
) -> int:
    Session.closed += 1
    return ctx.input.number + clock.now + store.rows


@flow
async def nothing(ctx: Context[Input]) -> int:
    Session.closed += 1
    return ctx.input.number + 3


class Passes(Extension):
    async def wrap_exec(self, call: Any, next: Callable[[], Awaitable[Any]]) -> Any:
        return await next()


def in_context(which: Any, *extensions: Extension) -> Any:
    @asynccontextmanager
    async def contender() -> Contender:
        async with Scope(extensions=extensions) as scope:
            given = Input(3)

            async def request() -> int:
                async with scope.create_context() as ctx:
                    result: int = await ctx.exec(which, given)
                    return result

            yield request

    return contender


def by_run(which: Any, *extensions: Extension) -> Any:
    @asynccontextmanager
    async def contender() -> Contender:
        async with Scope(extensions=extensions) as scope:
            given = Input(3)

            async def request() -> int:
                result: int = await scope.run(which, given)
                return result

            yield request

    return contender


@asynccontextmanager
async def with_dishka() -> Contender:
    class Provided(dishka.Provider):
        @dishka.provide(scope=dishka.Scope.APP)
        def clock(self) -> Clock:
            return Clock()

        @dishka.provide(scope=dishka.Scope.APP)
        def store(self) -> Store:
            return Store()

        @dishka.provide(scope=dishka.Scope.REQUEST)
        async def session(self) -> AsyncIterator[Session]:
            yield Session()
            Session.closed += 1

    container = dishka.make_async_container(Provided())
    given = Input(3)

    async def request() -> int:
        async with container() as scoped:
            clock, store = await scoped.get(Clock), await scoped.get(Store)
            return await work(given, clock, store, await scoped.get(Session))

    yield request
    await container.close()


@asynccontextmanager
async def with_wireup() -> Contender:
    @wireup.injectable
    def make_clock() -> Clock:
        return Clock()

    @wireup.injectable
    def make_store() -> Store:
        return Store()

    @wireup.injectable(lifetime="scoped")
    async def make_session() -> AsyncIterator[Session]:
        yield Session()
        Session.closed += 1

    container = wireup.create_async_container(injectables=[make_clock, make_store, make_session])
    given = Input(3)

    async def request() -> int:
        async with container.enter_scope() as scoped:
            clock, store = await scoped.get(Clock), await scoped.get(Store)
            return await work(given, clock, store, await scoped.get(Session))

    yield request
    await container.close()


@asynccontextmanager
async def with_svcs() -> Contender:
    registry = svcs.Registry()
    registry.register_value(Clock, Clock())
    registry.register_value(Store, Store())

    @asynccontextmanager
    async def opened() -> AsyncIterator[Session]:
        yield Session()
        Session.closed += 1

    registry.register_factory(Session, opened)
    given = Input(3)

    async def request() -> int:
        async with svcs.Container(registry) as container:
            clock, store, session = await container.aget(Clock, Store, Session)
            return await work(given, clock, store, session)

    yield request
    await registry.aclose()


@asynccontextmanager
async def with_fastapi() -> Contender:
    made_clock, made_store, given = Clock(), Store(), Input(3)

    async def get_clock() -> Clock:
        return made_clock

    async def get_store() -> Store:
        return made_store

    async def get_session() -> AsyncIterator[Session]:
        yield Session()
        Session.closed += 1

    async def endpoint(
        clock: Annotated[Clock, fastapi.Depends(get_clock)],
        store: Annotated[Store, fastapi.Depends(get_store)],
        session: Annotated[Session, fastapi.Depends(get_session)],
    ) -> int:
        return await work(given, clock, store, session)

    dependant = get_dependant(path="/", call=endpoint)

    async def request() -> int:
        async with AsyncExitStack() as inner, AsyncExitStack() as outer:
            scope = {
                "type": "http", "headers": [], "query_string": b"", "path": "/", "method": "GET",
                "fastapi_inner_astack": inner, "fastapi_function_astack": outer,
            }  # fmt: skip
            solved = await solve_dependencies(
                request=fastapi.Request(scope),
                dependant=dependant,
                async_exit_stack=inner,
                embed_body_fields=False,
            )
            result: int = await endpoint(**solved.values)
            return result

    yield request


CONTENDERS: dict[str, Any] = {
    "hand-written try/finally": hand_written,
    "hand-driven async generator": hand_driven_generator,
    "AsyncExitStack": exit_stack,
    "engine: create_context, exec": in_context(operation),
    "engine: with one extension": in_context(operation, Passes()),
    "engine: atoms only": in_context(atoms_only),
    "engine: no dependencies": in_context(nothing),
    "engine: scope.run": by_run(operation),
    "wireup": with_wireup,
    "svcs": with_svcs,
    "dishka": with_dishka,
    "FastAPI Depends": with_fastapi,
}


@dataclass
class Figures:
    name: str
    seconds: list[float]
    ratios: list[float]


@contextmanager
def undisturbed() -> Iterator[None]:
    """Without the garbage collector."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def measured(request: Request, requests: int) -> float:
    """The CPU seconds of one request; raises if one was not done as it should be."""
    closed = Session.closed
    with undisturbed():
        begin = time.process_time()
        for _ in range(requests):
            result = await request()
        seconds = (time.process_time() - begin) / requests
    if result != 6 or Session.closed != closed + requests:
        raise AssertionError("the work was not done")
    return seconds


async def run(rounds: int, requests: int, names: list[str]) -> list[Figures]:
    async with AsyncExitStack() as stack:
        chosen = {
            name: await stack.enter_async_context(contender())
            for name, contender in CONTENDERS.items()
            if name == next(iter(CONTENDERS)) or not names or any(part in name for part in names)
        }
        figures = {name: Figures(name, [], []) for name in chosen}
        for request in chosen.values():
            await measured(request, requests)
        for _ in range(rounds):
            for name, request in chosen.items():
                seconds = await measured(request, requests)
                figures[name].seconds.append(seconds)
                base = next(iter(figures.values())).seconds[-1]
                figures[name].ratios.append(seconds / base)
        return list(figures.values())


async def plan_and_memory() -> tuple[float, float]:
    """Microseconds to plan a flow, and bytes that an open request holds."""
    import tracemalloc

    times: list[float] = []
    async with Scope() as scope:
        await scope.run(operation, Input(3))
        for _ in range(200):
            plans = Plans({}, None, watched=False)
            begin = time.perf_counter()
            plans.of(operation)
            times.append(time.perf_counter() - begin)
        held: list[Context[None]] = [scope.create_context() for _ in range(1000)]
        for ctx in held:
            await ctx.close()

        async def hold(ctx: Context[None]) -> None:
            await ctx.resolve(session)

        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        held = [scope.create_context() for _ in range(1000)]
        for ctx in held:
            await hold(ctx)
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
    return statistics.median(times) * 1e6, (after - before) / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("names", nargs="*", help="parts of the contenders' names")
    given = parser.parse_args()
    print(f"{'':32}{'median µs':>10}{'ratio':>8}{'range':>16}")
    for each in asyncio.run(run(given.rounds, given.requests, given.names)):
        low, high = min(each.ratios), max(each.ratios)
        print(
            f"{each.name:32}{statistics.median(each.seconds) * 1e6:10.2f}"
            f"{statistics.median(each.ratios):8.1f}{low:9.1f} to {high:.1f}"
        )
    plan, memory = asyncio.run(plan_and_memory())
    print(f"a plan is made in {plan:.0f} µs; an open request holds {memory:.0f} bytes")


if __name__ == "__main__":
    main()
