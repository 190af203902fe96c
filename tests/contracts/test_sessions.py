"""Every sentence of the port `Sessions`, asked of each thing that stands behind it.

The fixture `sessions` is an empty log whose users are ann, bob, cid and dan; `clock` is its clock.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn
from uuid import UUID

import pytest

from flows.actor import SYSTEM, Actor, Right
from flows.atoms.ids import uuid7
from flows.atoms.sessions import (
    Bookmark,
    Committed,
    Created,
    Decide,
    EventPage,
    Sessions,
    Standing,
    Summary,
)
from flows.errors import AlreadyDone, Forbidden, KeyConflict, SessionNotFound, UnknownUser
from flows.events import (
    Body,
    Event,
    Kind,
    MessageSent,
    ParticipantAdded,
    ParticipantRemoved,
    Role,
    SessionCreated,
    SessionEnded,
    SessionRenamed,
    SessionResumed,
)
from flows.input import MAX_INT, Mutation, SessionMutation
from flows.session import Participant, Session, Status
from tests.fakes import FixedClock, fold

ANN, BOB, CID, DAN = (Actor(name) for name in ("ann", "bob", "cid", "dan"))
NOWHERE = uuid7(0xDEAD, bytes(10))


class Begin(Mutation, frozen=True, kw_only=True, omit_defaults=True):
    """Begins a session."""

    note: str = ""


class Write(SessionMutation, frozen=True, kw_only=True, omit_defaults=True):
    """Writes in a session."""

    note: str = ""


def session_id(number: int = 1) -> UUID:
    """The id of a test's first, second, … session; later ones are greater."""
    return uuid7(number, bytes(10))


def adds(user: str, role: Role = Role.MEMBER) -> ParticipantAdded:
    return ParticipantAdded(user, role)


async def begin(
    sessions: Sessions,
    number: int = 1,
    *more: Body,
    title: str = "Roof repair",
    metadata: dict[str, Any] | None = None,
    by: Actor = ANN,
) -> UUID:
    """A session of Ann with Bob as a member."""
    id = session_id(number)
    bodies: list[Body] = [SessionCreated(title, metadata or {}), adds("bob"), *more]
    await sessions.create(Begin(key=f"begin-{number}"), by=by, session_id=id, begin=lambda: bodies)
    return id


async def write(
    sessions: Sessions, id: UUID, *bodies: Body, by: Actor = ANN, key: str = "k", note: str = ""
) -> Committed:
    input = Write(session_id=id, key=key, note=note)
    return await sessions.commit(input, by=by, decide=lambda _: bodies)


async def log(sessions: Sessions, id: UUID, *, of: Actor = ANN) -> list[Event]:
    page = await sessions.events(id, of=of, after=0, limit=500)
    assert page is not None
    return page.events


async def now(sessions: Sessions, id: UUID) -> Session:
    session = await sessions.find(id)
    assert session is not None
    return session


async def listed(
    sessions: Sessions,
    user: Actor = ANN,
    *,
    status: Status | None = None,
    search: str = "",
    before: Bookmark | None = None,
    limit: int = 50,
) -> list[Summary]:
    return await sessions.list_for(user, status=status, search=search, before=before, limit=limit)


def refusing(error: Exception) -> Decide:
    def decide(session: Session) -> NoReturn:
        raise error

    return decide


def never(session: Session) -> NoReturn:
    raise AssertionError("this is not asked")


async def assert_unchanged(
    sessions: Sessions, id: UUID, events: list[Event], session: Session
) -> None:
    assert events == await log(sessions, id)
    assert session == await now(sessions, id)


# -- create --------------------------------------------------------------------------------------


async def test_create(sessions: Sessions) -> None:
    """A session begins with the bodies in order, numbered from 1, of one author and one key."""
    bodies: list[Body] = [
        SessionCreated("Roof repair", {"a": 1}),
        adds("cid", Role.OBSERVER),
        adds("bob"),
    ]
    id = session_id()

    created = await sessions.create(Begin(key="k"), by=ANN, session_id=id, begin=lambda: bodies)

    assert created == Created(id, 3, duplicate=False)
    events = await log(sessions, id)
    assert [(each.seq, each.kind, each.data) for each in events] == [
        (1, "session_created", {"title": "Roof repair", "metadata": {"a": 1}}),
        (2, "participant_added", {"user": "cid", "role": "observer"}),
        (3, "participant_added", {"user": "bob", "role": "member"}),
    ]
    assert {(id, "ann", "k")} == {(each.session_id, each.actor, each.key) for each in events}


