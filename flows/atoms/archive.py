"""Whole sessions, as operators handle them: found by what they are, and taken away.

Every method raises `Unavailable` when the store cannot be reached.
"""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from flows.engine import Port
from flows.session import Status


class Overview(Struct, frozen=True, kw_only=True):
    """A session, as far as it matters to whoever keeps house; `events` is how many it has."""

    session_id: UUID
    status: Status
    events: int
    ended_at: datetime | None
    last_activity: datetime


class Which(Struct, frozen=True, kw_only=True):
    """Sessions of a status, that ended before a moment, in which nothing happened since one."""

    status: Status | None = None
    ended_before: datetime | None = None
    inactive_since: datetime | None = None

    def includes(self, session: Overview) -> bool:
        """Whether `session` is one of them."""
        if self.status not in (None, session.status):
            return False
        if self.ended_before is not None and (
            session.ended_at is None or session.ended_at >= self.ended_before
        ):
            return False
        return self.inactive_since is None or session.last_activity < self.inactive_since


class Archive(Protocol):
    """All sessions."""

    async def survey(self, which: Which, *, after: UUID | None, limit: int) -> list[Overview]:
        """The first `limit` of these sessions by id, after the id `after`."""
        ...

    async def delete(
        self, session_ids: Collection[UUID], *, may: Callable[[Overview], bool]
    ) -> list[Overview]:
        """Delete those of these sessions that `may` be, as they are now, with all that is theirs.

        One transaction. A session in which somebody writes at the moment is left out.
        """
        ...


archive = Port[Archive]("archive")
