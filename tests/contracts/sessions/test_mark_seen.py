"""The cursors: how far everybody has read."""

from collections.abc import Iterable
from typing import NoReturn

import pytest

from flows.actor import SYSTEM
from flows.atoms.sessions import Sessions
from flows.errors import Forbidden, SessionNotFound
from flows.events import Body, MessageSent, ParticipantRemoved, Role, SessionEnded
from flows.session import Session
from tests.contracts.sessions.stage import (
    ANN,
    BOB,
    DAN,
    NOWHERE,
    Write,
    adds,
    begin,
    cursors,
    listed,
    log,
    never,
    now,
    seen,
    write,
)
from tests.fakes import fold


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
