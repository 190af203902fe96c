import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

import pytest
from django.db import OperationalError, connections
from django.test import override_settings

from flows.errors import Unavailable
from sessions_app.adapters.threads import Threads
from sessions_app.models import User
from tests.sessions_app.adapters.databases import backend, kill

NAME: contextvars.ContextVar[str] = contextvars.ContextVar("NAME", default="nobody")


@asynccontextmanager
async def running(alias: str, *, count: int = 2, waiting: int = 10) -> AsyncIterator[Threads]:
    threads = Threads("reader", using=alias, count=count, waiting=waiting)
    try:
        yield threads
    finally:
        threads.stop()
        await threads.ended()


class Blocker:
    """A unit of work that goes on when it is told to."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._begun = asyncio.Event()
        self._go_on = threading.Event()
        self.runs = 0

    def __call__(self) -> str:
        self.runs += 1
        self._loop.call_soon_threadsafe(self._begun.set)
        assert self._go_on.wait(30), "the blocker was forgotten"
        return threading.current_thread().name

    async def begun(self) -> None:
        await self._begun.wait()

    def go_on(self) -> None:
        self._go_on.set()


def readers() -> set[str]:
    return {each.name for each in threading.enumerate() if each.name.startswith("reader-")}


async def test_run(database: str) -> None:
    """A unit runs in one of the threads, with its arguments, and gives what it returns."""

    def unit(left: int, *, right: int) -> tuple[int, str]:
        users = User.objects.using(database).count()
        return left + right + users, threading.current_thread().name

    async with running(database) as threads:
        total, name = await threads.run(unit, 1, right=2)
    assert total == 7
    assert name in {"reader-0", "reader-1"}


async def test_raise(database: str) -> None:
    """What a unit raises is raised where it is awaited, and the thread works on."""
    error = ValueError("x")

    def unit() -> NoReturn:
        raise error

    async with running(database, count=1) as threads:
        with pytest.raises(ValueError, match="x") as caught:
            await threads.run(unit)
        assert caught.value is error
        assert await threads.run(lambda: 1) == 1


@pytest.mark.parametrize("error", [StopIteration, SystemExit, asyncio.CancelledError])
async def test_raise_what_nobody_can_await(error: type[BaseException]) -> None:
    """Not even an exception that futures, threads or tasks treat their own way is lost."""

    def unit() -> NoReturn:
        raise error

    async with running("default", count=1) as threads:
        # A StopIteration could not be told from a coroutine's own end.
        with pytest.raises((error, RuntimeError)):
            await threads.run(unit)
        assert await threads.run(lambda: 1) == 1


async def test_context() -> None:
    """A unit sees the caller's context variables, and what it sets stays its own."""

    def unit() -> str:
        found = NAME.get()
        NAME.set("a unit")
        return found

    async with running("default", count=1) as threads:
        NAME.set("ann")
        assert await threads.run(unit) == "ann"
        assert NAME.get() == "ann"
        NAME.set("bob")
        assert await threads.run(unit) == "bob"


async def test_fixed_number() -> None:
    """There are as many threads as there are to be; more work waits for one of them."""
    async with running("default", count=2) as threads:
        blockers = [Blocker() for _ in range(3)]
        tasks = [asyncio.create_task(threads.run(each)) for each in blockers]
        await blockers[0].begun()
        await blockers[1].begun()
        assert readers() == {"reader-0", "reader-1"}
        assert blockers[2].runs == 0
        blockers[0].go_on()
        await blockers[2].begun()
        for each in blockers:
            each.go_on()
        names = await asyncio.gather(*tasks)
        assert names[2] == names[0] != names[1]


async def test_bound() -> None:
    """When too much waits, more is refused at once and never runs."""
    async with running("default", count=1, waiting=2) as threads:
        blockers = [Blocker() for _ in range(4)]
        tasks = [asyncio.create_task(threads.run(blockers[0]))]
        await blockers[0].begun()
        tasks += [asyncio.create_task(threads.run(each)) for each in blockers[1:3]]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await threads.run(blockers[3])
        for each in blockers:
            each.go_on()
        await asyncio.gather(*tasks)
        assert [each.runs for each in blockers] == [1, 1, 1, 0]


async def test_cancelled() -> None:
    """Work that nobody waits for any more is not begun; what has begun hurts nobody."""
    async with running("default", count=1) as threads:
        first, second = Blocker(), Blocker()
        tasks = [asyncio.create_task(threads.run(each)) for each in (first, second)]
        await first.begun()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        first.go_on()
        second.go_on()
        assert await threads.run(lambda: 1) == 1
        assert (first.runs, second.runs) == (1, 0)


