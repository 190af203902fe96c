"""Watching a session as staff."""

from uuid import UUID

import pytest

from flows.actor import Right
from flows.atoms.audit import Act
from flows.atoms.limits import Limits
from flows.errors import (
    Forbidden,
    LimitReached,
    SessionNotFound,
    Unavailable,
    UnrecoverablePosition,
)
from flows.observe_session import ObserveSession, observe_session
from flows.watch_sessions import Watching
from tests.fakes import Follow
from tests.flows.people import staff, without
from tests.flows.stage import BEGUN, NOWHERE, Stage, on_stage

READER = staff(Right.READ)


def observe(
    session_id: UUID, after: int = 0, *, epoch: str | None = None, reason: str = ""
) -> ObserveSession:
    return ObserveSession(session_id=session_id, after=after, epoch=epoch, reason=reason)


async def test_works(stage: Stage) -> None:
    """Staff watch a session that they take no part in; that they do and why is recorded."""
    session_id = await stage.begin()
    input = observe(session_id, 1, epoch="e1", reason="A complaint")
    told = await stage.run(observe_session, input, by=READER, connected=True)
    assert told == Watching(session_id, BEGUN)
    assert stage.watcher.follows == [Follow(session_id, after=1, head=BEGUN, observe=True)]
    assert stage.audit.acts == [
        Act(by="boss", done="Observed", kind="session", id=str(session_id), reason="A complaint")
    ]


async def test_what_goes_on(stage: Stage) -> None:
    """Who observes it already for this reason is not recorded again; for another one they are."""
    session_id = await stage.begin()
    stage.watcher.observed.add((session_id, "A complaint"))
    for reason in ("A complaint", "Spam"):
        input = observe(session_id, 1, reason=reason)
        await stage.run(observe_session, input, by=READER, connected=True)
    assert len(stage.watcher.follows) == 2
    assert [act.reason for act in stage.audit.acts] == ["Spam"]


async def test_only_new_ones(stage: Stage) -> None:
    """After -1 come only new events, and it belongs to any epoch."""
    session_id = await stage.begin()
    input = observe(session_id, -1, epoch="other")
    await stage.run(observe_session, input, by=READER, connected=True)
    assert stage.watcher.follows == [Follow(session_id, after=BEGUN, head=BEGUN, observe=True)]


async def test_in_order(stage: Stage) -> None:
    """The head is read after what is committed is noticed: no event falls between."""
    session_id = await stage.begin()
    stage.calls.clear()
    await stage.run(observe_session, observe(session_id), by=READER, connected=True)
    assert stage.calls == ["register", "standings", "epoch", "follow"]


async def test_who_may(stage: Stage) -> None:
    """It takes the right to read: to all others every session looks alike, also their own."""
    session_id = await stage.begin()
    for by in without(Right.READ):
        for each in (session_id, NOWHERE):
            await stage.refused(Forbidden, observe_session, observe(each), by=by, connected=True)
    assert not stage.watcher.registered


async def test_not_found(stage: Stage) -> None:
    """There must be such a session."""
    await stage.refused(
        SessionNotFound, observe_session, observe(NOWHERE), by=READER, connected=True
    )


@pytest.mark.parametrize(("after", "epoch"), [(BEGUN + 1, None), (1, "other")])
async def test_position(stage: Stage, after: int, epoch: str | None) -> None:
    """A position that the log does not have is refused, with what it has."""
    session_id = await stage.begin()
    input = observe(session_id, after, epoch=epoch)
    error = await stage.refused(
        UnrecoverablePosition, observe_session, input, by=READER, connected=True
    )
    assert error.fields() == {"head": BEGUN, "epoch": "e1"}


async def test_limit() -> None:
    """It counts as a watch of the connection; one that is watched already counts once."""
    async with on_stage(Limits(watching=1)) as stage:
        first, second = await stage.begin(), await stage.begin()
        for _ in range(2):
            await stage.run(observe_session, observe(first), by=READER, connected=True)
        error = await stage.refused(
            LimitReached, observe_session, observe(second), by=READER, connected=True
        )
        assert error.limit == 1


async def test_bad_input(stage: Stage) -> None:
    """What cannot be is refused by path."""
    raw = {"session_id": str(NOWHERE), "after": 0}
    for path, more in (
        ("$.session_id", {"session_id": "x"}),
        ("$.after", {"after": -2}),
        ("$.epoch", {"epoch": "x" * 65}),
        ("$.reason", {"reason": "x" * 1001}),
        ("$.colour", {"colour": 1}),
    ):
        await stage.invalid(path, observe_session, raw | more, by=READER, connected=True)


async def test_unavailable(stage: Stage) -> None:
    """Where it cannot be recorded, nothing is shown."""
    session_id = await stage.begin()
    stage.audit.available = False
    await stage.refused(
        Unavailable, observe_session, observe(session_id), by=READER, connected=True
    )
