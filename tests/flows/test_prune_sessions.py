"""Deleting sessions that have been kept for long enough."""

from typing import Any
from uuid import UUID

import pytest

from flows.actor import Actor, Right
from flows.atoms.actor import actor
from flows.atoms.archive import Which
from flows.engine import InvalidInput
from flows.errors import Forbidden, InvalidValue, Unavailable
from flows.events import MessageSent, SessionEnded
from flows.prune_sessions import EVENTS, PAGE, Pruned, PruneSessions, batches, prune_sessions
from flows.session import Status
from tests.flows.people import staff, without
from tests.flows.stage import Stage

DAY = 24 * 3600
KEEPER = staff(Right.DELETE)


async def pruned(stage: Stage, by: Actor = KEEPER, **fields: Any) -> list[Pruned]:
    """Every batch that was deleted."""
    async with (
        stage.scope.create_context(actor(by)) as ctx,
        ctx.stream_raw(prune_sessions, fields) as items,
    ):
        return [each async for each in items]


async def there(stage: Stage) -> list[UUID]:
    return [each.session_id for each in stage.sessions.overviews()]


async def test_works(stage: Stage) -> None:
    """What ended long enough ago is gone with its keys; what ended later or is open stays."""
    old, young, opened = await stage.ended(), await stage.begin(), await stage.begin()
    stage.clock.advance(seconds=2 * DAY)
    await stage.happen(young, SessionEnded())
    assert await pruned(stage, ended_days=1, dry_run=False) == [Pruned(1, 4)]
    assert await there(stage) == [young, opened]
    assert old not in {each.session_id for each in stage.sessions.receipts.values()}
    assert len(stage.sessions.receipts) == 3
    assert await pruned(stage, ended_days=1, dry_run=False) == []


async def test_dry_run(stage: Stage) -> None:
    """Unless it is meant, what would be deleted is told, and nothing is."""
    await stage.ended()
    stage.clock.advance(seconds=2 * DAY)
    before = stage.everything()
    assert await pruned(stage, ended_days=1) == [Pruned(1, 4)]
    assert before == stage.everything()


async def test_inactive(stage: Stage) -> None:
    """What nobody has written in for long enough is gone, open or ended, or of one status only."""
    idle, ended, busy = await stage.begin(), await stage.ended(), await stage.begin()
    stage.clock.advance(seconds=2 * DAY)
    await stage.happen(busy, MessageSent("x"))
    await pruned(stage, inactive_days=1, status="ended", dry_run=False)
    assert await there(stage) == [idle, busy]
    await pruned(stage, inactive_days=1, dry_run=False)
    assert await there(stage) == [busy]
    assert ended not in await there(stage)


async def test_a_moment_is_not_before_itself(stage: Stage) -> None:
    """What ended exactly so long ago stays."""
    await stage.ended()
    stage.clock.advance(seconds=DAY)
    assert await pruned(stage, ended_days=1) == []
    assert await pruned(stage, inactive_days=1) == []


async def test_who_writes_meanwhile_keeps_the_session(stage: Stage) -> None:
    """A session is looked at again when it is locked; one that is locked by a writer stays."""
    one, two, three = await stage.begin(), await stage.begin(), await stage.begin()
    stage.clock.advance(seconds=2 * DAY)
    survey = stage.archive.survey
    which = Which()
    page = await survey(which, after=None, limit=PAGE)
    assert len(page) == 3
    await stage.happen(one, MessageSent("x"))
    stage.archive.locked = {two}
    gone = await stage.archive.delete(
        [one, two, three], may=lambda each: each.last_activity < stage.clock.now
    )
    assert [each.session_id for each in gone] == [three]


async def test_pages(stage: Stage) -> None:
    """However many they are, all are found, and each once."""
    for _ in range(PAGE + 1):
        await stage.begin()
    stage.clock.advance(seconds=DAY)
    told = await pruned(stage, inactive_days=0.5)
    assert sum(each.sessions for each in told) == PAGE + 1
    done = await pruned(stage, inactive_days=0.5, dry_run=False)
    assert (sum(each.sessions for each in done), await there(stage)) == (PAGE + 1, [])


async def test_batches(stage: Stage) -> None:
    """A batch has few events; only a session that is larger by itself makes a larger one."""
    await stage.begin()
    large = await stage.begin()
    await stage.happen(large, *(MessageSent("x") for _ in range(EVENTS)))
    await stage.begin()
    await stage.begin()
    sessions = stage.sessions.overviews()
    assert [[each.events for each in batch] for batch in batches(sessions)] == [
        [3],
        [EVENTS + 3],
        [3, 3],
    ]
    assert list(batches([])) == []


@pytest.mark.parametrize("status", [None, Status.OPEN])
async def test_no_age(stage: Stage, status: Status | None) -> None:
    """Without an age nothing is deleted: it would be everything."""
    await stage.ended()
    before = stage.everything()
    with pytest.raises(InvalidValue) as caught:
        await pruned(stage, status=status, dry_run=False)
    assert caught.value.path == "$"
    assert before == stage.everything()


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("$.ended_days", {"ended_days": -1}),
        ("$.inactive_days", {"inactive_days": "90d"}),
        ("$.status", {"status": "gone"}),
    ],
)
async def test_bad_input(stage: Stage, path: str, fields: dict[str, Any]) -> None:
    """What is no age and no status is refused by path."""
    with pytest.raises(InvalidInput) as caught:
        await pruned(stage, **fields)
    assert caught.value.path == path


async def test_who_may(stage: Stage) -> None:
    """It takes the right to delete, and nobody's other rights help; nothing has changed."""
    await stage.ended()
    stage.clock.advance(seconds=DAY)
    before = stage.everything()
    for by in without(Right.DELETE):
        with pytest.raises(Forbidden):
            await pruned(stage, by, ended_days=0, dry_run=False)
    assert before == stage.everything()


async def test_unavailable(stage: Stage) -> None:
    """When the store is away nothing is deleted."""
    stage.sessions.available = False
    with pytest.raises(Unavailable):
        await pruned(stage, ended_days=0)
    assert Unavailable in prune_sessions.faults
    assert PruneSessions(ended_days=1).dry_run
