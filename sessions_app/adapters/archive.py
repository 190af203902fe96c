"""Whole sessions in the database: what the port `archive` is bound to."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any
from uuid import UUID

from django.db import connections, transaction
from django.db.models import QuerySet

from flows.atoms.archive import Overview, Which, is_same, names_in
from flows.errors import InvalidValue, UnknownUser
from flows.events import Event
from flows.replay import Replay
from flows.session import Status
from sessions_app import models
from sessions_app.adapters import rows
from sessions_app.adapters.statements import statements
from sessions_app.adapters.whole import Whole, make_users, store, users


class StoredArchive:
    """The port `Archive` on the database `using`; `run` has a unit of work done in a thread."""

    def __init__(self, run: Callable[..., Awaitable[Any]], *, using: str) -> None:
        self._run = run
        self._using = using

    async def survey(self, which: Which, *, after: UUID | None, limit: int) -> list[Overview]:
        found: list[Overview] = await self._run(
            survey, which, after=after, limit=limit, using=self._using
        )
        return found

    async def delete(
        self, session_ids: Collection[UUID], *, may: Callable[[Overview], bool]
    ) -> list[Overview]:
        gone: list[Overview] = await self._run(delete, session_ids, may, using=self._using)
        return gone

    async def add(self, events: Sequence[Event], made: Replay, *, create_users: bool) -> bool:
        added: bool = await self._run(add, events, made, create_users, using=self._using)
        return added


def add(
    events: Sequence[Event],
    made: Replay,
    create_users: bool,  # noqa: FBT001
    *,
    using: str,
) -> bool:
    """Insert the session with all that is its own."""
    session_id = made.record.session_id
    with transaction.atomic(using=using, durable=True):
        if models.Session.objects.using(using).filter(pk=session_id).exists():
            log = models.Event.objects.using(using).filter(session=session_id).order_by("seq")
            if not is_same(events, [rows.event(row) for row in log.values_list(*rows.EVENT)]):
                raise InvalidValue("$.log", "The session is here already, with another log")
            return False
        names = names_in(events, made)
        missing = sorted(names - users(names, using=using).keys())
        if missing and not create_users:
            raise UnknownUser(missing[0], "$.log")
        make_users(missing, using=using)
        keys = [(each.actor, each.key) for each in made.receipts]
        if used := statements(connections[using]).find_receipts(keys):
            actor, key = min(used)
            raise InvalidValue("$.log", f"{actor} used the key {key!r} in another session here")
        store([Whole(events, made)], users(names, using=using), using=using)
    return True


def survey(which: Which, *, after: UUID | None, limit: int, using: str) -> list[Overview]:
    """One query, along the primary key."""
    found = models.Session.objects.using(using).order_by("pk")
    if which.status is not None:
        found = found.filter(status=which.status)
    if which.ended_before is not None:
        found = found.filter(ended_at__lt=which.ended_before)
    if which.inactive_since is not None:
        found = found.filter(last_activity__lt=which.inactive_since)
    if after is not None:
        found = found.filter(pk__gt=after)
    return overviews(found[:limit])


def delete(
    session_ids: Collection[UUID], may: Callable[[Overview], bool], *, using: str
) -> list[Overview]:
    """Lock them, look again, and delete them: Django deletes what refers to them first."""
    sessions = models.Session.objects.using(using)
    with transaction.atomic(using=using, durable=True):
        _by_index(using)
        # Not to wait for who writes: they wait for us then, with all their batch.
        locked = sessions.filter(pk__in=session_ids).order_by("pk")
        locked = locked.select_for_update(skip_locked=_can_skip(using))
        gone = [each for each in overviews(locked) if may(each)]
        sessions.filter(pk__in=[each.session_id for each in gone]).delete()
    return gone


def _by_index(using: str) -> None:
    """Have this transaction find its rows by their indexes, whatever the planner believes.

    Where a table was not analyzed since it grew, PostgreSQL takes a session for a large part of it
    and reads it from one end to the other, for every batch.
    """
    if connections[using].vendor == "postgresql":
        with connections[using].cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")


def _can_skip(using: str) -> bool:
    # SQLite has locked everything by now.
    return connections[using].features.has_select_for_update_skip_locked


def overviews(sessions: "QuerySet[models.Session]") -> list[Overview]:
    """These sessions as values."""
    columns = sessions.values_list("pk", "status", "last_seq", "ended_at", "last_activity")
    return [
        Overview(
            session_id=session_id,
            status=Status(status),
            events=events,
            ended_at=ended_at,
            last_activity=last_activity,
        )
        for session_id, status, events, ended_at, last_activity in columns
    ]