async def test_stop() -> None:
    """Stopping finishes what waits, refuses what comes, ends the threads, and may be repeated."""
    async with running("default", count=1) as threads:
        blocker = Blocker()
        tasks = [asyncio.create_task(threads.run(blocker))]
        await blocker.begun()
        tasks += [asyncio.create_task(threads.run(lambda: "done")) for _ in range(3)]
        await asyncio.sleep(0)
        threads.stop()
        threads.stop()
        with pytest.raises(Unavailable):
            await threads.run(lambda: "late")
        blocker.go_on()
        assert await asyncio.gather(*tasks) == ["reader-0", "done", "done", "done"]
        await asyncio.gather(threads.ended(), threads.ended())
        assert readers() == set()
    with pytest.raises(Unavailable):
        await threads.run(lambda: "late")
    assert readers() == set()


async def test_cancelled_end() -> None:
    """Who stops waiting for the end does not take it from others who wait for it."""
    async with running("default", count=1) as threads:
        blocker = Blocker()
        task = asyncio.create_task(threads.run(blocker))
        await blocker.begun()
        threads.stop()
        hasty, patient = (asyncio.create_task(threads.ended()) for _ in range(2))
        await asyncio.sleep(0)
        hasty.cancel()
        await asyncio.gather(hasty, return_exceptions=True)
        blocker.go_on()
        await patient
        assert await task == "reader-0"
        assert readers() == set()


async def test_never_used() -> None:
    """Threads begin with the first work: there are none to end before."""
    async with running("default"):
        assert readers() == set()


async def test_forgotten() -> None:
    """A process that forgets to close them can exit all the same."""
    async with running("default", count=2) as threads:
        await threads.run(lambda: None)
        working = [each for each in threading.enumerate() if each.name.startswith("reader-")]
        assert [each.daemon for each in working] == [True, True]


async def test_connection_is_kept(database: str) -> None:
    """A thread keeps its connection, outside any pool, until it ends; then it is closed."""
    async with running(database, count=1) as threads:

        def raw() -> object:
            User.objects.using(database).count()
            return connections[database].connection

        first, second = await threads.run(raw), await threads.run(raw)
        assert first is second
        assert await threads.run(lambda: connections[database].settings_dict["OPTIONS"]) == {
            key: value
            for key, value in connections[database].settings_dict["OPTIONS"].items()
            if key != "pool"
        }
    assert is_closed(first)


def is_closed(raw: object) -> bool:
    """Whether a driver's connection is closed."""
    closed = getattr(raw, "closed", None)
    if closed is not None:
        return bool(closed)
    with pytest.raises(Exception, match="closed"):
        raw.execute("SELECT 1")  # type: ignore[attr-defined]
    return True


async def test_trouble(database: str, caplog: pytest.LogCaptureFixture) -> None:
    """A database that is away is Unavailable to the caller; that it begins and ends is logged."""
    caplog.set_level("INFO", "sessions_app")

    def unit() -> NoReturn:
        raise OperationalError("server closed the connection; password=x")

    async with running(database, count=1) as threads:
        for _ in range(2):
            with pytest.raises(Unavailable) as caught:
                await threads.run(unit)
            assert "password" not in str(caught.value)
        assert await threads.run(User.objects.using(database).count) == 4
        assert "password=x" in caplog.text
        assert [each.message for each in caplog.records] == [
            "the database cannot be read",
            "the database can be read again",
        ]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True, databases=["postgres"])
async def test_dead_connection(postgres: str) -> None:
    """A connection that died while it lay idle is replaced, unnoticed by the caller."""
    async with running(postgres, count=1) as threads:
        first = await threads.run(backend, postgres)
        async with running(postgres, count=1) as others:
            await others.run(kill, postgres, first)
        runs: list[int] = []

        def unit() -> int:
            runs.append(1)
            return backend(postgres)

        assert await threads.run(unit) != first
        assert len(runs) == 2


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True, databases=["postgres"])
async def test_error_on_a_sound_connection(postgres: str) -> None:
    """Work that fails on a connection that is alive runs once only."""
    async with running(postgres, count=1) as threads:
        first = await threads.run(backend, postgres)
        runs: list[int] = []

        def unit() -> NoReturn:
            runs.append(1)
            raise OperationalError("canceling statement due to statement timeout")

        with pytest.raises(Unavailable):
            await threads.run(unit)
        assert len(runs) == 1
        assert await threads.run(backend, postgres) == first


async def test_debug_remembers_no_queries(database: str) -> None:
    """With DEBUG, what Django remembers of queries does not grow from unit to unit."""

    def unit() -> int:
        User.objects.using(database).count()
        return len(connections[database].queries_log)

    with override_settings(DEBUG=True):
        async with running(database, count=1) as threads:
            assert await threads.run(unit) >= 1
            assert await threads.run(unit) == 1
