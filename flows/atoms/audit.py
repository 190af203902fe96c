"""What staff have done, to be found later by those who ask who did it and why."""

from typing import Literal, Protocol, TypeAlias
from uuid import UUID

from msgspec import Struct

from flows.actor import Actor
from flows.engine import Port, Tag

#: What something was done to.
Subject: TypeAlias = Literal["session", "user", "connection", "node"]


class Act(Struct, frozen=True, kw_only=True):
    """What somebody did by right, not by a role: `by` whom, to what, and why."""

    by: str
    #: In the past tense, as the first words of a sentence: `Removed bob`.
    done: str
    kind: Subject
    id: str
    reason: str = ""


def act_in_session(
    actor: Actor, done: str, session_id: UUID, reason: str | None = None
) -> Act | None:
    """What `actor` does in a session, if that is to be recorded: what a role allows is not.

    Who was granted rights acts as staff, also in a session that they take part in.
    """
    if not actor.rights:
        return None
    return Act(by=actor.name, done=done, kind="session", id=str(session_id), reason=reason or "")


class Audit(Protocol):
    """Keeps what staff have done. Ports that write take the act, and keep it as one with the write;
    this one is for acts that write nothing else.
    """

    async def record(self, act: Act) -> None:
        """Keep `act`; it is kept when this returns. Raises Unavailable."""
        ...


audit = Port[Audit]("audit")

#: Why a request is made, where its flow has no word for it: told by the door, for the audit only.
reason = Tag[str]("reason")
