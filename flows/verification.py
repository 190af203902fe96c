"""What must be true of a session's log, and of what is kept beside it. Pure: it reads nothing.

The log is the truth. A session's row, its participants and its receipts follow from it, so that
whatever differs is found here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from reprlib import repr as shortened
from typing import TypeAlias
from uuid import UUID

import msgspec
from msgspec import Struct

from flows.events import BODIES, Body, Event, MessageSent
from flows.input import Metadata
from flows.session import Participant, Session, apply


class Finding(Struct, frozen=True, omit_defaults=True):
    """Something that is not as it must be; `seq` where it is at one place of the log."""

    session_id: UUID
    what: str
    seq: int | None = None


class Seat(Struct, frozen=True):
    """Somebody who takes part, or did until `left`; `seen` is their cursor."""

    user: str
    role: str
    joined: int
    left: int | None
    seen: int


class Record(Struct, frozen=True, kw_only=True):
    """A session as it is stored beside its log; times are as on the wire. Nothing is assumed."""

    session_id: UUID
    title: str
    status: str
    owner: str
    metadata: Metadata
    last_seq: int
    message_count: int
    created_at: str
    ended_at: str | None
    last_activity: str
    #: In the order in which they joined.
    seats: Sequence[Seat]


class Kept(Struct, frozen=True):
    """A receipt, as far as the log knows of it: whose key, and the last event that came of it."""

    actor: str
    key: str
    seq: int


_NOBODY: Mapping[str, Participant] = {}

#: Something that is not as it must be, and where.
_Found: TypeAlias = tuple[int | None, str]


def verify(record: Record, events: Iterable[Event], receipts: Iterable[Kept]) -> Iterator[Finding]:
    """All that is wrong with a session, whose parts are of one moment.

    `events` is the whole log with every author's key, and `receipts` all of the session's, both by
    seq. They are read once and not kept, so that a log may be of any length.
    """
    reading, matching = _Reading(), _Matching(receipts)
    for event in events:
        for seq, what in chain(matching.take(event), reading.take(event)):
            yield Finding(record.session_id, what, seq)
    for seq, what in chain(matching.end(), reading.differences(record)):
        yield Finding(record.session_id, what, seq)


class Seating:
    """Of everybody who ever takes part in a session: when they joined (last), and when they left,
    and as what they were there last.
    """

    def __init__(self) -> None:
        self.seats: dict[str, tuple[int, int | None]] = {}
        self.roles: dict[str, str] = {}

    def note(self, before: Session | None, after: Session) -> None:
        """The event `after.seq` made `after` of `before`."""
        was = before.participants if before else _NOBODY
        now = after.participants
        if now is was:
            return  # as with most events
        for user in now.keys() - was.keys():
            self.seats.pop(user, None)  # who comes back comes last
            self.seats[user] = (after.seq, None)
        for user in was.keys() - now.keys():
            self.seats[user] = (self.seats[user][0], after.seq)
        self.roles |= {user: str(each.role) for user, each in now.items()}


class _Matching:
    """Every write that has a key has one receipt, which is of its last event, and no other."""

    def __init__(self, receipts: Iterable[Kept]) -> None:
        self._receipts = iter(receipts)
        self._next = next(self._receipts, None)
        self._last: Event | None = None

    def take(self, event: Event) -> Iterator[_Found]:
        if self._last is not None:
            yield from self._settle(self._last, ends=_write_of(self._last) != _write_of(event))
        self._last = event

    def end(self) -> Iterator[_Found]:
        if self._last is not None:
            yield from self._settle(self._last, ends=True)
        while (receipt := self._next) is not None:
            yield from self._mismatch(receipt)

    def _settle(self, event: Event, *, ends: bool) -> Iterator[_Found]:
        write = _write_of(event)
        missing = ends and write is not None
        while (receipt := self._next) is not None and receipt.seq <= event.seq:
            if missing and receipt.seq == event.seq and (receipt.actor, receipt.key) == write:
                missing = False
                self._next = next(self._receipts, None)
            else:
                yield from self._mismatch(receipt)
        if missing:
            yield event.seq, f"there is no receipt of the key {event.key!r} of {event.actor}"

    def _mismatch(self, receipt: Kept) -> Iterator[_Found]:
        self._next = next(self._receipts, None)
        whose = f"the key {receipt.key!r} of {receipt.actor}"
        yield receipt.seq, f"the receipt of {whose} is not of a write that ends here"


def _write_of(event: Event) -> tuple[str, str] | None:
    return (event.actor, event.key) if isinstance(event.key, str) else None


class _Reading:
    """The log is numbered and in order, and what it amounts to is what is stored."""

    def __init__(self) -> None:
        self._seq = 0
        self._at = ""
        self._messages = 0
        self._session: Session | None = None
        #: Whether every event so far could be applied.
        self._whole = True
        self._seating = Seating()

    def take(self, event: Event) -> Iterator[_Found]:
        if event.seq != self._seq + 1:
            yield event.seq, f"the event before is #{self._seq}"
            self._whole = False
        if event.at < self._at:
            yield event.seq, f"its time {event.at} is before that of the event before, {self._at}"
        self._seq, self._at = event.seq, event.at
        try:
            body = body_of(event)
            self._messages += isinstance(body, MessageSent)
            if self._whole:
                self._apply(event, body)
        except ValueError as error:
            yield event.seq, str(error)
            self._whole = False

    def _apply(self, event: Event, body: Body) -> None:
        before, self._session = self._session, apply(self._session, event, body)
        self._seating.note(before, self._session)

    def differences(self, record: Record) -> Iterator[_Found]:
        """What is stored otherwise than the log has it."""
        yield from _compared(
            ("last_seq", record.last_seq, self._seq),
            ("last_activity", record.last_activity, self._at),
            ("message_count", record.message_count, self._messages),
        )
        for seat in record.seats:
            if seat.seen > self._seq:
                yield None, f"{seat.user} has seen #{seat.seen}, the log ends with #{self._seq}"
        # After a hole nobody knows what it amounts to.
        if self._whole and self._session is not None:
            yield from _compared(
                ("title", record.title, self._session.title),
                ("status", record.status, str(self._session.status)),
                ("metadata", record.metadata, self._session.metadata),
                ("created_at", record.created_at, self._session.created_at),
                ("ended_at", record.ended_at, self._session.ended_at),
            )
            yield from self._people(record, self._session)

    def _people(self, record: Record, session: Session) -> Iterator[_Found]:
        if record.owner not in session.owners:
            yield None, f"owner is {record.owner}, in the log {', '.join(session.owners)}"
        seats = {seat.user: seat for seat in record.seats}
        places = self._seating.seats
        for user in sorted(seats.keys() | places.keys()):
            seat, place = seats.get(user), places.get(user)
            if seat is None or place is None:
                where = "in the log only" if seat is None else "not in the log"
                yield None, f"{user} takes part, or did, {where}"
                continue
            yield from _compared(
                (f"{user} joined", seat.joined, place[0]), (f"{user} left", seat.left, place[1])
            )
            if (role := session.role_of(user)) is not None:
                yield from _compared((f"the role of {user}", seat.role, str(role)))


def _compared(*facts: tuple[str, object, object]) -> Iterator[_Found]:
    for name, stored, logged in facts:
        if stored != logged:
            yield None, f"{name} is {_shown(stored)}, in the log {_shown(logged)}"


def _shown(value: object) -> str:
    return "nothing" if value is None else shortened(value)


def body_of(event: Event) -> Body:
    """What an event says, typed; ValueError if that is nothing an event can say."""
    kind = BODIES.get(event.kind)
    if kind is None:
        raise ValueError(f"there is no kind {event.kind!r}")
    try:
        return msgspec.convert(event.data, kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"its data are not those of {event.kind}: {error}") from None