async def test_create_state(sessions: Sessions) -> None:
    """What has begun is stored as the fold of its events: the author owns it."""
    id = await begin(sessions, 1, adds("cid", Role.OBSERVER), metadata={"a": [1]})
    events = await log(sessions, id)
    assert Session(
        session_id=id,
        seq=3,
        title="Roof repair",
        status=Status.OPEN,
        metadata={"a": [1]},
        created_at=events[0].at,
        ended_at=None,
        participants={
            "ann": Participant("ann", Role.OWNER),
            "bob": Participant("bob", Role.MEMBER),
            "cid": Participant("cid", Role.OBSERVER),
        },
    ) == await now(sessions, id)


async def test_create_again(sessions: Sessions) -> None:
    """A repeated key gives the first result, whatever id was meant for the session this time."""
    first = await sessions.create(
        Begin(key="k"), by=ANN, session_id=session_id(1), begin=lambda: [SessionCreated("a", {})]
    )
    await write(sessions, session_id(1), MessageSent("x"), SessionEnded(), by=BOB)

    again = await sessions.create(
        Begin(key="k"), by=ANN, session_id=session_id(2), begin=lambda: [SessionCreated("a", {})]
    )

    assert again == Created(first.session_id, 1, duplicate=True)
    assert await sessions.find(session_id(2)) is None
    assert len(await log(sessions, session_id(1))) == 3


async def test_create_key_conflict(sessions: Sessions) -> None:
    """A key that was used for another input, of any kind, begins nothing."""
    id = await begin(sessions)
    await write(sessions, id, MessageSent("x"), key="w")
    for input in (Begin(key="begin-1", note="x"), Begin(key="w")):
        with pytest.raises(KeyConflict):
            await sessions.create(
                input, by=ANN, session_id=session_id(2), begin=lambda: [SessionCreated("b", {})]
            )
    assert await sessions.find(session_id(2)) is None


async def test_create_again_asks_nothing(sessions: Sessions) -> None:
    """How a session begins is asked after the key was looked up: what it refuses now, and another
    input, change nothing of the first result.
    """

    def never() -> NoReturn:
        raise AssertionError("this is not asked")

    id = await begin(sessions)
    again = Begin(key="begin-1")
    created = await sessions.create(again, by=ANN, session_id=session_id(2), begin=never)
    assert created == Created(id, 2, duplicate=True)
    other = Begin(key="begin-1", note="x")
    with pytest.raises(KeyConflict):
        await sessions.create(other, by=ANN, session_id=session_id(2), begin=never)


async def test_create_refused(sessions: Sessions) -> None:
    """What is raised where a session would begin reaches the caller; the key stays free."""
    error = Forbidden("Not you")

    def refuse() -> NoReturn:
        raise error

    with pytest.raises(Forbidden) as caught:
        await sessions.create(Begin(key="k"), by=ANN, session_id=session_id(), begin=refuse)
    assert caught.value is error
    assert await sessions.find(session_id()) is None
    created = await sessions.create(
        Begin(key="k", note="x"),
        by=ANN,
        session_id=session_id(),
        begin=lambda: [SessionCreated("a", {})],
    )
    assert not created.duplicate


async def test_create_unknown_user(sessions: Sessions) -> None:
    """With a participant who does not exist nothing begins, and the key stays free."""
    bodies: list[Body] = [SessionCreated("a", {}), adds("bob"), adds("nobody")]
    with pytest.raises(UnknownUser) as caught:
        await sessions.create(Begin(key="k"), by=ANN, session_id=session_id(), begin=lambda: bodies)
    assert caught.value.user == "nobody"
    assert await sessions.find(session_id()) is None
    assert await listed(sessions) == []

    created = await sessions.create(
        Begin(key="k", note="x"), by=ANN, session_id=session_id(), begin=lambda: bodies[:2]
    )
    assert not created.duplicate


async def test_create_by_nobody(sessions: Sessions) -> None:
    """A session is owned by a user: the system cannot begin one, nor can a user who is gone."""
    for actor in (SYSTEM, Actor("gone")):
        with pytest.raises(UnknownUser) as caught:
            await sessions.create(
                Begin(key="k"),
                by=actor,
                session_id=session_id(),
                begin=lambda: [SessionCreated("a", {})],
            )
        assert caught.value.user == actor.name
    assert await sessions.find(session_id()) is None


async def test_create_at_once(sessions: Sessions) -> None:
    """Of many who use one key at once, one begins a session and all get it."""
    made = await asyncio.gather(
        *(
            sessions.create(
                Begin(key="k"),
                by=ANN,
                session_id=session_id(number),
                begin=lambda: [SessionCreated("a", {})],
            )
            for number in range(1, 11)
        )
    )
    assert len({each.session_id for each in made}) == 1
    assert sorted(each.duplicate for each in made) == [False] + [True] * 9
    assert len(await listed(sessions)) == 1


# -- commit --------------------------------------------------------------------------------------

