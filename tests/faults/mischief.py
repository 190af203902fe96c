"""What breaks: each fault breaks one thing for a while and repairs it again."""

import asyncio
import contextlib
import random
import signal
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from tests.faults.clients import Connection
from tests.faults.crashing import CRASH
from tests.faults.proxies import Link, Proxy
from tests.faults.stage import Stage

Fault: TypeAlias = Callable[[Stage, random.Random], Awaitable[None]]


# -- processes


async def kill(stage: Stage, chance: random.Random) -> None:
    """SIGKILL, and another process soon after."""
    await chance.choice(stage.nodes).restart(signal.SIGKILL, chance.uniform(0, 1.5))


async def drain(stage: Stage, chance: random.Random) -> None:
    """SIGTERM, and another process soon after."""
    await chance.choice(stage.nodes).restart(signal.SIGTERM, chance.uniform(0, 0.5))


async def freeze(stage: Stage, chance: random.Random) -> None:
    """SIGSTOP, and SIGCONT: a process that sleeps through what the others do."""
    node = chance.choice(stage.nodes)
    node.send(signal.SIGSTOP)
    await asyncio.sleep(chance.choice([0.5, 2.0, 8.0]))
    node.send(signal.SIGCONT)


async def crash(stage: Stage, chance: random.Random) -> None:
    """The process dies when the next message is committed and not yet answered."""
    node = chance.choice(stage.nodes)
    node.note_surprise()
    if node.runs:
        node.send(CRASH)
        try:
            await node.ended(5)
        except TimeoutError:
            await node.end(signal.SIGKILL)
        await asyncio.sleep(chance.uniform(0, 0.5))
    await node.start()


# -- what they stand on


async def redis_down(stage: Stage, chance: random.Random) -> None:
    """Redis is gone for a while, and comes back empty."""
    assert stage.redis is not None
    await stage.redis.end(signal.SIGKILL)
    await asyncio.sleep(chance.uniform(0.2, 5))
    await stage.redis.start()


async def redis_frozen(stage: Stage, chance: random.Random) -> None:
    """Redis takes everything and answers nothing."""
    assert stage.redis is not None
    stage.redis.send(signal.SIGSTOP)
    await asyncio.sleep(chance.uniform(0.5, 5))
    stage.redis.send(signal.SIGCONT)


async def redis_paused(stage: Stage, chance: random.Random) -> None:
    """Redis answers late, as it does when it is told to."""
    assert stage.redis is not None
    seconds = chance.uniform(0.5, 3)
    await asyncio.to_thread(stage.redis.pause, seconds)
    await asyncio.sleep(seconds)


async def redis_unreachable(stage: Stage, chance: random.Random) -> None:
    """One node's connections to Redis are reset, or go nowhere for a while."""
    bell = chance.choice(stage.bells)
    links = tuple(bell.links)
    if chance.random() < 0.5:
        for link in links:
            link.cut()
        return
    await _silence(links, chance.uniform(1, 5))


async def bells_unreliable(stage: Stage, chance: random.Random) -> None:
    """Doorbells are lost, doubled and reordered, from none of them to all."""
    for bell in stage.bells:
        bell.lost = chance.choice([0.0, 0.1, 0.5, 1.0])
        bell.doubled = chance.choice([0.0, 0.3])
        bell.reordered = chance.choice([0.0, 0.5])
    await asyncio.sleep(chance.uniform(2, 6))
    for bell in stage.bells:
        bell.lost = bell.doubled = bell.reordered = 0.0


async def connections_terminated(stage: Stage, chance: random.Random) -> None:
    """The database ends all its connections, some times in a row."""
    assert stage.postgres is not None
    for _ in range(chance.choice([1, 1, 3])):
        await asyncio.to_thread(stage.postgres.terminate_connections)
        await asyncio.sleep(chance.uniform(0.05, 0.5))


