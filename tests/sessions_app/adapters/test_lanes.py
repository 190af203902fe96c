import asyncio
import threading
from collections.abc import Callable, Iterable
from typing import Any, NoReturn
from uuid import UUID, uuid4

import pytest
from django.db import DataError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.models import Model
from django.test import override_settings

from flows.atoms.sessions import Committed, Created
from flows.errors import Forbidden, KeyConflict, SessionNotFound, Unavailable, UnknownUser
from flows.events import (
    Body,
    MessageSent,
    ParticipantAdded,
    ParticipantRemoved,
    Role,
    SessionCreated,
    SessionEnded,
    SessionRenamed,
)
from flows.session import Participant, Session
from sessions_app import models
from sessions_app.adapters.batch import Settled
from sessions_app.adapters.lanes import Lane
from sessions_app.adapters.writes import Cursor
from sessions_app.models import Event, Receipt, User
from tests.sessions_app.adapters.databases import Proxy, backend, kill, settings_of
from tests.sessions_app.adapters.nodes import ANN, BOB, CID, Begin, Gate, Node

Nodes = Callable[..., Node]


def refuse(session: Session) -> NoReturn:
    raise Forbidden("Not you")


def never(session: Session) -> NoReturn:
    raise AssertionError("this is not asked")


async def stored(node: Node, model: type[Model], **values: object) -> int:
    """How many rows there are with these values."""
    return await node.log.run(model._default_manager.using(node.alias).filter(**values).count)


def lanes() -> set[str]:
    return {each.name for each in threading.enumerate() if each.name.startswith("lane-")}


# -- group commit --------------------------------------------------------------------------------


async def test_waiting_writes_are_one_transaction(
    lane: Node, caplog: pytest.LogCaptureFixture
) -> None:
    """All that waits in a lane is committed together, and announced together, in order."""
    id = await lane.begin()
    with override_settings(DEBUG=True), caplog.at_level("DEBUG", "django.db.backends"):
        done = await lane.together(id, *(lane.say(id, f"{number}") for number in range(50)))
    ends = [each.message for each in caplog.records if each.threadName == "lane-0"]
    # That of the write that held them up, and theirs.
    assert len([message for message in ends if "COMMIT" in message]) == 2
    assert done == [Committed(seq, duplicate=False) for seq in range(4, 54)]
    assert [len(each) for each in lane.announced] == [2, 1, 50]
    assert list(lane.announced[2]) == (await lane.events(id))[3:]
    await lane.require_sound(id)


async def test_most_writes(lane: Node) -> None:
    """A transaction takes so many writes and no more; the others have the next one."""
    id = await lane.begin()
    await lane.together(id, *(lane.say(id, f"{number}") for number in range(300)))
    assert [len(each) for each in lane.announced] == [2, 1, 256, 44]
    assert (await lane.require_sound(id)).seq == 303


async def test_sessions_of_one_batch(lane: Node) -> None:
    """A batch may write in many sessions, and begin some; each has its own order."""
    one, two = await lane.begin(), await lane.begin()
    new = uuid4()
    input = Begin(key="new")
    bodies: list[Body] = [SessionCreated("New", {}), ParticipantAdded("bob", Role.MEMBER)]
    done = await lane.together(
        one,
        lane.say(two, "a"),
        lane.log.create(input, by=CID, session_id=new, begin=lambda: bodies),
        lane.say(new, "b", by=BOB),
        lane.say(one, "c"),
        lane.log.create(input, by=CID, session_id=uuid4(), begin=lambda: bodies),
        lane.say(two, "d"),
    )
    assert done == [
        Committed(3, duplicate=False),
        Created(new, 2, duplicate=False),
        Committed(3, duplicate=False),
        Committed(4, duplicate=False),
        Created(new, 2, duplicate=True),
        Committed(4, duplicate=False),
    ]
    for id in (one, two, new):
        await lane.require_sound(id)


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


# -- one of many ---------------------------------------------------------------------------------


async def test_refused_among_others(lane: Node) -> None:
    """Who is refused, or crashes, or names nobody, is alone with it; the others have no holes."""
    id = await lane.begin()

    def crash(session: Session) -> Iterable[Body]:
        yield MessageSent("half")
        raise KeyError("crash")

    done = await lane.together(
        id,
        lane.say(id, "a"),
        lane.decide(id, refuse, key="refused"),
        lane.decide(id, crash, key="crashed"),
        lane.write(id, MessageSent("c"), ParticipantAdded("nobody", Role.MEMBER), key="nobody"),
        lane.decide(uuid4(), never, key="nowhere"),
        lane.write(id, MessageSent("\ud800"), key="not to be stored"),
        lane.say(id, "b"),
    )
    assert [done[0], done[-1]] == [Committed(4, duplicate=False), Committed(5, duplicate=False)]
    assert [type(each) for each in done[1:-1]] == [
        Forbidden,
        KeyError,
        UnknownUser,
        SessionNotFound,
        UnicodeEncodeError,
    ]
    events = await lane.events(id)
    assert [each.data.get("text") for each in events[3:]] == ["a", "b"]
    assert [len(each) for each in lane.announced] == [2, 1, 2]
    await lane.require_sound(id)
    for key in ("refused", "crashed", "nobody", "not to be stored"):  # and their keys are free
        assert not (await lane.say(id, "now", key=key)).duplicate


