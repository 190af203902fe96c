"""Receive nothing more of sessions."""

from uuid import UUID

from msgspec import Struct

from flows.atoms.watcher import Watcher, watcher
from flows.engine import Context, flow, need
from flows.input import Input


class UnwatchSessions(Input, frozen=True, kw_only=True):
    """Which sessions."""

    session_ids: list[UUID]


class Unwatched(Struct, frozen=True):
    """Nothing more to tell."""


@flow()
async def unwatch_sessions(
    ctx: Context[UnwatchSessions],
    *,
    watcher: Watcher = need(watcher),
) -> Unwatched:
    """Receive nothing more of sessions; those that are not watched are no mistake."""
    watcher.forget(ctx.input.session_ids)
    return Unwatched()