#: What can happen, in an order in which it can.
HISTORY: list[Body] = [
    MessageSent("It leaks."),
    MessageSent("Where?", reply_to=3, metadata={"a": {"b": [None, True, 1, "x"]}}),
    SessionRenamed("Wall repair"),
    adds("cid", Role.OBSERVER),
    adds("cid", Role.MEMBER),
    ParticipantRemoved("bob"),
    adds("bob", Role.OBSERVER),
    SessionEnded("Dry"),
    SessionResumed(),
    adds("dan"),
    ParticipantRemoved("dan"),
    SessionEnded(),
]


async def test_commit(sessions: Sessions) -> None:
    """What is decided is appended, one after the other, and the session is the fold of it all."""
    id = await begin(sessions)
    for seq, body in enumerate(HISTORY, start=3):
        done = await write(sessions, id, body, key=f"{seq}")
        assert done == Committed(seq, duplicate=False)
        assert await now(sessions, id) == fold(await log(sessions, id))
    events = (await log(sessions, id))[2:]
    assert [body.kind for body in HISTORY] == [each.kind for each in events]
    assert events[0].data == {"text": "It leaks."}
    assert events[1].data["metadata"] == {"a": {"b": [None, True, 1, "x"]}}
    assert (events[7].data, events[-1].data) == ({"reason": "Dry"}, {})


async def test_commit_several(sessions: Sessions) -> None:
    """All that one decision says is one write: numbered in order, with one key and one moment."""
    id = await begin(sessions)
    done = await write(sessions, id, *HISTORY, by=BOB, key="k")
    assert done == Committed(2 + len(HISTORY), duplicate=False)
    events = (await log(sessions, id, of=BOB))[2:]
    assert list(range(3, done.seq + 1)) == [each.seq for each in events]
    assert len({(each.actor, each.key, each.at) for each in events}) == 1
    assert await now(sessions, id) == fold(await log(sessions, id))


async def test_participants_in_order(sessions: Sessions) -> None:
    """Participants are in the order in which they came, or came back."""
    id = await begin(sessions)
    await write(sessions, id, adds("dan"), adds("cid"), adds("bob", Role.OBSERVER), key="1")
    assert list((await now(sessions, id)).participants) == ["ann", "bob", "dan", "cid"]
    await write(sessions, id, ParticipantRemoved("bob"), adds("bob"), key="2")
    assert list((await now(sessions, id)).participants) == ["ann", "dan", "cid", "bob"]


async def test_decide_sees_the_session(sessions: Sessions) -> None:
    """A decision is made on the session as it is at that moment."""
    id = await begin(sessions)
    told: list[Session] = []

    def decide(session: Session) -> Iterable[Body]:
        told.append(session)
        return [MessageSent("x")]

    for key in "ab":
        before = await now(sessions, id)
        await sessions.commit(Write(session_id=id, key=key), by=ANN, decide=decide)
        assert {before.seq: before} == {each.seq: each for each in told}
        told.clear()


async def test_any_iterable(sessions: Sessions) -> None:
    """A decision may be a generator."""
    id = await begin(sessions)

    def decide(session: Session) -> Iterable[Body]:
        yield MessageSent("a")
        yield MessageSent("b")

    done = await sessions.commit(Write(session_id=id, key="k"), by=ANN, decide=decide)
    assert done.seq == 4


@pytest.mark.parametrize("error", [Forbidden("Not you"), AlreadyDone("So it is"), ValueError("x")])
async def test_refused(sessions: Sessions, error: Exception) -> None:
    """What a decision raises is raised, nothing has changed, and the key is free."""
    id = await begin(sessions)
    events, session = await log(sessions, id), await now(sessions, id)
    with pytest.raises(type(error)) as caught:
        await sessions.commit(Write(session_id=id, key="k"), by=ANN, decide=refusing(error))
    assert caught.value is error
    await assert_unchanged(sessions, id, events, session)
    assert not (await write(sessions, id, MessageSent("x"), key="k", note="other")).duplicate


async def test_commit_again(sessions: Sessions) -> None:
    """A repeated key gives the first result without asking again, whatever has happened since."""
    id = await begin(sessions)
    first = await write(sessions, id, MessageSent("x"), by=BOB)
    await write(sessions, id, SessionEnded(), ParticipantRemoved("bob"), by=ANN)
    events, session = await log(sessions, id), await now(sessions, id)

    again = await sessions.commit(Write(session_id=id, key="k"), by=BOB, decide=never)

    assert again == Committed(first.seq, duplicate=True)
    await assert_unchanged(sessions, id, events, session)


async def test_key_is_the_actors(sessions: Sessions) -> None:
    """Two actors may use the same key; neither gets the other's result."""
    id = await begin(sessions)
    by_ann = await write(sessions, id, MessageSent("x"), by=ANN)
    by_bob = await write(sessions, id, MessageSent("x"), by=BOB)
    by_system = await write(sessions, id, MessageSent("x"), by=SYSTEM)
    assert [each.seq for each in (by_ann, by_bob, by_system)] == [3, 4, 5]
    assert not any(each.duplicate for each in (by_ann, by_bob, by_system))


