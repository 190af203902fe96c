"""Receiving nothing more of sessions."""

from uuid import UUID

import pytest

from flows.engine import MissingDependency
from flows.unwatch_sessions import Unwatched, UnwatchSessions, unwatch_sessions
from flows.watch_sessions import Watch, WatchSessions, watch_sessions
from tests.flows.stage import NOWHERE, Stage


async def unwatch(stage: Stage, *ids: UUID) -> Unwatched:
    input = UnwatchSessions(session_ids=list(ids))
    return await stage.run(unwatch_sessions, input, connected=True)


async def test_works(stage: Stage) -> None:
    """What is unwatched is watched no more; the rest is."""
    one, two = await stage.begin(), await stage.begin()
    wanted = WatchSessions(sessions=[Watch(one, 0), Watch(two, 0)])
    await stage.run(watch_sessions, wanted, connected=True)

    assert Unwatched() == await unwatch(stage, one)

    assert ([one], {two}) == (stage.watcher.forgotten, stage.watcher.watching)


async def test_already_done(stage: Stage) -> None:
    """Sessions that are not watched, unknown or named twice, are no mistake and no oracle."""
    session_id = await stage.begin()
    assert Unwatched() == await unwatch(stage, session_id, NOWHERE, session_id)
    assert Unwatched() == await unwatch(stage)
    assert set() == stage.watcher.watching


@pytest.mark.parametrize(
    ("path", "raw"),
    [
        ("$.session_ids", {"session_ids": str(NOWHERE)}),
        ("$.session_ids", {"session_ids": None}),
        ("$.session_ids[1]", {"session_ids": [str(NOWHERE), "x"]}),
        ("$.sessions", {"session_ids": [], "sessions": []}),
        ("$.session_ids", {}),
    ],
)
async def test_bad_input(stage: Stage, path: str, raw: dict[str, object]) -> None:
    """What is no list of ids, and a field that does not exist, are refused by path."""
    await stage.invalid(path, unwatch_sessions, raw, connected=True)


async def test_no_connection(stage: Stage) -> None:
    """Without a connection there is nothing to unwatch."""
    with pytest.raises(MissingDependency, match="watcher"):
        await stage.run(unwatch_sessions, UnwatchSessions(session_ids=[]))
