"""Delete sessions that have been kept for long enough."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from flows.actor import Actor, Right
from flows.atoms.actor import actor
from flows.atoms.archive import Archive, Overview, Which, archive
from flows.atoms.clock import Clock, clock
from flows.engine import Context, flow, need
from flows.errors import Forbidden, InvalidValue, Unavailable
from flows.input import Input
from flows.session import Status

#: Sessions that are looked at together.
PAGE = 200

#: A transaction deletes about so many events, so that nobody waits for it for more than a moment;
#: more only if a single session has more.
EVENTS = 2_000


class PruneSessions(Input, frozen=True, kw_only=True):
    """Which: those that ended so many days ago, in which nothing happened for so many days."""

    ended_days: Annotated[float, Meta(ge=0, le=36_500)] | None = None
    inactive_days: Annotated[float, Meta(ge=0, le=36_500)] | None = None
    status: Status | None = None
    #: Only tell what would be deleted.
    dry_run: bool = True


class Pruned(Struct, frozen=True):
    """How much was deleted at once, or would be."""

    sessions: int
    events: int


@flow(faults=(Forbidden, InvalidValue, Unavailable))
async def prune_sessions(
    ctx: Context[PruneSessions],
    *,
    archive: Archive = need(archive),
    clock: Clock = need(clock),
    actor: Actor = need(actor),
) -> AsyncIterator[Pruned]:
    """Delete whole sessions with their events and receipts, a small transaction after the other.

    Who watches one is told `unwatched` with the reason `deleted`; afterwards there is no such
    session, and its keys are free. It can be stopped at any time, and run again.
    """
    actor.require(Right.DELETE)
    which = due(ctx.input, clock)
    last: UUID | None = None
    while page := await archive.survey(which, after=last, limit=PAGE):
        last = page[-1].session_id
        for batch in batches(page):
            if not ctx.input.dry_run:
                ids = [each.session_id for each in batch]
                # As they are when they are locked: somebody may have written meanwhile.
                batch = await archive.delete(ids, may=which.includes)
            yield Pruned(len(batch), sum(each.events for each in batch))


def due(input: PruneSessions, clock: Clock) -> Which:
    """The sessions that are meant. Raises InvalidValue if no age is given: that would be all."""
    now = clock()
    if input.ended_days is None and input.inactive_days is None:
        raise InvalidValue("$", "Expected an age: ended_days or inactive_days")
    return Which(
        status=input.status,
        ended_before=None if input.ended_days is None else now - timedelta(days=input.ended_days),
        inactive_since=(
            None if input.inactive_days is None else now - timedelta(days=input.inactive_days)
        ),
    )


def batches(sessions: Sequence[Overview]) -> Iterator[Sequence[Overview]]:
    """`sessions` in order, in groups of about `EVENTS` events."""
    batch: list[Overview] = []
    events = 0
    for each in sessions:
        if batch and events + each.events > EVENTS:
            yield batch
            batch, events = [], 0
        batch.append(each)
        events += each.events
    if batch:
        yield batch
