"""The log of sessions in the database: what the port `sessions` is bound to."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import ParamSpec, TypeVar
from uuid import UUID

import structlog
from django.db import connections

from flows.actor import Actor
from flows.atoms.audit import Act
from flows.atoms.clock import Clock
from flows.atoms.sessions import (
    Begin,
    Bookmark,
    Committed,
    Created,
    Decide,
    EventPage,
    Standing,
    Summary,
)
from flows.events import Event, Kind, Role
from flows.input import Mutation, SessionMutation
from flows.session import Session, Status
from sessions_app.adapters import queries
from sessions_app.adapters.acts import keep_acts
from sessions_app.adapters.batch import transact
from sessions_app.adapters.known import Known
from sessions_app.adapters.lanes import Lane
from sessions_app.adapters.threads import Threads
from sessions_app.adapters.writes import Commit, Creation, Cursor

logger = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

#: SQLite has one writer at a time anyway; PostgreSQL's lanes write at the same time.
SQLITE_LANES = 1
POSTGRES_LANES = 4

#: Threads that read.
READERS = 4

#: For how long an epoch is taken to be still the same.
EPOCH_KEEPS = timedelta(seconds=1)


def ignore(*_: object) -> None:
    """Tell nobody."""


class DjangoSessions:
    """The ports `Sessions` and `Audit` on the database `using`, and what the hub reads beside.

    It belongs to the event loop that writes first. `on_commit` is called there, once per
    transaction, with the events it has committed, each with its author's key; those whose writes
    they are have gone on before. `on_new_epoch` is called when the log is found to have another
    epoch than the last time. It holds one connection per lane and per reader.

    At most `waiting` writes wait in each lane, and as many reads; then there is Unavailable.
    """

    def __init__(
        self,
        *,
        using: str = "default",
        clock: Clock,
        on_commit: Callable[[Sequence[Event]], None] = ignore,
        lanes: int | None = None,
        readers: int = READERS,
        waiting: int = 10_000,
    ) -> None:
        self.on_commit = on_commit
        self.on_new_epoch: Callable[[], None] = ignore
        self._using = using
        self._clock = clock
        self._epoch: tuple[str, datetime] | None = None
        # Reads that overtook each other would bring the old epoch back.
        self._reading_epoch = asyncio.Lock()
        if lanes is None:
            lanes = SQLITE_LANES if connections[using].vendor == "sqlite" else POSTGRES_LANES
        self._known = [Known() for _ in range(lanes)]
        #: What writes; their numbers are for whoever measures.
        self.lanes = [
            Lane(
                f"lane-{index}",
                using=using,
                transact=partial(transact, using=using, clock=clock, known=known),
                announce=lambda events: self.on_commit(events),
                waiting=waiting,
            )
            for index, known in enumerate(self._known)
        ]
        self._readers = Threads("reader", using=using, count=readers, waiting=waiting)

    @property
    def reads(self) -> int:
        """How many reads wait for a thread."""
        return self._readers.depth

    async def close(self) -> None:
        """Refuse new work with Unavailable, finish what waits, end the threads. Idempotent."""
        working: list[Lane | Threads] = [*self.lanes, self._readers]
        for each in working:
            each.stop()
        for each in working:
            await each.ended()

    # -- writing

    async def create(
        self, input: Mutation, *, by: Actor, session_id: UUID, begin: Begin
    ) -> Created:
        return await self._lane(session_id).submit(Creation(input, by, session_id, begin))

    async def commit(
        self, input: SessionMutation, *, by: Actor, decide: Decide, act: Act | None = None
    ) -> Committed:
        return await self._lane(input.session_id).submit(Commit(input, by, decide, act))

    async def mark_seen(
        self, session_id: UUID, *, by: Actor, decide: Callable[[Session], int]
    ) -> bool:
        return await self._lane(session_id).submit(Cursor(session_id, by, decide))

    def _lane(self, session_id: UUID) -> Lane:
        # The low bits of an id are random; its high ones are the time.
        return self.lanes[session_id.int % len(self.lanes)]

    # -- reading

    async def find(self, session_id: UUID) -> Session | None:
        return await self._read(queries.find, session_id)

    async def standings(self, session_ids: Sequence[UUID], *, of: Actor) -> dict[UUID, Standing]:
        return await self._read(queries.standings, session_ids, of=of.name)

    async def list_for(
        self,
        user: Actor,
        *,
        status: Status | None,
        search: str,
        before: Bookmark | None,
        limit: int,
    ) -> list[Summary]:
        return await self._read(
            queries.list_for, user, status=status, search=search, before=before, limit=limit
        )

    async def events(
        self,
        session_id: UUID,
        *,
        of: Actor,
        after: int | None = None,
        before: int | None = None,
        kinds: Sequence[Kind] | None = None,
        limit: int,
    ) -> EventPage | None:
        return await self._read(
            queries.events,
            session_id,
            of=of.name,
            after=after,
            before=before,
            kinds=kinds,
            limit=limit,
        )

    async def read(self, session_id: UUID, *, after: int, limit: int) -> list[Event]:
        """The first `limit` events after `after`, with every author's key."""
        return await self._read(queries.read, session_id, after=after, limit=limit)

    async def heads(self, session_ids: Collection[UUID]) -> dict[UUID, int]:
        """The last seqs of these sessions, of those that exist."""
        return await self._read(queries.heads, session_ids)

    async def roles(self, pairs: Collection[tuple[UUID, str]]) -> dict[tuple[UUID, str], Role]:
        """What users are in sessions now; who does not take part is left out."""
        return await self._read(queries.roles, pairs)

    async def epoch(self) -> str:
        if (name := self._fresh_epoch()) is not None:
            return name
        async with self._reading_epoch:
            return self._fresh_epoch() or await self._read_epoch()

    async def current_epoch(self) -> str:
        """The epoch as it is in the database now. Raises Unavailable."""
        async with self._reading_epoch:
            return await self._read_epoch()

    def _fresh_epoch(self) -> str | None:
        if self._epoch is not None:
            name, since = self._epoch
            # Another process may have changed it; a clock may have been set back.
            if timedelta(0) <= self._clock() - since < EPOCH_KEEPS:
                return name
        return None

    async def _read_epoch(self) -> str:
        now = self._clock()
        name: str = await self._read(queries.epoch)
        before, self._epoch = self._epoch, (name, now)
        if before is not None and before[0] != name:
            logger.warning("log_has_another_epoch", before=before[0], now=name)
            for known in self._known:
                known.forget()
            self.on_new_epoch()
        return name

    async def run(self, unit: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What `unit` returns, run in a reader's thread in a copy of the caller's context.

        For database work outside the log that takes no long. Raises Unavailable, and what the
        unit raises. A unit whose connection had died before it began is run a second time.
        """
        return await self._readers.run(unit, *args, **kwargs)

    async def record(self, act: Act) -> None:
        """Keep what staff have done, as the port `Audit` asks: in a transaction of its own."""
        await self._read(keep_acts, [act])

    async def _read(self, query: Callable[..., T], *args: object, **kwargs: object) -> T:
        return await self._readers.run(partial(query, *args, using=self._using, **kwargs))
