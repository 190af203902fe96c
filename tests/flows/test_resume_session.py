"""Opening an ended session again."""

from uuid import UUID

import pytest

from flows.errors import AlreadyDone
from flows.events import SessionEnded
from flows.resume_session import ResumeSession, resume_session
from flows.session import Status
from tests.flows.stage import Stage


def resume(session_id: UUID, *, key: str = "k") -> ResumeSession:
    return ResumeSession(session_id=session_id, key=key)


async def test_works(stage: Stage) -> None:
    """A session that was resumed is open, as if it had never ended."""
    session_id = await stage.begin()
    before = await stage.session(session_id)
    await stage.happen(session_id, SessionEnded())

    done = await stage.run(resume_session, resume(session_id))

    assert (done.seq, done.duplicate) == (5, False)
    event = stage.news(session_id)[-1]
    assert (event.kind, event.actor, event.data) == ("session_resumed", "ann", {})
    session = await stage.session(session_id)
    assert (session.status, session.ended_at) == (Status.OPEN, None)
    assert before.participants == session.participants


@pytest.mark.parametrize(
    ("path", "fields"),
    [("$.key", {"key": 7}), ("$.session_id", {"session_id": ""}), ("$.reason", {"reason": "x"})],
)
async def test_bad_input(stage: Stage, path: str, fields: dict[str, object]) -> None:
    """A value that is no key or id, and a field that does not exist, are refused by path."""
    raw = {"session_id": str(await stage.ended()), "key": "k"}
    await stage.invalid(path, resume_session, raw | fields)


async def test_not_found(stage: Stage) -> None:
    """A session that one takes no part in looks like none."""
    await stage.hides(resume_session, resume)


async def test_who_may(stage: Stage) -> None:
    """Owners resume a session; members and observers do not."""
    await stage.allows(
        resume_session, lambda id: resume(id, key=stage.key()), ["ann"], having=[SessionEnded()]
    )


async def test_already_done(stage: Stage) -> None:
    """A session that is open cannot be opened."""
    await stage.refused(AlreadyDone, resume_session, resume(await stage.begin()))


async def test_repeated_key(stage: Stage) -> None:
    """A repeated key opens it once: when it has ended again, it stays so."""
    session_id, elsewhere = await stage.ended(), await stage.ended()
    await stage.repeats(resume_session, resume(session_id), other=resume(elsewhere))
    assert Status.ENDED is (await stage.session(session_id)).status
