"""The session as a value: its state, how events change it, and its rules. Nothing here does I/O.

The state is the fold of the log: `reduce(apply, events, None)` is what is stored, at any seq.
"""

from collections.abc import Mapping
from enum import StrEnum
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from flows import errors
from flows.actor import Actor, Right
from flows.events import (
    Body,
    Event,
    MessageSent,
    ParticipantAdded,
    ParticipantRemoved,
    Role,
    SessionCreated,
    SessionEnded,
    SessionRenamed,
    SessionResumed,
)
from flows.input import Metadata


class Status(StrEnum):
    """Whether a session takes writes."""

    OPEN = "open"
    ENDED = "ended"


class Participant(Struct, frozen=True):
    """Who takes part, as what, and up to which seq they have seen (0: nothing)."""

    user: str
    role: Role
    seen: int = 0


class Session(Struct, frozen=True, kw_only=True):
    """A session as of `seq`. `participants` is by user name; times are as on the wire."""

    session_id: UUID
    seq: int
    title: str
    status: Status
    metadata: Metadata
    created_at: str
    ended_at: str | None
    participants: Mapping[str, Participant]

    @property
    def owners(self) -> list[str]:
        """The users who own it; never empty."""
        return [each.user for each in self.participants.values() if each.role is Role.OWNER]

    def role_of(self, user: str) -> Role | None:
        """The role of `user`, None for one who does not take part."""
        participant = self.participants.get(user)
        return participant.role if participant else None

    def require(self, actor: Actor, right: Right = Right.ACT, *, at_least: Role) -> None:
        """Raise SessionNotFound to strangers and Forbidden to those whose role is too small.

        `right` stands in for the role.
        """
        require_role(actor, self.role_of(actor.name), right, at_least=at_least)

    def require_open(self) -> None:
        """Raise SessionEnded if it has ended."""
        if self.status is Status.ENDED:
            raise errors.SessionEnded

    def require_head(self, head: int | None) -> None:
        """Raise Conflict if `head` is given and is not where the session is."""
        if head is not None and head != self.seq:
            raise errors.Conflict(self.seq)

    def require_seq(self, seq: int | None, path: str) -> None:
        """Raise InvalidValue at `path` if `seq` is given and no event has it yet."""
        if seq is not None and seq > self.seq:
            raise errors.InvalidValue(
                path, f"The session has no event {seq}, its head is {self.seq}"
            )

    def require_another_owner(self, user: str) -> None:
        """Raise Forbidden if `user` is the only owner: a session always has one."""
        if self.owners == [user]:
            raise errors.Forbidden("The last owner cannot leave or be removed")


def require_role(
    actor: Actor, role: Role | None, right: Right, *, at_least: Role = Role.OBSERVER
) -> None:
    """The rule of who may: those who have the right, else the role in the session decides.

    Raises SessionNotFound to who has no role: a foreign session looks like none at all, except to
    those who may know what sessions there are.
    """
    if actor.may(right):
        return
    if role is None:
        if actor.may(Right.VIEW):
            actor.require(right)
        raise errors.SessionNotFound
    if not role.allows(at_least):
        raise errors.Forbidden(f"This takes the role {at_least}, yours is {role}")


def apply(session: Session | None, event: Event, body: Body) -> Session:
    """The session after `event`, whose typed data is `body`. Total and pure.

    Raises ValueError for a log that no flow can have written: one with a hole, or one that does
    not begin with its creation or has another.
    """
    seq = session.seq if session else 0
    if event.seq != seq + 1:
        raise ValueError(f"event {event.seq} does not follow {seq}")
    if session is None:
        return _begun(event, body)
    return _changed(replace(session, seq=event.seq), event, body)


def _begun(event: Event, body: Body) -> Session:
    match body:
        case SessionCreated(title=title, metadata=metadata):
            return Session(
                session_id=event.session_id,
                seq=event.seq,
                title=title,
                status=Status.OPEN,
                metadata=metadata,
                created_at=event.at,
                ended_at=None,
                participants={event.actor: Participant(event.actor, Role.OWNER)},
            )
        case _:
            raise ValueError(f"a log begins with a session's creation, not with {body.kind}")


def _changed(session: Session, event: Event, body: Body) -> Session:
    match body:
        case SessionRenamed(title=title):
            return replace(session, title=title)
        case SessionEnded():
            return replace(session, status=Status.ENDED, ended_at=event.at)
        case SessionResumed():
            return replace(session, status=Status.OPEN, ended_at=None)
        case ParticipantAdded(user=user, role=role):
            before = session.participants.get(user)
            now = Participant(user, role, before.seen if before else 0)
            return replace(session, participants={**session.participants, user: now})
        case ParticipantRemoved(user=user):
            others = {name: each for name, each in session.participants.items() if name != user}
            return replace(session, participants=others)
        case MessageSent():
            return session
        case SessionCreated():  # pragma: no branch - there are no other bodies
            raise ValueError("a session is created once")
