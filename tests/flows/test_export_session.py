"""Reading a session's whole log."""

from uuid import UUID

import pytest

from flows.actor import SYSTEM, Actor, Right
from flows.atoms.actor import actor
from flows.atoms.audit import reason
from flows.engine import InvalidInput
from flows.errors import Forbidden, SessionNotFound
from flows.events import Event, MessageSent, ParticipantRemoved
from flows.export_session import PAGE, ExportSession, export_session
from tests.flows.stage import NOWHERE, Stage


async def exported(stage: Stage, session_id: UUID, by: Actor) -> list[Event]:
    """Every event that `by` reads."""
    async with stage.scope.create_context(actor(by)) as ctx:
        stream = ctx.stream(export_session, ExportSession(session_id=session_id))
        async with stream as events:
            return [event async for event in events]


@pytest.mark.parametrize("messages", [0, 1, PAGE - 3, PAGE - 2, 2 * PAGE])
async def test_works(stage: Stage, messages: int) -> None:
    """Every event comes once and in order, however many pages they fill."""
    session_id = await stage.begin()
    await stage.happen(session_id, *(MessageSent(str(number)) for number in range(messages)))
    read = await exported(stage, session_id, Actor("cid"))
    told = [(event.seq, event.kind, event.actor, event.data) for event in read]
    log = stage.sessions.log(session_id)
    assert [(event.seq, event.kind, event.actor, event.data) for event in log] == told


@pytest.mark.parametrize("head", [3, PAGE + 1])
async def test_what_happens_meanwhile_is_not_read(stage: Stage, head: int) -> None:
    """The log is read as it was when the reading began, also when later events share a page."""
    session_id = await stage.begin()
    await stage.happen(session_id, *(MessageSent("x") for _ in range(head - 3)))
    async with (
        stage.scope.create_context(actor(SYSTEM)) as ctx,
        ctx.stream(export_session, ExportSession(session_id=session_id)) as events,
    ):
        first = await anext(events)
        await stage.happen(session_id, *(MessageSent("late") for _ in range(PAGE)))
        rest = [event.seq async for event in events]
    assert list(range(1, head + 1)) == [first.seq, *rest]


async def test_who_is_removed_meanwhile_reads_no_further(stage: Stage) -> None:
    """The right to read is asked with every page."""
    session_id = await stage.begin()
    await stage.happen(session_id, *(MessageSent("x") for _ in range(PAGE)))
    read: list[int] = []

    async def read_on() -> None:
        input = ExportSession(session_id=session_id)
        async with (
            stage.scope.create_context(actor(Actor("bob"))) as ctx,
            ctx.stream(export_session, input) as events,
        ):
            async for event in events:
                read.append(event.seq)
                if event.seq == 1:
                    await stage.happen(session_id, ParticipantRemoved("bob"))

    with pytest.raises(SessionNotFound):
        await read_on()
    assert list(range(1, PAGE + 1)) == read


@pytest.mark.parametrize("by", ["dan", "nobody"])
async def test_not_found(stage: Stage, by: str) -> None:
    """A session that one takes no part in reads like one that does not exist: not at all."""
    for session_id in (await stage.begin(), NOWHERE):
        with pytest.raises(SessionNotFound):
            await exported(stage, session_id, Actor(by))


async def test_bad_input(stage: Stage) -> None:
    """What is no id is refused at its path."""
    async with stage.scope.create_context(actor(SYSTEM)) as ctx:
        with pytest.raises(InvalidInput) as caught:
            async with ctx.stream_raw(export_session, {"session_id": "x"}):
                raise AssertionError("nothing is read")
    assert caught.value.path == "$.session_id"


async def test_what_staff_read_is_recorded(stage: Stage) -> None:
    """Who exports by right is recorded with the reason, once, before the first event; others are
    not, nor is an operator, nor what was refused.
    """
    session_id = await stage.begin()
    reader = Actor("zoe", frozenset({Right.READ}))
    async with (
        stage.scope.create_context(actor(reader), reason("A court")) as ctx,
        ctx.stream(export_session, ExportSession(session_id=session_id)) as events,
    ):
        await anext(events)
        (act,) = stage.audit.acts
        told = (act.by, act.done, act.id, act.reason)
        assert told == ("zoe", "Exported", str(session_id), "A court")
        async for _ in events:
            pass
    await exported(stage, session_id, Actor("cid"))
    await exported(stage, session_id, SYSTEM)
    with pytest.raises(Forbidden):
        await exported(stage, session_id, Actor("zoe", frozenset({Right.VIEW})))
    assert stage.audit.acts == [act]
