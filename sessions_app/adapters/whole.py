"""Whole sessions put into the database at once, past the lanes: for imports and trial data."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import msgspec
from django.db import connections
from django.db.models import Model
from msgspec import Struct

from flows.events import Event
from flows.replay import Replay
from sessions_app import models
from sessions_app.adapters.statements import NewEvent, statements

M = TypeVar("M", bound=Model)

#: Rows per statement.
MOST_ROWS = 1_000


class Whole(Struct, frozen=True):
    """A session: its log, what follows from it, and how far its participants have read."""

    events: Sequence[Event]
    replay: Replay
    seen: Mapping[str, int] = {}


def store(sessions: Sequence[Whole], user_ids: Mapping[str, int], *, using: str) -> None:
    """Insert these sessions with all that belongs to them. To be called in a transaction.

    `user_ids` has everybody who takes part. What is there already is the database's to refuse.
    """
    insert(models.Session, (_session(each.replay, user_ids) for each in sessions), using=using)
    insert(
        models.Participant,
        (seat for each in sessions for seat in _seats(each, user_ids)),
        using=using,
    )
    # By the write path's SQL: of these there are most.
    events = [_event(event) for each in sessions for event in each.events]
    statements(connections[using]).insert_events(events)
    insert(
        models.Receipt,
        (receipt for each in sessions for receipt in _receipts(each.replay)),
        using=using,
    )


def users(names: Collection[str], *, using: str) -> dict[str, int]:
    """The ids of these users, of those that there are."""
    found: dict[str, int] = {}
    ordered = sorted(names)
    for start in range(0, len(ordered), MOST_ROWS):
        part = ordered[start : start + MOST_ROWS]
        rows = models.User.objects.using(using).filter(username__in=part)
        found |= dict(rows.values_list("username", "id"))
    return found


def make_users(names: Collection[str], *, using: str) -> None:
    """Users of these names, who cannot sign in until they are given a password."""
    people = [models.User(username=name) for name in sorted(names)]
    for each in people:
        each.set_unusable_password()
    models.User.objects.using(using).bulk_create(people, batch_size=MOST_ROWS)


def insert(model: type[M], rows: Iterable[M], *, using: str) -> None:
    """Insert rows, a thousand at a time, so that few are in memory twice."""
    part: list[M] = []
    for row in rows:
        part.append(row)
        if len(part) == MOST_ROWS:
            model._default_manager.using(using).bulk_create(part)  # noqa: SLF001
            part = []
    model._default_manager.using(using).bulk_create(part)  # noqa: SLF001


def _session(replay: Replay, user_ids: Mapping[str, int]) -> models.Session:
    record = replay.record
    return models.Session(
        id=record.session_id,
        title=record.title,
        status=record.status,
        owner_id=user_ids[record.owner],
        metadata=record.metadata,
        last_seq=record.last_seq,
        message_count=record.message_count,
        created_at=_at(record.created_at),
        ended_at=record.ended_at and _at(record.ended_at),
        last_activity=_at(record.last_activity),
    )


def _seats(whole: Whole, user_ids: Mapping[str, int]) -> Iterable[models.Participant]:
    record = whole.replay.record
    return (
        models.Participant(
            session_id=record.session_id,
            user_id=user_ids[seat.user],
            role=seat.role,
            joined_seq=seat.joined,
            left_seq=seat.left,
            seen_seq=whole.seen.get(seat.user, 0),
        )
        for seat in record.seats
    )


def _event(event: Event) -> NewEvent:
    return NewEvent(
        event.session_id,
        event.seq,
        event.kind,
        event.actor,
        msgspec.json.encode(event.data).decode(),
        event.key if isinstance(event.key, str) else "",
        _at(event.at),
        "",
    )


def _receipts(replay: Replay) -> Iterable[models.Receipt]:
    session_id: UUID = replay.record.session_id
    return (
        models.Receipt(
            actor=each.actor,
            key=each.key,
            flow=each.flow,
            fingerprint=each.fingerprint,
            session_id=session_id,
            seq=each.seq,
            at=_at(each.at),
        )
        for each in replay.receipts
    )


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)
