"""Open an ended session again."""

from collections.abc import Iterable

from flows.actor import Actor
from flows.atoms.actor import actor
from flows.atoms.audit import act_in_session, reason
from flows.atoms.sessions import Committed, Sessions, sessions
from flows.engine import Context, flow, maybe, need
from flows.errors import AlreadyDone, Forbidden, KeyConflict, SessionNotFound, Unavailable
from flows.events import Body, Role, SessionResumed
from flows.input import SessionMutation
from flows.session import Session, Status


class ResumeSession(SessionMutation, frozen=True, kw_only=True, omit_defaults=True):
    """The session to open again."""


@flow(faults=(SessionNotFound, Forbidden, AlreadyDone, KeyConflict, Unavailable))
async def resume_session(
    ctx: Context[ResumeSession],
    *,
    sessions: Sessions = need(sessions),
    actor: Actor = need(actor),
    reason: str | None = maybe(reason),
) -> Committed:
    """Open an ended session again."""

    def decide(session: Session) -> Iterable[Body]:
        session.require(actor, at_least=Role.OWNER)
        if session.status is Status.OPEN:
            raise AlreadyDone("The session is open already")
        return [SessionResumed()]

    act = act_in_session(actor, "Reopened", ctx.input.session_id, reason)
    return await sessions.commit(ctx.input, by=actor, decide=decide, act=act)
