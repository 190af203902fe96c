"""What is true of every flow that writes: whoever applies its events gets what is stored."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
import pytest
from msgspec import Struct
from msgspec.structs import replace

from flows.add_participant import AddParticipant, add_participant
from flows.atoms.sessions import Created
from flows.create_session import CreateSession, NewParticipant, create_session
from flows.end_session import EndSession, end_session
from flows.engine import Flow
from flows.errors import Unavailable
from flows.events import Event, MessageSent, SessionEnded
from flows.get_session import GetSession, Snapshot, get_session
from flows.input import Mutation
from flows.leave_session import LeaveSession, leave_session
from flows.list_events import ListEvents, list_events
from flows.mark_seen import MarkSeen, mark_seen
from flows.remove_participant import RemoveParticipant, remove_participant
from flows.rename_session import RenameSession, rename_session
from flows.resume_session import ResumeSession, resume_session
from flows.send_message import SendMessage, send_message
from flows.session import Session
from tests.fakes import fold
from tests.flows.stage import Stage
from tests.flows.test_every_flow import FLOWS


class Write(Struct, frozen=True):
    """One call of a flow that writes, in a session that may have ended before."""

    flow: Flow[Any, Any]
    input: Callable[[UUID], Any]
    by: str = "ann"
    ended: bool = False


#: Every flow that writes, in each way that leaves the session otherwise. Add yours.
WRITES = [
    Write(create_session, lambda _: CreateSession(key="w")),
    Write(
        create_session,
        lambda _: CreateSession(
            title="Wall",
            metadata={"a": [1, {"b": None}]},
            participants=[NewParticipant("dan", "observer"), NewParticipant("bob", "member")],
            key="w",
        ),
    ),
    Write(rename_session, lambda id: RenameSession(session_id=id, title="Wall", key="w"), "bob"),
    Write(end_session, lambda id: EndSession(session_id=id, key="w")),
    Write(end_session, lambda id: EndSession(session_id=id, reason="Dry", key="w")),
    Write(resume_session, lambda id: ResumeSession(session_id=id, key="w"), ended=True),
    Write(
        add_participant,
        lambda id: AddParticipant(session_id=id, user="dan", role="member", key="w"),
    ),
    Write(
        add_participant,
        lambda id: AddParticipant(session_id=id, user="bob", role="observer", key="w"),
    ),
    Write(remove_participant, lambda id: RemoveParticipant(session_id=id, user="bob", key="w")),
    Write(leave_session, lambda id: LeaveSession(session_id=id, key="w"), "bob"),
    Write(leave_session, lambda id: LeaveSession(session_id=id, key="w"), "cid", ended=True),
    Write(send_message, lambda id: SendMessage(session_id=id, text="Hi", key="w"), "bob"),
    Write(
        send_message,
        lambda id: SendMessage(
            session_id=id, text="Hi", reply_to=1, metadata={"a": 1}, if_head=4, key="w"
        ),
    ),
]
every_write = pytest.mark.parametrize(
    "write", WRITES, ids=[f"{each.flow.name}-{number}" for number, each in enumerate(WRITES)]
)


def test_all_are_here() -> None:
    """Every flow that takes a key is in the list above."""
    keyed = {each.name for each in FLOWS if issubclass(each.input_type, Mutation)}
    assert keyed == {each.flow.name for each in WRITES}


async def begin(stage: Stage, write: Write) -> UUID:
    """A session with a history and cursors, in which `write` can be done."""
    session_id = await stage.begin(title="Roof repair", metadata={"n": 1})
    await stage.happen(session_id, MessageSent("It leaks."))
    await stage.run(mark_seen, MarkSeen(session_id=session_id, seq=4), by="bob")
    if write.ended:
        await stage.happen(session_id, SessionEnded())
    stage.clock.advance(seconds=1)
    return session_id


async def snapshot(stage: Stage, session_id: UUID) -> Snapshot:
    return await stage.run(get_session, GetSession(session_id=session_id))


def as_session(snapshot: Snapshot) -> Session:
    """What a client knows from a snapshot that came over the wire."""
    raw = msgspec.json.decode(msgspec.json.encode(snapshot))
    raw["participants"] = {each["user"]: each for each in raw["participants"]}
    del raw["epoch"]
    return msgspec.convert(raw, Session)


def as_events(events: list[Event]) -> list[Event]:
    """Events that came over the wire."""
    return msgspec.json.decode(msgspec.json.encode(events), type=list[Event])


async def assert_consistent(stage: Stage, session_id: UUID, before: Snapshot | None) -> None:
    """The log's fold is what is stored; a snapshot and the events after it are the one of now."""
    stored = await stage.session(session_id)
    assert stored == fold(as_events(stage.sessions.log(session_id)), seen_as=stored)

    now = as_session(await snapshot(stage, session_id))
    assert stored == now
    page = ListEvents(session_id=session_id, after=before.seq if before else 0)
    events = (await stage.run(list_events, page)).events
    told = fold(as_events(events), as_session(before) if before else None, seen_as=now)
    assert now == told
    assert list(now.participants) == list(told.participants)