async def test_keys_are_kept_as_they_are(sessions: Sessions) -> None:
    """A key is 64 characters of any kind, and no two of them are confused."""
    id = await begin(sessions)
    keys = ["k", "K", "k ", " k", "é", "e\u0301", "💥" * 64, "a\r\nX: 1", "' OR '1'='1", "\\", "%"]
    for number, key in enumerate(keys, start=3):
        assert await write(sessions, id, MessageSent("x"), key=key) == Committed(number, False)
    assert keys == [each.key for each in (await log(sessions, id))[2:]]


async def test_commit_key_conflict(sessions: Sessions) -> None:
    """A key that was used for another input, session or flow is refused, and nothing changes."""
    one, two = await begin(sessions, 1), await begin(sessions, 2)
    await write(sessions, one, MessageSent("x"))
    events, session = await log(sessions, one), await now(sessions, one)
    for input in (
        Write(session_id=one, key="k", note="other"),
        Write(session_id=two, key="k"),
        Write(session_id=NOWHERE, key="k"),
        Write(session_id=one, key="begin-1"),
    ):
        with pytest.raises(KeyConflict):
            await sessions.commit(input, by=ANN, decide=never)
    await assert_unchanged(sessions, one, events, session)
    assert len(await log(sessions, two)) == 2


async def test_commit_nowhere(sessions: Sessions) -> None:
    """There is nothing to decide in a session that does not exist, and the key stays free."""
    with pytest.raises(SessionNotFound):
        await sessions.commit(Write(session_id=NOWHERE, key="k"), by=ANN, decide=never)
    id = await begin(sessions)
    assert not (await write(sessions, id, MessageSent("x"), key="k")).duplicate


async def test_commit_unknown_user(sessions: Sessions) -> None:
    """Nobody can add somebody who does not exist: nothing of that decision is stored."""
    id = await begin(sessions)
    events, session = await log(sessions, id), await now(sessions, id)
    for name in ("nobody", "Bob", SYSTEM.name):
        with pytest.raises(UnknownUser) as caught:
            await write(sessions, id, MessageSent("x"), adds("cid"), adds(name))
        assert caught.value.user == name
        await assert_unchanged(sessions, id, events, session)
    assert not (await write(sessions, id, MessageSent("x"))).duplicate


async def test_commit_at_once(sessions: Sessions) -> None:
    """Many writes at once, some of them refused or crashing, leave no gap and hurt no neighbour."""
    ids = [await begin(sessions, number) for number in (1, 2, 3)]

    async def attempt(number: int) -> object:
        input = Write(session_id=ids[number % 3], key=f"{number}")
        if number % 5 == 0:
            decide = refusing(Forbidden("Not you"))
        elif number % 7 == 0:
            decide = refusing(ZeroDivisionError("a mistake of ours"))
        else:
            decide = saying(f"{number}")
        try:
            return await sessions.commit(input, by=(ANN, BOB)[number % 2], decide=decide)
        except (Forbidden, ZeroDivisionError) as error:
            return type(error)

    outcomes = await asyncio.gather(*(attempt(number) for number in range(60)))

    for number, outcome in enumerate(outcomes):
        if number % 5 == 0:
            assert outcome is Forbidden
        elif number % 7 == 0:
            assert outcome is ZeroDivisionError
        else:
            assert isinstance(outcome, Committed)
            assert not outcome.duplicate
            events = await log(sessions, ids[number % 3])
            assert events[outcome.seq - 1].data == {"text": f"{number}"}
    for id in ids:
        events = await log(sessions, id)
        assert list(range(1, len(events) + 1)) == [each.seq for each in events]
        assert await now(sessions, id) == fold(events)


def saying(text: str) -> Decide:
    return lambda _: [MessageSent(text)]


async def test_one_key_at_once(sessions: Sessions) -> None:
    """Of many who repeat one key at once, one writes and all get its seq."""
    id = await begin(sessions)
    made = await asyncio.gather(*(write(sessions, id, MessageSent("x")) for _ in range(20)))
    assert {3} == {each.seq for each in made}
    assert sorted(each.duplicate for each in made) == [False] + [True] * 19
    assert len(await log(sessions, id)) == 3


async def test_check_then_write(sessions: Sessions) -> None:
    """A decision cannot be raced: of many who would be the first, one is."""
    id = await begin(sessions)

    def decide(session: Session) -> Iterable[Body]:
        if session.seq > 2:
            raise AlreadyDone("Somebody was first")
        return [MessageSent("first")]

    async def attempt(number: int) -> bool:
        try:
            input = Write(session_id=id, key=f"{number}")
            await sessions.commit(input, by=ANN, decide=decide)
        except AlreadyDone:
            return False
        return True

    assert sum(await asyncio.gather(*(attempt(number) for number in range(10)))) == 1
    assert len(await log(sessions, id)) == 3


