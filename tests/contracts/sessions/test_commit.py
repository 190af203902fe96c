"""How something is written in a session: decided, refused, repeated, and raced."""

import asyncio
from collections.abc import Iterable

import pytest

from flows.actor import SYSTEM
from flows.atoms.sessions import Committed, Decide, Sessions
from flows.errors import AlreadyDone, Forbidden, KeyConflict, SessionNotFound, UnknownUser
from flows.events import (
    Body,
    MessageSent,
    ParticipantRemoved,
    Role,
    SessionEnded,
    SessionRenamed,
    SessionResumed,
)
from flows.session import Session
from tests.contracts.sessions.stage import (
    ANN,
    BOB,
    NOWHERE,
    Write,
    adds,
    assert_unchanged,
    begin,
    log,
    never,
    now,
    refusing,
    write,
)
from tests.fakes import fold

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
