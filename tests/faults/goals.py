"""`python -m tests.faults.goals`: measures one fault at a time, under load."""

import argparse
import asyncio
import contextlib
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from tests.faults.clients import Client, Told
from tests.faults.oracle import Attempt
from tests.faults.run import judge, write
from tests.faults.stage import Stage, staged


@contextlib.asynccontextmanager
async def played(stage: Stage, clients: Sequence[Client]) -> AsyncIterator[None]:
    """Clients that are connected, and come to rest in the end."""
    running = [asyncio.create_task(each.run()) for each in clients]
    try:
        await until(lambda: all(_is_settled(each) for each in clients), 120)
        yield
        await stage.rest()
    finally:
        for client in clients:
            client.end()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


@contextlib.asynccontextmanager
async def writing(stage: Stage, clients: Sequence[Client], pause: float) -> AsyncIterator[None]:
    """These clients write, `pause` seconds apart on average."""
    tasks = [asyncio.create_task(write(stage, each, pause)) for each in clients]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _is_settled(client: Client) -> bool:
    return client.connection is not None and client.connection.settled.is_set()


async def until(is_so: Callable[[], bool], seconds: float) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


def say(*words: object) -> None:
    """Print, at once."""
    print(*words, flush=True)  # noqa: T201


async def conclude(stage: Stage, seed: int, seconds: float) -> None:
    """Print what the oracle says."""
    report = await judge(stage, seed, seconds, {})
    say(" ", report.line())
    for violation in report.violations[:20]:
        say("   ", violation.kind, violation.where)


# -- Redis is away