async def database_restarted(stage: Stage, chance: random.Random) -> None:
    """The database stops in good order or crashes, and comes back."""
    assert stage.postgres is not None
    await stage.postgres.stop(chance.choice(["fast", "immediate"]))
    await asyncio.sleep(chance.uniform(0, 3))
    await stage.postgres.start()


async def disk_full(stage: Stage, chance: random.Random) -> None:
    """There is no room for the database to grow."""
    assert stage.disk is not None
    stage.disk.fill(stage.nodes)
    await asyncio.sleep(chance.uniform(1, 4))
    stage.disk.free(stage.nodes)


async def database_locked(stage: Stage, chance: random.Random) -> None:
    """Somebody else keeps the only lock there is for writing."""
    path = stage.database_url.removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await asyncio.sleep(chance.uniform(0.5, 4))
        other.execute("ROLLBACK")


# -- the network


async def cut(stage: Stage, chance: random.Random) -> None:
    """Some connections are reset."""
    for link in _some_links(chance.choice(stage.doors), chance):
        link.cut()


async def half_open(stage: Stage, chance: random.Random) -> None:
    """Some connections end on one side, and the other side is not told."""
    for link in _some_links(chance.choice(stage.doors), chance):
        chance.choice([link.drop_client, link.drop_server])()


async def silence(stage: Stage, chance: random.Random) -> None:
    """Nothing gets through some connections for a while, or never again."""
    await _silence(_some_links(chance.choice(stage.doors), chance), chance.uniform(0.5, 7))


async def throttle(stage: Stage, chance: random.Random) -> None:
    """A few kilobytes a second get through."""
    door = chance.choice(stage.doors)
    door.speed = chance.choice([5_000, 50_000])
    await asyncio.sleep(chance.uniform(1, 4))
    door.speed = None


async def stall(stage: Stage, chance: random.Random) -> None:
    """Some clients stop reading for a while."""
    there = [each.connection for each in stage.clients if each.connection is not None]
    stalled: list[Connection] = chance.sample(there, k=min(len(there), 3))
    for connection in stalled:
        connection.reading.clear()
    await asyncio.sleep(chance.uniform(1, 6))
    for connection in stalled:
        connection.reading.set()


def _some_links(door: Proxy, chance: random.Random) -> list[Link]:
    links = list(door.links)
    return chance.sample(links, k=chance.randint(0, len(links)))


async def _silence(links: list[Link] | tuple[Link, ...], seconds: float) -> None:
    for link in links:
        link.passing.clear()
    await asyncio.sleep(seconds)
    for link in links:
        link.passing.set()


# -- all of it

#: Faults that go on at the same time are of different kinds.
PROCESSES: tuple[Fault, ...] = (kill, drain, freeze, crash)
NETWORK: tuple[Fault, ...] = (cut, half_open, silence, throttle, stall)
SERVICES: Mapping[str, tuple[Fault, ...]] = {
    "sqlite": (disk_full, database_locked),
    "postgres": (
        redis_down, redis_frozen, redis_paused, redis_unreachable, bells_unreliable,
        connections_terminated, database_restarted,
    ),
}  # fmt: skip


def all_faults(kind: str) -> list[tuple[Fault, ...]]:
    """The faults of each kind, for a stage on a kind of database."""
    return [PROCESSES, NETWORK, SERVICES[kind]]


async def go_on(
    stage: Stage,
    faults: tuple[Fault, ...],
    seed: float,
    counts: dict[str, int],
    stopping: asyncio.Event,
) -> None:
    """One fault after the other, each once before any comes again, until it is `stopping`."""
    chance = random.Random(seed)  # noqa: S311
    while True:
        for fault in chance.sample(faults, k=len(faults)):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), chance.uniform(0.3, 2.5))
            if stopping.is_set():
                return
            await fault(stage, chance)
            counts[fault.__name__] = counts.get(fault.__name__, 0) + 1
