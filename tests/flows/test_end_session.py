"""Ending a session."""

from uuid import UUID

import pytest

from flows.end_session import EndSession, end_session
from flows.errors import AlreadyDone
from flows.events import timestamp
from flows.session import Status
from tests.flows.stage import Stage


def end(session_id: UUID, *, reason: str | None = None, key: str = "k") -> EndSession:
    return EndSession(session_id=session_id, reason=reason, key=key)


async def test_works(stage: Stage) -> None:
    """A session that was ended takes no more writes, and its log says why it ended and when."""
    session_id = await stage.begin()
    stage.clock.advance(seconds=60)

    done = await stage.run(end_session, end(session_id, reason="All dry"))

    assert (done.seq, done.duplicate) == (4, False)
    (event,) = stage.news(session_id)
    assert (event.kind, event.actor, event.data) == ("session_ended", "ann", {"reason": "All dry"})
    session = await stage.session(session_id)
    assert (Status.ENDED, timestamp(stage.clock.now)) == (session.status, session.ended_at)
    assert session.created_at != session.ended_at


async def test_without_a_reason(stage: Stage) -> None:
    """A reason that was not given is not in the event; `null` is none, and an empty one is one."""
    for reason, data in ((None, {}), ("", {"reason": ""})):
        session_id = await stage.begin()
        raw = {"session_id": str(session_id), "reason": reason, "key": stage.key()}
        await stage.run_raw(end_session, raw)
        assert data == stage.news(session_id)[0].data


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("$.reason", {"reason": "x" * 1001}),
        ("$.reason", {"reason": {"a": 1}}),
        ("$.reason", {"reason": "a\x00b"}),
        ("$.reason", {"reason": "a\ud83d"}),
        ("$.key", {"key": None}),
        ("$.session_id", {"session_id": 1}),
    ],
)
async def test_bad_input(stage: Stage, path: str, fields: dict[str, object]) -> None:
    """A value that is no reason, key or id is refused where it stands."""
    raw = {"session_id": str(await stage.begin()), "key": "k"}
    await stage.invalid(path, end_session, raw | fields)


async def test_longest_reason(stage: Stage) -> None:
    """A reason has up to 1,000 characters."""
    session_id = await stage.begin()
    raw = {"session_id": str(session_id), "reason": "é" * 1000, "key": "k"}
    await stage.run_raw(end_session, raw)
    assert stage.news(session_id)[0].data == {"reason": "é" * 1000}


async def test_not_found(stage: Stage) -> None:
    """A session that one takes no part in looks like none."""
    await stage.hides(end_session, end)


async def test_who_may(stage: Stage) -> None:
    """Owners end a session; members and observers do not."""
    await stage.allows(end_session, lambda id: end(id, key=stage.key()), ["ann"])


async def test_already_done(stage: Stage) -> None:
    """A session that has ended cannot be ended again."""
    await stage.refused(AlreadyDone, end_session, end(await stage.ended()))


async def test_repeated_key(stage: Stage) -> None:
    """A repeated key ends it once, and another reason is another input."""
    session_id = await stage.begin()
    await stage.repeats(end_session, end(session_id), other=end(session_id, reason="x"))
