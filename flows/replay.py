"""A log read again from its first event: what is stored beside it, and the receipts of its keys.

Pure, and stricter than the fold: what comes from a file must be what flows could have written.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, TypeAlias
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct

from flows.add_participant import AddParticipant
from flows.create_session import CreateSession
from flows.end_session import EndSession
from flows.events import (
    Body,
    Event,
    MessageSent,
    ParticipantAdded,
    ParticipantRemoved,
    SessionCreated,
    SessionEnded,
    SessionRenamed,
    SessionResumed,
)
from flows.input import Mutation, UserName
from flows.leave_session import LeaveSession
from flows.remove_participant import RemoveParticipant
from flows.rename_session import RenameSession
from flows.resume_session import ResumeSession
from flows.send_message import SendMessage
from flows.session import Session, apply
from flows.verification import Record, Seat, Seating, body_of

#: The flow and the fingerprint on the receipt of a write that cannot be told from its events: no
#: input has it, so that its key never runs again, and whoever repeats it gets `key_conflict`.
UNKNOWN = ("", bytes(32))


class Receipt(Struct, frozen=True):
    """What is kept of a key: the write's flow and input, and the last event that came of it."""

    actor: str
    key: str
    flow: str
    fingerprint: bytes
    seq: int
    at: str


class Replay(Struct, frozen=True):
    """What follows from a whole log."""

    record: Record
    receipts: Sequence[Receipt]

    @property
    def people(self) -> list[str]:
        """Who takes part, or did, in the order in which they joined last."""
        return [seat.user for seat in self.record.seats]


#: One event of a write, and what it says.
_Said: TypeAlias = tuple[Event, Body]


def replay(events: Sequence[Event]) -> Replay:
    """What is to be stored beside `events`, the whole log of one session.

    Cursors have seen nothing: they move without events. Raises ValueError, with the seq, at the
    first thing that no flow can have written.
    """
    session: Session | None = None
    seating = Seating()
    at, messages = "", 0
    said: list[_Said] = []
    for event in events:
        try:
            body = body_of(event)
            _require_in_order(event, at, session)
            _require_possible(event, body)
            before, session = session, apply(session, event, body)
            seating.note(before, session)
            _require_owner(session)
        except (ValueError, TypeError) as error:
            raise ValueError(f"event {event.seq}: {error}") from None
        at, messages = event.at, messages + isinstance(body, MessageSent)
        said.append((event, body))
    if session is None:
        raise ValueError("there is no event")
    return Replay(_record(session, seating, at, messages), _receipts(said))


def _require_in_order(event: Event, at: str, session: Session | None) -> None:
    if event.at < at:
        raise ValueError(f"its time {event.at} is before that of the event before, {at}")
    if session is not None and event.session_id != session.session_id:
        raise ValueError("it is another session's")


def _require_owner(session: Session) -> None:
    if not session.owners:
        raise ValueError("nobody owns the session any more")


def _record(session: Session, seating: Seating, at: str, messages: int) -> Record:
    roles = seating.roles
    return Record(
        session_id=session.session_id,
        title=session.title,
        status=session.status,
        owner=session.owners[0],
        metadata=session.metadata,
        last_seq=session.seq,
        message_count=messages,
        created_at=session.created_at,
        ended_at=session.ended_at,
        last_activity=at,
        seats=[
            Seat(user, roles[user], joined, left, 0)
            for user, (joined, left) in seating.seats.items()
        ],
    )


# -- what was asked --------------------------------------------------------------------------------


def _require_possible(event: Event, body: Body) -> None:
    """Raise ValueError unless a client could have asked for `body`: its limits are the wire's."""
    msgspec.convert(event.actor, UserName)
    match body:
        case MessageSent(reply_to=int(seq)) if seq >= event.seq:
            raise ValueError(f"it is about event {seq}, which comes later")
        case _:
            _input_of(event, body)


def _receipts(said: Sequence[_Said]) -> list[Receipt]:
    """One for each key, in the order of the log. Raises ValueError if one was used twice."""
    receipts: list[Receipt] = []
    used: set[tuple[str, str]] = set()
    for key, group in groupby(said, lambda each: (each[0].actor, each[0].key)):
        write = list(group)
        last = write[-1][0]
        actor, name = key
        if not isinstance(name, str):
            continue
        if (actor, name) in used:
            raise ValueError(f"event {write[0][0].seq}: the key {name!r} was used before")
        used.add((actor, name))
        flow, fingerprint = _asked(write)
        receipts.append(Receipt(actor, name, flow, fingerprint, last.seq, last.at))
    return receipts


def _asked(write: Sequence[_Said]) -> tuple[str, bytes]:
    """The flow and the fingerprint of the input that `write` came of, as far as it shows them.

    What leaves no trace in the log (`if_head`) is taken as not asked for.
    """
    (first, body), *others = write
    if isinstance(body, SessionCreated):
        added = [each for _, each in others if isinstance(each, ParticipantAdded)]
        if len(added) < len(others):
            return UNKNOWN
        input: Mutation = _parsed(
            CreateSession,
            title=body.title,
            metadata=body.metadata,
            participants=[{"user": each.user, "role": str(each.role)} for each in added],
        )
    elif others:
        return UNKNOWN
    else:
        input = _input_of(first, body)
    return input.flow_name, input.fingerprint()


def _input_of(event: Event, body: Body) -> Mutation:
    """What was asked for when `body` was all that came of it."""
    where = event.session_id
    match body:
        case MessageSent():
            return _parsed(SendMessage, where, **_given(body))
        case SessionRenamed(title=title):
            return _parsed(RenameSession, where, title=title)
        case SessionEnded():
            return _parsed(EndSession, where, **_given(body))
        case SessionResumed():
            return _parsed(ResumeSession, where)
        case ParticipantAdded(user=user, role=role):
            return _parsed(AddParticipant, where, user=user, role=str(role))
        case ParticipantRemoved(user=user) if user == event.actor:
            return _parsed(LeaveSession, where)
        case ParticipantRemoved(user=user):
            return _parsed(RemoveParticipant, where, user=user)
        case SessionCreated(title=title, metadata=metadata):  # pragma: no branch - the last one
            return _parsed(CreateSession, title=title, metadata=metadata)


def _given(body: MessageSent | SessionEnded) -> dict[str, Any]:
    # `staff` is said by the flow, not by who asks.
    names = [name for name in body.__struct_fields__ if name != "staff"]
    fields = {name: getattr(body, name) for name in names}
    return {name: value for name, value in fields.items() if value is not UNSET}


def _parsed(kind: type[Mutation], session_id: UUID | None = None, **fields: Any) -> Mutation:
    where = {} if session_id is None else {"session_id": session_id}
    # Any key: it is no part of the fingerprint.
    return msgspec.convert({**where, **fields, "key": "-"}, kind)