async def test_what_only_threads_fear(lane: Node) -> None:
    """A rule that raises what would end a thread, or a task, or keep it waiting, ends alone."""
    id = await lane.begin()

    def raising(error: BaseException) -> Callable[[Session], NoReturn]:
        def decide(session: Session) -> NoReturn:
            raise error

        return decide

    errors = [StopIteration(), asyncio.CancelledError()]
    tasks = [asyncio.create_task(lane.decide(id, raising(each))) for each in errors]
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in done] == [RuntimeError, asyncio.CancelledError]
    assert await lane.say(id, "on it goes") == Committed(3, duplicate=False)


async def test_only_the_guilty_fail(lane: Node) -> None:
    """What the database refuses fails alone: the others of its batch are tried without it."""
    id = await lane.begin()
    done = await lane.together(
        id,
        lane.say(id, "a"),
        lane.log.mark_seen(id, by=BOB, decide=lambda _: 2**63),  # more than a column holds
        lane.say(id, "b"),
        lane.log.mark_seen(id, by=BOB, decide=lambda _: 3),
    )
    assert [done[0], done[2], done[3]] == [
        Committed(4, duplicate=False),
        Committed(5, duplicate=False),
        True,
    ]
    assert isinstance(done[1], OverflowError | DataError)
    # Alone: each success is a transaction of its own, announced by itself.
    assert [len(each) for each in lane.announced] == [2, 1, 1, 1]
    assert await seen_of(lane, id) == {"ann": 0, "bob": 3}
    assert [each.seq for each in await lane.events(id)] == [1, 2, 3, 4, 5]


async def test_an_id_twice(lane: Node) -> None:
    """A session that is there already does not begin again, be it as young as the batch."""
    id, new = await lane.begin(), uuid4()
    bodies = [SessionCreated("again", {})]
    done = await lane.together(
        id,
        *(
            lane.log.create(Begin(key=key), by=ANN, session_id=each, begin=lambda: bodies)
            for key, each in (("a", id), ("b", new), ("c", new))
        ),
    )
    assert [type(each) for each in done] == [ValueError, Created, ValueError]
    assert (await lane.require_sound(id)).title == "Roof repair"
    await lane.require_sound(new)
    assert await stored(lane, Receipt, key__in=["a", "c"]) == 0


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True, databases=["postgres"])
async def test_what_only_the_database_sees(postgres: str, node_of: Nodes) -> None:
    """A text that PostgreSQL cannot store is its author's fault only."""
    lane = node_of(postgres, lanes=1)
    id = await lane.begin()
    done = await lane.together(
        id,
        lane.say(id, "a"),
        lane.say(id, "\x00"),
        lane.say(id, "x", key="\x00"),
        lane.say(id, "b"),
    )
    assert [done[0], done[3]] == [Committed(4, duplicate=False), Committed(5, duplicate=False)]
    assert isinstance(done[1], Exception)
    assert isinstance(done[2], Exception)
    await lane.require_sound(id)


# -- keys ----------------------------------------------------------------------------------------


async def test_a_key_twice_in_one_batch(lane: Node) -> None:
    """Of equal writes that wait together the first is made, and the others get its result."""
    id = await lane.begin()
    done = await lane.together(
        id,
        lane.say(id, "a", key="k"),
        lane.decide(id, never, key="k"),
        lane.decide(id, never, key="k", note="other"),
        lane.say(id, "b", by=BOB, key="k"),
    )
    assert done[:2] == [Committed(4, duplicate=False), Committed(4, duplicate=True)]
    assert isinstance(done[2], KeyConflict)
    assert done[3] == Committed(5, duplicate=False)  # another's key
    assert (await lane.require_sound(id)).seq == 5


async def test_a_key_that_was_refused_in_the_same_batch(lane: Node) -> None:
    """A refused write leaves its key to the next one, be it in the same transaction."""
    id = await lane.begin()
    done = await lane.together(
        id, lane.decide(id, refuse, key="k"), lane.say(id, "a", key="k"), lane.say(id, "a", key="k")
    )
    assert isinstance(done[0], Forbidden)
    assert done[1:] == [Committed(4, duplicate=False), Committed(4, duplicate=True)]


