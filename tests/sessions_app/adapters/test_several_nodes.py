"""One session written on several nodes: one order, one result for a key, one state."""

import asyncio
from uuid import UUID

import pytest

from flows.atoms.sessions import Committed
from flows.events import (
    Body,
    MessageSent,
    ParticipantAdded,
    ParticipantRemoved,
    Role,
    SessionEnded,
    SessionRenamed,
    SessionResumed,
)
from flows.session import Session
from sessions_app import models
from sessions_app.adapters.batch import MOST_MISSED
from sessions_app.models import Event, Receipt
from tests.sessions_app.adapters.databases import is_waiting
from tests.sessions_app.adapters.nodes import ANN, BOB, Gate, Node, Nodes

# -- keys ------------------------------------------------------------------------------------------


async def test_a_key_raced_by_two_nodes(database: str, node_of: Nodes) -> None:
    """One key on two nodes at the same moment: one begins a session, the other gets that one."""
    node, other = node_of(database, lanes=1), node_of(database, lanes=1)
    id = await node.begin()
    gate = Gate()
    # The batch of `node` has looked for the key in vain, and is held up before it uses it.
    first = Gate()
    held = [asyncio.create_task(node.decide(id, first))]
    await first.reached()
    held.append(asyncio.create_task(node.decide(id, gate)))
    mine = asyncio.create_task(node.create("k"))
    await asyncio.sleep(0)
    first.open()
    await gate.reached()

    rival = asyncio.create_task(other.create("k"))
    if database == "postgres":  # SQLite has one writer: there the rival waits for its turn
        await rival
    gate.open()

    made, raced = await mine, await rival
    assert {made.duplicate, raced.duplicate} == {True, False}
    assert made.session_id == raced.session_id
    assert [each.seq for each in (await held[0], await held[1])] == [3, 4]
    assert await node.stored(Receipt, actor="ann", key="k") == 1
    assert await node.stored(Event, key="k") == 2
    for each in (id, made.session_id):
        await other.require_sound(each)
    assert len([event for batch in node.announced + other.announced for event in batch]) == 6


async def test_a_key_in_one_session_raced_by_two_nodes(database: str, node_of: Nodes) -> None:
    """The lock of the session lets the second node see what the first has just written."""
    node, other = node_of(database), node_of(database)
    id = await node.begin()
    done = await asyncio.gather(
        *(each.say(id, "x", key=f"{key}") for key in range(50) for each in (node, other))
    )
    assert sorted(each.duplicate for each in done) == [False] * 50 + [True] * 50
    by_key = [{each.seq for each in done[2 * key : 2 * key + 2]} for key in range(50)]
    assert sorted(by_key, key=min) == [{seq} for seq in range(3, 53)]
    assert (await node.require_sound(id)).seq == 52


# -- order -----------------------------------------------------------------------------------------


async def test_no_holes(database: str, node_of: Nodes) -> None:
    """However many nodes write in one session, its seqs have no holes and no repetition."""
    nodes = [node_of(database), node_of(database)]
    id, aside = await nodes[0].begin(), await nodes[1].begin()
    done = await asyncio.gather(
        *(
            nodes[number % 2].say(
                id if number % 3 else aside, f"{number}", by=(ANN, BOB)[number % 2]
            )
            for number in range(300)
        )
    )
    seqs = [each.seq for number, each in enumerate(done) if number % 3]
    assert sorted(seqs) == list(range(3, 203))
    assert (await nodes[0].require_sound(id)).seq == 202
    assert (await nodes[1].require_sound(aside)).seq == 102
    announced = [event for node in nodes for batch in node.announced for event in batch]
    assert len({(each.session_id, each.seq) for each in announced}) == len(announced) == 304


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True, databases=["postgres"])
async def test_the_lock_is_the_sequencer(postgres: str, node_of: Nodes) -> None:
    """A session in which one node decides is not read for a decision by another one meanwhile."""
    node, other = node_of(postgres), node_of(postgres)
    id, gate = await node.begin(), Gate()
    first = asyncio.create_task(node.decide(id, gate))
    await gate.reached()
    second = asyncio.create_task(other.say(id, "second"))
    while not second.done() and not await node.log.run(is_waiting, postgres):
        continue
    assert not second.done()
    gate.open()
    assert await first == Committed(3, duplicate=False)
    assert await second == Committed(4, duplicate=False)


