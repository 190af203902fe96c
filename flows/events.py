"""What has happened in a session: numbered, past tense, never changed.

`Body` is what a flow announces; the log gives it a seq, an author and a time and makes it an
`Event`. An `Event` is exactly what clients get (protocol, section 4), so it is encoded once.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, TypeAlias
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from flows.input import Metadata

#: UTC with milliseconds, as `timestamp` spells it.
Timestamp: TypeAlias = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class Role(StrEnum):
    """What a participant may do; each role includes the ones before it."""

    OBSERVER = "observer"
    MEMBER = "member"
    OWNER = "owner"

    def allows(self, at_least: "Role") -> bool:
        """Whether this role includes `at_least`."""
        return _RANK[self] >= _RANK[at_least]


_RANK = {role: rank for rank, role in enumerate(Role)}


class SessionCreated(Struct, frozen=True):
    """The session began; its author is its owner."""

    kind: ClassVar[str] = "session_created"
    title: str
    metadata: Metadata


class SessionRenamed(Struct, frozen=True):
    """The session has another title."""

    kind: ClassVar[str] = "session_renamed"
    title: str


class SessionEnded(Struct, frozen=True, omit_defaults=True):
    """The session takes no more writes."""

    kind: ClassVar[str] = "session_ended"
    reason: str | UnsetType = UNSET


class SessionResumed(Struct, frozen=True):
    """An ended session is open again."""

    kind: ClassVar[str] = "session_resumed"


class ParticipantAdded(Struct, frozen=True):
    """A user takes part in the session, or has another role in it."""

    kind: ClassVar[str] = "participant_added"
    user: str
    role: Role


class ParticipantRemoved(Struct, frozen=True):
    """A user takes part no more; one who left is its author."""

    kind: ClassVar[str] = "participant_removed"
    user: str


class MessageSent(Struct, frozen=True, omit_defaults=True):
    """Somebody wrote something; `reply_to` is the seq of an earlier event.

    `staff`: its author takes no part in the session, and wrote by right.
    """

    kind: ClassVar[str] = "message_sent"
    text: str
    reply_to: int | UnsetType = UNSET
    metadata: Metadata | UnsetType = UNSET
    staff: bool = False


Body: TypeAlias = (
    SessionCreated
    | SessionRenamed
    | SessionEnded
    | SessionResumed
    | ParticipantAdded
    | ParticipantRemoved
    | MessageSent
)

BODIES: dict[str, type[Body]] = {
    body.kind: body
    for body in (
        SessionCreated,
        SessionRenamed,
        SessionEnded,
        SessionResumed,
        ParticipantAdded,
        ParticipantRemoved,
        MessageSent,
    )
}


class Kind(StrEnum):
    """The kinds of events there are; clients ignore kinds that they do not know."""

    SESSION_CREATED = "session_created"
    SESSION_RENAMED = "session_renamed"
    SESSION_ENDED = "session_ended"
    SESSION_RESUMED = "session_resumed"
    PARTICIPANT_ADDED = "participant_added"
    PARTICIPANT_REMOVED = "participant_removed"
    MESSAGE_SENT = "message_sent"


class Event(Struct, frozen=True, kw_only=True):
    """One numbered entry of a session's log, as clients get it.

    `at` is UTC with milliseconds, `2026-11-22T19:03:11.412Z`; `key` is the author's own and is
    shown to nobody else.
    """

    session_id: UUID
    seq: int
    kind: str
    actor: str
    at: Timestamp
    key: str | UnsetType = UNSET
    data: Any


def timestamp(moment: datetime) -> str:
    """`moment` as the wire spells it: UTC, milliseconds, `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
