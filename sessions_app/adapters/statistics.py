"""How much there is: numbers that cost no look at every event."""

from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.models import Count, Sum
from django.db.models.functions import TruncDate
from msgspec import Struct

from flows.events import MessageSent
from sessions_app import models
from sessions_app.adapters.acts import OPERATOR
from sessions_app.adapters.connections import nodes


class Large(Struct, frozen=True):
    """One of the largest sessions."""

    session_id: UUID
    title: str
    events: int


class Statistics(Struct, frozen=True, kw_only=True):
    """What is stored and who is connected. `messages_by_day` has the days that had some."""

    sessions: dict[str, int]
    events: int
    messages: int
    messages_by_day: dict[str, int]
    receipts: int
    users: int
    largest: list[Large]
    database_bytes: int
    connections: dict[str, int]


def statistics(*, since: datetime, largest: int, using: str) -> Statistics:
    """Sums of what the write path keeps per session; only the messages since `since` are counted
    one by one.
    """
    sessions = models.Session.objects.using(using)
    sums = sessions.aggregate(
        events=Sum("last_seq", default=0), messages=Sum("message_count", default=0)
    )
    by_status = sessions.order_by().values_list("status").annotate(number=Count("pk"))
    large = sessions.order_by("-last_seq", "pk").values_list("pk", "title", "last_seq")
    return Statistics(
        sessions=dict(sorted(by_status)),
        events=sums["events"],
        messages=sums["messages"],
        messages_by_day=_by_day(since, using),
        receipts=models.Receipt.objects.using(using).count(),
        users=models.User.objects.using(using).exclude(username=OPERATOR).count(),
        largest=[Large(*row) for row in large[:largest]],
        database_bytes=database_bytes(using),
        connections={each.node: each.connections for each in nodes(using=using)},
    )


def _by_day(since: datetime, using: str) -> dict[str, int]:
    # Only sessions that were active since can have such messages; the index of a log finds them.
    active = models.Session.objects.using(using).filter(last_activity__gte=since).values("pk")
    found: Any = (
        models.Event.objects.using(using)
        .filter(session__in=active, at__gte=since, kind=MessageSent.kind)
        .order_by()
        .annotate(day=TruncDate("at"))
        .values_list("day")
        .annotate(number=Count("pk"))
    )
    return {day.isoformat(): number for day, number in sorted(found)}


def database_bytes(using: str) -> int:
    """How much disk the database takes."""
    connection = connections[using]
    if connection.vendor == "sqlite":
        name = str(connection.settings_dict["NAME"])
        return sum(
            path.stat().st_size for path in (Path(name), Path(f"{name}-wal")) if path.is_file()
        )
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        size: int = cursor.fetchone()[0]
        return size