async def test_receipts_first(lane: Node) -> None:
    """A repeated key is answered in the middle of a batch, before anybody asks for rights."""
    id = await lane.begin()
    first = await lane.say(id, "a", by=BOB, key="k")
    done = await lane.together(
        id,
        lane.write(id, ParticipantRemoved("bob"), SessionEnded()),
        lane.decide(id, never, by=BOB, key="k"),
    )
    assert done[1] == Committed(first.seq, duplicate=True)
    assert await stored(lane, Receipt, actor="bob", key="k") == 1


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
    assert await stored(node, Receipt, actor="ann", key="k") == 1
    assert await stored(node, Event, key="k") == 2
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


# -- order ---------------------------------------------------------------------------------------


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
    told: list[Session] = []

    def decide(session: Session) -> list[Body]:
        told.append(session)
        return []

    await node.decide(id, decide)
    assert told[-1] == await node.log.find(id)
    assert (told[-1].seq, list(told[-1].participants)) == (5, ["ann"])


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


# -- participants --------------------------------------------------------------------------------


async def test_a_seat_in_one_batch(lane: Node) -> None:
    """Whatever becomes of a participant within one transaction, the row is what the fold says."""
    id = await lane.begin()
    histories: list[list[Body]] = [
        [ParticipantAdded("cid", Role.OBSERVER), ParticipantAdded("cid", Role.MEMBER)],
        [ParticipantRemoved("cid"), ParticipantAdded("cid", Role.OBSERVER)],
        [ParticipantAdded("bob", Role.OBSERVER), ParticipantRemoved("bob")],
        [ParticipantAdded("dan", Role.MEMBER), ParticipantRemoved("dan")],
        [ParticipantAdded("bob", Role.MEMBER)],
        [ParticipantRemoved("nobody"), ParticipantRemoved("dan")],
        [
            ParticipantRemoved("bob"),
            ParticipantAdded("bob", Role.OBSERVER),
            ParticipantRemoved("bob"),
        ],
    ]
    for history in histories:
        await lane.write(id, *history)
        await lane.require_sound(id)
    await lane.together(id, *(lane.write(id, body) for each in histories for body in each))
    await lane.require_sound(id)


async def test_a_cursor_in_one_batch(lane: Node) -> None:
    """Cursors take part in the batch: they never go back, and begin anew with their owner."""
    id = await lane.begin()

    def seen(seq: int, user: Any = BOB) -> Any:
        return lane.log.mark_seen(id, by=user, decide=lambda session: seq)

    done = await lane.together(id, seen(2), seen(1), seen(2), seen(3), seen(1, CID))
    assert done == [True, False, False, True, False]
    assert await lane.log.mark_seen(id, by=BOB, decide=lambda _: 3) is False
    assert (await seen_of(lane, id))["bob"] == 3

    await lane.together(
        id,
        seen(4),
        lane.write(id, ParticipantRemoved("bob")),
        seen(5),
        lane.write(id, ParticipantAdded("bob", Role.MEMBER)),
    )
    assert await seen_of(lane, id) == {"ann": 0, "bob": 0}
    await lane.require_sound(id)
    await lane.together(
        id, lane.write(id, ParticipantAdded("cid", Role.MEMBER)), seen(2, CID), seen(1)
    )
    assert await seen_of(lane, id) == {"ann": 0, "bob": 1, "cid": 2}


async def seen_of(node: Node, id: UUID) -> dict[str, int]:
    session = await node.log.find(id)
    assert session is not None
    return {each.user: each.seen for each in session.participants.values()}


async def test_a_cursor_of_another_node(database: str, node_of: Nodes) -> None:
    """A cursor that was moved elsewhere does not go back here, though no event tells of it."""
    node, other = node_of(database), node_of(database)
    id = await node.begin()
    await node.say(id, "x")
    assert await other.log.mark_seen(id, by=BOB, decide=lambda _: 3)
    assert not await node.log.mark_seen(id, by=BOB, decide=lambda _: 2)
    assert await node.log.find(id) == await other.log.find(id)
    assert (await seen_of(node, id))["bob"] == 3


async def test_disabled_users(lane: Node) -> None:
    """Who is disabled cannot be added nor begin a session; who takes part already still does."""
    id = await lane.begin()

    def disable() -> None:
        User.objects.using(lane.alias).filter(username__in=["bob", "cid"]).update(is_active=False)

    await lane.log.run(disable)
    for user in ("bob", "cid"):
        with pytest.raises(UnknownUser):
            await lane.write(id, ParticipantAdded(user, Role.OBSERVER))
    with pytest.raises(UnknownUser):
        await lane.begin(by=CID)
    assert (await lane.require_sound(id)).participants["bob"] == Participant("bob", Role.MEMBER)
    assert len(lane.announced) == 1


# -- callers -------------------------------------------------------------------------------------


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
    assert await seen_of(lane, id) == {"ann": 0, "bob": 0}
    assert not (await lane.say(id, "y", key="refused")).duplicate


