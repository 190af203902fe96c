"""End a session: it takes no more writes."""

from collections.abc import Iterable

from msgspec import UNSET

from flows.actor import Actor
from flows.atoms.actor import actor
from flows.atoms.audit import act_in_session, reason
from flows.atoms.sessions import Committed, Sessions, sessions
from flows.engine import Context, flow, maybe, need
from flows.errors import AlreadyDone, Forbidden, KeyConflict, SessionNotFound, Unavailable
from flows.events import Body, Role, SessionEnded
from flows.input import Reason, SessionMutation
from flows.session import Session, Status


class EndSession(SessionMutation, frozen=True, kw_only=True, omit_defaults=True):
    """A session, and why it ends."""

    reason: Reason | None = None


@flow(faults=(SessionNotFound, Forbidden, AlreadyDone, KeyConflict, Unavailable))
async def end_session(
    ctx: Context[EndSession],
    *,
    sessions: Sessions = need(sessions),
    actor: Actor = need(actor),
    reason: str | None = maybe(reason),
) -> Committed:
    """End a session; it can be read and resumed, but not written in."""

    def decide(session: Session) -> Iterable[Body]:
        session.require(actor, at_least=Role.OWNER)
        if session.status is Status.ENDED:
            raise AlreadyDone("The session has ended already")
        told = ctx.input.reason
        return [SessionEnded(reason=UNSET if told is None else told)]

    act = act_in_session(actor, "Ended", ctx.input.session_id, reason or ctx.input.reason)
    return await sessions.commit(ctx.input, by=actor, decide=decide, act=act)
