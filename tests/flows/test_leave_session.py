"""Leaving a session."""

from uuid import UUID

import pytest

from flows.actor import EVERYTHING, SYSTEM, Actor
from flows.errors import Forbidden, SessionNotFound
from flows.events import ParticipantAdded, Role
from flows.leave_session import LeaveSession, leave_session
from tests.flows.stage import Stage


def leave(session_id: UUID, *, key: str = "k") -> LeaveSession:
    return LeaveSession(session_id=session_id, key=key)


@pytest.mark.parametrize("who", ["bob", "cid"])
async def test_works(stage: Stage, who: str) -> None:
    """A member or an observer who left takes part no more, and is the author of that event."""
    session_id = await stage.begin()

    done = await stage.run(leave_session, leave(session_id), by=who)

    assert (done.seq, done.duplicate) == (4, False)
    (event,) = stage.news(session_id)
    assert ("participant_removed", who, {"user": who}) == (event.kind, event.actor, event.data)
    session = await stage.session(session_id)
    assert session.role_of(who) is None


async def test_ended(stage: Stage) -> None:
    """A session that has ended can be left."""
    session_id = await stage.ended()
    await stage.run(leave_session, leave(session_id), by="bob")
    assert stage.news(session_id)[-1].kind == "participant_removed"


@pytest.mark.parametrize(
    ("path", "fields"),
    [("$.key", {"key": []}), ("$.user", {"user": "cid"}), ("$.session_id", {"session_id": {}})],
)
async def test_bad_input(stage: Stage, path: str, fields: dict[str, object]) -> None:
    """Nobody can leave in another's name: there is no such field."""
    raw = {"session_id": str(await stage.begin()), "key": "k"}
    await stage.invalid(path, leave_session, raw | fields, by="bob")


async def test_not_found(stage: Stage) -> None:
    """A session that one takes no part in, or has left, looks like none."""
    await stage.hides(leave_session, leave)


async def test_last_owner(stage: Stage) -> None:
    """The last owner cannot leave."""
    await stage.refused(Forbidden, leave_session, leave(await stage.begin()))


async def test_one_of_two_owners(stage: Stage) -> None:
    """An owner can leave when there is another."""
    session_id = await stage.begin()
    await stage.happen(session_id, ParticipantAdded("bob", Role.OWNER))
    await stage.run(leave_session, leave(session_id))
    session = await stage.session(session_id)
    assert session.owners == ["bob"]


async def test_rights(stage: Stage) -> None:
    """Authority takes no part and so cannot leave; who does take part can, with it or without."""
    session_id = await stage.begin()
    await stage.refused(SessionNotFound, leave_session, leave(session_id), by=SYSTEM)
    await stage.run(leave_session, leave(session_id), by=Actor("bob", EVERYTHING))
    assert len(stage.news(session_id)) == 1


async def test_repeated_key(stage: Stage) -> None:
    """A repeated key leaves once: who was added again since stays in."""
    session_id, elsewhere = await stage.begin(), await stage.begin()
    await stage.repeats(leave_session, leave(session_id), other=leave(elsewhere), by="bob")
    await stage.happen(session_id, ParticipantAdded("bob", Role.MEMBER))
    assert (await stage.run(leave_session, leave(session_id), by="bob")).duplicate
    session = await stage.session(session_id)
    assert session.role_of("bob") is Role.MEMBER
