"""Runs as Markdown: what is compared with what, and how far it is from what was aimed at."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from bench.figures import Spread, ratios, spread
from bench.rounds import Run

OURS = "Flow Sessions SQLite"
POSTGRES = "Flow Sessions PostgreSQL"
TWO = f"{POSTGRES} 2 processes, Redis"
TUNED = "tutorial SQLite tuned"
TEN = "messages, 50 clients, 10 outstanding"
ONE = "messages, 50 clients, 1 outstanding"

#: Above this, the load generator may be what is measured.
TOO_BUSY = 0.85


#: How to read the goals of two processes.
TWO_PROCESSES = (
    "Two processes, PostgreSQL, Redis and the load generator want more than two processors: the",
    "rate says how they share them, not what a second process is good for. With a processor",
    "each, and a database that keeps up, the busiest process is the limit: so many messages per",
    "second of its CPU time. Both write in the same sessions, so that their transactions wait",
    "for each other and are smaller: that, more than Redis, is what a second process costs.",
)


class Goal(NamedTuple):
    """A ratio to be reached: of a figure of ours to one of theirs, or the figure itself."""

    text: str
    ours: tuple[str, str]
    theirs: tuple[str, str] | None
    figure: str
    at_least: float | None = None
    at_most: float | None = None


GOALS = (
    Goal("messages/s, SQLite, 10 outstanding, over the tuned tutorial",
         (TEN, OURS), (TEN, TUNED), "rate", at_least=12),
    Goal("CPU per message, of the tuned tutorial's (what counts where the disk is quick)",
         (TEN, OURS), (TEN, TUNED), "cpu_us", at_most=1 / 12),
    Goal("… over python-socketio", (TEN, OURS), (TEN, "python-socketio SQLite"), "rate",
         at_least=4),
    Goal("… over Node per message", (TEN, OURS), (TEN, "Node ws + better-sqlite3 per message"),
         "rate", at_least=2),
    Goal("… over Node grouped (beyond the goals)", (TEN, OURS),
         (TEN, "Node ws + better-sqlite3 grouped"), "rate", at_least=1),
    Goal("messages/s, PostgreSQL, 10 outstanding, over the tutorial",
         (f"{TEN}, PostgreSQL", POSTGRES),
         (f"{TEN}, PostgreSQL", "tutorial PostgreSQL tuned"), "rate", at_least=10),
    Goal("p50, 1 outstanding, of the tuned tutorial's", (ONE, OURS), (ONE, TUNED), "p50_ms",
         at_most=1 / 8),
    Goal("fan-out to 1,000, over group_send", ("fan-out to 1,000", OURS),
         ("fan-out to 1,000", TUNED), "rate", at_least=5),
    Goal("replay of 10,000 events, over pages of 100", ("replay of 10,000 events", OURS),
         ("10,000 events by list_events, pages of 100", OURS), "rate", at_least=3),
    Goal("… over pages of 500", ("replay of 10,000 events", OURS),
         ("10,000 events by list_events, pages of 500", OURS), "rate", at_least=3),
    Goal("idle watching socket, KB", ("idle memory of 2,000", OURS), None, "kilobytes",
         at_most=32),
    Goal("storm of 1,000, seconds until all are live", ("storm of 1,000", OURS), None, "seconds",
         at_most=15),
    Goal("CPU per message among 100,000 sessions, of that among 100",
         ("among 100,000 sessions, 1,000,000 events", OURS),
         ("among 100 sessions, 1,000 events", OURS), "cpu_us", at_most=1.15),
    Goal("… with 10 million events",
         ("among 100,000 sessions, 10,000,000 events", OURS),
         ("among 100 sessions, 1,000 events", OURS), "cpu_us", at_most=1.15),
    Goal("two processes, PostgreSQL + Redis, over one", (f"{TEN}, PostgreSQL", TWO),
         (f"{TEN}, PostgreSQL", POSTGRES), "rate", at_least=1.6),
    Goal("… if each had a processor for itself", (f"{TEN}, PostgreSQL", TWO),
         (f"{TEN}, PostgreSQL", POSTGRES), "possible", at_least=1.6),
    Goal("… with 1 outstanding", (f"{ONE}, PostgreSQL", TWO), (f"{ONE}, PostgreSQL", POSTGRES),
         "possible", at_least=1.6),
)  # fmt: skip


def figure(run: Run, name: str) -> float | None:
    """A figure of a run; None where the run does not count."""
    if not run.counts:
        return None
    if name == "kilobytes":
        return float(run.more["bytes_per_socket"]) / 1024
    value: float = getattr(run, name)
    return value


class Runs:
    """All runs, by work and contender, in the order of the rounds."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.by: dict[tuple[str, str], list[Run]] = {}
        for run in runs:
            self.by.setdefault((run.work, run.contender), []).append(run)

    def figures(self, where: tuple[str, str], name: str) -> list[float | None]:
        """One figure of all rounds."""
        return [figure(run, name) for run in self.by.get(where, ())]

    def works(self) -> list[str]:
        """The works, in the order in which they were done."""
        return list(dict.fromkeys(work for work, _ in self.by))


def judged(goal: Goal, runs: Runs) -> tuple[str, str] | None:
    """What was reached, and whether that is enough; None where it was not measured."""
    mine = runs.figures(goal.ours, goal.figure)
    values = (
        ratios(mine, runs.figures(goal.theirs, goal.figure))
        if goal.theirs is not None
        else [each for each in mine if each is not None]
    )
    if not values:
        return None
    found = spread(values)
    enough = (goal.at_least is None or found.median >= goal.at_least) and (
        goal.at_most is None or found.median <= goal.at_most
    )
    return f"{_number(found.median)} ({_range(found)})", "yes" if enough else "**no**"


