"""Let somebody take part in a session, or give them another role."""

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
    UnknownUser,
)
from flows.events import Body, ParticipantAdded, Role
from flows.input import GivenRole, SessionMutation, UserName
from flows.session import Session


class AddParticipant(SessionMutation, frozen=True, kw_only=True, omit_defaults=True):
    """Who is to take part, and as what."""

    user: UserName
    role: GivenRole


@flow(
    faults=(
        SessionNotFound,
        Forbidden,
        SessionEnded,
        AlreadyDone,
        UnknownUser,
        KeyConflict,
        Unavailable,
    )
)
async def add_participant(
    ctx: Context[AddParticipant],
    *,
    sessions: Sessions = need(sessions),
    actor: Actor = need(actor),
    reason: str | None = maybe(reason),
) -> Committed:
    """Let somebody take part in a session."""
    user, role = ctx.input.user, Role(ctx.input.role)

    def decide(session: Session) -> Iterable[Body]:
        session.require(actor, at_least=Role.OWNER)
        session.require_open()
        if session.role_of(user) is role:
            raise AlreadyDone(f"{user} is {role} already")
        session.require_another_owner(user)
        return [ParticipantAdded(user=user, role=role)]

    act = act_in_session(actor, f"Added {user} as {role}", ctx.input.session_id, reason)
    return await sessions.commit(ctx.input, by=actor, decide=decide, act=act)
