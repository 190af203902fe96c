"""Watch a session as staff, without taking part in it."""

from uuid import UUID

from flows.actor import Actor, Right
from flows.atoms.actor import actor
from flows.atoms.audit import Act, Audit, audit
from flows.atoms.limits import Limits, limits
from flows.atoms.sessions import Sessions, sessions
from flows.atoms.watcher import Watcher, watcher
from flows.engine import Context, flow, need
from flows.errors import (
    Forbidden,
    LimitReached,
    SessionNotFound,
    Unavailable,
    UnrecoverablePosition,
)
from flows.input import Input, Reason
from flows.watch_sessions import After, Epoch, Watch, Watching, require_position


class ObserveSession(Input, frozen=True, kw_only=True):
    """Which session, after which position, and why (for the audit)."""

    session_id: UUID
    after: After
    epoch: Epoch | None = None
    reason: Reason = ""


@flow(faults=(Forbidden, SessionNotFound, UnrecoverablePosition, LimitReached, Unavailable))
async def observe_session(
    ctx: Context[ObserveSession],
    *,
    sessions: Sessions = need(sessions),
    audit: Audit = need(audit),
    watcher: Watcher = need(watcher),
    actor: Actor = need(actor),
    limits: Limits = need(limits),
) -> Watching:
    """Watch a session as staff: the events after a position, then live ones. It is recorded.

    On this connection, requests in this session are then made with the rights of staff. It ends
    with `unwatch_sessions`, or with the permission: then `unwatched` says so.
    """
    # Before anything else: to who may not, no session is different from any other.
    actor.require(Right.READ)
    input, session_id = ctx.input, ctx.input.session_id
    if len({*watcher.watching, session_id}) > limits.watching:
        raise LimitReached(limits.watching, "sessions watched by one connection")

    # First notice what is committed, then read the head: no event falls between.
    await watcher.register([session_id])
    standing = (await sessions.standings([session_id], of=actor)).get(session_id)
    epoch = await sessions.epoch()
    theirs = epoch if input.epoch is None else input.epoch
    head = require_position(Watch(session_id, input.after), standing, actor, epoch, theirs)

    if not watcher.observes(session_id, reason=input.reason):
        # Recorded first: nobody has read what nobody knows that they read.
        await audit.record(
            Act(
                by=actor.name,
                done="Observed",
                kind="session",
                id=str(session_id),
                reason=input.reason,
            )
        )
    after = head if input.after == -1 else input.after
    watcher.follow(session_id, after=after, head=head, observe=True, reason=input.reason)
    return Watching(session_id, head)
