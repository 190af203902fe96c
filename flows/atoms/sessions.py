"""The log of sessions: the port behind which everything is stored.

One method is one transaction. What a method returns is committed; what raises has changed nothing.
Every method raises `Unavailable` when the store cannot be reached.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeAlias
from uuid import UUID

from msgspec import Struct

from flows.actor import Actor
from flows.atoms.audit import Act
from flows.engine import Port
from flows.events import Body, Event, Kind, Role, Timestamp
from flows.input import Mutation, SessionMutation
from flows.session import Session, Status

#: How a session begins, `SessionCreated` first; or it raises `Refused`. As with `Decide`: it may
#: be asked more than once, and does no I/O.
Begin: TypeAlias = Callable[[], Sequence[Body]]

#: A rule and its outcome: given the session as it is now, what happens; or it raises `Refused`.
#: It runs under the session's lock, may run more than once, and does no I/O.
Decide: TypeAlias = Callable[[Session], Iterable[Body]]


class Committed(Struct, frozen=True):
    """A write is stored; `seq` is where it left the session, `duplicate` that it was so before."""

    seq: int
    duplicate: bool


class Created(Struct, frozen=True):
    """A session is stored; `seq` is its position after the last event of its creation."""

    session_id: UUID
    seq: int
    duplicate: bool


class Standing(Struct, frozen=True):
    """Where a session is and what somebody is in it (`role` None: nothing)."""

    head: int
    role: Role | None


class Summary(Struct, frozen=True, kw_only=True):
    """A session in a list. `role` and `seen` are those of the one who asks."""

    session_id: UUID
    title: str
    status: Status
    role: Role | None
    head: int
    seen: int
    last_activity: Timestamp


class EventPage(Struct, frozen=True):
    """Events in ascending order, and where their session is and what the one who asks is in it."""

    standing: Standing
    events: list[Event]
    more: bool


class Bookmark(Struct, frozen=True, array_like=True):
    """A place in the list of sessions, newest activity first: just after this session."""

    last_activity: str
    session_id: UUID


class Sessions(Protocol):
    """The log of all sessions."""

    async def create(
        self, input: Mutation, *, by: Actor, session_id: UUID, begin: Begin
    ) -> Created:
        """Begin a session with what `begin` says.

        A repeated key gives the first result, before `begin` is asked. Raises KeyConflict,
        UnknownUser and what `begin` raises.
        """
        ...

    async def commit(
        self, input: SessionMutation, *, by: Actor, decide: Decide, act: Act | None = None
    ) -> Committed:
        """Append what `decide` says, in order, to the session of `input`.

        With an `act`, keep it in the same transaction: exactly if something is appended. A repeated
        key gives the first result, before `decide` is asked. Raises KeyConflict,
        SessionNotFound, UnknownUser and what `decide` raises.
        """
        ...

    async def mark_seen(
        self, session_id: UUID, *, by: Actor, decide: Callable[[Session], int]
    ) -> bool:
        """Move the cursor of `by` to where `decide` says, never back; whether it moved.

        Raises SessionNotFound and what `decide` raises.
        """
        ...

    async def find(self, session_id: UUID) -> Session | None:
        """The session as it is now."""
        ...

    async def standings(self, session_ids: Sequence[UUID], *, of: Actor) -> dict[UUID, Standing]:
        """Where these sessions are and what `of` is in them; unknown ones are left out."""
        ...

    async def list_for(
        self,
        user: Actor,
        *,
        status: Status | None,
        search: str,
        before: Bookmark | None,
        limit: int,
    ) -> list[Summary]:
        """The sessions that `user` takes part in (by the right to view: all), newest first."""
        ...

    async def events(
        self,
        session_id: UUID,
        *,
        of: Actor,
        after: int | None = None,
        before: int | None = None,
        kinds: Sequence[Kind] | None = None,
        limit: int,
    ) -> EventPage | None:
        """The first `limit` events after `after`, or the last `limit` before `before` or of all.

        `more`: there are others beyond, in the direction that was read. None: no such session.
        The author's key is on the events of `of` only.
        """
        ...

    async def epoch(self) -> str:
        """The name of this log's history; another one after it was restored from a backup."""
        ...


sessions = Port[Sessions]("sessions")
