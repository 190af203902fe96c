"""Group commit: a lane is one database thread that commits together whatever is waiting."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Lock
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

from django.db import Error, connections

from flows.errors import Unavailable
from flows.events import Event
from sessions_app.adapters.batch import Settled, Write
from sessions_app.adapters.threads import (
    TROUBLES,
    Answers,
    DatabaseThread,
    Outage,
    call_in,
    unavailable,
    was_lost,
)
from sessions_app.counts import Distribution

T = TypeVar("T")

logger = logging.getLogger(__name__)

#: Writes per transaction. More would not be faster, only later.
MOST_WRITES = 256

#: Further turns of the loop in which writes are gathered, as long as each brings some.
MOST_TURNS = 8

#: How often a write is tried: with its batch, alone, and alone once more, for one that meets a key
#: which another node commits at the same time.
ATTEMPTS = 3

#: Between which the times of transactions, in seconds, and their sizes are told apart.
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, MOST_WRITES)

#: SQLSTATE of transactions that PostgreSQL gave up in favour of another one.
GIVEN_UP = frozenset({"40001", "40P01"})


class Waiting(NamedTuple):
    """A write, and who waits for it."""

    write: Write[Any]
    answers: Answers


class Lane:
    """One database thread, and the writes that wait for it."""

    def __init__(
        self,
        name: str,
        *,
        using: str,
        transact: Callable[[Sequence[Write[Any]]], Settled],
        announce: Callable[[Sequence[Event]], None],
        waiting: int,
    ) -> None:
        self.name = name
        #: How long committed transactions took, and how many writes were in them.
        self.seconds = Distribution(SECONDS)
        self.sizes = Distribution(SIZES)
        self._using = using
        self._transact = transact
        self._announce = announce
        self._waiting = waiting
        # Submitted lately; and what was handed over, several at once.
        self._fresh: list[Waiting] = []
        self._queue: SimpleQueue[list[Waiting] | None] = SimpleQueue()
        # Each is written by one thread only: how many were submitted, and taken by the lane.
        self._submitted = self._taken = 0
        self._outage = Outage("written to")
        self._thread = DatabaseThread(name, using=using, work=self._work)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = Lock()
        self._started = False
        self._stopped = False

    @property
    def depth(self) -> int:
        """How many writes wait."""
        return self._submitted - self._taken

    def submit(self, write: Write[T]) -> "asyncio.Future[T]":
        """Have `write` committed with what else is waiting; to be called in an event loop.

        What one turn of the loop submits is handed over together, with what the following turns
        submit, until one brings nothing: else the lane would begin with the first write alone, and
        all others would wait for that transaction.

        The write happens whether or not somebody still waits for its outcome. Raises Unavailable
        when too much is waiting or the lane has been stopped.
        """
        answers = Answers()
        with self._lock:
            self._loop = self._loop or answers.loop
            if self._loop is not answers.loop:
                raise RuntimeError("a lane belongs to the event loop that used it first")
            if self._stopped:
                raise Unavailable("The server is stopping")
            if self.depth >= self._waiting:
                raise Unavailable("Too much is waiting to be written, try again")
            if not self._started:
                self._started = True
                self._thread.start()
            if not self._fresh:
                answers.loop.call_soon(self._gather, 0, MOST_TURNS)
            self._fresh.append(Waiting(write, answers))
            self._submitted += 1
        return answers.future

    def _gather(self, before: int, turns: int) -> None:
        """Hand over what there is, or see what the next turn of the loop brings."""
        count = len(self._fresh)
        if self._loop is not None and goes_on_gathering(before, count, turns):
            self._loop.call_soon(self._gather, count, turns - 1)
        else:
            self._hand_over()

    def _hand_over(self) -> None:
        with self._lock:
            if self._fresh:
                self._queue.put(self._fresh)
                self._fresh = []

    def stop(self) -> None:
        """Refuse new writes; those that wait are finished. May be called again."""
        self._hand_over()
        with self._lock:
            if not self._stopped and self._started:
                self._queue.put(None)
            self._stopped = True

    async def ended(self) -> None:
        """Wait until all is finished, and the connection closed; `stop` was called."""
        if self._started:
            await self._thread.ended()

    # -- in the lane's thread

    def _work(self) -> None:
        waiting: deque[Waiting] = deque()
        goes_on = True
        while goes_on or waiting:
            if goes_on:
                goes_on = self._take_over(waiting)
            batch = [waiting.popleft() for _ in range(min(len(waiting), MOST_WRITES))]
            self._taken += len(batch)
            if batch:
                self._settle_or_refuse(batch)

    def _take_over(self, waiting: deque[Waiting]) -> bool:
        """Add what was handed over to `waiting`, which must not stay empty; False: it was the last.

        Nobody else takes from this queue, and None comes last: nothing is put after it.
        """
        while not waiting or not self._queue.empty():
            more = self._queue.get()
            if more is None:
                return False
            waiting += more
        return True

    def _settle_or_refuse(self, batch: Sequence[Waiting]) -> None:
        try:
            self._settle(batch, ATTEMPTS)
        except Exception as error:
            # The thread goes on: nobody else would ever answer those who come later.
            logger.exception("a batch of %d failed in the lane itself", len(batch))
            self._refuse(batch, error)

    def _settle(self, batch: Sequence[Waiting], attempts: int) -> bool:
        """Commit a batch and answer everybody; whether the database is there."""
        connection = connections[self._using]
        connection.queries_log.clear()
        before = connection.connection
        began = perf_counter()
        try:
            settled = self._transact([each.write for each in batch])
        except Exception as error:  # noqa: BLE001 - it is raised where the callers wait
            return self._try_again(batch, attempts - 1, error, before)
        self.seconds.add(perf_counter() - began)
        self.sizes.add(len(batch))
        self._outage.is_over()
        self._answer(batch, settled)
        return True

    def _try_again(
        self, batch: Sequence[Waiting], attempts: int, error: Exception, before: object
    ) -> bool:
        trouble = isinstance(error, TROUBLES)
        lost = trouble and was_lost(connections[self._using], before)
        if trouble and not (lost and self._connects()) and not _is_given_up(error):
            self._outage.goes_on(error)
            self._refuse(batch, error)
            return False
        # An error without trouble is somebody's fault: alone, it hits only them. If it was a COMMIT
        # that got lost, the receipts tell whether it took place, and the answers are duplicates.
        if attempts and (len(batch) > 1 or isinstance(error, Error)):
            logger.warning(
                "a batch of %d failed and is tried one by one", len(batch), exc_info=error
            )
            return self._one_by_one(batch, attempts)
        self._refuse(batch, error)
        return True

    def _one_by_one(self, batch: Sequence[Waiting], attempts: int) -> bool:
        for index, each in enumerate(batch, 1):
            if not self._settle([each], attempts):
                # Each would wait as long as this one did, to hear the same.
                if later := batch[index:]:
                    self._answer(later, Settled([Unavailable() for _ in later], []))
                return False
        return True

    def _connects(self) -> bool:
        try:
            connections[self._using].ensure_connection()
        except Error:
            logger.debug("the database cannot be reached", exc_info=True)
            return False
        return True

    def _refuse(self, batch: Sequence[Waiting], error: Exception) -> None:
        if isinstance(error, TROUBLES):
            # One exception per caller: each goes through its own frames.
            self._answer(batch, Settled([unavailable(error) for _ in batch], []))
        else:
            self._answer(batch, Settled([error for _ in batch], []))

    def _answer(self, batch: Sequence[Waiting], settled: Settled) -> None:
        answered = [
            (each.answers, what) for each, what in zip(batch, settled.outcomes, strict=True)
        ]
        call_in(batch[0].answers.loop, self._tell, answered, settled.events)

    # -- in the event loop

    def _tell(self, answered: Sequence[tuple[Answers, object]], events: Sequence[Event]) -> None:
        for answers, outcome in answered:
            answers.give(outcome)
        if events:
            # Each answer has scheduled its caller, who therefore goes on before this is called.
            answered[0][0].loop.call_soon(self._announce, events)


def goes_on_gathering(before: int, count: int, turns: int) -> bool:
    """Whether a turn of the loop has brought writes, so that the next may bring more.

    It began with `before` writes and ended with `count`; `turns` more may be waited for.
    """
    return turns > 0 and before < count < MOST_WRITES


def _is_given_up(error: Exception) -> bool:
    return getattr(error.__cause__, "sqlstate", None) in GIVEN_UP
