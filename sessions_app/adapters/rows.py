"""What the database has as rows, as values: sessions, participants, events, moments."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID

import msgspec
from django.db.models import FilteredRelation, Q
from msgspec import UNSET, Raw, Struct, UnsetType

from flows.events import BODIES, Body, Event, Role, timestamp
from flows.input import Metadata
from flows.session import Participant, Session, Status, apply
from sessions_app import models


class Moment(Struct, frozen=True):
    """A time in both spellings: as the database wants it and as the wire does."""

    at: datetime
    text: str


def moment(at: datetime) -> Moment:
    """`at` in UTC, to the millisecond: what is stored is what is told."""
    at = at.astimezone(UTC)
    return Moment(at.replace(microsecond=at.microsecond // 1000 * 1000), timestamp(at))


class Stored(Struct, frozen=True):
    """A session as it is stored, and the time of its last event."""

    session: Session
    last: Moment


#: One row per participant (one with Nones if there is none), so that it is a single snapshot.
_STATE = (
    "id",
    "last_seq",
    "title",
    "status",
    "created_at",
    "ended_at",
    "last_activity",
    "present__user__username",
    "present__role",
    "present__seen_seq",
)
_StateRow: TypeAlias = tuple[
    UUID, int, str, str, datetime, datetime | None, datetime, str | None, str | None, int | None
]


def load_sessions(session_ids: Collection[UUID], *, using: str) -> dict[UUID, Stored]:
    """These sessions as they are now, those that exist; two queries.

    Each is as of one seq, without a transaction: what changes comes from one query. The metadata
    never changes, so it may come from another (and not once per participant).
    """
    sessions = models.Session.objects.using(using).filter(pk__in=session_ids)
    rows: Iterable[_StateRow] = (
        sessions.annotate(
            present=FilteredRelation(
                "participants", condition=Q(participants__left_seq__isnull=True)
            )
        )
        .order_by("id", "present__joined_seq", "present__id")
        .values_list(*_STATE)
    )
    grouped: dict[UUID, list[_StateRow]] = {}
    for row in rows:
        grouped.setdefault(row[0], []).append(row)
    metadata = dict(sessions.order_by().values_list("id", "metadata"))
    return {
        session_id: _stored(group, metadata[session_id])
        for session_id, group in grouped.items()
        if session_id in metadata
    }


def _stored(rows: Sequence[_StateRow], metadata: Metadata) -> Stored:
    session_id, seq, title, status, created_at, ended_at, last_activity, *_ = rows[0]
    participants = {
        user: Participant(user, Role(role), seen)
        for *_, user, role, seen in rows
        if user is not None and role is not None and seen is not None
    }
    session = Session(
        session_id=session_id,
        seq=seq,
        title=title,
        status=Status(status),
        metadata=metadata,
        created_at=timestamp(created_at),
        ended_at=timestamp(ended_at) if ended_at else None,
        participants=participants,
    )
    return Stored(session, moment(last_activity))


#: The columns of `event`.
EVENT = ("session_id", "seq", "kind", "actor", "at", "key", "data")
EventRow: TypeAlias = tuple[UUID, int, str, str, datetime, str, Any]


def event(row: EventRow, *, of: str | None = None) -> Event:
    """An event with its author's key; with `of`, only if that is the author."""
    session_id, seq, kind, actor, at, key, data = row
    shown: str | UnsetType = key if key and of in (None, actor) else UNSET
    return Event(
        session_id=session_id,
        seq=seq,
        kind=kind,
        actor=actor,
        at=timestamp(at),
        key=shown,
        data=data,
    )


#: What a session's state is made of, as the database itself has it: seq, kind, author, data, time.
LogRow: TypeAlias = tuple[int, str, str, str, datetime | str]


def caught_up(stored: Stored, log: Sequence[LogRow], *, head: int) -> Stored | None:
    """`stored` with what `log`, which begins with its last event, says has happened up to `head`.

    None where the log does not say: it must be loaded.
    """
    if not log or log[0][0] != stored.session.seq or _moment_of(log[0][4]) != stored.last:
        return None  # It was replaced: that is not the event which was the last.
    session, last = stored.session, stored.last
    try:
        for seq, kind, actor, data, at in log[1:]:
            last = _moment_of(at)
            made = Event(
                session_id=session.session_id,
                seq=seq,
                kind=kind,
                actor=actor,
                at=last.text,
                data=None,
            )
            session = apply(session, made, _BODIES[kind].decode(data))
    except (KeyError, ValueError):
        return None  # A later version's, or with a hole: what is stored of the session stands.
    return Stored(session, last) if session.seq == head else None


_BODIES: dict[str, msgspec.json.Decoder[Body]] = {
    kind: msgspec.json.Decoder(body) for kind, body in BODIES.items()
}


def _moment_of(at: datetime | str) -> Moment:
    # What Django writes on SQLite is UTC.
    return moment(datetime.fromisoformat(f"{at}+00:00") if isinstance(at, str) else at)


#: What of an event is not its session's, as the database itself has it; the time in UTC, as in
#: `2026-11-22 19:03:11[.412000]`.
StoredRow: TypeAlias = tuple[int, str, str, str, str, str]


def stored_event(session_id: UUID, row: StoredRow) -> Event:
    """An event with its author's key; its data stays the JSON that it is."""
    seq, kind, actor, at, key, data = row
    return Event(
        session_id=session_id,
        seq=seq,
        kind=kind,
        actor=actor,
        at=f"{at[:10]}T{at[11:19]}{at[19:23] or '.000'}Z",
        key=key or UNSET,
        data=Raw(data.encode()),
    )
