"""Database threads of our own: a fixed number of them, each with one connection that it keeps."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, ParamSpec, TypeVar

from django.db import Error, InterfaceError, InternalError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from flows.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)

#: What a database raises that is away, stopping, full, locked or only a reader's copy: no fault of
#: the work, which may be tried again.
TROUBLES = (OperationalError, InterfaceError, InternalError)


class DatabaseThread:
    """A named thread that does database work until it is told to end; then it disconnects.

    It is a daemon: a process that forgets to close it can still exit.
    """

    def __init__(self, name: str, *, using: str, work: Callable[[], None]) -> None:
        self._using = using
        self._work = work
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._ended: Future[None] = Future()
        # Running futures cannot be cancelled: no cancelled waiter takes the end from the others.
        self._ended.set_running_or_notify_cancel()

    def start(self) -> None:
        self._thread.start()

    async def ended(self) -> None:
        """Wait until the work is over and the connection closed."""
        await asyncio.wrap_future(self._ended)
        self._thread.join()

    def _run(self) -> None:
        connections[self._using] = connection_of_its_own(self._using)
        try:
            self._work()
        finally:
            try:
                connections[self._using].close()
            finally:
                self._ended.set_result(None)


def connection_of_its_own(using: str) -> BaseDatabaseWrapper:
    """A connection, not open yet, for a thread that keeps it: without a pool.

    A pool would gain nothing here, and costs much when the database is away: who asks it for a
    connection waits for its whole timeout, and it tries to connect ever less often.
    """
    connection: BaseDatabaseWrapper = connections[using].copy(using)
    connection.settings_dict["OPTIONS"].pop("pool", None)
    return connection


class Outage:
    """Logs when trouble with the database begins and when it is over, not every work it hits."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._lasts = False

    def goes_on(self, error: Exception) -> None:
        if not self._lasts:
            self._lasts = True
            logger.error("the database cannot be %s", self._what, exc_info=error)

    def is_over(self) -> None:
        if self._lasts:
            self._lasts = False
            logger.info("the database can be %s again", self._what)


class Answers:
    """One call's way back into the event loop that waits for it."""

    __slots__ = ("future", "loop")

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()

    def give(self, value: object) -> None:
        """Set the result, or raise `value` in the caller if it is an exception. In the loop."""
        if self.future.done():
            return  # The caller was cancelled meanwhile and does not want to know.
        if isinstance(value, StopIteration):
            # A future refuses it, and the caller would wait for ever.
            value = RuntimeError(f"raised {value!r}")
        if isinstance(value, BaseException):
            self.future.set_exception(value)
        else:
            self.future.set_result(value)


def call_in(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *args: object) -> None:
    """Have the loop of another thread make a call. One that is closed waits for nothing."""
    try:
        loop.call_soon_threadsafe(call, *args)
    except RuntimeError:
        logger.debug("nobody waits for an answer any more", exc_info=True)


class Threads:
    """An executor with a fixed number of database threads, which begin with the first work.

    Django's way, a thread per socket or one for all, makes connections that linger or a queue in
    which everybody waits for the slowest.
    """

    def __init__(self, name: str, *, using: str, count: int, waiting: int) -> None:
        self._using = using
        self._waiting = waiting
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._outage = Outage("read")
        self._threads = [
            DatabaseThread(f"{name}-{index}", using=using, work=self._work)
            for index in range(count)
        ]
        self._lock = Lock()
        self._started = False
        self._stopped = False

    @property
    def depth(self) -> int:
        """How many units wait."""
        return self._queue.qsize()

    async def run(self, unit: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What `unit` returns, run in one of the threads, in a copy of the caller's context.

        Raises Unavailable when the database is away, when more than `waiting` units wait, or after
        `stop`; else what the unit raises. A unit may run twice: again on a new connection, when
        the first one had died since it was last used.
        """
        answers = Answers()
        call = partial(copy_context().run, unit, *args, **kwargs)
        self._put(partial(self._answer, answers, call))
        result: T = await answers.future
        return result

    def stop(self) -> None:
        """Refuse new work; what waits is finished. May be called again."""
        with self._lock:
            if not self._stopped and self._started:
                for _ in self._threads:
                    self._queue.put(None)
            self._stopped = True

    async def ended(self) -> None:
        """Wait until all is finished, and the connections closed; `stop` was called."""
        if self._started:
            for thread in self._threads:
                await thread.ended()

    def _put(self, task: Callable[[], None]) -> None:
        with self._lock:
            if self._stopped:
                raise Unavailable("The server is stopping")
            if self._queue.qsize() >= self._waiting:
                raise Unavailable("Too much is waiting to be read, try again")
            if not self._started:
                self._started = True
                for thread in self._threads:
                    thread.start()
            self._queue.put(task)

    def _work(self) -> None:
        while task := self._queue.get():
            task()

    def _answer(self, answers: Answers, call: Callable[[], object]) -> None:
        if answers.future.cancelled():
            return  # Nobody waits for it, and what only reads leaves nothing undone.
        try:
            value = with_connection(self._using, call)
            self._outage.is_over()
        except TROUBLES as error:
            self._outage.goes_on(error)
            value = unavailable(error)
        except BaseException as error:  # noqa: BLE001 - it is raised where the caller waits
            value = error
        call_in(answers.loop, answers.give, value)


def with_connection(using: str, call: Callable[[], T]) -> T:
    """Run a unit of work; once more if its connection turns out to have died while it lay idle."""
    connection = connections[using]
    before = connection.connection
    # With DEBUG, Django remembers every query until a request begins; here none ever does.
    connection.queries_log.clear()
    try:
        return call()
    except TROUBLES:
        if not was_lost(connection, before):
            raise
    return call()


def was_lost(connection: BaseDatabaseWrapper, before: object) -> bool:
    """After an error: whether the connection that was there `before` (if one was) has died.

    It is closed then, so that the next query begins with another one.
    """
    if before is None:
        return False
    if connection.connection is not before:
        return True  # Leaving a transaction has replaced it already.
    if connection.is_usable():
        return False
    with suppress(Error):
        connection.close()
    return True


def unavailable(error: Exception) -> Unavailable:
    """What a caller is told of trouble with the database: its details are for the log only."""
    told = Unavailable()
    told.__cause__ = error
    return told
