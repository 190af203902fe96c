"""One run: clients write for a while, things break meanwhile, and the oracle judges."""

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from tests.faults import mischief, oracle
from tests.faults.clients import MOST_UNANSWERED, Client
from tests.faults.mischief import Fault
from tests.faults.oracle import Kind, Violation
from tests.faults.stage import CAST, DatabaseKind, Stage, staged

#: How long a fault that is under way may take to repair what it broke, in seconds.
REPAIR = 90.0


class Report(Struct):
    """What came of a run."""

    database: str
    seed: int
    seconds: float
    faults: dict[str, int]
    acknowledged: int
    rows: int
    streams: int
    shown: int
    connections: int
    close_codes: dict[int, int]
    errors: dict[str, int]
    surprises: list[int]
    complaints: list[str]
    violations: list[Violation]

    @property
    def tally(self) -> dict[Kind, int]:
        """The violations by kind."""
        return oracle.tally(self.violations)

    def line(self) -> str:
        """The report in a line."""
        wrong = ", ".join(f"{count} {kind}" for kind, count in self.tally.items()) or "none"
        return (
            f"{self.database} seed {self.seed}, {self.seconds:.0f} s: "
            f"{sum(self.faults.values())} faults, {self.acknowledged} acknowledged, "
            f"{self.rows} rows, {self.connections} connections, {self.streams} streams with "
            f"{self.shown} events; violations: {wrong}; unexpected ends: {self.surprises or 'none'}"
        )


async def run(
    kind: DatabaseKind,
    *,
    seed: int,
    seconds: float,
    faults: Sequence[tuple[Fault, ...]] | None = None,
) -> Report:
    """Play for so many seconds; what breaks, and when, follows from `seed`."""
    chance = random.Random(seed)  # noqa: S311
    async with staged(kind, chance) as stage:
        chosen = mischief.all_faults(kind) if faults is None else faults
        counts = await play(stage, seconds, chosen)
        return await judge(stage, seed, seconds, counts)


async def play(stage: Stage, seconds: float, faults: Sequence[tuple[Fault, ...]]) -> dict[str, int]:
    """Let clients write while things break, and come to rest; the faults by name."""
    stage.cast()
    counts: dict[str, int] = {}
    running = [asyncio.create_task(each.run()) for each in stage.clients]
    running += [asyncio.create_task(each.run()) for each in stage.followers]
    writing = [asyncio.create_task(write(stage, each)) for each in stage.clients]
    writing.append(asyncio.create_task(come_and_go(stage)))
    # The first connections are made in peace.
    await asyncio.sleep(1)
    began = time.monotonic()
    stopping = asyncio.Event()
    breaking = [
        asyncio.create_task(mischief.go_on(stage, each, stage.chance.random(), counts, stopping))
        for each in faults
    ]
    try:
        while time.monotonic() < began + seconds:
            await asyncio.sleep(0.1)
            for task in (*running, *writing, *breaking):
                if task.done():
                    task.result()  # which is a mistake of ours
        stopping.set()
        async with asyncio.timeout(REPAIR):
            await asyncio.gather(*breaking)
        await _cancel(writing)
        for follower in stage.followers:
            follower.writing = False
        await stage.heal()
        await stage.rest()
    finally:
        for client in stage.clients:
            client.end()
        await _cancel([*breaking, *writing, *running])
    return counts


async def judge(stage: Stage, seed: int, seconds: float, counts: dict[str, int]) -> Report:
    """What the oracle says about what was played."""
    history = stage.diary.history
    rows = await stage.rows()
    found = oracle.violations(history, rows)
    found.extend(Violation(Kind.UNSOUND, each) for each in await stage.unsound())
    heads = await stage.heads()
    for session in heads:
        last = max((row.seq for row in rows if row.session == session), default=0)
        if last != heads[session]:
            found.append(Violation(Kind.HOLE, f"{session}: {heads[session]} told, {last} stored"))
    return Report(
        database=stage.kind,
        seed=seed,
        seconds=seconds,
        faults=counts,
        acknowledged=len({(each.user, each.key) for each in history.answers}),
        rows=len(rows),
        streams=len(history.streams),
        shown=sum(len(each.shown) for each in history.streams),
        connections=stage.diary.connections,
        close_codes=stage.diary.close_codes,
        errors=stage.diary.errors,
        surprises=[each for node in stage.nodes for each in node.surprises],
        complaints=stage.complaints(),
        violations=found,
    )


async def write(stage: Stage, client: Client, pause: float = 0.3) -> None:
    """Write now and then, in every session that the client has, whether or not it may."""
    while True:
        await asyncio.sleep(client.chance.uniform(0, 2 * pause))
        if client.user.startswith(("observer", "stranger")) and client.chance.random() < 0.9:
            continue  # they are refused each time
        for _ in range(client.chance.choice([1, 1, 1, 5])):
            if len(client.unanswered) < MOST_UNANSWERED:
                client.say(client.chance.choice(list(client.positions)))


async def come_and_go(stage: Stage) -> None:
    """The hall's owner adds somebody and removes them, again and again."""
    owner = next(each for each in stage.clients if each.user == CAST["hall"][0])
    guest = {"user": "member2"}
    while True:
        for method, more in (("add_participant", {"role": "member"}), ("remove_participant", {})):
            key = owner.write(stage.sessions["hall"], method, {**guest, **more}, {**guest, **more})
            while key in owner.unanswered:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            await asyncio.sleep(stage.chance.uniform(0.5, 2))


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def show(report: Report, *, more: bool = False) -> None:
    """Print a report."""
    print(report.line(), flush=True)  # noqa: T201
    if not more and not report.violations:
        return
    for violation in report.violations[:40]:
        print(f"    {violation.kind}: {violation.where}")  # noqa: T201
    for name in ("faults", "close_codes", "errors"):
        print(f"    {name}: {getattr(report, name)}")  # noqa: T201
    for complaint, count in Counter(map(_in_short, report.complaints)).most_common():
        print(f"    {count} x {complaint}")  # noqa: T201
    sys.stdout.flush()


def _in_short(line: str) -> str:
    """A line of a log without what differs each time."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line[:200]
    exception = entry.get("exception", "").strip().rpartition("\n")[2]
    return f"{entry['event']} | {exception}"[:300]
