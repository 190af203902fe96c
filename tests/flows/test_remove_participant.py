"""Letting somebody take part in a session no more."""

from uuid import UUID

import pytest

from flows.actor import SYSTEM
from flows.errors import AlreadyDone, Forbidden, SessionEnded
from flows.remove_participant import RemoveParticipant, remove_participant
from tests.flows.stage import Stage


def remove(session_id: UUID, user: str = "bob", *, key: str = "k") -> RemoveParticipant:
    return RemoveParticipant(session_id=session_id, user=user, key=key)


async def test_works(stage: Stage) -> None:
    """Who was removed takes part no more."""
    session_id = await stage.begin()

    done = await stage.run(remove_participant, remove(session_id))

    assert (done.seq, done.duplicate) == (4, False)
    (event,) = stage.news(session_id)
    assert (event.kind, event.actor) == ("participant_removed", "ann")
    assert event.data == {"user": "bob"}
    session = await stage.session(session_id)
    assert list(session.participants) == ["ann", "cid"]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("$.user", {"user": ""}),
        ("$.user", {"user": 7}),
        ("$.user", {"user": "a\x00b"}),
        ("$.role", {"role": "member"}),
        ("$.session_id", {"session_id": None}),
    ],
)
async def test_bad_input(stage: Stage, path: str, fields: dict[str, object]) -> None:
    """A name that nobody can have, and a field that does not exist, are refused by path."""
    raw = {"session_id": str(await stage.begin()), "user": "bob", "key": "k"}
    await stage.invalid(path, remove_participant, raw | fields)


async def test_not_found(stage: Stage) -> None:
    """A session that one takes no part in looks like none."""
    await stage.hides(remove_participant, lambda id: remove(id, "cid"))


async def test_who_may(stage: Stage) -> None:
    """Owners remove; members and observers do not, not even themselves."""
    await stage.allows(remove_participant, lambda id: remove(id, key=stage.key()), ["ann"])


async def test_last_owner(stage: Stage) -> None:
    """The last owner cannot be removed: not by a member, by herself or by right."""
    session_id = await stage.begin()
    for by in ("bob", "ann", SYSTEM):
        await stage.refused(Forbidden, remove_participant, remove(session_id, "ann"), by=by)


async def test_ended(stage: Stage) -> None:
    """Nobody is removed from a session that has ended."""
    session_id = await stage.ended()
    await stage.refused(SessionEnded, remove_participant, remove(session_id))
    await stage.refused(SessionEnded, remove_participant, remove(session_id, "dan"))


async def test_already_done(stage: Stage) -> None:
    """Who takes no part is not removed, be it a user or nobody at all."""
    session_id = await stage.begin()
    for name in ("dan", "nobody"):
        await stage.refused(AlreadyDone, remove_participant, remove(session_id, name))


async def test_repeated_key(stage: Stage) -> None:
    """A repeated key removes once."""
    session_id = await stage.begin()
    other = remove(session_id, "cid")
    await stage.repeats(remove_participant, remove(session_id), other=other)
