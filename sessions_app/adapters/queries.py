"""What is read: each function is one unit of work in a reader's thread, without a transaction.

A read that takes several queries takes them in an order in which what is written in between does no
harm; a transaction would lock SQLite, where they all begin as writers (IMMEDIATE).
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from secrets import token_hex
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Lower
from django.dispatch import receiver

from flows.actor import Actor, Right
from flows.atoms.sessions import Bookmark, EventPage, Standing, Summary
from flows.events import Event, Kind, Role, timestamp
from flows.session import Session, Status
from sessions_app import models
from sessions_app.adapters import rows
from sessions_app.adapters.statements import EVENT


def find(session_id: UUID, *, using: str) -> Session | None:
    """The session as of one seq, with its participants in the order they came."""
    stored = rows.load_sessions([session_id], using=using).get(session_id)
    return stored.session if stored else None


def standings(session_ids: Collection[UUID], *, of: str, using: str) -> dict[UUID, Standing]:
    """Head and role come from one query: no event is shown to who was removed before it."""
    found = (
        models.Session.objects.using(using)
        .filter(pk__in=session_ids)
        .order_by()
        .annotate(role=Subquery(_seat_of(of).values("role")))
        .values_list("id", "last_seq", "role")
    )
    return {session_id: Standing(head, role and Role(role)) for session_id, head, role in found}


def list_for(
    user: Actor,
    *,
    status: Status | None,
    search: str,
    before: Bookmark | None,
    limit: int,
    using: str,
) -> list[Summary]:
    """One query, of the seats of `user` or, with the right to view, of all sessions."""
    found, of = (
        _all_sessions(user.name, using) if user.may(Right.VIEW) else _seats(user.name, using)
    )
    if status is not None:
        found = found.filter(**{f"{of}status": status})
    if search:
        # Both sides in small letters, and not `icontains`: SQLite has that for ASCII only.
        found = found.annotate(plain_title=Lower(f"{of}title"))
        found = found.filter(plain_title__contains=search.lower())
    if before is not None:
        found = found.filter(_after(before, of))
    listed = found.order_by(f"-{of}last_activity", f"-{of}id").values_list(
        *(f"{of}{name}" for name in ("id", "title", "status", "last_seq", "last_activity")),
        "role",
        "seen_seq",
    )
    return [
        Summary(
            session_id=session_id,
            title=title,
            status=Status(status),
            role=Role(role) if role else None,
            head=head,
            seen=seen or 0,
            last_activity=timestamp(last_activity),
        )
        for session_id, title, status, head, last_activity, role, seen in listed[:limit]
    ]


def _seats(user: str, using: str) -> tuple[QuerySet[Any], str]:
    seats = models.Participant.objects.using(using)
    return seats.filter(user__username=user, left_seq=None), "session__"


def _all_sessions(user: str, using: str) -> tuple[QuerySet[Any], str]:
    mine = _seat_of(user)
    sessions = models.Session.objects.using(using).annotate(
        role=Subquery(mine.values("role")), seen_seq=Subquery(mine.values("seen_seq"))
    )
    return sessions, ""


def _seat_of(user: str) -> QuerySet[models.Participant]:
    # The user is looked up once; by a join it would be for every session.
    who = models.User.objects.filter(username=user).values("pk")
    return models.Participant.objects.filter(
        session=OuterRef("pk"), user_id=Subquery(who), left_seq=None
    )


def _after(bookmark: Bookmark, of: str) -> Q:
    at = datetime.fromisoformat(bookmark.last_activity)
    earlier = Q(**{f"{of}last_activity__lt": at})
    same = Q(**{f"{of}last_activity": at, f"{of}id__lt": bookmark.session_id})
    # The first condition says nothing new; with it, the index is entered at the right place.
    return Q(**{f"{of}last_activity__lte": at}) & (earlier | same)


@receiver(connection_created)
def teach_letters(connection: BaseDatabaseWrapper, **_: object) -> None:
    """SQLite's own `lower` knows the letters of ASCII only."""
    if connection.vendor == "sqlite":
        connection.connection.create_function("lower", 1, _lower, deterministic=True)


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def events(
    session_id: UUID,
    *,
    of: str,
    after: int | None,
    before: int | None,
    kinds: Sequence[Kind] | None,
    limit: int,
    using: str,
) -> EventPage | None:
    """First the standing, then the events up to its head: later ones are not shown by accident."""
    standing = standings([session_id], of=of, using=using).get(session_id)
    if standing is None:
        return None
    found = _log(session_id, using).filter(seq__lte=standing.head)
    if kinds is not None:
        found = found.filter(kind__in=kinds)
    if before is not None:
        found = found.filter(seq__lt=before)
    if after is not None:
        page = list(found.filter(seq__gt=after).order_by("seq")[: limit + 1])
        shown = page[:limit]
    else:
        page = list(found.order_by("-seq")[: limit + 1])
        shown = page[:limit][::-1]
    return EventPage(standing, [rows.event(row, of=of) for row in shown], more=len(page) > limit)


def read(session_id: UUID, *, after: int, limit: int, using: str) -> list[Event]:
    """The first `limit` events after `after`, with every author's key, their data as it is stored.

    It feeds those who have missed something, which may be much, so that it goes past the ORM: what
    is JSON in the database becomes JSON in a frame without being taken apart.
    """
    connection = connections[using]
    stored_id = session_id.hex if connection.vendor == "sqlite" else session_id
    with connection.cursor() as cursor:
        cursor.execute(_READ[connection.vendor], [stored_id, after, limit])
        return [rows.stored_event(session_id, row) for row in cursor.fetchall()]


#: By vendor, a time as a text. To make it a `datetime` first, and then that a text, took more than
#: half of what a replay costs. (On SQLite an expression has no type, so that Django leaves it.)
_AT = {
    "sqlite": "at || ''",
    "postgresql": "to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS')",
}
_READ = {
    vendor: f"SELECT seq, kind, actor, {at}, key, data FROM {EVENT}"  # noqa: S608 - a table's name
    " WHERE session_id = %s AND seq > %s ORDER BY seq LIMIT %s"
    for vendor, at in _AT.items()
}


def _log(session_id: UUID, using: str) -> "QuerySet[models.Event, rows.EventRow]":
    found = models.Event.objects.using(using).filter(session=session_id)
    return found.values_list(*rows.EVENT)


def heads(session_ids: Collection[UUID], *, using: str) -> dict[UUID, int]:
    """The last seq of each session that exists."""
    found = models.Session.objects.using(using).filter(pk__in=session_ids).order_by()
    return dict(found.values_list("id", "last_seq"))


def roles(pairs: Collection[tuple[UUID, str]], *, using: str) -> dict[tuple[UUID, str], Role]:
    """What these users are in these sessions now; who does not take part is left out."""
    wanted = set(pairs)
    found = (
        models.Participant.objects.using(using)
        .filter(
            session__in={session_id for session_id, _ in wanted},
            user__username__in={user for _, user in wanted},
            left_seq=None,
        )
        .values_list("session_id", "user__username", "role")
    )
    return {
        (session_id, user): Role(role)
        for session_id, user, role in found
        if (session_id, user) in wanted
    }


def epoch(*, using: str) -> str:
    """The log's epoch; who asks first gives it a name."""
    log: Any = models.Log.objects.using(using)
    # Two that ask at once: the second insert fails and reads what the first one wrote.
    row, _ = log.get_or_create(pk=1, defaults={"epoch": token_hex(8)})
    name: str = row.epoch
    return name
