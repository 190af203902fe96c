"""Read a session's whole log, from its first event to its last."""

from collections.abc import AsyncIterator
from uuid import UUID

from flows.actor import SYSTEM_NAME, Actor, Right
from flows.atoms.actor import actor
from flows.atoms.audit import Audit, act_in_session, audit, reason
from flows.atoms.sessions import Sessions, sessions
from flows.engine import Context, flow, maybe, need
from flows.errors import Forbidden, SessionNotFound, Unavailable
from flows.events import Event
from flows.input import Input
from flows.session import require_role

#: Events that are in memory at a time.
PAGE = 500


class ExportSession(Input, frozen=True, kw_only=True):
    """Which session."""

    session_id: UUID


@flow(faults=(SessionNotFound, Forbidden, Unavailable))
async def export_session(
    ctx: Context[ExportSession],
    *,
    sessions: Sessions = need(sessions),
    audit: Audit = need(audit),
    actor: Actor = need(actor),
    reason: str | None = maybe(reason),
) -> AsyncIterator[Event]:
    """Read a session's log as it was when the reading began, a page at a time."""
    position, end = 0, None
    more = True
    while more:
        page = await sessions.events(ctx.input.session_id, of=actor, after=position, limit=PAGE)
        if page is None:
            raise SessionNotFound
        # With every page: who is removed meanwhile reads no further.
        require_role(actor, page.standing.role, Right.READ)
        # Not of an operator, who may archive all that there is, and can read it without us.
        if end is None and actor.name != SYSTEM_NAME:
            act = act_in_session(actor, "Exported", ctx.input.session_id, reason)
            if act is not None:
                # Recorded first: nobody has read what nobody knows that they read.
                await audit.record(act)
        # Not later events: a session in which much is written would never end.
        end = page.standing.head if end is None else end
        for event in page.events:
            if event.seq <= end:
                yield event
                position = event.seq
        more = page.more and position < end