async def test_what_another_node_wrote(database: str, node_of: Nodes) -> None:
    """A lane that knows a session notices that it is not what it was."""
    node, other = node_of(database), node_of(database)
    id = await node.begin()
    await other.say(id, "x")
    await other.write(id, ParticipantRemoved("bob"), SessionRenamed("Wall repair"))
    session = await known_to(node, id)
    assert session == await node.log.find(id)
    assert (session.seq, list(session.participants)) == (5, ["ann"])


async def test_all_that_another_node_may_write(database: str, node_of: Nodes) -> None:
    """Events of every kind bring what a lane knows to what is stored."""
    node, other = node_of(database), node_of(database)
    id = await node.begin()
    await other.write(
        id,
        SessionRenamed("Wall repair"),
        ParticipantAdded("cid", Role.OBSERVER),
        ParticipantAdded("bob", Role.OWNER),
        ParticipantRemoved("ann"),
        SessionEnded("done"),
        by=BOB,
    )
    assert await known_to(node, id) == await node.require_sound(id)
    await other.write(id, SessionResumed(), ParticipantAdded("ann", Role.MEMBER), by=BOB)
    assert await known_to(node, id) == await node.require_sound(id)


@pytest.mark.parametrize("missed", [MOST_MISSED, MOST_MISSED + 1])
async def test_much_that_another_node_wrote(database: str, node_of: Nodes, missed: int) -> None:
    """A lane that is far behind knows in the end what one that is a little behind does."""
    node, other = node_of(database), node_of(database)
    id = await node.begin()
    await other.write(id, SessionRenamed("Wall repair"), *[MessageSent("x")] * (missed - 1))
    session = await known_to(node, id)
    assert session == await node.require_sound(id)
    assert (session.seq, session.title) == (2 + missed, "Wall repair")


async def test_a_log_that_was_replaced_under_a_lane(database: str, node_of: Nodes) -> None:
    """What a lane knows of a log that is no more is not continued with what there is instead."""
    node, other = node_of(database), node_of(database)
    id = await node.begin(SessionRenamed("Wall repair"))

    def put_back() -> None:
        models.Event.objects.using(database).filter(session=id, seq=3).delete()
        models.Session.objects.using(database).filter(pk=id).update(last_seq=2, title="Roof repair")

    await node.log.run(put_back)
    other.clock.advance(seconds=1)
    await other.write(id, MessageSent("x"), MessageSent("y"))
    session = await known_to(node, id)
    assert session == await node.require_sound(id)
    assert (session.seq, session.title) == (4, "Roof repair")


async def known_to(node: Node, id: UUID) -> Session:
    """What a node decides on."""
    told: list[Session] = []

    def decide(session: Session) -> list[Body]:
        told.append(session)
        return []

    await node.decide(id, decide)
    return told[-1]


async def test_time_never_goes_back(lane: Node) -> None:
    """A clock that is set back, or that is another node's, does not turn a session's time back."""
    id = await lane.begin()
    for seconds, key in ((5, "1"), (-3600, "2"), (3601, "3")):
        lane.clock.advance(seconds=seconds)
        await lane.say(id, "x", key=key)
    times = [each.at for each in await lane.events(id)]
    assert times == sorted(times)
    assert times[3] == times[2] < times[4]
    assert times[2:] == [
        "2026-11-22T19:03:16.412Z",
        "2026-11-22T19:03:16.412Z",
        "2026-11-22T19:03:17.412Z",
    ]


# -- participants ----------------------------------------------------------------------------------


async def test_a_cursor_of_another_node(database: str, node_of: Nodes) -> None:
    """A cursor that was moved elsewhere does not go back here, though no event tells of it."""
    node, other = node_of(database), node_of(database)
    id = await node.begin()
    await node.say(id, "x")
    assert await other.log.mark_seen(id, by=BOB, decide=lambda _: 3)
    assert not await node.log.mark_seen(id, by=BOB, decide=lambda _: 2)
    assert await node.log.find(id) == await other.log.find(id)
    assert (await node.cursors(id))["bob"] == 3
