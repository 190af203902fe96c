"""Receive what happens in sessions."""

from typing import Annotated, TypeAlias
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from flows.actor import Actor, Right
from flows.atoms.actor import actor
from flows.atoms.limits import Limits, limits
from flows.atoms.sessions import Sessions, Standing, sessions
from flows.atoms.watcher import Watcher, watcher
from flows.engine import Context, flow, need
from flows.errors import (
    InvalidValue,
    LimitReached,
    Refused,
    SessionNotFound,
    Unavailable,
    UnrecoverablePosition,
)
from flows.input import MAX_INT, STORABLE, Input
from flows.session import require_role

#: As `welcome` told it.
Epoch: TypeAlias = Annotated[str, Meta(max_length=64, pattern=STORABLE)]
#: -1: only new events.
After: TypeAlias = Annotated[int, Meta(ge=-1, le=MAX_INT)]


class Watch(Struct, frozen=True, forbid_unknown_fields=True):
    """A session, and the position after which its events are wanted."""

    session_id: UUID
    after: After


class WatchSessions(Input, frozen=True, kw_only=True):
    """Which sessions; `epoch` is that of the `welcome` the positions come from."""

    sessions: list[Watch]
    epoch: Epoch | None = None


class Watching(Struct, frozen=True):
    """A session that is watched now, and where it is."""

    session_id: UUID
    head: int


class Refusal(Struct, frozen=True, omit_defaults=True):
    """A session that is not watched, and why; with its position where the client's was wrong."""

    session_id: UUID
    code: str
    head: int | UnsetType = UNSET
    epoch: str | UnsetType = UNSET


class WatchResult(Struct, frozen=True):
    """What is watched and what is not; the call itself succeeds."""

    watching: list[Watching]
    refused: list[Refusal]


@flow(faults=(InvalidValue, LimitReached, Unavailable))
async def watch_sessions(
    ctx: Context[WatchSessions],
    *,
    sessions: Sessions = need(sessions),
    watcher: Watcher = need(watcher),
    actor: Actor = need(actor),
    limits: Limits = need(limits),
) -> WatchResult:
    """Receive what happens in sessions: the events after a position, then live ones."""
    wanted = ctx.input.sessions
    ids = [each.session_id for each in wanted]
    require_distinct(ids)
    if len({*watcher.watching, *ids}) > limits.watching:
        raise LimitReached(limits.watching, "sessions watched by one connection")

    # First notice what is committed, then read the head: no event falls between.
    await watcher.register(ids)
    standings = await sessions.standings(ids, of=actor)
    epoch = await sessions.epoch()
    theirs = epoch if ctx.input.epoch is None else ctx.input.epoch

    result = WatchResult([], [])
    for each in wanted:
        standing = standings.get(each.session_id)
        try:
            head = require_position(each, standing, actor, epoch, theirs)
        except Refused as error:
            watcher.forget([each.session_id])
            result.refused.append(refusal(each.session_id, error))
        else:
            after = head if each.after == -1 else each.after
            watcher.follow(each.session_id, after=after, head=head)
            result.watching.append(Watching(each.session_id, head))
    return result


def require_distinct(ids: list[UUID]) -> None:
    """Raise InvalidValue at the first session that is named a second time."""
    seen: set[UUID] = set()
    for index, session_id in enumerate(ids):
        if session_id in seen:
            raise InvalidValue(f"$.sessions[{index}].session_id", "Expected each session once")
        seen.add(session_id)


def require_position(
    watch: Watch, standing: Standing | None, actor: Actor, epoch: str, theirs: str
) -> int:
    """The session's head, if `actor` may watch it and its log has the position asked for."""
    if standing is None:
        raise SessionNotFound
    require_role(actor, standing.role, Right.READ)
    # `after: -1` names no position, so it belongs to any epoch.
    if watch.after > standing.head or (watch.after >= 0 and theirs != epoch):
        raise UnrecoverablePosition(standing.head, epoch)
    return standing.head


def refusal(session_id: UUID, error: Refused) -> Refusal:
    """`error` as an entry of `refused`."""
    if isinstance(error, UnrecoverablePosition):
        return Refusal(session_id, error.code, head=error.head, epoch=error.epoch)
    return Refusal(session_id, error.code)
