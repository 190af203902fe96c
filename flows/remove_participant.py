"""Let somebody take part in a session no more."""

from collections.abc import Iterable

from flows.actor import Actor
from flows.atoms.actor import actor
from flows.atoms.audit import act_in_session, reason
from flows.atoms.sessions import Committed, Sessions, sessions
from flows.engine import Context, flow, maybe, need
from flows.errors import (
    AlreadyDone,
    Forbidden,
    KeyConflict,
    SessionEnded,
    SessionNotFound,
    Unavailable,
)
from flows.events import Body, ParticipantRemoved, Role
from flows.input import SessionMutation, UserName
from flows.session import Session


class RemoveParticipant(SessionMutation, frozen=True, kw_only=True, omit_defaults=True):
    """Who is to take part no more."""

    user: UserName


@flow(
    faults=(SessionNotFound, Forbidden, SessionEnded, AlreadyDone, KeyConflict, Unavailable),
)
async def remove_participant(
    ctx: Context[RemoveParticipant],
    *,
    sessions: Sessions = need(sessions),
    actor: Actor = need(actor),
    reason: str | None = maybe(reason),
) -> Committed:
    """Remove somebody from a session; their watches of it stop at once."""
    user = ctx.input.user

    def decide(session: Session) -> Iterable[Body]:
        session.require(actor, at_least=Role.OWNER)
        session.require_open()
        if session.role_of(user) is None:
            raise AlreadyDone(f"{user} takes no part in the session")
        session.require_another_owner(user)
        return [ParticipantRemoved(user=user)]

    act = act_in_session(actor, f"Removed {user}", ctx.input.session_id, reason)
    return await sessions.commit(ctx.input, by=actor, decide=decide, act=act)
