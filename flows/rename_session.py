"""Give a session another title."""

from collections.abc import Iterable

from flows.actor import Actor
from flows.atoms.actor import actor
from flows.atoms.audit import act_in_session, reason
from flows.atoms.sessions import Committed, Sessions, sessions
from flows.engine import Context, flow, maybe, need
from flows.errors import Forbidden, KeyConflict, SessionEnded, SessionNotFound, Unavailable
from flows.events import Body, Role, SessionRenamed
from flows.input import SessionMutation, Title
from flows.session import Session


class RenameSession(SessionMutation, frozen=True, kw_only=True, omit_defaults=True):
    """A session and its new title."""

    title: Title


@flow(faults=(SessionNotFound, Forbidden, SessionEnded, KeyConflict, Unavailable))
async def rename_session(
    ctx: Context[RenameSession],
    *,
    sessions: Sessions = need(sessions),
    actor: Actor = need(actor),
    reason: str | None = maybe(reason),
) -> Committed:
    """Give a session a name people remember."""

    def decide(session: Session) -> Iterable[Body]:
        session.require(actor, at_least=Role.MEMBER)
        session.require_open()
        return [SessionRenamed(title=ctx.input.title)]

    act = act_in_session(actor, "Renamed", ctx.input.session_id, reason)
    return await sessions.commit(ctx.input, by=actor, decide=decide, act=act)
