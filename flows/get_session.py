"""Take a snapshot of a session."""

from uuid import UUID

from msgspec import Struct

from flows.actor import Actor, Right
from flows.atoms.actor import actor
from flows.atoms.sessions import Sessions, sessions
from flows.engine import Context, flow, need
from flows.errors import Forbidden, SessionNotFound, Unavailable
from flows.events import Role, Timestamp
from flows.input import Input, Metadata
from flows.session import Participant, Session, Status


class GetSession(Input, frozen=True, kw_only=True):
    """Which session."""

    session_id: UUID


class Snapshot(Struct, frozen=True, kw_only=True):
    """A session as of `seq`: this and the events after `seq` are the session now."""

    session_id: UUID
    seq: int
    epoch: str
    title: str
    status: Status
    metadata: Metadata
    created_at: Timestamp
    ended_at: Timestamp | None
    participants: list[Participant]


@flow(faults=(SessionNotFound, Forbidden, Unavailable))
async def get_session(
    ctx: Context[GetSession],
    *,
    sessions: Sessions = need(sessions),
    actor: Actor = need(actor),
) -> Snapshot:
    """Take a snapshot of a session, to watch it from there."""
    session = await sessions.find(ctx.input.session_id)
    if session is None:
        raise SessionNotFound
    session.require(actor, Right.VIEW, at_least=Role.OBSERVER)
    return snapshot(session, await sessions.epoch())


def snapshot(session: Session, epoch: str) -> Snapshot:
    """`session` as clients see it; participants in the order they came."""
    return Snapshot(
        session_id=session.session_id,
        seq=session.seq,
        epoch=epoch,
        title=session.title,
        status=session.status,
        metadata=session.metadata,
        created_at=session.created_at,
        ended_at=session.ended_at,
        participants=list(session.participants.values()),
    )
