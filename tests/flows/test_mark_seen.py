"""Saying up to where one has read."""

from uuid import UUID

import pytest

from flows.actor import SYSTEM
from flows.errors import InvalidValue
from flows.events import ParticipantAdded, ParticipantRemoved, Role
from flows.input import MAX_INT
from flows.mark_seen import Marked, MarkSeen, mark_seen
from tests.fakes import SeenTold
from tests.flows.stage import BEGUN, Stage


def seen(session_id: UUID, seq: int = 2) -> MarkSeen:
    return MarkSeen(session_id=session_id, seq=seq)


async def cursor(stage: Stage, session_id: UUID, user: str) -> int:
    session = await stage.session(session_id)
    return session.participants[user].seen


@pytest.mark.parametrize("who", ["ann", "bob", "cid"])
async def test_works(stage: Stage, who: str) -> None:
    """Whoever takes part moves their own cursor; those who watch are told, and it is no event."""
    session_id = await stage.begin()

    assert Marked() == await stage.run(mark_seen, seen(session_id), by=who)

    others = {"ann", "bob", "cid"} - {who}
    assert await cursor(stage, session_id, who) == 2
    assert [await cursor(stage, session_id, other) for other in others] == [0, 0]
    assert stage.news(session_id) == []
    assert [SeenTold(session_id, who, 2, None)] == stage.announcer.told


async def test_own_connection(stage: Stage) -> None:
    """The connection that says so does not hear it."""
    session_id = await stage.begin()
    await stage.run(mark_seen, seen(session_id), by="bob", connected=True)
    assert [SeenTold(session_id, "bob", 2, "c1")] == stage.announcer.told


@pytest.mark.parametrize("seq", [0, 1, 2])
async def test_forward_only(stage: Stage, seq: int) -> None:
    """A cursor does not go back: what is behind it, or at it, changes nothing and is not told."""
    session_id = await stage.begin()
    await stage.run(mark_seen, seen(session_id, 2))
    before = stage.everything()
    assert Marked() == await stage.run(mark_seen, seen(session_id, seq))
    assert before == stage.everything()


async def test_up_to_the_head(stage: Stage) -> None:
    """A cursor reaches the head and not beyond."""
    session_id = await stage.begin()
    for seq in (BEGUN + 1, MAX_INT):
        error = await stage.refused(InvalidValue, mark_seen, seen(session_id, seq))
        assert (error.code, error.fields()) == ("invalid_input", {"path": "$.seq"})
    await stage.run(mark_seen, seen(session_id, BEGUN))
    assert await cursor(stage, session_id, "ann") == BEGUN


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("$.seq", {"seq": "1"}),
        ("$.seq", {"seq": 1.5}),
        ("$.seq", {"seq": True}),
        ("$.seq", {"seq": None}),
        ("$.seq", {"seq": -1}),
        ("$.seq", {"seq": MAX_INT + 1}),
        ("$.user", {"user": "bob"}),
        ("$.key", {"key": "k"}),
        ("$.session_id", {"session_id": "x"}),
    ],
)
async def test_bad_input(stage: Stage, path: str, fields: dict[str, object]) -> None:
    """A value that is no seq, and a field that does not exist, are refused by path."""
    raw = {"session_id": str(await stage.begin()), "seq": 1}
    await stage.invalid(path, mark_seen, raw | fields)


async def test_not_found(stage: Stage) -> None:
    """A session that one takes no part in looks like none, also beyond its head."""
    await stage.hides(mark_seen, seen)
    await stage.hides(mark_seen, lambda id: seen(id, 99))


async def test_ended(stage: Stage) -> None:
    """A session that has ended can be read to its end."""
    session_id = await stage.ended()
    await stage.run(mark_seen, seen(session_id, 4), by="cid")
    assert await cursor(stage, session_id, "cid") == 4


async def test_rights(stage: Stage) -> None:
    """Who acts by right and takes no part has no cursor to move."""
    session_id = await stage.begin()
    before = stage.everything()
    await stage.run(mark_seen, seen(session_id), by=SYSTEM)
    assert before == stage.everything()


async def test_another_role_keeps_the_cursor(stage: Stage) -> None:
    """Who is given another role has seen what they had seen; who comes back begins anew."""
    session_id = await stage.begin()
    await stage.run(mark_seen, seen(session_id), by="bob")
    await stage.happen(session_id, ParticipantAdded("bob", Role.OBSERVER))
    assert await cursor(stage, session_id, "bob") == 2
    await stage.happen(session_id, ParticipantRemoved("bob"))
    await stage.happen(session_id, ParticipantAdded("bob", Role.OBSERVER))
    assert await cursor(stage, session_id, "bob") == 0