# -- what is stored is what was said --------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        " ",
        "  a  ",
        "null",
        "é",
        "e\u0301",
        "田中さん",
        "👩\u200d👩\u200d👧",
        "a\tb\nc\r\nd",
        "\x01\b\x1f\x7f\x85\u2028",
        "\ufeffa\ufeffb",
        "'; DROP TABLE x; --",
        "\\u0000 \\x00 %s {} %(a)s",
        "💥" * 16_384,
    ],
)
async def test_text(sessions: Sessions, text: str) -> None:
    """Text comes back character for character, from events, sessions and lists."""
    id = await begin(sessions, title=text[:200])
    await write(sessions, id, MessageSent(text))
    created, _, sent = await log(sessions, id)
    assert text[:200] == created.data["title"] == (await now(sessions, id)).title
    assert sent.data == {"text": text}
    assert [text[:200]] == [each.title for each in await listed(sessions)]


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        MAX_INT,
        -MAX_INT,
        0.1,
        -1.5e-7,
        1e-300,
        123456789.123,
        9e15,
        "💥\x01\\",
        [],
        {},
        [[{"": [1, "1", 1.5]}], None],
        {"b": 1, "a": {"\\": "'", "ключ": "\u2028"}},
    ],
)
async def test_metadata(sessions: Sessions, value: Any) -> None:
    """JSON comes back as it was: numbers as numbers, bools as bools, null as null."""
    metadata = {"value": value}
    id = await begin(sessions, metadata=metadata)
    await write(sessions, id, MessageSent("x", metadata=metadata))
    created, _, sent = await log(sessions, id)
    assert metadata == created.data["metadata"] == sent.data["metadata"]
    session = await now(sessions, id)
    assert metadata == session.metadata
    assert repr(sorted(value) if isinstance(value, dict) else value) == repr(
        sorted(session.metadata["value"]) if isinstance(value, dict) else session.metadata["value"]
    )


async def test_times(sessions: Sessions, clock: FixedClock) -> None:
    """Times are those of the clock, to the millisecond, and the same wherever they are told."""
    id = await begin(sessions)
    clock.advance(seconds=1.0005)
    await write(sessions, id, MessageSent("x"), MessageSent("y"), key="1")
    clock.advance(seconds=1)
    await write(sessions, id, SessionEnded(), key="2")
    times = [each.at for each in await log(sessions, id)]
    begun, written, ended = (f"2026-11-22T19:03:1{second}.412Z" for second in (1, 2, 3))
    assert [begun, begun, written, written, ended] == times
    session = await now(sessions, id)
    assert (begun, ended) == (session.created_at, session.ended_at)
    assert [ended] == [each.last_activity for each in await listed(sessions)]


# -- mark_seen ---------------------------------------------------------------------------------


async def seen(sessions: Sessions, id: UUID, seq: int, *, by: Actor = BOB) -> bool:
    return await sessions.mark_seen(id, by=by, decide=lambda _: seq)


async def cursors(sessions: Sessions, id: UUID) -> dict[str, int]:
    return {user: each.seen for user, each in (await now(sessions, id)).participants.items()}


async def test_mark_seen(sessions: Sessions) -> None:
    """A cursor moves forward, never back, and says whether it did; it is no event."""
    id = await begin(sessions)
    await write(sessions, id, MessageSent("x"))
    asked = [1, 1, 0, 3, 2]
    assert [await seen(sessions, id, seq) for seq in asked] == [True, False, False, True, False]
    assert await cursors(sessions, id) == {"ann": 0, "bob": 3}
    assert len(await log(sessions, id)) == 3
    assert await now(sessions, id) != fold(await log(sessions, id))


async def test_mark_seen_decides(sessions: Sessions) -> None:
    """The rule sees the session as it is; what it raises is raised, and the cursor stays."""
    id = await begin(sessions)
    assert await sessions.mark_seen(id, by=BOB, decide=lambda session: session.seq)
    assert await cursors(sessions, id) == {"ann": 0, "bob": 2}
    error = Forbidden("Not you")

    def decide(session: Session) -> NoReturn:
        raise error

    with pytest.raises(Forbidden) as caught:
        await sessions.mark_seen(id, by=BOB, decide=decide)
    assert caught.value is error
    assert await cursors(sessions, id) == {"ann": 0, "bob": 2}


async def test_mark_seen_nowhere(sessions: Sessions) -> None:
    """There is no cursor in a session that does not exist."""
    with pytest.raises(SessionNotFound):
        await sessions.mark_seen(NOWHERE, by=ANN, decide=never)


