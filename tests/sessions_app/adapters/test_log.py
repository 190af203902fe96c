import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

import pytest
from django.db import IntegrityError, connections, transaction
from django.test.utils import CaptureQueriesContext

from flows.actor import Actor, Right
from flows.atoms.sessions import Bookmark, EventPage, Sessions, Summary
from flows.errors import Unavailable
from flows.events import (
    Body,
    Kind,
    MessageSent,
    ParticipantAdded,
    ParticipantRemoved,
    Role,
    SessionEnded,
    SessionRenamed,
    SessionResumed,
    timestamp,
)
from flows.session import Session, Status
from sessions_app import models
from sessions_app.adapters import queries
from sessions_app.tracing import trace
from tests.fakes import fold
from tests.sessions_app.adapters.databases import Proxy, settings_of
from tests.sessions_app.adapters.nodes import ANN, BOB, DAN, Node, Nodes


def is_the_port(node: Node) -> Sessions:
    """A type checker proves it: the adapter is what flows need."""
    return node.log


# -- what the hub reads --------------------------------------------------------------------------


async def test_read(node: Node) -> None:
    """The hub reads the events after a position, ascending, each with its author's key."""
    id = await node.begin()
    await node.say(id, "a", by=BOB, key="b-1")
    await node.say(id, "b", by=ANN, key="a-1")
    assert [
        (each.seq, each.actor, each.key) for each in await node.log.read(id, after=2, limit=9)
    ] == [
        (3, "bob", "b-1"),
        (4, "ann", "a-1"),
    ]
    assert [each.seq for each in await node.log.read(id, after=1, limit=2)] == [2, 3]
    assert await node.log.read(id, after=4, limit=9) == []
    assert await node.log.read(uuid4(), after=0, limit=9) == []


async def test_what_is_read_is_what_was_announced(node: Node) -> None:
    """An event is the same whether it is announced by who committed it or read from the log."""
    id = await node.begin()
    await node.write(
        id,
        MessageSent(
            'Größe: 3 < 4 & "so" \\ \u2028 💥', reply_to=1, metadata={"b": [1.5, None], "a": {}}
        ),
        ParticipantAdded("cid", Role.OBSERVER),
        ParticipantRemoved("bob"),
        SessionEnded("Dry"),
        SessionResumed(),
        SessionEnded(),
        SessionRenamed("Ω"),
    )
    await asyncio.sleep(0)
    announced = [event for batch in node.announced for event in batch]
    assert announced == await node.events(id)


async def test_heads(node: Node) -> None:
    """The heads of many sessions take one query; unknown ones are left out."""
    one, two = await node.begin(), await node.begin()
    await node.say(two, "x")
    ids = [one, two, uuid4()]
    assert await node.log.heads(ids) == {one: 2, two: 3}
    assert await node.log.heads([]) == {}
    many = [uuid4() for _ in range(3_000)]
    assert await count_queries(node, partial(queries.heads, [*ids, *many], using=node.alias)) == 1


async def test_roles(node: Node) -> None:
    """Roles are told for the pairs that were asked, of those who take part now; one query."""
    one, two = await node.begin(), await node.begin()
    await node.write(one, ParticipantRemoved("bob"))
    await node.write(
        two, ParticipantAdded("cid", Role.OBSERVER), ParticipantAdded("bob", Role.OBSERVER)
    )
    pairs = [(one, "ann"), (one, "bob"), (two, "bob"), (two, "cid"), (two, "dan"), (uuid4(), "ann")]
    assert await node.log.roles(pairs) == {
        (one, "ann"): Role.OWNER,
        (two, "bob"): Role.OBSERVER,
        (two, "cid"): Role.OBSERVER,
    }
    assert await node.log.roles([]) == {}
    assert await count_queries(node, partial(queries.roles, pairs, using=node.alias)) == 1


async def count_queries(node: Node, query: Callable[[], object]) -> int:
    def unit() -> int:
        with CaptureQueriesContext(connections[node.alias]) as captured:
            query()
        return len(captured)

    return await node.log.run(unit)


# -- coherent reads ------------------------------------------------------------------------------


