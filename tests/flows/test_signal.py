"""Signalling something that is over in a moment."""

from typing import Any
from uuid import UUID

import pytest

from flows.actor import SYSTEM
from flows.engine import MissingDependency
from flows.errors import SessionEnded
from flows.signal import Signal, Signalled, signal
from tests.fakes import SignalTold
from tests.flows.stage import Stage


def typing(session_id: UUID, **more: Any) -> Signal:
    return Signal(session_id=session_id, name="typing", **more)


@pytest.mark.parametrize("who", ["ann", "bob", "cid"])
async def test_works(stage: Stage, who: str) -> None:
    """Whoever takes part signals, to all connections but their own; nothing is stored."""
    session_id = await stage.begin()
    stored = stage.sessions.dump()

    result = await stage.run(signal, typing(session_id, data={"on": True}), by=who, connected=True)

    assert Signalled() == result
    assert [SignalTold(session_id, who, "typing", {"on": True}, "c1")] == stage.announcer.told
    assert stored == stage.sessions.dump()


async def test_without_data(stage: Stage) -> None:
    """A signal without data is told with none in it."""
    session_id = await stage.begin()
    await stage.run(signal, typing(session_id), connected=True)
    assert [SignalTold(session_id, "ann", "typing", {}, "c1")] == stage.announcer.told


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("$.name", {"name": ""}),
        ("$.name", {"name": "x" * 65}),
        ("$.name", {"name": 7}),
        ("$.name", {"name": "a\x00"}),
        ("$.data", {"data": "x"}),
        ("$.data", {"data": None}),
        ("$.data", {"data": {"a": "\ud800"}}),
        ("$.data", {"data": {"a": "x" * 16_384}}),
        ("$.key", {"key": "k"}),
        ("$.session_id", {"session_id": 0}),
    ],
)
async def test_bad_input(stage: Stage, path: str, fields: dict[str, object]) -> None:
    """A value of the wrong kind or size, and a field that does not exist, are refused by path."""
    raw = {"session_id": str(await stage.begin()), "name": "typing"}
    await stage.invalid(path, signal, raw | fields, connected=True)


async def test_longest_name(stage: Stage) -> None:
    """A name has up to 64 characters."""
    raw = {"session_id": str(await stage.begin()), "name": "🖊" * 64}
    assert Signalled() == await stage.run_raw(signal, raw, connected=True)


async def test_not_found(stage: Stage) -> None:
    """A session that one takes no part in looks like none."""
    await stage.hides(signal, typing, connected=True)


async def test_who_may(stage: Stage) -> None:
    """Owners, members and observers signal, and so does who has the right to act."""
    await stage.allows(signal, typing, ["ann", "bob", "cid"], connected=True)
    assert SYSTEM.name == stage.announcer.told[-1].actor  # type: ignore[union-attr]


async def test_ended(stage: Stage) -> None:
    """Nothing is signalled in a session that has ended."""
    await stage.refused(SessionEnded, signal, typing(await stage.ended()), connected=True)


async def test_no_connection(stage: Stage) -> None:
    """Without a connection there is no signalling."""
    session_id = await stage.begin()
    before = stage.everything()
    with pytest.raises(MissingDependency, match="watcher"):
        await stage.run(signal, typing(session_id))
    assert before == stage.everything()
