"""Whether the database is sound: every session is read as of one moment, while others write."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar
from uuid import UUID

from django.db import connections, transaction
from django.db.models import Sum

from flows.events import timestamp
from flows.verification import Finding, Kept, Record, Seat, verify
from sessions_app import models
from sessions_app.adapters import rows

T = TypeVar("T")

#: Rows that are in memory at a time.
PAGE = 500


class Audit:
    """A look at all sessions of a database, or at some, and how much was looked at so far."""

    def __init__(self, *, using: str) -> None:
        self.sessions = 0
        self.events = 0
        self.receipts = 0
        self._using = using

    def size(self) -> int:
        """How many events there are in all, about: meanwhile there will be more."""
        sessions = models.Session.objects.using(self._using)
        events: int = sessions.aggregate(events=Sum("last_seq", default=0))["events"]
        return events

    def everything(self) -> Iterator[UUID]:
        """The ids of the sessions that there are when this begins."""
        ids = models.Session.objects.using(self._using).order_by("pk").values_list("pk", flat=True)
        last = ids.last()
        page = [] if last is None else list(ids.filter(pk__lte=last)[:PAGE])
        while page:
            yield from page
            page = list(ids.filter(pk__gt=page[-1], pk__lte=last)[:PAGE])

    def look(
        self, session_id: UUID, *, read: Callable[[], object] = lambda: None
    ) -> Iterator[Finding]:
        """What is wrong with a session, of which all is read from one snapshot; nothing if there
        is no such session. `read` is called for every event.
        """
        with snapshot(using=self._using):
            if (record := _record(session_id, using=self._using)) is None:
                return
            self.sessions += 1
            events = models.Event.objects.using(self._using).filter(session=session_id)
            receipts = models.Receipt.objects.using(self._using).filter(session=session_id)

            def counted_events() -> Iterator[rows.EventRow]:
                for row in events.order_by("seq").values_list(*rows.EVENT).iterator(PAGE):
                    self.events += 1
                    read()
                    yield row

            def counted_receipts() -> Iterator[Kept]:
                found = receipts.order_by("seq", "pk").values_list("actor", "key", "seq")
                for actor, key, seq in found.iterator(PAGE):
                    self.receipts += 1
                    yield Kept(actor, key, seq)

            yield from verify(record, map(rows.event, counted_events()), counted_receipts())


@contextmanager
def snapshot(*, using: str) -> Iterator[None]:
    """What is read in this block is as of one moment; nobody waits for it, nor it for anybody."""
    connection = connections[using]
    if connection.vendor == "sqlite":
        # Django's own transactions begin as IMMEDIATE here, which would keep out all who write.
        if connection.in_atomic_block:
            raise RuntimeError("a snapshot is no part of another transaction")
        with connection.cursor() as cursor:
            cursor.execute("BEGIN DEFERRED")
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")
        return
    with transaction.atomic(using=using, durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _record(session_id: UUID, *, using: str) -> Record | None:
    sessions = models.Session.objects.using(using).select_related("owner")
    row = sessions.filter(pk=session_id).first()
    if row is None:
        return None
    seats = models.Participant.objects.using(using).filter(session=session_id)
    return Record(
        session_id=session_id,
        title=row.title,
        status=row.status,
        owner=row.owner.username,
        metadata=row.metadata,
        last_seq=row.last_seq,
        message_count=row.message_count,
        created_at=timestamp(row.created_at),
        ended_at=timestamp(row.ended_at) if row.ended_at else None,
        last_activity=timestamp(row.last_activity),
        seats=[
            Seat(*seat)
            for seat in seats.order_by("joined_seq", "pk").values_list(
                "user__username", "role", "joined_seq", "left_seq", "seen_seq"
            )
        ],
    )
