"""The fake archive and the stored one find and delete the same sessions."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from msgspec.structs import replace

from flows.atoms.archive import Archive, Which
from flows.atoms.sessions import Sessions
from flows.errors import InvalidValue, UnknownUser
from flows.events import SessionEnded
from flows.replay import replay
from flows.session import Status
from sessions_app import models
from sessions_app.adapters.archive import StoredArchive
from sessions_app.adapters.log import DjangoSessions
from tests.contracts.sessions.stage import begin, log, session_id, write
from tests.fakes import FakeArchive, FakeSessions, FixedClock


@pytest.fixture
def archive(sessions: Sessions, store: str | None) -> Archive:
    """The archive of the same store."""
    if isinstance(sessions, FakeSessions):
        return FakeArchive(sessions)
    assert isinstance(sessions, DjangoSessions)
    assert store is not None
    return StoredArchive(sessions.run, using=store)


async def test_survey(sessions: Sessions, archive: Archive, clock: FixedClock) -> None:
    """Sessions come by id, a page at a time, those that are asked for, with what is known."""
    old, ended, late = [await begin(sessions, number) for number in (1, 2, 3)]
    await write(sessions, ended, SessionEnded(), key="e")
    began = clock.now
    clock.advance(seconds=60)
    await write(sessions, late, SessionEnded(), key="l")

    async def found(which: Which) -> list[object]:
        return [each.session_id for each in await archive.survey(which, after=None, limit=9)]

    assert await found(Which()) == [old, ended, late]
    assert await found(Which(status=Status.OPEN)) == [old]
    assert await found(Which(ended_before=clock.now)) == [ended]
    assert await found(Which(inactive_since=clock.now)) == [old, ended]
    assert await found(Which(inactive_since=began)) == []
    (second,) = await archive.survey(Which(), after=old, limit=1)
    assert (second.session_id, second.events, second.status) == (ended, 3, Status.ENDED)
    assert (second.ended_at, second.last_activity) == (began, began)


async def test_delete(sessions: Sessions, archive: Archive) -> None:
    """Only what may be deleted as it is now is, with its log and its keys."""
    one, two = [await begin(sessions, number) for number in (1, 2)]
    gone = await archive.delete([one, two], may=lambda each: each.session_id == one)
    assert [(each.session_id, each.events) for each in gone] == [(one, 2)]
    assert await sessions.find(one) is None
    assert await sessions.find(two) is not None
    assert await archive.delete([one], may=lambda each: True) == []
    # Its keys are free: the same creation begins it anew.
    assert await begin(sessions, 1) == one
    assert await sessions.find(one) is not None


async def test_all_that_is_theirs(sessions: Sessions, archive: Archive, store: str | None) -> None:
    """Nothing of a deleted session is left in any table, and all of the others is."""
    one, _ = [await begin(sessions, number) for number in (1, 2)]
    await archive.delete([one], may=lambda each: True)
    if store is None:
        return

    def left() -> list[int]:
        tables = (models.Session, models.Participant, models.Event, models.Receipt)
        try:
            return [table._default_manager.using(store).count() for table in tables]
        finally:
            connections.close_all()  # those of this thread

    assert await asyncio.wait_for(sync_to_async(left)(), 10) == [1, 2, 2, 1]


async def test_add(sessions: Sessions, archive: Archive, users: frozenset[str]) -> None:
    """A log that was read can be taken in again: the same session, with the same keys."""
    id = await begin(sessions)
    events = await log(sessions, id)
    before = await sessions.find(id)
    made = replay(events)
    assert await archive.add(events, made, create_users=False) is False
    await archive.delete([id], may=lambda each: True)
    assert await archive.add(events, made, create_users=False) is True
    assert (await sessions.find(id), await log(sessions, id)) == (before, events)
    for wrong in (events[:-1], [*events[:-1], replace(events[-1], actor="bob")]):
        with pytest.raises(InvalidValue):
            await archive.add(wrong, replay(wrong), create_users=False)


async def test_add_refused(sessions: Sessions, archive: Archive) -> None:
    """An unknown user and a key that was used elsewhere are refused, and nothing has changed."""
    id = await begin(sessions)
    events = [replace(each, session_id=session_id(2)) for each in await log(sessions, id)]
    with pytest.raises(InvalidValue, match="begin-1"):
        await archive.add(events, replay(events), create_users=False)
    strange = [replace(each, actor="nobody", key="n") for each in events]
    with pytest.raises(UnknownUser):
        await archive.add(strange, replay(strange), create_users=False)
    assert await sessions.find(session_id(2)) is None
    assert await archive.add(strange, replay(strange), create_users=True)
    assert await sessions.find(session_id(2)) is not None
