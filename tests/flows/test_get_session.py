"""Taking a snapshot of a session."""

from uuid import UUID

import msgspec
import pytest

from flows.actor import SYSTEM
from flows.errors import SessionNotFound
from flows.get_session import GetSession, Snapshot, get_session
from tests.flows.stage import NOWHERE, Stage


def get(session_id: UUID) -> GetSession:
    return GetSession(session_id=session_id)


async def test_works(stage: Stage) -> None:
    """A snapshot is all there is to know of a session as of its seq, and nothing else."""
    session_id = await stage.begin(title="Roof repair", metadata={"a": [1]})

    snapshot = await stage.run(get_session, get(session_id), by="cid")

    assert {
        "session_id": str(session_id),
        "seq": 3,
        "epoch": "e1",
        "title": "Roof repair",
        "status": "open",
        "metadata": {"a": [1]},
        "created_at": "2026-11-22T19:03:11.412Z",
        "ended_at": None,
        "participants": [
            {"user": "ann", "role": "owner", "seen": 0},
            {"user": "bob", "role": "member", "seen": 0},
            {"user": "cid", "role": "observer", "seen": 0},
        ],
    } == msgspec.to_builtins(snapshot)


async def test_ended(stage: Stage) -> None:
    """A session that has ended can be read, and says when it ended."""
    snapshot = await stage.run(get_session, get(await stage.ended()), by="cid")
    assert (snapshot.status, snapshot.ended_at) == ("ended", "2026-11-22T19:03:11.412Z")


@pytest.mark.parametrize("by", ["ann", "bob", "cid", SYSTEM])
async def test_who_may(stage: Stage, by: str) -> None:
    """Whoever takes part may read, and so may who has the right to view; all see the same."""
    session_id = await stage.begin()
    expected = await stage.run(get_session, get(session_id))
    assert expected == await stage.run(get_session, get(session_id), by=by)
    assert isinstance(expected, Snapshot)


@pytest.mark.parametrize(
    ("path", "raw"),
    [
        ("$.session_id", {"session_id": None}),
        ("$.session_id", {"session_id": {"$gt": ""}}),
        ("$.session_id", {"session_id": str(NOWHERE) + "\n"}),
        ("$.at", {"session_id": str(NOWHERE), "at": 1}),
        ("$.session_id", {}),
    ],
)
async def test_bad_input(stage: Stage, path: str, raw: dict[str, object]) -> None:
    """What is no id, and a field that does not exist, are refused by path."""
    await stage.invalid(path, get_session, raw)


async def test_not_found(stage: Stage) -> None:
    """A session that one takes no part in looks like none; there is none for the system either."""
    await stage.hides(get_session, get)
    await stage.refused(SessionNotFound, get_session, get(NOWHERE), by=SYSTEM)
