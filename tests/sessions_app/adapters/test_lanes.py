"""A lane and its callers: what they are told, when, and how it ends."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from flows.atoms.sessions import Committed
from flows.errors import Forbidden, Unavailable
from flows.events import SessionCreated
from sessions_app.adapters.batch import Settled, Write
from sessions_app.adapters.lanes import MOST_TURNS, MOST_WRITES, Lane, goes_on_gathering
from sessions_app.adapters.writes import Cursor
from tests.sessions_app.adapters.nodes import ANN, BOB, Begin, Gate, Node, Nodes, never, refuse


def lanes() -> set[str]:
    return {each.name for each in threading.enumerate() if each.name.startswith("lane-")}


# -- group commit ----------------------------------------------------------------------------------


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True, databases=["postgres"])
async def test_lanes_by_session(postgres: str, node_of: Nodes) -> None:
    """On PostgreSQL one session that is held up does not hold up those of other lanes."""
    node, gate = node_of(postgres), Gate()
    one = await node.begin()
    held = asyncio.create_task(node.decide(one, gate))
    await gate.reached()
    other = uuid4()
    while other.int % 4 == one.int % 4:
        other = uuid4()
    bodies = [SessionCreated("", {})]
    await node.log.create(Begin(key="k"), by=ANN, session_id=other, begin=lambda: bodies)
    assert await node.say(other, "x") == Committed(2, duplicate=False)
    gate.open()
    assert await held == Committed(3, duplicate=False)


# -- callers ---------------------------------------------------------------------------------------


async def test_announced_after_the_callers(lane: Node) -> None:
    """What is committed is announced once, after those who wrote it have gone on."""
    id = await lane.begin()
    await asyncio.sleep(0)  # that is announced
    order: list[str] = []
    lane.log.on_commit = lambda events: order.append(f"announced {len(events)}")

    async def say(text: str) -> None:
        await lane.say(id, text)
        order.append(text)

    await lane.together(id, *(say(text) for text in "abc"))
    assert order == ["announced 1", "a", "b", "c", "announced 3"]


async def test_nothing_to_announce(lane: Node) -> None:
    """Neither what is refused nor what is repeated nor a cursor is announced."""
    id = await lane.begin()
    await lane.say(id, "x", key="k")
    await asyncio.sleep(0)  # that is announced
    lane.announced.clear()
    await lane.say(id, "x", key="k")
    await lane.log.mark_seen(id, by=BOB, decide=lambda _: 1)
    with pytest.raises(Forbidden):
        await lane.decide(id, refuse)
    await lane.decide(id, lambda _: [], key="nothing happens")
    assert lane.announced == []


async def test_cancelled_caller(lane: Node) -> None:
    """A caller who gave up does not take back what was asked: it is committed, and announced."""
    id = await lane.begin()
    gate = Gate()
    tasks = [asyncio.create_task(lane.decide(id, gate, key="held"))]
    await gate.reached()
    tasks.append(asyncio.create_task(lane.say(id, "waits", key="waits")))
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in done] == [asyncio.CancelledError] * 2
    gate.open()
    assert await lane.decide(id, never, key="held") == Committed(3, duplicate=True)
    assert await lane.decide(id, never, key="waits") == Committed(4, duplicate=True)
    assert [len(each) for each in lane.announced] == [2, 1, 1]


async def test_bound(database: str, node_of: Nodes) -> None:
    """A full lane answers at once that it is; what it refused is never written."""
    lane = node_of(database, lanes=1, waiting=3)
    id = await lane.begin()
    gate = Gate()
    held = asyncio.create_task(lane.decide(id, gate))
    await gate.reached()
    waiting = [asyncio.create_task(lane.say(id, "x")) for _ in range(3)]
    await asyncio.sleep(0)
    for refused in (
        lane.say(id, "y", key="refused"),
        lane.create("refused"),
        lane.log.mark_seen(id, by=BOB, decide=lambda _: 1),
    ):
        with pytest.raises(Unavailable):
            await refused
    gate.open()
    await asyncio.gather(held, *waiting)
    assert (await lane.require_sound(id)).seq == 6
    assert await lane.cursors(id) == {"ann": 0, "bob": 0}
    assert not (await lane.say(id, "y", key="refused")).duplicate


async def test_one_loop(lane: Node) -> None:
    """A log belongs to one event loop; another one is told so instead of never being answered."""
    id = await lane.begin()

    def elsewhere() -> None:
        asyncio.run(asyncio.wait_for(lane.say(id, "x"), 30))

    with pytest.raises(RuntimeError, match="event loop"):
        await asyncio.to_thread(elsewhere)


# -- the end ---------------------------------------------------------------------------------------


async def test_close(node: Node) -> None:
    """Closing answers all who wait, refuses who comes, ends the threads, and may be repeated."""
    id = await node.begin()
    gate = Gate()
    held = asyncio.create_task(node.decide(id, gate))
    await gate.reached()
    waiting = [asyncio.create_task(node.say(id, f"{number}")) for number in range(30)]
    await asyncio.sleep(0)
    closing = [asyncio.create_task(node.log.close()) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await node.say(id, "late")
    gate.open()
    await asyncio.gather(*closing)
    assert all(each.done() for each in (held, *waiting))
    assert sum(len(each) for each in node.announced) == 33
    assert lanes() == set()
    await node.log.close()
    with pytest.raises(Unavailable):
        await node.say(id, "later")
    with pytest.raises(Unavailable):
        await node.log.find(id)


async def test_nothing_is_left_open(node: Node) -> None:
    """The connections of a log that is closed are closed, too."""
    opened: list[BaseDatabaseWrapper] = []

    def watch(connection: BaseDatabaseWrapper, **_: object) -> None:
        opened.append(connection)

    connection_created.connect(watch)
    try:
        await asyncio.gather(*(node.begin() for _ in range(20)))
        await asyncio.gather(*(node.log.find(uuid4()) for _ in range(20)))
    finally:
        connection_created.disconnect(watch)
    assert opened
    await node.log.close()
    assert [each.connection for each in opened] == [None] * len(opened)


async def test_never_used(node: Node) -> None:
    """A log that nothing was written to has no lanes to end."""
    assert lanes() == set()
    await node.log.close()
    assert lanes() == set()


# -- trouble ---------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
async def test_a_lane_outlives_its_own_mistakes(sqlite: str) -> None:
    """Whatever goes wrong in a lane, those who wait are told, and later writes are written."""
    outcomes: list[list[object]] = [[], [True]]
    lane = Lane(
        "lane",
        using=sqlite,
        transact=lambda writes: Settled(outcomes.pop(0), []),
        announce=lambda events: None,
        waiting=10,
    )
    write = Cursor(uuid4(), ANN, lambda session: 1)
    with pytest.raises(ValueError, match="zip"):
        await lane.submit(write)
    assert await lane.submit(write)
    lane.stop()
    await lane.ended()


@pytest.mark.parametrize(
    ("before", "count", "turns", "goes_on"),
    [
        (0, 1, MOST_TURNS, True),
        (1, 2, 1, True),
        (1, 2, 0, False),
        (1, 1, MOST_TURNS, False),
        (0, MOST_WRITES - 1, 1, True),
        (0, MOST_WRITES, 1, False),
    ],
)
def test_gathering(*, before: int, count: int, turns: int, goes_on: bool) -> None:
    """Writes are gathered while turns bring some: not for ever, and no more than go together."""
    assert goes_on_gathering(before, count, turns) is goes_on


@pytest.mark.django_db(transaction=True)
async def test_what_comes_in_turn_after_turn_is_gathered(sqlite: str) -> None:
    """While each turn of the loop brings a write, nothing is handed over; then all of it is."""
    batches: list[int] = []

    def transact(writes: Sequence[Write[Any]]) -> Settled:
        batches.append(len(writes))
        return Settled([True for _ in writes], [])

    lane = Lane("lane", using=sqlite, transact=transact, announce=lambda events: None, waiting=10)
    write = Cursor(uuid4(), ANN, lambda session: 1)
    assert await lane.submit(write)
    waiting = []
    for _ in range(MOST_TURNS):
        waiting.append(lane.submit(write))
        await asyncio.sleep(0)
    assert await asyncio.gather(*waiting) == [True] * MOST_TURNS
    assert batches == [1, MOST_TURNS]
    lane.stop()
    await lane.ended()
