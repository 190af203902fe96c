"""Say up to where one has read."""

from uuid import UUID

from msgspec import Struct

from flows.actor import Actor, Right
from flows.atoms.actor import actor
from flows.atoms.announcer import Announcer, announcer
from flows.atoms.sessions import Sessions, sessions
from flows.atoms.watcher import Watcher, watcher
from flows.engine import Context, flow, maybe, need
from flows.errors import Forbidden, InvalidValue, SessionNotFound, Unavailable
from flows.events import Role
from flows.input import Input, Position
from flows.session import Session


class MarkSeen(Input, frozen=True, kw_only=True):
    """Everything up to `seq` has been seen."""

    session_id: UUID
    seq: Position


class Marked(Struct, frozen=True):
    """Nothing more to tell."""


@flow(faults=(SessionNotFound, Forbidden, InvalidValue, Unavailable))
async def mark_seen(
    ctx: Context[MarkSeen],
    *,
    sessions: Sessions = need(sessions),
    announcer: Announcer = need(announcer),
    actor: Actor = need(actor),
    watcher: Watcher | None = maybe(watcher),
) -> Marked:
    """Move one's own cursor forward; it never goes back, and it is no event."""
    session_id, seq = ctx.input.session_id, ctx.input.seq

    def decide(session: Session) -> int:
        session.require(actor, Right.READ, at_least=Role.OBSERVER)
        session.require_seq(seq, "$.seq")
        return seq

    if await sessions.mark_seen(session_id, by=actor, decide=decide):
        origin = watcher.connection if watcher else None
        announcer.seen(session_id, user=actor.name, seq=seq, origin=origin)
    return Marked()