async def test_find_is_one_moment(database: str, node_of: Nodes) -> None:
    """While others write, a session is read as it was at one seq: state and participants."""
    node, other = node_of(database), node_of(database)
    id = await node.begin()
    found: list[Session] = []
    over = False

    async def read() -> None:
        while not over:
            session = await node.log.find(id)
            assert session is not None
            found.append(session)

    readers = [asyncio.create_task(read()) for _ in range(3)]
    for number in range(60):
        name = f"title {number}"
        away: list[Body] = [ParticipantRemoved("bob"), SessionRenamed(name), SessionEnded()]
        back: list[Body] = [ParticipantAdded("bob", Role.MEMBER), SessionResumed()]
        await other.write(id, *(back if number % 2 else away))
    over = True
    await asyncio.gather(*readers)

    events = await node.events(id)
    moments = {session.seq for session in found}
    assert len(moments) > 1, "the reading overlapped the writing"
    for session in found:
        assert session == fold(events[: session.seq])


async def test_events_are_one_moment(database: str, node_of: Nodes) -> None:
    """While others write, no page has an event beyond the head that it tells."""
    node, other = node_of(database), node_of(database)
    id = await node.begin()
    pages: list[EventPage] = []
    over = False

    async def read() -> None:
        while not over:
            page = await node.log.events(id, of=BOB, after=0, limit=10_000)
            assert page is not None
            pages.append(page)

    readers = [asyncio.create_task(read()) for _ in range(3)]
    for number in range(60):
        await other.say(id, f"{number}")
    over = True
    await asyncio.gather(*readers)
    assert len({page.standing.head for page in pages}) > 1, "the reading overlapped the writing"
    for page in pages:
        assert [each.seq for each in page.events] == list(range(1, page.standing.head + 1))


@pytest.mark.parametrize(
    ("query", "most"),
    [
        (partial(queries.find), 2),
        (
            partial(
                queries.events,
                of="ann",
                after=0,
                before=None,
                kinds=[Kind("message_sent")],
                limit=9,
            ),
            2,
        ),
        (partial(queries.read, after=0, limit=9), 1),
    ],
)
async def test_queries(node: Node, query: Callable[..., object], most: int) -> None:
    """A read takes as many queries however much there is."""
    id = await node.begin()
    for number in range(20):
        await node.say(id, f"{number}")
    assert await count_queries(node, partial(query, id, using=node.alias)) == most


# -- the list ------------------------------------------------------------------------------------


async def names(node: Node, search: str, user: Actor = ANN) -> set[str]:
    found = await node.log.list_for(user, status=None, search=search, before=None, limit=50)
    return {each.title for each in found}


async def test_search(node: Node) -> None:
    """A search is a plain piece of the title, whatever its case, in any alphabet."""
    titles = ["100 % Übergabe", "100 Percent", "a_b", "aXb", "a\\b", "Straße", "ΔΈΛΤΑ", "O'Neil"]
    for title in titles:
        await node.write(await node.begin(), SessionRenamed(title))
    for search, expected in {
        "%": {"100 % Übergabe"},
        "_": {"a_b"},
        "A_B": {"a_b"},
        "\\": {"a\\b"},
        "übergabe": {"100 % Übergabe"},
        "ÜBER": {"100 % Übergabe"},
        "STRAß": {"Straße"},
        "δέλτ": {"ΔΈΛΤΑ"},
        "o'n": {"O'Neil"},
        "percent ": set(),
        "": set(titles),
    }.items():
        assert await names(node, search) == expected, search
        assert await names(node, search, Actor("root", frozenset({Right.VIEW}))) == expected, search


async def test_pages(node: Node) -> None:
    """Page by page one sees every session once, newest activity first, also of the same moment."""
    for number in range(25):
        await node.begin(key=f"{number}")
        if number % 7 == 0:
            node.clock.advance(seconds=1)
    for user in (ANN, Actor("root", frozenset({Right.VIEW}))):
        seen: list[Summary] = []
        before: Bookmark | None = None
        while page := await node.log.list_for(user, status=None, search="", before=before, limit=4):
            seen += page
            before = Bookmark(page[-1].last_activity, page[-1].session_id)
        places = [(each.last_activity, each.session_id) for each in seen]
        assert len(set(places)) == 25
        assert places == sorted(places, reverse=True)