async def test_mark_seen_by_others(sessions: Sessions) -> None:
    """Who takes no part, or no more, has no cursor that could move."""
    id = await begin(sessions)
    await write(sessions, id, ParticipantRemoved("bob"))
    for actor in (SYSTEM, DAN, BOB):
        assert not await seen(sessions, id, 1, by=actor)
    assert await cursors(sessions, id) == {"ann": 0}


async def test_cursor_and_role(sessions: Sessions) -> None:
    """Another role, or any other event, keeps the cursor; who comes back begins anew."""
    id = await begin(sessions)
    await seen(sessions, id, 2)
    await write(sessions, id, adds("bob", Role.OBSERVER), MessageSent("x"), SessionEnded(), key="1")
    assert await cursors(sessions, id) == {"ann": 0, "bob": 2}
    await write(sessions, id, ParticipantRemoved("bob"), key="2")
    await write(sessions, id, adds("bob"), key="3")
    assert await cursors(sessions, id) == {"ann": 0, "bob": 0}
    assert await seen(sessions, id, 1)


async def test_cursor_in_decisions_and_lists(sessions: Sessions) -> None:
    """A cursor is told wherever its session is."""
    id = await begin(sessions)
    await seen(sessions, id, 2)
    told: list[int] = []

    def decide(session: Session) -> Iterable[Body]:
        told.append(session.participants["bob"].seen)
        return [MessageSent("x")]

    await sessions.commit(Write(session_id=id, key="k"), by=ANN, decide=decide)
    assert {2} == set(told)
    assert [each.seen for each in await listed(sessions, BOB)] == [2]
    assert [each.seen for each in await listed(sessions, ANN)] == [0]


# -- find and standings --------------------------------------------------------------------------


async def test_find_nothing(sessions: Sessions) -> None:
    """There is nothing to find where there is no session."""
    await begin(sessions)
    assert await sessions.find(NOWHERE) is None


async def test_standings(sessions: Sessions) -> None:
    """A standing is the head and the role of who asks; unknown sessions are left out."""
    one = await begin(sessions, 1)
    two = await begin(sessions, 2, adds("cid", Role.OBSERVER))
    await write(sessions, two, MessageSent("x"), ParticipantRemoved("bob"))
    ids = [one, two, NOWHERE]
    assert await sessions.standings(ids, of=ANN) == {
        one: Standing(2, Role.OWNER),
        two: Standing(5, Role.OWNER),
    }
    assert await sessions.standings(ids, of=BOB) == {
        one: Standing(2, Role.MEMBER),
        two: Standing(5, None),
    }
    assert await sessions.standings(ids, of=CID) == {
        one: Standing(2, None),
        two: Standing(5, Role.OBSERVER),
    }
    nothing = {one: Standing(2, None), two: Standing(5, None)}
    assert await sessions.standings(ids, of=DAN) == nothing
    assert await sessions.standings(ids, of=SYSTEM) == nothing
    assert await sessions.standings([NOWHERE], of=ANN) == {}
    assert await sessions.standings([], of=ANN) == {}


async def test_many_standings(sessions: Sessions) -> None:
    """A thousand sessions can be asked for at once."""
    id = await begin(sessions)
    ids = [id, *(session_id(number) for number in range(2, 1001))]
    assert await sessions.standings(ids, of=ANN) == {id: Standing(2, Role.OWNER)}


# -- list_for ------------------------------------------------------------------------------------


async def test_summary(sessions: Sessions) -> None:
    """A session is listed with its head, and with the role and the cursor of who asks."""
    id = await begin(sessions)
    await write(sessions, id, SessionEnded())
    await seen(sessions, id, 2)
    last = (await log(sessions, id))[-1].at
    assert [
        Summary(
            session_id=id,
            title="Roof repair",
            status=Status.ENDED,
            role=Role.MEMBER,
            head=3,
            seen=2,
            last_activity=last,
        )
    ] == await listed(sessions, BOB)


async def test_own_sessions(sessions: Sessions) -> None:
    """One lists the sessions one takes part in; by right all, where one may have no role."""
    one = await begin(sessions, 1)
    two = await begin(sessions, 2)
    await write(sessions, one, ParticipantRemoved("bob"))
    assert {one, two} == {each.session_id for each in await listed(sessions, ANN)}
    assert {two} == {each.session_id for each in await listed(sessions, BOB)}
    assert await listed(sessions, DAN) == []
    everything = await listed(sessions, Actor("bob", frozenset({Right.VIEW})))
    assert {one: None, two: Role.MEMBER} == {each.session_id: each.role for each in everything}
    assert [(each.role, each.seen) for each in await listed(sessions, SYSTEM)] == [(None, 0)] * 2


