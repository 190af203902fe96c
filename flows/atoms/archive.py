"""Whole sessions, as operators handle them: found by what they are, and taken away.

Every method raises `Unavailable` when the store cannot be reached.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from msgspec import UNSET, Struct
from msgspec.structs import replace

from flows.actor import SYSTEM_NAME
from flows.engine import Port
from flows.events import Event
from flows.replay import Replay
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


def is_same(log: Sequence[Event], stored: Sequence[Event]) -> bool:
    """Whether `stored` is `log`, but for keys that `log` does not have."""
    return len(log) == len(stored) and all(
        here == (replace(there, key=UNSET) if here.key is UNSET else there)
        for here, there in zip(log, stored, strict=True)
    )


def names_in(events: Sequence[Event], made: Replay) -> set[str]:
    """All users that there must be: who takes part, or did, and who wrote."""
    return {*made.people, *(each.actor for each in events)} - {SYSTEM_NAME}


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

    async def add(self, events: Sequence[Event], made: Replay, *, create_users: bool) -> bool:
        """Take in a session with this log; False if it is here already, with the same.

        Keys that `events` do not have are not compared. One transaction. Raises UnknownUser, unless
        they are to be made, and InvalidValue at `$.log` if the session is here with another log, or
        one of its keys was used in another one.
        """
        ...


archive = Port[Archive]("archive")
