"""`python -m tests.faults`: many runs over all faults, and what they show."""

import argparse
import asyncio
import random
import sys

from tests.faults.run import Report, run, show
from tests.faults.stage import DatabaseKind, missing


def main() -> int:
    """Run, print a line for each run and their sum; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each run")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, help="of the first run; the next ones count on")
    parser.add_argument("--database", choices=["sqlite", "postgres", "both"], default="both")
    parser.add_argument("--verbose", action="store_true", help="tell what happened in each run")
    asked = parser.parse_args()
    seed = random.randrange(10**6) if asked.seed is None else asked.seed  # noqa: S311
    kinds: list[DatabaseKind] = ["sqlite", "postgres"]
    if asked.database != "both":
        kinds = [asked.database]
    for kind in tuple(kinds):
        if reason := missing(kind):
            print(f"{kind} is left out: {reason}")  # noqa: T201
            kinds.remove(kind)
    reports = []
    for number in range(asked.runs if kinds else 0):
        kind = kinds[number % len(kinds)]
        report = asyncio.run(run(kind, seed=seed + number, seconds=asked.seconds))
        show(report, more=asked.verbose)
        reports.append(report)
    return conclude(reports)


def conclude(reports: list[Report]) -> int:
    """Print the sum; 1 if anything was wrong."""
    wrong = sum(len(each.violations) for each in reports)
    faults = sum(sum(each.faults.values()) for each in reports)
    acknowledged = sum(each.acknowledged for each in reports)
    shown = sum(each.shown for each in reports)
    print(  # noqa: T201
        f"{len(reports)} runs: {faults} faults, {acknowledged} acknowledged, "
        f"{shown} events shown, {wrong} violations"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