async def test_list_takes_one_query(node: Node) -> None:
    """A list takes one query, whoever asks and however long it is."""
    for number in range(5):
        await node.begin(key=f"{number}")
    for user in (ANN, BOB, DAN, Actor("root", frozenset({Right.VIEW}))):
        query = partial(
            queries.list_for,
            user,
            status=Status.OPEN,
            search="o",
            before=Bookmark("2030-01-01T00:00:00.000Z", uuid4()),
            limit=50,
            using=node.alias,
        )
        assert await count_queries(node, query) == 1


# -- what is stored ------------------------------------------------------------------------------


async def test_row(node: Node) -> None:
    """The row of a session is the fold of its log, its counts and times included."""
    id = await node.begin()
    bodies: list[Body] = [
        MessageSent("a"),
        SessionRenamed("b"),
        SessionEnded("c"),
        SessionResumed(),
        MessageSent("d"),
        SessionEnded(),
    ]
    owner = await node.log.run(models.User.objects.using(node.alias).get, username="ann")
    for number, body in enumerate([None, *bodies]):
        node.clock.advance(seconds=1.0006)
        if body:
            await node.write(id, body, key=f"{number}")
        events = await node.events(id)
        session = fold(events)
        row = await node.log.run(models.Session.objects.using(node.alias).get, pk=id)
        assert (row.title, row.status, row.last_seq) == (session.title, session.status, session.seq)
        assert row.message_count == len([each for each in events if each.kind == "message_sent"])
        assert row.metadata == {"a": 1}
        assert timestamp(row.created_at) == session.created_at
        assert (row.ended_at and timestamp(row.ended_at)) == session.ended_at
        assert timestamp(row.last_activity) == events[-1].at
        assert row.last_activity.microsecond % 1000 == 0
        assert row.owner_id == owner.pk


async def test_trace(node: Node) -> None:
    """Each event is stored with the trace of the request that it came from."""
    id = await node.begin()

    async def say(text: str) -> None:
        trace.set(text * 32)
        await node.say(id, text)

    await asyncio.gather(*(asyncio.create_task(say(text)) for text in "abc"))

    def traces() -> list[tuple[str, str]]:
        rows = models.Event.objects.using(node.alias).filter(session=id).order_by("seq")
        return list(rows.values_list("data__text", "trace"))

    assert await node.log.run(traces) == [
        (None, ""),
        (None, ""),
        *((text, text * 32) for text in "abc"),
    ]


async def test_the_database_holds_the_rules(node: Node) -> None:
    """What the rows must never be, the database refuses, whoever writes."""
    id = await node.begin(key="k")
    await node.write(id, SessionEnded())

    def broken() -> list[str]:
        sessions = models.Session.objects.using(node.alias).filter(pk=id)
        seats = models.Participant.objects.using(node.alias).filter(session=id)
        events = models.Event.objects.using(node.alias).filter(session=id)
        receipts = models.Receipt.objects.using(node.alias)
        user = models.User.objects.using(node.alias).get(username="ann")
        receipt = {"actor": "ann", "key": "k", "session_id": id, "seq": 1, "at": datetime.now(UTC)}
        log = models.Log.objects.using(node.alias)
        wrong: dict[str, Callable[[], object]] = {
            "no events": lambda: sessions.update(last_seq=0),
            "ended without a time": lambda: sessions.update(ended_at=None),
            "open with a time": lambda: sessions.update(status=Status.OPEN),
            "a status": lambda: sessions.update(status="asleep"),
            "a role": lambda: seats.update(role="guest"),
            "left before joining": lambda: seats.update(left_seq=1),
            "two seats": lambda: seats.create(
                user=user, role="member", joined_seq=9, session_id=id
            ),
            "seq 0": lambda: events.filter(seq=1).update(seq=0),
            "a seq twice": lambda: events.filter(seq=1).update(seq=2),
            "a key twice": lambda: receipts.create(flow="f", fingerprint=b"x", **receipt),
            "two logs": lambda: log.create(pk=2, epoch="e"),
            "a user who looks like the system": lambda: models.User.objects.using(
                node.alias
            ).create(username="$system"),
        }
        return [what for what, write in wrong.items() if not is_refused(write, node.alias)]

    assert await node.log.run(broken) == []


def is_refused(write: Callable[[], object], alias: str) -> bool:
    try:
        with transaction.atomic(using=alias):
            write()
    except IntegrityError:
        return True
    return False