@every_write
async def test_fold(stage: Stage, write: Write) -> None:
    """fold(apply, events) is the stored session, and snapshot + events is the snapshot of now."""
    session_id = await begin(stage, write)
    before = await snapshot(stage, session_id)

    done = await stage.run(write.flow, write.input(session_id), by=write.by)

    await assert_consistent(stage, session_id, before)
    if isinstance(done, Created):
        session_id = done.session_id
        await assert_consistent(stage, session_id, None)
    assert done.seq == (await snapshot(stage, session_id)).seq


@every_write
async def test_event(stage: Stage, write: Write) -> None:
    """Its events are numbered on, of one moment, by who asked and with their key."""
    session_id = await begin(stage, write)
    before = len(stage.sessions.log(session_id))

    done = await stage.run(write.flow, write.input(session_id), by=write.by)

    if isinstance(done, Created):
        session_id, before = done.session_id, 0
    events = stage.sessions.log(session_id)[before:]
    assert list(range(before + 1, done.seq + 1)) == [each.seq for each in events]
    assert {(write.by, "w", "2026-11-22T19:03:12.412Z")} == {
        (each.actor, each.key, each.at) for each in events
    }


@every_write
async def test_receipt(stage: Stage, write: Write) -> None:
    """Its receipt names the flow and where it left the session."""
    session_id = await begin(stage, write)
    input = write.input(session_id)
    done = await stage.run(write.flow, input, by=write.by)
    receipt = stage.sessions.receipts[write.by, "w"]
    assert (write.flow.name, input.fingerprint()) == (receipt.flow, receipt.fingerprint)
    assert done.seq == receipt.seq


@every_write
async def test_says_nothing_itself(stage: Stage, write: Write) -> None:
    """A flow that writes announces nothing but its events: those are told by the log."""
    session_id = await begin(stage, write)
    told = list(stage.announcer.told)
    await stage.run(write.flow, write.input(session_id), by=write.by)
    assert told == stage.announcer.told


@every_write
async def test_unavailable(stage: Stage, write: Write) -> None:
    """When the log is away nothing is written, and the key is free for later."""
    input = write.input(await begin(stage, write))
    stage.sessions.available = False
    await stage.refused(Unavailable, write.flow, input, by=write.by)
    stage.sessions.available = True
    done = await stage.run(write.flow, input, by=write.by)
    assert not done.duplicate


@every_write
async def test_key(stage: Stage, write: Write) -> None:
    """A key of 64 characters of any kind is a key; one more is one too many."""
    session_id = await begin(stage, write)
    raw = msgspec.to_builtins(write.input(session_id))
    for key in ("", "k" * 65, "a\x00", "a\ud800", 7, None):
        await stage.invalid("$.key", write.flow, raw | {"key": key}, by=write.by)
    key = "💥\r\n' OR '1'='1" + "k" * 64
    done = await stage.run_raw(write.flow, raw | {"key": key[:64]}, by=write.by)
    assert not done.duplicate


@every_write
async def test_unknown_field(stage: Stage, write: Write) -> None:
    """A field that does not exist is refused by name."""
    raw = msgspec.to_builtins(write.input(await begin(stage, write)))
    for name in ("colour", "actor", "is_staff", "__proto__", "Key"):
        await stage.invalid(f"$.{name}", write.flow, raw | {name: "x"}, by=write.by)


async def test_a_write_that_is_forgotten_shows(stage: Stage) -> None:
    """The check above fails when an event is missing: it is worth something."""
    session_id = await begin(stage, WRITES[0])
    before = await snapshot(stage, session_id)
    await stage.happen(session_id, SessionEnded())
    wrong = replace(before, seq=before.seq + 1)
    with pytest.raises(AssertionError):
        await assert_consistent(stage, session_id, wrong)
