"""Tests of what a benchmark's report says."""

from bench.report import GOALS as ALL
from bench.report import OURS, POSTGRES, TEN, TUNED, TWO, Runs, judged, markdown
from bench.rounds import Run

FIRST = ALL[0]
ABOUT = {
    "date": "today",
    "machine": "a machine",
    "python": "3.11",
    "node": "none",
    "versions": {"django": "5.2"},
    "rounds": 2,
    "seconds": 1.0,
    "load_before": 0.0,
    "load_after": 0.0,
    "skipped": {"Node": "there is no Node"},
}


def run(contender: str, rate: float, *problems: str) -> Run:
    return Run(contender, TEN, rate=rate, cpu_us=1.0, problems=list(problems))


def test_a_goal_is_judged_by_the_median_of_the_ratios() -> None:
    """Rounds of 10, 12 and 14 times the other's rate reach a goal of 12."""
    runs = [run(OURS, rate) for rate in (100, 120, 140)] + [run(TUNED, 10) for _ in range(3)]
    assert judged(FIRST, Runs(runs)) == ("12 (10 to 14)", "yes")


def test_a_goal_that_is_not_reached_says_no() -> None:
    """A median below the goal is no."""
    assert judged(FIRST, Runs([run(OURS, 110), run(TUNED, 10)])) == ("11 (11 to 11)", "**no**")


def test_a_failed_run_reaches_nothing() -> None:
    """A run that lost something has no ratio, and is listed as failed."""
    runs = [run(OURS, 900, "a: stored: 1 missing"), run(TUNED, 10)]
    assert judged(FIRST, Runs(runs)) is None
    text = markdown(ABOUT, runs)
    assert f"| {OURS} | failed |" in text
    assert f"- {TEN}, {OURS}: a: stored: 1 missing" in text


def test_what_was_skipped_is_told_with_its_reason() -> None:
    """A contender that cannot run here is named."""
    assert "- skipped: Node: there is no Node" in markdown(ABOUT, [run(OURS, 1)])


def test_a_load_generator_that_is_too_busy_is_told() -> None:
    """Where the load generator took nearly a core, the figure may be its own, and says so."""
    busy, idle = (Run(OURS, TEN, rate=1.0, load_cpu=share) for share in (0.86, 0.85))
    assert "86% **too busy**" in markdown(ABOUT, [busy])
    assert "too busy" not in markdown(ABOUT, [idle])


def test_what_processes_could_do_with_a_processor_each() -> None:
    """The busiest process limits; what each has used per message is told, and why it matters."""
    work = f"{TEN}, PostgreSQL"
    one = Run(POSTGRES, work, messages=1_000, rate=10, cpu_us=100, more={"each_cpu": [0.1]})
    two = Run(TWO, work, messages=1_000, rate=9, cpu_us=110, more={"each_cpu": [0.05, 0.06]})
    text = markdown(ABOUT, [one, two])
    assert "| two processes, PostgreSQL + Redis, over one | ≥ 1.6 | 0.9 (0.9 to 0.9) |" in text
    assert "| … if each had a processor for itself | ≥ 1.6 | 1.67 (1.67 to 1.67) | yes |" in text
    assert f"| {TWO} (50 + 60 µs) | 9 (9 to 9) |" in text
    assert f"| {POSTGRES} | 10 (10 to 10) |" in text
    assert "Two processes, PostgreSQL, Redis and the load generator" in text
    assert "Two processes" not in markdown(ABOUT, [run(OURS, 1)])
