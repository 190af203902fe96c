"""How a session begins."""

import asyncio
from typing import NoReturn

import pytest

from flows.actor import SYSTEM, Actor
from flows.atoms.sessions import Created, Sessions
from flows.errors import Forbidden, KeyConflict, UnknownUser
from flows.events import Body, MessageSent, Role, SessionCreated, SessionEnded
from flows.session import Participant, Session, Status
from tests.contracts.sessions.stage import (
    ANN,
    BOB,
    Begin,
    adds,
    begin,
    listed,
    log,
    now,
    session_id,
    write,
)


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