def markdown(about: dict[str, Any], all_runs: Sequence[Run]) -> str:
    """The whole report."""
    runs = Runs(all_runs)
    return "\n".join([*_head(about, runs), *_goals(runs), *_works(runs), *_failed(all_runs)]) + "\n"


def _head(about: dict[str, Any], runs: Runs) -> Iterator[str]:
    noise = [
        spread(kept).noise
        for where in runs.by
        if len(kept := [each for each in runs.figures(where, "cpu_us") if each]) > 1
    ]
    yield "# Benchmarks"
    yield ""
    yield "Made by `make bench`; every figure is the command's, none was typed. Read the ratios:"
    yield "they are of neighbouring runs, which were as disturbed as each other."
    yield ""
    yield f"- {about['date']}, {about['machine']}, Python {about['python']}, Node {about['node']}"
    yield "- " + ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    yield (
        f"- up to {about['rounds']} rounds, interleaved, {about['seconds']:g} s each after a"
        " warm-up; the server on one processor, the load generator on another"
    )
    if noise:
        yield (
            f"- how noisy it was: load average {about['load_before']:.1f} before and"
            f" {about['load_after']:.1f} after; CPU per message of the same work differed by"
            f" {spread(noise).median:.0%} of its median between rounds (at most {max(noise):.0%})"
        )
    for name, reason in about["skipped"].items():
        yield f"- skipped: {name}: {reason}"
    yield ""
    yield "Every message is durable (SQLite: WAL, `synchronous=FULL`), acknowledged after its"
    yield "commit, and delivered to the five in its session. A run counts if all that was"
    yield "acknowledged is stored once and came once to everybody (here: in the log's order, and"
    yield "`manage.py verify` finds nothing wrong). All promises are on; only the rate limits are"
    yield "raised. Rates of peers count acknowledgements, however long deliveries take afterwards."
    yield "Who commits each message by itself waits for the disk each time: where the disk is busy,"
    yield "as it is on a shared machine, that makes most of their time, and the ratios of rates are"
    yield "larger than on a disk that is quick. The CPU per message does not depend on it."
    yield ""


def _goals(runs: Runs) -> Iterator[str]:
    rows = [(goal, judged(goal, runs)) for goal in GOALS]
    found = [(goal, result) for goal, result in rows if result is not None]
    if not found:
        return
    yield "## What was aimed at"
    yield ""
    yield "| Figure | Goal | Median (range) | Reached |"
    yield "|---|---|---|---|"
    for goal, (value, verdict) in found:
        limit = f"≥ {goal.at_least:g}" if goal.at_least is not None else f"≤ {goal.at_most:g}"
        yield f"| {goal.text} | {limit} | {value} | {verdict} |"
    yield ""
    if any(goal.figure == "possible" for goal, _ in found):
        yield from TWO_PROCESSES
        yield ""


def _works(runs: Runs) -> Iterator[str]:
    for work in runs.works():
        yield f"## {work[0].upper()}{work[1:]}"
        yield ""
        yield "| Server | per second (range) | p50 ms | p99 ms | CPU µs per message | Load's CPU |"
        yield "|---|---|---|---|---|---|"
        for (each, contender), rounds in runs.by.items():
            if each == work:
                yield _row(contender, rounds)
        yield ""


def _row(contender: str, rounds: Sequence[Run]) -> str:
    kept = [each for each in rounds if each.counts]
    if not kept:
        return f"| {contender} | failed | | | | |"
    name = contender if len(kept) == len(rounds) else f"{contender} ({len(kept)} of {len(rounds)})"
    if "bytes_per_socket" in kept[0].more:
        size = spread([each.more["bytes_per_socket"] / 1024 for each in kept])
        return f"| {name} | {size.median:.1f} KB a socket ({_range(size)}) | | | | |"
    rate = spread([each.rate for each in kept])
    load = spread([each.load_cpu for each in kept]).median
    cells = [
        f"{rate.median:,.0f} ({_range(rate)})",
        *(_number(spread([figure(each, of) or 0 for each in kept]).median)
          for of in ("p50_ms", "p99_ms", "cpu_us")),
        f"{load:.0%}{' **too busy**' if load > TOO_BUSY else ''}",
    ]  # fmt: skip
    return f"| {name}{_each(kept)} | {' | '.join(cells)} |"


def _each(runs: Sequence[Run]) -> str:
    """The CPU per message of each of several processes."""
    by_process = zip(*(_shares(each) for each in runs), strict=True)
    medians = [_number(spread(shares).median) for shares in by_process]
    return f" ({' + '.join(medians)} µs)" if len(medians) > 1 else ""


def _shares(run: Run) -> list[float]:
    return [each / run.messages * 1e6 for each in run.more.get("each_cpu", ())]


def _failed(runs: Sequence[Run]) -> Iterator[str]:
    failed = {(each.work, each.contender): each.problems[0] for each in runs if not each.counts}
    if not failed:
        return
    yield "## What failed, and does not count"
    yield ""
    for (work, contender), problem in failed.items():
        yield f"- {work}, {contender}: {' '.join(problem.split())[:200]}"
    yield ""


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _range(values: Spread) -> str:
    return f"{_number(values.low)} to {_number(values.high)}"
