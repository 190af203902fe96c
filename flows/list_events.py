"""Read a session's log, a page at a time."""

from typing import Annotated, TypeAlias
from uuid import UUID

from msgspec import Meta, Struct

from flows.actor import Actor, Right
from flows.atoms.actor import actor
from flows.atoms.sessions import Sessions, sessions
from flows.engine import Context, flow, need
from flows.errors import Forbidden, SessionNotFound, Unavailable
from flows.events import Event, Kind
from flows.input import Input, Position
from flows.session import require_role

Limit: TypeAlias = Annotated[int, Meta(ge=1, le=500)]


class ListEvents(Input, frozen=True, kw_only=True):
    """Which part of the log: after a position, before one, or its end."""

    session_id: UUID
    after: Position | None = None
    before: Position | None = None
    kinds: list[Kind] | None = None
    limit: Limit = 100

    def __post_init__(self) -> None:
        if self.after is not None and self.before is not None:
            raise ValueError("Expected `after` or `before`, got both - at `$.before`")


class EventList(Struct, frozen=True):
    """A page of events, ascending; `more` are beyond it in the direction that was read."""

    events: list[Event]
    head: int
    more: bool


@flow(faults=(SessionNotFound, Forbidden, Unavailable))
async def list_events(
    ctx: Context[ListEvents],
    *,
    sessions: Sessions = need(sessions),
    actor: Actor = need(actor),
) -> EventList:
    """Read a page of a session's log."""
    input = ctx.input
    page = await sessions.events(
        input.session_id,
        of=actor,
        after=input.after,
        before=input.before,
        kinds=input.kinds,
        limit=input.limit,
    )
    if page is None:
        raise SessionNotFound
    require_role(actor, page.standing.role, Right.READ)
    return EventList(events=page.events, head=page.standing.head, more=page.more)