async def redis_away(seed: int) -> None:
    """Redis is gone for ten seconds: nobody is disconnected, and events come a little late."""
    chance = random.Random(seed)  # noqa: S311
    async with staged("postgres", chance) as stage:
        assert stage.redis is not None
        clients = []
        for number, door in enumerate(stage.doors):
            for user in ("owner0", "member0", "member1"):
                client = stage.client(user, f"n{number}", [stage.sessions["hall"]])
                client.ports = [door.port]
                clients.append(client)
        told = stage.diary.told = []
        clock = asyncio.get_running_loop().time
        began = clock()
        async with played(stage, clients):
            # All on one node: so no other event tells the other one that it misses some.
            async with writing(stage, clients[: len(clients) // 2], 0.2):
                await asyncio.sleep(8)
                went = clock()
                await stage.redis.end(signal.SIGKILL)
                await asyncio.sleep(10)
                await stage.redis.start()
                back = clock()
                await asyncio.sleep(20)
            ended = clock()
            await asyncio.sleep(2)
            closed = dict(stage.diary.close_codes)
        say(f"Redis away for {back - went:.1f} s of {ended - began:.1f} s, seed {seed}:")
        say(f"  connections that ended: {closed or 'none'}")
        for name, since, before in (
            ("before", began, went - 0.5), ("while it is away", went, back),
            ("in the 3 s after", back, back + 3), ("from 3 s after on", back + 3, ended),
        ):  # fmt: skip
            say(f"  to the other process, {name}: {delays(told, since, before)}")
        await conclude(stage, seed, ended - began)


def delays(told: Sequence[Told], since: float, before: float) -> str:
    """How much later than the first of all the last client had each event."""
    first: dict[tuple[str, int], float] = {}
    last: dict[tuple[str, int], float] = {}
    for each in told:
        event = each.session, each.seq
        first[event] = min(each.at, first.get(event, each.at))
        last[event] = max(each.at, last.get(event, each.at))
    late = sorted(last[event] - at for event, at in first.items() if since <= at < before)
    if not late:
        return "no events"
    return (
        f"{len(late)} events, median {late[len(late) // 2] * 1000:.0f} ms, "
        f"most {late[-1] * 1000:.0f} ms"
    )


# -- a drain


async def drained(seed: int, sockets: int) -> None:
    """SIGTERM with many sockets: all is answered, all are sent away, and nothing is lost."""
    chance = random.Random(seed)  # noqa: S311
    async with staged("postgres", chance) as stage:
        users = sorted(name for name in stage.people if name[-1].isdigit())
        rooms = [await _room(stage, users, number) for number in range(20)]
        here, there = stage.nodes
        clients = []
        for number in range(sockets):
            user = users[number % len(users)]
            client = stage.client(user, f"d{number}", [rooms[number % len(rooms)]])
            client.ports = [stage.doors[0].port]
            # Half of them go when they are asked to; the others wait to be closed.
            client.stays = number % 2 == 1
            clients.append(client)
        async with played(stage, clients):
            memory = here.memory()
            for client in clients:
                client.ports = [stage.doors[1].port]
            writers = [each for each in clients if not each.user.startswith(("obs", "str"))][::10]
            async with writing(stage, writers, 1.0):
                await asyncio.sleep(3)
                stage.diary.close_codes.clear()
                stage.diary.open_calls.clear()
                began = time.monotonic()
                here.send(signal.SIGTERM)
                status = await here.ended()
                took = time.monotonic() - began
                await until(lambda: all(_is_settled(each) for each in clients), 60)
                resumed = time.monotonic() - began
                closed, left = dict(stage.diary.close_codes), list(stage.diary.open_calls)
                await asyncio.sleep(3)
        say(f"SIGTERM with {sockets} sockets, {len(writers)} of them writing, seed {seed}:")
        say(f"  process gone after {took:.1f} s with status {status}; {memory / 1e6:.0f} MB before")
        say(f"  all watching elsewhere after {resumed:.1f} s, {there.memory() / 1e6:.0f} MB there")
        say(f"  closed with: {closed} (1000: the client had moved and left)")
        oldest = max((age for _, age in left), default=0)
        say(
            f"  calls that crossed with a close: {len(left)}, the oldest {oldest * 1000:.0f} ms old"
        )
        await conclude(stage, seed, took)


async def _room(stage: Stage, users: Sequence[str], number: int) -> str:
    owner, *others = users
    key = f"create-room-{number}"
    participants = [{"user": each, "role": "member"} for each in others]
    params = {"title": f"Room {number}", "participants": participants, "key": key}
    session: str = (await stage.post(owner, "create_session", params))["session_id"]
    stage.diary.history.attempts[owner, key] = Attempt(
        owner, key, session, "session_created", rows=1 + len(others), sent=1
    )
    stage.sessions[f"room-{number}"] = session
    return session


# -- a reader that is stalled


async def stalled(seed: int, events: int) -> None:
    """One client stops reading while very much happens: it costs the server nothing."""
    chance = random.Random(seed)  # noqa: S311
    async with staged("postgres", chance, nodes=1) as stage:
        (node,) = stage.nodes
        hall = stage.sessions["hall"]
        writers = [stage.client("owner0", f"w{number}", []) for number in range(8)]
        prober = stage.client("owner2", "probe", [stage.sessions["pair"]])
        reader = stage.client("member1", "reads", [hall])
        sleeper = stage.client("member0", "sleeps", [hall])
        stage.diary.told = []
        async with played(stage, [*writers, prober, reader, sleeper]):
            quiet = await _probe(prober, stage, 5)
            assert sleeper.connection is not None
            say(f"One client that does not read during {events} events, seed {seed}:")
            # First without it, so that what the load itself needs is there.
            await _flood(writers, hall, events // 10)
            await until(lambda: not any(each.unanswered for each in writers), 120)
            base = node.memory()
            busy = await _while_flooding(stage, prober, writers, hall, events // 2)
            sleeper.connection.reading.clear()
            memory: list[int] = []
            sampling = asyncio.create_task(_sample(node.memory, memory))
            began = time.monotonic()
            late = await _while_flooding(stage, prober, writers, hall, events)
            took = time.monotonic() - began
            # Long enough to be given up (4008).
            await asyncio.sleep(max(0, began + 36 - time.monotonic()))
            reading = time.monotonic()
            if sleeper.connection is not None:
                sleeper.connection.reading.set()
            heads = await stage.heads()
            await until(lambda: sleeper.positions[hall] == heads[hall], 300)
            caught_up = time.monotonic() - reading
            sampling.cancel()
        say(f"  {events} events in {took:.1f} s ({events / took:.0f} a second)")
        low, high = min(memory) - base, max(memory) - base
        say(f"  memory {base / 1e6:.0f} MB, then {low / 1e6:+.1f} to {high / 1e6:+.1f} MB")
        say(f"  write to event: idle {quiet}; without it {busy}; while it is stalled {late}")
        say(f"  complete {caught_up:.1f} s after it read again; closed: {stage.diary.close_codes}")
        await conclude(stage, seed, took)


async def _while_flooding(
    stage: Stage, prober: Client, writers: Sequence[Client], session: str, events: int
) -> str:
    flood = asyncio.create_task(_flood(writers, session, events))
    late = await _probe(prober, stage, None, flood)
    await flood
    return late


async def _flood(writers: Sequence[Client], session: str, events: int) -> None:
    async def flood(writer: Client) -> None:
        for _ in range(events // len(writers)):
            while len(writer.unanswered) >= 24:  # noqa: ASYNC110
                await asyncio.sleep(0.002)
            data = {"text": "x" * 200}
            writer.write(session, "send_message", data, data)
        while writer.unanswered:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    await asyncio.gather(*(flood(each) for each in writers))


async def _probe(
    prober: Client, stage: Stage, times: int | None, other: "asyncio.Task[None] | None" = None
) -> str:
    """How long it takes from a write to its event, in another session."""
    clock = asyncio.get_running_loop().time
    session = stage.sessions["pair"]
    took: list[float] = []
    while (times is None or len(took) < times) and not (other and other.done()):
        before, began = prober.positions[session], clock()
        prober.write(session, "send_message", {"text": "probe"}, {"text": "probe"})
        await until(lambda before=before: prober.positions[session] > before, 30)  # type: ignore[misc]
        took.append(clock() - began)
        await asyncio.sleep(0.2)
    took.sort()
    return f"median {took[len(took) // 2] * 1000:.0f} ms, most {took[-1] * 1000:.0f} ms"


async def _sample(measure: Callable[[], int], into: list[int]) -> None:
    while True:
        into.append(measure())
        await asyncio.sleep(0.25)


GOALS: dict[str, Callable[[Any], Awaitable[None]]] = {
    "redis": lambda asked: redis_away(asked.seed),
    "drain": lambda asked: drained(asked.seed, asked.sockets),
    "stalled": lambda asked: stalled(asked.seed, asked.events),
}


def main() -> None:
    """Measure what is asked for, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.goals", description=__doc__)
    parser.add_argument("goals", nargs="*", default=list(GOALS), help=", ".join(GOALS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sockets", type=int, default=500)
    parser.add_argument("--events", type=int, default=50_000)
    asked = parser.parse_args()
    for goal in asked.goals:
        asyncio.run(_measure(GOALS[goal], asked))


async def _measure(goal: Callable[[Any], Awaitable[None]], asked: object) -> None:
    await goal(asked)


if __name__ == "__main__":
    main()