async def test_activity(sessions: Sessions, clock: FixedClock) -> None:
    """Newest activity first; of the same moment, the greater id. A write brings a session up."""
    two, one, three = [await begin(sessions, number) for number in (2, 1, 3)]
    assert [three, two, one] == [each.session_id for each in await listed(sessions)]
    clock.advance(seconds=0.001)
    await write(sessions, one, MessageSent("x"), key="1")
    assert [one, three, two] == [each.session_id for each in await listed(sessions)]
    clock.advance(seconds=0.001)
    await write(sessions, two, MessageSent("x"), key="2")
    assert [two, one, three] == [each.session_id for each in await listed(sessions)]
    everything = await listed(sessions, SYSTEM)
    assert [two, one, three] == [each.session_id for each in everything]


async def test_seen_is_no_activity(sessions: Sessions) -> None:
    """To have seen something leaves a session where it is in the list."""
    for number in (1, 2, 3):
        await begin(sessions, number)
    before = [(each.session_id, each.last_activity) for each in await listed(sessions)]
    await seen(sessions, session_id(1), 2, by=BOB)
    after = [(each.session_id, each.last_activity) for each in await listed(sessions)]
    assert before == after


async def test_status(sessions: Sessions) -> None:
    """The list can be narrowed to one status, as it is now."""
    one, two = await begin(sessions, 1), await begin(sessions, 2)
    await write(sessions, one, SessionEnded(), key="1")
    await write(sessions, two, SessionEnded(), SessionResumed(), key="2")
    assert [one] == [each.session_id for each in await listed(sessions, status=Status.ENDED)]
    assert [two] == [each.session_id for each in await listed(sessions, status=Status.OPEN)]


@pytest.mark.parametrize(
    ("search", "titles"),
    [
        ("", ["Roof 100 %", "roof_wall", "a\\b", "Dächer", "it's"]),
        ("oof", ["Roof 100 %", "roof_wall"]),
        ("ROOF", ["Roof 100 %", "roof_wall"]),
        ("f 1", ["Roof 100 %"]),
        ("%", ["Roof 100 %"]),
        ("_", ["roof_wall"]),
        ("f_w", ["roof_wall"]),
        ("f%w", []),
        ("\\", ["a\\b"]),
        ("\\%", []),
        ("ächer", ["Dächer"]),
        ("'", ["it's"]),
        (".*", []),
        (" ", ["Roof 100 %"]),
    ],
)
async def test_search(sessions: Sessions, search: str, titles: list[str]) -> None:
    """A search is a plain piece of the title, in any case of A to Z; no character is special."""
    for number, title in enumerate(["Roof 100 %", "roof_wall", "a\\b", "Dächer", "it's"], start=1):
        await begin(sessions, number, title=title)
    assert sorted(titles) == sorted(each.title for each in await listed(sessions, search=search))
    everything = await listed(sessions, SYSTEM, search=search)
    assert sorted(titles) == sorted(each.title for each in everything)


async def test_search_renamed(sessions: Sessions) -> None:
    """The title that is searched is the one of now."""
    id = await begin(sessions, title="Roof")
    await write(sessions, id, SessionRenamed("Wall"))
    assert await listed(sessions, search="Roof") == []
    assert len(await listed(sessions, search="Wall")) == 1


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
async def test_pages_of_sessions(sessions: Sessions, limit: int) -> None:
    """Who goes on after the last of each page sees every session once."""
    for number in range(1, 8):
        await begin(sessions, number)
    everything = await listed(sessions)
    read: list[Summary] = []
    before: Bookmark | None = None
    while page := await listed(sessions, before=before, limit=limit):
        assert len(page) <= limit
        read += page
        before = Bookmark(page[-1].last_activity, page[-1].session_id)
    assert len(read) == 7
    assert read == everything


@pytest.mark.parametrize("actor", [ANN, SYSTEM])
async def test_bookmarks_anywhere(sessions: Sessions, actor: Actor) -> None:
    """A bookmark need not be of a session that is listed, or that exists."""
    await begin(sessions)
    (one,) = await listed(sessions, actor)
    smallest, greatest = UUID(int=0), UUID(int=2**128 - 1)
    at = one.last_activity
    for bookmark, found in (
        (Bookmark("9999-12-31T23:59:59.999Z", smallest), [one]),
        (Bookmark(at, greatest), [one]),
        (Bookmark(at, one.session_id), []),
        (Bookmark(at, smallest), []),
        (Bookmark("0001-01-01T00:00:00.000Z", greatest), []),
    ):
        assert found == await listed(sessions, actor, before=bookmark)


