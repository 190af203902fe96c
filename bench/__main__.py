"""The benchmark: the same work on this server and on others, round after round.

    python -m bench [--quick] [--rounds 5] [--seconds 4] [--only messages] [--against REVISION]

Writes `bench/results.json`, and from it `docs/benchmarks.md` (with --quick only what it prints).
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bench import works
from bench.contenders import (
    PROCESSORS,
    ROOT,
    Contender,
    FastApi,
    Node,
    Ours,
    SocketIo,
    Tutorial,
    Unavailable,
)
from bench.report import markdown
from bench.rounds import Arrange, Run, run

Make = Callable[[], Contender]


class Work(NamedTuple):
    """Something to do, and who does it."""

    name: str
    arrange: Arrange
    makes: Sequence[Make]
    #: Whether one round has to do: the database takes minutes to fill.
    once: bool = False


def everything(seconds: float) -> Iterator[Work]:
    """All that is compared."""
    tuned = Tutorial
    all_on_sqlite: list[Make] = [
        Ours,
        tuned,
        lambda: Tutorial(tuned=False),
        lambda: Ours(arrays=False),
        SocketIo,
        FastApi,
        lambda: Node(grouped=False),
        lambda: Node(grouped=True),
    ]
    on_postgres: list[Make] = [
        lambda: Ours(postgres=True),
        lambda: Tutorial(postgres=True),
        lambda: Ours(postgres=True, processes=2),
    ]
    on_daphne: list[Make] = [lambda: Ours(daphne=True), lambda: Tutorial(daphne=True)]
    for outstanding in (1, 10):
        name = f"messages, 50 clients, {outstanding} outstanding"
        arrange = works.messages(50, 5, outstanding, seconds)
        yield Work(name, arrange, all_on_sqlite)
        yield Work(f"{name}, PostgreSQL", arrange, on_postgres)
        yield Work(f"{name}, daphne", arrange, on_daphne)
    yield Work("messages, 500 clients, 1 outstanding", works.messages(500, 5, 1, seconds),
               [Ours, tuned, lambda: Node(grouped=False)])  # fmt: skip
    for watchers in (10, 100, 1_000):
        yield Work(f"fan-out to {watchers:,}", works.fan_out(watchers, seconds), [Ours, tuned])
    yield Work("replay of 10,000 events", works.read_log(10_000, limit=None), [Ours])
    for limit in (100, 500):
        arrange = works.read_log(10_000, limit=limit)
        yield Work(f"10,000 events by list_events, pages of {limit}", arrange, [Ours])
    yield Work("storm of 1,000", works.storm(1_000), [Ours])
    yield Work("idle memory of 2,000", works.idle(2_000), [Ours, tuned])
    for sessions, events in ((100, 10), (10_000, 10), (100_000, 10), (100_000, 100)):
        arrange = works.grown(sessions, events, works.messages(50, 5, 10, seconds))
        name, total = f"among {sessions:,} sessions", sessions * events
        yield Work(f"{name}, {total:,} events", arrange, [Ours], once=total > 1_000_000)


def the_gist(seconds: float) -> Iterator[Work]:
    """What two minutes are enough for."""
    makes: list[Make] = [Ours, Tutorial, SocketIo, lambda: Node(grouped=False)]
    for outstanding in (1, 10):
        name = f"messages, 50 clients, {outstanding} outstanding"
        yield Work(name, works.messages(50, 5, outstanding, seconds), makes)
    yield Work("fan-out to 100", works.fan_out(100, seconds), [Ours, Tutorial])


def against(tree: Path, seconds: float) -> Iterator[Work]:
    """This tree beside another one."""
    for outstanding in (1, 10):
        name = f"messages, 50 clients, {outstanding} outstanding"
        makes: list[Make] = [Ours, lambda: Ours(tree=tree)]
        yield Work(name, works.messages(50, 5, outstanding, seconds), makes)


def measure(
    all_works: Sequence[Work], rounds: int, minutes: float
) -> tuple[list[Run], dict[str, str]]:
    """Every contender does each work once per round; what cannot run here is skipped.

    After so many minutes no work is begun any more.
    """
    end = time.monotonic() + minutes * 60
    runs: list[Run] = []
    skipped: dict[str, str] = {}
    for index in range(rounds):
        for work in all_works:
            if time.monotonic() > end:
                return runs, skipped
            if work.once and index:
                continue
            for make in work.makes:
                contender = make()
                if contender.name in skipped:
                    continue
                try:
                    done = run(contender, work.name, work.arrange)
                except Unavailable as reason:
                    skipped[contender.name] = str(reason)
                    print(f"skipped: {contender.name}: {reason}", flush=True)
                    continue
                except (RuntimeError, OSError) as error:
                    done = Run(contender.name, work.name, problems=[str(error)[-600:]])
                runs.append(done)
                print(line(index, done), flush=True)
    return runs, skipped


def line(index: int, done: Run) -> str:
    """A run as it is told while it goes on."""
    verdict = "" if done.counts else f"  FAILED: {done.problems[0][:200]}"
    return (
        f"{index + 1}  {done.work:44.44}  {done.contender:40.40}  {done.rate:9,.0f}/s"
        f"  p50 {done.p50_ms:8.1f} ms  {done.cpu_us:7.0f} µs{verdict}"
    )


def surroundings() -> dict[str, Any]:
    """The machine and the versions."""
    cpu = next(
        (row.split(":")[1].strip() for row in Path("/proc/cpuinfo").read_text().splitlines()
         if row.startswith("model name")), platform.machine(),
    )  # fmt: skip
    node = ""
    with suppress(OSError):
        node = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
    packages = ("django", "channels", "uvicorn", "uvloop", "websockets", "daphne", "msgspec",
                "psycopg", "python-socketio", "fastapi", "sqlalchemy", "aiosqlite")  # fmt: skip
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{cpu}, {len(PROCESSORS)} processors, {platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "node": node or "none",
        "versions": {name: version(name) for name in packages},
        "load_before": os.getloadavg()[0],
    }


@contextmanager
def another_tree(revision: str | None) -> Iterator[Path | None]:
    """A checkout of `revision`, gone afterwards."""
    if revision is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="flow-bench-") as folder:
        tree = Path(folder) / revision.replace("/", "-")
        subprocess.run(["git", "worktree", "add", "-q", "--detach", tree, revision],
                       cwd=ROOT, check=True)  # fmt: skip
        try:
            yield tree
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=ROOT, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two minutes: the gist, no documents")
    parser.add_argument("--rounds", type=int, default=0, help="how often (5, or 2 with --quick)")
    parser.add_argument("--seconds", type=float, default=0, help="how long each (4, or 2)")
    parser.add_argument("--minutes", type=float, default=600, help="begin nothing after so many")
    parser.add_argument("--only", default="", help="works whose name has this in it")
    parser.add_argument("--against", metavar="REVISION", help="only this tree beside another one")
    options = parser.parse_args()
    # Leaves as Ctrl-C does: no server and no database stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    seconds = options.seconds or (2.0 if options.quick else 4.0)
    rounds = options.rounds or (2 if options.quick else 5)
    about = surroundings()
    with another_tree(options.against) as tree:
        if tree is not None:
            chosen = against(tree, seconds)
        else:
            chosen = the_gist(seconds) if options.quick else everything(seconds)
        all_works = [each for each in chosen if options.only in each.name]
        runs, skipped = measure(all_works, rounds, options.minutes)
    # The first of all works was done in every round that was begun.
    begun = sum(each.work == runs[0].work and each.contender == runs[0].contender for each in runs)
    about |= {"rounds": begun, "seconds": seconds, "skipped": skipped}
    about["load_after"] = os.getloadavg()[0]
    text = markdown(about, runs)
    if options.quick or options.only or options.against:
        print(text)
    else:
        results = {"about": about, "runs": msgspec.to_builtins(runs)}
        (ROOT / "bench/results.json").write_text(json.dumps(results, indent=1) + "\n")
        (ROOT / "docs/benchmarks.md").write_text(text)
    if not any(each.counts for each in runs):
        sys.exit("no run counts")


if __name__ == "__main__":
    main()
