"""Take part in a session no more."""

from collections.abc import Iterable

from flows.actor import Actor
from flows.atoms.actor import actor
from flows.atoms.sessions import Committed, Sessions, sessions
from flows.engine import Context, flow, need
from flows.errors import Forbidden, KeyConflict, SessionNotFound, Unavailable
from flows.events import Body, ParticipantRemoved
from flows.input import SessionMutation
from flows.session import Session


class LeaveSession(SessionMutation, frozen=True, kw_only=True, omit_defaults=True):
    """The session to leave."""


@flow(faults=(SessionNotFound, Forbidden, KeyConflict, Unavailable))
async def leave_session(
    ctx: Context[LeaveSession],
    *,
    sessions: Sessions = need(sessions),
    actor: Actor = need(actor),
) -> Committed:
    """Leave a session, be it open or ended."""

    def decide(session: Session) -> Iterable[Body]:
        # No right helps here: only who takes part can leave.
        if session.role_of(actor.name) is None:
            raise SessionNotFound
        session.require_another_owner(actor.name)
        return [ParticipantRemoved(user=actor.name)]

    return await sessions.commit(ctx.input, by=actor, decide=decide)
