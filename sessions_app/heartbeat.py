"""The heartbeat: one per process that serves. It says that the process is there and who is
connected to it, and does what nodes are asked: to close sockets, or to drain.

Nothing of it is on the way of a message. Once a second at most, what has changed is written.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import structlog
from django.db import DatabaseError

from flows.atoms.clock import Clock
from flows.errors import Unavailable
from sessions_app.adapters import nodes
from sessions_app.adapters.connections import Run
from sessions_app.adapters.nodes import MOST_ROWS, Instruction, NodeGone, Row
from sessions_app.close_codes import RECONNECT, REMOVED_BY_STAFF
from sessions_app.keeper import Keeper, Kept

logger = structlog.get_logger(__name__)

#: How often the process looks for what is asked and for who came or went, in seconds.
LOOK_EVERY = 1.0

#: How often it says that it is there, and what its connections are like, in seconds.
BEAT_EVERY = 5.0

#: So many rows are written in one look, when thousands come at once; the next look goes on.
ROWS_A_LOOK = 1_000

#: Between two transactions of a look others can write, in seconds: on SQLite, who waits for its
#: lock does not stand in a line, but asks again after a while.
PAUSE = 0.05

#: What a client has sent last is told to the minute: else every row would change all the time.
SEEN_STEP = 60.0


class Heartbeat:
    """The node's row, the rows of its connections, and an ear for what nodes are asked.

    `end` is called when the node was asked to drain and has done so.
    """

    def __init__(
        self,
        run: Run,
        keeper: Keeper,
        *,
        node: str,
        using: str,
        clock: Clock,
        end: Callable[[], None] = lambda: None,
    ) -> None:
        self.end = end
        self._run = run
        self._keeper = keeper
        self._node = node
        self._using = using
        self._clock = clock
        self._known = False
        self._draining = False
        self._written: dict[str, Row] = {}
        #: Instructions that concern this node no more, of those that can still be read.
        self._done: set[int] = set()
        self._beat_at = 0.0
        self._rung = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._drain: asyncio.Task[None] | None = None

    # -- life ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Say that the process is there, if the database is; and begin to beat."""
        try:
            # What others were asked before is not for those who come now.
            self._done = {each.id for each in await self._ask(nodes.instructions)}
            await self._announce()
        except (Unavailable, DatabaseError):
            logger.warning("heartbeat_postponed")
        self._task = asyncio.get_running_loop().create_task(self._beat_forever())

    async def stop(self) -> None:
        """Beat no more, and say that the process is gone."""
        tasks = [each for each in (self._task, self._drain) if each is not None]
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await self._ask(nodes.leave, self._node)
        except (Unavailable, DatabaseError):
            logger.warning("node_left_its_rows", node=self._node)

    def ring(self) -> None:
        """Something was asked: look at once."""
        self._rung.set()

    async def _beat_forever(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._rung.wait(), LOOK_EVERY)
            self._rung.clear()
            try:
                await self.look(loop.time())
            except (Unavailable, DatabaseError):
                ...  # the threads have logged it; the next look tries again
            except Exception:
                # One look that fails must not be the last.
                logger.exception("heartbeat_failed")

    async def _ask(self, unit: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await self._run(unit, *args, **kwargs, using=self._using)

    # -- what is asked ---------------------------------------------------------------------------

    async def look(self, now: float) -> None:
        """Do what is asked, and write down what is new, at `now` on the loop's clock."""
        asked: list[Instruction] = await self._ask(nodes.instructions)
        for each in asked:
            if each.id not in self._done:
                self._obey(each)
        self._done = {each.id for each in asked}
        try:
            await self._write(now)
        except NodeGone:
            # This process was away for longer than others could believe.
            self._known = False
            self._written.clear()

    def _obey(self, asked: Instruction) -> None:
        if asked.subject == "node":
            if asked.target == self._node and self._drain is None:
                self._drain = asyncio.get_running_loop().create_task(self._drain_and_end())
            return
        why = RECONNECT if asked.reconnect else REMOVED_BY_STAFF
        for each in tuple(self._keeper.connections):
            name = each.id if asked.subject == "connection" else each.identity.user
            if name == asked.target:
                each.close_with(why)

    async def _drain_and_end(self) -> None:
        logger.info("draining")
        await self._keeper.drain()
        self.end()

    # -- what is new -----------------------------------------------------------------------------

    async def _announce(self) -> None:
        await self._ask(nodes.announce, self._node)
        self._known = True

    async def _write(self, now: float) -> None:
        draining = self._keeper.draining
        due = now >= self._beat_at or not self._known or draining != self._draining
        if not self._known:
            await self._announce()
        new, gone = self._news(now, all_of_them=due)
        if not (due or new or gone):
            return
        for start in range(0, max(len(new), len(gone), 1), MOST_ROWS):
            if start:
                await asyncio.sleep(PAUSE)
            part = slice(start, start + MOST_ROWS)
            await self._ask(nodes.write, self._node, new[part], gone[part], draining=draining)
            self._draining = draining
            self._written.update((each.id, each) for each in new[part])
            for each in gone[part]:
                del self._written[each]
        if due:
            self._beat_at = now + BEAT_EVERY
            await self._ask(nodes.sweep)

    def _news(self, now: float, *, all_of_them: bool) -> tuple[list[Row], list[str]]:
        """The rows to be written, of newcomers or of all that have changed, and who is gone."""
        there = self._keeper.connections
        new = [
            each
            for each in there
            if (row := self._written.get(each.id)) is None
            or (all_of_them and _has_changed(each, row))
        ]
        ids = {each.id for each in there}
        gone = [id_ for id_ in self._written if id_ not in ids]
        return [self._row(each, now) for each in new[:ROWS_A_LOOK]], gone[:ROWS_A_LOOK]

    def _row(self, connection: Kept, now: float) -> Row:
        """What is written of `connection`, with as much of the last row as is near enough."""
        before = self._written.get(connection.id)
        at = self._clock() - timedelta(seconds=now)
        heard_at = connection.heard_at
        if before is not None and heard_at - before.heard_at < SEEN_STEP:
            heard_at = before.heard_at
        seen = at + timedelta(seconds=heard_at)
        opened = at + timedelta(seconds=connection.opened_at)
        return Row(
            id=connection.id,
            user_id=connection.identity.user_id,
            since=opened if before is None else before.since,
            last_seen=before.last_seen if before and before.heard_at == heard_at else seen,
            watching=connection.watching,
            observing=connection.observing,
            lag=connection.lag,
            heard_at=heard_at,
        )


def _has_changed(connection: Kept, row: Row) -> bool:
    # Asked for all connections at once, in the loop: nothing is made here.
    return (
        connection.watching != row.watching
        or connection.observing != row.observing
        or connection.lag != row.lag
        or connection.heard_at - row.heard_at >= SEEN_STEP
    )
