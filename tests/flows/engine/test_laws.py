"""What holds for any graph, whatever fails or is cancelled wherever.

Random graphs of atoms and resources are run, and what happened is compared with a small model:
every value that was made is released exactly once, dependents before what they depend on, and the
first error survives with the later ones as its notes.
"""

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from flows.engine import Atom, Context, Flow, Resource, Scope, atom, flow, need, resource

Kind = Literal["atom", "resource", "exec"]
Fails = Literal["never", "before", "after"]
ORDER: tuple[Kind, ...] = ("atom", "resource", "exec")
FAILS: tuple[Fails, ...] = ("never", "never", "never", "never", "never", "before", "after")


@dataclass
class Plan:
    """One node: what it is, what it needs, where it waits and where it fails."""

    kind: Kind
    is_async: bool
    needs: list[int]
    waits: int
    fails: Fails


@dataclass
class Case:
    """A graph, what the flow needs of it, whether that fails, and when each run is cancelled."""

    nodes: list[Plan]
    needs: list[int]
    body_fails: bool
    cancelled_after: list[int | None]


@dataclass
class Value:
    """What a node made."""

    index: int
    needs: list["Value"]
    releases: int = 0


@dataclass
class World:
    """What happened."""

    made: list[Value] = field(default_factory=list)
    released: list[Value] = field(default_factory=list)
    errors: list[tuple[Kind, Exception]] = field(default_factory=list)

    def fail(self, kind: Kind, where: str) -> None:
        error = ValueError(f"{where} {len(self.errors)}")
        self.errors.append((kind, error))
        raise error


@st.composite
def cases(draw: st.DrawFn) -> Case:
    count = draw(st.integers(1, 30))
    kinds = sorted(draw(st.lists(st.sampled_from(ORDER), min_size=count, max_size=count)))
    kinds.sort(key=ORDER.index)
    fails = st.sampled_from(FAILS)
    nodes = [
        Plan(
            kind,
            draw(st.booleans()),
            draw(st.lists(st.integers(0, index - 1), max_size=3, unique=True)) if index else [],
            draw(st.integers(0, 2)),
            draw(fails),
        )
        for index, kind in enumerate(kinds)
    ]
    needs = draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=6, unique=True))
    ends = st.none() | st.integers(0, 12)
    return Case(nodes, needs, draw(st.booleans()), draw(st.lists(ends, min_size=1, max_size=3)))


def with_needs(function: Callable[..., Any], nodes: dict[str, Any], *first: Any) -> Any:
    """`function`, as if it had been written with `nodes` for dependencies."""
    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=need(node))
        for name, node in nodes.items()
    ]
    function.__signature__ = inspect.Signature([*first, *parameters])  # type: ignore[attr-defined]
    return function


def build(plan: Plan, index: int, below: dict[str, Any], world: World) -> Any:
    """The node of a plan, whose making and end are told to `world`."""

    def begin(values: dict[str, Value]) -> Value:
        if plan.fails == "before":
            world.fail(plan.kind, "factory")
        world.made.append(Value(index, list(values.values())))
        return world.made[-1]

    def end(value: Value) -> None:
        value.releases += 1
        world.released.append(value)
        if plan.fails == "after":
            world.fail(plan.kind, "clean-up")

    async def slow(**values: Value) -> Any:
        for _ in range(plan.waits):
            await asyncio.sleep(0)
        value = begin(values)
        try:
            yield value
        finally:
            # It is released even if who closes is cancelled meanwhile.
            try:
                for _ in range(plan.waits):
                    await asyncio.sleep(0)
            finally:
                end(value)

    def quick(**values: Value) -> Any:
        value = begin(values)
        try:
            yield value
        finally:
            end(value)

    function = with_needs(slow if plan.is_async else quick, below)
    if plan.kind == "atom":
        made: Atom[Value] | Resource[Value] = atom(function)
    else:
        made = resource(per="exec" if plan.kind == "exec" else "context")(function)
    made.name = f"{plan.kind}{index}"
    return made


def flow_of(case: Case, world: World) -> Flow[None, int]:
    """The flow of a case."""
    nodes: list[Any] = []
    for index, plan in enumerate(case.nodes):
        nodes.append(build(plan, index, {f"n{each}": nodes[each] for each in plan.needs}, world))

    async def body(ctx: Context[None], **values: Value) -> int:
        await asyncio.sleep(0)
        if case.body_fails:
            world.fail("exec", "body")
        return len(values)

    ctx = inspect.Parameter(
        "ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Context[None]
    )
    needs = {f"n{each}": nodes[each] for each in case.needs}
    made: Flow[None, int] = flow(with_needs(body, needs, ctx))
    return made


async def one_run(scope: Scope, run: Flow[None, int], cancelled_after: int | None) -> Any:
    """The result of one run, or its error; cancelled after so many turns of the loop."""
    task = asyncio.create_task(scope.run(run))
    if cancelled_after is not None:
        for _ in range(cancelled_after):
            await asyncio.sleep(0)
        task.cancel()
    await asyncio.wait([task])
    return asyncio.CancelledError() if task.cancelled() else task.exception() or task.result()


def check_releases(world: World) -> None:
    """Each value was released once, and after everything that was made with it."""
    assert [value.releases for value in world.made] == [1] * len(world.made)
    place = {id(value): index for index, value in enumerate(world.released)}
    for value in world.made:
        for needed in value.needs:
            assert place[id(value)] < place[id(needed)]


def check_errors(case: Case, world: World, results: list[Any]) -> None:
    """Without atoms that fail, a run that nobody cancels ends by its first error, or well."""
    errors = [error for kind, error in world.errors if kind != "atom"]
    if case.cancelled_after != [None] or len(errors) != len(world.errors):
        return
    (result,) = results
    if not errors:
        assert result == len(case.needs)
        return
    assert result is errors[0]
    notes = [note.splitlines()[-1] for note in getattr(result, "__notes__", [])]
    assert notes == [f"ValueError: {error}" for error in errors[1:]]


async def live(case: Case) -> None:
    world = World()
    run = flow_of(case, world)
    scope = Scope()
    results: list[Any] = []
    closing: BaseException | None = None
    async with asyncio.timeout(20):
        try:
            async with scope:
                runs = (one_run(scope, run, after) for after in case.cancelled_after)
                results = await asyncio.gather(*runs)
                before_closing = len(world.errors)
                check_errors(case, world, results)
        except ValueError as error:
            closing = error
    assert closing is (world.errors[before_closing][1] if world.errors[before_closing:] else None)
    check_releases(world)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert not others


@settings(max_examples=150, deadline=None)
@given(cases())
def test_laws(case: Case) -> None:
    """Whatever fails or is cancelled, what was made is released once, in order; errors survive."""
    asyncio.run(live(case))