async def test_one_loop(lane: Node) -> None:
    """A log belongs to one event loop; another one is told so instead of never being answered."""
    id = await lane.begin()

    def elsewhere() -> None:
        asyncio.run(asyncio.wait_for(lane.say(id, "x"), 30))

    with pytest.raises(RuntimeError, match="event loop"):
        await asyncio.to_thread(elsewhere)


# -- the end -------------------------------------------------------------------------------------


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


# -- trouble -------------------------------------------------------------------------------------


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True, databases=["postgres"])
async def test_lost_connection(postgres: str, node_of: Nodes) -> None:
    """A connection that dies between or within transactions is replaced; callers do not notice."""
    lane = node_of(postgres, lanes=1)
    id = await lane.begin()
    backends: list[int] = []

    def tell(session: Session) -> list[Body]:
        backends.append(backend(postgres))
        return []

    await lane.decide(id, tell)
    await lane.log.run(kill, postgres, backends.pop())
    assert await lane.say(id, "a") == Committed(3, duplicate=False)

    await lane.decide(id, tell)
    gate = Gate()
    tasks = [asyncio.create_task(lane.decide(id, gate))]
    await gate.reached()
    tasks.append(asyncio.create_task(lane.say(id, "b")))
    await lane.log.run(kill, postgres, backends.pop())
    gate.open()
    assert await asyncio.gather(*tasks) == [
        Committed(4, duplicate=False),
        Committed(5, duplicate=False),
    ]
    assert (await lane.require_sound(id)).seq == 5


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True, databases=["postgres"])
async def test_given_up(postgres: str, node_of: Nodes) -> None:
    """A transaction that the database gives up, for a deadlock say, is tried again."""
    lane, other = node_of(postgres, lanes=1), node_of(postgres, lanes=1)
    low, high = sorted([await lane.begin(), await lane.begin()])
    loop = asyncio.get_running_loop()
    locked, go_on = asyncio.Event(), threading.Event()

    def lock_the_other_way_round() -> None:
        with transaction.atomic(using=postgres):
            rows = models.Session.objects.using(postgres).select_for_update()
            rows.get(pk=high)
            loop.call_soon_threadsafe(locked.set)
            assert go_on.wait(30)
            rows.get(pk=low)

    rival = asyncio.create_task(other.log.run(lock_the_other_way_round))
    await locked.wait()
    writes = asyncio.create_task(lane.together(low, lane.say(low, "x"), lane.say(high, "x")))
    while not await other.log.run(is_waiting, postgres):
        continue
    go_on.set()
    await asyncio.gather(rival, return_exceptions=True)
    assert await writes == [Committed(4, duplicate=False), Committed(3, duplicate=False)]
    for id in (low, high):
        await lane.require_sound(id)


def is_waiting(alias: str) -> bool:
    """Whether somebody waits for a lock."""
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        found: bool = cursor.fetchone()[0]
        return found


@pytest.mark.django_db(transaction=True, databases=["default"])
async def test_locked(sqlite: str, node_of: Nodes) -> None:
    """When somebody else keeps SQLite locked, all who wait are told and may try again."""
    lane, other = node_of(sqlite, lanes=1), node_of(sqlite)
    with settings_of(sqlite, options={"timeout": 0.05}):
        id = await lane.begin()
    gate = Gate()
    held = asyncio.create_task(other.decide(id, gate))
    await gate.reached()
    writes = [lane.say(id, "x", key=f"{number}") for number in range(5)]
    done = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(each) for each in done] == [Unavailable] * 5
    gate.open()
    await held
    for number in range(5):
        assert not (await lane.say(id, "x", key=f"{number}")).duplicate
    assert (await lane.require_sound(id)).seq == 8


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True, databases=["postgres"])
async def test_away_and_back(postgres: str, node_of: Nodes) -> None:
    """While the database is away, all are told at once and may try again; then it just goes on."""
    async with Proxy.to(postgres) as proxy:
        with settings_of(postgres, HOST="127.0.0.1", PORT=proxy.listen_port):
            node = node_of(postgres)
            id = await node.begin()
            await proxy.stop()
            for _ in range(2):
                writes = [node.say(id, "x", key=f"{number}") for number in range(20)]
                done = await asyncio.gather(*writes, node.create("k"), return_exceptions=True)
                assert [type(each) for each in done] == [Unavailable] * 21
                with pytest.raises(Unavailable):
                    await node.log.find(id)
            await proxy.start()
            writes = [node.say(id, "x", key=f"{number}") for number in range(20)]
            assert {each.duplicate for each in await asyncio.gather(*writes)} == {False}
            assert not (await node.create("k")).duplicate
            assert (await node.require_sound(id)).seq == 22
            await node.log.close()


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