async def test_all_conditions(sessions: Sessions) -> None:
    """Status, search, bookmark and limit hold together."""
    for number in range(1, 7):
        id = await begin(sessions, number, title="Roof" if number % 2 else "Wall")
        if number < 6:
            await write(sessions, id, SessionEnded(), key=f"end-{number}")
    found = await listed(sessions, status=Status.ENDED, search="roof", limit=2)
    assert len(found) == 2
    before = Bookmark(found[-1].last_activity, found[-1].session_id)
    found += await listed(sessions, status=Status.ENDED, search="roof", limit=2, before=before)
    assert {session_id(number) for number in (1, 3, 5)} == {each.session_id for each in found}
    assert len(found) == 3


# -- events ----------------------------------------------------------------------------------------


async def talk(sessions: Sessions) -> UUID:
    """A session whose head is 10: a creation, Bob, 7 messages, a title."""
    id = await begin(sessions)
    said = [MessageSent(f"{number}") for number in range(7)]
    await write(sessions, id, *said, SessionRenamed("x"), by=BOB)
    return id


async def page(
    sessions: Sessions,
    id: UUID,
    *,
    after: int | None = None,
    before: int | None = None,
    kinds: Sequence[Kind] | None = None,
    limit: int = 100,
) -> tuple[list[int], bool]:
    found = await sessions.events(id, of=ANN, after=after, before=before, kinds=kinds, limit=limit)
    assert found is not None
    assert found.standing == Standing(10, Role.OWNER)
    return [each.seq for each in found.events], found.more


MESSAGES = [Kind.MESSAGE_SENT]


@pytest.mark.parametrize(
    ("asked", "seqs", "more"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], False),
        ({"limit": 10}, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], False),
        ({"limit": 3}, [8, 9, 10], True),
        ({"after": 0, "limit": 3}, [1, 2, 3], True),
        ({"after": 7, "limit": 3}, [8, 9, 10], False),
        ({"after": 6, "limit": 3}, [7, 8, 9], True),
        ({"after": 10}, [], False),
        ({"after": MAX_INT}, [], False),
        ({"before": 8, "limit": 3}, [5, 6, 7], True),
        ({"before": 4, "limit": 3}, [1, 2, 3], False),
        ({"before": 5, "limit": 3}, [2, 3, 4], True),
        ({"before": MAX_INT, "limit": 1}, [10], True),
        ({"before": 1}, [], False),
        ({"before": 0}, [], False),
        ({"kinds": MESSAGES}, [3, 4, 5, 6, 7, 8, 9], False),
        ({"kinds": MESSAGES, "limit": 2}, [8, 9], True),
        ({"kinds": MESSAGES, "limit": 7}, [3, 4, 5, 6, 7, 8, 9], False),
        ({"kinds": MESSAGES, "after": 0, "limit": 2}, [3, 4], True),
        ({"kinds": MESSAGES, "after": 7, "limit": 2}, [8, 9], False),
        ({"kinds": MESSAGES, "before": 5, "limit": 2}, [3, 4], False),
        ({"kinds": [*MESSAGES, Kind.SESSION_RENAMED], "after": 7}, [8, 9, 10], False),
        ({"kinds": [Kind.SESSION_ENDED]}, [], False),
        ({"kinds": []}, [], False),
        ({"kinds": [], "after": 0}, [], False),
    ],
)
async def test_events(
    sessions: Sessions, asked: dict[str, Any], seqs: list[int], *, more: bool
) -> None:
    """`after` reads the first ones after, `before` and neither the last ones; always ascending;
    `more` are beyond, in that direction and of these kinds.
    """
    assert (seqs, more) == await page(sessions, await talk(sessions), **asked)


async def test_event_of_ones_own(sessions: Sessions) -> None:
    """An author's key is on the events of that author only, when that author reads."""
    id = await talk(sessions)
    for reader, keys in ((BOB, {"k"}), (ANN, {"begin-1"}), (SYSTEM, set())):
        events = await log(sessions, id, of=reader)
        shown = {each.key for each in events if isinstance(each.key, str)}
        assert keys == shown
        assert all((each.actor == reader.name) == isinstance(each.key, str) for each in events)


async def test_events_to_strangers(sessions: Sessions) -> None:
    """The standing of who asks comes with the events, so that the asker can be refused."""
    id = await talk(sessions)
    for actor, role in ((BOB, Role.MEMBER), (DAN, None), (SYSTEM, None)):
        found = await sessions.events(id, of=actor, after=10, limit=1)
        assert EventPage(Standing(10, role), [], more=False) == found


async def test_events_nowhere(sessions: Sessions) -> None:
    """Where there is no session there is no page."""
    assert await sessions.events(NOWHERE, of=ANN, limit=1) is None
    assert await sessions.events(NOWHERE, of=ANN, after=0, kinds=[], limit=1) is None


# -- epoch ---------------------------------------------------------------------------------------


async def test_epoch(sessions: Sessions) -> None:
    """The log has a name, and keeps it whatever is written."""
    epoch = await sessions.epoch()
    assert 0 < len(epoch) <= 32
    await begin(sessions)
    assert epoch == await sessions.epoch()