async def test_deleted_session(node: Node) -> None:
    """A session that is deleted takes everything along, and its keys are free again."""
    id = await node.begin(key="k")
    await node.say(id, "x", key="w")
    await node.log.run(models.Session.objects.using(node.alias).filter(pk=id).delete)
    assert await node.log.find(id) is None
    for model in (models.Participant, models.Event, models.Receipt):
        assert await node.log.run(model.objects.using(node.alias).count) == 0
    assert not (await node.create("k")).duplicate


# -- epoch ---------------------------------------------------------------------------------------


async def test_epoch(database: str, node_of: Nodes) -> None:
    """All nodes find the same name for the log, also when they ask for it first, all at once."""
    nodes = [node_of(database) for _ in range(3)]
    found = await asyncio.gather(*(node.log.epoch() for node in nodes for _ in range(4)))
    assert len(set(found)) == 1
    assert len(found[0]) == 16


async def test_epoch_changes(node: Node) -> None:
    """Another epoch, which another process has written, is noticed within a second."""
    before = await node.log.epoch()
    rows = models.Log.objects.using(node.alias)
    await node.log.run(partial(rows.update, epoch="another"))
    node.clock.advance(seconds=0.9)
    assert await node.log.epoch() == before
    node.clock.advance(seconds=0.1)
    assert await node.log.epoch() == "another"
    await node.log.run(partial(rows.update, epoch="a third"))
    node.clock.advance(seconds=-10)  # a clock that is set back keeps nothing for longer
    assert await node.log.epoch() == "a third"


async def test_a_new_epoch_is_told(node: Node) -> None:
    """Who follows the log is told of another epoch, once, and not of the first one that is read."""
    told: list[str] = []
    node.log.on_new_epoch = lambda: told.append("new")
    before = await node.log.current_epoch()
    assert await node.log.current_epoch() == before
    assert told == []
    await node.log.run(partial(models.Log.objects.using(node.alias).update, epoch="another"))
    assert await node.log.epoch() == before, "it was read less than a second ago"
    found = await asyncio.gather(*(node.log.current_epoch() for _ in range(3)))
    assert set(found) == {"another"}
    assert await node.log.epoch() == "another"
    assert told == ["new"]


async def test_what_was_known_of_another_epochs_log(node: Node) -> None:
    """A session of the same length in a log with another epoch is read again before a write."""
    id = await node.begin(key="k")
    await node.say(id, "x", key="w")
    await node.log.current_epoch()

    def restore() -> None:
        """As from a backup: as many events, and others."""
        alias = node.alias
        sessions = models.Session.objects.using(alias).filter(pk=id)
        sessions.update(title="As it was")
        models.Log.objects.using(alias).update(epoch="another")

    await node.log.run(restore)
    await node.log.current_epoch()
    titles: list[str | None] = []

    def decide(session: Session) -> list[Body]:
        titles.append(session.title)
        return [MessageSent("y")]

    await node.decide(id, decide)
    assert titles == ["As it was"]


# -- trouble -------------------------------------------------------------------------------------


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True, databases=["postgres"])
async def test_away(postgres: str, node_of: Nodes) -> None:
    """While the database is away every read is Unavailable, and afterwards none is."""
    async with Proxy.to(postgres) as proxy:
        with settings_of(postgres, HOST="127.0.0.1", PORT=proxy.listen_port):
            node = node_of(postgres)
            id = await node.begin()
            log = node.log
            reads: list[Callable[[], Awaitable[object]]] = [
                lambda: log.find(id),
                lambda: log.standings([id], of=ANN),
                lambda: log.list_for(ANN, status=None, search="", before=None, limit=1),
                lambda: log.events(id, of=ANN, limit=1),
                log.epoch,
                lambda: log.read(id, after=0, limit=1),
                lambda: log.heads([id]),
                lambda: log.roles([(id, "ann")]),
                lambda: log.run(models.User.objects.using(postgres).count),
            ]
            await asyncio.gather(*(read() for read in reads))
            node.clock.advance(seconds=1)  # the epoch is to be read anew
            await proxy.stop()
            done = await asyncio.gather(*(read() for read in reads), return_exceptions=True)
            assert [type(each) for each in done] == [Unavailable] * len(reads)
            await proxy.start()
            await asyncio.gather(*(read() for read in reads))
            await log.close()
